use std::collections::{HashMap, HashSet};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_access::{Decision, Rule};
use carerecord_fhir::{
    DocumentReferenceSearch, Entry, Issue, Reason, Related, SortBy, Times, add_decision,
    add_related_by, add_snippets, add_submission, add_times, asking_offered, claim_offered,
    consent_recording_offered, coverage_issues, date_time, override_in_force, override_offered,
    searchset, source_issue,
};
use carerecord_model::{
    Coverage, DocumentEntry, EntryUuid, FoundObjects, ObjectId, SubmissionSet, SubmissionSetStatus,
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::input::Asked;
use super::paging::{Order, PagedSearch, Place};
use super::resources::Resources;
use super::{Session, answer, conditional, outcome_entry, withheld_issues};
use crate::Portal;
use crate::content::{Hit, Searched};
use crate::error::FhirError;
use crate::federation::NodeState;
use crate::service::{Record, source_id};
use crate::times::{Changes, RecordTimes};

/// Answers a read of one DocumentReference.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    session.does("read DocumentReference");
    let id = entry_uuid(&id)?;
    let read = session.note(portal.document_in_context(&session, id).await)?;
    let document = &read.document;
    session.draft.decision(document.decision());
    session.draft.fill(|event| {
        event.subject = document.value().patient_id.nhs_number();
        event.listed = vec![document.value().entry_uuid.to_string()];
    });
    let times = RecordTimes::of(&read.found, &HashSet::new(), &Changes::default());
    let (entry, masked) = (document.value(), document.masked);
    let resources = Resources::of(&portal, &read.found, masked, &times);
    let mut resource = Value::from(resources.document(entry));
    add_times(&mut resource, &Times { submitted: None, last_updated: read.modified });
    add_related_by(&mut resource, &related_by(&read.found, entry));
    if let Some(set) = submission(&read.found, entry) {
        add_submission(&mut resource, set, !masked);
    }
    add_decision(&mut resource, &reason(document.decision(), masked));
    Ok(conditional::resource(&headers, resource, read.modified))
}

/// Answers Find Document References [ITI-67].
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search DocumentReference");
    let asked = PagedSearch::read(&portal, &session, KIND, parameters, &headers)?;
    let search = DocumentReferenceSearch::parse(&asked.pairs(&portal, &session), asked.strict)?;
    session.may_include(search.shown.includes.iter().map(|include| include.resource_type()))?;
    session.draft.fill(|event| event.subject = Some(search.patient));
    if let Some(words) = search.content.clone() {
        return run_content(&portal, &session, &asked, &search, &words).await;
    }
    let ask = search.source_state.as_deref();
    let record = portal.record(&session.caller, session.purpose, search.patient, ask).await;
    let record = session.note(record)?;
    let (asks, lists) = (search.asks_last_updated(), search.shown.has_lists());
    let changes = portal.changes(record.number, asks, lists).await?;
    let found = record.found.value();
    let times = RecordTimes::of(found, &record.withheld.folders_in_part, &changes);
    let order = Order::of(&search.shown.sort, SortBy::Creation);
    let wanted = search.among(&found.document_entries);
    let mut matching = Vec::new();
    for entry in &found.document_entries {
        let of_entry = times.of_object(&entry.entry_uuid);
        if wanted.has(entry, &of_entry) {
            matching.push((place(&order, entry, &of_entry), Shown { entry, hit: None }));
        }
    }
    let issues = issues(&portal, &session, &record);
    let answer = Answering { portal: &portal, session: &session, asked, search, record: &record };
    answer.page(&times, &order, matching, issues)
}

/// The documents that have the words, best first, with the places where they stand.
async fn run_content(
    portal: &Portal,
    session: &Session,
    asked: &PagedSearch,
    search: &DocumentReferenceSearch,
    words: &str,
) -> Result<Response, FhirError> {
    session.does("search in documents");
    let found = portal.search_content(&session.caller, session.purpose, search, words).await;
    let Searched { record, hits, coverage, changes } = session.note(found)?;
    let objects = record.found.value();
    let times = RecordTimes::of(objects, &record.withheld.folders_in_part, &changes);
    let order = Order::of(&search.shown.sort, SortBy::Creation);
    let by_worth = search.shown.sort.is_empty();
    let mut matching = Vec::new();
    for hit in &hits {
        let Some(entry) = objects.document_entries.get(hit.entry) else { continue };
        let place = place(&order, entry, &times.of_object(&entry.entry_uuid));
        let place = if by_worth { place.ranked(hit.score) } else { place };
        matching.push((place, Shown { entry, hit: Some(hit) }));
    }
    let mut issues = issues(portal, session, &record);
    issues.extend(search_issues(&record, &coverage));
    let (asked, search) = (asked.clone(), search.clone());
    Answering { portal, session, asked, search, record: &record }
        .page(&times, &order, matching, issues)
}

