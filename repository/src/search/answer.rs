//! Answers to questions of the portal.

use std::collections::HashSet;
use std::sync::Arc;

use carerecord_access::{AssertedPatient, Right};
use carerecord_audit::AuditOutcome;
use carerecord_model::{
    ContentAnswer, ContentHit, ContentQuestion, Coverage, DocumentEntry, EntryRef, GetDocuments,
    MetadataLevel, NhsNumber, PortError, StoredQuery, UniqueId,
};
use carerecord_service::{Asker, AuditDraft};
use carerecord_storage::StoreError;

use super::Search;
use super::index::{Found, IndexError};
use super::query::read;
use super::queue::{self, Known, NEW, UNREADABLE};
use super::snippet::snippets;
use crate::Repository;

/// Why a question is not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SearchFailure {
    #[error("only roles of this deployment may search here")]
    Refused,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Index(#[from] IndexError),
    #[error("the registry could not be asked")]
    Registry(#[from] PortError),
    #[error("the search broke off")]
    Broken(#[from] tokio::task::JoinError),
}

impl Repository {
    /// Searches in those of the documents asked about that this node holds for the patient, and that
    /// it would give to whoever asks.
    ///
    /// # Errors
    /// `Refused` for all but roles of this deployment, which have released the documents, and those for
    /// whom they ask.
    pub(crate) async fn search_documents(
        &self,
        asker: &Asker,
        question: ContentQuestion,
        draft: &AuditDraft,
    ) -> Result<ContentAnswer, SearchFailure> {
        draft.fill(|event| event.subject = Some(question.patient));
        let asked = question.documents.len();
        let documents = self.askable(asker, question.patient, question.documents, draft).await?;
        let database = self.database();
        // What was removed is not in the table, whatever the index still has.
        let known = queue::known(database, &documents).await?;
        let rebuilding = queue::rebuilding(database).await?.is_some();
        let count = |state: i64| known.iter().filter(|k| k.state == state).count();
        let coverage = Coverage {
            rebuilding,
            waiting: count(NEW),
            unreadable: count(UNREADABLE),
            // What is not given is to whoever asks as if it were not there.
            missing: asked.saturating_sub(known.len()),
        };
        let (ids, numbers) = self.of_patient(known, question.patient).await?;
        let search = self.search.clone();
        let find = move || search.find(&question.words, &numbers, &ids);
        let hits = tokio::task::spawn_blocking(find).await??;
        draft.fill(|event| {
            event.listed = hits.iter().map(|hit| hit.unique_id.to_string()).collect();
        });
        Ok(ContentAnswer { hits, coverage })
    }

    /// Those of the documents of a question that may be looked into for whoever asks. A role of this
    /// deployment that asks for itself has released them.
    pub(crate) async fn askable(
        &self,
        asker: &Asker,
        patient: NhsNumber,
        documents: Vec<UniqueId>,
        draft: &AuditDraft,
    ) -> Result<Vec<UniqueId>, SearchFailure> {
        if asker.caller.has_right(Right::Delegate) {
            return Ok(documents);
        }
        let given = self.to_be_given(asker, patient, documents, draft).await;
        given.inspect_err(|error| match error {
            SearchFailure::Refused => draft.outcome(AuditOutcome::Refused),
            SearchFailure::Store(_)
            | SearchFailure::Index(_)
            | SearchFailure::Registry(_)
            | SearchFailure::Broken(_) => {}
        })
    }

    /// Those of the documents that may be given to whoever asks through a portal.
    async fn to_be_given(
        &self,
        asker: &Asker,
        patient: NhsNumber,
        documents: Vec<UniqueId>,
        draft: &AuditDraft,
    ) -> Result<Vec<UniqueId>, SearchFailure> {
        if asker.about != AssertedPatient::Only(patient) {
            return Err(SearchFailure::Refused);
        }
        let opened = self.access.open(&asker.caller, asker.purpose, Right::Retrieve, patient).await;
        let view = opened.map_err(|refused| {
            draft.decision(&refused.decision);
            SearchFailure::Refused
        })?;
        let entries = self.registered_entries(documents, patient).await?;
        let (released, withheld) = view.release_all(entries);
        if let Some(first) = released.first() {
            draft.decision(first.decision());
        }
        draft.fill(|event| event.withheld = withheld.count);
        // A document can have several entries.
        let ids: HashSet<UniqueId> =
            released.into_iter().map(|entry| entry.value().unique_id.clone()).collect();
        Ok(ids.into_iter().collect())
    }

    /// Those of the documents that are the patient's, and the numbers that they are found under.
    /// After a merge that is an older one, until they are indexed again.
    async fn of_patient(
        &self,
        known: Vec<Known>,
        patient: NhsNumber,
    ) -> Result<(Vec<UniqueId>, Vec<NhsNumber>), SearchFailure> {
        let is_searchable = |known: &Known| !matches!(known.state, NEW | UNREADABLE);
        let known: Vec<Known> = known.into_iter().filter(is_searchable).collect();
        let (ours, others): (Vec<Known>, Vec<Known>) =
            known.into_iter().partition(|known| known.patient == Some(patient));
        let mut ids: Vec<UniqueId> = ours.into_iter().map(|known| known.unique_id).collect();
        let mut numbers = vec![patient];
        if others.is_empty() {
            return Ok((ids, numbers));
        }
        let asked = others.iter().map(|known| known.unique_id.clone()).collect();
        let now_ours = self.registered_for(asked, patient).await?;
        let moved = others.into_iter().filter(|known| now_ours.contains(&known.unique_id));
        let mut again = Vec::new();
        for known in moved {
            numbers.extend(known.patient.filter(|number| !numbers.contains(number)));
            again.push(known.unique_id.clone());
            ids.push(known.unique_id);
        }
        queue::moved(self.database(), again, patient, self.clock.now()).await?;
        self.search.wake();
        Ok((ids, numbers))
    }

    /// Those of the documents that the registry now has for a patient at this node.
    pub(crate) async fn registered_for(
        &self,
        ids: Vec<UniqueId>,
        patient: NhsNumber,
    ) -> Result<HashSet<UniqueId>, PortError> {
        let entries = self.registered_entries(ids, patient).await?;
        Ok(entries.into_iter().map(|entry| entry.unique_id.clone()).collect())
    }

    async fn registered_entries(
        &self,
        ids: Vec<UniqueId>,
        patient: NhsNumber,
    ) -> Result<Vec<Arc<DocumentEntry>>, PortError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::UniqueIds(ids))
        });
        let found = self.registry.stored_query(&query).await?;
        let ours = found.document_entries.into_iter().filter(|entry| {
            entry.patient_id.nhs_number() == Some(patient)
                && entry.repository_unique_id.as_ref() == Some(&self.config.repository_unique_id)
        });
        Ok(ours.collect())
    }
}

impl Search {
    /// Waits for the disk.
    pub(super) fn find(
        &self,
        words: &str,
        numbers: &[NhsNumber],
        ids: &[UniqueId],
    ) -> Result<Vec<ContentHit>, IndexError> {
        let wanted = read(words, &self.synonyms);
        let found = self.index.search(&wanted, numbers, ids)?;
        let mut left = MAX_CUT;
        let hit = |found: Found| {
            let unique_id = found.unique_id.parse().ok()?;
            let mut places = Vec::new();
            let length = found.text.len() + found.headings.len() + LEAST_CUT;
            if let Some(rest) = left.checked_sub(length) {
                left = rest;
                places = snippets(&found.text, &wanted);
                if places.is_empty() {
                    places = snippets(&found.headings, &wanted);
                }
            }
            Some(ContentHit { unique_id, score: found.score, snippets: places })
        };
        Ok(found.into_iter().filter_map(hit).collect())
    }
}

/// Bytes of text that places are cut out of for one answer, in the best documents.
const MAX_CUT: usize = 8 << 20;
/// What a document counts at least: no more than 500 of them are cut.
const LEAST_CUT: usize = 16 << 10;
