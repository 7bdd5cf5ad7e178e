//! A pack as a ZIP file (PKWARE APPNOTE 6.3): files one behind the other as they are, without
//! compression, so that nothing is held whole. What was written of a file that breaks off is taken
//! back.

use std::collections::BTreeMap;
use std::io::SeekFrom;
use std::path::Path;

use bytes::{BufMut, BytesMut};
use flate2::Crc;
use tokio::fs::{File, OpenOptions};
use tokio::io::{self, AsyncSeekExt, AsyncWriteExt, BufWriter};

use super::manifest::FileHash;

/// A ZIP file that is being written, for its owner only.
pub(super) struct Zip {
    out: BufWriter<File>,
    /// How long it is.
    length: u64,
    /// What stands at the end of the file, of each file in it.
    directory: BytesMut,
    hashes: BTreeMap<String, String>,
    /// The longest that it may become.
    most: u64,
}

/// A file in it that is being written.
pub(super) struct Entry {
    name: String,
    begins: u64,
    size: u64,
    crc: Crc,
    hash: FileHash,
}

impl Zip {
    /// An empty one; what a run left that was broken off goes away.
    pub(super) async fn begin(path: &Path, most: u64) -> io::Result<Self> {
        match tokio::fs::remove_file(path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
        let (directory, hashes) = (BytesMut::new(), BTreeMap::new());
        let most = most.min(LONGEST);
        Ok(Self { out: BufWriter::new(file), length: 0, directory, hashes, most })
    }

    /// Whether there is room for so many bytes more, where one part in `keep` of the whole is kept for
    /// what comes after.
    pub(super) fn has_room(&self, more: u64, keep: u64) -> bool {
        let kept = self.most.checked_div(keep).unwrap_or_default();
        let of_files = PER_FILE * (self.hashes.len() as u64 + FILES_AT_THE_END);
        let all = [more, kept, of_files].into_iter().fold(self.length, u64::saturating_add);
        all <= self.most
    }

    /// Whether it may have another document.
    pub(super) fn has_place(&self) -> bool {
        self.hashes.len() < MOST_FILES
    }

    /// Begins a file.
    pub(super) async fn entry(&mut self, name: &str) -> io::Result<Entry> {
        let begins = self.length;
        let header = local_header(name, 0, 0);
        self.put(&header).await?;
        let name = name.to_owned();
        Ok(Entry { name, begins, size: 0, crc: Crc::new(), hash: FileHash::default() })
    }

    /// Adds bytes to a file.
    pub(super) async fn write(&mut self, entry: &mut Entry, bytes: &[u8]) -> io::Result<()> {
        if self.length + bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("the pack is longer than a ZIP file can be"));
        }
        entry.size += bytes.len() as u64;
        entry.crc.update(bytes);
        entry.hash.update(bytes);
        self.put(bytes).await
    }

    /// Ends a file.
    pub(super) async fn end(&mut self, entry: Entry) -> io::Result<()> {
        let (crc, size) = (entry.crc.sum(), short(entry.size)?);
        let header = local_header(&entry.name, crc, size);
        self.out.flush().await?;
        self.out.seek(SeekFrom::Start(entry.begins)).await?;
        self.out.write_all(&header).await?;
        self.out.flush().await?;
        self.out.seek(SeekFrom::Start(self.length)).await?;
        central_header(&mut self.directory, &entry.name, crc, size, short(entry.begins)?);
        self.hashes.insert(entry.name, entry.hash.finish());
        Ok(())
    }

    /// Takes back what was written of a file.
    pub(super) async fn take_back(&mut self, entry: Entry) -> io::Result<()> {
        self.out.flush().await?;
        self.length = entry.begins;
        self.out.get_mut().set_len(self.length).await?;
        self.out.seek(SeekFrom::Start(self.length)).await?;
        Ok(())
    }

    /// A file as a whole.
    pub(super) async fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut entry = self.entry(name).await?;
        self.write(&mut entry, bytes).await?;
        self.end(entry).await
    }

    /// SHA-256 in hex of each file so far, by name.
    pub(super) fn hashes(&self) -> BTreeMap<String, String> {
        self.hashes.clone()
    }

    /// Ends it, and returns its length when it is on disk.
    pub(super) async fn finish(mut self) -> io::Result<u64> {
        let begins = self.length;
        let directory = std::mem::take(&mut self.directory);
        self.put(&directory).await?;
        let mut end = BytesMut::new();
        let files = u16::try_from(self.hashes.len()).map_err(io::Error::other)?;
        end.put_u32_le(0x0605_4b50);
        end.put_u32_le(0);
        end.put_u16_le(files);
        end.put_u16_le(files);
        end.put_u32_le(short(directory.len() as u64)?);
        end.put_u32_le(short(begins)?);
        end.put_u16_le(0);
        self.put(&end).await?;
        self.out.flush().await?;
        self.out.get_ref().sync_all().await?;
        Ok(self.length)
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes).await?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// What stands before a file. 4.3.7.
fn local_header(name: &str, crc: u32, size: u32) -> BytesMut {
    let mut header = BytesMut::new();
    header.put_u32_le(0x0403_4b50);
    described(&mut header, name, crc, size);
    header.put_slice(name.as_bytes());
    header
}

/// What stands at the end, of a file. 4.3.12.
fn central_header(directory: &mut BytesMut, name: &str, crc: u32, size: u32, begins: u32) {
    directory.put_u32_le(0x0201_4b50);
    // Made on Unix, where a file has rights.
    directory.put_u16_le(3 << 8 | VERSION);
    described(directory, name, crc, size);
    // No comment, one disk, no text.
    directory.put_bytes(0, 6);
    directory.put_u32_le(0o100_600 << 16);
    directory.put_u32_le(begins);
    directory.put_slice(name.as_bytes());
}

/// What both headers say of a file: version, names in UTF-8, not compressed, no time.
fn described(header: &mut BytesMut, name: &str, crc: u32, size: u32) {
    header.put_u16_le(VERSION);
    header.put_u16_le(1 << 11);
    header.put_u16_le(0);
    header.put_u16_le(0);
    header.put_u16_le(1 << 5 | 1);
    header.put_u32_le(crc);
    header.put_u32_le(size);
    header.put_u32_le(size);
    header.put_u16_le(name.len() as u16);
    header.put_u16_le(0);
}

fn short(length: u64) -> io::Result<u32> {
    u32::try_from(length).map_err(io::Error::other)
}

const VERSION: u16 = 20;
/// Without the form for long files; the directory at the end needs room as well.
const LONGEST: u64 = 4_000_000_000;
const MOST_FILES: usize = 60_000;
/// At most, of each file: what stands before it, at the end, and in the manifest.
const PER_FILE: u64 = 256;
const FILES_AT_THE_END: u64 = 6;
