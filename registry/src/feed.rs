//! `GET /changes?since=&limit=&wait=`: the change feed, for other roles of this deployment.
//!
//! A reader keeps `next` of the last page and gives it back as `since`; nothing is ever skipped or
//! cleared by reading. With `wait`, an empty page is held back for so many seconds at most, until
//! there is a change.

use std::time::Duration;

use axum::Json;
use axum::extract::Query;
use axum::http::StatusCode;
use carerecord_audit::AuditOutcome;
use carerecord_service::AuditDraft;
use serde::Deserialize;

use crate::router::Door;
use crate::{ChangePage, RegistryError};

/// What can be asked.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// The place after which to begin; 0 is the beginning.
    #[serde(default)]
    since: i64,
    /// At most so many changes.
    #[serde(default = "usual")]
    limit: u32,
    /// Seconds to wait for a change when there is none.
    #[serde(default)]
    wait: u64,
}

pub(crate) async fn changes(
    door: Door,
    draft: AuditDraft,
    Query(ask): Query<Ask>,
) -> Result<Json<ChangePage>, StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "changes".to_owned());
    let limit = ask.limit.clamp(1, MOST);
    let mut waited = Duration::ZERO;
    loop {
        let page = door.registry.changes(door.callers.listener(), ask.since, limit).await;
        let page = page.map_err(|e| refused(&draft, e))?.into_value();
        let over = waited >= Duration::from_secs(ask.wait.min(LONGEST_WAIT));
        if over || !page.changes.is_empty() {
            return Ok(Json(page));
        }
        tokio::time::sleep(STEP).await;
        waited += STEP;
    }
}

fn refused(draft: &AuditDraft, error: RegistryError) -> StatusCode {
    match error {
        RegistryError::Refused(refused) => {
            draft.decision(&refused.decision);
            draft.outcome(AuditOutcome::Refused);
            StatusCode::FORBIDDEN
        }
        RegistryError::Transaction(_) | RegistryError::Store(_) => {
            draft.outcome(AuditOutcome::Failed);
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn usual() -> u32 {
    1000
}

const MOST: u32 = 10_000;
const LONGEST_WAIT: u64 = 60;
const STEP: Duration = Duration::from_millis(200);
