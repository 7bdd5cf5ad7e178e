//! Detection reports: rules that go through the record of accesses of all roles and find what a privacy
//! officer should look at. nhs.md 5.7.

mod finding;
mod judge;
mod rules;
mod store;
mod tally;

use std::sync::Arc;

use carerecord_audit::{
    AuditEvent, AuditOutcome, AuditQuestion, CodeField, CodeWanted, StoredEvent,
};
use carerecord_fhir::SourceState;
use carerecord_model::NhsNumber;
use carerecord_service::AuditDraft;
use carerecord_storage::Database;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::Portal;
use crate::error::FhirError;
use crate::looking::{LogState, Place};
use crate::overrides::working_days_on;
use finding::Found;
pub(crate) use finding::{Finding, FindingCount, WhichFindings};
use judge::{Known, judge};
use rules::Kind;
pub use rules::{DetectionError, DetectionRules};
pub(crate) use store::FindingStore;
use tally::Tallies;

/// What detection needs: rules and a place for what they find.
#[derive(Clone)]
pub struct Detection {
    pub(crate) rules: Arc<DetectionRules>,
    pub(crate) findings: FindingStore,
    /// One run at a time.
    running: Arc<Mutex<()>>,
}

/// What a run did, for users of one organisation or of all.
pub(crate) struct Run {
    pub since: Timestamp,
    pub until: Timestamp,
    /// Records that were gone through.
    pub records: u64,
    pub found: u64,
    /// Of these, how many were not known.
    pub new: u64,
    pub logs: Vec<LogState>,
    /// Whether there was more than one run goes through.
    pub too_many: bool,
}

impl Detection {
    /// By these rules, with findings kept in the portal's database.
    pub fn new(rules: DetectionRules, database: Database) -> Self {
        let findings = FindingStore::new(database);
        Self { rules: Arc::new(rules), findings, running: Arc::default() }
    }

    /// What people call a rule; findings of a rule that is no more have its id.
    pub(crate) fn rule_name<'a>(&'a self, id: &'a str) -> &'a str {
        self.rules.rule(id).map_or(id, |rule| rule.name.as_str())
    }

    /// Id and name of every rule, in the order of the file.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.rules.iter().map(|rule| (rule.id.as_str(), rule.name.as_str()))
    }
}

impl Portal {
    /// Goes through all logs between two instants and keeps what the rules find. The numbers that are
    /// told are those of the users of an organisation, where one is named.
    ///
    /// # Errors
    /// `Conflict` while another run is under way; when a fact cannot be had, and nothing is kept then.
    pub(crate) async fn detect(
        &self,
        detection: &Detection,
        (since, until): (Timestamp, Timestamp),
        organisation: Option<&str>,
        draft: &AuditDraft,
    ) -> Result<Run, FhirError> {
        let _one = detection.running.try_lock().map_err(|_| FhirError::Conflict)?;
        let rules = detection.rules.as_ref();
        let gathered = self.gather(rules, (since, until), organisation).await?;
        let known = self.known(rules, &gathered.tallies, until).await?;
        let now = self.clock.now();
        let found = judge(rules, &gathered.tallies, &known, (since, until), now);
        let due = working_days_on(now, rules.review_days);
        let told = |found: &&Found| organisation.is_none_or(|own| own == found.actor.organisation);
        let count = found.iter().filter(told).count() as u64;
        let kept: Vec<_> = found.into_iter().map(|found| (self.ids.ordered(), found)).collect();
        draft.fill(|event| {
            event.listed = vec![format!("{} records, {count} found", gathered.told)];
        });
        let audit = draft.to_commit(AuditOutcome::Success);
        let new = detection.findings.keep(kept, (now, due), organisation, audit).await;
        let new = new.map_err(|e| FhirError::store(&e))?;
        draft.committed();
        let Gathered { told: records, logs, too_many, .. } = gathered;
        Ok(Run { since, until, records, found: count, new, logs, too_many })
    }

    /// Reads every record of an access in a time, page by page from all logs at once.
    async fn gather(
        &self,
        rules: &DetectionRules,
        (since, until): (Timestamp, Timestamp),
        organisation: Option<&str>,
    ) -> Result<Gathered, FhirError> {
        let mut question = AuditQuestion::between(since, until, PAGE);
        let action = |code: &str| CodeWanted { system: None, code: Some(code.to_owned()) };
        question.codes = vec![(CodeField::Action, vec![action("R"), action("E")])];
        let told = |event: &AuditEvent| {
            let of = event.actor.as_ref().map(|actor| actor.organisation.as_str());
            organisation.is_none_or(|own| of == Some(own))
        };
        let mut gathered = Gathered::default();
        let mut turned: Option<Vec<Place>> = None;
        loop {
            let (given, logs) = self.ask_logs(&question, turned.as_deref()).await;
            if turned.is_none() {
                gathered.logs = logs;
            } else if let Some(lost) = logs.iter().find(|log| log.state == SourceState::Down) {
                // Half of a log would look like all of it.
                tracing::warn!(log = lost.name, "a log went away while it was gone through");
                return Err(LOG_LOST);
            }
            let mut places = Vec::new();
            for log in given {
                gathered.records += log.page.events.len() as u64;
                for StoredEvent { event, .. } in &log.page.events {
                    gathered.told += u64::from(told(event));
                    gathered.tallies.add(event, &rules.zone);
                }
                let up_to = log.page.up_to;
                let next = log.page.next;
                places.extend(next.map(|n| Place { log: log.id, before: Some(n), up_to }));
            }
            gathered.too_many = gathered.records >= MOST_RECORDS && !places.is_empty();
            if places.is_empty() || gathered.too_many {
                return Ok(gathered);
            }
            turned = Some(places);
        }
    }

