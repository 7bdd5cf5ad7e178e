//! The interruption before a person opens what is closed. NHS context 5.4, 8.4.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, Mistake, form_page, mistake_of};
use crate::api::{REASONS, Reason};
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "restricted.html")]
struct RestrictedPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    reasons: [(&'static str, &'static str, bool); 5],
    form: RestrictedForm,
    mistakes: Vec<Mistake>,
}

/// What the page sends.
#[derive(Default, Deserialize)]
pub(crate) struct RestrictedForm {
    csrf: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    words: String,
    #[serde(default)]
    reference: String,
}

/// Says what will happen, and asks why.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, RestrictedForm::default(), Vec::new()).await
}

/// Opens the record and goes back to it.
pub(crate) async fn open(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<RestrictedForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let number = person.patient(handle)?.nhs_number;
    let mistakes = form.mistakes();
    if !mistakes.is_empty() {
        return show(&portal, person, handle, form, mistakes).await;
    }
    let reason =
        Reason { code: &form.reason, words: form.words.trim(), reference: form.reference.trim() };
    let caller = Caller(person);
    portal.api.break_glass(caller.asker(), &number, &reason).await?;
    Ok(Redirect::to(&format!("/patient/{handle}")).into_response())
}

impl RestrictedForm {
    /// As the API checks it, in words for the page.
    fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let reason = REASONS.iter().find(|(code, _, _)| *code == self.reason);
        let Some((code, _, explained)) = reason else {
            return vec![Mistake { field: "reason-1", words: "Choose why you open the record" }];
        };
        let length = self.words.trim().chars().count();
        if *explained && length < 10 {
            let words = "Explain your reason in at least 10 characters";
            mistakes.push(Mistake { field: "words", words });
        }
        if length > 2_000 {
            let words = "Explain your reason in 2,000 characters or fewer";
            mistakes.push(Mistake { field: "words", words });
        }
        if *code == "court-order" && self.reference.trim().is_empty() {
            let words = "Enter the reference of the court order";
            mistakes.push(Mistake { field: "reference", words });
        }
        mistakes
    }
}

impl RestrictedPage {
    fn mistake(&self, field: &str) -> Option<&'static str> {
        mistake_of(&self.mistakes, field)
    }
}

async fn show(
    portal: &Portal,
    person: Person,
    handle: Uuid,
    form: RestrictedForm,
    mistakes: Vec<Mistake>,
) -> Result<Response, Problem> {
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let record = portal.api.patient(caller.asker(), &number).await?;
    let banner = portal.banner(&number, record.as_ref());
    let wrong = !mistakes.is_empty();
    let shown = RestrictedPage { layout, banner, handle, reasons: REASONS, form, mistakes };
    form_page(&shown, wrong)
}
