//! Answers to questions of the portal.

use std::collections::HashMap;

use carerecord_model::{
    DocumentElements, ElementAnswer, ElementCoverage, ElementKind, ElementQuestion, NhsNumber,
    PlacedElement, UniqueId,
};
use carerecord_service::{Asker, AuditDraft};

use super::rows::{self, MISMATCHED, Stored, TAKEN, UNCODED};
use crate::Repository;
use crate::search::SearchFailure;

impl Repository {
    /// The elements of those of the documents asked about that this node holds for the patient, and
    /// that it would give to whoever asks.
    ///
    /// # Errors
    /// `Refused` for all but roles of this deployment, which have released the documents, and those
    /// for whom they ask.
    pub(crate) async fn document_elements(
        &self,
        asker: &Asker,
        question: ElementQuestion,
        draft: &AuditDraft,
    ) -> Result<ElementAnswer, SearchFailure> {
        draft.fill(|event| event.subject = Some(question.patient));
        let asked = question.documents.len();
        let places: HashMap<UniqueId, usize> =
            question.documents.iter().cloned().zip(0..).collect();
        let documents = self.askable(asker, question.patient, question.documents, draft).await?;
        let known = rows::known(self.database(), &documents).await?;
        let mut coverage = ElementCoverage {
            // What is not given is to whoever asks as if it were not there.
            missing: asked.saturating_sub(known.len()),
            ..ElementCoverage::default()
        };
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        for document in known {
            let Some(read) = document.read else {
                coverage.waiting += 1;
                continue;
            };
            match read.state {
                TAKEN => {
                    coverage.partly += usize::from(read.left_out > 0);
                    let own = read.patient == Some(question.patient);
                    if own { &mut ours } else { &mut others }.push(document.unique_id);
                }
                UNCODED => coverage.uncoded += 1,
                MISMATCHED => coverage.mismatched += 1,
                _ => coverage.unreadable += 1,
            }
        }
        ours.extend(self.now_of(others, question.patient, &mut coverage).await?);
        // In the order of the question: when not all find room, the last ones are left out.
        ours.sort_by_key(|id| places.get(id).copied());
        let documents = self.read_elements(&ours, &question.kinds, &mut coverage).await?;
        draft.fill(|event| {
            event.listed = documents.iter().map(|d| d.unique_id.to_string()).collect();
        });
        Ok(ElementAnswer { documents, coverage })
    }

    /// Those of the documents that the registry now has for the patient: after a merge they were
    /// read under an older number.
    async fn now_of(
        &self,
        others: Vec<UniqueId>,
        patient: NhsNumber,
        coverage: &mut ElementCoverage,
    ) -> Result<Vec<UniqueId>, SearchFailure> {
        let now_ours = self.registered_for(others.clone(), patient).await?;
        let (ours, missing): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|id| now_ours.contains(id));
        coverage.missing += missing.len();
        Ok(ours)
    }

    async fn read_elements(
        &self,
        ids: &[UniqueId],
        kinds: &[ElementKind],
        coverage: &mut ElementCoverage,
    ) -> Result<Vec<DocumentElements>, SearchFailure> {
        let wanted =
            |placed: &PlacedElement| kinds.is_empty() || kinds.contains(&placed.element.kind);
        let (mut documents, mut left) = (Vec::new(), MAX_ANSWER);
        for part in ids.chunks(AT_ONCE) {
            if left == 0 {
                coverage.left_out += part.len();
                continue;
            }
            for stored in rows::elements(self.database(), part).await? {
                let Stored { unique_id, rules, extracted_at, elements } = stored;
                let placed = elements.into_iter().enumerate();
                let placed = placed.map(|(place, element)| PlacedElement { place, element });
                let elements: Vec<PlacedElement> = placed.filter(wanted).collect();
                if elements.is_empty() {
                    continue;
                }
                let length = serde_json::to_string(&elements).map_or(MAX_ANSWER, |s| s.len());
                if length > left {
                    left = 0;
                    coverage.left_out += 1;
                    continue;
                }
                left -= length;
                let extracted_at_ms = extracted_at;
                documents.push(DocumentElements { unique_id, extracted_at_ms, rules, elements });
            }
        }
        Ok(documents)
    }
}

/// Of the elements of one answer, in bytes of JSON.
const MAX_ANSWER: usize = 16 << 20;
/// Documents that are read at a time: of each there are 4 MiB at most.
const AT_ONCE: usize = 16;
