//! Launches in context: a clinical system opens one patient's record for one person, who is signed in
//! by their provider, not by the system. What is sent, or given when it is asked for, is signed, holds for
//! a minute and is taken once; addresses hold a ticket or an id and nothing of the patient. NHS: 7, A and B.

mod assertion;
mod context;
mod launcher;
mod opaque;
mod open;
pub(crate) mod smart;
mod tickets;

use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_audit::{AuditActor, AuditOutcome};
use carerecord_service::AuditDraft;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_sessions::Session;

pub(crate) use context::{LaunchContext, LaunchError};
pub use launcher::LauncherConfig;
pub(crate) use launcher::Launchers;
pub(crate) use opaque::Opaque;
pub(crate) use open::{admit, ask, go_on, patient};
pub use smart::EhrConfig;
pub(crate) use smart::Ehrs;
pub(crate) use tickets::Tickets;

use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use context::Taken;

/// A launch that waits for its person.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Pending {
    /// What it is about is known.
    Known(Box<LaunchContext>),
    /// It has to be asked, once the person is known.
    Opaque(Opaque),
}

/// What a browser comes with: from a record system that is to be asked by SMART App Launch (`iss`), or
/// from a launching system that is to be asked for the context (`launcher`).
#[derive(Deserialize)]
pub(crate) struct Asked {
    iss: Option<String>,
    launcher: Option<String>,
    launch: Option<String>,
}

/// Takes a browser that comes with nothing of the patient but an id.
pub(crate) async fn begin(
    State(portal): SharedPortal,
    session: Session,
    draft: AuditDraft,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let fits = |launch: &String| (1..=MAX_LAUNCH).contains(&launch.len());
    match (asked.iss, asked.launcher, asked.launch.filter(fits)) {
        (Some(iss), None, Some(launch)) => {
            smart::begin(&portal, &session, &draft, (&iss, &launch)).await
        }
        (None, Some(launcher), Some(launch)) => {
            opaque::begin(&portal, session, &draft, Opaque { launcher, launch }).await
        }
        _ => {
            draft.fill(|event| "launch in context".clone_into(&mut event.interaction));
            Err(refused(&draft, LaunchError::Missing))
        }
    }
}

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
    let taken = taken.map_err(|error| refused(&draft, error))?;
    let context = once(&portal, &draft, taken).await?;
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

/// What a launch is about that holds, for the first time.
async fn once(
    portal: &Portal,
    draft: &AuditDraft,
    (context, id, until): Taken,
) -> Result<LaunchContext, Problem> {
    draft.fill(|event| {
        event.subject = Some(context.nhs_number);
        event.actor = Some(launched_by(&context));
    });
    note_once(portal, draft, (&context.launcher, &id, until)).await?;
    Ok(context)
}

/// Notes an id as taken, which it must not have been before.
async fn note_once(
    portal: &Portal,
    draft: &AuditDraft,
    (of, id, until): (&str, &str, Timestamp),
) -> Result<(), Problem> {
    let fresh = portal.tickets.note(of, id, until).await.map_err(|error| broken(&error))?;
    if fresh { Ok(()) } else { Err(refused(draft, LaunchError::Replayed)) }
}

/// The record says what is wrong; the sender learns only whether it is the time, and the person whether
/// the other system can be asked.
fn refused(draft: &AuditDraft, error: LaunchError) -> Problem {
    let outcome = if error.is_theirs() { AuditOutcome::Failed } else { AuditOutcome::Refused };
    draft.outcome(outcome);
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

/// Of the id of a launch.
const MAX_LAUNCH: usize = 4096;
