use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use bytes::{Bytes, BytesMut};
use carerecord_codec::mtom::MtomError;
use carerecord_model::ByteRange;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
};
use uuid::Uuid;

/// The bytes of a node's documents, in an object store. Objects are immutable.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Where the store is a folder: a process that is killed leaves files there that the store
    /// itself does not list.
    folder: Option<PathBuf>,
}

/// A document that has been stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredObject {
    pub key: String,
    pub size: u64,
    /// Lower case hex.
    pub sha1: String,
    /// Lower case hex.
    pub sha256: String,
}

/// Why bytes were not stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("the object store failed")]
    Store(#[from] object_store::Error),
    #[error("the object store cannot be opened: {0}")]
    Open(std::io::Error),
    #[error("the document did not arrive whole")]
    Source(#[from] MtomError),
    #[error("the document is longer than {0} bytes")]
    TooLong(u64),
}

impl ObjectError {
    pub(crate) fn is_full(&self) -> bool {
        let mut source: Option<&dyn std::error::Error> = Some(self);
        while let Some(error) = source {
            let io = error.downcast_ref::<std::io::Error>();
            if io.is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull) {
                return true;
            }
            source = error.source();
        }
        false
    }
}

impl Objects {
    /// Local files below a folder, synced to disk before they count as stored.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn local(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(std::io::Error::other)?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self { store: Arc::new(store), folder: Some(folder.to_owned()) })
    }

    /// Streams a document into the store while size and hashes are counted. The object has a name
    /// of its own until the registry has taken it, so two uploads never meet.
    pub(crate) async fn put<S>(
        &self,
        id: Uuid,
        mut body: S,
        limit: u64,
    ) -> Result<StoredObject, ObjectError>
    where
        S: Stream<Item = Result<Bytes, MtomError>> + Unpin,
    {
        let hex = id.simple().to_string();
        let key = format!("{}/{}/{hex}", &hex[30..], &hex[28..30]);
        let mut upload = Upload {
            store: self.store.as_ref(),
            key: Key::from(key.as_str()),
            sha1: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            sha256: Context::new(&SHA256),
            size: 0,
            buffer: BytesMut::new(),
            parts: None,
        };
        while let Some(chunk) = body.next().await {
            let outcome = match chunk {
                Ok(chunk) if upload.size + chunk.len() as u64 <= limit => upload.add(chunk).await,
                Ok(_) => Err(ObjectError::TooLong(limit)),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = outcome {
                upload.abort().await;
                return Err(error);
            }
        }
        upload.finish(key).await
    }

    /// The bytes of an object, or a range of them.
    pub(crate) async fn get(
        &self,
        key: &str,
        range: Option<ByteRange>,
    ) -> Result<BoxStream<'static, Result<Bytes, object_store::Error>>, ObjectError> {
        if let Some(folder) = &self.folder {
            return Ok(crate::read::local(folder.join(key), range).await?);
        }
        let range = range.map(|r| GetRange::Bounded(r.start..r.end + 1));
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.store.get_opts(&Key::from(key), options).await?;
        Ok(found.into_stream())
    }

    /// Removes an object; one that is gone already is no error.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), ObjectError> {
        match self.store.delete(&Key::from(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Keys and ages of all objects: for the sweeper.
    pub(crate) fn list(
        &self,
    ) -> impl Stream<Item = Result<object_store::ObjectMeta, object_store::Error>> + Send + 'static
    {
        self.store.list(None)
    }
}

impl Objects {
    /// Removes uploads that nobody has gone on with since `before`; returns how many. An upload
    /// under way writes to its file again and again, so that it is young.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) async fn remove_abandoned(&self, before: SystemTime) -> Result<u64, ObjectError> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let work = tokio::task::spawn_blocking(move || remove_abandoned(folder, before));
        let failed = |e: tokio::task::JoinError| std::io::Error::other(e);
        work.await.map_err(failed).and_then(|done| done).map_err(ObjectError::Open)
    }
}

fn remove_abandoned(folder: PathBuf, before: SystemTime) -> std::io::Result<u64> {
    let mut removed = 0;
    let mut waiting = vec![folder];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            // What is gone meanwhile was somebody's who finished it.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if is_upload(&entry.file_name()) && metadata.modified()? < before {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// As `LocalFileSystem` names a file that is not complete: `name#1`.
fn is_upload(name: &std::ffi::OsStr) -> bool {
    let name = name.to_string_lossy();
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// One document on its way in: whole when small, in parts when large.
struct Upload<'s> {
    store: &'s dyn ObjectStore,
    key: Key,
    sha1: Context,
    sha256: Context,
    size: u64,
    buffer: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload<'_> {
    async fn add(&mut self, chunk: Bytes) -> Result<(), ObjectError> {
        self.sha1.update(&chunk);
        self.sha256.update(&chunk);
        self.size += chunk.len() as u64;
        // Growing by doubling would hold up to three parts at once.
        if self.buffer.len() > LARGE && self.buffer.capacity() < PART_BYTES {
            self.buffer.reserve(PART_BYTES + LARGE - self.buffer.len());
        }
        self.buffer.extend_from_slice(&chunk);
        if self.buffer.len() >= PART_BYTES {
            self.send_part().await?;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), ObjectError> {
        let part = std::mem::take(&mut self.buffer).freeze();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(self.store.put_multipart(&self.key).await?),
        };
        // One part at a time: memory stays at one part however fast the sender is.
        parts.put_part(PutPayload::from_bytes(part.clone())).await?;
        // The store has let go of it. A fresh buffer for each part would be freed on the threads
        // that write files and stay with them: tens of megabytes for a long document.
        if let Ok(mut buffer) = part.try_into_mut() {
            buffer.clear();
            self.buffer = buffer;
        }
        Ok(())
    }

    async fn abort(&mut self) {
        if let Some(parts) = &mut self.parts
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "an upload could not be aborted; the sweeper will find it");
        }
    }

    async fn finish(mut self, key: String) -> Result<StoredObject, ObjectError> {
        match self.parts {
            Some(_) => {
                if !self.buffer.is_empty() {
                    self.send_part().await?;
                }
                if let Some(parts) = &mut self.parts {
                    parts.complete().await?;
                }
            }
            None => {
                let whole = std::mem::take(&mut self.buffer).freeze();
                self.store.put(&self.key, PutPayload::from_bytes(whole)).await?;
            }
        }
        Ok(StoredObject {
            key,
            size: self.size,
            sha1: hex(self.sha1.finish().as_ref()),
            sha256: hex(self.sha256.finish().as_ref()),
        })
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a String does not fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// The most that a document holds of memory on its way to local files. S3 takes no part below
/// 5 MiB: a store of that kind brings its own size.
const PART_BYTES: usize = 1 << 20;
/// What a document may have before room for a whole part is made at once.
const LARGE: usize = 256 << 10;
