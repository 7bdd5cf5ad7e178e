//! The audit record of every message that a client of ours sends while a request is answered: it is
//! durable before the answer leaves, as the record of the request is. nhs.md 5.7: all messages in both
//! directions.

use std::time::Instant;

use carerecord_audit::{AuditEvent, AuditOutcome};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{AuditDraft, RequestId, X_REQUEST_ID};

tokio::task_local! {
    static ANSWERING: AuditDraft;
}

/// Runs what answers a request; what it sends to others is noted in the request's draft.
pub(crate) async fn noted_in<T>(draft: AuditDraft, answering: impl Future<Output = T>) -> T {
    ANSWERING.scope(draft, answering).await
}

/// Sends a request, with the id of the one because of which it is made, where there is one; in whose
/// record it is noted, with what came of it. By which transport (`soap`, `fhir`,
/// `http`), and what it asks (`ITI-18`).
///
/// # Errors
/// As the client itself.
pub async fn send(
    (transport, interaction): (&'static str, &str),
    request: reqwest::RequestBuilder,
) -> (reqwest::Result<reqwest::Response>, Outgoing) {
    let (client, request) = request.build_split();
    let (peer, path) = match &request {
        Ok(request) => {
            (whom(request.url()), format!("{} {}", request.method(), route(request.url().path())))
        }
        Err(_) => (None, String::new()),
    };
    let mut outgoing = Outgoing::begin(transport, interaction, path, peer);
    let answer = match request {
        Ok(mut request) => {
            let id = RequestId::current().and_then(|id| id.0.to_string().parse().ok());
            id.and_then(|id| request.headers_mut().insert(X_REQUEST_ID, id));
            client.execute(request).await
        }
        Err(error) => Err(error),
    };
    if let Ok(answer) = &answer {
        outgoing.answered(answer.status().as_u16());
    }
    (answer, outgoing)
}

/// A path without what is of one patient, document or record, as records of what came in have it.
fn route(path: &str) -> String {
    let mut before = "";
    let named = |segment| {
        let of_a_type = is_type(std::mem::replace(&mut before, segment));
        let is_route = !of_a_type || segment.is_empty() || segment.starts_with(['_', '$']);
        if is_route && is_name(segment) { segment } else { "{id}" }
    };
    path.split('/').map(named).collect::<Vec<_>>().join("/")
}

/// Whether a part of a path names a type of FHIR resource: an id of any form follows, unless it is
/// `_search`, `$everything` or the like.
fn is_type(segment: &str) -> bool {
    let mut letters = segment.bytes();
    letters.next().is_some_and(|b| b.is_ascii_uppercase())
        && letters.next().is_some_and(|b| b.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_alphabetic())
}

/// Whether a part of a path names a route: a short word, perhaps with a version. Ids of any kind have
/// more digits, or are longer.
fn is_name(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let of_words = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'$');
    digits <= 2 && segment.len() <= LONGEST_NAME && segment.bytes().all(of_words)
}

/// `oauth-authorization-server` is the longest there is.
const LONGEST_NAME: usize = 30;

fn whom(url: &reqwest::Url) -> Option<String> {
    Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
}

/// A message on its way to another role or system. Dropped before there was an answer, it is recorded
/// as one that failed.
pub struct Outgoing {
    /// None for jobs that no request has asked for.
    draft: Option<AuditDraft>,
    sent: Option<Sent>,
    started: Instant,
}

/// A message that was sent, with what came of it.
#[derive(Debug)]
pub(crate) struct Sent {
    transport: &'static str,
    interaction: String,
    request: String,
    peer: Option<String>,
    status: u16,
    outcome: AuditOutcome,
    duration_ms: u64,
}

impl Outgoing {
    fn begin(
        transport: &'static str,
        interaction: &str,
        request: String,
        peer: Option<String>,
    ) -> Self {
        let sent = Sent {
            transport,
            interaction: interaction.to_owned(),
            request,
            peer,
            status: 0,
            outcome: AuditOutcome::Failed,
            duration_ms: 0,
        };
        let draft = ANSWERING.try_with(AuditDraft::clone).ok();
        Self { draft, sent: Some(sent), started: Instant::now() }
    }

    fn answered(&mut self, status: u16) {
        if let Some(sent) = &mut self.sent {
            sent.status = status;
            sent.outcome = AuditOutcome::of_status(status);
        }
    }

