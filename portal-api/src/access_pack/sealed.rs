//! Files that are encrypted, each by a key of its own: what is kept of a pack, and what is put aside
//! while one is made. Before the pieces stands the key, encrypted by the portal's; what the file is of
//! is authenticated with it, so that no file can be put in another's place.

use std::io::ErrorKind;
use std::path::Path;

use carerecord_sealing::{
    ByteStream, DataKey, KeyError, KeyWrapper, Sealer, SealingError, WrappedKey, opened, plain_size,
};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{self, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, BufWriter};
use tokio_util::io::ReaderStream;

/// A file that is being written, for its owner only.
pub(super) struct SealedFile {
    out: BufWriter<File>,
    sealer: Sealer,
}

impl SealedFile {
    /// An empty one, in place of what was there.
    pub(super) async fn begin(path: &Path, keys: &dyn KeyWrapper, name: &str) -> io::Result<Self> {
        let key = DataKey::random().map_err(no_key)?;
        let wrapped = keys.wrap(&key, name).await.map_err(no_key)?;
        let mut file = Self::anew(path, &key).await?;
        file.out.write_all(&header(&wrapped)?).await?;
        Ok(file)
    }

    async fn anew(path: &Path, key: &DataKey) -> io::Result<Self> {
        remove_file(path).await?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(path).await?;
        Ok(Self { out: BufWriter::new(file), sealer: Sealer::new(key) })
    }

    /// Adds bytes.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (taken, piece) = self.sealer.add(bytes)?;
            bytes = &bytes[taken..];
            if let Some(piece) = piece {
                self.out.write_all(&piece).await?;
            }
        }
        Ok(())
    }

    /// Ends it; it is on disk when this returns.
    pub(super) async fn finish(self) -> io::Result<()> {
        self.end().await?.sync_all().await
    }

    async fn end(mut self) -> io::Result<File> {
        self.out.write_all(&self.sealer.finish()?).await?;
        self.out.flush().await?;
        Ok(self.out.into_inner())
    }
}

/// Bytes that are put aside: in a file that has no name any more, by a key that nothing but memory has.
/// A run that is broken off leaves nothing of them.
pub(super) struct Aside {
    file: SealedFile,
    key: DataKey,
    size: u64,
}

impl Aside {
    /// An empty one; the path is in use for a moment only.
    pub(super) async fn begin(path: &Path) -> io::Result<Self> {
        let key = DataKey::random().map_err(no_key)?;
        let file = SealedFile::anew(path, &key).await?;
        fs::remove_file(path).await?;
        Ok(Self { file, key, size: 0 })
    }

    /// Adds bytes.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.file.write(bytes).await
    }

    /// All of them, from the first.
    pub(super) async fn bytes(self) -> io::Result<ByteStream<io::Error>> {
        let mut file = self.file.end().await?;
        file.rewind().await?;
        Ok(opened(stream(file), &self.key, self.size, None))
    }
}

/// A file that is read.
pub(super) struct OpenedFile {
    /// How many bytes were written, if it is as it was.
    pub size: u64,
    /// They end with an error where it is not.
    pub bytes: ByteStream<io::Error>,
}

impl OpenedFile {
    /// The file of this name.
    ///
    /// # Errors
    /// `InvalidData` when it is no such file, or is another's.
    pub(super) async fn open(path: &Path, keys: &dyn KeyWrapper, name: &str) -> io::Result<Self> {
        let mut file = File::open(path).await?;
        let length = file.metadata().await?.len();
        let wrapped = read_header(&mut file).await.map_err(|error| {
            let is_cut = error.kind() == ErrorKind::UnexpectedEof;
            if is_cut { SealingError::Differs.into() } else { error }
        })?;
        let pieces = length.saturating_sub(file.stream_position().await?);
        let size = plain_size(pieces).ok_or(SealingError::Differs)?;
        let key = keys.open(&wrapped, name).await.map_err(no_key)?;
        Ok(Self { size, bytes: opened(stream(file), &key, size, None) })
    }
}

fn stream(file: File) -> ByteStream<io::Error> {
    Box::pin(ReaderStream::with_capacity(file, CHUNK))
}

/// The form, then the name of the portal's key and the file's own key, each with its length.
fn header(wrapped: &WrappedKey) -> io::Result<Vec<u8>> {
    let mut header = FORM.to_vec();
    for part in [wrapped.key_id.as_bytes(), &wrapped.bytes] {
        header.extend(u16::try_from(part.len()).map_err(io::Error::other)?.to_be_bytes());
        header.extend_from_slice(part);
    }
    Ok(header)
}

async fn read_header(file: &mut File) -> io::Result<WrappedKey> {
    let mut form = [0; FORM.len()];
    file.read_exact(&mut form).await?;
    let key_id = read_part(file).await?;
    let key_id = String::from_utf8(key_id).map_err(|_| SealingError::Differs)?;
    if form != *FORM {
        return Err(SealingError::Differs.into());
    }
    Ok(WrappedKey { key_id, bytes: read_part(file).await? })
}

async fn read_part(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = vec![0; usize::from(file.read_u16().await?)];
    file.read_exact(&mut part).await?;
    Ok(part)
}

fn no_key(error: KeyError) -> io::Error {
    let kind = match error {
        KeyError::Unknown(_) | KeyError::Wrong(_) => ErrorKind::InvalidData,
        KeyError::NoCurrent | KeyError::Unavailable(_) => ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Removes a file, if it is there.
pub(super) async fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

const FORM: &[u8] = b"carerecord access pack 1\n";
/// What stands before the pieces, at most.
pub(super) const HEADER: u64 = 512;
const CHUNK: usize = 64 << 10;
