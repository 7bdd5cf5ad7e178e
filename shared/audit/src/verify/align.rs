//! Which records were altered, removed, inserted or moved, by the prints of what was signed and of
//! what is there.

use std::collections::HashMap;

use super::Finding;
use super::record::Seen;

/// Compares what was signed, the records after number `from`, with what is there.
pub(super) fn explain(from: u64, signed: &[u64], there: &[Seen]) -> Vec<Finding> {
    let place = |index: usize| from + index as u64 + 1;
    let last = from + signed.len() as u64;
    let matches = matches(signed, there);
    let mut findings = Vec::new();
    for (index, position) in out_of_order(&matches) {
        if let Some(seen) = there.get(position) {
            findings.push(Finding::Moved { from: place(index), to: seen.seq });
        }
    }
    let moved: Vec<Option<usize>> = matches.iter().map(|m| m.map(|(index, _)| index)).collect();
    let in_order: Vec<(usize, usize)> = matches
        .iter()
        .enumerate()
        .filter_map(|(position, m)| m.filter(|(_, kept)| *kept).map(|(index, _)| (index, position)))
        .collect();
    let mut matched = vec![false; signed.len()];
    for index in moved.iter().flatten() {
        if let Some(m) = matched.get_mut(*index) {
            *m = true;
        }
    }
    let (mut index, mut position) = (0, 0);
    for (next_index, next_position) in in_order.into_iter().chain([(signed.len(), there.len())]) {
        let gone = (index..next_index).filter(|i| matched.get(*i) == Some(&false)).map(place);
        let strange = there
            .get(position..next_position)
            .unwrap_or_default()
            .iter()
            .zip(moved.get(position..next_position).unwrap_or_default())
            .filter(|(_, m)| m.is_none())
            .map(|(seen, _)| seen.seq);
        if next_index == signed.len() {
            // Behind all that was signed come records that no head is over yet.
            ending(
                last,
                gone.collect(),
                strange.filter(|seq| *seq <= last).collect(),
                &mut findings,
            );
        } else {
            between(gone, strange, &mut findings);
        }
        (index, position) = (next_index + 1, next_position + 1);
    }
    findings.sort_by_key(order);
    findings
}

/// For each record that is there: which signed one it is, and whether it stands in order among the
/// most that do.
fn matches(signed: &[u64], there: &[Seen]) -> Vec<Option<(usize, bool)>> {
    let mut by_print: HashMap<u64, usize> =
        signed.iter().enumerate().map(|(index, print)| (*print, index)).collect();
    let mut matches: Vec<Option<(usize, bool)>> = there
        .iter()
        // Each signed record once: a copy is an insertion.
        .map(|seen| by_print.remove(&seen.print).map(|index| (index, false)))
        .collect();
    for position in longest_in_order(&matches) {
        if let Some(Some((_, kept))) = matches.get_mut(position) {
            *kept = true;
        }
    }
    matches
}

/// The positions of a longest run of matches in increasing order.
fn longest_in_order(matches: &[Option<(usize, bool)>]) -> Vec<usize> {
    // By length of run: the index at its end, and its position.
    let mut ends: Vec<(usize, usize)> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; matches.len()];
    for (position, found) in matches.iter().enumerate() {
        let Some((index, _)) = *found else { continue };
        let at = ends.partition_point(|(end, _)| *end < index);
        if let Some(slot) = before.get_mut(position) {
            *slot = at.checked_sub(1).and_then(|at| ends.get(at)).map(|(_, p)| *p);
        }
        match ends.get_mut(at) {
            Some(end) => *end = (index, position),
            None => ends.push((index, position)),
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut next = ends.last().map(|(_, position)| *position);
    while let Some(position) = next {
        run.push(position);
        next = before.get(position).copied().flatten();
    }
    run.reverse();
    run
}

fn out_of_order(matches: &[Option<(usize, bool)>]) -> impl Iterator<Item = (usize, usize)> + '_ {
    matches.iter().enumerate().filter_map(|(position, m)| match m {
        Some((index, false)) => Some((*index, position)),
        Some((_, true)) | None => None,
    })
}

