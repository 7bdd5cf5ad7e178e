//! The objects of a PDF file, found by looking through it: the file's own index of them may be
//! broken or lie. ISO 32000-1, 7.3.8, 7.4 and 7.5.7.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;

use super::filters::{ascii85, hex};
use super::object::{Dictionary, Lexer, Object, is_space};
use crate::search::extract::{Deadline, Unreadable};

pub(super) struct File<'b> {
    bytes: &'b [u8],
    objects: HashMap<u32, Entry>,
    /// Bytes that may still come out of compressed streams.
    budget: Cell<usize>,
    deadline: Deadline,
}

struct Entry {
    object: Object,
    stream: Option<Range<usize>>,
}

impl<'b> File<'b> {
    pub(super) fn open(bytes: &'b [u8], deadline: Deadline) -> Result<Self, Unreadable> {
        let budget = Cell::new(MAX_UNPACKED);
        let mut file = Self { bytes, objects: HashMap::new(), budget, deadline };
        file.scan()?;
        file.unpack_objects()?;
        Ok(file)
    }

    fn scan(&mut self) -> Result<(), Unreadable> {
        let mut at = 0;
        while let Some(found) = find(self.bytes, at, b"obj") {
            at = found + 3;
            let Some(number) = number_before(self.bytes, found) else { continue };
            self.deadline.check()?;
            let mut lexer = Lexer::new(self.bytes, at);
            let Some(object) = lexer.object() else { continue };
            at = lexer.at.max(at);
            lexer.skip_space();
            let head = object.dictionary().filter(|_| lexer.starts_with(b"stream"));
            let stream = head.map(|head| self.stream(head, lexer.at + 6));
            at = stream.as_ref().map_or(at, |range| range.end);
            let is_index = object.dictionary().is_some_and(|d| is_type(d, "XRef"));
            if is_index && object.dictionary().is_some_and(|d| d.contains_key("Encrypt")) {
                return Err(Unreadable::Encrypted);
            }
            // A later version of an object counts.
            self.objects.insert(number, Entry { object, stream });
            if self.objects.len() > MAX_OBJECTS {
                return Err(Unreadable::TooSlow);
            }
        }
        let mut at = 0;
        while let Some(found) = find(self.bytes, at, b"trailer") {
            at = found + 7;
            // One that is not closed is read to the end of the file.
            self.deadline.check()?;
            let trailer = Lexer::new(self.bytes, at).object();
            let trailer = trailer.as_ref().and_then(Object::dictionary);
            if trailer.is_some_and(|trailer| trailer.contains_key("Encrypt")) {
                return Err(Unreadable::Encrypted);
            }
        }
        Ok(())
    }

    /// Where the bytes of a stream are. Its length may be told elsewhere, or wrong.
    fn stream(&self, head: &Dictionary, from: usize) -> Range<usize> {
        let mut start = from;
        start += usize::from(self.bytes.get(start) == Some(&b'\r'));
        start += usize::from(self.bytes.get(start) == Some(&b'\n'));
        let told = head.get("Length").and_then(Object::number).map(|n| n.max(0.0) as usize);
        let told = told.and_then(|length| start.checked_add(length));
        if let Some(end) = told.filter(|end| *end <= self.bytes.len()) {
            let rest = &self.bytes[end..];
            let space = rest.iter().take(3).take_while(|b| is_space(**b)).count();
            if rest[space..].starts_with(b"endstream") {
                return start..end;
            }
        }
        let start = start.min(self.bytes.len());
        start..find(self.bytes, start, b"endstream").unwrap_or(self.bytes.len())
    }

    /// Objects that stand in compressed streams.
    fn unpack_objects(&mut self) -> Result<(), Unreadable> {
        let is_packed = |entry: &&Entry| {
            entry.stream.is_some()
                && entry.object.dictionary().is_some_and(|d| is_type(d, "ObjStm"))
        };
        let mut unpacked = Vec::new();
        for entry in self.objects.values().filter(is_packed) {
            self.deadline.check()?;
            let Some(head) = entry.object.dictionary() else { continue };
            let bytes = self.unpack(entry)?;
            let number = |key: &str| head.get(key).and_then(Object::number).unwrap_or(0.0) as usize;
            let (count, first) = (number("N").min(MAX_OBJECTS), number("First"));
            let mut index = Lexer::new(&bytes, 0);
            for _ in 0..count {
                let (Some(no), Some(at)) = (index.object(), index.object()) else { break };
                let (Some(no), Some(at)) = (no.number(), at.number()) else { break };
                let at = first.saturating_add(at.max(0.0) as usize);
                if at >= bytes.len() {
                    continue;
                }
                self.deadline.check()?;
                if let Some(object) = Lexer::new(&bytes, at).object() {
                    unpacked.push((no as u32, object));
                }
            }
            if unpacked.len() > MAX_OBJECTS {
                return Err(Unreadable::TooSlow);
            }
        }
        for (no, object) in unpacked {
            self.objects.entry(no).or_insert(Entry { object, stream: None });
        }
        Ok(())
    }

