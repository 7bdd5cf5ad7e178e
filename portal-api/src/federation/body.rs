use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use bytes::Bytes;
use carerecord_model::{DocumentBody, DocumentEntry, PortError, RetrievedDocument};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::Failure;

/// What the registry says that a document's bytes are.
#[derive(Clone)]
pub(crate) struct Expected {
    pub(super) size: Option<u64>,
    /// SHA-1 in hex.
    pub(super) hash: Option<String>,
}

impl From<&DocumentEntry> for Expected {
    fn from(entry: &DocumentEntry) -> Self {
        Self { size: entry.size, hash: entry.hash.clone() }
    }
}

/// Waits until the document has begun to come, and gives it with its bytes checked.
///
/// A short one is looked at whole before a byte of it goes out, so that a node that gives another
/// document is refused in words, or its other endpoint asked. Of a longer one the last bytes are
/// held back until all have been seen: one that is not the registered document breaks off.
///
/// # Errors
/// When nothing comes, or not the document.
pub(crate) async fn begun(
    mut document: RetrievedDocument,
    expected: Expected,
) -> Result<RetrievedDocument, Failure> {
    let mut body = document.body;
    let first = body.next().await.transpose().map_err(Failure::from)?;
    let whole: DocumentBody = Box::pin(stream::iter(first.map(Ok)).chain(body));
    if document.range.is_some() {
        document.body = whole;
        return Ok(document);
    }
    let mut checked = Box::pin(checked(whole, expected));
    let (mut lead, mut length) = (Vec::new(), 0);
    // One that drips has begun, too.
    let until = Instant::now() + LEAD_TIME;
    while length < LEAD_BYTES {
        match timeout_at(until, checked.next()).await {
            Ok(Some(Ok(chunk))) => {
                length += chunk.len();
                lead.push(Ok(chunk));
            }
            Ok(Some(Err(failure))) => return Err(failure),
            Ok(None) | Err(_) => break,
        }
    }
    // A stream that has ended goes on being at its end.
    let rest = checked.map(|chunk| chunk.map_err(|failure| failure.error));
    document.body = Box::pin(stream::iter(lead).chain(rest));
    Ok(document)
}

/// Passes bytes on, the last ones only when all together are the document.
fn checked(
    body: DocumentBody,
    expected: Expected,
) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
    let state = Checking {
        body,
        expected,
        sha1: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
        length: 0,
        held: None,
        ended: false,
    };
    let checked = stream::unfold(state, |mut state| async move {
        let next = state.next().await?;
        state.ended |= next.is_err();
        Some((next, state))
    });
    checked.fuse()
}

struct Checking {
    body: DocumentBody,
    expected: Expected,
    sha1: Context,
    length: u64,
    held: Option<Bytes>,
    ended: bool,
}

impl Checking {
    async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        while !self.ended {
            match self.body.next().await {
                Some(Ok(chunk)) => {
                    self.length += chunk.len() as u64;
                    if self.expected.size.is_some_and(|size| self.length > size) {
                        return Some(Err(other("longer than the registered one")));
                    }
                    self.sha1.update(&chunk);
                    if let Some(before) = self.held.replace(chunk) {
                        return Some(Ok(before));
                    }
                }
                Some(Err(error)) => return Some(Err(error.into())),
                None => {
                    self.ended = true;
                    return match self.verdict() {
                        Ok(()) => self.held.take().map(Ok),
                        Err(failure) => Some(Err(failure)),
                    };
                }
            }
        }
        None
    }

    fn verdict(&self) -> Result<(), Failure> {
        if self.expected.size.is_some_and(|size| self.length != size) {
            return Err(other("shorter than the registered one"));
        }
        let digest = self.sha1.clone().finish();
        let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        match &self.expected.hash {
            Some(hash) if !hash.eq_ignore_ascii_case(&hex) => {
                Err(other("not the registered one: its hash is another"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// What came is not the document; others of the same endpoint may be well.
fn other(how: &str) -> Failure {
    let error = PortError::Protocol(format!("the document is {how}"));
    tracing::error!("a node gave a document that is {how}");
    Failure { error, of_endpoint: false }
}

/// What is looked at before anything goes out, in bytes, and for how long after its first byte.
const LEAD_BYTES: usize = 128 << 10;
const LEAD_TIME: Duration = Duration::from_millis(200);
