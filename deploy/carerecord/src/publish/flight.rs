//! One submission on its way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use carerecord_codec::RegistryResponse;
use carerecord_codec::mtom::{Attachment, ByteStream};
use carerecord_model::{ErrorCode, RegistryErrors, Severity, Submission, TransactionError};
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

use super::courier::{Attempt, Courier};
use super::{Pace, Source, reasons, window::Place};
use crate::peer::{Sent, provide_and_register};

/// The limits of all that is sent.
pub struct Pacing {
    pub documents: Pace,
    pub bytes: Pace,
    /// How many bytes of documents have been sent.
    pub sent: AtomicU64,
}

/// The signs of life of one submission.
struct Flight {
    /// When it last went on.
    moved: Mutex<Instant>,
    /// Why its file could not be read.
    fault: OnceLock<String>,
}

/// Sends a submission once, when its turn has come.
pub(super) async fn send(
    courier: &Courier,
    place: Place<'_>,
    submission: &Submission,
    source: &Source,
) -> Attempt<Result<RegistryErrors, TransactionError>> {
    let body = match source.body().await {
        Ok(body) => body,
        Err(reason) => return Attempt::Never(reason),
    };
    sleep_until(courier.pacing.documents.take(1)).await;
    let flight = Arc::new(Flight { moved: Mutex::new(Instant::now()), fault: OnceLock::new() });
    let body = paced(body, courier.pacing.clone(), flight.clone());
    let exchange = exchange(&courier.http, &courier.node, submission, source, body);
    let sent = tokio::select! {
        sent = exchange => sent,
        () = flight.silent(courier.silence) => {
            place.busy(None);
            let seconds = courier.silence.as_secs();
            return Attempt::Again(format!("the node was silent for {seconds} s"), None);
        }
    };
    match flight.fault.get() {
        Some(fault) => Attempt::Never(fault.clone()),
        None => judge(sent, place),
    }
}

/// One exchange with a node.
pub(super) async fn exchange(
    http: &reqwest::Client,
    node: &str,
    submission: &Submission,
    source: &Source,
    body: ByteStream<std::io::Error>,
) -> Sent {
    let entry = submission.document_entries.first();
    let attachment = Attachment {
        content_id: "document@carerecord".to_owned(),
        content_type: entry.map(|e| e.mime_type.to_string()).unwrap_or_default(),
        size: Some(source.size()),
        body,
    };
    let id = entry.map(|e| e.entry_uuid.to_string()).unwrap_or_default();
    provide_and_register(http, node, submission, vec![(id, attachment)]).await
}

fn judge(sent: Sent, place: Place<'_>) -> Attempt<Result<RegistryErrors, TransactionError>> {
    let error = match sent.answer.map(RegistryResponse::into_result) {
        Ok(Err(error)) if is_overload(&error) => {
            place.busy(sent.retry_after);
            return Attempt::Again(reasons(&error), sent.retry_after);
        }
        Ok(answer) => {
            place.answered();
            return Attempt::Done(answer);
        }
        Err(error) => error,
    };
    let reason = format!("the node could not be asked: {error}");
    match sent.status {
        // 408 Request Timeout, 425 Too Early, 429 Too Many Requests.
        Some(status @ 400..=499) if ![408, 425, 429].contains(&status) => {
            Attempt::Never(format!("{reason} (HTTP {status})"))
        }
        Some(_) | None => {
            place.busy(sent.retry_after);
            Attempt::Again(reason, sent.retry_after)
        }
    }
}

/// Whether the same may be taken at another time.
fn is_overload(error: &TransactionError) -> bool {
    error.0.iter().any(|e| e.severity == Severity::Error && OVERLOAD.contains(&e.code))
}

impl Flight {
    async fn silent(&self, most: Duration) {
        loop {
            let until = *self.moved.lock().unwrap_or_else(PoisonError::into_inner) + most;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    fn moved(&self, at: Instant) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

/// The same bytes, no faster than they may be.
fn paced(
    body: ByteStream<std::io::Error>,
    pacing: Arc<Pacing>,
    flight: Arc<Flight>,
) -> ByteStream<std::io::Error> {
    let pieces = body.flat_map(|chunk| {
        let (chunk, fault) = match chunk {
            Ok(chunk) => (chunk, None),
            Err(error) => (Bytes::new(), Some(Err(error))),
        };
        let starts = (0..chunk.len()).step_by(PIECE);
        let piece = move |at: usize| Ok(chunk.slice(at..chunk.len().min(at + PIECE)));
        stream::iter(starts.map(piece).chain(fault))
    });
    let paced = pieces.then(move |piece| {
        let (pacing, flight) = (pacing.clone(), flight.clone());
        async move {
            let piece: Bytes = piece.inspect_err(|error| {
                flight.fault.get_or_init(|| format!("cannot be read: {error}"));
            })?;
            let turn = pacing.bytes.take(piece.len() as u64);
            flight.moved(turn.max(Instant::now()));
            sleep_until(turn).await;
            pacing.sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
            Ok(piece)
        }
    });
    Box::pin(paced)
}

/// Small enough that a limit of bytes is kept evenly.
const PIECE: usize = 64 << 10;

const OVERLOAD: [ErrorCode; 5] = [
    ErrorCode::XDSRepositoryBusy,
    ErrorCode::XDSRegistryBusy,
    ErrorCode::XDSRegistryNotAvailable,
    ErrorCode::XDSRepositoryOutOfResources,
    ErrorCode::XDSRegistryOutOfResources,
];
