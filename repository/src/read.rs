//! Bytes of an object in pieces. Of a local file a long piece is read at once, and the next one while
//! the last is hashed and sent: each look at a file waits for a thread.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use carerecord_model::ByteRange;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::task::JoinHandle;

/// A file that is being read.
struct Opened {
    file: File,
    left: u64,
}

type Reading = JoinHandle<std::io::Result<(Bytes, Opened)>>;

/// The bytes of a file, or a range of them; the first piece is there when this returns.
///
/// # Errors
/// `NotFound` when there is no such file.
pub(crate) async fn local(
    path: PathBuf,
    range: Option<ByteRange>,
) -> Result<BoxStream<'static, Result<Bytes, object_store::Error>>, object_store::Error> {
    let name = path.clone();
    let opening: Reading = tokio::task::spawn_blocking(move || {
        let mut file = File::open(path)?;
        let left = match range {
            Some(range) => {
                file.seek(SeekFrom::Start(range.start))?;
                range.end + 1 - range.start
            }
            None => file.metadata()?.len(),
        };
        piece(Opened { file, left })
    });
    let (first, opened) = wait(opening).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            let path = name.display().to_string();
            return object_store::Error::NotFound { path, source: Box::new(error) };
        }
        failed(error)
    })?;
    let rest = stream::unfold(next(opened), |reading| async move {
        match wait(reading?).await {
            Ok((piece, opened)) => Some((Ok(piece), next(opened))),
            Err(error) => Some((Err(failed(error)), None)),
        }
    });
    Ok(stream::iter([Ok(first)]).chain(rest).boxed())
}

fn next(opened: Opened) -> Option<Reading> {
    (opened.left > 0).then(|| tokio::task::spawn_blocking(move || piece(opened)))
}

/// Reads a piece. A file that has become shorter ends there: whoever checks the bytes sees it.
fn piece(mut opened: Opened) -> std::io::Result<(Bytes, Opened)> {
    let length = opened.left.min(PIECE);
    let mut piece = Vec::with_capacity(length as usize);
    (&mut opened.file).take(length).read_to_end(&mut piece)?;
    opened.left = if piece.len() as u64 == length { opened.left - length } else { 0 };
    Ok((Bytes::from(piece), opened))
}

async fn wait(reading: Reading) -> std::io::Result<(Bytes, Opened)> {
    reading.await.map_err(std::io::Error::other)?
}

fn failed(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) }
}

/// As long as what is checked before its first byte leaves.
const PIECE: u64 = 256 << 10;
