use async_trait::async_trait;
use carerecord_access::{FactsUnavailable, Override, OverrideReason, Overrides, UserCaller};
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::NhsNumber;
use carerecord_storage::{Database, Statement, StoreError, sql};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Alert, AlertCount, Grant, GrantKind, Note, ReviewState, WhichAlerts, working_days_on};

/// Overrides and alerts, in the portal's database.
#[derive(Clone, Debug)]
pub struct OverrideStore {
    database: Database,
}

/// An alert to be raised.
pub(crate) struct NewAlert {
    pub id: Uuid,
    pub override_id: Uuid,
    /// Whose privacy officers are told.
    pub organisation: String,
    pub raised_at: Timestamp,
    pub due_at: Timestamp,
}

impl NewAlert {
    /// For the officers of this organisation, to be reviewed within so many working days.
    pub(crate) fn of(
        id: Uuid,
        opened: &Override,
        organisation: &str,
        raised_at: Timestamp,
        review_days: u16,
    ) -> Self {
        let due_at = working_days_on(raised_at, review_days);
        Self {
            id,
            override_id: opened.id,
            organisation: organisation.to_owned(),
            raised_at,
            due_at,
        }
    }
}

impl OverrideStore {
    /// Over this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Opens a record, raises the alert and records it, all or none; durable when this returns.
    pub(crate) async fn grant(
        &self,
        grant: Grant,
        alert: NewAlert,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        let o = &grant.opened;
        let insert = sql(GRANT)
            .bind(o.id)
            .bind(&o.user_id)
            .bind(grant.user_name)
            .bind(grant.organisation)
            .bind(grant.role)
            .bind(&o.role_profile_id)
            .bind(o.session_id.clone())
            .bind(o.patient.as_i64())
            .bind(o.reason.code())
            .bind(grant.words)
            .bind(grant.reference)
            .bind(o.since.as_millisecond())
            .bind(o.until.as_millisecond())
            .bind(grant.kind.code());
        let raise = raise(alert);
        self.database
            .write(move |c| {
                Box::pin(async move {
                    insert.run(&mut *c).await?;
                    raise.run(&mut *c).await?;
                    AuditLog::append_in(c, &[&audit]).await
                })
            })
            .await
    }

