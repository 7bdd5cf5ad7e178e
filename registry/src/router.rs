use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts};
use axum::http::request::Parts;
use axum::routing::{get, post};
use carerecord_audit::AuditLog;
use carerecord_model::IdSource;
use carerecord_service::{AuditTrail, Callers, Entrance, NotAdmitted};
use std::sync::Arc;

use crate::{Registry, feed, identity, peer, soap};

/// Every route of the registry. `callers` says who comes in by this listener.
pub fn router(
    registry: Registry,
    callers: impl Into<Entrance>,
    ids: Arc<dyn IdSource>,
    trail: AuditTrail,
) -> Router {
    let log = trail.log.clone();
    let state = Doorway { registry, entrance: callers.into(), ids, log };
    Router::new()
        .route("/xds/registry", post(soap::registry))
        .route("/xds/identity", post(identity::hl7v3::identity))
        .route("/changes", get(feed::changes))
        .route("/peer/audit", post(peer::audit))
        .route("/peer/feeds", post(peer::feeds))
        .route("/peer/consent", post(peer::consent))
        .route("/peer/consent/update", post(peer::update_consent))
        .route("/peer/relationship", post(peer::relationship))
        .route("/peer/relationship/update", post(peer::update_relationship))
        .route("/peer/relationship/cared-for", post(peer::cared_for))
        .route("/peer/citizen-grant", post(peer::citizen_grant))
        .route("/peer/citizen-grant/update", post(peer::update_citizen_grant))
        .route("/peer/last-changes", post(peer::last_changes))
        .route("/peer/patient", post(peer::patient))
        .route("/peer/identifier", post(peer::cross_reference))
        .route("/peer/patient/search", post(peer::find_patients))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(state)
        .layer(axum::middleware::from_fn_with_state(trail, carerecord_service::audit_trail::record))
}

/// What one listener has.
#[derive(Clone)]
pub(crate) struct Doorway {
    registry: Registry,
    entrance: Entrance,
    ids: Arc<dyn IdSource>,
    log: AuditLog,
}

/// What a handler needs, with who has come in. An extractor, to come first.
#[derive(Clone)]
pub(crate) struct Door {
    pub registry: Registry,
    pub callers: Callers,
    pub ids: Arc<dyn IdSource>,
    pub log: AuditLog,
}

impl FromRequestParts<Doorway> for Door {
    type Rejection = NotAdmitted;

    async fn from_request_parts(parts: &mut Parts, doorway: &Doorway) -> Result<Self, NotAdmitted> {
        let callers = doorway.entrance.enter(parts)?;
        let Doorway { registry, ids, log, .. } = doorway.clone();
        Ok(Self { registry, callers, ids, log })
    }
}

const MAX_BODY: usize = 16 << 20;
