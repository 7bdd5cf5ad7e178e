use std::sync::Arc;

use carerecord_access::{AccessDecisions, Caller, Refused, Released, Right};
use carerecord_model::{
    ByteRange, Clock, DocumentEntry, DocumentRegistry, DocumentRequest, EntryRef, ErrorCode,
    GetDocuments, IdSource, MetadataLevel, PortError, RegistryError, RetrievedDocument,
    StoredQuery, TransactionError, UniqueId,
};
use carerecord_service::{Asker, AuditDraft, Callers, DelegationError, Statement};
use carerecord_storage::{Database, StoreError, Trouble};

use crate::RepositoryConfig;
use crate::content::Room;
use crate::index::{Holding, Index};
use crate::objects::{ObjectError, Objects};
use crate::on_demand::{Made, OnDemand};
use crate::search::Search;
use crate::turns::Turns;

/// A repository node's service: every binding calls these methods, and only these.
#[derive(Clone)]
pub struct Repository {
    pub(crate) config: Arc<RepositoryConfig>,
    pub(crate) index: Index,
    pub(crate) objects: Objects,
    pub(crate) room: Room,
    pub(crate) turns: Turns,
    pub(crate) search: Search,
    pub(crate) registry: Arc<dyn DocumentRegistry>,
    pub(crate) access: AccessDecisions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) on_demand: Arc<[OnDemand]>,
}

/// A document that is given.
pub(crate) struct Given {
    pub document: RetrievedDocument,
    /// For what was made on demand.
    pub made: Option<Made>,
}

/// What a node is made of.
pub struct RepositoryParts {
    /// Its section of the configuration.
    pub config: RepositoryConfig,
    /// Its database.
    pub database: Database,
    /// Its bytes.
    pub objects: Objects,
    /// Its index of what is inside the documents.
    pub search: Search,
    /// The registry.
    pub registry: Arc<dyn DocumentRegistry>,
    /// The decisions.
    pub access: AccessDecisions,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of objects and messages.
    pub ids: Arc<dyn IdSource>,
    /// Who makes documents on demand; the first that fits a type does.
    pub on_demand: Vec<OnDemand>,
}

impl Repository {
    /// A node out of its parts.
    pub fn new(parts: RepositoryParts) -> Self {
        Self {
            config: Arc::new(parts.config),
            index: Index::new(parts.database),
            objects: parts.objects,
            room: Room::default(),
            turns: Turns::default(),
            search: parts.search,
            registry: parts.registry,
            access: parts.access,
            clock: parts.clock,
            ids: parts.ids,
            on_demand: parts.on_demand.into(),
        }
    }

    /// The node's own id.
    pub fn id(&self) -> &carerecord_model::RepositoryUniqueId {
        &self.config.repository_unique_id
    }

    /// The node's database, for readiness, audit and shutdown.
    pub fn database(&self) -> &Database {
        self.index.database()
    }

    /// Gives one document to a caller who may have it. ITI-43.
    ///
    /// # Errors
    /// `XDSUnknownRepositoryId`, `XDSDocumentUniqueIdError` (also where the caller may not know
    /// that there is one), `XDSRepositoryError`.
    pub(crate) async fn retrieve(
        &self,
        asker: &Asker,
        request: &DocumentRequest,
        range: Option<ByteRange>,
        draft: &AuditDraft,
    ) -> Result<Released<Given>, TransactionError> {
        let id = &request.document_unique_id;
        if request.repository_unique_id != self.config.repository_unique_id {
            let what = format!("{} is not served here", request.repository_unique_id);
            return Err(located(ErrorCode::XDSUnknownRepositoryId, &what, id));
        }
        let Some(holding) = self.holding(id).await? else {
            return self.make(asker, id, draft).await?.ok_or_else(|| self.unknown(id));
        };
        let entry = self.entry_of(asker, &holding).await?;
        draft.fill(|event| event.subject = event.subject.or(entry.patient_id.nhs_number()));
        let released = self.decide(asker, &entry, draft).await;
        let released = released.map_err(|refused| self.refusal(&refused, id))?;
        draft.fill(|event| {
            event.subject = holding.entry.patient_id.nhs_number();
            event.documents.push(carerecord_audit::DocumentRef {
                id: id.to_string(),
                hash: Some(holding.object.sha1.clone()),
            });
        });
        let document = self.open(&holding, range).await?;
        Ok(released.map(|_| Given { document, made: None }))
    }

    pub(crate) async fn decide(
        &self,
        asker: &Asker,
        entry: &DocumentEntry,
        draft: &AuditDraft,
    ) -> Result<Released<Arc<DocumentEntry>>, Refused> {
        let Asker { caller, purpose, about, .. } = asker;
        let purpose = *purpose;
        self.access.admit(caller, purpose, Right::Retrieve)?;
        let number = entry.patient_id.nhs_number();
        let is_of = self.access.must_be_of(*about, number);
        is_of.inspect_err(|refused| draft.decision(&refused.decision))?;
        let Some(number) = number else {
            let entry = Arc::new(entry.clone());
            return self.access.release_unnumbered(caller, purpose, Right::Retrieve, entry);
        };
        let view = self.access.open(caller, purpose, Right::Retrieve, number).await?;
        match view.release(entry.clone()) {
            Ok(released) => {
                draft.decision(released.decision());
                Ok(released)
            }
            Err(refused) => {
                draft.decision(&refused.decision);
                draft.fill(|event| event.withheld += 1);
                Err(refused)
            }
        }
    }

