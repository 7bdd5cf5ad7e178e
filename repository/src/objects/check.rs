//! Bytes on their way out of the store, against those that were stored.

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::{ObjectBytes, ObjectError, StoredObject, hex};
use crate::integrity::Fault;

/// Size and hash of bytes so far, against those that were stored.
pub(crate) struct Check {
    sha256: Context,
    size: u64,
    expected: StoredObject,
}

impl Check {
    pub(crate) fn new(object: &StoredObject) -> Self {
        Self { sha256: Context::new(&SHA256), size: 0, expected: object.clone() }
    }

    pub(crate) fn add(&mut self, chunk: &[u8]) -> Result<(), ObjectError> {
        self.sha256.update(chunk);
        self.size += chunk.len() as u64;
        if self.size > self.expected.size { Err(Fault::Differs.into()) } else { Ok(()) }
    }

    pub(crate) fn end(&self) -> Result<(), ObjectError> {
        let fits = self.size == self.expected.size
            && hex(self.sha256.clone().finish().as_ref()) == self.expected.sha256;
        if fits { Ok(()) } else { Err(Fault::Differs.into()) }
    }
}

/// Passes bytes on, all but the last piece, which waits until the whole has been checked: of what is
/// wrong nobody has all.
pub(crate) fn checked(bytes: ObjectBytes, object: &StoredObject) -> ObjectBytes {
    let state = (bytes, Check::new(object), None::<Bytes>);
    let passed = stream::unfold(Some(state), |state| async {
        let (mut bytes, mut check, mut held) = state?;
        while let Some(piece) = bytes.next().await {
            let added = piece.and_then(|piece| check.add(&piece).map(|()| piece));
            match added {
                Ok(piece) => {
                    if let Some(before) = held.replace(piece) {
                        return Some((Ok(before), Some((bytes, check, held))));
                    }
                }
                Err(error) => return Some((Err(error), None)),
            }
        }
        match check.end() {
            Ok(()) => held.map(|last| (Ok(last), None)),
            Err(error) => Some((Err(error), None)),
        }
    });
    Box::pin(passed.fuse())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(bytes: &[u8]) -> StoredObject {
        let digest = aws_lc_rs::digest::digest(&SHA256, bytes);
        StoredObject {
            key: "k".to_owned(),
            size: bytes.len() as u64,
            sha1: String::new(),
            sha256: hex(digest.as_ref()),
            wrapped: None,
        }
    }

    async fn given(chunks: &[&'static [u8]]) -> (usize, Option<Fault>) {
        let chunks: Vec<_> = chunks.iter().map(|c| Ok(Bytes::from_static(c))).collect();
        let all = checked(Box::pin(stream::iter(chunks)), &stored(b"0123456789"));
        let all: Vec<Result<Bytes, ObjectError>> = all.collect().await;
        let bytes = all.iter().flatten().map(Bytes::len).sum();
        (bytes, all.iter().find_map(|r| r.as_ref().err()?.fault()))
    }

    #[tokio::test]
    async fn of_what_is_wrong_nobody_has_all() {
        assert_eq!(given(&[b"01234", b"56789"]).await, (10, None));
        for (wrong, leaves) in [
            (&[b"01234" as &[u8], b"56780"] as &[&[u8]], 5),
            (&[b"01234"], 0),
            (&[b"0123456780"], 0),
            (&[b"01234", b"56789", b"x"], 5),
        ] {
            assert_eq!(given(wrong).await, (leaves, Some(Fault::Differs)), "{wrong:?}");
        }
    }
}
