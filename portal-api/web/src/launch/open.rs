//! From a ticket to the patient's record: the person signs in, is the one who was named, and the
//! patient is the one who was meant.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_audit::AuditOutcome;
use carerecord_model::name_key;
use carerecord_service::AuditDraft;
use http::StatusCode;
use serde::Deserialize;
use tower_sessions::Session;
use uuid::Uuid;

use super::{LaunchContext, Pending, broken};
use crate::api::PatientRecord;
use crate::pages::{Layout, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::{LaunchFailure, Problem};
use crate::session::{self, Caller, Launched, Person, SignedIn, forget, remember};
use crate::sign_in;

#[derive(Template)]
#[template(path = "launch_switch.html")]
struct SwitchPage {
    layout: Layout,
    launcher: String,
    /// The handle of the patient who is open.
    open: Uuid,
}

#[derive(Template)]
#[template(path = "launch_mismatch.html")]
struct MismatchPage {
    layout: Layout,
    launcher: String,
    return_url: Option<String>,
    known: bool,
}

/// Of the address that a launch leads to.
#[derive(Deserialize)]
pub(crate) struct Ticket {
    ticket: String,
}

/// Takes the ticket. Who is signed in already, and has another patient open, is asked first.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    session: Session,
    draft: AuditDraft,
    Query(Ticket { ticket }): Query<Ticket>,
) -> Result<Response, Problem> {
    draft.fill(|event| "open a launch".clone_into(&mut event.interaction));
    let found = portal.tickets.take(&ticket, portal.clock.now()).await;
    let Some(context) = found.map_err(|error| broken(&error))? else {
        draft.outcome(AuditOutcome::Refused);
        return Err(Problem::Launch(LaunchFailure::Ended));
    };
    draft.fill(|event| event.subject = Some(context.nhs_number));
    go_to(&portal, session, context).await
}

