//! A pack as a ZIP file (PKWARE APPNOTE 6.3), encrypted on the disk: files one behind the other as they
//! are, without compression, so that nothing is held whole. What is encrypted cannot be changed later: a
//! file whose length and sum are not known yet is put aside until they are, and one that breaks off is
//! not put in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::{BufMut, BytesMut};
use carerecord_sealing::sealed_size;
use flate2::Crc;
use futures_util::TryStreamExt as _;
use tokio::io;

use super::manifest::FileHash;
use super::sealed::{Aside, HEADER, SealedFile};

/// A ZIP file that is being written.
pub(super) struct Zip {
    out: SealedFile,
    /// Where files are put aside.
    place: PathBuf,
    /// How long it is.
    length: u64,
    /// How long the file is that is put aside.
    aside: u64,
    /// What stands at the end of the file, of each file in it.
    directory: BytesMut,
    hashes: BTreeMap<String, String>,
    /// The longest that it may become on the disk.
    most: u64,
}

/// A file in it that is being written.
pub(super) struct Entry {
    name: String,
    aside: Aside,
    sums: Sums,
}

/// What the ZIP file says of a file in it.
#[derive(Default)]
struct Sums {
    size: u64,
    crc: Crc,
    hash: FileHash,
}

impl Sums {
    fn take(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc.update(bytes);
        self.hash.update(bytes);
    }
}

impl Zip {
    /// An empty one, which puts files aside at `place`.
    pub(super) fn begin(out: SealedFile, place: PathBuf, most: u64) -> Self {
        let (directory, hashes) = (BytesMut::new(), BTreeMap::new());
        let most = most.min(LONGEST);
        Self { out, place, length: 0, aside: 0, directory, hashes, most }
    }

    /// Whether there is room for so many bytes more, where one part in `keep` of the whole is kept for
    /// what comes after.
    pub(super) fn has_room(&self, more: u64, keep: u64) -> bool {
        let kept = self.most.checked_div(keep).unwrap_or_default();
        let of_files = PER_FILE * (self.hashes.len() as u64 + FILES_AT_THE_END);
        let parts = [self.aside, more, kept, of_files];
        let all = parts.into_iter().fold(self.length, u64::saturating_add);
        all <= self.most && HEADER + sealed_size(all) <= self.most
    }

    /// Whether it may have another document.
    pub(super) fn has_place(&self) -> bool {
        self.hashes.len() < MOST_FILES
    }

    /// Begins a file.
    pub(super) async fn entry(&mut self, name: &str) -> io::Result<Entry> {
        let aside = Aside::begin(&self.place).await?;
        Ok(Entry { name: name.to_owned(), aside, sums: Sums::default() })
    }

    /// Adds bytes to a file.
    pub(super) async fn write(&mut self, entry: &mut Entry, bytes: &[u8]) -> io::Result<()> {
        self.aside += bytes.len() as u64;
        if self.length + self.aside > LONGEST {
            return Err(io::Error::other("the pack is longer than a ZIP file can be"));
        }
        entry.sums.take(bytes);
        entry.aside.write(bytes).await
    }

    /// Ends a file, and puts it in.
    pub(super) async fn end(&mut self, entry: Entry) -> io::Result<()> {
        self.head(&entry.name, entry.sums).await?;
        let mut bytes = entry.aside.bytes().await?;
        while let Some(bytes) = bytes.try_next().await? {
            self.put(&bytes).await?;
        }
        self.aside = 0;
        Ok(())
    }

    /// Leaves out a file that broke off.
    pub(super) fn leave_out(&mut self, entry: Entry) {
        drop(entry);
        self.aside = 0;
    }

    /// A file as a whole.
    pub(super) async fn file(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut sums = Sums::default();
        sums.take(bytes);
        self.head(name, sums).await?;
        self.put(bytes).await
    }

    /// What stands before a file that comes next, and of it at the end.
    async fn head(&mut self, name: &str, sums: Sums) -> io::Result<()> {
        let (begins, crc, size) = (short(self.length)?, sums.crc.sum(), short(sums.size)?);
        central_header(&mut self.directory, name, crc, size, begins);
        self.hashes.insert(name.to_owned(), sums.hash.finish());
        self.put(&local_header(name, crc, size)).await
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
        self.out.finish().await?;
        Ok(self.length)
    }

    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write(bytes).await?;
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
