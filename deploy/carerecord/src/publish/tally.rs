//! How far a run is: counts, rate and what is left, for a person who watches and for a log.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::Instant;

use super::{Outcome, Verdict};

/// The counts of a run.
pub struct Tally {
    bar: ProgressBar,
    counts: BTreeMap<Verdict, u64>,
    /// Rows that an earlier run had done.
    pub skipped: u64,
    /// How many rows there are; 0 while nobody knows.
    total: Arc<AtomicU64>,
    rate: Rate,
    begun: Instant,
    told: Instant,
    /// Whether good outcomes are printed too.
    all: bool,
}

/// How fast it goes just now.
struct Rate {
    at: Instant,
    documents: u64,
    bytes: u64,
    documents_a_second: f64,
    bytes_a_second: f64,
}

impl Tally {
    /// `all`: print good outcomes too, since no file has them.
    ///
    /// # Errors
    /// When there can be no bar.
    pub fn new(total: Arc<AtomicU64>, all: bool) -> anyhow::Result<Self> {
        let now = Instant::now();
        let rate =
            Rate { at: now, documents: 0, bytes: 0, documents_a_second: 0.0, bytes_a_second: 0.0 };
        let bar = crate::progress::bar(BAR, None)?;
        let counts = BTreeMap::new();
        Ok(Self { bar, counts, skipped: 0, total, rate, begun: now, told: now, all })
    }

    /// Counts an outcome and prints its line.
    pub fn count(&mut self, outcome: &Outcome) {
        *self.counts.entry(outcome.outcome).or_default() += 1;
        if self.all || !outcome.outcome.is_good() {
            let (mark, path) = (outcome.outcome.words(), printable(&outcome.path));
            let line = outcome.line.map(|line| format!("line {line}: ")).unwrap_or_default();
            let text = words(outcome);
            // Nobody need listen to the end.
            let mut out = std::io::stdout();
            let line = format!("{mark}\t{line}{path}\t{text}");
            let _ = self.bar.suspend(|| writeln!(out, "{line}"));
        }
        self.bar.set_position(self.rows());
    }

    fn of(&self, verdict: Verdict) -> u64 {
        self.counts.get(&verdict).copied().unwrap_or_default()
    }

    fn done(&self) -> u64 {
        self.counts.values().sum()
    }

    fn rows(&self) -> u64 {
        self.done() + self.skipped
    }

    /// Whether there is nothing to mend.
    pub fn all_good(&self) -> bool {
        self.counts.iter().all(|(verdict, count)| verdict.is_good() || *count == 0)
    }

    /// Shows how far it is; to be called about once a second.
    pub fn show(&mut self, bytes: u64, at_once: usize) {
        self.rate.take(self.done(), bytes);
        let total = self.total.load(Ordering::Relaxed);
        if total > 0 {
            self.bar.set_length(total.max(self.rows()));
        }
        let line = self.line(total, at_once);
        self.bar.set_position(self.rows());
        self.bar.set_message(line.clone());
        if !std::io::stderr().is_terminal() && self.told.elapsed() >= TELL {
            self.told = Instant::now();
            eprintln!("{line}");
        }
    }

    fn line(&self, total: u64, at_once: usize) -> String {
        let rows = self.rows();
        let bad = self.counts.iter().filter(|(v, _)| !v.is_good()).map(|(_, n)| n).sum::<u64>();
        let rate = self.rate.documents_a_second;
        let left = match total.saturating_sub(rows) {
            0 => String::new(),
            left if rate > SLOWEST => format!(", {} left", span(left as f64 / rate)),
            _ => String::new(),
        };
        let of = if total > 0 { format!(" of {total}") } else { String::new() };
        let speed = self.rate.bytes_a_second / 1e6;
        format!(
            "{rows}{of}, {bad} not taken, {rate:.1}/s, {speed:.2} MB/s, {at_once} at once{left}"
        )
    }

    /// The last words of a run.
    pub fn close(&self) {
        self.bar.finish_and_clear();
        let each = Verdict::ALL.into_iter().filter(|v| self.of(*v) > 0 || *v == Verdict::Accepted);
        let mut parts: Vec<String> =
            each.map(|v| format!("{} {}", self.of(v), v.words())).collect();
        if self.of(Verdict::Valid) > 0 {
            parts.retain(|part| part != "0 accepted");
        }
        if self.skipped > 0 {
            parts.push(format!("{} done before", self.skipped));
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = self.done() as f64 / seconds.max(0.001);
        eprintln!("{}; {} in all, {rate:.1}/s", parts.join(", "), span(seconds));
    }
}

impl Rate {
    /// The mean of about the last half minute.
    fn take(&mut self, documents: u64, bytes: u64) {
        let seconds = self.at.elapsed().as_secs_f64();
        if seconds < 0.2 {
            return;
        }
        let first = self.documents_a_second == 0.0;
        let weight = if first { 1.0 } else { 1.0 - (-seconds / 15.0).exp() };
        let mean = |old: f64, gained: u64| old + weight * (gained as f64 / seconds - old);
        self.documents_a_second =
            mean(self.documents_a_second, documents.saturating_sub(self.documents));
        self.bytes_a_second = mean(self.bytes_a_second, bytes.saturating_sub(self.bytes));
        (self.at, self.documents, self.bytes) = (Instant::now(), documents, bytes);
    }
}

fn words(outcome: &Outcome) -> String {
    let id = outcome.unique_id.as_deref().filter(|_| outcome.outcome.is_good());
    match (id, outcome.reason.as_str()) {
        (Some(id), "") => id.to_owned(),
        (Some(id), reason) => format!("{id} ({reason})"),
        (None, reason) => reason.to_owned(),
    }
}

/// A path on one line.
fn printable(path: &str) -> String {
    path.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn span(seconds: f64) -> String {
    let s = seconds.min(1e9) as u64;
    match s {
        0..=99 => format!("{s} s"),
        100..=5999 => format!("{} min", (s + 30) / 60),
        6000..=359_999 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} days", s / 86_400),
    }
}

/// Documents a second; when it is slower, nobody can tell how long it takes.
const SLOWEST: f64 = 0.02;
const BAR: &str = "{wide_bar} {msg}";
/// How often a log is told.
const TELL: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_people_say_them() {
        for (seconds, words) in
            [(0.4, "0 s"), (99.0, "99 s"), (100.0, "2 min"), (7260.0, "2 h 1 min"), (4e5, "4 days")]
        {
            assert_eq!(span(seconds), words);
        }
    }

    #[tokio::test]
    async fn a_line_tells_how_far_it_is_and_what_is_left() {
        let mut tally = Tally::new(Arc::new(AtomicU64::new(1000)), false).unwrap();
        tally.skipped = 300;
        tally.counts = [(Verdict::Accepted, 90), (Verdict::Refused, 10)].into();
        tally.rate.documents_a_second = 10.0;

        let line = tally.line(1000, 4);

        assert_eq!(line, "400 of 1000, 10 not taken, 10.0/s, 0.00 MB/s, 4 at once, 60 s left");
        assert!(!tally.all_good());
    }
}