/// A document of an answer.
struct Shown<'r> {
    entry: &'r DocumentEntry,
    /// Where the words of a search stand in it.
    hit: Option<&'r Hit>,
}

fn place(order: &Order, entry: &DocumentEntry, times: &Times) -> Place {
    let (creation, date) = (entry.creation_time.as_ref(), times.submitted.as_ref());
    Place::of(order, &entry.entry_uuid, creation, date, times)
}

/// A search whose record has been opened.
struct Answering<'a> {
    portal: &'a Portal,
    session: &'a Session,
    asked: PagedSearch,
    search: DocumentReferenceSearch,
    record: &'a Record,
}

impl Answering<'_> {
    /// The page of what matches, with what is wanted beside it.
    fn page(
        &self,
        times: &RecordTimes<'_>,
        order: &Order,
        matching: Vec<(Place, Shown<'_>)>,
        mut issues: Vec<Issue>,
    ) -> Result<Response, FhirError> {
        let (record, wanted) = (self.record, &self.search.shown);
        let found = record.found.value();
        let page = self.asked.page(matching, order, wanted)?;
        let resources = Resources::of(self.portal, found, record.masked, times);
        let ids: Vec<&ObjectId> = page.shown.iter().map(|one| &one.entry.entry_uuid).collect();
        let mut listed: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut entries = Vec::new();
        if !wanted.count_only {
            let elements = wanted.elements.as_deref();
            for one in &page.shown {
                entries.push(self.entry(&resources, one, elements));
            }
            for (id, entry) in resources.included(&wanted.includes, &ids) {
                listed.push(id.to_string());
                entries.push(entry);
            }
        }
        self.session.draft.decision(record.found.decision());
        self.session.draft.fill(|event| {
            event.subject = Some(record.number);
            event.listed = listed;
            event.withheld = record.withheld.count;
        });
        issues.extend(left_out(&wanted.ignored));
        entries.extend(outcome_entry(issues).map(Entry::Outcome));
        // The patient is not repeated in the link: a URL must not name one.
        let url = format!("{}/{KIND}", self.portal.config.base_url);
        let mut bundle = searchset(&url, page.total, entries);
        if !wanted.count_only {
            self.asked.add_links(self.portal, self.session, &page, &mut bundle);
        }
        Ok(answer::resource(StatusCode::OK, bundle))
    }

    fn entry<'r>(
        &self,
        resources: &Resources<'r>,
        one: &Shown<'r>,
        elements: Option<&[String]>,
    ) -> Entry<'r> {
        let resource = Resources::part(resources.document(one.entry), elements);
        let url = resources.url(KIND, &one.entry.entry_uuid);
        let Some(hit) = one.hit else { return Entry::Match(url, resource) };
        // The text of a letter tells where it was written.
        if self.record.masked {
            return Entry::Ranked(url, resource, hit.score);
        }
        let mut resource = Value::from(resource);
        add_snippets(&mut resource, &hit.snippets);
        Entry::Ranked(url, resource.into(), hit.score)
    }
}

/// What was left out of a search, for whoever reads its answer.
pub(super) fn left_out(names: &[String]) -> Vec<Issue> {
    let issue = |name: &String| {
        let words = format!("{name} is not supported here, and was left out.");
        Issue::warning("not-supported", &words)
    };
    names.iter().map(issue).collect()
}

