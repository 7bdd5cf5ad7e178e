//! What the API refuses, and how it says so: the errors themselves, told for the documentation.

use axum::http::StatusCode;
use carerecord_fhir::{ConsentError, Issue, Problem, SearchError};
use carerecord_model::PortError;
use serde_json::Value;

use crate::error::FhirError;
use crate::fhir::{access_pack, usage};
use crate::oauth::{AuthorizeError, OAuthFailure};

/// One way to be refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToldRefusal {
    /// The status of HTTP.
    pub status: u16,
    /// FHIR's kind of issue, or the `error` of OAuth.
    pub code: String,
    /// When it comes to that.
    pub when: String,
    /// What the caller reads.
    pub words: String,
}

/// Every way in which the FHIR API refuses, but for refusals of the access decision, which say
/// their rule, and of the registry, which keep its code.
pub fn fhir_refusals() -> Vec<ToldRefusal> {
    examples().iter().flat_map(told).collect()
}

/// Every way in which a system gets no access token.
pub fn oauth_refusals() -> Vec<ToldRefusal> {
    let told = |failure: OAuthFailure| ToldRefusal {
        status: failure.status().as_u16(),
        code: failure.code().to_owned(),
        when: failure.to_string(),
        words: failure.to_string(),
    };
    OAuthFailure::all().into_iter().map(told).collect()
}

/// Every way in which an app gets no code, told to it by the browser as far as it is known.
pub fn authorize_refusals() -> Vec<ToldRefusal> {
    let told = |error: AuthorizeError| ToldRefusal {
        status: StatusCode::BAD_REQUEST.as_u16(),
        code: error.code().to_owned(),
        when: error.to_string(),
        words: error.to_string(),
    };
    AuthorizeError::ALL.into_iter().map(told).collect()
}

fn told(error: &FhirError) -> Vec<ToldRefusal> {
    let (status, issues) = error.parts();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = |issue: Issue| {
        let issue = carerecord_fhir::outcome(vec![issue])["issue"][0].take();
        let words = [&issue["diagnostics"], &issue["details"]["text"]].map(text);
        ToldRefusal {
            status: status.as_u16(),
            code: text(&issue["code"]),
            when: error.to_string(),
            words: words.into_iter().find(|words| !words.is_empty()).unwrap_or_default(),
        }
    };
    issues.into_iter().map(told).collect()
}

/// One of each kind. A test holds them against the list of kinds.
fn examples() -> Vec<FhirError> {
    let problem = Problem {
        kind: "required",
        text: "DocumentReference.type is required".to_owned(),
        expression: "Bundle.entry[1].resource.type".to_owned(),
    };
    let ports: [fn(PortError) -> FhirError; 3] =
        [FhirError::Registry, FhirError::Node, FhirError::Recipient];
    let silent = ports.into_iter().flat_map(|port| {
        let late = port(PortError::Late);
        let down = port(PortError::Unavailable(String::new()));
        [late, down, port(PortError::Protocol(String::new()))]
    });
    let all = [
        FhirError::Unauthorised("Send a bearer token of the sign-in service."),
        FhirError::Scope("The access token does not have the scope for this."),
        FhirError::RoleNotSelected,
        FhirError::Search(SearchError::Missing("patient.identifier")),
        FhirError::Search(SearchError::Malformed("creation".to_owned())),
        FhirError::Search(SearchError::Unsupported("colour".to_owned())),
        FhirError::Search(SearchError::TooWide),
        FhirError::Consent(ConsentError::Missing("patient")),
        FhirError::Consent(ConsentError::Malformed("provision")),
        FhirError::Consent(ConsentError::Unsupported("provision.data".to_owned())),
        FhirError::NotFound,
        FhirError::Operation(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too-costly",
            "More people fit than are shown: say more of whom you look for.",
        ),
        usage::TOO_MUCH,
        access_pack::TOO_MANY,
        access_pack::FULL,
        access_pack::BROKEN_OFF,
        access_pack::NOT_MADE,
        access_pack::ALTERED,
        access_pack::WITHDRAWN,
        FhirError::UnknownDomain,
        FhirError::Body("not JSON".to_owned()),
        FhirError::Problems(vec![problem]),
        FhirError::Submission(
            StatusCode::UNPROCESSABLE_ENTITY,
            vec![Issue::error("invariant", "What the registry says of the submission.")],
        ),
        FhirError::NoRoom,
        FhirError::TooMany(std::time::Duration::from_secs(1)),
        FhirError::Conflict,
        FhirError::NotAcceptable,
        FhirError::DocumentNotAcceptable,
        FhirError::NotInXml,
        FhirError::MediaType("Send application/fhir+json."),
        FhirError::UrlTooLong,
        FhirError::TooLong,
        FhirError::NoRoute,
        FhirError::Method,
        FhirError::Range,
        FhirError::Store,
    ];
    all.into_iter().chain(silent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_refusal_is_told() {
        let errors = include_str!("error.rs");
        let (_, kinds) = errors.split_once("enum FhirError {").unwrap();
        let (kinds, _) = kinds.split_once("\n}").unwrap();
        let kinds: Vec<&str> = kinds
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
            .map(|line| line.split(['(', ',', ' ']).next().unwrap())
            .collect();
        assert!(kinds.len() > 20, "{kinds:?}");

        let (told, _) = include_str!("told.rs").split_once("#[cfg(test)]").unwrap();
        for kind in kinds {
            // What the access decision refuses says its rule.
            let named = told.contains(&format!("FhirError::{kind}")) || kind == "Refused";
            assert!(
                named,
                "put an example of FhirError::{kind} into told.rs, for the documentation"
            );
        }
        for refusal in fhir_refusals().iter().chain(&oauth_refusals()) {
            assert!(refusal.status >= 400 && !refusal.words.is_empty(), "{refusal:?}");
        }
        assert!(oauth_refusals().iter().any(|r| r.code == "invalid_client" && r.status == 401));
    }
}
