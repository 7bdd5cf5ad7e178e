use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use carerecord_access::{Caller, FactsUnavailable, PatientFacts, Released, Right};
use carerecord_model::{
    Association, CodeFilter, DocumentEntry, DocumentFilter, EntryUuid, ErrorCode, FoundObjects,
    Get, GetAll, GetDocuments, NhsNumber, ObjectId, PatientId, StoredQuery, TransactionError,
};
use carerecord_service::{Asker, AuditDraft};
use carerecord_storage::Connection;

use super::{Graph, is_seen, locate, matching_documents, named_uuids};
use crate::store::{
    Kind, Outline, PatientRecord, Person, StoredObject, consents_of, consents_of_one, fetch,
    in_index, outline, patient_objects, person, person_of_no, relationships_of, revision,
};
use crate::{RecordAnswer, Registry, RegistryError};

impl Registry {
    /// Answers a stored query with what the caller may see. ITI-18, ITI-51.
    ///
    /// # Errors
    /// `XDSResultNotSinglePatient` for a look-up by id that spans patients, `XDSTooManyResults` for
    /// a query over all patients that finds more than can be told, and failures.
    pub async fn stored_query(
        &self,
        caller: &Caller,
        query: &StoredQuery,
        whole_objects: bool,
        draft: &AuditDraft,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        self.access.admit(caller, caller.purpose(), Right::Query)?;
        // One statement reads all that FindDocuments finds: it needs no snapshot.
        let mut c = if matches!(query, StoredQuery::FindDocuments(_)) {
            self.store.database().reader().await?
        } else {
            self.store.snapshot().await?
        };
        let mut answer = Answer { registry: self, caller, draft, c: &mut c, withheld: 0 };
        let found = answer.find(query).await?;
        if whole_objects && query.patient_id().is_none() && !is_multi_patient(query) {
            single_patient(found.value())?;
        }
        answer.note(&found);
        Ok(found)
    }

    /// Answers GetAll about an NHS Number for a role of this deployment that takes the decisions itself:
    /// with what they rest on, read in the same state. The role keeps what it was told last, and is not
    /// told again what is in the record while that is still in the state that it has by this name.
    /// Whether somebody for whom it asks may do so is decided each time.
    ///
    /// # Errors
    /// `Refused` for everybody else, and failures.
    pub async fn patient_record(
        &self,
        caller: &Caller,
        asker: Option<&Asker>,
        (query, number): (&GetAll, NhsNumber),
        known: Option<&str>,
        draft: &AuditDraft,
    ) -> Result<RecordAnswer, RegistryError> {
        if let Some(asker) = asker {
            self.may_ask_about(asker, Some(&query.patient_id))?;
        }
        let role = self.access.release_to_role(caller, ())?;
        if let Some(known) = known
            && let Some(outline) = outline(self.store.database(), number).await?
            && outline.state == known
        {
            draft.fill(|event| event.subject = event.subject.or(Some(number)));
            draft.decision(role.decision());
            let Outline { described, facts, state } = outline;
            let (person, state) = (Some(described), Some(state));
            return Ok(RecordAnswer { person, facts, state, found: None });
        }
        let mut c = self.store.snapshot().await?;
        let person = person(&mut c, &query.patient_id).await?;
        let kept_under = person.as_ref().and_then(|p| p.id.nhs_number()).unwrap_or(number);
        draft.fill(|event| event.subject = event.subject.or(Some(kept_under)));
        draft.decision(role.decision());
        let facts = PatientFacts {
            patient: kept_under,
            consents: consents_of(&mut c, kept_under).await?,
            relationships: relationships_of(&mut c, kept_under).await?,
        };
        let Some(person) = person else {
            let found = Some(FoundObjects::default());
            return Ok(RecordAnswer { person: None, facts, state: None, found });
        };
        let described = Some(in_index(&mut c, &person, number).await?);
        let state = Some(revision(&mut c, &person).await?);
        if known == state.as_deref() {
            return Ok(RecordAnswer { person: described, facts, state, found: None });
        }
        let mut answer = Answer { registry: self, caller, draft, c: &mut c, withheld: 0 };
        let found = answer.of_person(&person, |g| g.get_all(query)).await?;
        answer.note(&found);
        let found = Some(found.into_value());
        Ok(RecordAnswer { person: described, facts, state, found })
    }
}

impl Registry {
    /// The same about one patient for somebody for whom `caller` asks. Whether they may ask about that
    /// patient at all is decided here again; what of it they may see, the caller decides, who has to
    /// say what is withheld, and why.
    ///
    /// # Errors
    /// As `stored_query`, and when they may not.
    pub async fn stored_query_for(
        &self,
        caller: &Caller,
        asker: &Asker,
        query: &StoredQuery,
        whole_objects: bool,
        draft: &AuditDraft,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        self.may_ask_about(asker, query.patient_id())?;
        self.stored_query(caller, query, whole_objects, draft).await
    }

