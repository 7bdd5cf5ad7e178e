//! What is different between two versions of a document: by lines of their text, and within lines
//! by words.

use std::fmt;

use crate::Rendered;
use crate::text::html_to_text;

/// What is different between an older and a newer version.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Comparison {
    /// The lines of both, in order.
    pub changes: Vec<Change>,
    /// Whether the versions were too long, or too different, to compare all of them line by line:
    /// then lines count as changed that may not be.
    pub is_coarse: bool,
}

/// A line of one or of both versions. `Debug` shows no content.
#[derive(Clone, Eq, PartialEq)]
pub enum Change {
    /// In both.
    Same(String),
    /// Only in the older.
    Removed(String),
    /// Only in the newer.
    Added(String),
    /// In both, but not the same.
    Altered {
        /// As it was.
        older: Vec<Piece>,
        /// As it is.
        newer: Vec<Piece>,
    },
}

/// A stretch of words of a line. `Debug` shows no content.
#[derive(Clone, Eq, PartialEq)]
pub struct Piece {
    /// The words, with one space between them.
    pub text: String,
    /// Whether the other version has them not.
    pub differs: bool,
}

impl Comparison {
    /// Whether the texts are the same.
    pub fn is_same(&self) -> bool {
        self.changes.iter().all(|change| matches!(change, Change::Same(_)))
    }
}

/// Compares the texts of two versions. Files inside them are not looked into.
///
/// Takes bounded time: at most about 20 million comparisons.
pub fn compare(older: &Rendered, newer: &Rendered) -> Comparison {
    let (older, newer) = (lines(older), lines(newer));
    let mut budget = MAX_CELLS;
    let (pairs, mut is_coarse) = common(&older, &newer, &mut budget);
    is_coarse |= older.len() > MAX_LINES || newer.len() > MAX_LINES;
    let mut changes = Vec::new();
    let (mut at_older, mut at_newer) = (0, 0);
    let end = (older.len(), newer.len());
    for (next_older, next_newer) in pairs.into_iter().chain([end]) {
        let removed = older.get(at_older..next_older).unwrap_or_default();
        let added = newer.get(at_newer..next_newer).unwrap_or_default();
        between(removed, added, &mut budget, &mut changes);
        if let Some(line) = older.get(next_older) {
            changes.push(Change::Same(line.clone()));
        }
        (at_older, at_newer) = (next_older + 1, next_newer + 1);
    }
    Comparison { changes, is_coarse }
}

/// Title, headings and lines of a document's text.
fn lines(rendered: &Rendered) -> Vec<String> {
    let mut lines: Vec<String> = rendered.title.iter().cloned().collect();
    for section in &rendered.sections {
        lines.push(section.title.clone());
        lines.extend(html_to_text(section.html.as_str()).lines().map(str::to_owned));
    }
    lines
}

/// Lines that stand between two that are in both: those that are much alike are one, altered.
fn between(removed: &[String], added: &[String], budget: &mut usize, out: &mut Vec<Change>) {
    let both = removed.len().min(added.len());
    for (older, newer) in removed.iter().zip(added) {
        match altered(older, newer, budget) {
            Some(change) => out.push(change),
            None => out.extend([Change::Removed(older.clone()), Change::Added(newer.clone())]),
        }
    }
    out.extend(removed.iter().skip(both).cloned().map(Change::Removed));
    out.extend(added.iter().skip(both).cloned().map(Change::Added));
}