    /// What an object is, behind references.
    pub(super) fn resolve<'o>(&'o self, mut object: &'o Object) -> Option<&'o Object> {
        for _ in 0..MAX_REFERENCES {
            let Object::Reference(no) = object else { return Some(object) };
            object = &self.objects.get(no)?.object;
        }
        None
    }

    /// A value of a dictionary, behind references.
    pub(super) fn get<'o>(&'o self, head: &'o Dictionary, key: &str) -> Option<&'o Object> {
        self.resolve(head.get(key)?)
    }

    pub(super) fn dictionary<'o>(
        &'o self,
        head: &'o Dictionary,
        key: &str,
    ) -> Option<&'o Dictionary> {
        self.get(head, key)?.dictionary()
    }

    /// Every dictionary of a type, by the number of the object.
    pub(super) fn of_type(&self, kind: &str) -> Vec<&Dictionary> {
        let of_kind = |(no, entry): (&u32, &'_ Entry)| {
            entry.object.dictionary().filter(|d| is_type(d, kind)).map(|_| *no)
        };
        let mut all: Vec<u32> = self.objects.iter().filter_map(of_kind).collect();
        all.sort_unstable();
        all.iter().filter_map(|no| self.objects.get(no)?.object.dictionary()).collect()
    }

    /// The bytes of a stream without its filters; nothing when it has one that is not known.
    pub(super) fn content(&self, reference: &Object) -> Result<Vec<u8>, Unreadable> {
        self.deadline.check()?;
        let Object::Reference(no) = reference else { return Ok(Vec::new()) };
        self.objects.get(no).map_or(Ok(Vec::new()), |entry| self.unpack(entry))
    }

    pub(super) fn head(&self, reference: &Object) -> Option<&Dictionary> {
        let Object::Reference(no) = reference else { return None };
        self.objects.get(no)?.object.dictionary()
    }

    fn unpack(&self, entry: &Entry) -> Result<Vec<u8>, Unreadable> {
        let (Some(range), Some(head)) = (&entry.stream, entry.object.dictionary()) else {
            return Ok(Vec::new());
        };
        let mut bytes = self.bytes[range.clone()].to_vec();
        let filters = match self.get(head, "Filter") {
            None => Vec::new(),
            Some(Object::Array(all)) => all.iter().filter_map(|f| self.resolve(f)).collect(),
            Some(one) => vec![one],
        };
        for filter in filters.iter().take(MAX_FILTERS).filter_map(|f| f.name()) {
            bytes = match filter {
                "FlateDecode" | "Fl" => self.inflate(&bytes),
                "ASCIIHexDecode" | "AHx" => hex(&bytes),
                "ASCII85Decode" | "A85" => ascii85(&bytes),
                _ => return Ok(Vec::new()),
            };
        }
        let left = self.budget.get().checked_sub(bytes.len()).ok_or(Unreadable::TooSlow)?;
        self.budget.set(left);
        Ok(bytes)
    }

    /// What can be unpacked of a stream that is broken counts.
    fn inflate(&self, bytes: &[u8]) -> Vec<u8> {
        let most = self.budget.get().min(MAX_STREAM) as u64;
        let mut out = Vec::new();
        let _ = flate2::read::ZlibDecoder::new(bytes).take(most).read_to_end(&mut out);
        out
    }
}

fn is_type(head: &Dictionary, kind: &str) -> bool {
    head.get("Type").and_then(Object::name) == Some(kind)
}

pub(super) fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memmem::find(rest, what).map(|at| from + at)
}

/// The `12` of `12 0 obj`.
fn number_before(bytes: &[u8], at: usize) -> Option<u32> {
    let head = &bytes[at.saturating_sub(24)..at];
    let mut words = head.rsplit(|b| is_space(*b)).filter(|word| !word.is_empty());
    let digits = |word: &[u8]| std::str::from_utf8(word).ok()?.parse::<u32>().ok();
    if !head.last().is_some_and(|b| is_space(*b)) {
        return None;
    }
    digits(words.next()?)?;
    let number = words.next()?;
    let start = number.iter().rposition(|b| !b.is_ascii_digit()).map_or(0, |at| at + 1);
    digits(&number[start..])
}

const MAX_OBJECTS: usize = 300_000;
const MAX_REFERENCES: usize = 16;
const MAX_FILTERS: usize = 4;
/// Of one stream.
const MAX_STREAM: usize = 16 << 20;
/// Of all streams together, each as often as it is read.
const MAX_UNPACKED: usize = 96 << 20;
