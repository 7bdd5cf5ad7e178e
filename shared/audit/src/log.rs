use std::borrow::Cow;

use aws_lc_rs::digest::{Context, SHA256};
use carerecord_model::NhsNumber;
use carerecord_storage::{Connection, Database, StoreError, Together, Value, insert_many, sql};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tree::Entry;
use crate::{AuditEvent, AuditOutcome};

/// The audit records of one database.
#[derive(Clone, Debug)]
pub struct AuditLog {
    database: Database,
    appending: Together<Record, (), StoreError>,
}

/// Which records to read. What is not set does not filter.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// About this person.
    pub subject: Option<NhsNumber>,
    /// By this user or system.
    pub actor: Option<String>,
    /// Acting for this organisation.
    pub organisation: Option<String>,
    /// That ended so.
    pub outcome: Option<AuditOutcome>,
    /// From this instant on.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: Option<u32>,
}

/// A record with its place in the log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredEvent {
    /// Counted from 1, without gaps.
    pub seq: i64,
    /// The record.
    pub event: AuditEvent,
}

impl AuditLog {
    /// The log that lies in this database.
    pub fn new(database: Database) -> Self {
        let appending = Together::new(database.clone(), |c, records| {
            Box::pin(async move {
                let answers = records.iter().map(|_| Ok(())).collect();
                append_records(c, records).await?;
                Ok(answers)
            })
        });
        Self { database, appending }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Appends a record; it is durable when this returns.
    ///
    /// # Errors
    /// When it could not be made durable: then nothing may be disclosed.
    pub async fn append(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.appending.write(Record::of(&event)?).await
    }

    /// Appends records within the transaction of the writes that they record.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append_in(
        connection: &mut Connection,
        events: &[&AuditEvent],
    ) -> Result<(), StoreError> {
        let records = events.iter().map(|event| Record::of(event)).collect::<Result<_, _>>()?;
        append_records(connection, records).await
    }

    /// Reads records, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read(&self, filter: &AuditFilter) -> Result<Vec<StoredEvent>, StoreError> {
        let rows: Vec<(i64, String)> = sql(READ)
            .bind(filter.subject.map(|s| s.as_i64()))
            .bind(filter.actor.as_deref())
            .bind(filter.organisation.as_deref())
            .bind(filter.outcome.map(AuditOutcome::as_str))
            .bind(filter.since.map(Timestamp::as_millisecond))
            .bind(filter.until.map(Timestamp::as_millisecond))
            .bind(filter.limit.map_or(i64::MAX, i64::from))
            .all(&self.database)
            .await?;
        let mut events = rows
            .into_iter()
            .map(|(seq, record)| Ok(StoredEvent { seq, event: parse(&record)? }))
            .collect::<Result<Vec<_>, StoreError>>()?;
        events.reverse();
        Ok(events)
    }

    /// Checks that no record is missing, changed or out of order; returns how many there are.
    ///
    /// # Errors
    /// Names the first place that does not fit.
    pub async fn verify(&self) -> Result<i64, StoreError> {
        let (mut seq, mut previous) = (0, Vec::new());
        loop {
            let rows: Vec<(i64, String, Vec<u8>)> = sql(PAGE).bind(seq).all(&self.database).await?;
            if rows.is_empty() {
                return Ok(seq);
            }
            for (number, record, hash) in rows {
                if number != seq + 1 || chain(&previous, &record).as_slice() != hash {
                    let what = format!("the chain breaks at record {}", seq + 1);
                    return Err(StoreError::Row("audit_event", "hash", what));
                }
                seq = number;
                previous = hash;
            }
        }
    }
}

/// A record as it is stored, but for its place in the chain.
#[derive(Clone)]
struct Record {
    /// The columns after `seq` up to `outcome`.
    columns: Vec<Value>,
    json: String,
    /// The hash of the leaf.
    leaf: Vec<u8>,
}

