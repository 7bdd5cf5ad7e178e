//! Launches by an electronic patient record that speaks SMART App Launch 2: the portal is the app. Who
//! the patient is, and who the person, is asked of the record system, which has to be a configured
//! one; from there on it is a launch as any other. NHS: 7, C.

mod client;
mod discovery;
mod ehr;
mod error;
mod patient;

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_audit::AuditOutcome;
use carerecord_service::AuditDraft;
use jiff::SignedDuration;
use tower_sessions::Session;
use url::Url;

pub use ehr::EhrConfig;
pub(crate) use ehr::Ehrs;
use error::SmartError;

use super::{LaunchContext, broken, launched_by, open};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{self, SignInStarted};
use crate::sign_in::{Returned, SIGN_IN_SECONDS};

/// Sends the browser to the authorization server of the record system at `iss`.
pub(super) async fn begin(
    portal: &Portal,
    session: &Session,
    draft: &AuditDraft,
    (iss, launch): (&str, &str),
) -> Result<Response, Problem> {
    draft.fill(|event| "SMART launch".clone_into(&mut event.interaction));
    let begun = start(portal, iss, launch).await;
    let (address, begun) = begun.map_err(|error| refused(draft, error))?;
    session::launch_started(session, Some(&begun)).await?;
    Ok(Redirect::to(address.as_str()).into_response())
}

async fn start(
    portal: &Portal,
    iss: &str,
    launch: &str,
) -> Result<(Url, SignInStarted), SmartError> {
    let ehr = portal.ehrs.find(iss).ok_or(SmartError::UnknownSystem)?;
    ehr.begin(iss, launch, portal.clock.now()).await
}

/// Takes the browser back, asks the record system who is meant, and opens the record.
pub(crate) async fn complete(
    State(portal): SharedPortal,
    session: Session,
    draft: AuditDraft,
    Query(returned): Query<Returned>,
) -> Result<Response, Problem> {
    draft.fill(|event| "SMART launch, way back".clone_into(&mut event.interaction));
    let begun = session::launch_started(&session, None).await?;
    let begun = begun.ok_or_else(|| refused(&draft, SmartError::NotBegun))?;
    check(&portal, &begun, &returned).await.map_err(|error| match error {
        Unchecked::Refused(error) => refused(&draft, error),
        Unchecked::Broken(problem) => problem,
    })?;
    let context = meant(&portal, &begun, returned).await;
    let context = context.map_err(|error| refused(&draft, error))?;
    draft.fill(|event| {
        event.subject = Some(context.nhs_number);
        event.actor = Some(launched_by(&context));
    });
    open::go_to(&portal, session, context).await
}

enum Unchecked {
    Refused(SmartError),
    Broken(Problem),
}

/// Whether it is the way back of a launch from this browser, for the first time.
async fn check(
    portal: &Portal,
    begun: &SignInStarted,
    returned: &Returned,
) -> Result<(), Unchecked> {
    let now = portal.clock.now();
    if !returned.belongs_to(begun) {
        return Err(Unchecked::Refused(SmartError::State));
    }
    if now.as_second() - begun.started_at >= SIGN_IN_SECONDS {
        return Err(Unchecked::Refused(SmartError::Late));
    }
    // What the session holds may be read by two requests at once.
    let until = now + SignedDuration::from_secs(SIGN_IN_SECONDS);
    let noted = portal.tickets.note(&begun.provider, &begun.state, until).await;
    match noted.map_err(|error| Unchecked::Broken(broken(&error)))? {
        true => Ok(()),
        false => Err(Unchecked::Refused(SmartError::Replayed)),
    }
}

/// Whom and what the launch means, as the record system says.
async fn meant(
    portal: &Portal,
    begun: &SignInStarted,
    returned: Returned,
) -> Result<LaunchContext, SmartError> {
    let ehr = portal.ehrs.find(&begun.provider).ok_or(SmartError::UnknownSystem)?;
    ehr.complete(begun, returned, portal.ids.random(), portal.clock.now()).await
}

/// The record says what is wrong; the page says what somebody can do about it.
fn refused(draft: &AuditDraft, error: SmartError) -> Problem {
    let outcome = if error.is_theirs() { AuditOutcome::Failed } else { AuditOutcome::Refused };
    draft.outcome(outcome);
    draft.fill(|event| event.error = Some(error.to_string()));
    tracing::warn!(%error, "a SMART launch did not go on");
    Problem::Launch(error.into())
}
