//! How a portal is used, counted out of its log: by day, role and organisation. Nothing in it is about a
//! patient, and nobody is named.

use std::collections::BTreeMap;

use carerecord_storage::{Connection, StoreError, sql};
use jiff::Timestamp;
use serde::Deserialize;

use crate::search::{caught_up, seq_bounds};
use crate::{AuditActor, AuditLog, store};

/// What was done in a time.
#[derive(Clone, Debug, Default)]
pub struct UsageReport {
    /// By day, role and organisation, in this order.
    pub uses: BTreeMap<UsedBy, Uses>,
    /// Records that the count leaves out, since they are not in the index yet.
    pub behind: u64,
}

/// By whom, and when.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct UsedBy {
    /// Days since 1970, UTC.
    pub day: i64,
    /// The code of the job role; [`CITIZEN`], [`LAUNCHER`] or [`SYSTEM`] of who has none.
    pub role: String,
    /// ODS code.
    pub organisation: String,
}

/// How often.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Uses {
    /// Searches for the documents of one person that were answered.
    pub records_opened: u64,
    /// Documents whose bytes were given.
    pub documents_opened: u64,
    /// Launches out of other systems that were taken.
    pub launches: u64,
    /// Records that were opened by emergency access.
    pub overrides: u64,
    /// Whatever was asked of the API and refused.
    pub refusals: u64,
}

/// Why uses were not counted.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// There are more records, or more that differ, than are gone through for one answer.
    #[error("more was recorded in this time than is counted at once")]
    TooMuch,
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuditLog {
    /// Counts uses from an instant on and before another, some records at a time.
    ///
    /// # Errors
    /// When there is too much to count, or the database cannot be read.
    pub async fn usage(&self, within: (Timestamp, Timestamp)) -> Result<UsageReport, UsageError> {
        let behind = caught_up(self.database()).await?;
        let mut c = self.database().reader().await?;
        let last = store::last_seq(&mut c).await?;
        let (low, high) = seq_bounds(&mut c, within, last).await?;
        if high.saturating_sub(low) >= MOST_RECORDS {
            return Err(UsageError::TooMuch);
        }
        let mut report = UsageReport { behind, ..UsageReport::default() };
        let mut first = low;
        while first <= high {
            let end = high.min(first + AT_ONCE - 1);
            for row in rows(&mut c, (first, end), within).await? {
                report.count(&row);
            }
            if report.uses.len() > MOST_COUNTS {
                return Err(UsageError::TooMuch);
            }
            first = end + 1;
        }
        Ok(report)
    }
}

/// When, and the interaction, outcome and record.
type Row = (i64, String, String, String);

async fn rows(
    c: &mut Connection,
    (first, end): (i64, i64),
    (since, until): (Timestamp, Timestamp),
) -> Result<Vec<Row>, StoreError> {
    sql(USES)
        .bind(first)
        .bind(end)
        .bind(since.as_millisecond())
        .bind(until.as_millisecond())
        .all(c)
        .await
}

/// What is read of a record.
#[derive(Deserialize)]
struct Recorded {
    direction: String,
    transport: String,
    actor: Option<AuditActor>,
}

impl UsageReport {
    fn count(&mut self, (at, interaction, outcome, record): &Row) {
        // One that cannot be read was changed: a search of the record tells of it.
        let Ok(recorded) = serde_json::from_str::<Recorded>(record) else { return };
        let Some(actor) = recorded.actor.filter(|_| recorded.direction == "in") else { return };
        let mut uses = Uses::default();
        let kind = match (interaction.as_str(), outcome.as_str(), recorded.transport.as_str()) {
            // What a page was refused, the API has refused to it.
            (_, "refused", "fhir") => &mut uses.refusals,
            ("search DocumentReference", "success", "fhir") => &mut uses.records_opened,
            ("ITI-68 read Binary", "success", "fhir") => &mut uses.documents_opened,
            ("break glass", "success", "fhir") => &mut uses.overrides,
            (_, "success", "web") if actor.known_by == LAUNCH => &mut uses.launches,
            _ => return,
        };
        *kind += 1;
        let by = UsedBy {
            day: at.div_euclid(MS_A_DAY),
            role: role(&actor).to_owned(),
            organisation: actor.organisation,
        };
        self.uses.entry(by).or_default().add(uses);
    }
}

impl Uses {
    fn add(&mut self, more: Self) {
        self.records_opened += more.records_opened;
        self.documents_opened += more.documents_opened;
        self.launches += more.launches;
        self.overrides += more.overrides;
        self.refusals += more.refusals;
    }
}

