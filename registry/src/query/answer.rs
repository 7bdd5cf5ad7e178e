use std::collections::{HashMap, HashSet};

use carerecord_access::{Caller, FactsUnavailable, Purpose, Released, Right};
use carerecord_model::{
    DocumentEntry, EntryUuid, ErrorCode, FindDocumentsForMultiplePatients,
    FindFoldersForMultiplePatients, FoundObjects, Get, GetDocuments, ObjectId, PatientId,
    StoredQuery, TransactionError,
};
use carerecord_service::AuditDraft;
use carerecord_storage::{Connection, StoreError};

use super::{
    Graph, documents_everywhere, folders_everywhere, is_seen, locate, matching_documents,
    named_uuids,
};
use crate::store::{
    Kind, PatientRecord, Person, StoredObject, consents_of, fetch, patient_objects, person,
    person_of_no,
};
use crate::{Registry, RegistryError};

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
        self.access.admit(caller, PURPOSE, Right::Query)?;
        // One statement reads all that FindDocuments finds: it needs no snapshot.
        let mut c = if matches!(query, StoredQuery::FindDocuments(_)) {
            self.store.database().reader().await?
        } else {
            self.store.snapshot().await?
        };
        let mut answer = Answer { registry: self, caller, draft, c: &mut c, withheld: 0 };
        let found = answer.find(query).await?;
        let withheld = answer.withheld;
        if whole_objects && query.patient_id().is_none() && !is_multi_patient(query) {
            single_patient(found.value())?;
        }
        draft.fill(|event| {
            let listed = found.value().document_entries.iter();
            event.listed = listed.map(|e| e.entry_uuid.to_string()).collect();
            event.withheld = withheld;
        });
        draft.decision(found.decision());
        Ok(found)
    }
}

/// One query being answered.
struct Answer<'a> {
    registry: &'a Registry,
    caller: &'a Caller,
    draft: &'a AuditDraft,
    c: &'a mut Connection,
    withheld: usize,
}

