use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use carerecord_model::IdSource;
use carerecord_service::{AuditTrail, Callers};

use crate::{Repository, peer, soap, status};

/// Every route of a repository node. `callers` says who comes in by this listener.
pub fn router(
    repository: Repository,
    callers: impl Into<Callers>,
    ids: Arc<dyn IdSource>,
    trail: AuditTrail,
) -> Router {
    let state = Door { repository, callers: callers.into(), ids };
    Router::new()
        .route("/xds/repository", post(soap::repository))
        .route("/submissions/{id}", get(status::submission))
        .route("/peer/search", post(peer::search).layer(DefaultBodyLimit::max(MAX_QUESTION)))
        .with_state(state)
        .layer(axum::middleware::from_fn_with_state(trail, carerecord_service::audit_trail::record))
}

/// What the handlers of one listener need.
#[derive(Clone)]
pub(crate) struct Door {
    pub repository: Repository,
    pub callers: Callers,
    pub ids: Arc<dyn IdSource>,
}

/// A question names the documents of one patient.
const MAX_QUESTION: usize = 16 << 20;
