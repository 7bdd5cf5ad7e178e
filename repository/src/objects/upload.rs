use bytes::{Bytes, BytesMut};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use carerecord_sealing::{DataKey, Sealer, WrappedKey};
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::error::transport;
use super::{ObjectError, StoredObject, hex};

/// How a store takes objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PutRules {
    /// The bytes of a part, and the most that a document holds of memory on its way in. Every part
    /// but the last has this size, which some stores ask for.
    pub part_bytes: usize,
    /// Whether the store itself refuses to replace an object.
    pub creates: bool,
}

/// One document on its way in: whole when small, in parts when large.
pub(crate) struct Upload<'s> {
    store: &'s dyn ObjectStore,
    rules: PutRules,
    key: String,
    sha1: Context,
    sha256: Context,
    size: u64,
    buffer: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
    sealing: Option<(Sealer, WrappedKey)>,
}

impl<'s> Upload<'s> {
    pub(crate) fn new(store: &'s dyn ObjectStore, rules: PutRules, key: String) -> Self {
        Self {
            store,
            rules,
            key,
            sha1: Context::new(&SHA1_FOR_LEGACY_USE_ONLY),
            sha256: Context::new(&SHA256),
            size: 0,
            buffer: BytesMut::new(),
            parts: None,
            sealing: None,
        }
    }

    /// The same, encrypted.
    pub(crate) fn sealed(mut self, key: &DataKey, wrapped: WrappedKey) -> Self {
        self.sealing = Some((Sealer::new(key), wrapped));
        self
    }

    /// Bytes of the document so far.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) async fn add(&mut self, chunk: Bytes) -> Result<(), ObjectError> {
        self.sha1.update(&chunk);
        self.sha256.update(&chunk);
        self.size += chunk.len() as u64;
        let mut rest = &chunk[..];
        while let Some((sealer, _)) = &mut self.sealing {
            if rest.is_empty() {
                return Ok(());
            }
            let (taken, piece) = sealer.add(rest)?;
            rest = &rest[taken..];
            if let Some(piece) = piece {
                self.send(&piece).await?;
            }
        }
        self.send(rest).await
    }

    /// Adds to the part at hand, and sends it when it is full.
    async fn send(&mut self, mut bytes: &[u8]) -> Result<(), ObjectError> {
        let part_bytes = self.rules.part_bytes;
        while !bytes.is_empty() {
            // Only when there is more: the last part is sent at the end.
            if self.buffer.len() == part_bytes {
                self.send_part().await?;
            }
            // Growing by doubling would hold up to three parts at once.
            if self.buffer.len() > LARGE && self.buffer.capacity() < part_bytes {
                self.buffer.reserve(part_bytes - self.buffer.len());
            }
            let (now, later) = bytes.split_at(bytes.len().min(part_bytes - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), ObjectError> {
        let part = std::mem::take(&mut self.buffer).freeze();
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let key = Key::from(self.key.as_str());
                self.parts.insert(self.store.put_multipart(&key).await?)
            }
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

    pub(crate) async fn abort(&mut self) {
        if let Some(parts) = &mut self.parts
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, "an upload could not be aborted; the store keeps its parts");
        }
    }

    /// Stores what is left; the object is there, whole, when this returns.
    pub(crate) async fn finish(mut self) -> Result<StoredObject, ObjectError> {
        if let Err(error) = self.complete().await {
            self.abort().await;
            return Err(error);
        }
        Ok(StoredObject {
            key: self.key,
            wrapped: self.sealing.map(|(_, wrapped)| wrapped),
            size: self.size,
            sha1: hex(self.sha1.finish().as_ref()),
            sha256: hex(self.sha256.finish().as_ref()),
        })
    }

    async fn complete(&mut self) -> Result<(), ObjectError> {
        if let Some((sealer, _)) = &mut self.sealing {
            let last = sealer.finish()?;
            self.send(&last).await?;
        }
        if self.parts.is_some() {
            if !self.buffer.is_empty() {
                self.send_part().await?;
            }
            if let Some(parts) = &mut self.parts {
                parts.complete().await?;
            }
            return Ok(());
        }
        let whole = std::mem::take(&mut self.buffer).freeze();
        Ok(self.put(whole).await?)
    }

    /// Stores a small object. The store's client does not repeat what must not replace, so that
    /// happens here: the name is this upload's own, and what it has come to can be looked up.
    async fn put(&mut self, whole: Bytes) -> Result<(), object_store::Error> {
        let Err(error) = self.put_once(&whole).await else { return Ok(()) };
        let exists = matches!(error, object_store::Error::AlreadyExists { .. });
        if !self.rules.creates || !exists && transport(&error).is_none() {
            return Err(error);
        }
        let key = Key::from(self.key.as_str());
        match self.store.get(&key).await {
            Ok(there) if there.meta.size == whole.len() as u64 => {
                if there.bytes().await? == whole {
                    Ok(())
                } else {
                    Err(error)
                }
            }
            Err(object_store::Error::NotFound { .. }) => self.put_once(&whole).await,
            // It is left to the sweeper.
            Ok(_) | Err(_) => Err(error),
        }
    }

    async fn put_once(&mut self, whole: &Bytes) -> Result<(), object_store::Error> {
        let mode = if self.rules.creates { PutMode::Create } else { PutMode::Overwrite };
        let (key, payload) = (Key::from(self.key.as_str()), PutPayload::from(whole.clone()));
        self.store.put_opts(&key, payload, PutOptions::from(mode)).await.map(drop)
    }
}

/// What a document may have before room for a whole part is made at once.
const LARGE: usize = 256 << 10;
