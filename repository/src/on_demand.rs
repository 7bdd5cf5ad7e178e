//! On-demand documents: the entry is registered (ITI-61), the bytes are made when somebody asks for
//! them. ITI TF-2: 3.43.4.1.3, 3.61; TF-1: 10.4.11 (persistence).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use carerecord_access::{Caller, Released};
use carerecord_codec::mtom::MtomError;
use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, Code, DocumentBody, DocumentEntry,
    DocumentEntryType, Dtm, ErrorCode, ExtraMetadata, IdentifierError, ObjectId, Oid, PortError,
    RegistryError, RepositoryUniqueId, RetrievedDocument, SourceId, Submission, SubmissionSet,
    SubmissionSetStatus, TransactionError, UniqueId,
};
use carerecord_service::{Asker, AuditDraft};
use futures_util::{StreamExt as _, TryStreamExt as _};
use uuid::Uuid;

use crate::Repository;
use crate::iti41::Origin;
use crate::objects::{Objects, StoredObject};
use crate::service::{Given, failed, located};

/// Makes documents when they are asked for.
#[async_trait]
pub trait DocumentProducer: Send + Sync {
    /// The bytes of the document that this entry stands for, as of now. They are of the entry's
    /// MIME type.
    ///
    /// # Errors
    /// Why it cannot be made.
    async fn produce(&self, entry: &DocumentEntry) -> Result<DocumentBody, PortError>;
}

/// A producer with what it is for.
#[derive(Clone)]
pub struct OnDemand {
    /// Who makes the documents.
    pub producer: Arc<dyn DocumentProducer>,
    /// Of which types, by the code of typeCode; empty for all.
    pub types: Vec<String>,
    /// Whether what was given is kept and registered as a snapshot.
    pub persist: bool,
    /// contentTypeCode of snapshots' submissions; the entry's classCode unless given.
    pub content_type_code: Option<Code>,
}

/// The ids of bytes that were made for an answer. ITI TF-2: 3.43.4.2.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Made {
    /// The same for the same bytes of the same entry, always.
    pub unique_id: UniqueId,
    /// Where they can be had again; `None` when they are not kept.
    pub repository: Option<RepositoryUniqueId>,
}

impl Repository {
    /// The document of an on-demand entry of this node; `None` when there is no such entry.
    pub(crate) async fn make(
        &self,
        asker: &Asker,
        id: &UniqueId,
        draft: &AuditDraft,
    ) -> Result<Option<Released<Given>>, TransactionError> {
        if self.on_demand.is_empty() {
            return Ok(None);
        }
        let entry = self.on_demand_entry(id).await.map_err(|e| failed(&e, id))?;
        let Some(entry) = entry else { return Ok(None) };
        draft.fill(|event| event.subject = event.subject.or(entry.patient_id.nhs_number()));
        let released = self.decide(asker, &entry, draft).await;
        let released = released.map_err(|refused| self.refusal(&refused, id))?;
        draft.fill(|event| event.subject = entry.patient_id.nhs_number());
        let kind = &entry.type_code.code;
        let by = self.on_demand.iter().find(|o| o.types.is_empty() || o.types.contains(kind));
        let by = by.ok_or_else(|| {
            let what = "nothing is set up here that makes documents of this type";
            located(ErrorCode::XDSRepositoryError, what, id)
        })?;
        let made =
            self.make_and_keep(&asker.caller, by, &entry).await.map_err(|e| failed(&e, id))?;
        let (object, unique_id, kept) = made;
        draft.fill(|event| {
            event.documents.push(carerecord_audit::DocumentRef {
                id: unique_id.to_string(),
                hash: Some(object.sha1.clone()),
            });
        });
        let document = self.give_made(&entry, object).await?;
        let repository = kept.then(|| self.config.repository_unique_id.clone());
        let made = Some(Made { unique_id, repository });
        Ok(Some(released.map(|_| Given { document, made })))
    }

    /// The entry as it stands; one that is deprecated makes nothing.
    async fn on_demand_entry(
        &self,
        id: &UniqueId,
    ) -> Result<Option<Arc<DocumentEntry>>, PortError> {
        let on_demand = |e: &DocumentEntry| e.entry_type == DocumentEntryType::OnDemand;
        let newest = self.newest_entry(id, on_demand).await?;
        Ok(newest.filter(|e| e.availability_status == AvailabilityStatus::Approved))
    }

    /// The bytes, their id, and whether they are kept under it.
    async fn make_and_keep(
        &self,
        caller: &Caller,
        by: &OnDemand,
        entry: &DocumentEntry,
    ) -> Result<(StoredObject, UniqueId, bool), MakeError> {
        let object = self.produce(by, entry).await?;
        let id = id_of_bytes(&entry.unique_id, &object)?;
        if !by.persist {
            return Ok((object, id, false));
        }
        match self.keep_snapshot(caller, by, entry, &id, &object).await {
            Ok(kept) => Ok((object, id, kept)),
            Err(error) => {
                // What was refused is gone from the store. Who asked is given the document, only
                // without the promise that it can be had again.
                tracing::warn!(%error, "a snapshot could not be registered; it is not kept");
                let object = self.produce(by, entry).await?;
                let id = id_of_bytes(&entry.unique_id, &object)?;
                Ok((object, id, false))
            }
        }
    }

