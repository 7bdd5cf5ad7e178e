//! The audit record of every message of a listener.
//!
//! The layer makes a draft, the handler fills in what it learns, and the record is durable before
//! the answer leaves: without it, the answer is a refusal. A write commits the record with itself
//! and says so; the layer then adds nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use carerecord_access::{Caller, Decision};
use carerecord_audit::{AuditEvent, AuditLog, AuditOutcome};
use carerecord_model::{Clock, IdSource, NhsNumber};
use futures_util::future::try_join_all;
use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use jiff::Timestamp;

use crate::outgoing::{self, Sent};
use crate::{Refusal, RequestId};

/// Where the records of one listener go.
#[derive(Clone)]
pub struct AuditTrail {
    /// The log.
    pub log: AuditLog,
    /// Which role of which process records.
    pub recorder: Arc<str>,
    /// `soap`, `fhir`, `web`, `http`; a handler may say better.
    pub transport: &'static str,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of records.
    pub ids: Arc<dyn IdSource>,
    /// Paths below this prefix are static files of our own, the same for everybody: no record.
    pub static_prefix: Option<&'static str>,
}

impl AuditTrail {
    /// Stores the record of a message that came by another way than HTTP, unless a write has.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be answered but that.
    pub async fn append_draft(&self, draft: &AuditDraft) -> Result<(), NotRecorded> {
        self.append_all(finish(self, draft, StatusCode::OK)).await
    }
}

impl AuditTrail {
    /// Together, so that they share the write to disk.
    async fn append_all(&self, events: Vec<AuditEvent>) -> Result<(), NotRecorded> {
        let appended = try_join_all(events.into_iter().map(|event| self.log.append(event))).await;
        appended.map(drop).map_err(|error| {
            tracing::error!(%error, "an audit record could not be stored");
            NotRecorded
        })
    }
}

/// An audit record could not be made durable.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the audit record could not be stored")]
pub struct NotRecorded;

/// The record of the current message, to be filled in. Clones are the same record.
#[derive(Clone)]
pub struct AuditDraft(Arc<Mutex<Draft>>);

struct Draft {
    event: AuditEvent,
    /// Whose records were concerned besides the event's own subject.
    others: Vec<NhsNumber>,
    /// Messages that were sent for the answer.
    sent: Vec<Sent>,
    started: Instant,
    recorded: bool,
    outcome: Option<AuditOutcome>,
}

impl AuditDraft {
    /// A draft outside a listener, for jobs and tests.
    pub fn detached(event: AuditEvent) -> Self {
        let draft = Draft {
            event,
            others: Vec::new(),
            sent: Vec::new(),
            started: Instant::now(),
            recorded: false,
            outcome: None,
        };
        Self(Arc::new(Mutex::new(draft)))
    }

    /// Fills in what is known.
    pub fn fill(&self, fill: impl FnOnce(&mut AuditEvent)) {
        fill(&mut self.lock().event);
    }

    /// Notes whose records were concerned. Of several people each gets a record of their own, so that
    /// everybody's account of accesses is whole.
    pub fn subjects(&self, numbers: impl IntoIterator<Item = NhsNumber>) {
        let mut numbers = numbers.into_iter();
        let mut draft = self.lock();
        draft.event.subject = numbers.next().or(draft.event.subject);
        draft.others = numbers.collect();
    }

    /// Notes who asked.
    pub fn caller(&self, caller: &Caller) {
        self.fill(|event| event.actor = Some(caller.into()));
    }

    /// Notes what was decided.
    pub fn decision(&self, decision: &Decision) {
        self.fill(|event| event.decision = Some(decision.into()));
    }

    /// Notes how it ended, where the HTTP status does not tell: XDS failures travel as 200.
    pub fn outcome(&self, outcome: AuditOutcome) {
        let mut draft = self.lock();
        draft.outcome = Some(outcome);
        draft.event.outcome = outcome;
    }

    /// The record for a write to commit with itself. The layer adds none then.
    pub fn to_commit(&self, outcome: AuditOutcome) -> AuditEvent {
        let draft = self.lock();
        let mut event = draft.event.clone();
        event.outcome = outcome;
        if event.status == 0 {
            // Who answers with another has said so in the draft.
            event.status = StatusCode::OK.as_u16();
        }
        event.duration_ms = draft.started.elapsed().as_millis() as u64;
        event
    }

