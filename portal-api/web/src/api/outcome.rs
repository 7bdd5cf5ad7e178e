use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wire::{list, text};

/// A decision against the reader, as the API words it. `Debug` shows the rule only.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Refusal {
    /// The rule, e.g. `objection-whole-record`; empty if the API names none.
    pub(crate) rule: String,
    /// What it says, for the reader.
    pub(crate) words: String,
    /// Who set it and since when, e.g. `Leila Haddon since 01-Nov-2026`.
    pub(crate) set_by: Option<String>,
}

/// What became of asking one source.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Source {
    pub(crate) state: SourceState,
    /// What its documents name as their source.
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    /// How the API words its state.
    pub(crate) words: Option<String>,
    /// Its newest document, as FHIR writes times.
    pub(crate) latest: Option<String>,
    pub(crate) latency_ms: Option<u64>,
    /// When it last answered as it should, if the API knows.
    pub(crate) last_good: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum SourceState {
    Answered,
    Late,
    Down,
    Refused,
    Garbage,
    Paused,
    NotConnected,
}

/// The issues of an OperationOutcome.
pub(super) fn issues(outcome: &Value) -> Vec<&Value> {
    list(&outcome["issue"]).iter().collect()
}

impl Refusal {
    /// The decisions among issues, each once: two that read the same tell no more than one.
    pub(super) fn all(issues: &[&Value]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for refusal in issues.iter().filter_map(Self::read) {
            if !all.contains(&refusal) {
                all.push(refusal);
            }
        }
        all
    }

    /// Reads an issue, if it is a decision.
    pub(super) fn read(issue: &&Value) -> Option<Self> {
        let rule = coded(issue, DECISION_RULE);
        let forbidden = issue["code"] == "forbidden" || issue["code"] == "suppressed";
        if rule.is_none() && !forbidden {
            return None;
        }
        Some(Self {
            rule: rule.unwrap_or_default(),
            words: text(&issue["details"]["text"]).unwrap_or_default(),
            set_by: text(&issue["diagnostics"]).map(|words| set_by(&words)),
        })
    }
}

/// What the reader may record of what the patient says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Recording {
    #[default]
    Nothing,
    /// A yes to the reader's own organisation, which nobody has given yet.
    Yes,
    /// All of it.
    All,
}

/// What is offered to record.
pub(super) fn recording(issues: &[&Value]) -> Recording {
    let offered: Vec<String> = issues.iter().filter_map(|issue| coded(issue, CONSENT)).collect();
    let has = |code: &str| offered.iter().any(|offered| offered == code);
    match (has("may-record"), has("may-ask")) {
        (true, _) => Recording::All,
        (false, true) => Recording::Yes,
        (false, false) => Recording::Nothing,
    }
}

/// Whether a claim of a relationship is offered.
pub(super) fn may_claim(issues: &[&Value]) -> bool {
    issues.iter().any(|issue| coded(issue, RELATIONSHIP).as_deref() == Some("may-claim"))
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({})", self.rule)
    }
}

impl Source {
    /// Reads an issue, if it tells of a source.
    pub(super) fn read(issue: &&Value) -> Option<Self> {
        let state = match coded(issue, SOURCE_STATE)?.as_str() {
            "answered" => SourceState::Answered,
            "late" => SourceState::Late,
            "refused" => SourceState::Refused,
            "garbage" => SourceState::Garbage,
            "paused" => SourceState::Paused,
            "not-connected" => SourceState::NotConnected,
            // A state that is not known is no answer.
            _ => SourceState::Down,
        };
        let more = |url: &str| list(&issue["extension"]).iter().find(move |e| e["url"] == url);
        Some(Self {
            state,
            id: list(&issue["expression"]).first().and_then(text),
            name: text(&issue["details"]["text"]).unwrap_or_else(|| "A source".to_owned()),
            words: text(&issue["diagnostics"]),
            latest: more(LATEST).and_then(|e| text(&e["valueDateTime"])),
            latency_ms: more(LATENCY).and_then(|e| e["valueInteger"].as_u64()),
            last_good: more(LAST_GOOD).and_then(|e| e["valueDateTime"].as_str()?.parse().ok()),
        })
    }
}

impl SourceState {
    /// Whether its documents are all there is.
    pub(crate) fn has_answered(self) -> bool {
        match self {
            Self::Answered => true,
            Self::Late
            | Self::Down
            | Self::Refused
            | Self::Garbage
            | Self::Paused
            | Self::NotConnected => false,
        }
    }

    /// Whether asking again may help.
    pub(crate) fn may_answer_later(self) -> bool {
        match self {
            Self::Late | Self::Down | Self::Refused | Self::Garbage | Self::Paused => true,
            Self::Answered | Self::NotConnected => false,
        }
    }
}

/// Whether the source of a document has answered and does not give it, since it is damaged there; or
/// has given something else, which the API does not pass on.
pub(super) fn is_not_given(issue: &&Value) -> bool {
    match coded(issue, XDS_ERROR) {
        Some(code) => code == "XDSRepositoryError",
        None => issue["code"] == "exception",
    }
}

/// Without what the page says itself.
fn set_by(words: &str) -> String {
    words.strip_prefix("Set by ").unwrap_or(words).trim_end_matches('.').to_owned()
}

pub(super) fn coded(issue: &Value, system: &str) -> Option<String> {
    let codings = list(&issue["details"]["coding"]);
    let coding = codings.iter().find(|coding| coding["system"] == system)?;
    text(&coding["code"])
}

/// The sort of a time that FHIR writes; partial dates begin their year or month.
pub(crate) fn sort_key(time: &str) -> String {
    match time.parse::<Timestamp>() {
        Ok(time) => time.to_string(),
        Err(_) => time.to_owned(),
    }
}

const DECISION_RULE: &str = "urn:carerecord:decision-rule";
const CONSENT: &str = "urn:carerecord:consent";
const RELATIONSHIP: &str = "urn:carerecord:relationship";
const SOURCE_STATE: &str = "urn:carerecord:source-state";
const LATEST: &str = "urn:carerecord:latest";
const LAST_GOOD: &str = "urn:carerecord:last-good";
const XDS_ERROR: &str = "urn:ihe:iti:xds:errorCode";
const LATENCY: &str = "urn:carerecord:latency-ms";