    /// For whom `caller` asks about these documents; a delegation is taken once by all copies of the
    /// node over one database. The record is told.
    ///
    /// # Errors
    /// What is wrong with the delegation, or that there is none where there must be.
    pub(crate) async fn asker(
        &self,
        callers: &Callers,
        caller: &Caller,
        documents: &[UniqueId],
        draft: &AuditDraft,
    ) -> Result<Asker, DelegationError> {
        let asker = callers.asker(caller, self.id(), documents, draft)?;
        let Some(Statement { issuer, id, until }) = &asker.statement else { return Ok(asker) };
        let (until, now) = (until.as_millisecond(), self.clock.now().as_millisecond());
        let first = self.index.database().first_use(issuer, id, until, now).await;
        asker.once(first, draft)
    }

    /// What the decision is about: the entry as the registry has it now, with the ids that
    /// objections name and the labels of today. A role of this deployment has decided already.
    async fn entry_of(
        &self,
        asker: &Asker,
        holding: &Holding,
    ) -> Result<DocumentEntry, TransactionError> {
        if asker.caller.has_right(Right::Delegate) {
            return Ok(holding.entry.clone());
        }
        let id = &holding.unique_id;
        match self.registered_entry(holding).await {
            Ok(entry) => entry.map(Arc::unwrap_or_clone).ok_or_else(|| self.unknown(id)),
            Err(error) => Err(failed(&error, id)),
        }
    }

    /// A document that the registry has taken. One of which that is not known is looked up there.
    pub(crate) async fn holding(&self, id: &UniqueId) -> Result<Option<Holding>, TransactionError> {
        let found = self.index.find(id).await.map_err(|e| failed(&e, id))?;
        match found {
            Some(holding) if holding.registered => Ok(Some(holding)),
            Some(holding) if self.is_registered(&holding).await => {
                let known = vec![holding.clone()];
                let noted = self.index.set_registered(known, self.clock.now(), None).await;
                noted.map_err(|e| failed(&e, id))?;
                Ok(Some(holding))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Whether the registry has an entry for these bytes at this node.
    pub(crate) async fn is_registered(&self, holding: &Holding) -> bool {
        self.registration(holding).await.unwrap_or(false)
    }

    pub(crate) async fn registration(&self, holding: &Holding) -> Result<bool, PortError> {
        Ok(self.registered_entry(holding).await?.is_some())
    }

    /// The registry's entry for these bytes at this node; of several versions the newest.
    async fn registered_entry(
        &self,
        holding: &Holding,
    ) -> Result<Option<Arc<DocumentEntry>>, PortError> {
        let same = |e: &DocumentEntry| {
            e.hash.as_ref().is_some_and(|h| h.eq_ignore_ascii_case(&holding.object.sha1))
        };
        self.newest_entry(&holding.unique_id, same).await
    }

    /// Of the registry's entries under an id that name this node, and are so, the newest version.
    pub(crate) async fn newest_entry(
        &self,
        id: &UniqueId,
        is_so: impl Fn(&DocumentEntry) -> bool,
    ) -> Result<Option<Arc<DocumentEntry>>, PortError> {
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::UniqueIds(vec![id.clone()]))
        });
        let found = self.registry.stored_query(&query).await?;
        let here = Some(&self.config.repository_unique_id);
        let ours = |e: &Arc<DocumentEntry>| e.repository_unique_id.as_ref() == here && is_so(e);
        Ok(found.document_entries.into_iter().filter(ours).max_by_key(|e| e.version))
    }

    fn unknown(&self, id: &UniqueId) -> TransactionError {
        let node = &self.config.repository_unique_id;
        let what = format!("there is no such document in repository {node}");
        located(ErrorCode::XDSDocumentUniqueIdError, &what, id)
    }

    pub(crate) fn refusal(&self, refused: &Refused, id: &UniqueId) -> TransactionError {
        if !refused.may_be_told {
            return self.unknown(id);
        }
        let rule = refused.decision.rule;
        let by = refused.decision.provenance().unwrap_or_default();
        let what = format!("{} {by} ({})", rule.explanation(), rule.id());
        located(ErrorCode::XDSRepositoryError, &what, id)
    }
}

pub(crate) fn located(code: ErrorCode, what: &str, id: &UniqueId) -> TransactionError {
    TransactionError(vec![RegistryError::error(code, what).at(id.as_str())])
}

/// A failure of ours, logged here and told without detail.
pub(crate) fn failed(error: &dyn std::error::Error, id: &UniqueId) -> TransactionError {
    tracing::error!(%error, source = ?error.source().map(ToString::to_string), "retrieval failed");
    located(ErrorCode::XDSRepositoryError, "the document cannot be read just now", id)
}

/// Why a submission could not be stored, for the source.
pub(crate) fn store_failure(error: &ObjectError) -> TransactionError {
    let code = if error.is_full() {
        ErrorCode::XDSRepositoryOutOfResources
    } else {
        match error {
            ObjectError::Source(_) | ObjectError::TooLong(_) => {
                ErrorCode::XDSRepositoryMetadataError
            }
            ObjectError::Store(_)
            | ObjectError::Open(_)
            | ObjectError::Fault(_)
            | ObjectError::Keys(_) => ErrorCode::XDSRepositoryError,
        }
    };
    tracing::warn!(%error, "a document could not be stored");
    TransactionError::one(code, format!("{error}; nothing was stored"))
}

/// As `store_failure`, for the node's table.
pub(crate) fn index_failure(error: &StoreError) -> TransactionError {
    tracing::error!(%error, "the node's database failed");
    let code = match error.trouble() {
        Trouble::Full => ErrorCode::XDSRepositoryOutOfResources,
        Trouble::Busy => ErrorCode::XDSRepositoryBusy,
        Trouble::Other => ErrorCode::XDSRepositoryError,
    };
    TransactionError::one(code, "the repository's database failed; nothing was stored")
}
