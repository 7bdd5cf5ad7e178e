//! The interruption before the record of somebody who has died. NHS context 8.4.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_model::NhsNumber;
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, page};
use crate::api::PatientRecord;
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Death, Person, SignedIn};

#[derive(Template)]
#[template(path = "died.html")]
struct DiedPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    /// The day of it, in words, where it is told.
    on: Option<String>,
}

/// What the page sends.
#[derive(Deserialize)]
pub(crate) struct GoOnForm {
    csrf: String,
}

/// Says who has died, and asks whether to go on.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    let number = person.held(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let mut caller = Caller(person);
    let record = portal.api.patient(caller.asker(), &number).await;
    // Who it is cannot be told then but by the number; the record must not stay closed for that.
    let record = record.inspect_err(|error| tracing::warn!(%error, "it is not told who has died"));
    let record = record.ok().flatten();
    if record.as_ref().is_some_and(|record| !record.is_dead) {
        // It was a mistake that has been put right.
        return go_on_to(&portal, &mut caller.0, handle).await;
    }
    let banner = portal.banner(&number, record.as_ref());
    let died = record.and_then(|record| record.died);
    let on = died.map(|day| day.strftime("%-d %B %Y").to_string());
    page(&DiedPage { layout, banner, handle, on }).map(IntoResponse::into_response)
}

/// Goes on to the record, and does not ask again in this session.
pub(crate) async fn go_on(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<GoOnForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    go_on_to(&portal, &mut person, handle).await
}

async fn go_on_to(portal: &Portal, person: &mut Person, handle: Uuid) -> Result<Response, Problem> {
    let told = |data: &mut SignedIn| {
        data.patient_mut(handle)?.death = Death::Told;
        Ok(())
    };
    portal.change(person, told).await?;
    Ok(Redirect::to(&format!("/patient/{handle}")).into_response())
}

impl Portal {
    /// Turns to a patient, under a handle: the number stays out of addresses.
    pub(crate) async fn turn_to(
        &self,
        caller: &mut Caller,
        number: NhsNumber,
    ) -> Result<Uuid, Problem> {
        let record = self.api.patient(caller.asker(), &number).await;
        // Who may not be told, or cannot be just now, is told on the pages of the record.
        let record =
            record.inspect_err(|error| tracing::warn!(%error, "a death would not be told"));
        let interrupts = self.interrupts(&caller.0, record.ok().flatten().as_ref());
        let fresh = self.ids.random();
        let turn = |data: &mut SignedIn| {
            let handle = data.turn_to(number, fresh);
            if interrupts {
                data.patient_mut(handle)?.death.becomes_known();
            }
            Ok(handle)
        };
        self.change(&mut caller.0, turn).await
    }

    /// Tells of a death that was not known when the record was opened.
    ///
    /// # Errors
    /// [`Problem::Died`], unless it has been told.
    pub(crate) async fn tell_of_death(
        &self,
        person: &mut Person,
        handle: Uuid,
    ) -> Result<(), Problem> {
        if person.patient(handle)?.death == Death::Told {
            return Ok(());
        }
        let tell = |data: &mut SignedIn| {
            data.patient_mut(handle)?.death.becomes_known();
            Ok(())
        };
        self.change(person, tell).await?;
        person.patient(handle).map(|_| ())
    }

    /// Whether a person is told of the patient's death before the record is shown: not who looks
    /// after accesses or follows requests, nor citizens.
    pub(crate) fn interrupts(&self, person: &Person, record: Option<&PatientRecord>) -> bool {
        let desk = person.role().is_some_and(|role| {
            self.config.review_roles.contains(&role.code)
                || self.config.trace_roles.contains(&role.code)
        });
        !desk && !person.data.citizen && record.is_some_and(|record| record.is_dead)
    }
}
