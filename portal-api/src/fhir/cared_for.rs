//! A search of EpisodeOfCare by organisation: for whom the organisation of whoever asks, or they
//! themself, care now, the newest first. Each person shown has a record. NHS: 3.7, 8.

use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{CaredFor, CaredForQuestion, Relationship, UserCaller};
use carerecord_fhir::{
    CARED_FOR_PARAMETERS, EPISODE_STATUS, Entry, SearchError, add_link, check_search, codes,
    count_only, episode_of_care, found_patient_resource, names_patient, one_value, pairs,
    reference_id, searchset,
};
use carerecord_model::{FoundPatient, OrganisationCode};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::document_reference::left_out;
use super::input::named;
use super::paging::{PAGE, page_asked, page_link};
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::error::FhirError;

/// Whether a search is by organisation, or for a further page of one.
pub(super) fn is_meant(parameters: &str) -> bool {
    let by = |name: &str| ORGANISATION.contains(&name) || name == PAGE;
    pairs(parameters).iter().any(|(name, _)| by(name.split(':').next().unwrap_or(name)))
}

/// Answers it.
pub(super) async fn run(
    portal: &Portal,
    session: &Session,
    strict: bool,
    parameters: &str,
) -> Result<Response, FhirError> {
    session.does("search EpisodeOfCare by organisation");
    let (wanted, ignored) = Wanted::read(portal, session, strict, parameters)?;
    session
        .draft
        .fill(|event| event.listed = vec![format!("organisation {}", wanted.organisation)]);
    let (access, purpose) = (&portal.access, session.purpose);
    let may = access.may_list_cared_for(&session.caller, purpose, &wanted.organisation);
    let user = session.note(may.map_err(FhirError::from))?;
    let CaredFor { total, relationships, next } = wanted.ask(portal, user).await?;
    let released = access.release_cared_for(&session.caller, purpose, relationships);
    let released = session.note(released.map_err(FhirError::from))?;
    session.draft.decision(released.decision());
    let mut entries = wanted.entries(portal, session, released.into_value()).await?;
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let mut bundle = searchset(&format!("{}/{KIND}", portal.config.base_url), total, entries);
    let next = next.filter(|_| !wanted.count_only);
    let page = next.map(|next| Wanted { after: Some(next), ..wanted });
    if let Some(page) = page {
        let page = json!(page).to_string();
        add_link(&mut bundle, "next", &page_link(portal, session, KIND, &page, parameters));
    }
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// What is asked for; a link to a further page holds it sealed.
#[derive(Serialize, Deserialize)]
struct Wanted {
    organisation: OrganisationCode,
    count: u16,
    count_only: bool,
    /// Whether the people themselves are wanted too.
    people: bool,
    after: Option<(i64, Uuid)>,
}

impl Wanted {
    /// With what is left out of it.
    fn read(
        portal: &Portal,
        session: &Session,
        strict: bool,
        parameters: &str,
    ) -> Result<(Self, Vec<String>), FhirError> {
        if let Some(text) = page_asked(portal, session, parameters)? {
            let wanted = serde_json::from_str(&text).map_err(|_| FhirError::NotFound)?;
            return Ok((wanted, Vec::new()));
        }
        let parameters = named(portal, session, parameters);
        let ignored =
            check_search(&parameters, CARED_FOR_PARAMETERS, &["_include", "_count"], strict)?;
        if names_patient(&parameters) {
            return Err(FhirError::Search(SearchError::Unsupported(BOTH.to_owned())));
        }
        let malformed = |name: &str| FhirError::Search(SearchError::Malformed(name.to_owned()));
        let value = |name: &str| one_value(&parameters, &[name]).map(|one| one.map(|(_, v)| v));
        let people = match value("_include")? {
            None => false,
            Some("EpisodeOfCare:patient") => true,
            Some(_) => return Err(malformed("_include")),
        };
        let status = codes(&parameters, "status", EPISODE_STATUS)?;
        if status.is_empty() {
            return Err(FhirError::Search(SearchError::Missing("status")));
        }
        // Who was in care, or will be, is not listed.
        if status.iter().flatten().any(|code| *code != "active") {
            return Err(malformed("status"));
        }
        let count = value("_count")?.map_or(Ok(USUAL), str::parse::<u16>);
        let count = count.map_err(|_| malformed("_count"))?.clamp(1, MOST);
        let organisation = organisation(&parameters)?;
        let count_only = count_only(&parameters);
        Ok((Self { organisation, count, count_only, people, after: None }, ignored))
    }

    async fn ask(&self, portal: &Portal, user: &UserCaller) -> Result<CaredFor, FhirError> {
        let question = CaredForQuestion {
            organisation: self.organisation.clone(),
            user_id: user.user_id.clone(),
            now: portal.clock.now(),
            after: self.after,
            most: if self.count_only { 0 } else { self.count },
        };
        Ok(portal.relationships.cared_for(&question).await?)
    }

    /// The relationships, under the numbers that their patients have now, and the people.
    async fn entries(
        &self,
        portal: &Portal,
        session: &Session,
        found: Vec<Relationship>,
    ) -> Result<Vec<Entry<'static>>, FhirError> {
        let (base, now) = (&portal.config.base_url, portal.clock.now());
        let found = try_join_all(found.into_iter().map(|mut r| async {
            r.patient = portal.surviving(r.patient).await?;
            Ok::<_, FhirError>(r)
        }))
        .await?;
        let mut numbers: Vec<_> = found.iter().map(|r| r.patient).collect();
        numbers.sort();
        numbers.dedup();
        session.draft.subjects(numbers.iter().copied());
        let shown = |r: &Relationship| {
            Entry::Match(format!("{base}/{KIND}/{}", r.id), episode_of_care(r, now).into())
        };
        let mut entries: Vec<Entry<'static>> = found.iter().map(shown).collect();
        if self.people {
            let person = |number| portal.known_person(&session.caller, session.purpose, number);
            let people = try_join_all(numbers.into_iter().map(person)).await?;
            let people = people.into_iter().filter_map(|kept| kept.released.into_value());
            entries.extend(people.map(|person| included(portal, session, &person)));
        }
        Ok(entries)
    }
}

/// The organisation by its ODS code: an identifier, or a reference to it.
fn organisation(parameters: &[(String, String)]) -> Result<OrganisationCode, SearchError> {
    let malformed = || SearchError::Malformed(ORGANISATION[0].to_owned());
    let (name, value) = one_value(parameters, &ORGANISATION)?.ok_or_else(malformed)?;
    let code = match value.strip_prefix(ODS) {
        Some(code) => code,
        None if name == "organization" => reference_id(name, value, &["Organization"])?,
        None => return Err(malformed()),
    };
    code.parse().map_err(|_| malformed())
}

fn included(portal: &Portal, session: &Session, person: &FoundPatient) -> Entry<'static> {
    let number = person.patient.nhs_number;
    let id = portal.patient_ids.seal(number, &session.caller, portal.ids.as_ref());
    let url = format!("{}/Patient/{id}", portal.config.base_url);
    Entry::Include(url, found_patient_resource(person, &id, &[]).into())
}

const KIND: &str = "EpisodeOfCare";
const ORGANISATION: [&str; 3] =
    ["organization.identifier", "organization:identifier", "organization"];
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code|";
/// What cannot be heeded together.
const BOTH: &str = "patient beside organization";
const USUAL: u16 = 20;
const MOST: u16 = 50;
