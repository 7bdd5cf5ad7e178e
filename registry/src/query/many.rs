//! ITI-51: queries about several patients, or about whoever has such objects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_access::Released;
use carerecord_model::{
    DocumentEntry, DocumentFilter, ErrorCode, FindDocumentsForMultiplePatients,
    FindFoldersForMultiplePatients, FoundObjects, PatientId, TransactionError,
};
use carerecord_storage::StoreError;

use super::answer::{Answer, join, labelled};
use super::{Graph, documents_everywhere, folders_everywhere, matching_documents};
use crate::RegistryError;
use crate::store::{
    Keys, Kind, Person, candidates, keys_of_filter, keys_of_folder_filter, person, person_of_no,
};

impl Answer<'_> {
    pub(super) async fn documents_of_many(
        &mut self,
        q: &FindDocumentsForMultiplePatients,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let mut all = None;
        let (filter, labels) = self.without_labels(&q.filter);
        for (person, document_entries) in self.entries_of_many(q, &filter).await? {
            let found = FoundObjects { document_entries, ..FoundObjects::default() };
            let released = labelled(self.release(&person, found).await?, labels.as_ref());
            all = Some(join(all, released));
        }
        all.map_or_else(|| self.nothing(), Ok)
    }

    async fn entries_of_many(
        &mut self,
        q: &FindDocumentsForMultiplePatients,
        filter: &DocumentFilter,
    ) -> Result<Vec<(Person, Vec<Arc<DocumentEntry>>)>, RegistryError> {
        let mut found = Vec::new();
        if !q.patient_ids.is_empty() {
            for person in self.people(&q.patient_ids).await? {
                let entries = matching_documents(self.c, &person, filter).await?;
                found.push((person, entries));
            }
            return Ok(found);
        }
        let mut count = 0;
        let groups = keys_of_filter(filter);
        if let Some(people) = self.candidates(Kind::Entry, &groups).await? {
            for person in people {
                let entries = matching_documents(self.c, &person, filter).await?;
                count += entries.len();
                too_many(count)?;
                found.push((person, entries));
            }
            return Ok(found);
        }
        let mut by_patient: HashMap<i64, Vec<Arc<DocumentEntry>>> = HashMap::new();
        documents_everywhere(self.c, filter, |no, entry| {
            by_patient.entry(no).or_default().push(Arc::new(entry));
            count += 1;
            count <= MOST
        })
        .await?;
        too_many(count)?;
        for (no, mut entries) in by_patient {
            let person = person_of_no(self.c, no).await?;
            if let Some(id) = person.shown_as() {
                entries.iter_mut().for_each(|e| Arc::make_mut(e).patient_id.clone_from(id));
            }
            found.push((person, entries));
        }
        Ok(found)
    }

    /// The people who may have what is asked for, each once; `None` when only looking at every
    /// object can tell.
    async fn candidates(
        &mut self,
        kind: Kind,
        groups: &[Keys],
    ) -> Result<Option<Vec<Person>>, RegistryError> {
        let Some(numbers) = candidates(self.c, kind, groups).await? else { return Ok(None) };
        too_many(numbers.len())?;
        let mut people: Vec<Person> = Vec::new();
        let mut seen = HashSet::new();
        for no in numbers {
            if seen.contains(&no) {
                continue;
            }
            let person = person_of_no(self.c, no).await?;
            seen.extend(person.numbers.iter().copied());
            people.push(person);
        }
        Ok(Some(people))
    }

    pub(super) async fn folders_of_many(
        &mut self,
        q: &FindFoldersForMultiplePatients,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let groups = keys_of_folder_filter(&q.filter);
        let people = if !q.patient_ids.is_empty() {
            self.people(&q.patient_ids).await?
        } else if let Some(people) = self.candidates(Kind::Folder, &groups).await? {
            people
        } else {
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
        };
        let mut all = None;
        for person in people {
            let record = self.record(&person).await?;
            let superseded = record.superseded;
            let found = record.released.map(|f| Graph::new(f, superseded).find_folders(&q.filter));
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
}

fn too_many(count: usize) -> Result<(), TransactionError> {
    if count > MOST {
        let what = format!(
            "more than {MOST} are found; name patients, or add codes that fewer of them have: \
             referenceIdList, typeCode, eventCodeList, classCode, practiceSettingCode or \
             healthcareFacilityTypeCode"
        );
        return Err(TransactionError::one(ErrorCode::XDSTooManyResults, what));
    }
    Ok(())
}

/// Objects and people of a query over all patients; a query about one patient has no limit.
const MOST: usize = 10_000;
