use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::Response;
use serde_json::Value;

use super::ApiError;

/// Reads an answer as JSON, up to 64 MiB: a list of many thousand documents.
pub(super) async fn json(response: Response) -> Result<Value, ApiError> {
    serde_json::from_slice(&whole(response).await?).map_err(|_| ApiError::Answer)
}

/// The bytes of such an answer.
pub(super) async fn whole(response: Response) -> Result<Vec<u8>, ApiError> {
    bounded(response, MAX_JSON_BYTES).await?.ok_or(ApiError::Answer)
}

/// Reads an answer whole; `None` if it is longer than that.
pub(crate) async fn bounded(
    mut response: Response,
    most_bytes: usize,
) -> Result<Option<Vec<u8>>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| ApiError::CouldNotAsk)? {
        if bytes.len() + chunk.len() > most_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// Reads the first bytes of an answer: at least `enough` if it has so many, and little more.
pub(crate) async fn beginning(mut response: Response, enough: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while bytes.len() < enough {
        let chunk = response.chunk().await.map_err(|_| ApiError::CouldNotAsk)?;
        let Some(chunk) = chunk else { break };
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The document does not have the hash it was registered with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("the document broke off")]
    Broken(#[from] reqwest::Error),
    #[error("the document is not what was registered")]
    Hash,
}

/// Passes the bytes on and, at their end, fails if they are not those that were registered: the
/// browser then knows that it does not have the document.
pub(crate) fn checked(
    response: Response,
    hash: Option<String>,
) -> impl Stream<Item = Result<Bytes, StreamError>> + Send {
    let start = (response.bytes_stream(), Some(sha1()), hash);
    futures_util::stream::unfold(start, async |(mut body, digest, hash)| {
        let mut digest = digest?;
        match body.next().await {
            Some(Ok(chunk)) => {
                digest.update(&chunk);
                Some((Ok(chunk), (body, Some(digest), hash)))
            }
            Some(Err(error)) => Some((Err(error.without_url().into()), (body, None, hash))),
            None => {
                let actual = STANDARD.encode(digest.finish());
                let differs = hash.as_ref().is_some_and(|hash| *hash != actual);
                differs.then_some((Err(StreamError::Hash), (body, None, hash)))
            }
        }
    })
}

/// The SHA-1 of bytes in the form FHIR gives it.
pub(crate) fn sha1_base64(bytes: &[u8]) -> String {
    let mut digest = sha1();
    digest.update(bytes);
    STANDARD.encode(digest.finish())
}

/// The hash that XDS registers. ITI TF-3: 4.2.3.2.10.
fn sha1() -> Context {
    Context::new(&SHA1_FOR_LEGACY_USE_ONLY)
}

const MAX_JSON_BYTES: usize = 64 << 20;