/// Between two records that are where they were: pairs were altered, the rest removed or inserted.
fn between(
    mut gone: impl Iterator<Item = u64>,
    mut strange: impl Iterator<Item = u64>,
    findings: &mut Vec<Finding>,
) {
    loop {
        findings.push(match (gone.next(), strange.next()) {
            (Some(seq), Some(_)) => Finding::Altered { seq },
            (Some(seq), None) => Finding::Removed { seq },
            (None, Some(seq)) => Finding::Inserted { seq },
            (None, None) => return,
        });
    }
}

/// At the end nothing tells a new record from one in the place of another but its number.
fn ending(last: u64, gone: Vec<u64>, strange: Vec<u64>, findings: &mut Vec<Finding>) {
    if gone.is_empty() {
        return;
    }
    let mut cut: Option<u64> = None;
    for seq in gone {
        if strange.contains(&seq) {
            findings.push(Finding::Altered { seq });
            cut = None;
        } else {
            findings.push(Finding::Removed { seq });
            cut = cut.or(Some(seq));
        }
    }
    if let Some(from) = cut {
        findings.retain(|f| !matches!(f, Finding::Removed { seq } if *seq >= from));
        findings.push(Finding::Truncated { from, to: last });
    }
    for seq in strange {
        if !findings.contains(&Finding::Altered { seq }) {
            findings.push(Finding::Inserted { seq });
        }
    }
}

fn order(finding: &Finding) -> u64 {
    match finding {
        Finding::Altered { seq } | Finding::Removed { seq } | Finding::Inserted { seq } => *seq,
        Finding::Moved { from, .. } | Finding::Truncated { from, .. } => *from,
        Finding::Damaged { .. }
        | Finding::Chain { .. }
        | Finding::Number { .. }
        | Finding::ForgedHead { .. }
        | Finding::UnknownKey { .. }
        | Finding::SplitView { .. }
        | Finding::HeadRemoved { .. }
        | Finding::NoHead
        | Finding::NoWitness
        | Finding::NotAnExport
        | Finding::Unreadable { .. }
        | Finding::Cut { .. } => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records 11 to 20 were signed; these are there, renumbered without gaps.
    fn explained(there: &[u64]) -> Vec<Finding> {
        let signed: Vec<u64> = (11..=20).collect();
        let there: Vec<Seen> =
            there.iter().zip(11..).map(|(print, seq)| Seen { seq, print: *print }).collect();
        explain(10, &signed, &there)
    }

    #[test]
    fn each_change_is_named() {
        use Finding::{Altered, Inserted, Moved, Removed, Truncated};

        assert_eq!(explained(&[11, 12, 13, 14, 15, 16, 17, 18, 19, 20]), []);
        assert_eq!(explained(&[11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 99, 98]), []);
        assert_eq!(explained(&[11, 99, 13, 14, 15, 16, 17, 18, 19, 20]), [Altered { seq: 12 }]);
        assert_eq!(explained(&[11, 13, 14, 15, 16, 17, 18, 19, 20, 99]), [Removed { seq: 12 }]);
        assert_eq!(
            explained(&[11, 12, 99, 13, 14, 15, 16, 17, 18, 19, 20]),
            [Inserted { seq: 13 }]
        );
        assert_eq!(
            explained(&[11, 12, 12, 13, 14, 15, 16, 17, 18, 19, 20]),
            [Inserted { seq: 13 }]
        );
        assert_eq!(
            explained(&[11, 13, 14, 15, 12, 16, 17, 18, 19, 20]),
            [Moved { from: 12, to: 15 }]
        );
        assert_eq!(explained(&[11, 12, 13, 14, 15]), [Truncated { from: 16, to: 20 }]);
        assert_eq!(explained(&[]), [Truncated { from: 11, to: 20 }]);
        assert_eq!(explained(&[11, 12, 13, 14, 15, 16, 17, 18, 99, 20]), [Altered { seq: 19 }]);
        assert_eq!(explained(&[11, 12, 13, 14, 15, 16, 17, 18, 19, 99]), [Altered { seq: 20 }]);
        assert_eq!(
            explained(&[11, 99, 13, 15, 16, 98, 17, 18, 20, 19]),
            [
                Altered { seq: 12 },
                Removed { seq: 14 },
                Inserted { seq: 16 },
                Moved { from: 20, to: 19 }
            ]
        );
    }
}
