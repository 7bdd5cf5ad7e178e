use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use carerecord_model::IdSource;
use carerecord_service::{AuditTrail, Callers};
use std::sync::Arc;

use crate::{Registry, feed, identity, peer, soap};

/// Every route of the registry. `callers` says who comes in by this listener.
pub fn router(
    registry: Registry,
    callers: impl Into<Callers>,
    ids: Arc<dyn IdSource>,
    trail: AuditTrail,
) -> Router {
    let state = Door { registry, callers: callers.into(), ids };
    Router::new()
        .route("/xds/registry", post(soap::registry))
        .route("/xds/identity", post(identity::hl7v3::identity))
        .route("/changes", get(feed::changes))
        .route("/peer/consent", post(peer::consent))
        .route("/peer/consent/update", post(peer::update_consent))
        .route("/peer/patient", post(peer::patient))
        .route("/peer/identifier", post(peer::cross_reference))
        .route("/peer/patient/search", post(peer::find_patients))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
        .layer(axum::middleware::from_fn_with_state(trail, carerecord_service::audit_trail::record))
}

/// What the handlers of one listener need.
#[derive(Clone)]
pub(crate) struct Door {
    pub registry: Registry,
    pub callers: Callers,
    pub ids: Arc<dyn IdSource>,
}

const MAX_BODY: usize = 16 << 20;
