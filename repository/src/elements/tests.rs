//! What is taken out of documents with the index, whose they must be, and what becomes of it.

use std::sync::Arc;

use bytes::Bytes;
use carerecord_model::{ElementKind, IdSource as _, NhsNumber, RandomIds, SystemClock, UniqueId};
use carerecord_storage::{Database, sql};
use carerecord_testkit::submission::Builder;
use futures_util::stream;
use jiff::Timestamp;
use tempfile::TempDir;

use super::rows::{self, MISMATCHED, TAKEN, UNCODED, UNREADABLE};
use super::take;
use crate::Objects;
use crate::index::{Holding, Index};
use crate::search::{Indexer, Search, Synonyms, queue};

#[test]
fn only_what_is_the_patients_own_is_taken() {
    let own: NhsNumber = "9990001006".parse().unwrap();
    let state = |text: &str, patient| take(text.as_bytes(), patient).state;

    assert_eq!(state(&allergy(Some("9990001006")), Some(own)), TAKEN);
    assert_eq!(state(&allergy(None), Some(own)), TAKEN, "one that names nobody");
    assert_eq!(state(&allergy(Some("9990001014")), Some(own)), MISMATCHED);
    let two = allergy(Some("9990001006")).replace("<component>", "<recordTarget/><component>");
    assert_eq!(state(&two, Some(own)), MISMATCHED);
    assert_eq!(state("Letter: no known allergies.", Some(own)), UNCODED);
    assert_eq!(
        state("<ClinicalDocument xmlns='urn:hl7-org:v3'><component>", Some(own)),
        UNREADABLE
    );
    assert_eq!(state("<ClinicalDocument xmlns='urn:hl7-org:v3'/>", Some(own)), UNCODED);
}

#[tokio::test]
async fn elements_come_with_the_index_and_go_with_the_document() {
    let node = Node::new().await;
    let id = node.hold(&allergy(None)).await;
    assert!(node.known(&id).await.is_none(), "it waits");

    node.index().await;

    let (state, left_out) = node.known(&id).await.unwrap();
    assert_eq!((state, left_out), (TAKEN, 0));
    let ids = [id.clone()];
    let stored = rows::elements(&node.database, &ids).await.unwrap();
    assert_eq!(stored[0].elements[0].kind, ElementKind::AllergyIntolerance);
    assert_eq!(stored[0].elements[0].concept.words(), Some("Penicillin"));
    assert_eq!(rows::renew(&node.database, Timestamp::UNIX_EPOCH).await.unwrap(), 0);

    // Other rules: it is taken out again, and stays meanwhile.
    let old = "UPDATE document_element SET rules = 'old', left_out = 7";
    node.database.write(move |c| Box::pin(async move { sql(old).run(c).await })).await.unwrap();
    assert_eq!(rows::renew(&node.database, Timestamp::UNIX_EPOCH).await.unwrap(), 1);
    assert_eq!(node.known(&id).await, Some((TAKEN, 7)));
    node.index().await;
    assert_eq!(node.known(&id).await, Some((TAKEN, 0)));

    let gone = id.clone();
    let remove = node.database.write(move |c| {
        Box::pin(async move { queue::removed(c, &gone, Timestamp::UNIX_EPOCH).await })
    });
    remove.await.unwrap();
    assert!(rows::elements(&node.database, &ids).await.unwrap().is_empty(), "at once");
}

fn allergy(number: Option<&str>) -> String {
    let target = number.map(|number| {
        format!(
            "<recordTarget><patientRole><id root='2.16.840.1.113883.2.1.4.1' extension='{number}'/>\
             </patientRole></recordTarget>"
        )
    });
    format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'>{}<component><structuredBody><component><section>\
         <code code='48765-2' codeSystem='2.16.840.1.113883.6.1'/><title>Allergies</title>\
         <text>Penicillin</text><entry><observation><participant typeCode='CSM'><participantRole>\
         <playingEntity><code code='7980' displayName='Penicillin'/></playingEntity>\
         </participantRole></participant></observation></entry></section></component>\
         </structuredBody></component></ClinicalDocument>",
        target.unwrap_or_default()
    )
}

/// A node on SQLite and files.
struct Node {
    folder: TempDir,
    database: Database,
    indexer: Indexer,
}

impl Node {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("node.db")).await.unwrap();
        let search = Search::open(&folder.path().join("search"), Synonyms::default()).unwrap();
        let objects = Objects::local(&folder.path().join("objects")).unwrap();
        let indexer = Indexer::new(database.clone(), objects, search, Arc::new(SystemClock));
        Self { folder, database, indexer }
    }

    async fn hold(&self, text: &str) -> UniqueId {
        let objects = Objects::local(&self.folder.path().join("objects")).unwrap();
        let body = stream::iter([Ok(Bytes::from(text.to_owned()))]);
        let object = objects.put(RandomIds.random(), body, 1 << 20).await.unwrap();
        let mut entry = Builder::default().entry();
        entry.mime_type = "text/xml".parse().unwrap();
        let holding = Holding {
            unique_id: entry.unique_id.clone(),
            object,
            mime_type: entry.mime_type.clone(),
            entry,
            registered: true,
            quarantined: false,
        };
        let id = holding.unique_id.clone();
        let index = Index::new(self.database.clone());
        index.set_registered(vec![holding], Timestamp::UNIX_EPOCH, None).await.unwrap();
        id
    }

    async fn index(&self) {
        while self.indexer.index_some().await.unwrap() > 0 {}
    }

    async fn known(&self, id: &UniqueId) -> Option<(i64, i64)> {
        let known = rows::known(&self.database, std::slice::from_ref(id)).await.unwrap();
        let read = known.into_iter().next().unwrap().read?;
        Some((read.state, read.left_out))
    }
}