fn role(actor: &AuditActor) -> &str {
    match &actor.role {
        Some(role) => role,
        None if actor.is_citizen() => CITIZEN,
        None if actor.known_by == LAUNCH => LAUNCHER,
        None => SYSTEM,
    }
}

/// In the place of a role: a citizen.
pub const CITIZEN: &str = "citizen";
/// In the place of a role: a system that people are sent on from.
pub const LAUNCHER: &str = "launching-system";
/// In the place of a role: any other system.
pub const SYSTEM: &str = "system";
/// How a launching system is known.
const LAUNCH: &str = "launch";
const MS_A_DAY: i64 = 86_400_000;
/// Records that are gone through for one answer, and for one statement of it.
const MOST_RECORDS: i64 = 5_000_000;
const AT_ONCE: i64 = 2_000;
const MOST_COUNTS: usize = 20_000;

const USES: &str = "
    SELECT recorded_at, interaction, outcome, record FROM audit_event
    WHERE seq BETWEEN $1 AND $2 AND recorded_at >= $3 AND recorded_at < $4
      AND actor IS NOT NULL
      AND (outcome = 'refused' OR outcome = 'success'
        AND (interaction = 'search DocumentReference' AND nhs_number IS NOT NULL
          OR interaction IN ('ITI-68 read Binary', 'break glass', 'launch in context',
            'launch by an id', 'SMART launch, way back')))
    ORDER BY seq";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Log, at, event};
    use crate::{AuditEvent, AuditOutcome};

    fn done(n: u64, transport: &str, interaction: &str, outcome: AuditOutcome) -> AuditEvent {
        let mut event = event(n);
        event.recorded_at = at(n);
        transport.clone_into(&mut event.transport);
        interaction.clone_into(&mut event.interaction);
        event.outcome = outcome;
        event.subject = "9990001006".parse().ok();
        if let Some(actor) = &mut event.actor {
            actor.role = Some("R8000".to_owned());
            actor.organisation = "ZEX01".to_owned();
        }
        event
    }

    fn by(mut event: AuditEvent, role: Option<&str>, known_by: &str) -> AuditEvent {
        if let Some(actor) = &mut event.actor {
            actor.role = role.map(str::to_owned);
            known_by.clone_into(&mut actor.known_by);
        }
        event
    }

    #[tokio::test]
    async fn uses_are_counted_by_day_role_and_organisation() {
        use AuditOutcome::{Failed, Refused, Success};
        for log in Log::on_each().await {
            let source = AuditLog::new(log.database.clone());
            let search = "search DocumentReference";
            let mut nobody = done(3, "fhir", search, Success);
            nobody.subject = None;
            let mut sent = done(4, "fhir", search, Success);
            sent.direction = "out".to_owned();
            let mut unknown = done(5, "fhir", search, Refused);
            unknown.actor = None;
            let all = [
                done(1, "fhir", search, Success),
                done(2, "fhir", search, Success),
                nobody,
                sent,
                unknown,
                done(6, "fhir", search, Failed),
                done(7, "fhir", "ITI-68 read Binary", Success),
                done(8, "fhir", "break glass", Success),
                done(9, "fhir", "read Patient", Refused),
                done(10, "web", "unknown", Refused),
                by(done(11, "web", "launch in context", Success), None, "launch"),
                by(done(12, "fhir", search, Success), None, "P9"),
                by(done(13, "fhir", search, Success), None, "certificate"),
                // The next day.
                done(9_000_000, "fhir", "ITI-68 read Binary", Success),
            ];
            for event in all {
                source.append(event).await.unwrap();
            }

            let report = source.usage((at(0), at(10_000_000))).await.unwrap();

            let day = at(1).as_millisecond() / MS_A_DAY;
            let told: Vec<_> = report
                .uses
                .iter()
                .map(|(by, uses)| {
                    let Uses { records_opened, documents_opened, launches, .. } = *uses;
                    let rest = (uses.overrides, uses.refusals);
                    let counts = (records_opened, documents_opened, launches, rest);
                    (by.day - day, by.role.as_str(), counts)
                })
                .collect();
            let expected = [
                (0, "R8000", (2, 1, 0, (1, 1))),
                (0, CITIZEN, (1, 0, 0, (0, 0))),
                (0, LAUNCHER, (0, 0, 1, (0, 0))),
                (0, SYSTEM, (1, 0, 0, (0, 0))),
                (1, "R8000", (0, 1, 0, (0, 0))),
            ];
            assert_eq!(told, expected);
            assert!(report.uses.keys().all(|by| by.organisation == "ZEX01"));
            let early = source.usage((at(0), at(2))).await.unwrap();
            assert_eq!(early.uses.values().next().unwrap().records_opened, 1);
        }
    }
}
