//! What the registry knows of those who are asked about.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_audit::{AuditQuestion, document_key};
use carerecord_model::{
    DocumentEntry, EntryRef, EntryUuid, GetDocuments, MetadataLevel, NhsNumber, OrganisationCode,
    PatientId, PatientSearch, StoredQuery,
};
use uuid::Uuid;

use crate::Portal;
use crate::error::FhirError;

/// What a question is about.
#[derive(Default)]
pub(super) struct Asked {
    /// Every document of the people, and those that are asked about.
    documents: Vec<Arc<DocumentEntry>>,
    /// Of the people who are asked about.
    pub restricted: HashMap<NhsNumber, bool>,
    people: Vec<NhsNumber>,
}

impl Portal {
    /// Finds out under which numbers the people were ever kept, and by which ids the documents are
    /// known, and puts them into the question.
    pub(super) async fn asked_about(
        &self,
        question: &mut AuditQuestion,
    ) -> Result<Asked, FhirError> {
        let mut asked = Asked::default();
        for number in std::mem::take(&mut question.subjects) {
            let (numbers, restricted) = self.numbers_of(number).await?;
            asked.people.extend(&numbers);
            asked.restricted.extend(numbers.iter().map(|n| (*n, restricted)));
            question.subjects.extend(numbers);
        }
        for id in question.documents.clone() {
            let entries = self.documents_of(&id).await?;
            question.documents.extend(entries.iter().flat_map(|entry| names(entry)));
            asked.documents.extend(entries);
        }
        question.documents.sort();
        question.documents.dedup();
        Ok(asked)
    }

    /// The documents that an organisation keeps among those of the people and those asked about, by
    /// every name that they have in records.
    pub(super) async fn kept(
        &self,
        organisation: &OrganisationCode,
        asked: &Asked,
    ) -> Result<HashSet<String>, FhirError> {
        let policy = self.access.policy();
        let mut kept = HashSet::new();
        let mut keep = |entries: &[Arc<DocumentEntry>]| {
            for entry in entries {
                let node = entry.repository_unique_id.as_ref();
                if node.and_then(|node| policy.node_organisation(node)) == Some(organisation) {
                    kept.extend(names(entry).map(|name| document_key(&name)));
                }
            }
        };
        keep(&asked.documents);
        for number in &asked.people {
            keep(&self.everything(*number).await?.document_entries);
        }
        Ok(kept)
    }

    /// Every number of a person, and whether they are restricted.
    pub(crate) async fn numbers_of(
        &self,
        number: NhsNumber,
    ) -> Result<(Vec<NhsNumber>, bool), FhirError> {
        let id = PatientId::from_nhs_number(number);
        let search = PatientSearch { identifiers: vec![vec![id]], ..PatientSearch::default() };
        let found = self.within(self.patients.find_patients(&search)).await;
        let people = found.map_err(FhirError::Registry)?.people;
        let mut numbers = vec![number];
        for person in &people {
            numbers.push(person.patient.nhs_number);
            numbers.extend(person.identifiers.iter().filter_map(PatientId::nhs_number));
        }
        numbers.sort();
        numbers.dedup();
        Ok((numbers, people.iter().any(|person| person.patient.restricted)))
    }

    /// All versions of a document; none that is not registered (any more).
    async fn documents_of(&self, id: &str) -> Result<Vec<Arc<DocumentEntry>>, FhirError> {
        let key = document_key(id);
        let entries = match Uuid::try_parse(&key) {
            Ok(uuid) => EntryRef::Uuids(vec![EntryUuid::new(uuid)]),
            Err(_) => match key.parse() {
                Ok(unique_id) => EntryRef::UniqueIds(vec![unique_id]),
                Err(_) => return Ok(Vec::new()),
            },
        };
        let query = GetDocuments { level: MetadataLevel::Two, ..GetDocuments::of(entries) };
        Ok(self.find(&StoredQuery::GetDocuments(query)).await?.document_entries)
    }
}

/// Under which ids records name a document.
fn names(entry: &DocumentEntry) -> impl Iterator<Item = String> {
    let logical = entry.logical_id.as_ref().map(ToString::to_string);
    [entry.entry_uuid.to_string(), entry.unique_id.to_string()].into_iter().chain(logical)
}