impl Record {
    fn of(event: &AuditEvent) -> Result<Self, StoreError> {
        let json = serde_json::to_string(event)
            .map_err(|e| StoreError::Row("audit_event", "record", e.to_string()))?;
        let entry = Entry {
            recorded_at: event.recorded_at.as_millisecond(),
            nhs_number: event.subject.map(|s| s.as_i64()),
            actor: event.actor.as_ref().map(|a| a.id.as_str().into()),
            organisation: event.actor.as_ref().map(|a| a.organisation.as_str().into()),
            interaction: event.interaction.as_str().into(),
            outcome: event.outcome.as_str().into(),
            record: json.as_str().into(),
        };
        let leaf = entry.leaf()?.0.to_vec();
        let columns = vec![
            entry.recorded_at.into(),
            entry.nhs_number.into(),
            entry.actor.map(Cow::into_owned).into(),
            entry.organisation.map(Cow::into_owned).into(),
            (&event.interaction).into(),
            event.outcome.as_str().into(),
        ];
        Ok(Self { columns, json, leaf })
    }
}

async fn append_records(c: &mut Connection, records: Vec<Record>) -> Result<(), StoreError> {
    let last: Option<(i64, Vec<u8>)> = sql(LAST).first(&mut *c).await?;
    let (mut seq, mut previous) = last.unwrap_or((0, Vec::new()));
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        seq += 1;
        previous = chain(&previous, &record.json).to_vec();
        let mut row = vec![seq.into()];
        row.extend(record.columns);
        row.extend([record.json.into(), previous.clone().into(), record.leaf.into()]);
        rows.push(row);
    }
    insert_many(c, TABLE, rows).await
}

/// Appends many records at once, for tests.
#[cfg(test)]
pub(crate) async fn append_events(
    database: &Database,
    events: Vec<AuditEvent>,
) -> Result<(), StoreError> {
    database
        .write(move |c| {
            Box::pin(async move { AuditLog::append_in(c, &Vec::from_iter(&events)).await })
        })
        .await
}

fn parse(record: &str) -> Result<AuditEvent, StoreError> {
    serde_json::from_str(record)
        .map_err(|e| StoreError::Row("audit_event", "record", e.to_string()))
}

/// The hash of a record over the one before: what holds records together until a head is over them.
pub(crate) fn chain(previous: &[u8], record: &str) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    digest.update(previous);
    digest.update(record.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.finish().as_ref());
    hash
}

const LAST: &str = "SELECT seq, hash FROM audit_event ORDER BY seq DESC LIMIT 1";

const TABLE: &str = "audit_event
    (seq, recorded_at, nhs_number, actor, organisation, interaction, outcome, record, hash, leaf)";

const READ: &str = "
    SELECT seq, record FROM audit_event
    WHERE ($1 IS NULL OR nhs_number = $1)
      AND ($2 IS NULL OR actor = $2)
      AND ($3 IS NULL OR organisation = $3)
      AND ($4 IS NULL OR outcome = $4)
      AND ($5 IS NULL OR recorded_at >= $5)
      AND ($6 IS NULL OR recorded_at < $6)
    ORDER BY seq DESC LIMIT $7";

const PAGE: &str =
    "SELECT seq, record, hash FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT 1000";

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn records_are_chained_and_filtered() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::new(Database::open(&folder.path().join("a.db")).await.unwrap());
        let subject: NhsNumber = "9990001006".parse().unwrap();

        for n in 0..5u8 {
            let now = Timestamp::from_second(1_800_000_000 + i64::from(n)).unwrap();
            let mut event = AuditEvent::incoming(Uuid::from_u128(n.into()), now, "test", "soap");
            event.subject = (n % 2 == 0).then_some(subject);
            log.append(event).await.unwrap();
        }

        assert_eq!(log.verify().await.unwrap(), 5);
        let about = AuditFilter { subject: Some(subject), ..AuditFilter::default() };
        let found: Vec<i64> = log.read(&about).await.unwrap().iter().map(|e| e.seq).collect();
        assert_eq!(found, [1, 3, 5]);
        let newest = AuditFilter { limit: Some(2), ..AuditFilter::default() };
        let found: Vec<i64> = log.read(&newest).await.unwrap().iter().map(|e| e.seq).collect();
        assert_eq!(found, [4, 5]);
    }
}
