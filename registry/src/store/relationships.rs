use async_trait::async_trait;
use carerecord_access::{
    CaredFor, CaredForQuestion, Carer, ConsentStoreError, FactsUnavailable, Relationship,
    RelationshipKind, RelationshipStatus, Relationships,
};
use carerecord_model::NhsNumber;
use carerecord_storage::{Connection, On, StoreError, sql};
use jiff::Timestamp;
use uuid::Uuid;

use super::Store;
use super::consent::PutError;
use crate::identity::{CareChange, NotedCare};

/// The newest version of each relationship of a patient, newest first. What is known under a number
/// that has been merged with this one counts too.
pub(crate) async fn relationships_of(
    on: impl Into<On<'_>>,
    number: NhsNumber,
) -> Result<Vec<Relationship>, StoreError> {
    let rows: Vec<(String,)> = sql(OF_PATIENT).bind(number.as_i64()).all(on).await?;
    let own = |(record,): (String,)| Ok(Relationship { patient: number, ..parse(&record)? });
    rows.into_iter().map(own).collect()
}

impl Store {
    pub(crate) async fn relationship_by_id(
        &self,
        id: Uuid,
    ) -> Result<Option<Relationship>, StoreError> {
        let row: Option<(String,)> = sql(BY_ID).bind(id).first(self.database()).await?;
        row.map(|(record,)| parse(&record)).transpose()
    }

    /// Stores a version, if it is the next one.
    pub(crate) async fn put_relationship_record(
        &self,
        relationship: Relationship,
    ) -> Result<(), ConsentStoreError> {
        let put = self.database().write(move |c| {
            Box::pin(async move {
                let id = relationship.id;
                let stored = sql(LATEST_VERSION).bind(id).number(&mut *c).await?;
                if i64::from(relationship.version) != stored + 1 {
                    return Err(PutError::Conflict);
                }
                Ok(insert(c, &relationship).await?)
            })
        });
        put.await.map_err(|e: PutError| e.into())
    }

    /// A page of those whom an organisation and a person of it care for, the newest first.
    pub(crate) async fn cared_for(&self, asked: &CaredForQuestion) -> Result<CaredFor, StoreError> {
        let now = asked.now.as_millisecond();
        let bound = |text: &'static str| {
            sql(text).bind(asked.organisation.as_str()).bind(asked.user_id.as_str()).bind(now)
        };
        let total = bound(COUNT_CARED_FOR).number(self.database()).await?;
        let (since, id) = asked.after.unwrap_or((i64::MAX, Uuid::nil()));
        let page = bound(CARED_FOR).bind(since).bind(id).bind(i64::from(asked.most) + 1);
        let mut rows: Vec<(String, i64)> = page.all(self.database()).await?;
        let more = rows.len() > usize::from(asked.most);
        rows.truncate(usize::from(asked.most));
        let found = rows.iter().map(|(record, _)| parse(record)).collect::<Result<Vec<_>, _>>()?;
        let last = rows.last().zip(found.last()).filter(|_| more);
        let next = last.map(|((_, since), relationship)| (*since, relationship.id));
        Ok(CaredFor { total: total.unsigned_abs(), relationships: found, next })
    }
}

