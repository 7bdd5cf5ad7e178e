use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::NhsNumber;
use carerecord_storage::{Database, Statement, StoreError, sql};
use jiff::Timestamp;
use uuid::Uuid;

use super::finding::{Actor, Finding, FindingCount, Found, WhichFindings};
use crate::overrides::{Note, ReviewState, take_step};

/// Findings, in the portal's database.
#[derive(Clone, Debug)]
pub(crate) struct FindingStore {
    database: Database,
}

impl FindingStore {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Keeps what was found, and records the run, all or none. What is there already gets its new
    /// count; if it was closed and there is more now, it is new again. Returns how many were not there,
    /// of an organisation's users or of all.
    pub(crate) async fn keep(
        &self,
        found: Vec<(Uuid, Found)>,
        (now, due_at): (Timestamp, Timestamp),
        organisation: Option<&str>,
        audit: AuditEvent,
    ) -> Result<u64, StoreError> {
        let organisation = organisation.unwrap_or_default().to_owned();
        let keep: Vec<Statement> = found
            .into_iter()
            .map(|(id, found)| insert(id, found, now, due_at))
            .collect::<Result<_, _>>()?;
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let count = |of: &String| sql(COUNT).bind(of.clone());
                    let before = count(&organisation).number(&mut *c).await?;
                    for statement in keep {
                        statement.run(&mut *c).await?;
                    }
                    let after = count(&organisation).number(&mut *c).await?;
                    AuditLog::append_in(c, &[&audit]).await?;
                    Ok(u64::try_from(after - before).unwrap_or_default())
                })
            })
            .await
    }

    /// Findings, the newest first.
    pub(crate) async fn findings(
        &self,
        which: &WhichFindings,
        now: Timestamp,
    ) -> Result<Vec<Finding>, StoreError> {
        let states: Vec<&str> = which.states.iter().map(|state| state.code()).collect();
        let rows: Vec<Row> = sql(FINDINGS)
            .bind(which.organisation.clone().unwrap_or_default())
            .bind(states.join(","))
            .bind(which.overdue.map_or(-1, i64::from))
            .bind(now.as_millisecond())
            .bind(which.before.map(|id| id.as_bytes().to_vec()))
            .bind(which.most)
            .bind(which.rules.join(","))
            .all(&self.database)
            .await?;
        rows.into_iter().map(Row::into_finding).collect()
    }

    /// One of them.
    pub(crate) async fn finding(&self, id: Uuid) -> Result<Option<Finding>, StoreError> {
        let row: Option<Row> = sql(FINDING).bind(id).first(&self.database).await?;
        row.map(Row::into_finding).transpose()
    }

    /// How many there are, of an organisation's users or of all.
    pub(crate) async fn counts(
        &self,
        organisation: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<FindingCount>, StoreError> {
        let rows: Vec<(String, String, i64, i64)> = sql(COUNTS)
            .bind(organisation.unwrap_or_default())
            .bind(now.as_millisecond())
            .all(&self.database)
            .await?;
        rows.into_iter()
            .map(|(rule, state, count, overdue)| {
                let state = ReviewState::from_code(&state).ok_or_else(|| wrong("state"))?;
                Ok(FindingCount { rule, state, count, overdue })
            })
            .collect()
    }

    /// Notes a step of a review. `false`: somebody else has taken one meanwhile.
    pub(crate) async fn review(
        &self,
        finding: &Finding,
        note: Note,
        audit: AuditEvent,
    ) -> Result<bool, StoreError> {
        take_step(&self.database, sql(REVIEW).bind(finding.id), &finding.notes, note, audit).await
    }
}

fn insert(
    id: Uuid,
    found: Found,
    now: Timestamp,
    due_at: Timestamp,
) -> Result<Statement, StoreError> {
    let evidence = serde_json::to_string(&found.evidence).map_err(|_| wrong("evidence"))?;
    Ok(sql(KEEP)
        .bind(id)
        .bind(found.rule)
        .bind(found.actor.id)
        .bind(found.actor.name)
        .bind(found.actor.organisation)
        .bind(found.actor.role)
        .bind(found.patient.map_or(0, |number| number.as_i64()))
        .bind(found.day.to_string())
        .bind(found.first_at.as_millisecond())
        .bind(found.last_at.as_millisecond())
        .bind(i64::try_from(found.count).unwrap_or(i64::MAX))
        .bind(evidence)
        .bind(ReviewState::New.code())
        .bind(now.as_millisecond())
        .bind(due_at.as_millisecond())
        .bind("[]"))
}

