use async_trait::async_trait;
use carerecord_access::{FactsUnavailable, Override, OverrideReason, Overrides, UserCaller};
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::NhsNumber;
use carerecord_storage::{Database, StoreError, sql};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Alert, Grant, Note, ReviewState};

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
            .bind(o.until.as_millisecond());
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

    /// Tells another organisation, once for each override.
    pub(crate) async fn tell(&self, alert: NewAlert) -> Result<(), StoreError> {
        let raise = raise(alert);
        self.database.write(move |c| Box::pin(async move { raise.run(c).await.map(drop) })).await
    }

    /// The alerts of an organisation, the newest first.
    pub(crate) async fn alerts(&self, organisation: &str) -> Result<Vec<Alert>, StoreError> {
        type AlertRow = (Vec<u8>, Vec<u8>, String, i64, i64, String);
        let rows: Vec<AlertRow> =
            sql(ALERTS).bind(organisation).bind(MOST).all(&self.database).await?;
        let mut alerts = Vec::with_capacity(rows.len());
        for (id, override_id, state, raised_at, due_at, notes) in rows {
            let grant = self.find(&override_id).await?;
            alerts.push(Alert {
                id: uuid(&id)?,
                grant: grant.ok_or_else(|| wrong("override_id"))?,
                state: ReviewState::from_code(&state).ok_or_else(|| wrong("state"))?,
                raised_at: time(raised_at)?,
                due_at: time(due_at)?,
                notes: serde_json::from_str(&notes).map_err(|_| wrong("notes"))?,
            });
        }
        Ok(alerts)
    }

    /// Notes a step of a review. `false`: somebody else has taken one meanwhile.
    pub(crate) async fn review(
        &self,
        alert: &Alert,
        note: Note,
        audit: AuditEvent,
    ) -> Result<bool, StoreError> {
        let json = |notes: &[Note]| serde_json::to_string(notes).map_err(|_| wrong("notes"));
        let (before, state) = (json(&alert.notes)?, note.state);
        let after = json(&[alert.notes.as_slice(), &[note]].concat())?;
        let step = sql(REVIEW).bind(alert.id).bind(state.code()).bind(after).bind(before);
        self.database
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

    async fn find(&self, override_id: &[u8]) -> Result<Option<Grant>, StoreError> {
        let rows: Vec<Row> = sql(FIND).bind(override_id).all(&self.database).await?;
        rows.into_iter().next().map(Row::into_grant).transpose()
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

fn raise(alert: NewAlert) -> carerecord_storage::Statement {
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
}

impl Row {
    fn into_grant(self) -> Result<Grant, StoreError> {
        Ok(Grant {
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
    INSERT INTO override_grant VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

const RAISE: &str = "
    INSERT INTO privacy_alert VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (override_id, organisation) DO NOTHING";

const ALERTS: &str = "
    SELECT alert_id, override_id, state, raised_at, due_at, notes FROM privacy_alert
    WHERE organisation = $1 ORDER BY raised_at DESC, alert_id LIMIT $2";

const REVIEW: &str = "
    UPDATE privacy_alert SET state = $2, notes = $3 WHERE alert_id = $1 AND notes = $4";

const FIND: &str = "SELECT * FROM override_grant WHERE override_id = $1";

const OF_PERSON: &str = "
    SELECT * FROM override_grant WHERE user_id = $1 AND patient = $2
    ORDER BY granted_at DESC LIMIT 20";

/// Alerts of an organisation that are looked at: the newest.
const MOST: i64 = 5_000;
