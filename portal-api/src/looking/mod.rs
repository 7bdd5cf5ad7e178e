//! Searching the record of accesses: the logs of all roles, one behind the other by time, and what
//! became of asking each. ITI-81; nhs.md 5.7.

mod merge;
mod page;
mod person;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::http::StatusCode;
use carerecord_access::{AccessFacts, AccessRecord as _, AuditReach, Released};
use carerecord_audit::{AuditEvent, AuditPage, AuditQuestion, AuditSource, NOT_TOLD, Within};
use carerecord_fhir::SourceState;
use carerecord_model::NhsNumber;
use futures_util::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::Portal;
use crate::error::FhirError;
use merge::merged;
pub(crate) use page::{Place, Turned};

/// A log that the portal searches.
#[derive(Clone)]
pub struct RoleLog {
    /// The role that makes the records, for people: `portal`, `registry`.
    pub name: String,
    /// Who looks in it.
    pub source: Arc<dyn AuditSource>,
}

/// What was found, the newest first, and where to go on.
pub(crate) struct Looked {
    pub found: Vec<Accessed>,
    /// How many there are, where all were counted in every log.
    pub total: Option<u64>,
    pub logs: Vec<LogState>,
    /// Where each log goes on; none when that was all.
    pub next: Option<Vec<Place>>,
}

/// A record that may be read, and whose log it is in.
pub(crate) struct Accessed {
    pub log: String,
    pub record: Released<AuditEvent>,
}

/// What became of asking a log.
pub(crate) struct LogState {
    pub name: String,
    pub state: SourceState,
    /// Records that were not looked at.
    pub behind: u64,
    /// Records that somebody has changed.
    pub unreadable: u64,
}

/// One log's answer.
pub(crate) struct Given {
    pub id: String,
    pub name: String,
    pub page: AuditPage,
}

impl Portal {
    /// Looks for records that `reach` lets the caller read. The question says who and what; which
    /// documents its organisation keeps, and under which numbers the person is kept, is found out
    /// here. `turned` is a page that goes on where another one ended.
    pub(crate) async fn look(
        &self,
        reach: &AuditReach,
        mut question: AuditQuestion,
        turned: Option<&Turned>,
    ) -> Result<Looked, FhirError> {
        let asked = self.asked_about(&mut question).await?;
        let mut kept = HashSet::new();
        if let Some(own) = reach.only_organisation() {
            kept = self.kept(own, &asked).await?;
            let organisation = own.to_string();
            question.within = Some(Within { organisation, documents: kept.clone() });
        }
        let places = turned.map(|turned| turned.places.as_slice());
        let (given, mut logs) = self.ask_logs(&question, places).await;
        if let Some(turned) = turned {
            logs.extend(turned.missing.iter().map(|name| LogState::of(name, SourceState::Down)));
        }
        let counted = |given: &Given| given.page.total;
        let missing = |log: &LogState| log.state == SourceState::Down;
        let whole = !logs.iter().any(missing);
        let total = match turned {
            Some(turned) => turned.total,
            // What is left out for the reader must not be counted either.
            None if whole && !reach.is_one_subject() => given.iter().map(counted).sum(),
            None => None,
        };
        let (mut found, next) = merged(given, question.most as usize);
        if reach.is_one_subject() {
            // Nothing else was asked for; whatever a log gives, nothing else is told.
            let of_subject = |event: &AuditEvent| {
                event.subject.is_some_and(|subject| question.subjects.contains(&subject))
            };
            found.retain(|(_, event)| of_subject(event));
        }
        let mut restricted = asked.restricted;
        self.note_restricted(&mut restricted, found.iter().filter_map(|(_, e)| e.subject)).await?;
        let is_restricted = |number| restricted.get(&number).copied() != Some(false);
        // Found by who acted or from where, a record would tell it however much were taken out.
        let tells_place = question.tells_place();
        let total = total.filter(|_| {
            let mut asked = question.subjects.iter();
            !(tells_place && asked.any(|number| reach.hides_place(None, is_restricted(*number))))
        });
        let release = |(log, event): (String, AuditEvent)| {
            let restricted = event.subject.is_some_and(is_restricted);
            let organisation = event.actor.as_ref().map(|actor| actor.organisation.as_str());
            if tells_place && reach.hides_place(organisation, restricted) {
                return None;
            }
            Accessed::of(reach, (log, event), AccessFacts { kept: &kept, restricted })
        };
        Ok(Looked { found: found.into_iter().filter_map(release).collect(), total, logs, next })
    }