/// What could not be searched inside, by source; in one where sources must not be told apart.
fn search_issues(record: &Record, coverage: &[Option<Option<Coverage>>]) -> Vec<Issue> {
    let answered = record.sources.iter().zip(coverage);
    let answered = answered.filter_map(|(node, answer)| Some((node, (*answer)?)));
    if !record.masked {
        let issues = |(node, coverage): (&NodeState, Option<Coverage>)| {
            coverage_issues(coverage.as_ref(), &node.name, node.id.as_str())
        };
        return answered.flat_map(issues).collect();
    }
    let add = |sum: Option<Coverage>, (_, one): (&NodeState, Option<Coverage>)| {
        let (sum, one) = (sum?, one?);
        Some(Coverage {
            rebuilding: sum.rebuilding || one.rebuilding,
            waiting: sum.waiting + one.waiting,
            unreadable: sum.unreadable + one.unreadable,
            missing: sum.missing + one.missing,
        })
    };
    let sum = answered.fold(Some(Coverage::default()), add);
    coverage_issues(sum.as_ref(), "Sources", "sources")
}

/// What is withheld and may be told, then what became of each source.
pub(super) fn issues(portal: &Portal, session: &Session, record: &Record) -> Vec<Issue> {
    let mut latest: HashMap<&str, String> = HashMap::new();
    for entry in &record.found.value().document_entries {
        let (Some(node), Some(time)) = (&entry.repository_unique_id, &entry.creation_time) else {
            continue;
        };
        // Newest first, so the first one seen of a node is its latest.
        latest.entry(node.as_str()).or_insert_with(|| date_time(time));
    }
    let mut issues = withheld_issues(&record.withheld);
    let source = |node: &NodeState| {
        let last_good = node.last_good.map(to_seconds);
        if record.masked {
            // Which of them has documents would tell where the person is cared for.
            let name = format!("Source {}", node.place + 1);
            let id = source_id(true, node.place, &node.id);
            return source_issue(node.state, &name, &id, node.latency_ms, last_good, None);
        }
        let newest = latest.get(node.id.as_str()).cloned();
        source_issue(node.state, &node.name, node.id.as_str(), node.latency_ms, last_good, newest)
    };
    issues.extend(record.sources.iter().map(source));
    match &record.opened {
        Some(opened) => {
            let until = opened.until.to_string();
            issues.push(override_in_force(opened.reason.words(), &until));
        }
        None if portal.access.may_break_glass(&session.caller).is_ok() => {
            issues.push(override_offered());
        }
        None => {}
    }
    let unrelated = record.withheld.told.iter().any(|d| d.rule == Rule::NoRelationship);
    if unrelated && portal.access.may_claim(&session.caller).is_ok() {
        issues.push(claim_offered());
    }
    let unasked = record.withheld.told.iter().any(|d| d.rule == Rule::ConsentMissing);
    if portal.access.may_record_consent(&session.caller).is_ok() {
        issues.push(consent_recording_offered());
    } else if unasked && portal.access.may_ask_at_view(&session.caller).is_ok() {
        issues.push(asking_offered());
    }
    issues
}

fn to_seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// Why a document is shown. An agreement's name can tell a place.
fn reason(decision: &Decision, masked: bool) -> Reason<'_> {
    Reason {
        rule: decision.rule.id(),
        words: decision.rule.explanation(),
        set_by: decision.set_by.as_deref().filter(|_| !masked),
        since: decision.since,
        basis: if masked { &[] } else { decision.basis.as_slice() },
    }
}

/// The documents that relate to an entry.
fn related_by(found: &FoundObjects, entry: &DocumentEntry) -> Vec<Related> {
    let later = found.associations.iter().filter(|a| a.target == entry.entry_uuid);
    let related = later.filter_map(|a| {
        // A set has its members as targets, too.
        let later = found.document_entries.iter().find(|e| e.entry_uuid == a.source)?;
        Some(Related { association_type: a.association_type, target: later.uuid()? })
    });
    related.collect()
}

/// The SubmissionSet that an entry came in: of several the first, since later ones refer to it.
fn submission<'f>(found: &'f FoundObjects, entry: &DocumentEntry) -> Option<&'f SubmissionSet> {
    let members = found.associations.iter().filter(|a| {
        a.target == entry.entry_uuid
            && a.submission_set_status != Some(SubmissionSetStatus::Reference)
    });
    let sets =
        members.filter_map(|a| found.submission_sets.iter().find(|set| set.entry_uuid == a.source));
    sets.min_by(|a, b| a.submission_time.as_str().cmp(b.submission_time.as_str()))
}

/// An id that is none names nothing.
pub(crate) fn entry_uuid(id: &str) -> Result<EntryUuid, FhirError> {
    Uuid::try_parse(id).map(EntryUuid::new).map_err(|_| FhirError::NotFound)
}

const KIND: &str = "DocumentReference";
