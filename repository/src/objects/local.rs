//! Local files, in pieces. A long piece is read at once, and the next one is read and hashed while the
//! last is sent: each look at a file waits for a thread.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use carerecord_model::ByteRange;
use futures_util::{StreamExt as _, stream};
use tokio::task::JoinHandle;

use super::check::Check;
use super::{ObjectBytes, ObjectError};

/// A file that is being read.
struct Opened {
    file: File,
    left: u64,
    check: Option<Check>,
}

type Reading = JoinHandle<Result<(Bytes, Opened), ObjectError>>;

/// What to read of a file.
pub(super) enum Wanted {
    /// These bytes, unchecked.
    Range(ByteRange),
    /// All of it, checked: an error comes in place of the last piece.
    Whole(Check),
}

/// The bytes of a file; the first piece is there when this returns.
///
/// # Errors
/// `Fault::Missing` when there is no such file, `Fault::Differs` when its first piece is all of it and
/// is wrong.
pub(super) async fn read(path: PathBuf, wanted: Wanted) -> Result<ObjectBytes, ObjectError> {
    let opening: Reading = tokio::task::spawn_blocking(move || {
        let mut file = File::open(path)?;
        let (left, check) = match wanted {
            Wanted::Range(range) => {
                file.seek(SeekFrom::Start(range.start))?;
                (range.end + 1 - range.start, None)
            }
            Wanted::Whole(check) => (file.metadata()?.len(), Some(check)),
        };
        piece(Opened { file, left, check })
    });
    let (first, opened) = wait(opening).await?;
    let rest = stream::unfold(next(opened), |reading| async move {
        match wait(reading?).await {
            Ok((piece, opened)) => Some((Ok(piece), next(opened))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Box::pin(stream::iter([Ok(first)]).chain(rest).fuse()))
}

fn next(opened: Opened) -> Option<Reading> {
    (opened.left > 0).then(|| tokio::task::spawn_blocking(move || piece(opened)))
}

/// Reads a piece. A file that has become shorter ends there.
fn piece(mut opened: Opened) -> Result<(Bytes, Opened), ObjectError> {
    let length = opened.left.min(PIECE);
    let mut piece = Vec::with_capacity(length as usize);
    (&mut opened.file).take(length).read_to_end(&mut piece)?;
    opened.left = if piece.len() as u64 == length { opened.left - length } else { 0 };
    if let Some(check) = &mut opened.check {
        check.add(&piece)?;
        if opened.left == 0 {
            check.end()?;
        }
    }
    Ok((Bytes::from(piece), opened))
}

async fn wait(reading: Reading) -> Result<(Bytes, Opened), ObjectError> {
    reading.await.map_err(std::io::Error::other)?
}

const PIECE: u64 = 256 << 10;
