//! ITI-41: bytes first, then the registry, then the answer. ITI TF-2: 3.41.4.1.3.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use carerecord_access::{Caller, Refused};
use carerecord_codec::mtom::{MtomError, MtomReader, cid_of_href};
use carerecord_codec::{ContentRef, ProvideAndRegisterDocumentSetRequest, ebrim};
use carerecord_model::{
    DocumentEntry, ErrorCode, PortError, Registered, RegistryError, Submission, TransactionError,
};
use carerecord_service::AuditDraft;
use futures_util::{Stream, stream};

use crate::Repository;
use crate::config::WhenAway;
use crate::index::Holding;
use crate::objects::{ObjectError, StoredObject};
use crate::service::{index_failure, store_failure};
use crate::status::sender;
use crate::submissions::State;

impl Repository {
    /// Stores and registers a submission, whose documents come as parts of `parts` or inline.
    ///
    /// # Errors
    /// As the standard's table; nothing of a failed submission can be retrieved.
    pub(crate) async fn provide_and_register<S, E>(
        &self,
        caller: &Caller,
        request: ProvideAndRegisterDocumentSetRequest,
        parts: Option<MtomReader<S>>,
        draft: &AuditDraft,
    ) -> Result<Registered, TransactionError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        self.access.may_publish(caller).map_err(|refused| not_permitted(draft, &refused))?;
        let mut submission = ebrim::submission(request.submit.objects).map_err(as_repository)?;
        let patient = submission.submission_set.patient_id.nhs_number();
        draft.fill(|e| e.subject = patient);
        let concerns = self.access.may_concern(caller, patient);
        concerns.map_err(|refused| not_permitted(draft, &refused))?;
        let contents = match match_documents(&submission, &request.documents) {
            Ok(contents) => contents,
            Err(error) => return Err(self.refused(caller, submission, error).await),
        };
        let mut stored = match self.store(contents, parts).await {
            Ok(stored) => stored,
            Err((error, stored)) => {
                self.discard(stored.into_values()).await;
                return Err(self.refused(caller, submission, error).await);
            }
        };
        if let Err(error) = self.complete(&mut submission, &stored) {
            self.discard(stored.into_values()).await;
            return Err(self.refused(caller, submission, error).await);
        }
        draft.fill(|event| {
            event.documents = submission
                .document_entries
                .iter()
                .map(|e| carerecord_audit::DocumentRef {
                    id: e.unique_id.to_string(),
                    hash: e.hash.clone(),
                })
                .collect();
        });
        let ids = submission.document_entries.iter().map(|e| &e.unique_id);
        let turn = self.turns.take(ids).await;
        if let Err(error) = self.keep_known(&submission, &mut stored).await {
            return Err(self.refused(caller, submission, error).await);
        }
        let registered = self.register(caller, submission, stored, Origin::Source).await;
        drop(turn);
        registered
    }

    /// Notes that a submission was refused before the registry was asked.
    async fn refused(
        &self,
        caller: &Caller,
        submission: Submission,
        error: TransactionError,
    ) -> TransactionError {
        let id = submission.submission_set.unique_id.clone();
        let step = self.step(id, State::Refused, error.0.clone());
        let noted = self.index.refuse(submission, sender(caller).to_owned(), step).await;
        if let Err(error) = noted {
            tracing::warn!(%error, "the state of a refused submission could not be noted");
        }
        error
    }

    /// Stores the bytes of each document. On failure gives back what was stored so far.
    async fn store<S, E>(
        &self,
        contents: HashMap<String, ContentRef>,
        parts: Option<MtomReader<S>>,
    ) -> Result<HashMap<String, StoredObject>, (TransactionError, HashMap<String, StoredObject>)>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let mut stored = HashMap::new();
        let mut includes: HashMap<String, Vec<String>> = HashMap::new();
        for (id, content) in contents {
            match content {
                ContentRef::Inline(bytes) => {
                    let body = stream::iter([Ok::<_, MtomError>(bytes)]);
                    match self.put(body).await {
                        Ok(object) => stored.insert(id, object),
                        Err(error) => return Err((store_failure(&error), stored)),
                    };
                }
                ContentRef::Include(href) => includes.entry(href).or_default().push(id),
            }
        }
        if let Err(error) = self.store_parts(&mut includes, parts, &mut stored).await {
            return Err((store_failure(&error), stored));
        }
        if let Some(ids) = includes.into_values().next() {
            let what = format!("{}: the part that its Include names is not there", ids.join(", "));
            return Err((TransactionError::one(ErrorCode::XDSMissingDocument, what), stored));
        }
        Ok(stored)
    }

    async fn store_parts<S, E>(
        &self,
        includes: &mut HashMap<String, Vec<String>>,
        parts: Option<MtomReader<S>>,
        stored: &mut HashMap<String, StoredObject>,
    ) -> Result<(), ObjectError>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: std::fmt::Display,
    {
        let Some(mut parts) = parts else { return Ok(()) };
        while let Some(headers) = parts.next_part().await? {
            let Some(cid) = headers.content_id else { continue };
            let Some(href) = includes.keys().find(|href| names(href, &cid)).cloned() else {
                continue;
            };
            let ids = includes.remove(&href).unwrap_or_default();
            let body = Box::pin(stream::unfold(&mut parts, |parts| async {
                parts.chunk().await.transpose().map(|chunk| (chunk, parts))
            }));
            let object = self.put(body).await?;
            // Two entries may name one part: each gets the same object.
            for id in ids {
                stored.insert(id, object.clone());
            }
        }
        Ok(())
    }

    async fn put<S>(&self, body: S) -> Result<StoredObject, ObjectError>
    where
        S: Stream<Item = Result<Bytes, MtomError>> + Unpin,
    {
        self.objects.put(self.ids.random(), body, self.config.max_document_bytes).await
    }

    /// Sets what the repository sets, after checking what the source said of the bytes.
    fn complete(
        &self,
        submission: &mut Submission,
        stored: &HashMap<String, StoredObject>,
    ) -> Result<(), TransactionError> {
        let mut errors = Vec::new();
        for entry in &mut submission.document_entries {
            let id = entry.entry_uuid.to_string();
            let Some(object) = stored.get(&id) else { continue };
            if entry.hash.as_ref().is_some_and(|h| !h.eq_ignore_ascii_case(&object.sha1)) {
                errors.push(mismatch(&id, "hash"));
            }
            if entry.size.is_some_and(|s| s != object.size) {
                errors.push(mismatch(&id, "size"));
            }
            entry.repository_unique_id = Some(self.config.repository_unique_id.clone());
            entry.hash.get_or_insert_with(|| object.sha1.clone());
            entry.size.get_or_insert(object.size);
        }
        if errors.is_empty() { Ok(()) } else { Err(TransactionError(errors)) }
    }

    /// A document that is here already keeps its stored bytes, unless they are damaged; other bytes
    /// under its id are refused.
    async fn keep_known(
        &self,
        submission: &Submission,
        stored: &mut HashMap<String, StoredObject>,
    ) -> Result<(), TransactionError> {
        for entry in &submission.document_entries {
            let known = self.index.find(&entry.unique_id).await.map_err(|e| index_failure(&e))?;
            let Some(known) = known.filter(|k| k.registered) else { continue };
            let Some(object) = stored.get_mut(&entry.entry_uuid.to_string()) else { continue };
            if known.object.sha256 != object.sha256 {
                let all: Vec<StoredObject> = stored.values().cloned().collect();
                self.discard(all.into_iter()).await;
                let id = entry.unique_id.as_str();
                return Err(TransactionError::one(ErrorCode::XDSNonIdenticalHash, id));
            }
            let whole = self.objects.has(&known.object).await;
            if known.quarantined || !whole.map_err(|e| store_failure(&e))? {
                let replaced = self.index.replace_damaged(&known, object, self.clock.now()).await;
                replaced.map_err(|e| index_failure(&e))?;
                tracing::warn!(object = object.key, "a damaged document has come again");
                continue;
            }
            let spare = std::mem::replace(object, known.object);
            self.discard(std::iter::once(spare)).await;
        }
        Ok(())
    }

    pub(crate) async fn register(
        &self,
        caller: &Caller,
        submission: Submission,
        stored: HashMap<String, StoredObject>,
        origin: Origin,
    ) -> Result<Registered, TransactionError> {
        if let Some(answer) = self.repeat_of_kept(&submission).await? {
            self.discard_unless_known(stored).await;
            return answer;
        }
        let holdings: Vec<Holding> = submission
            .document_entries
            .iter()
            .filter_map(|e| Some(holding(e, stored.get(&e.entry_uuid.to_string())?)))
            .collect();
        let now = self.clock.now();
        let noted = self.index.add_pending(
            submission.clone(),
            sender(caller).to_owned(),
            holdings.clone(),
            now,
        );
        noted.await.map_err(|e| index_failure(&e))?;
        if self.must_wait_its_turn().await? {
            return self.keep(submission, holdings).await;
        }
        let id = submission.submission_set.unique_id.clone();
        match self.registry.register_document_set(submission.clone()).await {
            Ok(registered) => {
                let step = self.step(id, State::Registered, registered.warnings.clone());
                let noted = self.index.set_registered(holdings, self.clock.now(), Some(step)).await;
                noted.map_err(|e| index_failure(&e))?;
                self.search.wake();
                Ok(registered)
            }
            Err(PortError::Transaction(error)) => {
                let step = self.step(id, State::Refused, error.0.clone());
                let noted = match origin {
                    Origin::Source => self.keep_refused(submission, holdings, step).await,
                    Origin::OnDemand => self.index.forget_pending(holdings, Some(step)).await,
                };
                if let Err(error) = noted {
                    tracing::warn!(%error, "a refused submission is left to the sweeper");
                }
                self.discard_unless_known(stored).await;
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%error, "the registry could not be asked");
                if self.config.when_registry_is_away == WhenAway::Keep {
                    return self.keep(submission, holdings).await;
                }
                // Nobody knows whether it was registered: the sweeper will ask.
                Err(TransactionError::one(
                    ErrorCode::XDSRegistryNotAvailable,
                    "the registry cannot be reached; send the submission again later",
                ))
            }
        }
    }

    pub(crate) async fn discard_unless_known(&self, stored: HashMap<String, StoredObject>) {
        for object in stored.into_values() {
            if matches!(self.index.has_object(&object.key).await, Ok(false)) {
                self.discard(std::iter::once(object)).await;
            }
        }
    }

    async fn discard(&self, objects: impl Iterator<Item = StoredObject>) {
        for object in objects {
            if let Err(error) = self.objects.delete(&object.key).await {
                tracing::warn!(%error, "an unused object is left to the sweeper");
            }
        }
    }
}