/// Goes on with a launch that is good, in this browser.
pub(super) async fn go_to(
    portal: &Portal,
    session: Session,
    context: LaunchContext,
) -> Result<Response, Problem> {
    let Some(data) = remember(&session, portal).await? else {
        return sign_in_first(portal, &session, context).await;
    };
    if !is_same_person(portal, &data, &context) {
        // Whoever used this browser before is not the one who launches.
        forget(&session).await?;
        return sign_in_first(portal, &session, context).await;
    }
    let another = data.patients.first().filter(|p| p.nhs_number != context.nhs_number);
    let another = another.map(|patient| patient.handle);
    let person = Person::of(session, data, portal.ids.random());
    let launcher = context.launcher_name.clone();
    let pending = Pending::Known(Box::new(context));
    session::launch_pending(&person.session, Some(&pending)).await?;
    if let Some(open) = another {
        let layout = portal.layout(Some(&person));
        return page(&SwitchPage { layout, launcher, open }).map(IntoResponse::into_response);
    }
    start(portal, person).await
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub(crate) struct Confirmed {
    csrf: String,
}

/// Closes the patient who is open, and goes on to the one of the launch.
pub(crate) async fn go_on(
    State(portal): SharedPortal,
    person: Person,
    Form(confirmed): Form<Confirmed>,
) -> Result<Response, Problem> {
    person.check(&confirmed.csrf)?;
    start(&portal, person).await
}

async fn start(portal: &Portal, mut person: Person) -> Result<Response, Problem> {
    let pending = session::launch_pending(&person.session, None).await?;
    let Some(Pending::Known(context)) = pending else {
        return Err(Problem::Launch(LaunchFailure::Ended));
    };
    let admitted = |data: &mut SignedIn| admit(data, *context).map_err(Problem::Launch);
    portal.change(&mut person, admitted).await?;
    // The change has read the session again, with the note in it.
    session::launch_pending(&person.session, None).await?;
    Ok(Redirect::to("/launch/patient").into_response())
}

async fn sign_in_first(
    portal: &Portal,
    session: &Session,
    context: LaunchContext,
) -> Result<Response, Problem> {
    let provider = portal.providers.find(&context.sign_in).ok_or(Problem::NotFound)?;
    session::launch_pending(session, Some(&Pending::Known(Box::new(context)))).await?;
    sign_in::at(portal, session, provider).await
}

fn is_same_person(portal: &Portal, data: &SignedIn, context: &LaunchContext) -> bool {
    let provider = portal.providers.find(&context.sign_in);
    data.sign_in
        .as_ref()
        .zip(provider)
        .is_some_and(|(signed_in, provider)| signed_in.is(provider.issuer(), &context.subject))
}

/// Takes somebody who has signed in into a launch that names them: in a role that fits it, and with
/// nobody else's record open.
pub(crate) fn admit(data: &mut SignedIn, context: LaunchContext) -> Result<(), LaunchFailure> {
    data.acting_as = role_for(data, &context)?;
    data.patients.clear();
    data.launch = Some(Launched {
        launcher: context.launcher_name,
        nhs_number: context.nhs_number,
        family_name: context.family_name,
        birth_date: context.birth_date,
        organisation: context.organisation,
        return_url: context.return_url,
        locked: context.patient_locked,
        slim_banner: context.slim_banner,
        handle: None,
    });
    Ok(())
}

/// The role that the launch names, else the one acted in, else the only one at the organisation of the
/// launch; of several there the person chooses.
fn role_for(data: &SignedIn, context: &LaunchContext) -> Result<Option<String>, LaunchFailure> {
    let there = data.roles.iter().filter(|role| role.ods == context.organisation);
    let there: Vec<&str> = there.map(|role| role.id.as_str()).collect();
    let acting_as = data.acting_as.as_deref().filter(|id| there.contains(id));
    let role = match (context.role_profile.as_deref(), there.as_slice()) {
        (None, []) => return Err(LaunchFailure::OtherRole),
        (Some(named), there) if !there.contains(&named) => return Err(LaunchFailure::OtherRole),
        (Some(named), _) => Some(named),
        (None, [only]) => Some(*only),
        (None, _) => acting_as,
    };
    Ok(role.map(str::to_owned))
}

/// Opens the patient, if the index has the same person under this number; otherwise it stops here.
pub(crate) async fn patient(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    draft: AuditDraft,
) -> Result<Response, Problem> {
    let Some(launched) = person.data.launch.clone() else { return Err(Problem::NotFound) };
    draft.fill(|event| {
        "compare the patient of a launch".clone_into(&mut event.interaction);
        event.subject = Some(launched.nhs_number);
    });
    let acts_there = person.role().is_some_and(|role| role.ods == launched.organisation);
    if !acts_there {
        draft.outcome(AuditOutcome::Refused);
        return Err(Problem::Launch(LaunchFailure::OtherRole));
    }
    let layout = portal.layout(Some(&person));
    let caller = Caller(person.clone());
    let record = portal.api.patient(caller.asker(), &launched.nhs_number).await?;
    if !record.as_ref().is_some_and(|record| is_meant(record, &launched)) {
        draft.outcome(AuditOutcome::Refused);
        draft.fill(|event| {
            event.error = Some("the patient of the launch is not the one of the index".to_owned());
        });
        let stopped = MismatchPage {
            layout,
            launcher: launched.launcher,
            return_url: launched.return_url,
            known: record.is_some(),
        };
        return Ok((StatusCode::CONFLICT, page(&stopped)?).into_response());
    }
    let interrupts = portal.interrupts(&person, record.as_ref());
    let fresh = portal.ids.random();
    let open = |data: &mut SignedIn| {
        let handle = data.turn_to(launched.nhs_number, fresh);
        if interrupts {
            data.patient_mut(handle)?.death.becomes_known();
        }
        if let Some(launch) = &mut data.launch {
            launch.handle = Some(handle);
        }
        Ok(handle)
    };
    let handle = portal.change(&mut person, open).await?;
    Ok(Redirect::to(&format!("/patient/{handle}")).into_response())
}

/// Whether what the launching system says of the patient is what the index has.
fn is_meant(record: &PatientRecord, launched: &Launched) -> bool {
    let family = record.family.as_deref().map(name_key);
    family == Some(name_key(&launched.family_name)) && record.born == Some(launched.birth_date)
}
