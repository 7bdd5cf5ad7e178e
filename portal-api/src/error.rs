use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_access::{ConsentStoreError, FactsUnavailable, Refused};
use carerecord_fhir::{
    ConsentError, Issue, Problem, SearchError, outcome, problem_issue, refusal_issue,
    registry_failure,
};
use carerecord_model::PortError;

use crate::fhir::answer::resource;

/// Why a FHIR request is not answered with what it asked for. Rendered as OperationOutcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FhirError {
    #[error("no valid access token")]
    Unauthorised(&'static str),
    #[error("the access token is not for this")]
    Scope(&'static str),
    #[error("the role has to be selected")]
    RoleNotSelected,
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Search(#[from] SearchError),
    #[error(transparent)]
    Consent(#[from] ConsentError),
    #[error("not found")]
    NotFound,
    /// What an operation's profile says of it.
    #[error("{2}")]
    Operation(StatusCode, &'static str, &'static str),
    #[error("identifiers of a domain are asked for that is not known")]
    UnknownDomain,
    #[error("the request's body cannot be read: {0}")]
    Body(String),
    #[error("what was sent is not what is taken: {} problems", .0.len())]
    Problems(Vec<Problem>),
    /// What the registry said of a submission, for its sender.
    #[error("the submission was refused")]
    Submission(StatusCode, Vec<Issue>),
    #[error("more is being sent than can be held")]
    NoRoom,
    #[error("too many requests of this caller")]
    TooMany(Duration),
    #[error("somebody else changed it first")]
    Conflict,
    #[error("neither JSON nor XML is wanted")]
    NotAcceptable,
    #[error("the document is of another type than is wanted")]
    DocumentNotAcceptable,
    #[error("the answer has no XML form")]
    NotInXml,
    #[error("what was sent is of another type than is taken")]
    MediaType(&'static str),
    #[error("the URL is too long")]
    UrlTooLong,
    #[error("the body is too long")]
    TooLong,
    #[error("there is no such address")]
    NoRoute,
    #[error("the method is not one of this address")]
    Method,
    #[error("the range cannot be served")]
    Range,
    #[error("the portal's own database failed")]
    Store,
    #[error("the registry could not be asked")]
    Registry(PortError),
    #[error("the node that holds the document could not be asked")]
    Node(PortError),
    #[error("the node that is to keep the documents could not be asked")]
    Recipient(PortError),
}

impl From<ConsentStoreError> for FhirError {
    fn from(error: ConsentStoreError) -> Self {
        match error {
            ConsentStoreError::NotFound => Self::NotFound,
            ConsentStoreError::Conflict => Self::Conflict,
            ConsentStoreError::Unavailable(error) => error.into(),
        }
    }
}

impl From<FactsUnavailable> for FhirError {
    fn from(error: FactsUnavailable) -> Self {
        Self::Registry(PortError::Unavailable(error.to_string()))
    }
}

impl FhirError {
    /// A failure of our own database, logged here and told without detail.
    pub(crate) fn store(error: &carerecord_storage::StoreError) -> Self {
        tracing::error!(%error, "the portal's database failed");
        Self::Store
    }

    /// With what is wrong told in other terms, where something is wrong with what was sent.
    pub(crate) fn with_problems(self, told: impl FnOnce(Vec<Problem>) -> Vec<Problem>) -> Self {
        if let Self::Problems(problems) = self { Self::Problems(told(problems)) } else { self }
    }

    /// Whether it says that there is nothing, also where that may not be told.
    pub(crate) fn is_nothing(&self) -> bool {
        self.parts().0 == StatusCode::NOT_FOUND
    }

    pub(crate) fn parts(&self) -> (StatusCode, Vec<Issue>) {
        let of =
            |status: StatusCode, code: &str, text: &str| (status, vec![Issue::error(code, text)]);
        match self {
            Self::Unauthorised(why) => of(StatusCode::UNAUTHORIZED, "login", why),
            Self::Scope(why) => of(StatusCode::FORBIDDEN, "forbidden", why),
            Self::RoleNotSelected => of(
                StatusCode::FORBIDDEN,
                "forbidden",
                "You have more than one role: choose one and send its id as X-Selected-Role.",
            ),
            // What may not be told looks like what is not there.
            Self::Refused(refused) if !refused.may_be_told => not_found(),
            Self::Refused(refused) => {
                let rule = refused.decision.rule;
                let told = refused.decision.provenance();
                let issue = refusal_issue(rule.id(), rule.explanation(), told, false);
                (StatusCode::FORBIDDEN, vec![issue])
            }
            Self::Search(error) => {
                of(StatusCode::BAD_REQUEST, search_code(error), &error.to_string())
            }
            Self::Consent(error) => {
                let (status, code) = consent_code(error);
                of(status, code, &error.to_string())
            }
            Self::NotFound => not_found(),
            Self::Operation(status, code, text) => of(*status, code, text),
            Self::UnknownDomain => {
                let issue = Issue::warning("not-found", "targetSystem not found");
                (StatusCode::NOT_FOUND, vec![issue])
            }
            Self::Body(why) => of(StatusCode::BAD_REQUEST, "structure", why),
            Self::Problems(problems) => {
                (StatusCode::UNPROCESSABLE_ENTITY, problems.iter().map(problem_issue).collect())
            }
            Self::Submission(status, issues) => (*status, issues.clone()),
            Self::NoRoom => of(
                StatusCode::SERVICE_UNAVAILABLE,
                "throttled",
                "Others are sending much just now; nothing was taken. Try again in a moment.",
            ),
            Self::TooMany(_) => of(
                StatusCode::TOO_MANY_REQUESTS,
                "throttled",
                "You ask too much at once: wait, and send again.",
            ),
            Self::Conflict => of(StatusCode::CONFLICT, "conflict", &self.to_string()),
            Self::NotAcceptable => of(
                StatusCode::NOT_ACCEPTABLE,
                "not-supported",
                "Accept application/fhir+json or application/fhir+xml.",
            ),
            Self::DocumentNotAcceptable => of(
                StatusCode::NOT_ACCEPTABLE,
                "not-supported",
                "The document is not of a type that you accept: its DocumentReference names it.",
            ),
            Self::NotInXml => of(
                StatusCode::NOT_ACCEPTABLE,
                "not-supported",
                "The answer holds what XML cannot: accept application/fhir+json.",
            ),
            Self::MediaType(words) => {
                of(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-supported", words)
            }
            Self::UrlTooLong => of(
                StatusCode::URI_TOO_LONG,
                "too-long",
                "The URL is too long: send the search as a form.",
            ),
            Self::TooLong => {
                of(StatusCode::PAYLOAD_TOO_LARGE, "too-long", "What was sent is too long.")
            }
            Self::NoRoute => {
                of(StatusCode::NOT_FOUND, "not-supported", "There is nothing at this address.")
            }
            Self::Method => of(
                StatusCode::METHOD_NOT_ALLOWED,
                "not-supported",
                "This address does not take this method.",
            ),
            Self::Range => of(StatusCode::RANGE_NOT_SATISFIABLE, "invalid", &self.to_string()),
            Self::Store => of(
                StatusCode::SERVICE_UNAVAILABLE,
                "transient",
                "The service's own database failed; nothing was changed. Try again in a moment.",
            ),
            Self::Registry(error) => port(
                error,
                "The registry does not answer that.",
                "The registry could not be asked.",
                "The registry gave something that is no answer.",
            ),
            Self::Recipient(error) => port(
                error,
                "The node does not take it.",
                "The node did not answer, so nobody knows whether it was published: send the same \
                 again, which changes nothing when it was.",
                "The node gave something that is no answer.",
            ),
            Self::Node(error) => port(
                error,
                "The source that holds the document does not give it.",
                "The source that holds the document could not be asked.",
                "The source that holds the document gave something else.",
            ),
        }
    }
}

fn search_code(error: &SearchError) -> &'static str {
    match error {
        SearchError::Missing(_) | SearchError::TooWide => "required",
        SearchError::Malformed(_) | SearchError::NhsNumber(_) | SearchError::Unsupported(_) => {
            "invalid"
        }
    }
}

fn consent_code(error: &ConsentError) -> (StatusCode, &'static str) {
    match error {
        ConsentError::Missing(_) => (StatusCode::BAD_REQUEST, "required"),
        ConsentError::Malformed(_) => (StatusCode::UNPROCESSABLE_ENTITY, "structure"),
        ConsentError::Unsupported(_) => (StatusCode::UNPROCESSABLE_ENTITY, "not-supported"),
        ConsentError::Exception(error) => consent_code(error),
    }
}

fn not_found() -> (StatusCode, Vec<Issue>) {
    let issue = Issue::error("not-found", "There is nothing under this id.");
    (StatusCode::NOT_FOUND, vec![issue])
}

/// Another role that did not give what it was asked for: what it said, or that it said nothing.
fn port(error: &PortError, refused: &str, silent: &str, garbage: &str) -> (StatusCode, Vec<Issue>) {
    let code = match error {
        PortError::Transaction(errors) => {
            let (status, issues) = registry_failure(errors, refused);
            let status = StatusCode::from_u16(status);
            return (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), issues);
        }
        PortError::Late => "timeout",
        PortError::Unavailable(_) | PortError::Refused { .. } => "transient",
        PortError::Protocol(_) => {
            let words = format!("{garbage} It is not passed on.");
            return (StatusCode::BAD_GATEWAY, vec![Issue::error("exception", &words)]);
        }
    };
    let words = format!("{silent} Try again in a moment.");
    (StatusCode::SERVICE_UNAVAILABLE, vec![Issue::error(code, &words)])
}

impl IntoResponse for FhirError {
    fn into_response(self) -> Response {
        if let Self::Registry(error) | Self::Node(error) | Self::Recipient(error) = &self {
            tracing::warn!(%error, "a role could not be asked");
        }
        let (status, issues) = self.parts();
        let scope = matches!(self, Self::Scope(_));
        let mut response = resource(status, outcome(issues));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"carerecord\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if scope {
            // RFC 6750: 3.1.
            let told = "Bearer realm=\"carerecord\", error=\"insufficient_scope\"";
            let told = HeaderValue::from_static(told);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, told);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if let Self::TooMany(wait) = &self {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
