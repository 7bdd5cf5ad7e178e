use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;
use serde::Deserialize;
use uuid::Uuid;

use crate::tree::{Endorsement, SignedHead};

/// What witnesses have: their files, or what a collector of syslog wrote, with anything before the
/// JSON of a line.
#[derive(Debug, Default)]
pub struct WitnessFiles {
    files: Vec<PathBuf>,
    pub(super) keys: Vec<Endorsement>,
    heads: Vec<Witnessed>,
    pub(super) unreadable: u64,
}

#[derive(Debug)]
struct Witnessed {
    head: SignedHead,
    /// Where the prints are, and how many records were under the head before.
    prints: Option<(u64, Place)>,
}

/// A line of a file.
#[derive(Clone, Copy, Debug)]
struct Place {
    file: usize,
    offset: u64,
    length: usize,
}

#[derive(Deserialize)]
struct HeadLine<'a> {
    head: SignedHead,
    from: Option<u64>,
    #[serde(borrow)]
    prints: Option<&'a str>,
}

#[derive(Deserialize)]
struct KeyLine {
    key: Endorsement,
}

impl WitnessFiles {
    /// Reads what the files say of heads. What they say of each record stays in them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(files: Vec<PathBuf>) -> io::Result<Self> {
        let mut all = Self { files, ..Self::default() };
        for file in 0..all.files.len() {
            all.read_file(file)?;
        }
        Ok(all)
    }

    fn read_file(&mut self, file: usize) -> io::Result<()> {
        let Some(path) = self.files.get(file) else { return Ok(()) };
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
        let (mut line, mut offset) = (Vec::new(), 0);
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if length == 0 {
                return Ok(());
            }
            self.read_line(&line, Place { file, offset, length });
            offset += length as u64;
        }
    }

    fn read_line(&mut self, line: &[u8], place: Place) {
        if let Some(head) = parse::<HeadLine<'_>>(line, HEAD) {
            let prints = head.from.filter(|_| head.prints.is_some()).map(|from| (from, place));
            self.heads.push(Witnessed { head: head.head, prints });
        } else if let Some(key) = parse::<KeyLine>(line, KEY) {
            self.keys.push(key.key);
        } else if !line.trim_ascii().is_empty() {
            self.unreadable += 1;
        }
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn heads_of(&self, log: Option<Uuid>) -> impl Iterator<Item = &SignedHead> {
        self.heads.iter().map(|w| &w.head).filter(move |h| Some(h.head.log) == log)
    }

    /// The prints of records after `from`, at most up to `to`, as far as they are known without a gap.
    pub(super) fn prints(&self, log: Option<Uuid>, from: u64, to: u64) -> io::Result<Vec<u64>> {
        let mut known: Vec<(u64, u64, Place)> = self
            .heads
            .iter()
            .filter(|w| Some(w.head.head.log) == log)
            .filter_map(|w| w.prints.map(|(from, place)| (from, w.head.head.tree_size, place)))
            .filter(|(_, end, _)| *end > from && *end <= to)
            .collect();
        known.sort_unstable_by_key(|(begin, end, _)| (*begin, *end));
        let mut prints: Vec<u64> = Vec::new();
        for (begin, end, place) in known {
            let have = from + prints.len() as u64;
            if begin > have || end <= have {
                continue;
            }
            let more = self.read_prints(place)?;
            if more.len() as u64 != end - begin {
                continue;
            }
            let skip = usize::try_from(have - begin).unwrap_or(usize::MAX);
            prints.extend(more.into_iter().skip(skip));
        }
        Ok(prints)
    }

    fn read_prints(&self, place: Place) -> io::Result<Vec<u64>> {
        let path = self.files.get(place.file).ok_or(io::ErrorKind::NotFound)?;
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(place.offset))?;
        let mut line = vec![0; place.length];
        file.read_exact(&mut line)?;
        let text = parse::<HeadLine<'_>>(&line, HEAD).and_then(|l| l.prints);
        let bytes = text.and_then(|t| BASE64.decode(t).ok()).unwrap_or_default();
        Ok(bytes.as_chunks::<8>().0.iter().map(|b| u64::from_be_bytes(*b)).collect())
    }
}

/// The JSON that begins so within a line; what stands before and behind is the collector's.
fn parse<'a, T: Deserialize<'a>>(line: &'a [u8], begin: &[u8]) -> Option<T> {
    let at = memmem::find(line, begin)?;
    let mut values = serde_json::Deserializer::from_slice(line.get(at..)?).into_iter();
    values.next()?.ok()
}

const HEAD: &[u8] = b"{\"head\":";
const KEY: &[u8] = b"{\"key\":";
