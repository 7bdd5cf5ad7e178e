//! Launches in context: a clinical system opens one patient's record for one person, who is signed in
//! by their provider, not by the system. What is sent is signed, holds for a minute and is taken once;
//! addresses hold a ticket and nothing of the patient. NHS: 7, A.

mod context;
mod launcher;
mod open;
pub(crate) mod smart;
mod tickets;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_audit::{AuditActor, AuditOutcome};
use carerecord_service::AuditDraft;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use serde_json::json;

pub(crate) use context::{LaunchContext, LaunchError};
pub use launcher::LauncherConfig;
pub(crate) use launcher::Launchers;
pub(crate) use open::{admit, ask, go_on, patient};
pub use smart::EhrConfig;
pub(crate) use smart::Ehrs;
pub(crate) use tickets::Tickets;

use crate::portal::SharedPortal;
use crate::problem::Problem;

/// What a launching system sends, by the browser or by itself.
#[derive(Deserialize)]
pub(crate) struct Sent {
    ctx: Option<String>,
}

/// Takes a launch: the browser goes on with a ticket; a system that asks for JSON gets the address.
pub(crate) async fn take(
    State(portal): SharedPortal,
    draft: AuditDraft,
    headers: HeaderMap,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    draft.fill(|event| "launch in context".clone_into(&mut event.interaction));
    let now = portal.clock.now();
    let taken = match sent.ctx.as_deref() {
        None => Err(LaunchError::Missing),
        Some(signed) => portal.launchers.read(signed, &portal.config.public_url, now),
    };
    let (context, launch_id, until) = taken.map_err(|error| refused(&draft, error))?;
    draft.fill(|event| {
        event.subject = Some(context.nhs_number);
        event.actor = Some(launched_by(&context));
    });
    let fresh = portal.tickets.note(&context.launcher, &launch_id, until).await;
    if !fresh.map_err(|error| broken(&error))? {
        return Err(refused(&draft, LaunchError::Replayed));
    }
    let ticket = portal.unguessable();
    let kept = portal.tickets.keep(&ticket, &context, now).await;
    kept.map_err(|error| broken(&error))?;
    let path = format!("/launch/open?ticket={ticket}");
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut response = if accept.starts_with("application/json") {
        let told = json!({"url": portal.address(&path), "expires_in": tickets::SECONDS});
        axum::Json(told).into_response()
    } else {
        Redirect::to(&path).into_response()
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The record says what is wrong; the sender learns only whether it is the time.
fn refused(draft: &AuditDraft, error: LaunchError) -> Problem {
    draft.outcome(AuditOutcome::Refused);
    draft.fill(|event| event.error = Some(error.to_string()));
    tracing::warn!(%error, "a launch was refused");
    Problem::Launch(error.into())
}

fn broken(error: &crate::session::SessionRowsError) -> Problem {
    tracing::error!(%error, "launches cannot be kept");
    Problem::Broken
}

/// The system, for the record.
fn launched_by(context: &LaunchContext) -> AuditActor {
    AuditActor {
        id: context.launcher.clone(),
        name: None,
        organisation: context.organisation.clone(),
        role: None,
        role_profile: context.role_profile.clone(),
        known_by: "launch".to_owned(),
        client: None,
        user_name: None,
        assertion: None,
    }
}
