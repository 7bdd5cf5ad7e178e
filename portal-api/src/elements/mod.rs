//! What the documents of a patient say in coded entries, put together over the nodes. The registry's
//! listing comes first and passes the decision; the nodes are then asked about what has been released
//! and nothing else. So an element is seen when a document that states it may be seen, and what is
//! withheld takes part in no count. mXDE, data-elements.md 1.5.

mod merge;
mod relate;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_access::{Caller, Purpose, RecordView};
use carerecord_model::{
    AvailabilityStatus, Code, DataElement, DocumentEntry, DocumentEntryType, DocumentRepository,
    ElementAnswer, ElementCoverage, ElementKind, ElementQuestion, ElementSection, EntryUuid,
    NhsNumber, UniqueId,
};
use carerecord_service::Delegation;
use futures_util::future::join_all;

use crate::Portal;
use crate::error::FhirError;
use crate::federation::{Member, NodeState, Reading};
use crate::opened::{Opened, note_closed};
use crate::service::Record;

/// A record, and what its current documents say.
pub(crate) struct Stated {
    pub record: Record,
    /// The elements, the newest first.
    pub elements: Vec<Element>,
    /// Documents that elements were taken out of.
    pub documents: Vec<Decomposed>,
    /// For each source of the record, in their order, how far its documents were read: `None` inside
    /// for one that takes nothing out of them, outside for one that did not answer.
    pub coverage: Vec<Option<Option<ElementCoverage>>>,
}

/// An element with everything that states it.
pub(crate) struct Element {
    /// The logical id.
    pub id: String,
    pub element: DataElement,
    /// Places among the documents, with the section there; at least one.
    pub sources: Vec<(usize, Option<ElementSection>)>,
}

/// A document that elements were taken out of.
pub(crate) struct Decomposed {
    pub id: EntryUuid,
    pub unique_id: UniqueId,
    pub extracted_at_ms: i64,
    pub rules: String,
}

/// What one document states, that the caller may see.
struct Statement {
    document: usize,
    place: usize,
    element: DataElement,
}

impl Portal {
    /// What the current documents of a patient that the caller may see say of these kinds; of all
    /// when none is named.
    pub(crate) async fn stated(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
        kinds: &[ElementKind],
    ) -> Result<Stated, FhirError> {
        let Opened { view, number, .. } = self.open(caller, purpose, patient).await?;
        let all = self.everything_for(&view, purpose, number).await?;
        let labels = OwnLabels::of(&view, &all.document_entries);
        let (found, mut withheld) = view.release_found(all);
        note_closed(&view, &mut withheld);
        let entries: Vec<&DocumentEntry> = found
            .value()
            .document_entries
            .iter()
            .map(Arc::as_ref)
            .filter(|entry| is_current(entry))
            .collect();
        let members = self.federation.members();
        let rule = found.decision().rule;
        let whom = self.on_behalf(caller, purpose, Some(number), rule, view.opened());
        let asked =
            members.iter().map(|member| self.elements_at(member, number, kinds, &entries, &whom));
        let (mut sources, mut coverage) = (Vec::new(), Vec::new());
        let mut gathered = Gathered::default();
        for (state, answer) in join_all(asked).await {
            let told = answer.map(|answer| {
                answer.map(|answer| gathered.take(answer, &state, &entries, kinds, &labels))
            });
            coverage.push(told);
            sources.push(state);
        }
        withheld.count += gathered.withheld;
        let Gathered { documents, statements, .. } = gathered;
        let elements = merge::merged(&documents, statements);
        let (masked, opened) = (view.masks_locations(), view.opened().cloned());
        let record = Record { found, withheld, sources, masked, number, opened };
        Ok(Stated { record, elements, documents, coverage })
    }

    async fn elements_at(
        &self,
        member: &Member,
        patient: NhsNumber,
        kinds: &[ElementKind],
        entries: &[&DocumentEntry],
        whom: &Delegation,
    ) -> (NodeState, Option<Option<ElementAnswer>>) {
        let mut seen = HashSet::new();
        let here = entries.iter().filter(|entry| is_at(entry, member.id.as_str()));
        // The newest first: when a node has not room for all, its oldest documents are left out.
        let documents =
            here.map(|entry| &entry.unique_id).filter(|id| seen.insert(*id)).cloned().collect();
        let question = &ElementQuestion { patient, kinds: kinds.to_vec(), documents };
        let ask = |repository: Arc<dyn DocumentRepository>| -> Reading<'_, Option<ElementAnswer>> {
            Box::pin(async move { Ok(repository.elements(question, whom).await?) })
        };
        let asked = self.federation.ask(member, "elements", ask).await;
        (asked.state, asked.answer.ok())
    }
}

