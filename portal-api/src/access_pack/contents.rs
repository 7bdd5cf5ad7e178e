//! What stands in a pack, whoever makes it: the portal, or an operator at the databases.

use std::collections::HashMap;

use askama::Template;
use carerecord_access::{Policy, Rule};
use carerecord_audit::{AuditEvent, AuditOutcome, audit_event};
use carerecord_model::{DocumentEntry, OrganisationCode};
use serde::Serialize;
use serde_json::{Value, json};

/// All that the first page of a pack tells.
#[derive(Default)]
pub struct Contents {
    /// Every number that the person was kept under.
    pub numbers: Vec<String>,
    /// What is and is not in the pack, and which parts could not be had.
    pub notes: Vec<Note>,
    /// The documents that are known of.
    pub documents: Vec<Document>,
    /// How many sharing choices there are; none where they are not for the reader.
    pub choices: Option<usize>,
    /// Who looked.
    pub accesses: Accesses,
}

/// A sentence about what is in the pack.
pub struct Note {
    /// The sentence.
    pub words: String,
    /// What may be missing because a part could not be had.
    pub missing: Option<&'static str>,
}

impl Note {
    /// Of what is as it should be.
    pub fn plain(words: impl Into<String>) -> Self {
        Self { words: words.into(), missing: None }
    }

    /// Of a log, and why it was not read to its end.
    pub fn log(name: &str, failed: Option<&str>) -> Self {
        let words = failed.unwrap_or("was searched");
        let missing = failed.map(|_| "Accesses may be missing.");
        Self { words: format!("The record of accesses of {name}: {words}."), missing }
    }
}

/// A document: what it is, where it is, and who controls it.
#[derive(Serialize)]
pub struct Document {
    /// Its uniqueId.
    pub unique_id: String,
    /// Its entryUUID.
    pub entry_uuid: String,
    /// The title.
    pub title: String,
    /// What kind it is.
    pub kind: String,
    /// When it was made, as far as that is known.
    pub created: String,
    /// Whether it is the current version.
    pub status: String,
    /// The organisation that keeps and controls it.
    pub keeper: String,
    /// The node that holds it.
    pub repository: String,
    /// Bytes.
    pub size: Option<u64>,
    /// SHA-1 in hex.
    pub hash: Option<String>,
    /// The file of the pack that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Why it is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_included: Option<String>,
}

impl Document {
    /// What is known of a document.
    pub fn of(entry: &DocumentEntry, policy: &Policy) -> Self {
        let node = entry.repository_unique_id.as_ref();
        let keeper = node.and_then(|node| policy.node_organisation(node));
        let created = entry.creation_time.as_ref();
        Self {
            unique_id: entry.unique_id.to_string(),
            entry_uuid: entry.entry_uuid.to_string(),
            title: entry.title.first().map_or_else(String::new, |title| title.value.clone()),
            kind: entry.type_code.display.clone(),
            created: created.map_or_else(String::new, carerecord_fhir::date_time),
            status: format!("{:?}", entry.availability_status).to_lowercase(),
            keeper: keeper.map_or_else(
                || "Not known here".to_owned(),
                |code| format!("{} ({code})", policy.organisation_name(code)),
            ),
            repository: node.map_or_else(String::new, ToString::to_string),
            size: entry.size,
            hash: entry.hash.clone(),
            file: None,
            not_included: None,
        }
    }
}

/// Who looked, counted, and those who were refused.
#[derive(Default)]
pub struct Accesses {
    /// How many records there are.
    pub count: usize,
    /// Those that were refused, in words.
    pub refused: Vec<Line>,
    people: HashMap<(String, String), usize>,
}

/// A refused access.
pub struct Line {
    /// When.
    pub at: String,
    /// By whom.
    pub who: String,
    /// What was tried.
    pub what: String,
    /// The rule, in words.
    pub why: String,
}

impl Accesses {
    /// Counts a record, and gives it as it stands in the pack: the AuditEvent, with the log that it is
    /// in and what was decided.
    pub fn take(&mut self, log: &str, event: &AuditEvent, policy: &Policy) -> Value {
        self.note(event, policy);
        Self::line(log, event)
    }

    /// Counts a record.
    pub(super) fn note(&mut self, event: &AuditEvent, policy: &Policy) {
        self.count += 1;
        *self.people.entry(who(event, policy)).or_default() += 1;
        self.refused.extend(refused(event, policy));
    }

    /// A record as it stands in the pack.
    pub(super) fn line(log: &str, event: &AuditEvent) -> Value {
        json!({
            "log": log,
            "interaction": event.interaction,
            "decision": event.decision,
            "event": audit_event(event),
        })
    }

    /// Who, for whom, how often: the most often first.
    pub fn people(&self) -> Vec<(&str, &str, usize)> {
        let people = self.people.iter();
        let mut all: Vec<_> =
            people.map(|((name, org), n)| (name.as_str(), org.as_str(), *n)).collect();
        all.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.cmp(b)));
        all
    }
}

fn who(event: &AuditEvent, policy: &Policy) -> (String, String) {
    let Some(actor) = &event.actor else {
        return ("Nobody who was signed in".to_owned(), String::new());
    };
    let name = match (&actor.name, actor.id == NOT_TOLD) {
        (Some(name), _) => name.clone(),
        (None, true) => "Not told here".to_owned(),
        (None, false) => format!("The system {}", actor.id),
    };
    let organisation = actor.organisation.parse::<OrganisationCode>();
    let organisation = organisation.map_or_else(
        |_| actor.organisation.clone(),
        |code| policy.organisation_name(&code).to_owned(),
    );
    (name, organisation)
}

fn refused(event: &AuditEvent, policy: &Policy) -> Option<Line> {
    let denied = event.decision.as_ref().filter(|decision| decision.outcome == "deny");
    if event.outcome != AuditOutcome::Refused && denied.is_none() {
        return None;
    }
    let (name, organisation) = who(event, policy);
    let rule = denied.and_then(|decision| Rule::from_id(&decision.rule));
    Some(Line {
        at: event.recorded_at.strftime("%-d %B %Y %H:%M UTC").to_string(),
        who: if organisation.is_empty() { name } else { format!("{name}, {organisation}") },
        what: event.interaction.clone(),
        why: rule.map_or_else(|| "It was refused.".to_owned(), |r| r.explanation().to_owned()),
    })
}

/// The page that says what is in a pack.
#[derive(Template)]
#[template(path = "access_pack/index.html")]
pub struct Index<'a> {
    /// Whose pack it is.
    pub number: String,
    /// When it was made.
    pub made: String,
    /// What is in it.
    pub contents: &'a Contents,
    /// Without the tables, for which there was no room.
    pub brief: bool,
}

/// In the place of who must not be told: as the record of accesses has it.
const NOT_TOLD: &str = "withheld";