    fn may_ask_about(&self, asker: &Asker, id: Option<&PatientId>) -> Result<(), RegistryError> {
        self.access.admit(&asker.caller, asker.purpose, Right::Query)?;
        Ok(self.access.must_be_of(asker.about, id.and_then(PatientId::nhs_number))?)
    }
}

/// One query being answered.
pub(super) struct Answer<'a> {
    registry: &'a Registry,
    caller: &'a Caller,
    draft: &'a AuditDraft,
    pub(super) c: &'a mut Connection,
    withheld: usize,
}

/// What may be seen of one person's record.
pub(super) struct Record {
    pub released: Released<FoundObjects>,
    /// Versions that are not the newest.
    pub superseded: HashSet<ObjectId>,
    /// Associations with an end in another record: not released yet.
    across: Vec<Association>,
}

impl Answer<'_> {
    /// Notes in the record of the access what is told.
    fn note(&self, found: &Released<FoundObjects>) {
        self.draft.fill(|event| {
            let listed = found.value().document_entries.iter();
            event.listed = listed.map(|e| e.entry_uuid.to_string()).collect();
            event.withheld = self.withheld;
        });
        self.draft.decision(found.decision());
    }

    async fn find(&mut self, query: &StoredQuery) -> Result<Released<FoundObjects>, RegistryError> {
        match query {
            StoredQuery::FindDocuments(q) => {
                let Some(person) = person(self.c, &q.patient_id).await? else {
                    return self.nothing();
                };
                let (filter, labels) = self.without_labels(&q.filter);
                let document_entries = matching_documents(self.c, &person, &filter).await?;
                let found = FoundObjects { document_entries, ..FoundObjects::default() };
                Ok(labelled(self.release(&person, found).await?, labels.as_ref()))
            }
            StoredQuery::FindSubmissionSets(q) => {
                self.of_patient(&q.patient_id, |g| g.find_submission_sets(q)).await
            }
            StoredQuery::FindFolders(q) => {
                self.of_patient(&q.patient_id, |g| g.find_folders(&q.filter)).await
            }
            StoredQuery::GetAll(q) => self.of_patient(&q.patient_id, |g| g.get_all(q)).await,
            StoredQuery::GetDocuments(q) => self.documents(q).await,
            StoredQuery::GetFolders(q) => self.by_id(query, q, Graph::get_folders).await,
            StoredQuery::GetAssociations(q) => self.by_id(query, q, Graph::get_associations).await,
            StoredQuery::GetDocumentsAndAssociations(q) => {
                self.by_id(query, q, Graph::get_documents_and_associations).await
            }
            StoredQuery::GetSubmissionSets(q) => {
                self.by_id(query, q, Graph::get_submission_sets).await
            }
            StoredQuery::GetSubmissionSetAndContents(q) => {
                self.by_id(query, q, Graph::get_submission_set_and_contents).await
            }
            StoredQuery::GetFolderAndContents(q) => {
                self.by_id(query, q, Graph::get_folder_and_contents).await
            }
            StoredQuery::GetFoldersForDocument(q) => {
                self.by_id(query, q, Graph::get_folders_for_document).await
            }
            StoredQuery::GetRelatedDocuments(q) => {
                self.by_id(query, q, Graph::get_related_documents).await
            }
            StoredQuery::FindDocumentsForMultiplePatients(q) => self.documents_of_many(q).await,
            StoredQuery::FindFoldersForMultiplePatients(q) => self.folders_of_many(q).await,
        }
    }

    /// A query about the whole record of one patient.
    async fn of_patient(
        &mut self,
        id: &PatientId,
        answer: impl FnOnce(Graph) -> FoundObjects,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        match person(self.c, id).await? {
            Some(person) => self.of_person(&person, answer).await,
            None => self.nothing(),
        }
    }

    async fn of_person(
        &mut self,
        person: &Person,
        answer: impl FnOnce(Graph) -> FoundObjects,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let record = self.record(person).await?;
        Ok(record.released.map(|objects| answer(Graph::new(objects, record.superseded))))
    }

    /// A query about objects by id, over the records that they lie in.
    async fn by_id(
        &mut self,
        query: &StoredQuery,
        get: &Get,
        answer: fn(Graph, &Get, &HashSet<ObjectId>) -> FoundObjects,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let named = locate(self.c, query, &get.objects).await?;
        let (mut all, mut superseded, mut between) = (None, HashSet::new(), Vec::new());
        for person in &named.people {
            let record = self.record(person).await?;
            superseded.extend(record.superseded);
            between.extend(record.across);
            all = Some(join(all, record.released));
        }
        let Some(all) = all else { return self.nothing() };
        Ok(all.tie(between).map(|f| answer(Graph::new(f, superseded), get, &named.ids)))
    }

    /// GetDocuments: each patient's record is opened on its own.
    async fn documents(
        &mut self,
        q: &GetDocuments,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let ids = named_uuids(self.c, &q.entries, Kind::Entry).await?;
        let mut objects = fetch(self.c, &ids).await?;
        let mut people: Vec<(Person, Vec<Arc<DocumentEntry>>)> = Vec::new();
        for object in ids.iter().filter_map(|id| objects.remove(id)) {
            if object.kind != Kind::Entry
                || !is_seen(q.level, &object.entry()?, !object.state.latest)
            {
                continue;
            }
            let known = people.iter().position(|(p, _)| p.numbers.contains(&object.patient_no));
            let index = match known {
                Some(index) => index,
                None => {
                    people.push((person_of_no(self.c, object.patient_no).await?, Vec::new()));
                    people.len() - 1
                }
            };
            let (person, entries) = &mut people[index];
            let mut entry = object.entry()?;
            if let Some(id) = person.shown_as() {
                entry.patient_id.clone_from(id);
            }
            entries.push(Arc::new(entry));
        }
        let mut all = None;
        for (person, document_entries) in people {
            let found = FoundObjects { document_entries, ..FoundObjects::default() };
            let released = self.release(&person, found).await?;
            all = Some(join(all, released));
        }
        all.map_or_else(|| self.nothing(), Ok)
    }

    /// A person's whole record without what is withheld.
    pub(super) async fn record(&mut self, person: &Person) -> Result<Record, RegistryError> {
        let mut objects: Vec<StoredObject> = Vec::new();
        for no in &person.numbers {
            objects.extend(patient_objects(self.c, *no).await?);
        }
        let id = |o: &StoredObject| ObjectId::Uuid(EntryUuid::new(o.uuid));
        let superseded = objects.iter().filter(|o| !o.state.latest).map(id).collect();
        let own: HashSet<ObjectId> = objects.iter().map(id).collect();
        let found = PatientRecord::of(objects, person.shown_as())?.into_found();
        let is_across = |a: &&Association| !own.contains(&a.source) || !own.contains(&a.target);
        let across = found.associations.iter().filter(is_across).cloned().collect();
        Ok(Record { released: self.release(person, found).await?, superseded, across })
    }

    pub(super) async fn release(
        &mut self,
        person: &Person,
        found: FoundObjects,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        // No NHS Number, no record: the answer is the one for a patient without documents.
        let Some(number) = person.id.nhs_number() else { return self.nothing() };
        // Whose the objects named are comes first.
        self.draft.fill(|event| event.subject = event.subject.or(Some(number)));
        let c = &mut *self.c;
        let records = async {
            let read = match person.numbers.len() {
                1 => consents_of_one(c, number).await,
                _ => consents_of(c, number).await,
            };
            read.map_err(|e| FactsUnavailable(e.to_string()))
        };
        let access = &self.registry.access;
        let (caller, purpose) = (self.caller, self.caller.purpose());
        let view = access.open_with(caller, purpose, Right::Query, number, records).await?;
        let (released, withheld) = view.release_found(found);
        self.withheld += withheld.count;
        Ok(released)
    }

    /// A filter without its labels, and they: where rules can change them, they are held against
    /// what is released.
    pub(super) fn without_labels<'f>(
        &self,
        filter: &'f DocumentFilter,
    ) -> (Cow<'f, DocumentFilter>, Option<CodeFilter>) {
        let rules = self.registry.access.policy().sensitivity_rules();
        if rules.is_empty() || filter.confidentiality_codes.0.is_empty() {
            return (Cow::Borrowed(filter), None);
        }
        let mut filter = filter.clone();
        let labels = std::mem::take(&mut filter.confidentiality_codes);
        (Cow::Owned(filter), Some(labels))
    }

    pub(super) fn nothing(&self) -> Result<Released<FoundObjects>, RegistryError> {
        let none = FoundObjects::default();
        Ok(self.registry.access.release_person(self.caller, self.caller.purpose(), none)?)
    }
}