    /// The answer says that it was not done, where the status of HTTP does not: XDS failures travel as
    /// 200.
    pub fn not_done(&mut self) {
        if let Some(sent) = self.sent.as_mut().filter(|s| s.outcome == AuditOutcome::Success) {
            sent.outcome = AuditOutcome::Rejected;
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let (Some(draft), Some(mut sent)) = (self.draft.take(), self.sent.take()) {
            sent.duration_ms =
                u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            draft.sent(sent);
        }
    }
}

impl Sent {
    /// The record, about whom and for whom the request was. What was decided and disclosed stands in the
    /// record of the request, which has the same request id.
    pub(crate) fn event(self, id: Uuid, now: Timestamp, request: &AuditEvent) -> AuditEvent {
        AuditEvent {
            id,
            recorded_at: now,
            recorder: request.recorder.clone(),
            direction: "out".to_owned(),
            transport: self.transport.to_owned(),
            interaction: self.interaction,
            request: self.request,
            status: self.status,
            outcome: self.outcome,
            duration_ms: self.duration_ms,
            request_bytes: None,
            subject: request.subject,
            actor: request.actor.clone(),
            peer: self.peer,
            purpose: request.purpose.clone(),
            decision: None,
            listed: Vec::new(),
            documents: Vec::new(),
            withheld: 0,
            request_id: request.request_id.clone(),
            message_id: None,
            error: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use carerecord_model::{Clock as _, IdSource as _, RandomIds, SystemClock};

    use super::*;

    fn request() -> AuditEvent {
        let mut event =
            AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "portal", "fhir");
        event.subject = Some("9990001006".parse().unwrap());
        event.request_id = Some("r".to_owned());
        event
    }

    fn begin() -> Outgoing {
        Outgoing::begin("soap", "ITI-18", "POST /xds/registry".to_owned(), None)
    }

    async fn noted(answering: impl Future<Output = ()>) -> Vec<Sent> {
        let draft = AuditDraft::detached(request());
        noted_in(draft.clone(), answering).await;
        draft.take_sent()
    }

    #[tokio::test]
    async fn what_is_sent_is_noted_with_what_came_of_it() {
        let sent = noted(async {
            begin().answered(200);
            let mut refused = begin();
            refused.answered(200);
            refused.not_done();
            drop(refused);
            begin().answered(403);
            drop(begin());
        })
        .await;
        let outcomes: Vec<_> = sent.iter().map(|s| (s.status, s.outcome)).collect();
        let expected = [
            (200, AuditOutcome::Success),
            (200, AuditOutcome::Rejected),
            (403, AuditOutcome::Refused),
            (0, AuditOutcome::Failed),
        ];
        assert_eq!(outcomes, expected);
    }

    #[tokio::test]
    async fn the_record_is_about_whom_the_request_is_about() {
        let sent = noted(async { begin().answered(200) }).await.remove(0);
        let event = sent.event(RandomIds.ordered(), SystemClock.now(), &request());
        assert_eq!((event.direction.as_str(), event.subject), ("out", request().subject));
        assert_eq!(event.request_id, request().request_id);
    }

    #[test]
    fn no_path_names_anybody() {
        for (path, expected) in [
            ("/xds/registry", "/xds/registry"),
            ("/fhir/DocumentReference/_search", "/fhir/DocumentReference/_search"),
            (
                "/fhir/DocumentReference/$generate-metadata",
                "/fhir/DocumentReference/$generate-metadata",
            ),
            ("/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server"),
            ("/oauth2/v1/token", "/oauth2/v1/token"),
            ("/", "/"),
            ("/fhir/Binary/0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d", "/fhir/Binary/{id}"),
            (
                "/fhir/AuditEvent/0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d/$review",
                "/fhir/AuditEvent/{id}/$review",
            ),
            ("/fhir/Patient/9990001006", "/fhir/Patient/{id}"),
            ("/fhir/Patient/999%20000%201006", "/fhir/Patient/{id}"),
            ("/fhir/Patient/AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEf", "/fhir/Patient/{id}"),
            ("/fhir/Patient/O%27Neill", "/fhir/Patient/{id}"),
            ("/fhir/Patient/p-1", "/fhir/Patient/{id}"),
            ("/fhir/Patient/okafor/$everything", "/fhir/Patient/{id}/$everything"),
            ("/api/FHIR/R4/Patient/erXuFYUfucBZaryVksYEcMg", "/api/FHIR/R4/Patient/{id}"),
            ("/fhir/Patient/Ada/_history/2", "/fhir/Patient/{id}/_history/2"),
            ("/fhir/Patient/", "/fhir/Patient/"),
            ("/documents/2.999.1.1", "/documents/{id}"),
            ("/nhs-number%7C9/x", "/{id}/x"),
        ] {
            assert_eq!(route(path), expected);
        }
    }

    #[tokio::test]
    async fn a_job_sends_for_the_request_that_has_asked_for_it() {
        let draft = AuditDraft::detached(request());
        let id = RequestId(RandomIds.random());
        let during = async {
            begin().answered(200);
            RequestId::current()
        };
        assert_eq!(draft.noting(Some(id), during).await, Some(id));
        let now = SystemClock.now();
        let records = draft.sent_records(&RandomIds, now);
        assert_eq!((records.len(), records[0].direction.as_str()), (1, "out"));
        assert!(draft.sent_records(&RandomIds, now).is_empty(), "once");
    }

    #[tokio::test]
    async fn a_job_that_nobody_asked_for_notes_nothing() {
        begin().answered(200);
    }
}