    /// One record that `reach` lets the caller read, by its id.
    pub(crate) async fn look_for(
        &self,
        reach: &AuditReach,
        id: Uuid,
    ) -> Result<Option<Accessed>, FhirError> {
        let ahead = self.clock.now().checked_add(SignedDuration::from_hours(1));
        let until = ahead.unwrap_or(Timestamp::MAX);
        let mut question = AuditQuestion::between(Timestamp::UNIX_EPOCH, until, 1);
        question.id = Some(id);
        let (given, logs) = self.ask_logs(&question, None).await;
        let found = given.into_iter().find_map(|given| {
            // A log that does not know of ids gives others.
            let stored = given.page.events.into_iter().find(|stored| stored.event.id == id)?;
            Some((given.name, stored.event))
        });
        let Some((log, event)) = found else {
            let missing = logs.iter().any(|log| log.state == SourceState::Down);
            return if missing { Err(NOT_ALL_ASKED) } else { Ok(None) };
        };
        let mut asked = AuditQuestion { subjects: event.subject.into_iter().collect(), ..question };
        let about = self.asked_about(&mut asked).await?;
        let kept = match reach.only_organisation() {
            Some(own) => self.kept(own, &about).await?,
            None => HashSet::new(),
        };
        let mut restricted = about.restricted;
        self.note_restricted(&mut restricted, event.subject.into_iter()).await?;
        let restricted = event.subject.is_some_and(|s| restricted.get(&s).copied() != Some(false));
        Ok(Accessed::of(reach, (log, event), AccessFacts { kept: &kept, restricted }))
    }

    /// Asks all logs at once, each where it goes on: the portal's, the registry's and the nodes'.
    pub(crate) async fn ask_logs(
        &self,
        question: &AuditQuestion,
        turned: Option<&[Place]>,
    ) -> (Vec<Given>, Vec<LogState>) {
        let members = self.federation.members();
        let nodes = members.iter().map(|n| (n.id.to_string(), &n.name, n.log.as_ref()));
        let own = self.audit_logs.iter();
        let own = own.map(|log| (log.name.clone(), &log.name, Some(&log.source)));
        let (mut given, mut states) = (Vec::new(), Vec::new());
        let mut asked = Vec::new();
        for (id, name, source) in own.chain(nodes) {
            let places = turned.map(|places| places.iter().find(|p| p.log == id));
            match (source, places) {
                (None, _) => states.push(LogState::of(name, SourceState::NotConnected)),
                (Some(source), None) => asked.push((id, name, source, None)),
                (Some(source), Some(Some(place))) => asked.push((id, name, source, Some(place))),
                // It shares its log with another one, or did not answer when the search began.
                (Some(_), Some(None)) => {}
            }
        }
        let answers = join_all(asked.into_iter().map(|(id, name, source, place)| async move {
            let mut question = question.clone();
            question.before = place.and_then(|place| place.before);
            question.up_to = place.map(|place| place.up_to);
            (id, name, self.within(source.look(&question)).await)
        }));
        let mut seen = HashSet::new();
        for (id, name, answer) in answers.await {
            match answer {
                Ok(page) => {
                    let mut state = LogState::of(name, SourceState::Answered);
                    // Roles that share a database share a log: it is searched once.
                    if page.log.is_none_or(|log| seen.insert(log)) {
                        (state.behind, state.unreadable) = (page.behind, page.unreadable);
                        given.push(Given { id, name: name.clone(), page });
                    }
                    states.push(state);
                }
                Err(error) => {
                    tracing::warn!(%error, log = name, "a log of accesses could not be searched");
                    states.push(LogState::of(name, SourceState::Down));
                }
            }
        }
        (given, states)
    }

    /// Whether people are restricted; `true` where it cannot be known is the caller's to say.
    pub(crate) async fn restricted(
        &self,
        numbers: impl Iterator<Item = NhsNumber>,
    ) -> Result<HashMap<NhsNumber, bool>, FhirError> {
        let mut known = HashMap::new();
        self.note_restricted(&mut known, numbers).await?;
        Ok(known)
    }

    /// Whether people are restricted, of those of whom it is not known yet. Whoever the index does not
    /// know is not; without the index nobody is told anything.
    async fn note_restricted(
        &self,
        known: &mut HashMap<NhsNumber, bool>,
        numbers: impl Iterator<Item = NhsNumber>,
    ) -> Result<(), FhirError> {
        let unknown: HashSet<NhsNumber> = numbers.filter(|n| !known.contains_key(n)).collect();
        let found = try_join_all(unknown.into_iter().map(|number| async move {
            let person = self.person(number).await?;
            Ok::<_, FhirError>((number, person.is_some_and(|person| person.restricted)))
        }));
        known.extend(found.await?);
        Ok(())
    }
}

/// A record that was not found may be in the log that did not answer.
const NOT_ALL_ASKED: FhirError = FhirError::Operation(
    StatusCode::SERVICE_UNAVAILABLE,
    "transient",
    "Not every log of accesses answered, and it is in none of the others. Try again in a moment.",
);

impl Accessed {
    /// A record as far as it may be read. Whose log it is in tells a place as the record itself does.
    fn of(
        reach: &AuditReach,
        (log, event): (String, AuditEvent),
        facts: AccessFacts<'_>,
    ) -> Option<Self> {
        let hidden = reach.hides_place(event.organisation(), facts.restricted);
        let record = reach.release(event, facts)?;
        let log = if hidden { NOT_TOLD.to_owned() } else { log };
        Some(Self { log, record })
    }
}

impl LogState {
    pub(crate) fn of(name: &str, state: SourceState) -> Self {
        Self { name: name.to_owned(), state, behind: 0, unreadable: 0 }
    }
}
