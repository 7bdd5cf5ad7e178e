use std::collections::HashMap;

use super::{Finding, Warning};
use crate::log::chain;
use crate::tree::{Entry, TreeHash};

/// A record that was read: its number, and by what a witness knows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    pub seq: u64,
    pub print: u64,
}

/// Reads the lines of records, and checks what each says of its neighbours.
pub(super) struct Records {
    /// More records of one actor within a minute are told of.
    flood: u64,
    last_seq: u64,
    /// The hash that the record before has in the chain.
    previous: Option<[u8; 32]>,
    newest_ms: Option<i64>,
    /// By actor: the minute, its first record, and how many.
    minutes: HashMap<String, (i64, u64, u64)>,
}

impl Records {
    pub(super) fn new(flood: u64) -> Self {
        Self { flood, last_seq: 0, previous: None, newest_ms: None, minutes: HashMap::new() }
    }

    /// The record of a line; `None` when it is not a record's.
    pub(super) fn read(
        &mut self,
        line: &[u8],
        findings: &mut Vec<Finding>,
        warnings: &mut Vec<Warning>,
    ) -> Option<(Seen, TreeHash)> {
        let (seq, hash, bytes) = split(line)?;
        let leaf = TreeHash::leaf(bytes);
        if seq != self.last_seq + 1 {
            findings.push(Finding::Number { expected: self.last_seq + 1, found: seq });
        }
        // An entry that cannot be read is told of by the heads; its chain cannot be followed.
        let entry: Option<Entry<'_>> = serde_json::from_slice(bytes).ok();
        let previous = self.previous.as_ref().map_or(&[][..], |hash| hash.as_slice());
        let follows = entry.as_ref().is_some_and(|e| chain(previous, &e.record) == hash);
        if !follows {
            findings.push(Finding::Chain { seq });
        }
        if let Some(entry) = &entry {
            self.time(seq, entry.recorded_at, warnings);
            self.count(seq, entry, warnings);
        }
        self.last_seq = seq;
        self.previous = Some(hash);
        Some((Seen { seq, print: leaf.print() }, leaf))
    }

    fn time(&mut self, seq: u64, at: i64, warnings: &mut Vec<Warning>) {
        let newest = self.newest_ms.unwrap_or(at);
        if newest.saturating_sub(at) > SKEW_MS {
            warnings.push(Warning::ClockWentBack { seq, by_ms: newest - at });
            // Told once, not for each record until the time is made up for.
            self.newest_ms = Some(at);
        } else {
            self.newest_ms = Some(newest.max(at));
        }
    }

    fn count(&mut self, seq: u64, entry: &Entry<'_>, warnings: &mut Vec<Warning>) {
        let Some(actor) = entry.actor.as_deref() else { return };
        let minute = entry.recorded_at.div_euclid(60_000);
        match self.minutes.get_mut(actor) {
            Some((of, _, count)) if *of == minute => *count += 1,
            Some(other) => {
                let (_, first, count) = std::mem::replace(other, (minute, seq, 1));
                self.told(first, count, warnings);
            }
            None => {
                self.minutes.insert(actor.to_owned(), (minute, seq, 1));
            }
        }
    }

    /// Tells of the last minute of each actor.
    pub(super) fn finish(&mut self, warnings: &mut Vec<Warning>) {
        let mut left: Vec<_> = self.minutes.drain().map(|(_, (_, first, n))| (first, n)).collect();
        left.sort_unstable();
        for (first, count) in left {
            self.told(first, count, warnings);
        }
    }

    fn told(&self, seq: u64, count: u64, warnings: &mut Vec<Warning>) {
        if count > self.flood {
            warnings.push(Warning::Flood { seq, count });
        }
    }
}

/// Number, hash and entry of `{"seq":N,"hash":"…","entry":{…}}`.
fn split(line: &[u8]) -> Option<(u64, [u8; 32], &[u8])> {
    let rest = line.strip_prefix(super::RECORD)?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = rest.split_at_checked(digits)?;
    let seq = std::str::from_utf8(number).ok()?.parse().ok()?;
    let (hex, rest) = rest.strip_prefix(b",\"hash\":\"")?.split_at_checked(64)?;
    let entry = rest.strip_prefix(b"\",\"entry\":")?.strip_suffix(b"}")?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(hex.as_chunks::<2>().0) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some((seq, hash, entry))
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Clocks of several processes, and messages that are finished in another order than they are stored.
const SKEW_MS: i64 = 60_000;
