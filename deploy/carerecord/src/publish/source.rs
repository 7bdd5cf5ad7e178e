use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use bytes::Bytes;
use carerecord_codec::mtom::ByteStream;
use carerecord_model::Dtm;
use futures_util::{TryStreamExt, stream};
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

/// The bytes to publish: in memory when they are few, else where they lie.
pub struct Source {
    /// The first bytes, or all of them.
    head: Bytes,
    size: u64,
    sha256: [u8; 32],
    /// When the file was last changed.
    modified: Option<Dtm>,
    /// The file that they come from.
    path: Option<PathBuf>,
}

impl Source {
    /// Looks at a file: its hash, its size, its beginning. Holds up its thread as it reads.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("cannot be read: {e}");
        let mut file = std::fs::File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let (mut head, mut hash, mut size) = (Vec::new(), Context::new(&SHA256), 0u64);
        let mut buffer = vec![0; BUFFER.min(metadata.len() as usize + 1)];
        loop {
            let n = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(failed(e)),
            };
            hash.update(&buffer[..n]);
            size += n as u64;
            if head.len() < IN_MEMORY {
                head.extend_from_slice(&buffer[..n.min(IN_MEMORY - head.len())]);
            }
        }
        if head.len() as u64 != size {
            // Not in the middle of a character.
            let end = head.utf8_chunks().last().map_or(0, |last| last.invalid().len());
            head.truncate(head.len() - end.min(3));
        }
        let modified = metadata.modified().ok().and_then(|m| Timestamp::try_from(m).ok());
        Ok(Self {
            head: head.into(),
            size,
            sha256: array(hash.finish().as_ref()),
            modified: modified.map(Dtm::from_timestamp),
            path: Some(path.to_owned()),
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
        self.head.len() as u64 == self.size
    }

    /// Lets go of bytes that can be read again: what waits to be sent takes little memory.
    pub fn release(&mut self) {
        if self.path.is_some() && self.head.len() > HELD {
            self.head = Bytes::copy_from_slice(&self.head[..HELD]);
        }
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

    /// All bytes, as they are read. A file whose bytes are not those any more that were looked at
    /// breaks off before its end, so that nobody takes it under an id made of others.
    ///
    /// # Errors
    /// When the file cannot be opened any more.
    pub async fn body(&self) -> Result<ByteStream<std::io::Error>, String> {
        let path = match &self.path {
            Some(path) if !self.is_whole() => path,
            Some(_) | None => {
                return Ok(Box::pin(stream::once(std::future::ready(Ok(self.head.clone())))));
            }
        };
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|e| format!("cannot be read: {e}"))?;
        let bytes = ReaderStream::with_capacity(file.take(self.size), BUFFER);
        let state = (bytes, Context::new(&SHA256), 0u64);
        let (size, sha256) = (self.size, self.sha256);
        let checked = stream::try_unfold(state, move |(mut bytes, mut hash, read)| async move {
            let Some(chunk) = bytes.try_next().await? else {
                return if read == size { Ok(None) } else { Err(changed()) };
            };
            hash.update(&chunk);
            let read = read + chunk.len() as u64;
            if read == size && hash.clone().finish().as_ref() != sha256 {
                return Err(changed());
            }
            Ok(Some((chunk, (bytes, hash, read))))
        });
        Ok(Box::pin(checked))
    }

    /// SHA-1 of all bytes, in hex, as a registry has it.
    ///
    /// # Errors
    /// When the file cannot be read any more, or has changed.
    pub async fn sha1(&self) -> Result<String, String> {
        let (mut bytes, mut hash) = (self.body().await?, Context::new(&SHA1_FOR_LEGACY_USE_ONLY));
        while let Some(chunk) =
            bytes.try_next().await.map_err(|e| format!("cannot be read: {e}"))?
        {
            hash.update(&chunk);
        }
        Ok(hash.finish().as_ref().iter().map(|b| format!("{b:02x}")).collect())
    }
}

fn changed() -> std::io::Error {
    std::io::Error::other("the file was changed while it was published")
}

fn array(hash: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(hash);
    array
}

/// Longer files are not held. Documents with a header are far shorter.
const IN_MEMORY: usize = 16 << 20;
/// What is kept of each document that waits; longer ones are read again as they are sent.
const HELD: usize = 256 << 10;
const BUFFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(source: &Source) -> Result<Vec<u8>, std::io::Error> {
        let chunks: Vec<Bytes> = source.body().await.unwrap().try_collect().await?;
        Ok(chunks.concat())
    }

    #[tokio::test]
    async fn what_is_let_go_of_is_read_again_and_a_changed_file_breaks_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("long.txt");
        let long = vec![b'x'; 3 * HELD + 1];
        std::fs::write(&file, &long).unwrap();
        let mut source = Source::open(&file).unwrap();
        assert!(source.is_whole());

        source.release();

        assert!(!source.is_whole() && source.head().len() == HELD);
        assert_eq!(all(&source).await.unwrap(), long);
        assert_eq!(source.sha1().await.unwrap().len(), 40);
        for other in [vec![b'y'; long.len()], vec![b'x'; HELD]] {
            std::fs::write(&file, other).unwrap();
            assert!(all(&source).await.unwrap_err().to_string().contains("changed"));
        }
    }
}
