//! Local files, in pieces. A long piece is read at once, and the next one is read and hashed while the
//! last is sent: each look at a file waits for a thread.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
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
        piece(Opened { file, left, check }, BytesMut::new())
    });
    let (first, opened) = wait(opening).await?;
    let mut lent = Lent::default();
    let reading = lent.next(&first, opened);
    let rest = stream::unfold((reading, lent), |(reading, mut lent)| async move {
        match wait(reading?).await {
            Ok((piece, opened)) => {
                let reading = lent.next(&piece, opened);
                Some((Ok(piece), (reading, lent)))
            }
            Err(error) => Some((Err(error), (None, lent))),
        }
    });
    Ok(Box::pin(stream::iter([Ok(first)]).chain(rest).fuse()))
}

/// Pieces that are on their way. Their room is used again when they have left: fresh room for each
/// would be freed on other threads than it was made on, and stay with them, many megabytes for a
/// long document.
#[derive(Default)]
struct Lent(VecDeque<Bytes>);

impl Lent {
    /// Begins to read the piece after this one.
    fn next(&mut self, piece: &Bytes, opened: Opened) -> Option<Reading> {
        if opened.left == 0 {
            return None;
        }
        self.0.push_back(piece.clone());
        let back = self.0.front().is_some_and(Bytes::is_unique) || self.0.len() > MOST_LENT;
        let room = back.then(|| self.0.pop_front()).flatten();
        let room = room.and_then(|piece| piece.try_into_mut().ok()).unwrap_or_default();
        Some(tokio::task::spawn_blocking(move || self::piece(opened, room)))
    }
}

/// Reads a piece. A file that has become shorter ends there.
fn piece(mut opened: Opened, mut room: BytesMut) -> Result<(Bytes, Opened), ObjectError> {
    let length = opened.left.min(PIECE) as usize;
    room.resize(length, 0);
    let mut filled = 0;
    while filled < length {
        match opened.file.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    room.truncate(filled);
    let piece = room.freeze();
    opened.left = if filled == length { opened.left - length as u64 } else { 0 };
    if let Some(check) = &mut opened.check {
        check.add(&piece)?;
        if opened.left == 0 {
            check.end()?;
        }
    }
    Ok((piece, opened))
}

async fn wait(reading: Reading) -> Result<(Bytes, Opened), ObjectError> {
    reading.await.map_err(std::io::Error::other)?
}

const PIECE: u64 = 256 << 10;
/// Pieces that whoever sends them may hold before room is made for more.
const MOST_LENT: usize = 4;
