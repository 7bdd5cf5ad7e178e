//! What sources have sent, counted out of a log: by who sent it, by transaction and by day. Nothing in
//! it is about a patient.

use carerecord_storage::{Connection, StoreError, sql};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::search::{caught_up, seq_bounds};
use crate::{AuditEvent, AuditLog, AuditOutcome, store};

/// Which time is asked about.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct FeedQuestion {
    /// From this instant on.
    pub since: Timestamp,
    /// Before this instant.
    pub until: Timestamp,
}

/// What one role was sent.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FeedReport {
    /// Which log it is out of: several roles can share one.
    pub log: Option<Uuid>,
    /// By sender, transaction and day, in this order.
    pub days: Vec<FeedDay>,
    /// What was not taken, the newest first, so many at most.
    pub refusals: Vec<FeedRefusal>,
    /// Codes that the affinity domain does not have; of a registry.
    #[serde(default)]
    pub unmapped: Vec<UnmappedUse>,
    /// What entries lack; of a registry.
    #[serde(default)]
    pub missing: Vec<MissingAttribute>,
    /// Records that the count leaves out, since they are not in the index yet.
    #[serde(default)]
    pub behind: u64,
}

/// What a sender sent on a day.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FeedDay {
    /// The system, by the name that it is known by.
    pub by: String,
    /// ODS code.
    pub organisation: String,
    /// The transaction, e.g. `ITI-41`.
    pub transaction: String,
    /// Days since 1970, UTC.
    pub day: i64,
    /// How many messages were taken.
    pub taken: u64,
    /// How many were refused, or were not what can be taken.
    pub refused: u64,
    /// How many we could not take for a failure of our own.
    pub failed: u64,
    /// When the last one came, whatever became of it.
    pub last: Timestamp,
    /// When the last one that was taken came.
    pub last_taken: Option<Timestamp>,
}

/// A message that was not taken.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FeedRefusal {
    /// When.
    pub at: Timestamp,
    /// The system.
    pub by: String,
    /// ODS code.
    pub organisation: String,
    /// The transaction.
    pub transaction: String,
    /// Codes of errors; else the HTTP status.
    pub reason: String,
    /// The id of the request, by which it can be traced.
    pub request: Option<String>,
}

/// A code that the affinity domain does not have, with who uses it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UnmappedUse {
    /// The sourceId of the submissions.
    pub source_id: String,
    /// The attribute's name in the standard.
    pub attribute: String,
    /// The code.
    pub code: String,
    /// Its coding scheme.
    pub scheme: String,
    /// How often it was used.
    pub uses: u64,
    /// When it was last used.
    pub last_used: Timestamp,
}

/// How many entries of a node lack an attribute, among those that were registered last.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct MissingAttribute {
    /// The node's repositoryUniqueId.
    pub repository: String,
    /// The attribute's name in the standard.
    pub attribute: String,
    /// So many lack it.
    pub missing: u64,
    /// Of so many.
    pub of: u64,
}

impl AuditLog {
    /// Counts what was sent in a time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn feeds(&self, question: &FeedQuestion) -> Result<FeedReport, StoreError> {
        let behind = caught_up(self.database()).await?;
        let mut c = self.database().snapshot().await?;
        let log = store::log_id(&mut c).await?;
        let last = store::last_seq(&mut c).await?;
        let within = (question.since, question.until);
        let (low, high) = seq_bounds(&mut c, within, last).await?;
        let days = days(&mut c, question, (low, high)).await?;
        let refusals = refusals(&mut c, question, (low, high)).await?;
        Ok(FeedReport { log, days, refusals, behind, ..FeedReport::default() })
    }
}