/// Where a submission comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// Somebody has sent it.
    Source,
    /// The node has made it, and makes it again when it is asked for.
    OnDemand,
}

/// Pairs entries and documents by id; whatever is left over on either side is an error.
fn match_documents(
    submission: &Submission,
    documents: &[carerecord_codec::DocumentContent],
) -> Result<HashMap<String, ContentRef>, TransactionError> {
    let mut errors = Vec::new();
    let mut contents = HashMap::new();
    for document in documents {
        if contents.insert(document.id.clone(), document.content.clone()).is_some() {
            let what = format!("{}: the document is there twice", document.id);
            errors.push(RegistryError::error(ErrorCode::XDSRepositoryMetadataError, what));
        }
    }
    let mut entries: HashSet<String> = HashSet::new();
    let mut unique_ids = HashSet::new();
    for entry in &submission.document_entries {
        let id = entry.entry_uuid.to_string();
        if !contents.contains_key(&id) {
            let what = format!("{id}: there is no document for the entry");
            errors.push(RegistryError::error(ErrorCode::XDSMissingDocument, what));
        }
        entries.insert(id);
        if !unique_ids.insert(&entry.unique_id) {
            let code = ErrorCode::XDSRepositoryDuplicateUniqueIdInMessage;
            errors.push(RegistryError::error(code, entry.unique_id.as_str()));
        }
    }
    for id in contents.keys().filter(|id| !entries.contains(*id)) {
        let what = format!("{id}: there is no entry for the document");
        errors.push(RegistryError::error(ErrorCode::XDSMissingDocumentMetadata, what));
    }
    if errors.is_empty() { Ok(contents) } else { Err(TransactionError(errors)) }
}