    /// Every override that began in a time.
    pub(crate) async fn granted(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Grant>, StoreError> {
        let rows: Vec<Row> = sql(GRANTED)
            .bind(since.as_millisecond())
            .bind(until.as_millisecond())
            .all(&self.database)
            .await?;
        rows.into_iter().map(Row::into_grant).collect()
    }

    /// Tells another organisation, once for each override.
    pub(crate) async fn tell(&self, alert: NewAlert) -> Result<(), StoreError> {
        let raise = raise(alert);
        self.database.write(move |c| Box::pin(async move { raise.run(c).await.map(drop) })).await
    }

    /// The alerts of an organisation, the newest first.
    pub(crate) async fn alerts(
        &self,
        organisation: &str,
        which: &WhichAlerts,
        now: Timestamp,
    ) -> Result<Vec<Alert>, StoreError> {
        let states: Vec<&str> = which.states.iter().map(|state| state.code()).collect();
        let kinds: Vec<&str> = which.kinds.iter().map(|kind| kind.code()).collect();
        let rows: Vec<AlertRow> = sql(ALERTS)
            .bind(organisation)
            .bind(states.join(","))
            .bind(which.overdue.map_or(-1, i64::from))
            .bind(now.as_millisecond())
            .bind(which.before.map(|id| id.as_bytes().to_vec()))
            .bind(which.most)
            .bind(kinds.join(","))
            .all(&self.database)
            .await?;
        rows.into_iter().map(AlertRow::into_alert).collect()
    }

    /// One of them; those of other organisations are not there.
    pub(crate) async fn alert(
        &self,
        organisation: &str,
        id: Uuid,
    ) -> Result<Option<Alert>, StoreError> {
        let row: Option<AlertRow> =
            sql(ALERT).bind(organisation).bind(id).first(&self.database).await?;
        row.map(AlertRow::into_alert).transpose()
    }

    /// How many alerts an organisation has.
    pub(crate) async fn counts(
        &self,
        organisation: &str,
        now: Timestamp,
    ) -> Result<Vec<AlertCount>, StoreError> {
        let rows: Vec<(String, String, String, i64, i64)> =
            sql(COUNTS).bind(organisation).bind(now.as_millisecond()).all(&self.database).await?;
        rows.into_iter()
            .map(|(state, reason, kind, count, overdue)| {
                Ok(AlertCount {
                    state: ReviewState::from_code(&state).ok_or_else(|| wrong("state"))?,
                    kind: GrantKind::from_code(&kind).ok_or_else(|| wrong("kind"))?,
                    reason: OverrideReason::from_code(&reason).ok_or_else(|| wrong("reason"))?,
                    count,
                    overdue,
                })
            })
            .collect()
    }

    /// Notes a step of a review. `false`: somebody else has taken one meanwhile.
    pub(crate) async fn review(
        &self,
        alert: &Alert,
        note: Note,
        audit: AuditEvent,
    ) -> Result<bool, StoreError> {
        take_step(&self.database, sql(REVIEW).bind(alert.id), &alert.notes, note, audit).await
    }
}

#[async_trait]
impl Overrides for OverrideStore {
    async fn overrides(
        &self,
        user: &UserCaller,
        patient: NhsNumber,
    ) -> Result<Vec<Override>, FactsUnavailable> {
        let rows: Result<Vec<Row>, StoreError> =
            sql(OF_PERSON).bind(&user.user_id).bind(patient.as_i64()).all(&self.database).await;
        let grants: Result<Vec<Grant>, StoreError> =
            rows.and_then(|rows| rows.into_iter().map(Row::into_grant).collect());
        let grants = grants.map_err(|e| FactsUnavailable(e.to_string()))?;
        Ok(grants.into_iter().map(|grant| grant.opened).collect())
    }
}

/// Notes a step of a review by a statement that has the id for its first parameter, and takes the state,
/// the notes with this one and the notes before. `false`: somebody else has taken one meanwhile.
pub(crate) async fn take_step(
    database: &Database,
    review: Statement,
    before: &[Note],
    note: Note,
    audit: AuditEvent,
) -> Result<bool, StoreError> {
    let json = |notes: &[Note]| serde_json::to_string(notes).map_err(|_| wrong("notes"));
    let state = note.state;
    let after = json(&[before, &[note]].concat())?;
    let step = review.bind(state.code()).bind(after).bind(json(before)?);
    database
        .write(move |c| {
            Box::pin(async move {
                let done = step.run(&mut *c).await? == 1;
                if done {
                    AuditLog::append_in(c, &[&audit]).await?;
                }
                Ok(done)
            })
        })
        .await
}

fn raise(alert: NewAlert) -> Statement {
    sql(RAISE)
        .bind(alert.id)
        .bind(alert.override_id)
        .bind(alert.organisation)
        .bind(ReviewState::New.code())
        .bind(alert.raised_at.as_millisecond())
        .bind(alert.due_at.as_millisecond())
        .bind("[]")
}

#[derive(sqlx::FromRow)]
struct Row {
    override_id: Vec<u8>,
    user_id: String,
    user_name: String,
    organisation: String,
    role: String,
    role_profile_id: String,
    session_id: Option<String>,
    patient: i64,
    reason: String,
    words: Option<String>,
    reference: Option<String>,
    granted_at: i64,
    until: i64,
    kind: String,
}

impl Row {
    fn into_grant(self) -> Result<Grant, StoreError> {
        Ok(Grant {
            kind: GrantKind::from_code(&self.kind).ok_or_else(|| wrong("kind"))?,
            opened: Override {
                id: uuid(&self.override_id)?,
                patient: NhsNumber::from_i64(self.patient).map_err(|_| wrong("patient"))?,
                user_id: self.user_id,
                role_profile_id: self.role_profile_id,
                session_id: self.session_id,
                reason: OverrideReason::from_code(&self.reason).ok_or_else(|| wrong("reason"))?,
                since: time(self.granted_at)?,
                until: time(self.until)?,
            },
            user_name: self.user_name,
            organisation: self.organisation,
            role: self.role,
            words: self.words,
            reference: self.reference,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AlertRow {
    #[sqlx(flatten)]
    grant: Row,
    alert_id: Vec<u8>,
    state: String,
    raised_at: i64,
    due_at: i64,
    notes: String,
}

impl AlertRow {
    fn into_alert(self) -> Result<Alert, StoreError> {
        Ok(Alert {
            id: uuid(&self.alert_id)?,
            grant: self.grant.into_grant()?,
            state: ReviewState::from_code(&self.state).ok_or_else(|| wrong("state"))?,
            raised_at: time(self.raised_at)?,
            due_at: time(self.due_at)?,
            notes: serde_json::from_str(&self.notes).map_err(|_| wrong("notes"))?,
        })
    }
}

fn uuid(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|_| wrong("id"))
}

fn time(ms: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(ms).map_err(|_| wrong("time"))
}

fn wrong(column: &'static str) -> StoreError {
    StoreError::Row("override_grant or privacy_alert", column, "cannot be read".to_owned())
}

const GRANT: &str = "
    INSERT INTO override_grant VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
        $14)";

const GRANTED: &str = "
    SELECT * FROM override_grant
    WHERE kind = 'override' AND granted_at >= $1 AND granted_at < $2";

const RAISE: &str = "
    INSERT INTO privacy_alert VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (override_id, organisation) DO NOTHING";

// Ids are in the order of time. $3 is 1 for what is overdue, 0 for what is not, -1 for both.
const ALERTS: &str = "
    SELECT g.*, a.alert_id, a.state, a.raised_at, a.due_at, a.notes
    FROM privacy_alert a JOIN override_grant g ON g.override_id = a.override_id
    WHERE a.organisation = $1 AND ($2 = '' OR ',' || $2 || ',' LIKE '%,' || a.state || ',%')
      AND $3 IN (-1, CASE WHEN a.state IN ('new', 'in-review') AND a.due_at < $4 THEN 1 ELSE 0 END)
      AND ($5 IS NULL OR a.alert_id < $5)
      AND ($7 = '' OR ',' || $7 || ',' LIKE '%,' || g.kind || ',%')
    ORDER BY a.alert_id DESC LIMIT $6";

const ALERT: &str = "
    SELECT g.*, a.alert_id, a.state, a.raised_at, a.due_at, a.notes
    FROM privacy_alert a JOIN override_grant g ON g.override_id = a.override_id
    WHERE a.organisation = $1 AND a.alert_id = $2";

const COUNTS: &str = "
    SELECT a.state, g.reason, g.kind, count(*),
        sum(CASE WHEN a.state IN ('new', 'in-review') AND a.due_at < $2 THEN 1 ELSE 0 END)
    FROM privacy_alert a JOIN override_grant g ON g.override_id = a.override_id
    WHERE a.organisation = $1 GROUP BY a.state, g.reason, g.kind";

const REVIEW: &str = "
    UPDATE privacy_alert SET state = $2, notes = $3 WHERE alert_id = $1 AND notes = $4";

const OF_PERSON: &str = "
    SELECT * FROM override_grant WHERE user_id = $1 AND patient = $2 AND kind = 'override'
    ORDER BY granted_at DESC LIMIT 20";
