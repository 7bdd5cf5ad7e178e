//! The desk of citizens: whose records they may see, the documents, who has looked, and what is
//! shared. NHS: 3.8, 5.6, 5.8.

mod copy;
mod looked;
mod sharing;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

pub(crate) use copy::{ask_for_copy, copy};
pub(crate) use looked::{looked, looked_more};
pub(crate) use sharing::{change, sharing};

use super::{Layout, page};
use crate::api::{ApiError, Document, DocumentStatus, SourceState};
use crate::display::{Banner, clinical, clinical_date, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, KnownPerson, SignedIn};

#[derive(Template)]
#[template(path = "mine.html")]
struct PeoplePage {
    layout: Layout,
    own: Option<PersonView>,
    others: Vec<PersonView>,
    /// Why the citizen does not see their own record.
    closed: Option<String>,
}

struct PersonView {
    handle: Uuid,
    name: String,
    born: Option<String>,
    nhs_number: String,
}

#[derive(Template)]
#[template(path = "mine_documents.html")]
struct DocumentsPage {
    layout: Layout,
    banner: Banner,
    whose: Whose,
    rows: Vec<Row>,
    /// How many sources answered, in words, and which did not.
    answered: String,
    silent: Vec<String>,
}

/// Whose record a page is about.
struct Whose {
    handle: Uuid,
    own: bool,
    name: String,
}

struct Row {
    href: String,
    title: String,
    date: String,
    kind: String,
    organisation: String,
}

/// Whose records the citizen may see: they choose for whom they act.
pub(crate) async fn people(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
) -> Result<Response, Problem> {
    must_be_citizen(&person.data)?;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person.clone());
    let mine = portal.api.mine(caller.asker()).await?;
    let keep = |data: &mut SignedIn| {
        data.keep_people(mine.people, portal.ids.as_ref());
        Ok(())
    };
    portal.change(&mut person, keep).await?;
    let known = person.data.patients.iter().filter_map(|p| Some((p, p.person.as_ref()?)));
    let (mut own, mut others) = (None, Vec::new());
    for (patient, person) in known {
        let view = PersonView {
            handle: patient.handle,
            name: person.name(),
            born: person.born.map(clinical_date),
            nhs_number: patient.nhs_number.grouped(),
        };
        if person.own { own = Some(view) } else { others.push(view) }
    }
    page(&PeoplePage { layout, own, others, closed: mine.closed }).map(IntoResponse::into_response)
}

/// The documents of a record, newest first.
pub(crate) async fn documents(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    let Some(known) = known(&person.data, handle)? else {
        return Ok(Redirect::to("/mine").into_response());
    };
    let whose = whose(handle, &known);
    let layout = portal.layout(Some(&person));
    let number = person.patient(handle)?.nhs_number;
    let caller = Caller(person.clone());
    let banner = portal.banner(&number, portal.record_of(&caller, &number).await?.as_ref());
    let found = portal.api.documents(caller.asker(), &number, true).await;
    let found = found.map_err(|error| refused(error, &banner))?;
    let mut documents: Vec<&Document> = found.documents.iter().collect();
    documents.retain(|document| document.status == DocumentStatus::Current);
    documents
        .sort_by_cached_key(|d| std::cmp::Reverse(d.created.as_deref().map(crate::api::sort_key)));
    let order: Vec<Uuid> = documents.iter().map(|document| document.id).take(MOST).collect();
    if person.patient(handle)?.order != order {
        let keep = |data: &mut SignedIn| {
            data.patient_mut(handle)?.order = order;
            Ok(())
        };
        portal.change(&mut person, keep).await?;
    }
    let (answered, silent): (Vec<_>, Vec<_>) =
        found.sources.iter().partition(|source| source.state == SourceState::Answered);
    page(&DocumentsPage {
        layout,
        banner,
        rows: documents.iter().map(|document| row(&portal, handle, document)).collect(),
        whose,
        answered: counted(answered.len(), "source", "sources"),
        silent: silent.iter().map(|source| source.name.clone()).collect(),
    })
    .map(IntoResponse::into_response)
}

fn row(portal: &Portal, handle: Uuid, document: &Document) -> Row {
    let date = document.created.as_ref().map(|created| clinical(created, &portal.zone));
    let organisation = match document.organisations.as_slice() {
        [] => document.source.display.clone(),
        organisations => organisations.join(", "),
    };
    Row {
        href: format!("/patient/{handle}/document/{}", document.id),
        title: document.name().to_owned(),
        date: date.unwrap_or_else(|| "Date not known".to_owned()),
        kind: document.kind.display.clone(),
        organisation,
    }
}

fn whose(handle: Uuid, known: &KnownPerson) -> Whose {
    Whose { handle, own: known.own, name: known.name() }
}

/// Who is meant by a handle; none whom this session has not been told of yet.
fn known(data: &SignedIn, handle: Uuid) -> Result<Option<KnownPerson>, Problem> {
    must_be_citizen(data)?;
    let patient = data.patients.iter().find(|patient| patient.handle == handle);
    Ok(patient.and_then(|patient| patient.person.clone()))
}

/// Staff have pages of their own.
fn must_be_citizen(data: &SignedIn) -> Result<(), Problem> {
    if data.citizen { Ok(()) } else { Err(Problem::NotFound) }
}

/// A record that is not shown (any more) says why.
fn refused(error: ApiError, banner: &Banner) -> Problem {
    match error {
        ApiError::Refused(refusal) => super::patient::refused(vec![refusal], banner.clone()),
        ApiError::Unauthorized
        | ApiError::NotFound
        | ApiError::CouldNotAsk
        | ApiError::Answer
        | ApiError::NotGiven => error.into(),
    }
}

/// Documents that next and previous lead through.
const MOST: usize = 500;
