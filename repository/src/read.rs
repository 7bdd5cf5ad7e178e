//! Bytes of an object in pieces. Of a local file a long piece is read at once, and the next one while
//! the last is hashed and sent: in pieces of a few kilobytes each would wait for a thread.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::{GetResult, GetResultPayload};
use tokio::task::JoinHandle;

/// The bytes that were asked for.
pub(crate) fn pieces(found: GetResult) -> BoxStream<'static, Result<Bytes, object_store::Error>> {
    let range = found.range.clone();
    match found.payload {
        GetResultPayload::File(file, _) => from_file(file, range.start, range.end),
        GetResultPayload::Stream(bytes) => bytes,
    }
}

fn from_file(
    file: File,
    start: u64,
    end: u64,
) -> BoxStream<'static, Result<Bytes, object_store::Error>> {
    let first = read(file, Some(start), end - start);
    stream::unfold(Some(first), |reading| async move {
        match reading?.await {
            Ok(Ok((piece, _, _))) if piece.is_empty() => None,
            Ok(Ok((piece, file, left))) => {
                let next = (left > 0).then(|| read(file, None, left));
                Some((Ok(piece), next))
            }
            Ok(Err(error)) => Some((Err(failed(error)), None)),
            Err(error) => Some((Err(failed(std::io::Error::other(error))), None)),
        }
    })
    .boxed()
}

type Reading = JoinHandle<std::io::Result<(Bytes, File, u64)>>;

/// Reads a piece; gives back the file and how many bytes are left. A file that has become shorter
/// ends there: whoever checks the bytes sees it.
fn read(mut file: File, from: Option<u64>, left: u64) -> Reading {
    tokio::task::spawn_blocking(move || {
        if let Some(from) = from.filter(|from| *from > 0) {
            file.seek(SeekFrom::Start(from))?;
        }
        let length = left.min(PIECE);
        let mut piece = Vec::with_capacity(length as usize);
        (&mut file).take(length).read_to_end(&mut piece)?;
        let left = if piece.len() as u64 == length { left - length } else { 0 };
        Ok((Bytes::from(piece), file, left))
    })
}

fn failed(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "LocalFileSystem", source: Box::new(error) }
}

/// As long as what is checked before its first byte leaves.
const PIECE: u64 = 256 << 10;
