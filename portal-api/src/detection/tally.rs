//! What users did, day by day, counted out of records of accesses.

use std::collections::{BTreeMap, HashMap, HashSet};

use carerecord_audit::{AuditActor, AuditEvent, AuditOutcome};
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::finding::Actor;

/// All that was done, by user and day.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub days: BTreeMap<(Actor, Date), Day>,
}

/// What a user did on a day.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// By patient whose record was looked at, or was asked for.
    pub patients: BTreeMap<NhsNumber, Looks>,
    /// Searches for people who were not known by number.
    pub searches: Looks,
}

/// Accesses of one kind. Roles that record the same request count once.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// When, and the record's id, by request.
    by_request: HashMap<String, (Timestamp, Uuid)>,
}

impl Tallies {
    /// Counts a record in, if a person looked at somebody's record, or for somebody.
    pub(super) fn add(&mut self, event: &AuditEvent, zone: &TimeZone) {
        let Some(actor) = event.actor.as_ref().and_then(person) else { return };
        let Some(kind) = kind(event) else { return };
        let day = event.recorded_at.to_zoned(zone.clone()).date();
        let day = self.days.entry((actor, day)).or_default();
        match (kind, event.subject) {
            (Look::Search, _) => day.searches.add(event),
            (Look::Record, Some(patient)) => day.patients.entry(patient).or_default().add(event),
            (Look::Record, None) => {}
        }
    }

    /// Everybody whose record was looked at.
    pub(super) fn patients(&self) -> HashSet<NhsNumber> {
        self.days.values().flat_map(|day| day.patients.keys().copied()).collect()
    }
}

impl Looks {
    fn add(&mut self, event: &AuditEvent) {
        let request = event.request_id.clone().unwrap_or_else(|| event.id.to_string());
        // The portal's record comes first, and says most.
        self.by_request.entry(request).or_insert((event.recorded_at, event.id));
    }

    pub(super) fn count(&self) -> u64 {
        self.by_request.len() as u64
    }

    /// When, and the records' ids, the oldest first.
    pub(super) fn all(&self) -> Vec<(Timestamp, Uuid)> {
        let mut all: Vec<_> = self.by_request.values().copied().collect();
        all.sort_unstable();
        all
    }
}

enum Look {
    Record,
    Search,
}

/// What a record is of, for a detective. What was refused counts: an attempt is one, too.
fn kind(event: &AuditEvent) -> Option<Look> {
    let care = event.purpose.as_deref().is_none_or(|p| matches!(p, "direct-care" | "TREAT"));
    let came = event.direction == "in" && event.outcome != AuditOutcome::Failed;
    if !care || !came {
        return None;
    }
    let mut words = event.interaction.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match (first, second) {
        ("ITI-119", _) => Some(Look::Search),
        ("search", "Patient") if event.interaction.ends_with("by name") => Some(Look::Search),
        ("search" | "read", "DocumentReference" | "List" | "Patient")
        | ("search", "in")
        | ("ITI-18" | "ITI-43" | "ITI-68", _) => Some(Look::Record),
        _ => None,
    }
}

/// The person who acted; systems are not watched here.
fn person(actor: &AuditActor) -> Option<Actor> {
    let role = actor.role.clone()?;
    Some(Actor {
        id: actor.id.clone(),
        name: actor.name.clone().unwrap_or_default(),
        organisation: actor.organisation.clone(),
        role,
    })
}