    /// Has the bytes made, and stored: their hash comes before them in the answer.
    async fn produce(
        &self,
        by: &OnDemand,
        entry: &DocumentEntry,
    ) -> Result<StoredObject, MakeError> {
        let body = by.producer.produce(entry).await?;
        let body = body.map_err(|e| MtomError::Source(e.to_string()));
        let (id, limit) = (self.ids.random(), self.config.max_document_bytes);
        Ok(self.objects.put(id, body, limit).await?)
    }

    /// Registers what was made as a stable document; nothing is done where that is so already.
    /// `false`: it is not registered yet.
    async fn keep_snapshot(
        &self,
        caller: &Caller,
        by: &OnDemand,
        entry: &DocumentEntry,
        unique_id: &UniqueId,
        object: &StoredObject,
    ) -> Result<bool, MakeError> {
        let _turn = self.turns.take(std::iter::once(unique_id)).await;
        if self.holding(unique_id).await?.is_some() {
            return Ok(true);
        }
        let submission = self.snapshot(by, entry, unique_id, object)?;
        let document = submission.document_entries.first().map(|e| e.entry_uuid.to_string());
        let stored = HashMap::from([(document.unwrap_or_default(), object.clone())]);
        let registered = self.register(caller, submission, stored, Origin::OnDemand).await?;
        let later = |e: &RegistryError| e.code == ErrorCode::XDSRegistryNotAvailable;
        Ok(!registered.warnings.iter().any(later))
    }

    fn snapshot(
        &self,
        by: &OnDemand,
        entry: &DocumentEntry,
        unique_id: &UniqueId,
        object: &StoredObject,
    ) -> Result<Submission, MakeError> {
        let now = Dtm::from_timestamp(self.clock.now());
        let symbol = |name: &str| ObjectId::Symbol(name.to_owned());
        let (set, document) = (symbol("set"), symbol("document"));
        let relate = |id: &str, kind, source: &ObjectId, target: &ObjectId, original| Association {
            entry_uuid: symbol(id),
            association_type: kind,
            source: source.clone(),
            target: target.clone(),
            availability_status: AvailabilityStatus::Approved,
            submission_set_status: original,
            documentation: None,
            extra: ExtraMetadata::default(),
        };
        let made = DocumentEntry {
            entry_uuid: document.clone(),
            logical_id: None,
            version: 0,
            entry_type: DocumentEntryType::Stable,
            unique_id: unique_id.clone(),
            hash: Some(object.sha1.clone()),
            size: Some(object.size),
            creation_time: Some(now.clone()),
            repository_unique_id: Some(self.config.repository_unique_id.clone()),
            ..entry.clone()
        };
        let source_id: SourceId = self.config.repository_unique_id.as_str().parse()?;
        let original = Some(SubmissionSetStatus::Original);
        Ok(Submission {
            associations: vec![
                relate("member", AssociationType::HasMember, &set, &document, original),
                relate("of", AssociationType::IsSnapshotOf, &document, &entry.entry_uuid, None),
            ],
            submission_set: SubmissionSet {
                entry_uuid: set,
                availability_status: AvailabilityStatus::Approved,
                patient_id: entry.patient_id.clone(),
                unique_id: oid(self.ids.random())?,
                source_id,
                submission_time: now,
                content_type_code: by
                    .content_type_code
                    .clone()
                    .unwrap_or_else(|| entry.class_code.clone()),
                authors: Vec::new(),
                intended_recipients: Vec::new(),
                title: Vec::new(),
                comments: Vec::new(),
                home_community_id: entry.home_community_id.clone(),
                extra: ExtraMetadata::default(),
            },
            document_entries: vec![made],
            folders: Vec::new(),
        })
    }

    /// The bytes on their way out. What is not kept goes when they have left, or are not wanted.
    async fn give_made(
        &self,
        entry: &DocumentEntry,
        object: StoredObject,
    ) -> Result<RetrievedDocument, TransactionError> {
        let id = &entry.unique_id;
        let named = self.index.has_object(&object.key).await.map_err(|e| failed(&e, id))?;
        let spare = (!named).then(|| Spare(self.objects.clone(), object.key.clone()));
        let holding = crate::iti41::holding(entry, &object);
        let mut document = self.open(&holding, None).await?;
        let body = document.body;
        document.body = Box::pin(body.inspect(move |_| {
            let _until_it_has_left = &spare;
        }));
        Ok(document)
    }
}

/// An object that nobody needs any more.
struct Spare(Objects, String);

impl Drop for Spare {
    fn drop(&mut self) {
        let (objects, key) = (self.0.clone(), std::mem::take(&mut self.1));
        // Without a runtime the process ends: the sweeper finds it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = objects.delete(&key).await {
                    tracing::warn!(%error, "an unused object is left to the sweeper");
                }
            });
        }
    }
}

/// Why a document was not made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error("the producer failed")]
    Producer(#[from] PortError),
    #[error("what was made could not be stored")]
    Store(#[from] crate::objects::ObjectError),
    #[error(transparent)]
    Registration(#[from] TransactionError),
    #[error("an id cannot be made")]
    Id(#[from] IdentifierError),
}

/// The id of certain bytes of an entry: whoever makes them again gives them the same.
fn id_of_bytes(entry: &UniqueId, object: &StoredObject) -> Result<UniqueId, IdentifierError> {
    use aws_lc_rs::digest::{SHA256, digest};
    let digest = digest(&SHA256, format!("{entry} {}", object.sha256).as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_ref()[..16]);
    oid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn oid(id: Uuid) -> Result<UniqueId, IdentifierError> {
    Oid::from_uuid(id).as_str().parse()
}
