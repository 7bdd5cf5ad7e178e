//! The form of an encrypted object: the document in pieces of 64 KiB, each encrypted by AES-256-GCM
//! with the object's own key. The nonce is the number of the piece and whether it is the last
//! (STREAM), so that no piece can be changed, left out, moved or added unseen, and a range is read
//! out of the pieces that hold it.

use std::ops::Range;

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use bytes::{Bytes, BytesMut};
use carerecord_model::ByteRange;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt as _};

use crate::DataKey;

/// Bytes on their way, encrypted or not.
pub type ByteStream<E> = BoxStream<'static, Result<Bytes, E>>;

/// Why an object was not encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The bytes are not those that were encrypted by this key, or not all of them.
    #[error("the bytes are not those that were stored")]
    Differs,
    /// It is longer than so many bytes.
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    /// The cipher failed.
    #[error("encryption failed")]
    Failed,
}

impl From<SealingError> for std::io::Error {
    fn from(error: SealingError) -> Self {
        let kind = match error {
            SealingError::Differs => std::io::ErrorKind::InvalidData,
            SealingError::TooLong(_) => std::io::ErrorKind::FileTooLarge,
            SealingError::Failed => std::io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Encrypts a document on its way in.
pub struct Sealer {
    key: LessSafeKey,
    number: u64,
    piece: Vec<u8>,
}

impl Sealer {
    /// With the key of the object, which encrypts nothing else.
    pub fn new(key: &DataKey) -> Self {
        Self { key: key.cipher(), number: 0, piece: Vec::new() }
    }

    /// Takes as much as makes a piece whole; returns how much, and the piece when more follows it.
    ///
    /// # Errors
    /// When the object is too long, or the cipher fails.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(usize, Option<Vec<u8>>), SealingError> {
        let done = match self.piece.len() == PIECE {
            true if !bytes.is_empty() => Some(self.seal(false)?),
            _ => None,
        };
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        Ok((taken, done))
    }

    /// The last piece, which can be empty.
    ///
    /// # Errors
    /// When the object is too long, or the cipher fails.
    pub fn finish(&mut self) -> Result<Vec<u8>, SealingError> {
        self.seal(true)
    }

    fn seal(&mut self, last: bool) -> Result<Vec<u8>, SealingError> {
        let mut piece = std::mem::take(&mut self.piece);
        let nonce = nonce(self.number, last)?;
        let sealed = self.key.seal_in_place_append_tag(nonce, Aad::from(FORM), &mut piece);
        sealed.map_err(|_| SealingError::Failed)?;
        self.number += 1;
        Ok(piece)
    }
}

/// Where in the object the pieces are that hold a range of a document of this size.
pub fn sealed_range(range: ByteRange, size: u64) -> ByteRange {
    let pieces = pieces(range);
    let end = (pieces.end * SEALED).min(sealed_size(size));
    ByteRange { start: pieces.start * SEALED, end: end - 1 }
}

/// The document out of an object's bytes, which begin where the range's first piece does.
pub fn opened<E>(
    bytes: ByteStream<E>,
    key: &DataKey,
    size: u64,
    range: Option<ByteRange>,
) -> ByteStream<E>
where
    E: From<SealingError> + Send + 'static,
{
    let last = last_piece(size);
    let pieces = range.map_or(0..last + 1, pieces);
    let state =
        Opener { bytes, key: key.cipher(), buffer: BytesMut::new(), size, last, pieces, range };
    let pieces = stream::unfold(Some(state), |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(Some(piece)) => Some((Ok(piece), Some(state))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Box::pin(pieces.fuse())
}

struct Opener<E> {
    bytes: ByteStream<E>,
    key: LessSafeKey,
    buffer: BytesMut,
    size: u64,
    last: u64,
    pieces: Range<u64>,
    range: Option<ByteRange>,
}

impl<E: From<SealingError>> Opener<E> {
    async fn next(&mut self) -> Result<Option<Bytes>, E> {
        let Some(number) = self.pieces.next() else { return self.end().await };
        let is_last = number == self.last;
        let plain = if is_last { self.size - number * PIECE as u64 } else { PIECE as u64 } as usize;
        while self.buffer.len() < plain + TAG {
            let more = self.bytes.try_next().await?.ok_or(SealingError::Differs)?;
            self.buffer.extend_from_slice(&more);
        }
        let mut piece = self.buffer.split_to(plain + TAG);
        let opened = self.key.open_in_place(nonce(number, is_last)?, Aad::from(FORM), &mut piece);
        opened.map_err(|_| SealingError::Differs)?;
        piece.truncate(plain);
        let piece = piece.freeze();
        let Some(range) = self.range else { return Ok(Some(piece)) };
        let at = number * PIECE as u64;
        // Both are within the piece: it holds a part of the range.
        let from = range.start.saturating_sub(at) as usize;
        let to = (range.end + 1 - at).min(plain as u64) as usize;
        Ok(Some(piece.slice(from..to)))
    }

    /// Nothing may follow.
    async fn end(&mut self) -> Result<Option<Bytes>, E> {
        while let Some(more) = self.bytes.try_next().await? {
            self.buffer.extend_from_slice(&more);
            if !self.buffer.is_empty() {
                break;
            }
        }
        if self.buffer.is_empty() { Ok(None) } else { Err(SealingError::Differs.into()) }
    }
}

/// The numbers of the pieces that hold a range.
fn pieces(range: ByteRange) -> Range<u64> {
    let piece = PIECE as u64;
    range.start / piece..range.end / piece + 1
}

fn last_piece(size: u64) -> u64 {
    size.saturating_sub(1) / PIECE as u64
}

/// How long an object is with a document of this size.
pub fn sealed_size(size: u64) -> u64 {
    size + (last_piece(size) + 1) * TAG as u64
}

/// The size of the document in an object that is so long; `None` when no document makes it so.
pub fn plain_size(sealed: u64) -> Option<u64> {
    let size = sealed.checked_sub(sealed.div_ceil(SEALED) * TAG as u64)?;
    (sealed_size(size) == sealed).then_some(size)
}

fn nonce(number: u64, last: bool) -> Result<Nonce, SealingError> {
    let number = u32::try_from(number).map_err(|_| SealingError::TooLong(MOST))?;
    let mut nonce = [0; NONCE_LEN];
    nonce[7..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = last.into();
    Ok(Nonce::assume_unique_for_key(nonce))
}

const PIECE: usize = 64 << 10;
const TAG: usize = 16;
const SEALED: u64 = (PIECE + TAG) as u64;
/// Bytes that the numbers of pieces suffice for.
const MOST: u64 = (PIECE as u64) << 32;
/// The name of this form.
const FORM: &[u8] = b"carerecord object 1";

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &DataKey, document: &[u8]) -> Vec<u8> {
        let (mut sealer, mut out) = (Sealer::new(key), Vec::new());
        for mut chunk in document.chunks(50_000) {
            while !chunk.is_empty() {
                let (taken, piece) = sealer.add(chunk).unwrap();
                chunk = &chunk[taken..];
                out.extend(piece.unwrap_or_default());
            }
        }
        out.extend(sealer.finish().unwrap());
        assert_eq!(out.len() as u64, sealed_size(document.len() as u64));
        out
    }

    async fn open(
        key: &DataKey,
        object: &[u8],
        size: usize,
        range: Option<ByteRange>,
    ) -> Result<Vec<u8>, SealingError> {
        let chunks: Vec<_> = object.chunks(9_999).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let pieces: Vec<Bytes> =
            opened(Box::pin(stream::iter(chunks)), key, size as u64, range).try_collect().await?;
        Ok(pieces.concat())
    }

    fn document(size: usize) -> Vec<u8> {
        (0..size).map(|n| (n % 251) as u8).collect()
    }

    #[tokio::test]
    async fn what_is_sealed_is_opened() {
        let key = DataKey::random().unwrap();
        for size in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5] {
            let document = document(size);

            let object = sealed(&key, &document);

            assert_eq!(open(&key, &object, size, None).await.unwrap(), document, "{size}");
            assert_eq!(plain_size(object.len() as u64), Some(size as u64));
        }
        // Nothing has no piece, and a piece is more than its tag but for the only one.
        for no_document in [0, TAG as u64 - 1, SEALED + 1, SEALED + TAG as u64] {
            assert_eq!(plain_size(no_document), None, "{no_document}");
        }
    }

    #[tokio::test]
    async fn ranges_are_read_out_of_their_pieces() {
        let key = DataKey::random().unwrap();
        let document = document(2 * PIECE + 100);
        let object = sealed(&key, &document);
        let (first, last) = (PIECE as u64 - 1, document.len() as u64 - 1);
        for (start, end) in [(0, 0), (first, first + 1), (0, last), (last, last), (5, 2 * first)] {
            let range = ByteRange { start, end };

            let place = sealed_range(range, document.len() as u64);

            let bytes = &object[place.start as usize..=place.end as usize];
            let opened = open(&key, bytes, document.len(), Some(range)).await.unwrap();
            assert_eq!(opened, document[start as usize..=end as usize], "{start}-{end}");
        }
    }

    #[tokio::test]
    async fn whatever_is_changed_shows() {
        let key = DataKey::random().unwrap();
        let document = document(2 * PIECE);
        let size = document.len();
        let object = sealed(&key, &document);
        let piece = PIECE + TAG;
        let flipped = |at: usize| {
            let mut object = object.clone();
            object[at] ^= 1;
            object
        };
        let swapped = [&object[piece..], &object[..piece]].concat();
        for wrong in [
            flipped(0),
            flipped(piece - 1),
            flipped(object.len() - 1),
            object[..piece].to_vec(),
            object[..object.len() - 1].to_vec(),
            [&object[..], b"x"].concat(),
            swapped,
        ] {
            let error = open(&key, &wrong, size, None).await.unwrap_err();
            assert!(matches!(error, SealingError::Differs), "{error}");
        }
        // A first piece that was made the last.
        assert!(open(&key, &object[..piece], PIECE, None).await.is_err());
        assert!(open(&DataKey::random().unwrap(), &object, size, None).await.is_err());
    }
}
