//! Where packs lie: a folder for its owner only, with a file for what is known of each pack and one for
//! its bytes, both encrypted.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carerecord_sealing::{ByteStream, KeyWrapper, SealingError};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use tokio::fs::{self, File};
use tokio::io;
use uuid::Uuid;

use super::sealed::{OpenedFile, SealedFile, remove_file};
use super::state::Pack;
use super::zip::Zip;

/// The folder, and what the keys of its files are encrypted by.
pub(super) struct PackStore {
    folder: PathBuf,
    keys: Arc<dyn KeyWrapper>,
}

impl PackStore {
    /// The folder, which is made where it is not there.
    pub(super) fn open(folder: &Path, keys: Arc<dyn KeyWrapper>) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Ok(Self { folder: folder.to_owned(), keys })
    }

    /// Notes what is known of a pack, in place of what was.
    pub(super) async fn keep(&self, pack: &Pack) -> io::Result<()> {
        let next = self.path(pack.id, "next");
        let mut file = SealedFile::begin(&next, self.keys.as_ref(), &named(pack.id, STATE)).await?;
        file.write(&serde_json::to_vec(pack)?).await?;
        file.finish().await?;
        fs::rename(&next, self.path(pack.id, STATE)).await
    }

    /// What is known of a pack; `None` of one that is not there.
    pub(super) async fn pack(&self, id: Uuid) -> io::Result<Option<Pack>> {
        match self.opened(id, STATE).await {
            Ok(file) => {
                let parts: Vec<_> = file.bytes.try_collect().await?;
                let pack = serde_json::from_slice(&parts.concat());
                pack.map(Some).map_err(|e| io::Error::new(ErrorKind::InvalidData, e))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All of them, the newest first.
    pub(super) async fn all(&self) -> io::Result<Vec<Pack>> {
        let mut packs = Vec::new();
        for id in self.ids().await? {
            // One that cannot be read does not hide the others.
            match self.pack(id).await {
                Ok(pack) => packs.extend(pack),
                Err(error) => tracing::warn!(%error, pack = %id, "an access pack cannot be read"),
            }
        }
        packs.sort_by_key(|pack| std::cmp::Reverse((pack.asked_at, pack.id)));
        Ok(packs)
    }

    /// The ids of which there is any file.
    async fn ids(&self) -> io::Result<BTreeSet<Uuid>> {
        let mut folder = fs::read_dir(&self.folder).await?;
        let mut ids = BTreeSet::new();
        while let Some(file) = folder.next_entry().await? {
            ids.extend(id_of(&file.path()));
        }
        Ok(ids)
    }

    /// A pack that is put together, in place of what a run left that was broken off.
    pub(super) async fn begin(&self, id: Uuid, most: u64) -> io::Result<Zip> {
        let out =
            SealedFile::begin(&self.partial(id), self.keys.as_ref(), &named(id, BYTES)).await?;
        Ok(Zip::begin(out, self.path(id, ASIDE), most))
    }

    /// Where the bytes of a pack are put together.
    pub(super) fn partial(&self, id: Uuid) -> PathBuf {
        self.path(id, PARTIAL)
    }

    /// Puts them where they are fetched from.
    pub(super) async fn complete(&self, id: Uuid) -> io::Result<()> {
        fs::rename(self.partial(id), self.path(id, BYTES)).await?;
        File::open(&self.folder).await?.sync_all().await
    }

    /// The bytes of a pack of this size. All of them are read before the first is given, so that
    /// nobody gets a part of a pack that was altered.
    ///
    /// # Errors
    /// `InvalidData` when they are not those that were written.
    pub(super) async fn bytes(&self, id: Uuid, size: u64) -> io::Result<ByteStream<io::Error>> {
        let mut read = self.opened(id, BYTES).await?;
        if read.size != size {
            return Err(SealingError::Differs.into());
        }
        while read.bytes.try_next().await?.is_some() {}
        Ok(self.opened(id, BYTES).await?.bytes)
    }

    async fn opened(&self, id: Uuid, ending: &str) -> io::Result<OpenedFile> {
        OpenedFile::open(&self.path(id, ending), self.keys.as_ref(), &named(id, ending)).await
    }

    /// Removes a pack, the bytes first.
    pub(super) async fn remove(&self, id: Uuid) -> io::Result<()> {
        for ending in [BYTES, PARTIAL, ASIDE, "next", STATE].iter().chain(&PLAIN) {
            remove_file(&self.path(id, ending)).await?;
        }
        Ok(())
    }

    /// Removes the bytes of a pack; what is known of it stays.
    pub(super) async fn remove_bytes(&self, id: Uuid) -> io::Result<()> {
        remove_file(&self.path(id, BYTES)).await
    }

    /// How many bytes the files of all packs take, but of those that are counted otherwise.
    pub(super) async fn taken(&self, is_counted: impl Fn(Uuid) -> bool) -> io::Result<u64> {
        let mut folder = fs::read_dir(&self.folder).await?;
        let mut taken = 0;
        while let Some(file) = folder.next_entry().await? {
            if id_of(&file.path()).is_some_and(&is_counted) {
                continue;
            }
            match file.metadata().await {
                Ok(known) => taken += known.len(),
                // It was removed meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Removes the packs whose time is over but those that are being made, and what is left of runs
    /// that were broken off. One that cannot be removed does not keep the others.
    pub(super) async fn sweep(
        &self,
        now: Timestamp,
        is_making: impl Fn(Uuid) -> bool,
    ) -> io::Result<()> {
        for id in self.ids().await? {
            if is_making(id) {
                continue;
            }
            if let Err(error) = self.sweep_one(id, now).await {
                tracing::warn!(%error, pack = %id, "an access pack could not be swept away");
            }
        }
        Ok(())
    }

    async fn sweep_one(&self, id: Uuid, now: Timestamp) -> io::Result<()> {
        match self.pack(id).await {
            Ok(Some(pack)) if pack.expires_at > now => remove_file(&self.partial(id)).await,
            Err(error) if error.kind() != ErrorKind::InvalidData => Err(error),
            // Its time is over, or nobody can fetch it any more.
            Ok(_) | Err(_) => {
                self.remove(id).await?;
                tracing::info!(pack = %id, "an access pack was removed");
                Ok(())
            }
        }
    }

    fn path(&self, id: Uuid, ending: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ending}"))
    }
}

/// The pack that a file is of.
fn id_of(path: &Path) -> Option<Uuid> {
    path.file_stem().and_then(|stem| Uuid::try_parse(stem.to_str()?).ok())
}

/// What a file is of, as its key is bound to it.
fn named(id: Uuid, ending: &str) -> String {
    format!("access pack {id} {ending}")
}

const STATE: &str = "state";
const BYTES: &str = "pack";
const PARTIAL: &str = "partial";
const ASIDE: &str = "aside";
/// Of packs that were made before they were encrypted: nobody can fetch those any more.
const PLAIN: [&str; 2] = ["zip", "json"];