/// Those with such labels, as they are in force.
pub(super) fn labelled(
    released: Released<FoundObjects>,
    labels: Option<&CodeFilter>,
) -> Released<FoundObjects> {
    let Some(labels) = labels else { return released };
    released.map(|mut found| {
        found.document_entries.retain(|e| labels.matches(&e.confidentiality_codes));
        found
    })
}

/// Adds a record to those before it.
pub(super) fn join(
    before: Option<Released<FoundObjects>>,
    more: Released<FoundObjects>,
) -> Released<FoundObjects> {
    match before {
        Some(before) => before.join(more),
        None => more,
    }
}

/// Only what is released counts, or the error would tell of others. ITI TF-2: 3.18.4.1.2.3.7.
fn single_patient(found: &FoundObjects) -> Result<(), TransactionError> {
    let entries = found.document_entries.iter().map(|e| &e.patient_id);
    let sets = found.submission_sets.iter().map(|s| &s.patient_id);
    let all = entries.chain(sets).chain(found.folders.iter().map(|f| &f.patient_id));
    if all.collect::<HashSet<_>>().len() > 1 {
        let what = "the objects belong to more than one patient; ask for ObjectRef";
        return Err(TransactionError::one(ErrorCode::XDSResultNotSinglePatient, what));
    }
    Ok(())
}

fn is_multi_patient(query: &StoredQuery) -> bool {
    matches!(
        query,
        StoredQuery::FindDocumentsForMultiplePatients(_)
            | StoredQuery::FindFoldersForMultiplePatients(_)
    )
}