async fn days(
    c: &mut Connection,
    question: &FeedQuestion,
    (low, high): (i64, i64),
) -> Result<Vec<FeedDay>, StoreError> {
    type Row = (Option<String>, Option<String>, String, String, i64, i64, i64);
    let rows: Vec<Row> = sql(DAYS)
        .bind(low)
        .bind(high)
        .bind(question.since.as_millisecond())
        .bind(question.until.as_millisecond())
        .all(c)
        .await?;
    let mut days: Vec<FeedDay> = Vec::new();
    for (by, organisation, interaction, outcome, day, count, last) in rows {
        let last = Timestamp::from_millisecond(last)
            .map_err(|e| StoreError::Row("audit_event", "recorded_at", e.to_string()))?;
        let next = FeedDay {
            by: by.unwrap_or_default(),
            organisation: organisation.unwrap_or_default(),
            transaction: transaction(&interaction).to_owned(),
            day,
            taken: 0,
            refused: 0,
            failed: 0,
            last,
            last_taken: None,
        };
        let count = count.unsigned_abs();
        let day = day_of(&mut days, next);
        match outcome.as_str() {
            "success" => {
                day.taken += count;
                day.last_taken = day.last_taken.max(Some(last));
            }
            "failed" => day.failed += count,
            _ => day.refused += count,
        }
        day.last = day.last.max(last);
    }
    Ok(days)
}

/// The one with the same sender, transaction and day, which may be the new one.
fn day_of(days: &mut Vec<FeedDay>, next: FeedDay) -> &mut FeedDay {
    let same = days.iter().position(|d| {
        d.by == next.by
            && d.organisation == next.organisation
            && d.transaction == next.transaction
            && d.day == next.day
    });
    let at = same.unwrap_or_else(|| {
        days.push(next);
        days.len() - 1
    });
    &mut days[at]
}

async fn refusals(
    c: &mut Connection,
    question: &FeedQuestion,
    (low, high): (i64, i64),
) -> Result<Vec<FeedRefusal>, StoreError> {
    let rows: Vec<(String,)> = sql(REFUSALS)
        .bind(low)
        .bind(high)
        .bind(question.since.as_millisecond())
        .bind(question.until.as_millisecond())
        .all(c)
        .await?;
    let events = rows.iter().filter_map(|(record,)| serde_json::from_str(record).ok());
    Ok(events.map(|event| refusal(&event)).collect())
}

fn refusal(event: &AuditEvent) -> FeedRefusal {
    let actor = event.actor.as_ref();
    FeedRefusal {
        at: event.recorded_at,
        by: actor.map(|a| a.id.clone()).unwrap_or_default(),
        organisation: actor.map(|a| a.organisation.clone()).unwrap_or_default(),
        transaction: transaction(&event.interaction).to_owned(),
        reason: reason(event),
        request: event.request_id.clone(),
    }
}

/// Codes alone: words of an error can be a sender's own.
fn reason(event: &AuditEvent) -> String {
    let is_code = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.');
    let codes = event.error.as_deref().filter(|e| e.len() <= 200 && e.chars().all(is_code));
    let long = |word: &str| word.len() > 4 && !word.chars().any(|c| c.is_ascii_digit());
    match codes.filter(|codes| codes.split(' ').all(long)) {
        Some(codes) => {
            let mut codes: Vec<&str> = codes.split(' ').collect();
            codes.sort_unstable();
            codes.dedup();
            codes.join(" ")
        }
        None if event.outcome == AuditOutcome::Refused => "not-permitted".to_owned(),
        None => format!("HTTP {}", event.status),
    }
}

fn transaction(interaction: &str) -> &str {
    interaction.split(' ').next().unwrap_or(interaction)
}

// Which transactions bring something in. Days are those of UTC; 86400000 ms.
const DAYS: &str = "
    SELECT actor, organisation, interaction, outcome, recorded_at / 86400000 AS day,
        count(*), max(recorded_at)
    FROM audit_event
    WHERE seq BETWEEN $1 AND $2 AND recorded_at >= $3 AND recorded_at < $4
      AND (interaction IN ('ITI-8', 'ITI-41', 'ITI-42', 'ITI-44', 'ITI-57', 'ITI-61')
        OR interaction LIKE 'ITI-8 %' OR interaction LIKE 'ITI-41 %'
        OR interaction LIKE 'ITI-42 %' OR interaction LIKE 'ITI-44 %'
        OR interaction LIKE 'ITI-57 %' OR interaction LIKE 'ITI-61 %'
        OR interaction LIKE 'ITI-65 %')
    GROUP BY actor, organisation, interaction, outcome, recorded_at / 86400000
    ORDER BY actor, organisation, interaction, day, outcome";

