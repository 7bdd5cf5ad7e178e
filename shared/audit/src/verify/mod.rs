//! Checking a log, line by line of its export, against keys and witnesses that were kept elsewhere.
//!
//! Only what was signed and witnessed is proof: the database, the export and all that they say of
//! themselves may be an attacker's.

mod align;
mod finding;
mod heads;
mod record;
#[cfg(test)]
mod tests;
mod witness;

pub use finding::{Finding, Warning};
pub use witness::WitnessFiles;

use std::io;

use jiff::Timestamp;
use uuid::Uuid;

use crate::export::{ExportHeader, ExportLine};
use crate::tree::{Endorsement, Frontier, KeyRing, SignedHead};
use heads::{Checkpoint, Heads};
use record::{Records, Seen};

/// Reads the lines of one export and judges the log.
pub struct Verifier {
    ring: KeyRing,
    witnesses: WitnessFiles,
    header: Option<ExportHeader>,
    keys: Vec<Endorsement>,
    exported: Vec<SignedHead>,
    /// Checked heads by size; there from the first record on.
    heads: Option<Vec<Checkpoint>>,
    next_head: usize,
    frontier: Frontier,
    records: Records,
    /// The records since the last head that fits, in their order.
    unproven: Vec<Seen>,
    last_good: u64,
    first_bad: Option<u64>,
    ended: bool,
    findings: Vec<Finding>,
    warnings: Vec<Warning>,
    lines: u64,
}

/// What became of a check.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Which log.
    pub log: Option<Uuid>,
    /// How many records there are.
    pub records: u64,
    /// Up to which record signed heads prove the log.
    pub proven: u64,
    /// When it was exported.
    pub exported_at: Option<Timestamp>,
    /// What is wrong. Empty when the log is whole.
    pub findings: Vec<Finding>,
    /// What somebody should look at.
    pub warnings: Vec<Warning>,
}

impl Verifier {
    /// A check against these keys and witnesses. More than `flood` records of one actor within a minute
    /// are told of.
    pub fn new(ring: KeyRing, witnesses: WitnessFiles, flood: u64) -> Self {
        Self {
            ring,
            witnesses,
            header: None,
            keys: Vec::new(),
            exported: Vec::new(),
            heads: None,
            next_head: 0,
            frontier: Frontier::default(),
            records: Records::new(flood),
            unproven: Vec::new(),
            last_good: 0,
            first_bad: None,
            ended: false,
            findings: Vec::new(),
            warnings: Vec::new(),
            lines: 0,
        }
    }

    /// Takes the next line, without its end.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        if line.starts_with(RECORD) {
            return self.record(line);
        }
        if self.lines == 1 {
            self.header = serde_json::from_slice(line)
                .ok()
                .filter(|h: &ExportHeader| h.carerecord_audit_export == 1);
            if self.header.is_none() {
                self.findings.push(Finding::NotAnExport);
            }
            return;
        }
        match serde_json::from_slice(line) {
            Ok(ExportLine::Key(key)) => self.keys.push(key),
            // Heads stand before the records; one behind them would not have been compared.
            Ok(ExportLine::Head(head)) if self.heads.is_none() => self.exported.push(head),
            Ok(ExportLine::End { records }) if records == self.frontier.size() => self.ended = true,
            Ok(ExportLine::Head(_) | ExportLine::End { .. }) | Err(_) => {
                self.findings.push(Finding::Unreadable { line: self.lines });
            }
        }
    }

    fn record(&mut self, line: &[u8]) {
        self.prepare();
        let read = self.records.read(line, &mut self.findings, &mut self.warnings);
        let Some((seen, leaf)) = read else {
            return self.findings.push(Finding::Unreadable { line: self.lines });
        };
        self.frontier.push(leaf, &mut |_| ());
        self.unproven.push(seen);
        self.compare();
    }

    /// Compares with the heads of exactly this size.
    fn compare(&mut self) {
        let size = self.frontier.size();
        while let Some(head) = self.heads.as_ref().and_then(|h| h.get(self.next_head)) {
            if head.size > size {
                return;
            }
            self.next_head += 1;
            if self.first_bad.is_some() || head.size != size {
                continue;
            }
            let root = self.frontier.root();
            if head.roots.iter().all(|signed| *signed == root) {
                self.last_good = size;
                self.unproven.clear();
            } else {
                self.first_bad = Some(size);
            }
        }
    }

    /// Checks the heads, once the lines before the records have been read.
    fn prepare(&mut self) {
        if self.heads.is_some() {
            return;
        }
        let header = self.header.as_ref();
        let judged = Heads {
            log: header.and_then(|h| h.log),
            exported_at: header.map_or(i64::MIN, |h| h.exported_at),
            exported: &self.exported,
            witnesses: &self.witnesses,
        }
        .judge(&mut self.ring, &self.keys, &mut self.findings, &mut self.warnings);
        self.heads = Some(judged);
    }

    /// The verdict, after the last line.
    ///
    /// # Errors
    /// When a witness's file cannot be read again.
    pub fn finish(mut self) -> io::Result<Verdict> {
        self.prepare();
        let size = self.frontier.size();
        if !self.ended {
            self.findings.push(Finding::Cut { after: size });
        }
        let heads = self.heads.take().unwrap_or_default();
        let signed = heads.last().map_or(0, |h| h.size);
        if heads.is_empty() && size > 0 {
            self.findings.push(Finding::NoHead);
        }
        if self.first_bad.is_some() || signed > size {
            self.explain(signed)?;
        } else if signed > 0 && size > signed {
            self.warnings.push(Warning::NotYetSigned { from: signed + 1, to: size });
        }
        self.records.finish(&mut self.warnings);
        Ok(Verdict {
            log: self.header.as_ref().and_then(|h| h.log),
            records: size,
            proven: self.last_good,
            exported_at: self.header.and_then(|h| Timestamp::from_millisecond(h.exported_at).ok()),
            findings: self.findings,
            warnings: self.warnings,
        })
    }

    /// Names what is wrong behind the last head that fits, by what witnesses know of each record.
    fn explain(&mut self, signed: u64) -> io::Result<()> {
        let (from, size) = (self.last_good, self.frontier.size());
        let log = self.header.as_ref().and_then(|h| h.log);
        let prints = self.witnesses.prints(log, from, signed)?;
        let known = from + prints.len() as u64;
        if known > from {
            let explained = align::explain(from, &prints, &self.unproven);
            // What the chain shows is explained better so.
            self.findings.retain(|f| !f.is_of_the_chain_up_to(known));
            self.findings.extend(explained);
        }
        if known < signed {
            let bad = self.first_bad.filter(|bad| *bad > known);
            if let Some(to) = bad {
                self.findings.push(Finding::Damaged { from: known + 1, to });
            } else if size < signed {
                self.findings.push(Finding::Truncated { from: size.max(known) + 1, to: signed });
            }
        }
        if self.findings.is_empty() {
            // The heads do not fit, whatever the witnesses' prints say.
            let to = self.first_bad.unwrap_or(signed);
            self.findings.push(Finding::Damaged { from: from + 1, to });
        }
        Ok(())
    }
}

const RECORD: &[u8] = b"{\"seq\":";
