//! One document: what it says, where it comes from, and what the reader can do with it.

mod body;
pub(crate) mod compare;
pub(crate) mod copy;
mod provenance;
mod reference;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::patient::opened_alert;
use super::summary::allergies;
use super::{Layout, page};
use crate::api::{ApiError, Document, DocumentStatus, PatientRecord};
use crate::display::{Banner, clinical};
use crate::portal::{Portal, SharedPortal};
use crate::problem::{Problem, RefusedPage};
use crate::session::{Caller, CurrentPatient};

use body::{Body, body};
pub(super) use body::{MAX_RENDERED_BYTES, View, apart};
use provenance::{Provenance, download_words, facts};
use reference::reference;

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    id: Uuid,
    title: String,
    superseded: bool,
    /// For what is printed without a copy being asked for.
    now: String,
    /// The most telling of where it comes from, in one line.
    facts: Vec<String>,
    provenance: Provenance,
    /// For the reader's own system.
    reference: String,
    body: Body,
    download: String,
    previous: Option<Uuid>,
    next: Option<Uuid>,
    place: Option<(usize, usize)>,
}

/// A document with where it comes from.
pub(crate) async fn document(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let patient = caller.0.patient(handle)?;
    let ((banner, record), document) = tokio::join!(
        whole_banner(&portal, &caller, patient, handle),
        open(&portal, &caller, handle, id)
    );
    let document = document?;
    let (body, hash_matches) = body(&portal, &caller, handle, &document).await?;
    let at = patient.order.iter().position(|other| *other == id);
    let neighbour = |at: Option<usize>| patient.order.get(at?).copied();
    page(&DocumentPage {
        layout: portal.layout(Some(&caller.0)),
        banner,
        handle,
        id,
        title: document.name().to_owned(),
        superseded: document.status == DocumentStatus::Superseded,
        now: clinical(&portal.clock.now().to_string(), &portal.zone),
        facts: facts(&document, &portal),
        provenance: Provenance::new(&document, hash_matches, &portal),
        reference: reference(&document, (&patient.nhs_number, record.as_ref()), &portal),
        body,
        download: download_words(&document),
        previous: neighbour(at.and_then(|at| at.checked_sub(1))),
        next: neighbour(at.map(|at| at + 1)),
        place: at.map(|at| (at + 1, patient.order.len())),
    })
    .map(IntoResponse::into_response)
}

/// The banner with what documents state of allergies, and the person as the index has them; a citizen
/// is not asked about what they know.
pub(super) async fn whole_banner(
    portal: &Portal,
    caller: &Caller,
    patient: &CurrentPatient,
    handle: Uuid,
) -> (Banner, Option<PatientRecord>) {
    let number = &patient.nhs_number;
    let types = if caller.0.data.citizen { 0..0 } else { 0..1 };
    let (record, elements) = tokio::join!(
        portal.record_of(caller, number),
        portal.elements(caller.asker(), number, types)
    );
    // What is shown is worth more than its banner; the banner says what is missing.
    let record = record.ok().flatten();
    let banner = portal.banner(number, record.as_ref());
    if caller.0.data.citizen {
        return (banner, record);
    }
    let banner = banner.with_alert(opened_alert(patient.opened_until, portal));
    (banner.with_allergies(allergies(&elements, handle)), record)
}

/// A document's metadata, if it is the patient's: it must never stand under another's banner.
pub(super) async fn open(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    id: Uuid,
) -> Result<Document, Problem> {
    open_for(portal, caller, handle, id, None).await
}

/// The same for a purpose that was asked.
async fn open_for(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    id: Uuid,
    purpose: Option<&str>,
) -> Result<Document, Problem> {
    let patient = caller.0.patient(handle)?;
    let document = portal.api.document(caller.asker_for(purpose), id).await;
    let document = document.map_err(|error| refused(error, handle))?;
    if document.nhs_number != Some(patient.nhs_number) {
        return Err(Problem::NotFound);
    }
    Ok(document)
}

/// A refusal of one document leads back to the list.
pub(super) fn refused(error: ApiError, handle: Uuid) -> Problem {
    match error {
        ApiError::Refused(refusal) => Problem::Refused(Box::new(RefusedPage {
            refusals: vec![refusal],
            back_to: Some(handle.to_string()),
            banner: None,
            may_open: None,
            may_claim: None,
            may_record: None,
        })),
        ApiError::Unauthorized
        | ApiError::NotFound
        | ApiError::CouldNotAsk
        | ApiError::Answer
        | ApiError::NotGiven => error.into(),
    }
}
