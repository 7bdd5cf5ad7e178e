use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use carerecord_model::{
    DocumentEntry, DocumentRegistry, ErrorCode, FoundObjects, IdSource as _, LastChange, NhsNumber,
    PortError, RandomIds, Registered, StoredQuery, Submission, SystemClock, TransactionError,
};
use carerecord_storage::Database;
use carerecord_testkit::submission::{Builder, OTHER_PATIENT};
use futures_util::stream;
use tempfile::TempDir;

use super::{Scrub, ScrubError, ScrubOptions, ScrubParts, ScrubReport};
use crate::Objects;
use crate::index::{Holding, Index};
use crate::integrity::Fault;

#[tokio::test]
async fn what_the_registry_says_otherwise_is_found_and_out_of_use_until_it_agrees() {
    let node = Node::new().await;
    let all = node.hold(6).await;
    node.change(|entries| {
        entries[1].hash = Some("0".repeat(40));
        entries[2].size = Some(1);
        entries[3].repository_unique_id = Some("2.999.30.2".parse().unwrap());
        // The newest version is what counts.
        let newer = DocumentEntry { version: 7, hash: Some("1".repeat(40)), ..entries[4].clone() };
        entries.push(newer);
    });

    let report = node.scrub().await.unwrap();

    let expected = [
        (1, Fault::RegisteredHash),
        (2, Fault::RegisteredSize),
        (3, Fault::NotRegistered),
        (4, Fault::RegisteredHash),
    ];
    let mut expected = expected.map(|(n, fault)| (all[n].unique_id.clone(), fault)).to_vec();
    expected.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(report.findings, expected);
    assert_eq!(report.documents, 6);
    assert_eq!(node.quarantined(&all).await, [false, true, true, false, true, false]);

    node.change(|entries| {
        entries.truncate(6);
        for (entry, holding) in entries.iter_mut().zip(&all) {
            entry.clone_from(&holding.entry);
        }
    });
    let report = node.scrub().await.unwrap();
    assert_eq!((report.findings.len(), report.released), (0, 3));
    assert_eq!(node.quarantined(&all).await, [false; 6]);
}

#[tokio::test]
async fn a_store_that_is_gone_ends_the_scrub_and_accuses_nobody() {
    let node = Node::new().await;
    let all = node.hold(8).await;
    let objects = Objects::remote(nowhere()).unwrap();

    let error = node.scrub_with(objects).await.unwrap_err();

    assert!(matches!(error, ScrubError::Objects(ref why) if why.contains("cannot be reached")));
    assert_eq!(node.quarantined(&all).await, [false; 8]);
    assert_eq!(node.scrub().await.unwrap().findings, []);
}

fn nowhere() -> crate::RemoteStore {
    carerecord_testkit::install_crypto();
    let option = |name: &str| (name.to_owned(), "x".to_owned());
    crate::RemoteStore {
        url: "s3://documents".parse().unwrap(),
        endpoint: Some("http://127.0.0.1:1".parse().unwrap()),
        region: None,
        path_style: true,
        certificates: None,
        options: vec![option("access_key_id"), option("secret_access_key")],
        conditional_writes: true,
        silence: std::time::Duration::from_millis(200),
        patience: std::time::Duration::from_millis(1),
    }
}

/// A node on SQLite and files, with a registry that says what it is told to.
struct Node {
    folder: TempDir,
    database: Database,
    registry: Arc<Said>,
}

impl Node {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("node.db")).await.unwrap();
        Self { folder, database, registry: Arc::default() }
    }

    fn objects(&self) -> Objects {
        Objects::local(&self.folder.path().join("objects")).unwrap()
    }

    /// Documents of two patients, held and registered.
    async fn hold(&self, count: usize) -> Vec<Holding> {
        let mut builders = [Builder::default(), Builder::of(OTHER_PATIENT)];
        let mut all = Vec::new();
        for n in 0..count {
            let body = stream::iter([Ok(Bytes::from(format!("document {n}")))]);
            let object = self.objects().put(RandomIds.random(), body, 1000).await.unwrap();
            let mut entry = builders[n % 2].entry();
            entry.repository_unique_id = Some(NODE.parse().unwrap());
            (entry.hash, entry.size) = (Some(object.sha1.clone()), Some(object.size));
            all.push(Holding {
                unique_id: entry.unique_id.clone(),
                object,
                mime_type: entry.mime_type.clone(),
                registered: true,
                quarantined: false,
                entry,
            });
        }
        let index = Index::new(self.database.clone());
        let now = carerecord_model::Clock::now(&SystemClock);
        index.set_registered(all.clone(), now, None).await.unwrap();
        self.change(|entries| entries.extend(all.iter().map(|h| h.entry.clone())));
        all
    }

    fn change(&self, change: impl FnOnce(&mut Vec<DocumentEntry>)) {
        change(&mut self.registry.0.lock().unwrap());
    }

    async fn quarantined(&self, all: &[Holding]) -> Vec<bool> {
        let index = Index::new(self.database.clone());
        let mut quarantined = Vec::new();
        for holding in all {
            let found = index.find(&holding.unique_id).await.unwrap();
            quarantined.push(found.unwrap().quarantined);
        }
        quarantined
    }

    async fn scrub(&self) -> Result<ScrubReport, ScrubError> {
        self.scrub_with(self.objects()).await
    }

    async fn scrub_with(&self, objects: Objects) -> Result<ScrubReport, ScrubError> {
        let scrub = Scrub::new(ScrubParts {
            node: NODE.parse().unwrap(),
            database: self.database.clone(),
            objects,
            registry: Some(self.registry.clone()),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
        });
        scrub.run(&ScrubOptions::default(), &mut |_| {}).await
    }
}

/// Refuses, as a registry does, a look-up by ids that spans patients.
#[derive(Default)]
struct Said(Mutex<Vec<DocumentEntry>>);

#[async_trait]
impl DocumentRegistry for Said {
    async fn register_document_set(&self, _: Submission) -> Result<Registered, PortError> {
        Err(PortError::Unavailable("nobody registers here".to_owned()))
    }

    async fn stored_query(&self, query: &StoredQuery) -> Result<FoundObjects, PortError> {
        let asked = format!("{query:?}");
        let named = |e: &&DocumentEntry| asked.contains(&format!("{:?}", e.unique_id));
        let document_entries =
            self.0.lock().unwrap().iter().filter(named).cloned().map(Arc::new).collect();
        let found = FoundObjects { document_entries, ..FoundObjects::default() };
        let first = found.document_entries.first().map(|e| e.patient_id.clone());
        if found.document_entries.iter().any(|e| Some(&e.patient_id) != first.as_ref()) {
            let code = ErrorCode::XDSResultNotSinglePatient;
            return Err(PortError::Transaction(TransactionError::one(code, "two patients")));
        }
        Ok(found)
    }

    async fn last_changes(&self, _: NhsNumber) -> Result<Vec<LastChange>, PortError> {
        Ok(Vec::new())
    }

    async fn remove_metadata(
        &self,
        _: Vec<carerecord_model::EntryUuid>,
    ) -> Result<(), carerecord_model::PortError> {
        Err(carerecord_model::PortError::Unavailable("a scrub removes nothing".into()))
    }
}

const NODE: &str = "2.999.30.1";
