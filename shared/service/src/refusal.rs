use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carerecord_audit::AuditOutcome;
use carerecord_codec::soap::SoapError;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::{AuditDraft, RequestId};

/// A request that is refused before any handler sees it, in its extensions: whoever records it
/// answers with this.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    status: StatusCode,
    /// What the caller is told.
    told: &'static str,
    /// What the record says.
    why: String,
    /// The code of a FHIR issue.
    code: &'static str,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A system that has not shown who it is. What is wrong stands in the record only.
    pub fn certificate(why: impl Into<String>) -> Self {
        let told = "no system is known here by this certificate, or it is not valid any more";
        let (status, why) = (StatusCode::FORBIDDEN, why.into());
        Self { status, told, why, code: "forbidden", retry_after: None }
    }

    /// In the place of an answer whose record could not be made durable.
    pub(crate) fn not_recorded() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            told: "the service cannot record accesses just now, so it answers nothing",
            why: "the record could not be made durable".to_owned(),
            code: "transient",
            retry_after: Some(Duration::from_secs(5)),
        }
    }

    /// A client that asks too much, for the `refused`th time in a row.
    pub fn busy(wait: Duration, refused: u32) -> Self {
        let told = "too many requests; wait, and send again";
        let why = format!("too many requests of this client, refusal {refused} in a row");
        let (status, code) = (StatusCode::TOO_MANY_REQUESTS, "throttled");
        Self { status, told, why, code, retry_after: Some(wait) }
    }

    /// The answer, in the protocol of the path; what is known goes to the record.
    pub fn answer(
        &self,
        path: &str,
        id: Option<RequestId>,
        draft: Option<&AuditDraft>,
    ) -> Response {
        if let Some(draft) = draft {
            draft.fill(|event| {
                if self.status == StatusCode::FORBIDDEN {
                    "node authentication".clone_into(&mut event.interaction);
                }
                event.error = Some(self.why.clone());
            });
            draft.outcome(AuditOutcome::Refused);
        }
        let mut response = if path.starts_with("/xds/") {
            self.fault(id)
        } else if path == "/fhir" || path.starts_with("/fhir/") {
            self.operation_outcome()
        } else {
            (self.status, self.told).into_response()
        };
        if let Some(wait) = self.retry_after {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }

    fn fault(&self, id: Option<RequestId>) -> Response {
        let error = match self.retry_after {
            Some(_) => SoapError::Busy(self.told),
            None => SoapError::NotPermitted,
        };
        let id = id.map_or(Uuid::nil(), |id| id.0);
        let envelope = error.to_envelope(&format!("urn:uuid:{id}"), None);
        let status = StatusCode::from_u16(error.http_status()).unwrap_or(self.status);
        (status, [(header::CONTENT_TYPE, SOAP)], envelope).into_response()
    }

    fn operation_outcome(&self) -> Response {
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [{ "severity": "error", "code": self.code, "diagnostics": self.told }],
        });
        let json = [(header::CONTENT_TYPE, "application/fhir+json")];
        (self.status, json, Json(outcome).into_response().into_body()).into_response()
    }
}

/// The layer of routes whose requests nobody records.
pub async fn refuse(mut request: Request, next: Next) -> Response {
    match request.extensions_mut().remove::<Refusal>() {
        Some(refusal) => refusal.answer(request.uri().path(), None, None),
        None => next.run(request).await,
    }
}

const SOAP: &str = "application/soap+xml; charset=UTF-8; \
    action=\"http://www.w3.org/2005/08/addressing/soap/fault\"";