    /// The facts that the rules ask for, of those whose records were looked at.
    async fn known(
        &self,
        rules: &DetectionRules,
        tallies: &Tallies,
        until: Timestamp,
    ) -> Result<Known, FhirError> {
        let has = |kind: Kind| rules.rules.iter().any(|rule| rule.kind == kind);
        let mut known = Known::default();
        let patients = tallies.patients();
        if has(Kind::SameSurname) || has(Kind::SamePostcode) {
            let acting = tallies.days.keys().filter_map(|(actor, _)| rules.staff.get(&actor.id));
            let acting = acting.map(|employee| employee.nhs_number);
            let mut asked: Vec<NhsNumber> = patients.iter().copied().chain(acting).collect();
            asked.sort_unstable();
            asked.dedup();
            let people = stream::iter(asked).map(|number| async move {
                Ok::<_, FhirError>((number, self.person(number).await?))
            });
            let people: Vec<_> = people.buffer_unordered(AT_ONCE).try_collect().await?;
            let people = people.into_iter();
            known.people = people.filter_map(|(number, person)| Some((number, person?))).collect();
        }
        if has(Kind::NoRelationship) {
            let all = stream::iter(patients).map(|number| async move {
                Ok::<_, FhirError>((number, self.relationships.relationships(number).await?))
            });
            known.relationships = all.buffer_unordered(AT_ONCE).try_collect().await?;
        }
        let days = rules.rules.iter().filter_map(|rule| rule.days).max();
        if let Some(days) = days {
            let since = until.checked_sub(SignedDuration::from_hours(24 * i64::from(days)));
            let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
            let grants = self.overrides.granted(since, until).await;
            known.grants = grants.map_err(|e| FhirError::store(&e))?;
        }
        Ok(known)
    }

    /// Goes through the logs every so often, until `draining`: yesterday and today, and for the rules
    /// that wait, the day that has waited long enough.
    pub async fn keep_detecting(self, draining: CancellationToken) {
        let Some(detection) = self.detection.clone() else { return };
        let every = detection.rules.every();
        if every.is_zero() {
            return;
        }
        loop {
            let pause = every.try_into().unwrap_or(std::time::Duration::from_secs(3_600));
            tokio::select! {
                () = draining.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            for window in detection.windows(self.clock.now()) {
                let draft = self.job_draft();
                match self.detect(&detection, window, None, &draft).await {
                    Ok(run) => tracing::info!(
                        records = run.records,
                        new = run.new,
                        "the detection rules went through the record of accesses"
                    ),
                    Err(error) => tracing::warn!(%error, "the detection rules could not be run"),
                }
            }
        }
    }

    fn job_draft(&self) -> AuditDraft {
        let id = self.ids.ordered();
        let mut event = AuditEvent::incoming(id, self.clock.now(), "portal", "job");
        event.interaction = "audit detection".to_owned();
        AuditDraft::detached(event)
    }
}

impl Detection {
    /// What a run of the clock's own goes through.
    fn windows(&self, now: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let day_before = |now: Timestamp| {
            let day = now.to_zoned(self.rules.zone.clone()).date();
            let start = day.yesterday().and_then(|day| day.to_zoned(self.rules.zone.clone()));
            start.map_or(now, |start| start.timestamp())
        };
        let mut waits: Vec<SignedDuration> =
            self.rules.rules.iter().map(rules::DetectionRule::wait).collect();
        waits.sort_unstable();
        waits.dedup();
        let waited = waits.into_iter().filter(|wait| !wait.is_zero()).filter_map(|wait| {
            let then = now.checked_sub(wait).ok()?;
            Some((day_before(then), then))
        });
        std::iter::once((day_before(now), now)).chain(waited).collect()
    }
}

/// What was read.
#[derive(Default)]
struct Gathered {
    tallies: Tallies,
    records: u64,
    /// Of these, those of the organisation whose numbers are told.
    told: u64,
    logs: Vec<LogState>,
    too_many: bool,
}

/// A log stopped answering half-way.
const LOG_LOST: FhirError = FhirError::Operation(
    axum::http::StatusCode::SERVICE_UNAVAILABLE,
    "transient",
    "A log of accesses stopped answering half-way; nothing was kept. Try again in a moment.",
);
/// Records of a log at once.
const PAGE: u32 = 500;
/// What one run goes through at most.
const MOST_RECORDS: u64 = 2_000_000;
/// Questions to the registry at one time.
const AT_ONCE: usize = 8;
