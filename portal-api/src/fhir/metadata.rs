use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_fhir::capability_statement;
use carerecord_service::AuditDraft;

use super::answer;
use crate::Portal;
use crate::oauth::OAuth;

/// Answers `GET /fhir/metadata`. It names no patient, so it asks for no token.
pub(crate) async fn metadata(State(portal): State<Portal>, draft: AuditDraft) -> Response {
    draft.fill(|event| event.interaction = "capabilities".to_owned());
    let own = portal.tokens.own();
    let token_url = match own {
        Some(oauth) => oauth.token_endpoint(),
        None => format!("{}/token", portal.config.issuer.trim_end_matches('/')),
    };
    let statement = capability_statement(
        &portal.config.base_url,
        env!("CARGO_PKG_VERSION"),
        RELEASED,
        &token_url,
        own.and_then(OAuth::authorization_endpoint),
    );
    answer::resource(StatusCode::OK, statement)
}

/// When what the statement says was last changed.
const RELEASED: &str = "2026-11-28";
