use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use carerecord_service::AuditTrail;

use crate::fhir::elements::{
    allergy_intolerance, condition, encounter, immunization, medication_request,
    medication_statement, observation,
};
use crate::fhir::{
    access_pack, alerts, answer, audit_event, binary, break_glass, citizen_access, claim, consent,
    contract, cross_reference, detection, document_reference, episode_of_care, fallback, feeds,
    list, may_see, metadata, mine, patient, patient_match, provenance, provide, simplified, usage,
    wrong_method,
};
use crate::{Portal, oauth};

/// Every route of the FHIR API.
pub fn router(portal: Portal, trail: AuditTrail) -> Router {
    let oauth = Router::new()
        .route("/oauth/token", post(oauth::token))
        .route("/oauth/introspect", post(oauth::introspect))
        .route("/oauth/authorization", post(oauth::authorization))
        .route("/oauth/sign-out", post(oauth::sign_out))
        .route("/oauth/back-channel-logout", post(oauth::back_channel_logout))
        .route("/oauth/back-channel-logout/{id}", post(oauth::back_channel_logout_of))
        .route("/oauth/jwks", get(oauth::keys))
        .route("/.well-known/oauth-authorization-server", get(oauth::metadata))
        .route("/fhir/.well-known/smart-configuration", get(oauth::smart_configuration))
        .with_state(portal.clone());
    let most = portal.config.max_bundle_bytes;
    Router::new()
        .route("/fhir/metadata", get(metadata::metadata))
        .route(
            "/fhir/DocumentReference",
            get(document_reference::search)
                .post(simplified::create)
                .layer(DefaultBodyLimit::max(most)),
        )
        .route(
            "/fhir/DocumentReference/$generate-metadata",
            post(simplified::generate_metadata).layer(DefaultBodyLimit::max(most)),
        )
        .route("/fhir/DocumentReference/_search", post(document_reference::search))
        .route("/fhir/DocumentReference/{id}", get(document_reference::read))
        .route("/fhir/List", get(list::search))
        .route("/fhir/List/_search", post(list::search))
        .route("/fhir/List/{id}", get(list::read))
        .route("/fhir/Binary/{id}", get(binary::read))
        .route("/fhir/AllergyIntolerance", get(allergy_intolerance::search))
        .route("/fhir/AllergyIntolerance/_search", post(allergy_intolerance::search))
        .route("/fhir/AllergyIntolerance/{id}", get(allergy_intolerance::read))
        .route("/fhir/Condition", get(condition::search))
        .route("/fhir/Condition/_search", post(condition::search))
        .route("/fhir/Condition/{id}", get(condition::read))
        .route("/fhir/MedicationStatement", get(medication_statement::search))
        .route("/fhir/MedicationStatement/_search", post(medication_statement::search))
        .route("/fhir/MedicationStatement/{id}", get(medication_statement::read))
        .route("/fhir/MedicationRequest", get(medication_request::search))
        .route("/fhir/MedicationRequest/_search", post(medication_request::search))
        .route("/fhir/MedicationRequest/{id}", get(medication_request::read))
        .route("/fhir/Immunization", get(immunization::search))
        .route("/fhir/Immunization/_search", post(immunization::search))
        .route("/fhir/Immunization/{id}", get(immunization::read))
        .route("/fhir/Observation", get(observation::search))
        .route("/fhir/Observation/_search", post(observation::search))
        .route("/fhir/Observation/{id}", get(observation::read))
        .route("/fhir/Encounter", get(encounter::search))
        .route("/fhir/Encounter/_search", post(encounter::search))
        .route("/fhir/Encounter/{id}", get(encounter::read))
        .route("/fhir/Provenance", get(provenance::search))
        .route("/fhir/Provenance/_search", post(provenance::search))
        .route("/fhir/Provenance/{id}", get(provenance::read))
        .route("/fhir/Patient", get(patient::search))
        .route("/fhir/Patient/_search", post(patient::search))
        .route("/fhir/Patient/$ihe-pix", get(cross_reference::run).post(cross_reference::run_sent))
        .route("/fhir/Patient/$match", post(patient_match::run))
        .route("/fhir/Patient/$break-glass", post(break_glass::run))
        .route("/fhir/Patient/$claim-relationship", post(claim::run))
        .route("/fhir/Patient/$citizen-access", post(citizen_access::run))
        .route("/fhir/Patient/$mine", get(mine::run))
        .route("/fhir/Patient/$may-see", post(may_see::run))
        .route("/fhir/Patient/$access-pack", get(access_pack::list).post(access_pack::ask))
        .route(
            "/fhir/Patient/$access-pack/{id}",
            get(access_pack::state).delete(access_pack::remove),
        )
        .route("/fhir/Patient/$access-pack/{id}/file", get(access_pack::fetch))
        .route("/fhir/AuditEvent", get(audit_event::search))
        .route("/fhir/AuditEvent/_search", post(audit_event::search))
        .route("/fhir/AuditEvent/$statistics", get(alerts::statistics))
        .route("/fhir/AuditEvent/$detect", post(detection::detect))
        .route("/fhir/AuditEvent/{id}", get(audit_event::read))
        .route("/fhir/AuditEvent/{id}/$review", post(alerts::review))
        .route("/fhir/Patient/{id}", get(patient::read))
        .route("/fhir/Consent", get(consent::search).post(consent::create))
        .route("/fhir/Consent/_search", post(consent::search))
        .route("/fhir/Consent/{id}", get(consent::read).put(consent::update))
        .route("/fhir/$feeds", get(feeds::feeds))
        .route("/fhir/$usage", get(usage::usage))
        .route("/fhir/$try-again", post(feeds::try_again))
        .route("/fhir/Contract", get(contract::search))
        .route("/fhir/Contract/$sharing", get(contract::sharing))
        .route("/fhir/Contract/{id}", get(contract::read))
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
