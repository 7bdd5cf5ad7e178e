use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{
    Entry, Issue, PeopleSearch, add_link, found_patient_resource, pairs, searchset,
};
use carerecord_model::{FoundPatient, NhsNumber, PatientId, PatientSearch, name_key};

use super::input::{Asked, is_strict};
use super::paging::{MAX_PARAMETERS, page_asked, page_link};
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::error::FhirError;
use crate::matching::closeness;

/// Answers a read. The id is one that a search gave the same caller.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read Patient");
    let number = portal.patient_ids.open(&id, &session.caller).ok_or(FhirError::NotFound)?;
    session.draft.fill(|event| event.subject = Some(number));
    let person = portal.known_person(&session.caller, session.purpose, number).await;
    let person = session.kept(session.note(person)?).ok_or(FhirError::NotFound)?;
    session.draft.fill(|event| event.subject = Some(person.patient.nhs_number));
    Ok(answer::resource(StatusCode::OK, found_patient_resource(&person, &id, &[])))
}

/// A page of a search: its parameters, and how many people came before.
struct Page {
    parameters: String,
    start: usize,
}

impl Page {
    /// Out of a link to a further page, or the first one.
    fn read(portal: &Portal, session: &Session, parameters: &str) -> Result<Self, FhirError> {
        if parameters.len() > MAX_PARAMETERS {
            return Err(FhirError::TooLong);
        }
        let Some(text) = page_asked(portal, session, parameters)? else {
            return Ok(Self { parameters: parameters.to_owned(), start: 0 });
        };
        let (start, parameters) = text.split_once('&').ok_or(FhirError::NotFound)?;
        let start = start.parse().map_err(|_| FhirError::NotFound)?;
        Ok(Self { parameters: parameters.to_owned(), start })
    }

    /// The link to the page that starts there.
    fn link(&self, portal: &Portal, session: &Session, start: usize) -> String {
        let text = format!("{start}&{}", self.parameters);
        page_link(portal, session, "Patient", &text, &self.parameters)
    }
}

/// Answers a search for people. PDQm ITI-78.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search Patient");
    let page = Page::read(&portal, &session, &parameters)?;
    let asked = PeopleSearch::parse(&pairs(&page.parameters), is_strict(&headers))?;
    let search = with_ids(&portal, &session, &asked);
    if let Some(number) = only_number(&search) {
        session.draft.fill(|event| event.subject = Some(number));
    }
    if search.identifiers.is_empty() {
        // Told apart, since many of them may be a sign of curiosity.
        session.does("search Patient by name");
    }
    let found = portal.find_patients(&session.caller, session.purpose, &search).await;
    let mut found = session.kept(session.note(found)?);
    if asked.unknown_domain || !found.unknown_domains.is_empty() {
        return Err(FhirError::UnknownDomain);
    }
    if found.too_many {
        return Err(TOO_MANY);
    }
    if asked.only_inactive {
        // Who is merged is shown as the one who is in use.
        found.people.clear();
    }
    sort(&mut found.people, &search);
    let total = found.people.len();
    let shown = found.people.iter().skip(page.start).take(asked.count.unwrap_or(total));
    let shown: Vec<&FoundPatient> = shown.collect();
    session.draft.subjects(shown.iter().map(|person| person.patient.nhs_number));
    let end = page.start.saturating_add(shown.len());
    let mut issues = issues(&asked, found.incomplete);
    issues.extend(superseded(&search, &found.people).then(|| Issue::information(SUPERSEDED)));
    let mut entries = Vec::new();
    if !asked.count_only {
        entries.extend(shown.into_iter().map(|person| entry(&portal, &session, &search, person)));
    }
    entries.extend(outcome_entry(issues).map(Entry::Outcome));
    // Whom it was about is not repeated in the link: a URL must not name anybody.
    let mut bundle = searchset(&format!("{}/Patient", portal.config.base_url), total, entries);
    if !asked.count_only && end < total {
        add_link(&mut bundle, "next", &page.link(&portal, &session, end));
    }
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// The search with logical ids read: they mean something to the caller they were made for.
fn with_ids(portal: &Portal, session: &Session, asked: &PeopleSearch) -> PatientSearch {
    let mut search = asked.search.clone();
    let open = |id: &String| portal.patient_ids.open(id, &session.caller);
    for any in &asked.ids {
        search
            .identifiers
            .push(any.iter().filter_map(open).map(PatientId::from_nhs_number).collect());
    }
    search
}

/// The one number that is asked for.
fn only_number(search: &PatientSearch) -> Option<NhsNumber> {
    match search.identifiers.as_slice() {
        [any] => match any.as_slice() {
            [id] => id.nhs_number(),
            _ => None,
        },
        _ => None,
    }
}

/// Best first; equals by name, birth date and number.
fn sort(people: &mut [FoundPatient], search: &PatientSearch) {
    let key = |person: &FoundPatient| {
        let p = &person.patient;
        let family = name_key(p.family_name.as_deref().unwrap_or_default());
        let given: Vec<String> = p.given_names.iter().map(|name| name_key(name)).collect();
        (family, given, p.birth_date, p.nhs_number)
    };
    people.sort_by(|a, b| {
        let by_score = closeness(search, &b.patient).total_cmp(&closeness(search, &a.patient));
        by_score.then_with(|| key(a).cmp(&key(b)))
    });
}

fn entry(
    portal: &Portal,
    session: &Session,
    search: &PatientSearch,
    person: &FoundPatient,
) -> Entry<'static> {
    let number = person.patient.nhs_number;
    let id = portal.patient_ids.seal(number, &session.caller, portal.ids.as_ref());
    let url = format!("{}/Patient/{id}", portal.config.base_url);
    let domains: Vec<_> = search.domains.iter().flatten().cloned().collect();
    let resource = found_patient_resource(person, &id, &domains).into();
    if search.identifiers.is_empty() {
        Entry::Ranked(url, resource, closeness(search, &person.patient))
    } else {
        Entry::Match(url, resource)
    }
}

/// Whether a number that is asked for has been merged into another one.
fn superseded(search: &PatientSearch, people: &[FoundPatient]) -> bool {
    let mut asked = search.identifiers.iter().flatten().filter_map(PatientId::nhs_number);
    let is_old = |number: NhsNumber| {
        people.iter().any(|person| {
            let id = PatientId::from_nhs_number(number);
            person.patient.nhs_number != number && person.identifiers.contains(&id)
        })
    };
    asked.any(is_old)
}

/// What the reader has to know to read the answer rightly.
fn issues(asked: &PeopleSearch, incomplete: bool) -> Vec<Issue> {
    let mut issues: Vec<Issue> = asked
        .ignored
        .iter()
        .map(|name| {
            let words = format!("The search parameter {name} is not supported, and was left out.");
            Issue::warning("not-supported", &words)
        })
        .collect();
    issues.extend(incomplete.then(|| Issue::warning("incomplete", INCOMPLETE)));
    issues
}

/// None is shown: some of many, as chance has it, would look like all of them.
pub(super) const TOO_MANY: FhirError = FhirError::Operation(
    StatusCode::UNPROCESSABLE_ENTITY,
    "too-costly",
    "More than 50 people fit, so none is shown. Add what tells them apart: a given name, the whole \
     date of birth, the gender, a postcode or an identifier.",
);
const SUPERSEDED: &str = "A number that was asked for is no longer in use: the person's record is \
    kept under another one, which is shown.";
pub(super) const INCOMPLETE: &str = "The index of names is still being built: people may be missing \
    who are known by their number.";
