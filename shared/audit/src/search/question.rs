use std::collections::HashSet;

use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::index::document_key;
use crate::{AuditEvent, AuditOutcome, StoredEvent, event_codes};

/// Which records of a log are looked for. Of each list any value will do; an empty one does not
/// filter. nhs.md 5.7: by subject, user, organisation, document and request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct AuditQuestion {
    /// About any of these people.
    #[serde(default)]
    pub subjects: Vec<NhsNumber>,
    /// By any of these users or systems.
    #[serde(default)]
    pub actors: Vec<String>,
    /// Acting for any of these organisations.
    #[serde(default)]
    pub organisations: Vec<String>,
    /// Naming any of these documents, by uniqueId or entryUUID.
    #[serde(default)]
    pub documents: Vec<String>,
    /// Made in any of these requests.
    #[serde(default)]
    pub requests: Vec<String>,
    /// That ended so.
    #[serde(default)]
    pub outcomes: Vec<AuditOutcome>,
    /// Of any of these, for each: type, subtype, action as the AuditEvent has them.
    #[serde(default)]
    pub codes: Vec<(CodeField, Vec<CodeWanted>)>,
    /// This record, by its own id. Its time is in the id: it is looked for around it, and nothing else
    /// of the question finds it.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// Only what this reader may know of.
    #[serde(default)]
    pub within: Option<Within>,
    /// From this instant on.
    pub since: Timestamp,
    /// Before this instant.
    pub until: Timestamp,
    /// Only records before this one: where the last answer ended.
    #[serde(default)]
    pub before: Option<i64>,
    /// Only records up to this one: the newest when the search began.
    #[serde(default)]
    pub up_to: Option<i64>,
    /// So many at most, the newest.
    pub most: u32,
}

/// What a code is of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeField {
    /// AuditEvent.type.
    Type,
    /// AuditEvent.subtype.
    Subtype,
    /// AuditEvent.action.
    Action,
    /// AuditEvent.entity.type.
    EntityType,
    /// AuditEvent.entity.role.
    EntityRole,
    /// AuditEvent.agent.network.address, or how it begins.
    Address,
    /// AuditEvent.agent.network.address, whole.
    AddressExact,
}

/// A code with or without its system.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CodeWanted {
    /// None is any system.
    pub system: Option<String>,
    /// None is any code of the system.
    pub code: Option<String>,
}

/// What a reader may know of: what was done for an organisation, and what was done with some
/// documents.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Within {
    /// ODS code.
    pub organisation: String,
    /// In the form of `document_key`.
    pub documents: HashSet<String>,
}

impl Within {
    /// Whether the record is one of these.
    pub fn covers(&self, event: &AuditEvent) -> bool {
        event.actor.as_ref().is_some_and(|actor| actor.organisation == self.organisation)
            || event.document_keys().any(|id| self.documents.contains(&id))
    }
}

/// Some records of a log, the newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct AuditPage {
    /// Which log it is, from its first signed head on: several roles can share one.
    pub log: Option<Uuid>,
    /// The records.
    pub events: Vec<StoredEvent>,
    /// Before which record there may be more; none when these are the last ones.
    pub next: Option<i64>,
    /// How many there are altogether, where all were counted.
    pub total: Option<u64>,
    /// The newest record that was there.
    pub up_to: i64,
    /// How many records have not been looked at, since the index does not have them yet.
    pub behind: u64,
    /// How many records could not be read: they have been changed.
    pub unreadable: u64,
}

impl AuditQuestion {
    /// Everything between two instants.
    pub fn between(since: Timestamp, until: Timestamp, most: u32) -> Self {
        Self {
            subjects: Vec::new(),
            actors: Vec::new(),
            organisations: Vec::new(),
            documents: Vec::new(),
            requests: Vec::new(),
            outcomes: Vec::new(),
            codes: Vec::new(),
            id: None,
            within: None,
            since,
            until,
            before: None,
            up_to: None,
            most,
        }
    }

    /// Whether what is found tells who acted, for whom or from where, even where that is taken out.
    pub fn tells_place(&self) -> bool {
        let address = |(field, _): &(CodeField, _)| match field {
            CodeField::Address | CodeField::AddressExact => true,
            CodeField::Type
            | CodeField::Subtype
            | CodeField::Action
            | CodeField::EntityType
            | CodeField::EntityRole => false,
        };
        !self.actors.is_empty() || !self.organisations.is_empty() || self.codes.iter().any(address)
    }

    /// Whether a record is looked for. What was sent because of a request is told where the request is
    /// asked for: elsewhere each access would be there several times.
    pub fn matches(&self, event: &AuditEvent) -> bool {
        let any = |wanted: &[String], is: Option<&str>| {
            wanted.is_empty() || is.is_some_and(|is| wanted.iter().any(|w| w == is))
        };
        let actor = event.actor.as_ref();
        let at = event.recorded_at.as_millisecond();
        (event.direction == "in" || !self.requests.is_empty())
            && (self.since.as_millisecond()..self.until.as_millisecond()).contains(&at)
            && (self.subjects.is_empty()
                || event.subject.is_some_and(|s| self.subjects.contains(&s)))
            && any(&self.actors, actor.map(|a| a.id.as_str()))
            && any(&self.organisations, actor.map(|a| a.organisation.as_str()))
            && any(&self.requests, event.request_id.as_deref())
            && self.id.is_none_or(|id| event.id == id)
            && (self.outcomes.is_empty() || self.outcomes.contains(&event.outcome))
            && (self.documents.is_empty() || self.names_document(event))
            && self.codes.iter().all(|(field, wanted)| has_code(event, *field, wanted))
            && self.within.as_ref().is_none_or(|within| within.covers(event))
    }

    fn names_document(&self, event: &AuditEvent) -> bool {
        let wanted: Vec<String> = self.documents.iter().map(|id| document_key(id)).collect();
        event.document_keys().any(|id| wanted.contains(&id))
    }
}

fn has_code(event: &AuditEvent, field: CodeField, wanted: &[CodeWanted]) -> bool {
    event_codes(event, field).iter().any(|(system, code)| {
        wanted.iter().any(|w| {
            w.code.as_ref().is_none_or(|wanted| match field {
                CodeField::Address => code.starts_with(&wanted.to_ascii_lowercase()),
                CodeField::AddressExact => code == wanted,
                CodeField::Type
                | CodeField::Subtype
                | CodeField::Action
                | CodeField::EntityType
                | CodeField::EntityRole => code == wanted,
            }) && w.system.as_ref().is_none_or(|s| s.as_str() == *system)
        })
    })
}
