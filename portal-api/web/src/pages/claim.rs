//! A person says that they care for a patient, where nothing else does. NHS context 3.7.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, form_page};
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    form: ClaimForm,
    mistake: Option<&'static str>,
}

/// What the page sends.
#[derive(Default, Deserialize)]
pub(crate) struct ClaimForm {
    csrf: String,
    #[serde(default)]
    words: String,
}

/// Says what will happen, and asks why.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, ClaimForm::default(), None).await
}

/// Makes the claim and goes back to the record.
pub(crate) async fn claim(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<ClaimForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let number = person.patient(handle)?.nhs_number;
    let mistake = match form.words.trim().chars().count() {
        0..10 => Some("Say how you care for the patient in at least 10 characters"),
        10..=2_000 => None,
        _ => Some("Say how you care for the patient in 2,000 characters or fewer"),
    };
    if mistake.is_some() {
        return show(&portal, person, handle, form, mistake).await;
    }
    let caller = Caller(person);
    portal.api.claim_relationship(caller.asker(), &number, form.words.trim()).await?;
    Ok(Redirect::to(&format!("/patient/{handle}")).into_response())
}

async fn show(
    portal: &Portal,
    person: Person,
    handle: Uuid,
    form: ClaimForm,
    mistake: Option<&'static str>,
) -> Result<Response, Problem> {
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let record = portal.api.patient(caller.asker(), &number).await?;
    let banner = portal.banner(&number, record.as_ref());
    let wrong = mistake.is_some();
    let shown = ClaimPage { layout, banner, handle, form, mistake };
    form_page(&shown, wrong)
}
