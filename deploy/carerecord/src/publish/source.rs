use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;
use carerecord_codec::mtom::ByteStream;
use carerecord_model::Dtm;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// The bytes to publish: in memory when they are few, else where they lie.
pub struct Source {
    /// The first bytes, or all of them.
    head: Bytes,
    size: u64,
    sha256: [u8; 32],
    /// When the file was last changed.
    modified: Option<Dtm>,
    /// Where the bytes are, when `head` does not hold all.
    path: Option<PathBuf>,
}

impl Source {
    /// Looks at a file: its hash, its size, its beginning.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn open(path: &Path) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("cannot be read: {e}");
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        let modified = file.metadata().await.and_then(|m| m.modified()).ok();
        let (mut head, mut hash, mut size) = (Vec::new(), Context::new(&SHA256), 0u64);
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = file.read(&mut buffer).await.map_err(failed)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            size += n as u64;
            if head.len() < IN_MEMORY {
                head.extend_from_slice(&buffer[..n.min(IN_MEMORY - head.len())]);
            }
        }
        let whole = head.len() as u64 == size;
        if !whole {
            // Not in the middle of a character.
            let end = head.utf8_chunks().last().map_or(0, |last| last.invalid().len());
            head.truncate(head.len() - end.min(3));
        }
        Ok(Self {
            head: head.into(),
            size,
            sha256: array(hash.finish().as_ref()),
            modified: modified.and_then(|m| Timestamp::try_from(m).ok()).map(Dtm::from_timestamp),
            path: (!whole).then(|| path.to_owned()),
        })
    }

    /// Bytes that are here already.
    pub fn of(bytes: Bytes) -> Self {
        let sha256 = array(digest(&SHA256, &bytes).as_ref());
        let size = bytes.len() as u64;
        Self { head: bytes, size, sha256, modified: None, path: None }
    }

    /// The first bytes.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The first byte that is neither white space nor a byte order mark.
    pub fn first_character(&self) -> Option<u8> {
        let text = self.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.head);
        text.iter().copied().find(|b| !b.is_ascii_whitespace())
    }

    /// Whether the first bytes are all.
    pub fn is_whole(&self) -> bool {
        self.path.is_none()
    }

    /// How many bytes there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256 of all bytes.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// When the file was last changed.
    pub fn modified(&self) -> Option<&Dtm> {
        self.modified.as_ref()
    }

    /// All bytes, as they are read.
    ///
    /// # Errors
    /// When the file cannot be opened any more.
    pub async fn body(&self) -> Result<ByteStream<std::io::Error>, String> {
        let Some(path) = &self.path else {
            return Ok(Box::pin(stream::once(std::future::ready(Ok(self.head.clone())))));
        };
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|e| format!("cannot be read: {e}"))?;
        // A file that grows meanwhile is cut where it ended, so that the length told is kept.
        let bytes = ReaderStream::with_capacity(file.take(self.size), BUFFER);
        Ok(bytes.boxed())
    }
}

fn array(hash: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(hash);
    array
}

/// Longer files are not held. Documents with a header are far shorter.
const IN_MEMORY: usize = 16 << 20;
const BUFFER: usize = 256 << 10;