fn names(href: &str, cid: &str) -> bool {
    cid_of_href(href).is_some_and(|(raw, decoded)| raw == cid || decoded == cid)
}

pub(crate) fn holding(entry: &DocumentEntry, object: &StoredObject) -> Holding {
    Holding {
        unique_id: entry.unique_id.clone(),
        object: object.clone(),
        mime_type: entry.mime_type.clone(),
        registered: false,
        quarantined: false,
        entry: entry.clone(),
    }
}

/// What the repository itself finds wrong with metadata carries its own code. ITI TF-3: 4.2.4.
fn not_permitted(draft: &AuditDraft, refused: &Refused) -> TransactionError {
    draft.decision(&refused.decision);
    draft.outcome(carerecord_audit::AuditOutcome::Refused);
    TransactionError::one(ErrorCode::XDSRepositoryError, refused.decision.rule.explanation())
}

fn as_repository(error: TransactionError) -> TransactionError {
    let own = |mut e: RegistryError| {
        if e.code == ErrorCode::XDSRegistryMetadataError {
            e.code = ErrorCode::XDSRepositoryMetadataError;
        }
        e
    };
    TransactionError(error.0.into_iter().map(own).collect())
}

fn mismatch(id: &str, attribute: &str) -> RegistryError {
    let what = format!("{id}: {attribute} does not match the document that came");
    RegistryError::error(ErrorCode::XDSRepositoryMetadataError, what)
}
