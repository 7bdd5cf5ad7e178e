use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Finding, Warning, WitnessFiles};
use crate::tree::{Endorsement, KeyRing, SignedHead, TreeHash};

/// What believed heads say of one size.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub size: u64,
    /// One, unless somebody was shown another log.
    pub roots: Vec<TreeHash>,
    exported: bool,
    witnessed: bool,
}

/// The heads of an export and of its witnesses.
pub(super) struct Heads<'a> {
    pub log: Option<Uuid>,
    pub exported_at: i64,
    pub exported: &'a [SignedHead],
    pub witnesses: &'a WitnessFiles,
}

impl Heads<'_> {
    /// Those that are believed, by size.
    pub(super) fn judge(
        &self,
        ring: &mut KeyRing,
        keys: &[Endorsement],
        findings: &mut Vec<Finding>,
        warnings: &mut Vec<Warning>,
    ) -> Vec<Checkpoint> {
        ring.learn(keys);
        ring.learn(&self.witnesses.keys);
        let mut believed: BTreeMap<u64, Checkpoint> = BTreeMap::new();
        for head in self.exported {
            if self.is_believed(head, ring, findings) {
                add(&mut believed, head, Origin::Export);
            }
        }
        let (mut newer, mut of_this_log) = (0, 0);
        for head in self.witnesses.heads_of(self.log) {
            of_this_log += 1;
            if head.head.timestamp > self.exported_at {
                newer += 1;
            } else if self.is_believed(head, ring, findings) {
                let fresh = head.head.timestamp > self.exported_at.saturating_sub(FRESH_MS);
                add(&mut believed, head, if fresh { Origin::Fresh } else { Origin::Witness });
            }
        }
        match (self.witnesses.is_empty(), of_this_log) {
            (true, _) => warnings.push(Warning::NoWitnessGiven),
            (false, 0) => findings.push(Finding::NoWitness),
            (false, _) => {}
        }
        if newer > 0 {
            warnings.push(Warning::NewerHeads { count: newer });
        }
        if self.witnesses.unreadable > 0 {
            warnings.push(Warning::WitnessLines { count: self.witnesses.unreadable });
        }
        for checkpoint in believed.values() {
            if checkpoint.roots.len() > 1 {
                findings.push(Finding::SplitView { size: checkpoint.size });
            }
            if checkpoint.witnessed && !checkpoint.exported {
                findings.push(Finding::HeadRemoved { size: checkpoint.size });
            }
        }
        believed.into_values().collect()
    }

    fn is_believed(&self, head: &SignedHead, ring: &KeyRing, findings: &mut Vec<Finding>) -> bool {
        let size = head.head.tree_size;
        let Some(key) = ring.get(&head.key) else {
            let told =
                |f: &Finding| matches!(f, Finding::UnknownKey { key, .. } if *key == head.key);
            if !findings.iter().any(told) {
                findings.push(Finding::UnknownKey { size, key: head.key.clone() });
            }
            return false;
        };
        let believed = Some(head.head.log) == self.log && head.verify(key).is_ok();
        if !believed && findings.last() != Some(&Finding::ForgedHead { size }) {
            findings.push(Finding::ForgedHead { size });
        }
        believed
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Origin {
    Export,
    Witness,
    /// A witness's that may have been signed when the export had begun.
    Fresh,
}

fn add(believed: &mut BTreeMap<u64, Checkpoint>, head: &SignedHead, origin: Origin) {
    let size = head.head.tree_size;
    let checkpoint = believed.entry(size).or_insert_with(|| Checkpoint {
        size,
        roots: Vec::new(),
        exported: false,
        witnessed: false,
    });
    checkpoint.exported |= origin == Origin::Export;
    checkpoint.witnessed |= origin == Origin::Witness;
    if !checkpoint.roots.contains(&head.head.root) {
        checkpoint.roots.push(head.head.root);
    }
}

/// How long a head can take from its time to where an export sees it.
const FRESH_MS: i64 = 5_000;