#[async_trait]
impl Relationships for Store {
    async fn relationships(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<Relationship>, FactsUnavailable> {
        let found = relationships_of(self.database(), patient).await;
        found.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

/// Keeps what a message of the feed says of who cares for a person. A message that comes again
/// changes nothing.
pub(super) async fn note_care(
    c: &mut Connection,
    number: NhsNumber,
    care: &NotedCare,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows: Vec<(String,)> = sql(OF_NUMBER).bind(number.as_i64()).all(&mut *c).await?;
    let known = rows.iter().map(|(record,)| parse(record)).collect::<Result<Vec<_>, _>>()?;
    let known: Vec<Relationship> = known.into_iter().filter(|r| r.kind == care.kind).collect();
    let changed = match care.kind {
        RelationshipKind::Registration => registration(number, care, known, now),
        RelationshipKind::Encounter
        | RelationshipKind::Referral
        | RelationshipKind::Caseload
        | RelationshipKind::Grant
        | RelationshipKind::Claim => visit(number, care, known, now),
    };
    for relationship in changed {
        insert(c, &relationship).await?;
    }
    Ok(())
}

/// A person is registered with one practice at a time.
fn registration(
    number: NhsNumber,
    care: &NotedCare,
    known: Vec<Relationship>,
    now: Timestamp,
) -> Vec<Relationship> {
    let open = known.into_iter().filter(is_open);
    let (same, others): (Vec<_>, Vec<_>) = open.partition(|r| {
        care.change == CareChange::Holds
            && care.organisation.as_ref().is_some_and(|o| r.with.organisation() == o)
    });
    let end = |r: Relationship| next(r, care, now, |r| r.until = Some(now.max(r.since)));
    let mut changed: Vec<Relationship> = others.into_iter().map(end).collect();
    if same.is_empty() && care.change == CareChange::Holds {
        changed.extend(new(number, care, now));
    }
    changed
}

/// A visit is told by its number; without one by the organisation, as long as it has not ended.
fn visit(
    number: NhsNumber,
    care: &NotedCare,
    known: Vec<Relationship>,
    now: Timestamp,
) -> Vec<Relationship> {
    let Some(organisation) = &care.organisation else { return Vec::new() };
    let meant = |r: &Relationship| {
        r.with.organisation() == organisation
            && match &care.visit {
                Some(visit) => r.evidence.as_ref() == Some(visit),
                None => is_open(r),
            }
    };
    let Some(stored) = known.into_iter().find(meant) else {
        return match care.change {
            CareChange::Holds | CareChange::Ended => new(number, care, now).into_iter().collect(),
            CareChange::Cancelled | CareChange::Reopened => Vec::new(),
        };
    };
    let before = stored.clone();
    let changed = next(stored, care, now, |r| change(r, care, now));
    let same = changed.since == before.since
        && changed.until == before.until
        && changed.status == before.status;
    if same { Vec::new() } else { vec![changed] }
}

fn change(r: &mut Relationship, care: &NotedCare, now: Timestamp) {
    match care.change {
        CareChange::Holds if r.status == RelationshipStatus::EnteredInError => {
            r.status = RelationshipStatus::Active;
            r.since = care.since.unwrap_or(now);
            r.until = care.until;
        }
        CareChange::Holds => {
            // Who came for the day may be admitted; an end that was told is undone by A13 only.
            let for_the_day = r.until == Some(r.since);
            r.since = care.since.unwrap_or(r.since).min(r.since);
            let told = care.until;
            r.until = if for_the_day { told } else { told.or(r.until) };
        }
        CareChange::Ended => {
            let told = care.until.or(r.until).unwrap_or(now);
            r.until = Some(told.max(r.since));
        }
        CareChange::Cancelled => r.status = RelationshipStatus::EnteredInError,
        CareChange::Reopened => r.until = None,
    }
}

fn is_open(r: &Relationship) -> bool {
    r.status == RelationshipStatus::Active && r.until.is_none()
}

fn next(
    mut r: Relationship,
    care: &NotedCare,
    now: Timestamp,
    change: impl FnOnce(&mut Relationship),
) -> Relationship {
    change(&mut r);
    r.version += 1;
    r.recorded_at = now;
    r.recorded_by.clone_from(&care.recorded_by);
    r.source.clone_from(&care.source);
    r
}

/// `None` where no organisation is named that the rules know.
fn new(number: NhsNumber, care: &NotedCare, now: Timestamp) -> Option<Relationship> {
    let ended = (care.change == CareChange::Ended).then(|| care.until.unwrap_or(now));
    let until = care.until.or(ended);
    let since = care.since.or(until.filter(|u| *u < now)).unwrap_or(now);
    Some(Relationship {
        id: care.id,
        version: 1,
        patient: number,
        with: Carer::Organisation(care.organisation.clone()?),
        kind: care.kind,
        status: RelationshipStatus::Active,
        since,
        until: until.map(|until| until.max(since)),
        set_by: care.set_by.clone(),
        source: care.source.clone(),
        evidence: care.visit.clone(),
        reason: None,
        recorded_at: now,
        recorded_by: care.recorded_by.clone(),
    })
}

async fn insert(c: &mut Connection, relationship: &Relationship) -> Result<(), StoreError> {
    let json = serde_json::to_string(relationship)
        .map_err(|e| StoreError::Row("relationship", "record", e.to_string()))?;
    sql("INSERT INTO relationship VALUES ($1, $2, $3, $4, $5)")
        .bind(relationship.id)
        .bind(relationship.version)
        .bind(relationship.patient.as_i64())
        .bind(relationship.recorded_at.as_millisecond())
        .bind(json)
        .run(&mut *c)
        .await?;
    note_carer(c, relationship).await
}

/// Of each relationship that is to be believed the newest version.
async fn note_carer(c: &mut Connection, relationship: &Relationship) -> Result<(), StoreError> {
    sql("DELETE FROM relationship_carer WHERE id = $1").bind(relationship.id).run(&mut *c).await?;
    if relationship.status != RelationshipStatus::Active {
        return Ok(());
    }
    let user_id = match &relationship.with {
        Carer::Organisation(_) => None,
        Carer::Person { user_id, .. } => Some(user_id.as_str()),
    };
    sql("INSERT INTO relationship_carer VALUES ($1, $2, $3, $4, $5, $6)")
        .bind(relationship.id)
        .bind(relationship.version)
        .bind(relationship.with.organisation().as_str())
        .bind(user_id)
        .bind(relationship.since.as_millisecond())
        .bind(relationship.until.map(Timestamp::as_millisecond))
        .run(c)
        .await
        .map(drop)
}

pub(super) fn parse(json: &str) -> Result<Relationship, StoreError> {
    serde_json::from_str(json).map_err(|e| StoreError::Row("relationship", "record", e.to_string()))
}

const OF_PATIENT: &str = concat!(
    super::everybody_merged!(),
    "SELECT record FROM relationship AS r
    WHERE nhs_number IN (
        SELECT $1 UNION ALL
        SELECT p.nhs_number FROM person JOIN patient AS p ON p.patient_no = person.patient_no)
      AND version = (SELECT max(version) FROM relationship WHERE id = r.id)
    ORDER BY recorded_at DESC, id"
);

const OF_NUMBER: &str = "
    SELECT record FROM relationship AS r
    WHERE nhs_number = $1 AND version = (SELECT max(version) FROM relationship WHERE id = r.id)
    ORDER BY recorded_at DESC, id";

const BY_ID: &str = "SELECT record FROM relationship WHERE id = $1 ORDER BY version DESC LIMIT 1";

const LATEST_VERSION: &str = "SELECT coalesce(max(version), 0) FROM relationship WHERE id = $1";

/// What holds now, by the organisation or for the one person. A copy of an earlier release writes new
/// versions without telling `relationship_carer`: what such a version replaces does not count.
macro_rules! cared_for {
    () => {
        "FROM relationship_carer AS c
        WHERE c.organisation = $1 AND (c.user_id IS NULL OR c.user_id = $2)
          AND c.since <= $3 AND (c.until IS NULL OR c.until >= $3)
          AND NOT EXISTS (
            SELECT 1 FROM relationship AS newer WHERE newer.id = c.id AND newer.version > c.version)"
    };
}

const COUNT_CARED_FOR: &str = concat!("SELECT count(*) ", cared_for!());

const CARED_FOR: &str = concat!(
    "SELECT (SELECT record FROM relationship AS r WHERE r.id = c.id AND r.version = c.version), c.since ",
    cared_for!(),
    " AND (c.since < $4 OR (c.since = $4 AND c.id < $5))
    ORDER BY c.since DESC, c.id DESC LIMIT $6"
);