/// Two lines as one, if at least a third of the longer one's words are in both.
fn altered(older: &str, newer: &str, budget: &mut usize) -> Option<Change> {
    let (older, newer) = (words(older), words(newer));
    let (pairs, is_coarse) = common(&older, &newer, budget);
    if is_coarse || pairs.len() * 3 < older.len().max(newer.len()) {
        return None;
    }
    let older_kept: Vec<usize> = pairs.iter().map(|(o, _)| *o).collect();
    let newer_kept: Vec<usize> = pairs.iter().map(|(_, n)| *n).collect();
    Some(Change::Altered { older: pieces(&older, &older_kept), newer: pieces(&newer, &newer_kept) })
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// `kept` are the words that are in both, in order.
fn pieces(words: &[String], kept: &[usize]) -> Vec<Piece> {
    let mut kept = kept.iter().peekable();
    let mut pieces: Vec<Piece> = Vec::new();
    for (n, word) in words.iter().enumerate() {
        let differs = kept.next_if(|at| **at == n).is_none();
        match pieces.last_mut().filter(|last| last.differs == differs) {
            Some(last) => {
                last.text.push(' ');
                last.text.push_str(word);
            }
            None => pieces.push(Piece { text: word.clone(), differs }),
        }
    }
    pieces
}

/// The longest common subsequence, as pairs of places; and whether it had to be guessed, because
/// finding it would take more than is left of the budget. Then it has what both begin and end with.
fn common(older: &[String], newer: &[String], budget: &mut usize) -> (Vec<(usize, usize)>, bool) {
    let start = older.iter().zip(newer).take_while(|(o, n)| o == n).count();
    let (older_rest, newer_rest) = (&older[start..], &newer[start..]);
    let end = older_rest.iter().rev().zip(newer_rest.iter().rev()).take_while(|(o, n)| o == n);
    let end = end.count();
    let older_middle = &older_rest[..older_rest.len() - end];
    let newer_middle = &newer_rest[..newer_rest.len() - end];
    let mut pairs: Vec<(usize, usize)> = (0..start).map(|n| (n, n)).collect();
    let cells = (older_middle.len() + 1).saturating_mul(newer_middle.len() + 1);
    let is_coarse = cells > *budget || cells > MAX_TABLE;
    if !is_coarse {
        *budget -= cells;
        let middle = longest(older_middle, newer_middle);
        pairs.extend(middle.into_iter().map(|(o, n)| (start + o, start + n)));
    }
    let behind = (older.len() - end, newer.len() - end);
    pairs.extend((0..end).map(|n| (behind.0 + n, behind.1 + n)));
    (pairs, is_coarse)
}

/// The longest common subsequence by a table of lengths, filled from the end.
fn longest(older: &[String], newer: &[String]) -> Vec<(usize, usize)> {
    let width = newer.len() + 1;
    let mut lengths = vec![0u32; (older.len() + 1) * width];
    for o in (0..older.len()).rev() {
        for n in (0..newer.len()).rev() {
            let at = o * width + n;
            lengths[at] = if older[o] == newer[n] {
                lengths[at + width + 1] + 1
            } else {
                lengths[at + width].max(lengths[at + 1])
            };
        }
    }
    let (mut o, mut n, mut pairs) = (0, 0, Vec::new());
    while o < older.len() && n < newer.len() {
        let at = o * width + n;
        if older[o] == newer[n] {
            pairs.push((o, n));
            (o, n) = (o + 1, n + 1);
        } else if lengths[at + width] >= lengths[at + 1] {
            o += 1;
        } else {
            n += 1;
        }
    }
    pairs
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same(_) => "Same",
            Self::Removed(_) => "Removed",
            Self::Added(_) => "Added",
            Self::Altered { .. } => "Altered",
        })
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({})", if self.differs { "differs" } else { "same" })
    }
}

/// Lines of a version beyond which a comparison is told to be coarse.
const MAX_LINES: usize = 100_000;
/// Comparisons of all.
const MAX_CELLS: usize = 20_000_000;
/// Comparisons of one table, of four bytes each.
const MAX_TABLE: usize = 9_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, render};

    #[test]
    fn lines_and_words_that_differ() {
        let older = shown("Clinic letter\nAmlodipine 5 mg once a day\nReview in May\nKind regards");
        let newer =
            shown("Clinic letter\nAmlodipine 10 mg once a day\nKind regards\nCopy to patient");

        let compared = compare(&older, &newer);

        let piece = |text: &str, differs| Piece { text: text.to_owned(), differs };
        let expected = [
            Change::Same("Text".to_owned()),
            Change::Same("Clinic letter".to_owned()),
            Change::Altered {
                older: vec![
                    piece("Amlodipine", false),
                    piece("5", true),
                    piece("mg once a day", false),
                ],
                newer: vec![
                    piece("Amlodipine", false),
                    piece("10", true),
                    piece("mg once a day", false),
                ],
            },
            Change::Removed("Review in May".to_owned()),
            Change::Same("Kind regards".to_owned()),
            Change::Added("Copy to patient".to_owned()),
        ];
        assert!(compared.changes == expected, "{compared:?}");
        assert!(!compared.is_same() && !compared.is_coarse);
        assert!(compare(&older, &older).is_same());
    }

    #[test]
    fn each_version_can_be_had_back() {
        let words = ["a", "b", "c d e f", "c d x f", ""];
        let mut seed = 7u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            words[(seed >> 16) as usize % words.len()]
        };
        for _ in 0..200 {
            let older: Vec<_> = (0..12).map(|_| next()).collect();
            let newer: Vec<_> = (0..12).map(|_| next()).collect();
            let (older, newer) = (shown(&older.join("\n")), shown(&newer.join("\n")));

            let changes = compare(&older, &newer).changes;

            let of = |pieces: &[Piece]| {
                pieces.iter().map(|p| p.text.clone()).collect::<Vec<_>>().join(" ")
            };
            let side = |is_newer: bool| -> Vec<String> {
                let line = |change: &Change| match change {
                    Change::Same(line) => Some(line.clone()),
                    Change::Removed(line) => (!is_newer).then(|| line.clone()),
                    Change::Added(line) => is_newer.then(|| line.clone()),
                    Change::Altered { older, newer } => {
                        Some(of(if is_newer { newer } else { older }))
                    }
                };
                changes.iter().filter_map(line).collect()
            };
            assert_eq!(side(false), lines(&older));
            assert_eq!(side(true), lines(&newer));
        }
    }

    #[test]
    fn what_is_too_different_takes_bounded_time() {
        let older: String = (0..60_000).map(|n| format!("old {n}\n")).collect();
        let newer: String = (0..60_000).map(|n| format!("new {n} x\n")).collect();
        let started = std::time::Instant::now();

        let compared = compare(&shown(&older), &shown(&newer));

        assert!(compared.is_coarse && !compared.is_same());
        assert!(started.elapsed().as_secs() < 20);
    }

    fn shown(text: &str) -> Rendered {
        render(text.as_bytes(), &Kind::PlainText)
    }
}
