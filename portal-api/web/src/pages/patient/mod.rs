mod groups;
mod list;
mod sources;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use uuid::Uuid;

use super::filter::{Filter, FilterForm, FilterMistake};
use super::{Layout, page};
use crate::api::{ApiError, Found, OverrideState, PatientRecord, Refusal};
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::{Problem, RefusedPage};
use crate::session::{Caller, Person, SignedIn};

use list::{Choice, ListView, choices};
use sources::SourcesView;

#[derive(Template)]
#[template(path = "patient.html")]
struct PatientPage {
    layout: Layout,
    banner: Banner,
    /// The number that was asked for, when the record is kept under another one.
    merged: Option<String>,
    handle: Uuid,
    /// Of the search inside: empty, for its form.
    words: &'static str,
    sources: SourcesView,
    withheld: Vec<Refusal>,
    filter: Filter,
    mistake: Option<FilterMistake>,
    classes: Vec<Choice>,
    holders: Vec<Choice>,
    list: ListView,
    /// Whether the reader may open what is closed.
    may_open: bool,
    /// Why and until when the reader has.
    opened: Option<(String, String)>,
}

/// Which page of a long list.
#[derive(Deserialize)]
pub(crate) struct Paging {
    page: Option<usize>,
}

/// A patient's documents, and what became of asking each source.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Query(paging): Query<Paging>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, paging.page.unwrap_or(1), None)
        .await
        .map(IntoResponse::into_response)
}

/// Sets the filter and shows the list again.
pub(crate) async fn filter(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<FilterForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    match form.read() {
        Ok(filter) => {
            let set = |data: &mut SignedIn| {
                data.patient_mut(handle)?.filter = filter;
                Ok(())
            };
            portal.change(&mut person, set).await?;
            Ok(Redirect::to(&format!("/patient/{handle}#documents")).into_response())
        }
        Err(mistake) => {
            let body = show(&portal, person, handle, 1, Some(mistake)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
        }
    }
}

async fn show(
    portal: &Arc<Portal>,
    person: Person,
    handle: Uuid,
    page_number: usize,
    mistake: Option<FilterMistake>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let mut caller = Caller(person);
    let patient = caller.0.patient(handle)?;
    let (number, filter) = (patient.nhs_number, patient.filter.clone());
    let Asked { banner, kept_under, found } = ask(portal, &caller, handle, &number).await?;
    let list = ListView::new(&found.documents, &filter, handle, page_number, &portal.zone);
    keep_shown(portal, &mut caller.0, handle, kept_under, list.order()).await?;
    let (classes, holders) = choices(&found.documents);
    page(&PatientPage {
        layout,
        banner,
        merged: (kept_under != number).then(|| number.grouped()),
        handle,
        words: "",
        sources: SourcesView::new(&found, &portal.zone, portal.clock.now()),
        withheld: found.withheld,
        may_open: found.overriding == OverrideState::Offered,
        opened: opened(found.overriding, &portal.zone),
        filter,
        mistake,
        classes,
        holders,
        list,
    })
}

/// Why something is open, and until what time of the day.
fn opened(state: OverrideState, zone: &TimeZone) -> Option<(String, String)> {
    let OverrideState::InForce { reason, until } = state else { return None };
    let until = until.parse::<Timestamp>().ok()?.to_zoned(zone.clone());
    Some((reason, until.strftime("%H:%M").to_string()))
}

struct Asked {
    banner: Banner,
    /// The number that the record is kept under.
    kept_under: NhsNumber,
    found: Found,
}

/// Asks for the person and the documents at the same time.
async fn ask(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    number: &NhsNumber,
) -> Result<Asked, Problem> {
    let asker = caller.asker();
    let (record, found) =
        tokio::join!(portal.api.patient(asker, number), portal.api.documents(asker, number));
    // A list without the person's name is worth more than none; the banner says what is missing.
    let record = record.unwrap_or_else(|error| {
        tracing::warn!(%error, "the list is shown without the person's data");
        None
    });
    let banner = portal.banner(number, record.as_ref());
    let kept_under = record.and_then(|record| record.nhs_number).unwrap_or(*number);
    match found {
        Ok(found) if found.documents.is_empty() && !found.withheld.is_empty() => {
            let may_open = (found.overriding == OverrideState::Offered).then_some(handle);
            let may_claim = found.may_claim.then_some(handle);
            Err(refused(found.withheld, banner, may_open, may_claim))
        }
        Ok(found) => Ok(Asked { banner, kept_under, found }),
        Err(ApiError::Refused(refusal)) => Err(refused(vec![refusal], banner, None, None)),
        Err(
            error @ (ApiError::Unauthorized
            | ApiError::NotFound
            | ApiError::CouldNotAsk
            | ApiError::Answer),
        ) => Err(error.into()),
    }
}

/// A record of which nothing may be seen. It must not look like one without documents.
pub(super) fn refused(
    refusals: Vec<Refusal>,
    banner: Banner,
    may_open: Option<Uuid>,
    may_claim: Option<Uuid>,
) -> Problem {
    let banner = Some(banner);
    Problem::Refused(Box::new(RefusedPage { refusals, back_to: None, banner, may_open, may_claim }))
}

/// Keeps what was shown: its documents are opened under this number, in this order.
async fn keep_shown(
    portal: &Portal,
    person: &mut Person,
    handle: Uuid,
    nhs_number: NhsNumber,
    order: Vec<Uuid>,
) -> Result<(), Problem> {
    let kept = person.patient(handle)?;
    if kept.order == order && kept.nhs_number == nhs_number {
        return Ok(());
    }
    let keep = |data: &mut SignedIn| {
        let patient = data.patient_mut(handle)?;
        (patient.order, patient.nhs_number) = (order, nhs_number);
        Ok(())
    };
    portal.change(person, keep).await
}

impl Portal {
    /// The banner of a number, as of today.
    pub(crate) fn banner(&self, number: &NhsNumber, record: Option<&PatientRecord>) -> Banner {
        Banner::new(number, record, self.clock.now().to_zoned(self.zone.clone()).date())
    }
}
