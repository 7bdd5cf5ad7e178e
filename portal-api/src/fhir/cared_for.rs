//! A search of EpisodeOfCare by organisation: for whom the organisation of whoever asks, or they
//! themself, care now, the newest first. Each person shown has a record. NHS: 3.7, 8.

use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{CaredFor, CaredForQuestion, Relationship, UserCaller};
use carerecord_fhir::{
    CARED_FOR_PARAMETERS, Entry, SearchError, add_link, check_search, count_only, episode_of_care,
    found_patient_resource, pairs, searchset,
};
use carerecord_model::{FoundPatient, OrganisationCode};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{Session, answer};
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
    let wanted = Wanted::read(portal, session, strict, parameters)?;
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
    let entries = wanted.entries(portal, session, released.into_value()).await?;
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let mut bundle = searchset(&format!("{}/{KIND}", portal.config.base_url), total, entries);
    let next = next.filter(|_| !wanted.count_only);
    let page = next.map(|next| Wanted { after: Some(next), ..wanted });
    if let Some(page) = page {
        add_link(&mut bundle, "next", &page.link(portal, session));
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
    fn read(
        portal: &Portal,
        session: &Session,
        strict: bool,
        parameters: &str,
    ) -> Result<Self, FhirError> {
        let parameters = pairs(parameters);
        let value = |names: &[&str]| {
            let found = parameters.iter().find(|(name, _)| names.contains(&name.as_str()));
            found.map(|(_, value)| value.as_str())
        };
        if let Some(link) = value(&[PAGE]) {
            let text = portal.patient_ids.open_search(link, &session.caller);
            let text = text.ok_or(FhirError::NotFound)?;
            return serde_json::from_str(&text).map_err(|_| FhirError::NotFound);
        }
        check_search(&parameters, CARED_FOR_PARAMETERS, &["_include", "_count"], strict)?;
        let organisation = value(&ORGANISATION).unwrap_or_default();
        let organisation = organisation.strip_prefix(ODS).and_then(|code| code.parse().ok());
        let malformed = |name: &str| FhirError::Search(SearchError::Malformed(name.to_owned()));
        let organisation = organisation.ok_or_else(|| malformed(ORGANISATION[0]))?;
        match value(&["status"]) {
            Some("active") => {}
            Some(_) => return Err(malformed("status")),
            None => return Err(FhirError::Search(SearchError::Missing("status"))),
        }
        let people = match value(&["_include"]) {
            None => false,
            Some("EpisodeOfCare:patient") => true,
            Some(_) => return Err(malformed("_include")),
        };
        let count = value(&["_count"]).map_or(Ok(USUAL), str::parse::<u16>);
        let count = count.map_err(|_| malformed("_count"))?.clamp(1, MOST);
        Ok(Self { organisation, count, count_only: count_only(&parameters), people, after: None })
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

    fn link(&self, portal: &Portal, session: &Session) -> String {
        let text = json!(self).to_string();
        let sealed = portal.patient_ids.seal_search(&text, &session.caller, portal.ids.as_ref());
        format!("{}/{KIND}?{PAGE}={sealed}", portal.config.base_url)
    }
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
const PAGE: &str = "_page";
const USUAL: u16 = 20;
const MOST: u16 = 50;
