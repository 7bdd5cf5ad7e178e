//! The bytes of a node's documents, in an object store.

mod abandoned;
mod check;
#[cfg(test)]
mod contract;
mod error;
mod local;
mod remote;
mod upload;

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use carerecord_codec::mtom::MtomError;
use carerecord_model::ByteRange;
use carerecord_sealing::{
    DataKey, KeyError, KeyWrapper, WrappedKey, opened, sealed_range, sealed_size,
};
use futures_util::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use uuid::Uuid;

pub(crate) use check::Check;
pub(crate) use error::ObjectError;
pub use remote::{RemoteStore, RemoteStoreError};
use upload::{PutRules, Upload};

use crate::integrity::Fault;

/// The bytes of a node's documents, in an object store. Objects are immutable.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Where the store is a folder: a process that is killed leaves files there that the store
    /// itself does not list.
    folder: Option<PathBuf>,
    rules: PutRules,
    keys: Option<Arc<dyn KeyWrapper>>,
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
    /// The key that the object is encrypted with; none where it is stored as it came.
    pub wrapped: Option<WrappedKey>,
}

/// Bytes on their way out of the store. It may be asked again after its end.
pub(crate) type ObjectBytes = Pin<Box<dyn Stream<Item = Result<Bytes, ObjectError>> + Send>>;

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
        // A file takes its name by a rename, which every file system has. Hard links, by which it
        // could be kept from replacing another one, are not everywhere.
        let rules = PutRules { part_bytes: LOCAL_PART_BYTES, creates: false };
        Ok(Self { store: Arc::new(store), folder: Some(folder.to_owned()), rules, keys: None })
    }

    /// Encrypts what is stored from now on, where the keys have a current one, and reads what they
    /// open.
    #[must_use]
    pub fn with_keys(self, keys: Arc<dyn KeyWrapper>) -> Self {
        Self { keys: Some(keys), ..self }
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
        let mut upload = self.upload(key).await?;
        while let Some(chunk) = body.next().await {
            let outcome = match chunk {
                Ok(chunk) if upload.size() + chunk.len() as u64 <= limit => upload.add(chunk).await,
                Ok(_) => Err(ObjectError::TooLong(limit)),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = outcome {
                upload.abort().await;
                return Err(error);
            }
        }
        upload.finish().await
    }

    /// The bytes of a document, checked on their way: an error comes in place of the last piece.
    pub(crate) async fn checked(&self, object: &StoredObject) -> Result<ObjectBytes, ObjectError> {
        if let (Some(folder), None) = (&self.folder, &object.wrapped) {
            let wanted = local::Wanted::Whole(Check::new(object));
            return local::read(folder.join(&object.key), wanted).await;
        }
        Ok(check::checked(self.read(object, None).await?, object))
    }

    async fn upload(&self, key: String) -> Result<Upload<'_>, ObjectError> {
        let encrypting = self.keys.as_ref().filter(|keys| keys.current().is_some());
        let Some(keys) = encrypting else {
            return Ok(Upload::new(self.store.as_ref(), self.rules, key));
        };
        let data = DataKey::random()?;
        let wrapped = keys.wrap(&data, &key).await?;
        Ok(Upload::new(self.store.as_ref(), self.rules, key).sealed(&data, wrapped))
    }

    /// The bytes of a document, or a range of them, decrypted. Of what is not encrypted nothing has
    /// been checked.
    pub(crate) async fn read(
        &self,
        object: &StoredObject,
        range: Option<ByteRange>,
    ) -> Result<ObjectBytes, ObjectError> {
        let Some(wrapped) = &object.wrapped else {
            if let (Some(folder), Some(range)) = (&self.folder, range) {
                return local::read(folder.join(&object.key), local::Wanted::Range(range)).await;
            }
            return self.get(&object.key, range).await;
        };
        let unknown = || KeyError::Unknown(wrapped.key_id.clone());
        let keys = self.keys.as_ref().ok_or_else(unknown)?;
        let data = keys.open(wrapped, &object.key).await?;
        let sealed = range.map(|range| sealed_range(range, object.size));
        let bytes = self.get(&object.key, sealed).await?;
        Ok(opened(bytes, &data, object.size, range))
    }

    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<ObjectBytes, ObjectError> {
        let range = range.map(|r| GetRange::Bounded(r.start..r.end + 1));
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.store.get_opts(&Key::from(key), options).await?;
        Ok(Box::pin(found.into_stream().map_err(ObjectError::from).fuse()))
    }

    /// Whether an object is there, and as long as it should be.
    pub(crate) async fn has(&self, object: &StoredObject) -> Result<bool, ObjectError> {
        match self.must_have(object).await {
            Ok(()) => Ok(true),
            Err(error) if error.fault().is_some() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The same.
    ///
    /// # Errors
    /// With its fault when it is not.
    pub(crate) async fn must_have(&self, object: &StoredObject) -> Result<(), ObjectError> {
        let found = self.store.head(&Key::from(object.key.as_str())).await?;
        let size = match object.wrapped {
            Some(_) => sealed_size(object.size),
            None => object.size,
        };
        if found.size == size { Ok(()) } else { Err(Fault::Differs.into()) }
    }

    /// Whether the store answers, and lets itself be read: it lists what nobody has.
    ///
    /// # Errors
    /// What is wrong, in words and without addresses.
    pub async fn probe(&self) -> Result<(), String> {
        match self.store.list(Some(&Key::from(NOBODYS))).try_next().await {
            Ok(_) => Ok(()),
            Err(error) => Err(ObjectError::from(error).to_string()),
        }
    }

    /// Whether each list of all objects is asked for over a network, and may be paid for.
    pub(crate) fn is_remote(&self) -> bool {
        self.folder.is_none()
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

    /// Removes uploads that nobody has gone on with since `before`; returns how many. An upload
    /// under way writes to its file again and again, so that it is young.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) async fn remove_abandoned(&self, before: SystemTime) -> Result<u64, ObjectError> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let work = tokio::task::spawn_blocking(move || abandoned::remove_abandoned(folder, before));
        let failed = |e: tokio::task::JoinError| std::io::Error::other(e);
        work.await.map_err(failed).and_then(|done| done).map_err(ObjectError::Open)
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

const NOBODYS: &str = "probe";
const LOCAL_PART_BYTES: usize = 1 << 20;
