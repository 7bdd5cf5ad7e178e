//! What is kept of a pack beside its bytes, so that it is known after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use carerecord_access::Caller;
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Progress;

/// A pack that somebody has asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pack {
    pub id: Uuid,
    pub owner: Owner,
    pub patient: NhsNumber,
    /// Why, and what the asker calls the matter; none of citizens.
    pub reason: Option<String>,
    pub reference: Option<String>,
    pub asked_at: Timestamp,
    /// When it goes away.
    pub expires_at: Timestamp,
    pub stage: Stage,
    /// How far the making is, while somebody makes it.
    #[serde(skip)]
    pub progress: Option<Arc<Progress>>,
}

impl Pack {
    /// Whether its time is not over yet.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        self.expires_at > now || self.progress.is_some()
    }
}

/// How far it is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// It waits, or is being made. Of one of which no process knows, that was broken off.
    Making,
    /// It can be fetched.
    Ready(Made),
    /// It could not be made.
    Failed,
    /// It was made, and what is in it may not be given out any more: its bytes are gone.
    Withdrawn,
}

/// What is in a pack that was made.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Made {
    pub made_at: Timestamp,
    /// Documents that are named in it.
    pub documents: usize,
    /// Those of them whose bytes are in it.
    pub contents: usize,
    pub accesses: usize,
    pub refused: usize,
    /// What could not be had, in words.
    pub missing: Vec<String>,
    /// Bytes of the file.
    pub size: u64,
    /// What was decided when it was made.
    pub given: Given,
}

/// What a pack has, and under which facts it was given: to take the same decisions again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Given {
    /// All numbers of the person.
    pub numbers: Vec<NhsNumber>,
    /// How much of the record of accesses, as `AuditReach::extent` says it.
    pub extent: String,
    /// Whether places were masked.
    pub masked: bool,
    /// Whether sharing choices are in it.
    pub choices: bool,
    /// The entryUUIDs of documents that are named, and whether their bytes are in it.
    pub documents: BTreeMap<String, bool>,
}

/// Who asked for it, and who alone may fetch it: a person, in the role in which they asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Owner {
    id: String,
    organisation: String,
    role: Option<String>,
}

impl From<&Caller> for Owner {
    fn from(caller: &Caller) -> Self {
        Self {
            id: caller.id().to_owned(),
            organisation: caller.organisation().to_string(),
            role: caller.role().map(str::to_owned),
        }
    }
}
