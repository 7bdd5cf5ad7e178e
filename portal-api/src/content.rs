//! Searches inside documents. The registry's listing comes first and passes the decision; the nodes
//! are then asked about what has been released and nothing else. So what is withheld takes part
//! neither in counts nor in order nor in places, and its text does not leave the node.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_access::{Caller, Purpose};
use carerecord_fhir::DocumentReferenceSearch;
use carerecord_model::{
    ContentAnswer, ContentQuestion, Coverage, DocumentEntry, DocumentRepository, NhsNumber,
    Snippet, UniqueId,
};
use carerecord_service::Delegation;
use futures_util::future::join_all;

use crate::Portal;
use crate::error::FhirError;
use crate::federation::{Member, NodeState, Reading};
use crate::opened::{Opened, note_closed};
use crate::service::Record;
use crate::times::{Changes, RecordTimes};

/// A record, and which of its documents have the words.
pub(crate) struct Searched {
    pub record: Record,
    /// Best first: places in the record's entries.
    pub hits: Vec<Hit>,
    /// For each source of the record, in their order, how far it was searched: `None` inside for
    /// one that has no index, outside for one that did not answer.
    pub coverage: Vec<Option<Option<Coverage>>>,
    /// When the registry last changed what, where that is asked for.
    pub changes: Changes,
}

/// A document that has the words.
pub(crate) struct Hit {
    /// Its place among the entries of the record.
    pub entry: usize,
    /// Of the best hit's worth, 0 to 1.
    pub score: f64,
    pub snippets: Vec<Snippet>,
}

impl Portal {
    /// Searches inside the documents of a patient that the caller may see, as far as they match
    /// the rest of the search.
    pub(crate) async fn search_content(
        &self,
        caller: &Caller,
        purpose: Purpose,
        search: &DocumentReferenceSearch,
        words: &str,
    ) -> Result<Searched, FhirError> {
        let (Opened { view, number, .. }, all) =
            self.open_whole(caller, purpose, search.patient).await?;
        let (found, mut withheld) = view.release_found(all);
        note_closed(&view, &mut withheld);
        let shown = &search.shown;
        let changes = self.changes(number, search.asks_last_updated(), shown.has_lists()).await?;
        let times = RecordTimes::of(found.value(), &withheld.folders_in_part, &changes);
        let wanted = search.among(&found.value().document_entries);
        let entries: Vec<(usize, &DocumentEntry)> = found
            .value()
            .document_entries
            .iter()
            .map(Arc::as_ref)
            .enumerate()
            .filter(|(_, entry)| wanted.has(entry, &times.of_object(&entry.entry_uuid)))
            .collect();
        let members = self.federation.members();
        let rule = found.decision().rule;
        let whom = self.on_behalf(view.caller(), purpose, Some(number), rule, view.opened());
        let asked =
            members.iter().map(|member| self.inside(member, number, words, &entries, &whom));
        let mut sources = Vec::new();
        let (mut hits, mut coverage) = (Vec::new(), Vec::new());
        for (state, answer) in join_all(asked).await {
            let answer = answer.map(|answer| answer.map(|a| take(a, &state, &entries, &mut hits)));
            coverage.push(answer);
            sources.push(state);
        }
        rank(&mut hits);
        let (masked, opened) = (view.masks_locations(), view.opened().cloned());
        let record = Record { found, withheld, sources, masked, number, opened };
        Ok(Searched { record, hits, coverage, changes })
    }

    async fn inside(
        &self,
        member: &Member,
        patient: NhsNumber,
        words: &str,
        entries: &[(usize, &DocumentEntry)],
        whom: &Delegation,
    ) -> (NodeState, Option<Option<ContentAnswer>>) {
        let documents: HashSet<&UniqueId> = entries
            .iter()
            .filter(|(_, entry)| is_at(entry, member.id.as_str()))
            .map(|(_, entry)| &entry.unique_id)
            .collect();
        let documents = documents.into_iter().cloned().collect();
        let question = &ContentQuestion { patient, words: words.to_owned(), documents };
        let ask = |repository: Arc<dyn DocumentRepository>| -> Reading<'_, Option<ContentAnswer>> {
            Box::pin(async move { Ok(repository.search(question, whom).await?) })
        };
        let asked = self.federation.ask(member, "search", ask).await;
        (asked.state, asked.answer.ok())
    }
}

/// Takes the hits of one source that are entries at that source: a node says nothing of others.
fn take(
    answer: ContentAnswer,
    source: &NodeState,
    entries: &[(usize, &DocumentEntry)],
    hits: &mut Vec<Hit>,
) -> Coverage {
    let mut by_id: HashMap<&UniqueId, Vec<usize>> = HashMap::new();
    for (place, entry) in entries.iter().filter(|(_, e)| is_at(e, source.id.as_str())) {
        by_id.entry(&entry.unique_id).or_default().push(*place);
    }
    for hit in answer.hits {
        // Several entries of one document are several matches; a hit that comes twice is one.
        for entry in by_id.remove(&hit.unique_id).unwrap_or_default() {
            let score = if hit.score.is_finite() { f64::from(hit.score).max(0.0) } else { 0.0 };
            hits.push(Hit { entry, score, snippets: hit.snippets.clone() });
        }
    }
    answer.coverage
}

/// Best first; of equal ones in the order of the listing, newest first.
fn rank(hits: &mut [Hit]) {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.entry.cmp(&b.entry)));
    let best = hits.first().map_or(0.0, |hit| hit.score);
    for hit in hits {
        let share = if best > 0.0 { hit.score / best } else { 1.0 };
        hit.score = (share * 1000.0).round() / 1000.0;
    }
}

fn is_at(entry: &DocumentEntry, node: &str) -> bool {
    entry.repository_unique_id.as_ref().is_some_and(|id| id.as_str() == node)
}
