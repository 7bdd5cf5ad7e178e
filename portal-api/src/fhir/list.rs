use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{Entry, ListCode, ListSearch, SortBy, Times, searchset};
use carerecord_model::{EntryUuid, Folder, ObjectId, SubmissionSet};
use carerecord_service::Even;
use serde_json::Value;

use super::document_reference::{entry_uuid, left_out};
use super::input::Asked;
use super::paging::{Order, PagedSearch, Place};
use super::resources::Resources;
use super::{Session, answer, conditional, outcome_entry, withheld_issues};
use crate::Portal;
use crate::error::FhirError;
use crate::times::{Changes, RecordTimes};

/// Answers a read of one SubmissionSet or folder.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    session.does("read List");
    let even = Even::new();
    let read = read_list(&portal, &session, entry_uuid(&id)?, &headers).await;
    if read.as_ref().is_err_and(FhirError::is_nothing) {
        even.wait().await;
    }
    read
}

async fn read_list(
    portal: &Portal,
    session: &Session,
    id: EntryUuid,
    headers: &HeaderMap,
) -> Result<Response, FhirError> {
    let draft = &session.draft;
    let record = portal.record_of_list(&session.caller, session.purpose, id, draft).await;
    let (record, in_part) = session.note(record)?;
    let found = record.value();
    let is_it = |uuid: &ObjectId| uuid.uuid() == Some(id);
    let set = found.submission_sets.iter().find(|s| is_it(&s.entry_uuid));
    let folder = found.folders.iter().find(|f| is_it(&f.entry_uuid));
    // Nothing of it may be seen: as if it were not there.
    let patient = set.map(|s| &s.patient_id).or(folder.map(|f| &f.patient_id));
    let patient = patient.ok_or(FhirError::NotFound)?.nhs_number();
    session.draft.decision(record.decision());
    session.draft.fill(|event| {
        event.subject = patient;
        event.listed = vec![id.uuid().to_string()];
    });
    // Without it the list is told all the same.
    let changes = match patient {
        Some(number) => portal.changes(number, true, true).await.unwrap_or_default(),
        None => Changes::default(),
    };
    let times = RecordTimes::of(found, &in_part, &changes);
    let modified = times.of_object(&ObjectId::Uuid(id)).last_updated;
    // Places of a restricted person are masked in what has been released.
    let resources = Resources::of(portal, found, false, &times);
    let list = set.map(|set| resources.set(set));
    let list = list.or_else(|| folder.map(|folder| resources.folder(folder)));
    let list = list.ok_or(FhirError::NotFound)?;
    Ok(conditional::resource(headers, list, modified))
}

/// A SubmissionSet or a folder.
enum Listed<'r> {
    Set(&'r SubmissionSet),
    Folder(&'r Folder),
}

impl Listed<'_> {
    fn id(&self) -> &ObjectId {
        match self {
            Self::Set(set) => &set.entry_uuid,
            Self::Folder(folder) => &folder.entry_uuid,
        }
    }

    fn place(&self, order: &Order, times: &Times) -> Place {
        let date = match self {
            Self::Set(set) => Some(&set.submission_time),
            Self::Folder(folder) => folder.last_update_time.as_ref(),
        };
        Place::of(order, self.id(), None, date, times)
    }

    fn resource(&self, resources: &Resources<'_>) -> Value {
        match self {
            Self::Set(set) => resources.set(set),
            Self::Folder(folder) => resources.folder(folder),
        }
    }
}

/// Answers Find Document Lists [ITI-66].
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search List");
    let asked = PagedSearch::read(&portal, &session, KIND, parameters, &headers)?;
    let search = ListSearch::parse(&asked.pairs(&portal, &session), asked.strict)?;
    session.may_include(search.shown.includes.iter().map(|include| include.resource_type()))?;
    session.draft.fill(|event| event.subject = Some(search.patient));
    let record = portal.record(&session.caller, session.purpose, search.patient, None).await;
    let record = session.note(record)?;
    let (asks, folders) = (search.asks_last_updated(), search.code == ListCode::Folder);
    let changes = portal.changes(record.number, asks, folders).await?;
    let (found, wanted) = (record.found.value(), &search.shown);
    let times = RecordTimes::of(found, &record.withheld.folders_in_part, &changes);
    let order = Order::of(&wanted.sort, SortBy::Date);
    let of = |id: &ObjectId| times.of_object(id);
    let sets = found.submission_sets.iter();
    let sets = sets.filter(|s| search.matches_set(s, &of(&s.entry_uuid))).map(Listed::Set);
    let folders: Vec<Folder> = found.folders.iter().map(|f| times.of_folder(f)).collect();
    let folders = folders.iter().filter(|f| search.matches_folder(f, &of(&f.entry_uuid)));
    let all = sets.chain(folders.map(Listed::Folder));
    let matching = all.map(|list| (list.place(&order, &of(list.id())), list)).collect();
    let page = asked.page(matching, &order, wanted)?;
    let resources = Resources::of(&portal, found, record.masked, &times);
    let ids: Vec<&ObjectId> = page.shown.iter().map(Listed::id).collect();
    let mut listed: Vec<String> =
        ids.iter().filter_map(|id| Some(id.uuid()?.uuid().to_string())).collect();
    let mut entries = Vec::new();
    if !wanted.count_only {
        for list in &page.shown {
            let resource = Resources::part(list.resource(&resources), wanted.elements.as_deref());
            entries.push(Entry::Match(resources.url(KIND, list.id()), resource));
        }
        for (id, entry) in resources.included(&wanted.includes, &ids) {
            listed.push(id.to_string());
            entries.push(entry);
        }
    }
    session.draft.decision(record.found.decision());
    session.draft.fill(|event| {
        event.subject = Some(record.number);
        event.listed = listed;
        event.withheld = record.withheld.count;
    });
    let mut issues = withheld_issues(&record.withheld);
    issues.extend(left_out(&wanted.ignored));
    entries.extend(outcome_entry(issues).map(Entry::Outcome));
    let url = format!("{}/{KIND}", portal.config.base_url);
    let mut bundle = searchset(&url, page.total, entries);
    if !wanted.count_only {
        asked.add_links(&portal, &session, &page, &mut bundle);
    }
    Ok(answer::resource(StatusCode::OK, bundle))
}

const KIND: &str = "List";