#[derive(sqlx::FromRow)]
struct Row {
    finding_id: Vec<u8>,
    rule: String,
    actor: String,
    actor_name: String,
    organisation: String,
    role: String,
    patient: i64,
    day: String,
    first_at: i64,
    last_at: i64,
    counted: i64,
    evidence: String,
    state: String,
    raised_at: i64,
    due_at: i64,
    notes: String,
}

impl Row {
    fn into_finding(self) -> Result<Finding, StoreError> {
        let patient = match self.patient {
            0 => None,
            number => Some(NhsNumber::from_i64(number).map_err(|_| wrong("patient"))?),
        };
        Ok(Finding {
            id: Uuid::from_slice(&self.finding_id).map_err(|_| wrong("finding_id"))?,
            what: Found {
                rule: self.rule,
                actor: Actor {
                    id: self.actor,
                    name: self.actor_name,
                    organisation: self.organisation,
                    role: self.role,
                },
                patient,
                day: self.day.parse().map_err(|_| wrong("day"))?,
                first_at: time(self.first_at)?,
                last_at: time(self.last_at)?,
                count: self.counted.unsigned_abs(),
                evidence: serde_json::from_str(&self.evidence).map_err(|_| wrong("evidence"))?,
            },
            state: ReviewState::from_code(&self.state).ok_or_else(|| wrong("state"))?,
            raised_at: time(self.raised_at)?,
            due_at: time(self.due_at)?,
            notes: serde_json::from_str(&self.notes).map_err(|_| wrong("notes"))?,
        })
    }
}

fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| wrong("time"))
}

fn wrong(column: &'static str) -> StoreError {
    StoreError::Row("detection_finding", column, "cannot be read".to_owned())
}

const COUNT: &str = "SELECT count(*) FROM detection_finding WHERE ($1 = '' OR organisation = $1)";

const KEEP: &str = "
    INSERT INTO detection_finding VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
        $14, $15, $16)
    ON CONFLICT (rule, actor, organisation, role, patient, day) DO UPDATE
    SET actor_name = excluded.actor_name, first_at = excluded.first_at,
        last_at = excluded.last_at, counted = excluded.counted, evidence = excluded.evidence,
        state = CASE WHEN detection_finding.state IN ('new', 'in-review')
            THEN detection_finding.state ELSE 'new' END,
        due_at = CASE WHEN detection_finding.state IN ('new', 'in-review')
            THEN detection_finding.due_at ELSE excluded.due_at END
    WHERE excluded.counted > detection_finding.counted";

// Ids are in the order of time. $3 is 1 for what is overdue, 0 for what is not, -1 for both.
const FINDINGS: &str = "
    SELECT * FROM detection_finding
    WHERE ($1 = '' OR organisation = $1) AND ($2 = '' OR ',' || $2 || ',' LIKE '%,' || state || ',%')
      AND $3 IN (-1, CASE WHEN state IN ('new', 'in-review') AND due_at < $4 THEN 1 ELSE 0 END)
      AND ($5 IS NULL OR finding_id < $5)
      AND ($7 = '' OR ',' || $7 || ',' LIKE '%,' || rule || ',%')
    ORDER BY finding_id DESC LIMIT $6";

const FINDING: &str = "SELECT * FROM detection_finding WHERE finding_id = $1";

const COUNTS: &str = "
    SELECT rule, state, count(*),
        sum(CASE WHEN state IN ('new', 'in-review') AND due_at < $2 THEN 1 ELSE 0 END)
    FROM detection_finding WHERE ($1 = '' OR organisation = $1) GROUP BY rule, state";

const REVIEW: &str = "
    UPDATE detection_finding SET state = $2, notes = $3 WHERE finding_id = $1 AND notes = $4";
