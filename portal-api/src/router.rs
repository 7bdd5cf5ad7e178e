use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use carerecord_service::AuditTrail;

use crate::fhir::{
    alerts, answer, audit_event, binary, break_glass, citizen_access, claim, consent,
    cross_reference, document_reference, episode_of_care, fallback, list, may_see, metadata,
    patient, patient_match, provide, wrong_method,
};
use crate::{Portal, oauth};

/// Every route of the FHIR API.
pub fn router(portal: Portal, trail: AuditTrail) -> Router {
    let oauth = Router::new()
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/introspect", post(oauth::introspect))
        .route("/oauth/jwks", get(oauth::keys))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata))
        .route("/fhir/.well-known/smart-configuration", get(oauth::smart_configuration))
        .with_state(portal.clone());
    let most = portal.config.max_bundle_bytes;
    Router::new()
        .route("/fhir/metadata", get(metadata::metadata))
        .route("/fhir/DocumentReference", get(document_reference::search))
        .route("/fhir/DocumentReference/_search", post(document_reference::search))
        .route("/fhir/DocumentReference/{id}", get(document_reference::read))
        .route("/fhir/List", get(list::search))
        .route("/fhir/List/_search", post(list::search))
        .route("/fhir/List/{id}", get(list::read))
        .route("/fhir/Binary/{id}", get(binary::read))
        .route("/fhir/Patient", get(patient::search))
        .route("/fhir/Patient/_search", post(patient::search))
        .route("/fhir/Patient/$ihe-pix", get(cross_reference::run).post(cross_reference::run_sent))
        .route("/fhir/Patient/$match", post(patient_match::run))
        .route("/fhir/Patient/$break-glass", post(break_glass::run))
        .route("/fhir/Patient/$claim-relationship", post(claim::run))
        .route("/fhir/Patient/$citizen-access", post(citizen_access::run))
        .route("/fhir/Patient/$may-see", post(may_see::run))
        .route("/fhir/AuditEvent", get(audit_event::search))
        .route("/fhir/AuditEvent/_search", post(audit_event::search))
        .route("/fhir/AuditEvent/$statistics", get(alerts::statistics))
        .route("/fhir/AuditEvent/{id}", get(alerts::read))
        .route("/fhir/AuditEvent/{id}/$review", post(alerts::review))
        .route("/fhir/Patient/{id}", get(patient::read))
        .route("/fhir/Consent", get(consent::search).post(consent::create))
        .route("/fhir/Consent/_search", post(consent::search))
        .route("/fhir/Consent/{id}", get(consent::read).put(consent::update))
        .route("/fhir/EpisodeOfCare", get(episode_of_care::search).post(episode_of_care::create))
        .route("/fhir/EpisodeOfCare/_search", post(episode_of_care::search))
        .route("/fhir/EpisodeOfCare/{id}", get(episode_of_care::read).put(episode_of_care::update))
        .route("/fhir", post(provide::bundle).layer(DefaultBodyLimit::max(most)))
        .route("/fhir/", post(provide::bundle).layer(DefaultBodyLimit::max(most)))
        .route("/fhir/{*rest}", axum::routing::any(fallback))
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(axum::middleware::from_fn(answer::render))
        .with_state(portal)
        .merge(oauth)
        .layer(axum::middleware::from_fn_with_state(trail, carerecord_service::audit_trail::record))
}

const MAX_BODY: usize = 1 << 20;
