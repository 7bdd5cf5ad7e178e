use std::fmt;

use crate::tree::KeyId;

/// What is wrong with a log. Records are told by their numbers, of the log as it was signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The record is not what was signed.
    Altered {
        /// Its number.
        seq: u64,
    },
    /// The record is gone.
    Removed {
        /// Its number.
        seq: u64,
    },
    /// The record was never signed, and stands between others that were.
    Inserted {
        /// Its number in the export.
        seq: u64,
    },
    /// The record stands elsewhere than it was signed.
    Moved {
        /// Its number as it was signed.
        from: u64,
        /// Its number in the export.
        to: u64,
    },
    /// The newest records are gone.
    Truncated {
        /// The first that is gone.
        from: u64,
        /// The last one that was signed.
        to: u64,
    },
    /// Among these something was altered, removed, inserted or moved; no witness knows them singly.
    Damaged {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The hash that chains the record to the one before does not fit.
    Chain {
        /// The record's number.
        seq: u64,
    },
    /// Numbers do not follow each other.
    Number {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A head is not signed by its key.
    ForgedHead {
        /// Over how many records.
        size: u64,
    },
    /// A head is signed by a key that none of the given ones vouches for.
    UnknownKey {
        /// Over how many records.
        size: u64,
        /// The key.
        key: KeyId,
    },
    /// Two signed heads over as many records differ: somebody was shown another log.
    SplitView {
        /// Over how many records.
        size: u64,
    },
    /// A witness has a head that the database has no more.
    HeadRemoved {
        /// Over how many records.
        size: u64,
    },
    /// There are records and no head that could be believed.
    NoHead,
    /// The witnesses know of no head of this log.
    NoWitness,
    /// The file does not begin as an export.
    NotAnExport,
    /// A line is not of an export.
    Unreadable {
        /// From 1.
        line: u64,
    },
    /// The file ends before the export does.
    Cut {
        /// The last record that is in it.
        after: u64,
    },
}

impl Finding {
    /// Whether it only tells that something is wrong near a record up to this one.
    pub(crate) fn is_of_the_chain_up_to(&self, last: u64) -> bool {
        match self {
            Self::Chain { seq } | Self::Number { expected: seq, .. } => *seq <= last + 1,
            Self::Altered { .. }
            | Self::Removed { .. }
            | Self::Inserted { .. }
            | Self::Moved { .. }
            | Self::Truncated { .. }
            | Self::Damaged { .. }
            | Self::ForgedHead { .. }
            | Self::UnknownKey { .. }
            | Self::SplitView { .. }
            | Self::HeadRemoved { .. }
            | Self::NoHead
            | Self::NoWitness
            | Self::NotAnExport
            | Self::Unreadable { .. }
            | Self::Cut { .. } => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Altered { seq } => write!(f, "record {seq} was altered"),
            Self::Removed { seq } => write!(f, "record {seq} was removed"),
            Self::Inserted { seq } => {
                write!(f, "record {seq} was inserted: it was not there when the log was signed")
            }
            Self::Moved { from, to } => {
                write!(f, "record {from} was moved: it stands at number {to}")
            }
            Self::Truncated { from, to } => {
                write!(f, "the end was cut off: records {from} to {to} were signed and are gone")
            }
            Self::Damaged { from, to } => write!(
                f,
                "among records {from} to {to} something was altered, removed, inserted or moved"
            ),
            Self::Chain { seq } => {
                write!(f, "the hash of record {seq} does not continue the record before it")
            }
            Self::Number { expected, found } => {
                write!(f, "record {expected} should come next, and {found} does")
            }
            Self::ForgedHead { size } => {
                write!(f, "the head over {size} records is forged: its signature does not fit")
            }
            Self::UnknownKey { size, key } => write!(
                f,
                "the head over {size} records is signed by the key {key}, which no given key vouches for"
            ),
            Self::SplitView { size } => {
                write!(f, "two signed heads over {size} records differ: there are two logs")
            }
            Self::HeadRemoved { size } => {
                write!(f, "the head over {size} records, which a witness has, was removed")
            }
            Self::NoHead => f.write_str("no signed head is over the records: nothing is proven"),
            Self::NoWitness => f.write_str("the witnesses know of no head of this log"),
            Self::NotAnExport => f.write_str("the first line is not that of an audit export"),
            Self::Unreadable { line } => write!(f, "line {line} is not one of an audit export"),
            Self::Cut { after } => write!(f, "the file breaks off after record {after}"),
        }
    }
}

/// What proves nothing, and somebody should look at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Warning {
    /// Records that no head is over yet: only the chain of hashes holds them together.
    NotYetSigned {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// Witnesses have heads that are newer than the export, which were not compared.
    NewerHeads {
        /// How many.
        count: u64,
    },
    /// No witness was given: whoever has the database and the key could have made all of it.
    NoWitnessGiven,
    /// A witness's lines that could not be read, such as one that broke off.
    WitnessLines {
        /// How many.
        count: u64,
    },
    /// A record is older than one before it by more than clocks differ.
    ClockWentBack {
        /// The record's number.
        seq: u64,
        /// By how much.
        by_ms: i64,
    },
    /// Somebody made very many records within a minute, in which others could hide.
    Flood {
        /// The first of that minute.
        seq: u64,
        /// How many there were.
        count: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYetSigned { from, to } => write!(
                f,
                "records {from} to {to} are not signed yet: only the chain of hashes was checked"
            ),
            Self::NewerHeads { count } => {
                write!(f, "{count} heads of the witnesses are newer than the export: not compared")
            }
            Self::NoWitnessGiven => f.write_str(
                "no witness was given: who has the database and the key could have made all of it",
            ),
            Self::WitnessLines { count } => {
                write!(f, "{count} lines of the witnesses cannot be read")
            }
            Self::ClockWentBack { seq, by_ms } => {
                write!(f, "at record {seq} the clock went back by {} s", by_ms / 1000)
            }
            Self::Flood { seq, count } => write!(
                f,
                "one actor made {count} records within a minute, the first of them record {seq}"
            ),
        }
    }
}
