use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use axum::routing::{get, post};
use carerecord_audit::AuditLog;
use carerecord_model::IdSource;
use carerecord_service::{AuditTrail, Callers, Entrance, NotAdmitted};

use crate::{Repository, peer, soap, status};

/// Every route of a repository node. `callers` says who comes in by this listener.
pub fn router(
    repository: Repository,
    callers: impl Into<Entrance>,
    ids: Arc<dyn IdSource>,
    trail: AuditTrail,
) -> Router {
    let log = trail.log.clone();
    let state = Doorway { repository, entrance: callers.into(), ids, log };
    Router::new()
        .route("/xds/repository", post(soap::repository))
        .route("/submissions/{id}", get(status::submission))
        .route("/peer/audit", post(peer::audit))
        .route("/peer/feeds", post(peer::feeds))
        .route("/peer/refused", post(peer::refused))
        .route("/peer/refused/again", post(peer::try_again))
        .route("/peer/search", post(peer::search).layer(DefaultBodyLimit::max(MAX_QUESTION)))
        .route("/peer/elements", post(peer::elements).layer(DefaultBodyLimit::max(MAX_QUESTION)))
        .with_state(state)
        .layer(axum::middleware::from_fn_with_state(trail, carerecord_service::audit_trail::record))
}

/// What one listener has.
#[derive(Clone)]
pub(crate) struct Doorway {
    repository: Repository,
    entrance: Entrance,
    ids: Arc<dyn IdSource>,
    log: AuditLog,
}

/// What a handler needs, with who has come in. An extractor, to come first.
#[derive(Clone)]
pub(crate) struct Door {
    pub repository: Repository,
    pub callers: Callers,
    pub ids: Arc<dyn IdSource>,
    pub log: AuditLog,
}

impl FromRequestParts<Doorway> for Door {
    type Rejection = NotAdmitted;

    async fn from_request_parts(parts: &mut Parts, doorway: &Doorway) -> Result<Self, NotAdmitted> {
        let callers = doorway.entrance.enter(parts)?;
        let Doorway { repository, ids, log, .. } = doorway.clone();
        Ok(Self { repository, callers, ids, log })
    }
}

/// A question names the documents of one patient.
const MAX_QUESTION: usize = 16 << 20;