const REFUSALS: &str = "
    SELECT record FROM audit_event
    WHERE seq BETWEEN $1 AND $2 AND recorded_at >= $3 AND recorded_at < $4
      AND outcome <> 'success'
      AND (interaction IN ('ITI-8', 'ITI-41', 'ITI-42', 'ITI-44', 'ITI-57', 'ITI-61')
        OR interaction LIKE 'ITI-8 %' OR interaction LIKE 'ITI-41 %'
        OR interaction LIKE 'ITI-42 %' OR interaction LIKE 'ITI-44 %'
        OR interaction LIKE 'ITI-57 %' OR interaction LIKE 'ITI-61 %'
        OR interaction LIKE 'ITI-65 %')
    ORDER BY seq DESC LIMIT 200";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Log, at, event};

    fn sent(n: u64, by: &str, interaction: &str, outcome: AuditOutcome) -> AuditEvent {
        let mut event = event(n);
        event.interaction = interaction.to_owned();
        event.outcome = outcome;
        event.status = 200;
        event.request_id = Some(format!("request {n}"));
        if let Some(actor) = &mut event.actor {
            actor.id = by.to_owned();
        }
        event
    }

    #[tokio::test]
    async fn what_was_sent_is_counted_by_sender_transaction_and_day() {
        for log in Log::on_each().await {
            let source = AuditLog::new(log.database.clone());
            let append = async |event: AuditEvent| source.append(event).await.unwrap();
            append(sent(1, "lab", "ITI-41", AuditOutcome::Success)).await;
            append(sent(2, "lab", "ITI-41", AuditOutcome::Success)).await;
            let mut bad = sent(3, "lab", "ITI-41", AuditOutcome::Rejected);
            bad.error = Some("XDSRepositoryMetadataError XDSRepositoryMetadataError".to_owned());
            append(bad).await;
            let mut words = sent(4, "pas", "ITI-8 A01", AuditOutcome::Failed);
            words.error = Some("of 9990001006".to_owned());
            words.status = 500;
            append(words).await;
            append(sent(5, "lab", "ITI-18", AuditOutcome::Success)).await;
            append(sent(6, "lab", "ITI-81 search AuditEvent", AuditOutcome::Success)).await;
            // The next day.
            append(sent(9_000_000, "lab", "ITI-41", AuditOutcome::Refused)).await;

            let question = FeedQuestion { since: at(0), until: at(10_000_000) };
            let report = source.feeds(&question).await.unwrap();

            let day = at(1).as_millisecond() / 86_400_000;
            let told: Vec<_> = report
                .days
                .iter()
                .map(|d| {
                    let transaction = d.transaction.as_str();
                    (d.by.as_str(), transaction, d.day - day, d.taken, d.refused, d.failed)
                })
                .collect();
            let expected = [
                ("lab", "ITI-41", 0, 2, 1, 0),
                ("lab", "ITI-41", 1, 0, 1, 0),
                ("pas", "ITI-8", 0, 0, 0, 1),
            ];
            assert_eq!(told, expected);
            assert_eq!((report.days[0].last, report.days[0].last_taken), (at(3), Some(at(2))));
            assert_eq!(report.days[1].last_taken, None);
            let reasons: Vec<_> = report.refusals.iter().map(|r| r.reason.as_str()).collect();
            assert_eq!(reasons, ["not-permitted", "HTTP 500", "XDSRepositoryMetadataError"]);
            assert!(!serde_json::to_string(&report).unwrap().contains("9990001006"));
            let early = FeedQuestion { since: at(0), until: at(2) };
            assert_eq!(source.feeds(&early).await.unwrap().days[0].taken, 1);
        }
    }
}