impl Answer<'_> {
    async fn find(&mut self, query: &StoredQuery) -> Result<Released<FoundObjects>, RegistryError> {
        match query {
            StoredQuery::FindDocuments(q) => {
                let Some(person) = person(self.c, &q.patient_id).await? else {
                    return self.nothing();
                };
                let document_entries = matching_documents(self.c, &person, &q.filter).await?;
                let found = FoundObjects { document_entries, ..FoundObjects::default() };
                self.release(&person, found).await
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
        let Some(person) = person(self.c, id).await? else { return self.nothing() };
        let (record, superseded) = self.record(&person).await?;
        Ok(record.map(|objects| answer(Graph::new(objects, superseded))))
    }

    /// A query about objects by id, over the records that they lie in.
    async fn by_id(
        &mut self,
        query: &StoredQuery,
        get: &Get,
        answer: fn(Graph, &Get, &HashSet<ObjectId>) -> FoundObjects,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let named = locate(self.c, query, &get.objects).await?;
        let mut all: Option<Released<FoundObjects>> = None;
        let mut superseded = HashSet::new();
        for person in &named.people {
            let (record, old) = self.record(person).await?;
            superseded.extend(old);
            all = Some(join(all, record));
        }
        match all {
            Some(all) => Ok(all.map(|f| answer(Graph::new(f, superseded), get, &named.ids))),
            None => self.nothing(),
        }
    }

    /// GetDocuments: each patient's record is opened on its own.
    async fn documents(
        &mut self,
        q: &GetDocuments,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let ids = named_uuids(self.c, &q.entries, Kind::Entry).await?;
        let mut objects = fetch(self.c, &ids).await?;
        let mut people: Vec<(Person, Vec<DocumentEntry>)> = Vec::new();
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
            entries.push(entry);
        }
        let mut all = None;
        for (person, document_entries) in people {
            let found = FoundObjects { document_entries, ..FoundObjects::default() };
            let released = self.release(&person, found).await?;
            all = Some(join(all, released));
        }
        all.map_or_else(|| self.nothing(), Ok)
    }

    async fn documents_of_many(
        &mut self,
        q: &FindDocumentsForMultiplePatients,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let mut all = None;
        for (person, document_entries) in self.entries_of_many(q).await? {
            let found = FoundObjects { document_entries, ..FoundObjects::default() };
            let released = self.release(&person, found).await?;
            all = Some(join(all, released));
        }
        all.map_or_else(|| self.nothing(), Ok)
    }

    async fn entries_of_many(
        &mut self,
        q: &FindDocumentsForMultiplePatients,
    ) -> Result<Vec<(Person, Vec<DocumentEntry>)>, RegistryError> {
        let mut found = Vec::new();
        if !q.patient_ids.is_empty() {
            for person in self.people(&q.patient_ids).await? {
                let entries = matching_documents(self.c, &person, &q.filter).await?;
                found.push((person, entries));
            }
            return Ok(found);
        }
        let mut by_patient: HashMap<i64, Vec<DocumentEntry>> = HashMap::new();
        let mut count = 0;
        documents_everywhere(self.c, &q.filter, |no, entry| {
            by_patient.entry(no).or_default().push(entry);
            count += 1;
            count <= MOST
        })
        .await?;
        too_many(count)?;
        for (no, mut entries) in by_patient {
            let person = person_of_no(self.c, no).await?;
            if let Some(id) = person.shown_as() {
                entries.iter_mut().for_each(|e| e.patient_id.clone_from(id));
            }
            found.push((person, entries));
        }
        Ok(found)
    }

    async fn folders_of_many(
        &mut self,
        q: &FindFoldersForMultiplePatients,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let people = if q.patient_ids.is_empty() {
            let mut numbers = HashSet::new();
            let mut count = 0;
            folders_everywhere(self.c, &q.filter, |no, _, _| {
                numbers.insert(no);
                count += 1;
                count <= MOST
            })
            .await?;
            too_many(count)?;
            let mut people = Vec::new();
            for no in numbers {
                people.push(person_of_no(self.c, no).await?);
            }
            people
        } else {
            self.people(&q.patient_ids).await?
        };
        let mut all = None;
        for person in people {
            let (record, superseded) = self.record(&person).await?;
            let found = record.map(|f| Graph::new(f, superseded).find_folders(&q.filter));
            all = Some(join(all, found));
        }
        all.map_or_else(|| self.nothing(), Ok)
    }

    /// The people that identifiers name, each once.
    async fn people(&mut self, ids: &[PatientId]) -> Result<Vec<Person>, StoreError> {
        let mut people: Vec<Person> = Vec::new();
        for id in ids {
            if let Some(found) = person(self.c, id).await?
                && !people.iter().any(|p| p.numbers == found.numbers)
            {
                people.push(found);
            }
        }
        Ok(people)
    }

    /// A person's whole record without what is withheld, and which of it are older versions.
    async fn record(
        &mut self,
        person: &Person,
    ) -> Result<(Released<FoundObjects>, HashSet<ObjectId>), RegistryError> {
        let mut objects: Vec<StoredObject> = Vec::new();
        for no in &person.numbers {
            objects.extend(patient_objects(self.c, *no).await?);
        }
        let superseded = objects
            .iter()
            .filter(|o| !o.state.latest)
            .map(|o| ObjectId::Uuid(EntryUuid::new(o.uuid)))
            .collect();
        let record = PatientRecord::of(objects, person.shown_as())?;
        Ok((self.release(person, record.into_found()).await?, superseded))
    }

    async fn release(
        &mut self,
        person: &Person,
        found: FoundObjects,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        // No NHS Number, no record: the answer is the one for a patient without documents.
        let Some(number) = person.id.nhs_number() else { return self.nothing() };
        self.draft.fill(|event| event.subject = Some(number));
        let c = &mut *self.c;
        let records =
            async { consents_of(c, number).await.map_err(|e| FactsUnavailable(e.to_string())) };
        let access = &self.registry.access;
        let view = access.open_with(self.caller, PURPOSE, Right::Query, number, records).await?;
        let (released, withheld) = view.release_found(found);
        self.withheld += withheld.count;
        Ok(released)
    }

    fn nothing(&self) -> Result<Released<FoundObjects>, RegistryError> {
        let none = FoundObjects::default();
        Ok(self.registry.access.release_person(self.caller, PURPOSE, none)?)
    }
}

fn join(
    before: Option<Released<FoundObjects>>,
    more: Released<FoundObjects>,
) -> Released<FoundObjects> {
    let Some(before) = before else { return more };
    let more = more.into_value();
    before.map(|mut all| {
        all.document_entries.extend(more.document_entries);
        all.submission_sets.extend(more.submission_sets);
        all.folders.extend(more.folders);
        all.associations.extend(more.associations);
        all
    })
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

fn too_many(count: usize) -> Result<(), TransactionError> {
    if count > MOST {
        let what = format!("more than {MOST} objects are found; narrow the query or name patients");
        return Err(TransactionError::one(ErrorCode::XDSTooManyResults, what));
    }
    Ok(())
}

const PURPOSE: Purpose = Purpose::DirectCare;

/// Of a query over all patients; a query about one patient has no limit.
const MOST: usize = 10_000;