    /// Says that the record has been committed.
    pub fn committed(&self) {
        self.lock().recorded = true;
    }

    /// Runs a job that a request has asked for: what it sends to others has the id of the request, and is
    /// noted here. Whoever runs it stores the records: `sent_records`.
    pub async fn noting<T>(&self, request: Option<RequestId>, job: impl Future<Output = T>) -> T {
        let noted = outgoing::noted_in(self.clone(), job);
        match request {
            Some(id) => id.scope(noted).await,
            None => noted.await,
        }
    }

    /// The records of what was sent and is not recorded yet, for the caller to store.
    pub fn sent_records(&self, ids: &dyn IdSource, now: Timestamp) -> Vec<AuditEvent> {
        let sent = self.take_sent();
        let draft = self.lock();
        sent.into_iter().map(|sent| sent.event(ids.ordered(), now, &draft.event)).collect()
    }

    /// Notes a message that was sent because of this one.
    pub(crate) fn sent(&self, sent: Sent) {
        self.lock().sent.push(sent);
    }

    pub(crate) fn take_sent(&self) -> Vec<Sent> {
        std::mem::take(&mut self.lock().sent)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Draft> {
        // A panic while holding the lock leaves plain data: still the best record there is.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AuditDraft {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        // A route without the layer must not answer.
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The layer: `axum::middleware::from_fn_with_state(trail, audit_trail::record)`.
pub async fn record(State(trail): State<AuditTrail>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if trail.static_prefix.is_some_and(|prefix| path.starts_with(prefix)) {
        return next.run(request).await;
    }
    let id = request.extensions().get::<RequestId>().copied();
    let draft = AuditDraft::detached(begin(&trail, &request));
    request.extensions_mut().insert(draft.clone());

    let response = match request.extensions_mut().remove::<Refusal>() {
        Some(refusal) => refusal.answer(&path, id, Some(&draft)),
        None => outgoing::noted_in(draft.clone(), next.run(request)).await,
    };

    match trail.append_all(finish(&trail, &draft, response.status())).await {
        Ok(()) => response,
        // The answer is held back.
        Err(NotRecorded) => Refusal::not_recorded().answer(&path, id, None),
    }
}

fn begin(trail: &AuditTrail, request: &Request) -> AuditEvent {
    let id = trail.ids.ordered();
    let mut event = AuditEvent::incoming(id, trail.clock.now(), &trail.recorder, trail.transport);
    let route = request.extensions().get::<MatchedPath>().map_or("(no route)", |m| m.as_str());
    event.request = format!("{} {route}", request.method());
    event.peer =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.to_string());
    event.request_id = request.extensions().get::<RequestId>().map(|id| id.0.to_string());
    let length = request.headers().get(header::CONTENT_LENGTH);
    event.request_bytes = length.and_then(|v| v.to_str().ok()?.parse().ok());
    let purpose = request.headers().get(PURPOSE).and_then(|v| v.to_str().ok());
    event.purpose = purpose.map(str::to_owned);
    event
}

/// The records as they are to be stored: one for each subject, unless a write has stored it already,
/// and one for each message that was sent.
fn finish(trail: &AuditTrail, draft: &AuditDraft, status: StatusCode) -> Vec<AuditEvent> {
    let now = trail.clock.now();
    let sent = draft.sent_records(trail.ids.as_ref(), now);
    let draft = draft.lock();
    if draft.recorded {
        return sent;
    }
    let mut event = draft.event.clone();
    event.status = status.as_u16();
    event.outcome = draft.outcome.unwrap_or_else(|| AuditOutcome::of_status(event.status));
    event.recorded_at = now;
    event.duration_ms = draft.started.elapsed().as_millis() as u64;
    let of = |number: &NhsNumber| AuditEvent {
        id: trail.ids.ordered(),
        subject: Some(*number),
        ..event.clone()
    };
    let others: Vec<AuditEvent> = draft.others.iter().map(of).collect();
    std::iter::once(event).chain(others).chain(sent).collect()
}

/// The header by which a client says what the record is opened for.
pub const PURPOSE: HeaderName = HeaderName::from_static("x-purpose-of-use");
