pub(crate) mod alerts;
pub(crate) mod answer;
pub(crate) mod audit_event;
pub(crate) mod binary;
pub(crate) mod break_glass;
pub(crate) mod citizen_access;
pub(crate) mod claim;
pub(crate) mod consent;
pub(crate) mod cross_reference;
pub(crate) mod document_reference;
pub(crate) mod episode_of_care;
pub(crate) mod input;
pub(crate) mod list;
pub(crate) mod may_see;
pub(crate) mod metadata;
mod parameters;
pub(crate) mod patient;
pub(crate) mod patient_match;
pub(crate) mod provide;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use carerecord_access::{Caller, Decision, Purpose, Withheld};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{Issue, outcome, refusal_issue};
use carerecord_service::audit_trail::PURPOSE;
use carerecord_service::{AuditDraft, ClientLimits};
use serde_json::Value;

use crate::Portal;
use crate::error::FhirError;
use crate::oauth::{Permission, Scopes};
use crate::token::TokenError;

/// A caller with a valid token, and what the record is opened for.
pub(crate) struct Session {
    pub caller: Caller,
    pub purpose: Purpose,
    pub draft: AuditDraft,
}

impl Session {
    /// Names the interaction in the audit record.
    pub(crate) fn does(&self, interaction: &str) {
        self.draft.fill(|event| interaction.clone_into(&mut event.interaction));
    }

    /// Notes a refusal on its way to the caller.
    pub(crate) fn note<T>(&self, result: Result<T, FhirError>) -> Result<T, FhirError> {
        if let Err(FhirError::Refused(refused)) = &result {
            self.draft.decision(&refused.decision);
            self.draft.outcome(AuditOutcome::Refused);
        }
        result
    }
}

impl FromRequestParts<Portal> for Session {
    type Rejection = FhirError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> Result<Self, FhirError> {
        let draft = AuditDraft::from_request_parts(parts, portal).await.map_err(|_| {
            FhirError::Unauthorised("The service is not set up to record accesses.")
        })?;
        let selected = parts.headers.get("x-selected-role").and_then(|v| v.to_str().ok());
        let token = bearer(&parts.headers).ok_or(TokenError::Missing);
        let judged = match token {
            Ok(token) => portal.tokens.judge(token, selected).await,
            Err(error) => Err(error),
        };
        let judged = judged.map_err(|error| match error {
            TokenError::Missing => {
                FhirError::Unauthorised("Send a bearer token of the sign-in service.")
            }
            TokenError::Invalid => FhirError::Unauthorised(
                "The access token is not valid or has ended. Sign in again.",
            ),
            TokenError::RoleNotSelected => FhirError::RoleNotSelected,
            TokenError::SignOutsUnavailable => FhirError::Store,
            TokenError::KeysUnavailable => {
                FhirError::Registry(carerecord_model::PortError::Unavailable(error.to_string()))
            }
        })?;
        draft.caller(&judged.caller);
        if let Some(limits) = parts.extensions.get::<ClientLimits>() {
            limits.admit_named(judged.caller.id()).map_err(|too_many| {
                draft.outcome(AuditOutcome::Refused);
                FhirError::TooMany(too_many.wait)
            })?;
        }
        if let Some(scopes) = &judged.scopes {
            within(scopes, &parts.method, parts.uri.path())?;
        }
        let purpose = match parts.headers.get(PURPOSE).map(|v| v.to_str()) {
            None => judged.purpose.unwrap_or_default(),
            Some(Ok(code)) => Purpose::from_code(code).ok_or_else(|| {
                FhirError::Body("X-Purpose-Of-Use is not one that is known".into())
            })?,
            Some(Err(_)) => return Err(FhirError::Body("X-Purpose-Of-Use is not text".into())),
        };
        draft.fill(|event| event.purpose = Some(purpose.code().to_owned()));
        if judged.purpose.is_some_and(|only| only != purpose) {
            return Err(FhirError::Scope("The access token is for another purpose."));
        }
        Ok(Self { caller: judged.caller, purpose, draft })
    }
}

/// Whether a token's scopes have what a request does.
fn within(scopes: &Scopes, method: &Method, path: &str) -> Result<(), FhirError> {
    let mut parts = path.trim_start_matches("/fhir/").split('/');
    let resource = parts.next().unwrap_or_default();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let asks = |name: &str| matches!(name, "_search" | "$match" | "$ihe-pix" | "$may-see");
    let permission = match (parts.next(), parts.next()) {
        (None, None) if reads => Permission::Search,
        (Some(name), None) if asks(name) => Permission::Search,
        (Some(name), None) if reads && !name.starts_with('$') => Permission::Read,
        _ => Permission::Write,
    };
    if scopes.permit(resource, permission) {
        return Ok(());
    }
    Err(FhirError::Scope("The access token does not have the scope for this."))
}

/// Anything else below `/fhir`.
pub(crate) async fn fallback() -> FhirError {
    FhirError::NoRoute
}

/// A known address with another method; the router adds which ones it takes.
pub(crate) async fn wrong_method() -> FhirError {
    FhirError::Method
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The OperationOutcome that goes with a list: what is withheld and may be told.
pub(crate) fn withheld_issues(withheld: &Withheld) -> Vec<Issue> {
    let issue = |decision: &Decision| {
        let rule = decision.rule;
        refusal_issue(rule.id(), rule.explanation(), decision.provenance(), true)
    };
    withheld.told.iter().map(issue).collect()
}

pub(crate) fn outcome_entry(issues: Vec<Issue>) -> Option<Value> {
    (!issues.is_empty()).then(|| outcome(issues))
}