/// Only current versions speak: what a replaced one said, its replacement says or leaves out.
/// data-elements.md 1.4. What is made on demand speaks by its snapshots.
fn is_current(entry: &DocumentEntry) -> bool {
    entry.availability_status == AvailabilityStatus::Approved
        && entry.entry_type == DocumentEntryType::Stable
}

fn is_at(entry: &DocumentEntry, node: &str) -> bool {
    entry.repository_unique_id.as_ref().is_some_and(|id| id.as_str() == node)
}

/// What the nodes have said.
#[derive(Default)]
struct Gathered {
    documents: Vec<Decomposed>,
    statements: Vec<Statement>,
    withheld: usize,
}

impl Gathered {
    /// Takes what one source says of documents that are entries at that source, each once: a node
    /// says nothing of others.
    fn take(
        &mut self,
        answer: ElementAnswer,
        source: &NodeState,
        entries: &[&DocumentEntry],
        kinds: &[ElementKind],
        labels: &OwnLabels<'_>,
    ) -> ElementCoverage {
        let mut by_id: HashMap<&UniqueId, &DocumentEntry> = HashMap::new();
        for entry in entries.iter().filter(|entry| is_at(entry, source.id.as_str())) {
            by_id.entry(&entry.unique_id).or_insert(entry);
        }
        for document in answer.documents {
            let Some(entry) = by_id.remove(&document.unique_id) else { continue };
            let Some(id) = entry.uuid() else { continue };
            let at = self.documents.len();
            for placed in document.elements {
                let (place, element) = (placed.place, placed.element);
                if !kinds.is_empty() && !kinds.contains(&element.kind) {
                    continue;
                }
                if !labels.let_see(id, &element) {
                    self.withheld += 1;
                    continue;
                }
                self.statements.push(Statement { document: at, place, element });
            }
            self.documents.push(Decomposed {
                id,
                unique_id: document.unique_id,
                extracted_at_ms: document.extracted_at_ms,
                rules: document.rules,
            });
        }
        answer.coverage
    }
}

/// Decides about elements with labels of their own, on the entries as they are registered: what has
/// been released may be masked, and says no longer whose it is.
struct OwnLabels<'v> {
    view: &'v RecordView,
    registered: HashMap<EntryUuid, Arc<DocumentEntry>>,
}

impl<'v> OwnLabels<'v> {
    fn of(view: &'v RecordView, entries: &[Arc<DocumentEntry>]) -> Self {
        let registered = entries.iter().filter_map(|entry| Some((entry.uuid()?, entry.clone())));
        Self { view, registered: registered.collect() }
    }

    /// An element is as its document, which has been released; one with labels of its own is decided
    /// by those, too.
    fn let_see(&self, document: EntryUuid, element: &DataElement) -> bool {
        if element.labels.is_empty() {
            return true;
        }
        let registered = self.registered.get(&document);
        registered.is_some_and(|entry| self.view.release(labelled(entry, element)).is_ok())
    }
}

/// An entry with the labels of an element of its document.
fn labelled(entry: &DocumentEntry, element: &DataElement) -> DocumentEntry {
    let mut labelled = entry.clone();
    let own = element.labels.iter().map(|label| {
        let scheme = label.system.as_deref().unwrap_or_default();
        let scheme = match scheme {
            CONFIDENTIALITY | CONFIDENTIALITY_DSTU => CONFIDENTIALITY_OID,
            scheme => scheme,
        };
        Code::new(label.code.as_str(), scheme, "")
    });
    labelled.confidentiality_codes.extend(own);
    labelled
}

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const CONFIDENTIALITY_DSTU: &str = "http://hl7.org/fhir/v3/Confidentiality";
const CONFIDENTIALITY_OID: &str = "2.16.840.1.113883.5.25";

pub(crate) use relate::relations;
