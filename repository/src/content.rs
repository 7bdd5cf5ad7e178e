//! Bytes on their way out, checked against hash and size. Small documents are checked before the
//! first byte leaves; of larger ones the connection is cut when they turn out to be wrong.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use carerecord_model::{DocumentBody, PortError};
use futures_util::{Stream, StreamExt, stream};

use crate::objects::{ObjectError, StoredObject, hex};

/// The whole document, checked.
pub(crate) async fn checked<S>(bytes: S, object: &StoredObject) -> Result<DocumentBody, ObjectError>
where
    S: Stream<Item = Result<Bytes, object_store::Error>> + Send + 'static,
{
    let mut bytes = Box::pin(bytes);
    if object.size <= CHECK_FIRST {
        let mut all = BytesMut::with_capacity(object.size as usize);
        while let Some(chunk) = bytes.next().await {
            all.extend_from_slice(&chunk?);
        }
        let mut check = Check::new(object);
        check.add(&all);
        if !check.fits() {
            return Err(ObjectError::Open(std::io::Error::other(CORRUPT)));
        }
        return Ok(Box::pin(stream::once(std::future::ready(Ok(all.freeze())))));
    }
    let state = (bytes, Check::new(object), false);
    Ok(Box::pin(stream::unfold(state, |(mut bytes, mut check, ended)| async move {
        if ended {
            return None;
        }
        match bytes.next().await {
            Some(Ok(chunk)) => {
                check.add(&chunk);
                Some((Ok(chunk), (bytes, check, false)))
            }
            Some(Err(error)) => {
                let error = PortError::Unavailable(error.to_string());
                Some((Err(error), (bytes, check, true)))
            }
            None if check.fits() => None,
            None => {
                tracing::error!("a stored document does not match its hash");
                let error = PortError::Protocol(CORRUPT.to_owned());
                Some((Err(error), (bytes, check, true)))
            }
        }
    })))
}

/// A part of a document: there is nothing to check it against.
pub(crate) fn unchecked<S>(bytes: S) -> DocumentBody
where
    S: Stream<Item = Result<Bytes, object_store::Error>> + Send + 'static,
{
    Box::pin(bytes.map(|chunk| chunk.map_err(|e| PortError::Unavailable(e.to_string()))))
}

struct Check {
    sha256: Context,
    size: u64,
    expected: StoredObject,
}

impl Check {
    fn new(object: &StoredObject) -> Self {
        Self { sha256: Context::new(&SHA256), size: 0, expected: object.clone() }
    }

    fn add(&mut self, chunk: &[u8]) {
        self.sha256.update(chunk);
        self.size += chunk.len() as u64;
    }

    fn fits(&self) -> bool {
        self.size == self.expected.size
            && hex(self.sha256.clone().finish().as_ref()) == self.expected.sha256
    }
}

const CHECK_FIRST: u64 = 256 << 10;
const CORRUPT: &str = "the stored bytes do not match the hash";
