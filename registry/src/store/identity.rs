//! Events of the identity feed, each in one transaction with its audit record.

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{NumberStatus, Patient};
use carerecord_storage::{Connection, StoreError, sql};
use jiff::Timestamp;

use super::Store;
use super::patients::{Person, demographics, ensure_patient, person, tie, write_demographics};
use crate::identity::{Identifier, IdentityEvent, Known};

/// Why an event of the feed was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    /// It cannot be; nothing has changed. Names no identifier.
    #[error("{0}")]
    Wrong(&'static str),
    /// The sender may not.
    #[error("the sender may not feed patients")]
    Refused,
    /// The store failed.
    #[error("the registry's store failed")]
    Store(#[from] StoreError),
}

impl Store {
    /// Takes an event; durable when this returns.
    pub(crate) async fn identity_event(
        &self,
        event: IdentityEvent,
        now: Timestamp,
        audit: AuditEvent,
    ) -> Result<(), FeedError> {
        self.database()
            .write(move |c| {
                Box::pin(async move {
                    match event {
                        IdentityEvent::Known(known) => make_known(c, &known).await?,
                        IdentityEvent::Merge { surviving, subsumed } => {
                            merge(c, &surviving, &subsumed, now).await?;
                        }
                        IdentityEvent::Link(a, b) => link(c, &a, &b).await?,
                        IdentityEvent::Unlink(a, b) => unlink(c, &a, &b, now).await?,
                        IdentityEvent::Nothing => {}
                    }
                    Ok(AuditLog::append_in(c, &[&audit]).await?)
                })
            })
            .await
    }
}

/// Makes every identifier lead to the person with the NHS Number, and renews what is known.
async fn make_known(c: &mut Connection, known: &Known) -> Result<(), FeedError> {
    let mut numbers = known.identifiers.iter().filter_map(Identifier::nhs_number);
    let Some(number) = numbers.next() else { return Ok(()) };
    if numbers.any(|n| n != number) {
        return Err(FeedError::Wrong("the message has two different NHS Numbers"));
    }
    let no = ensure_patient(c, &Identifier::Nhs(number).patient_id()).await?;
    for local in known.identifiers.iter().filter(|i| i.nhs_number().is_none()) {
        tie(c, &local.patient_id(), no).await?;
    }
    let mut patient = demographics(c, no).await?.unwrap_or_else(|| Patient::from_number(number));
    known.person.apply(&mut patient);
    patient.number_status = NumberStatus::Verified;
    Ok(write_demographics(c, no, &patient).await?)
}

/// ITI TF-2: 3.8.4.2.3. Nothing is rewritten: the subsumed person points to the surviving one.
async fn merge(
    c: &mut Connection,
    surviving: &Identifier,
    subsumed: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    if surviving == subsumed {
        return Err(FeedError::Wrong("an identifier cannot be merged into itself"));
    }
    let survivor = active(c, surviving, "the surviving identifier is not known and active").await?;
    if subsumed.nhs_number().is_none() {
        // A local identifier that is given up leads to the survivor from now on.
        return Ok(tie(c, &subsumed.patient_id(), survivor.own_no).await?);
    }
    let gone = active(c, subsumed, "the subsumed identifier is not known and active").await?;
    if gone.own_no == survivor.own_no {
        return Err(FeedError::Wrong("both identifiers are of one person already"));
    }
    sql("UPDATE patient SET merged_into = $1 WHERE patient_no = $2")
        .bind(survivor.own_no)
        .bind(gone.own_no)
        .run(&mut *c)
        .await?;
    sql("INSERT INTO patient_merge (subsumed_no, surviving_no, merged_at) VALUES ($1, $2, $3)")
        .bind(gone.own_no)
        .bind(survivor.own_no)
        .bind(now.as_millisecond())
        .run(c)
        .await?;
    Ok(())
}

async fn active(
    c: &mut Connection,
    id: &Identifier,
    otherwise: &'static str,
) -> Result<Person, FeedError> {
    let found = person(c, &id.patient_id()).await?;
    found.filter(|p| !p.is_subsumed()).ok_or(FeedError::Wrong(otherwise))
}

async fn link(c: &mut Connection, a: &Identifier, b: &Identifier) -> Result<(), FeedError> {
    match (a.nhs_number(), b.nhs_number()) {
        (Some(_), Some(_)) => {
            Err(FeedError::Wrong("two NHS Numbers are merged by A40, not linked"))
        }
        (Some(_), None) => tie_to(c, b, a).await,
        (None, Some(_)) => tie_to(c, a, b).await,
        (None, None) => match person(c, &a.patient_id()).await? {
            Some(known) => Ok(tie(c, &b.patient_id(), known.own_no).await?),
            None => tie_to(c, a, b).await,
        },
    }
}

async fn tie_to(c: &mut Connection, local: &Identifier, to: &Identifier) -> Result<(), FeedError> {
    let known = person(c, &to.patient_id()).await?;
    let known = known.ok_or(FeedError::Wrong("neither identifier is known"))?;
    Ok(tie(c, &local.patient_id(), known.own_no).await?)
}

/// Undoes a merge, or lets a local identifier go.
async fn unlink(
    c: &mut Connection,
    a: &Identifier,
    b: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    let local = match (a.nhs_number(), b.nhs_number()) {
        (Some(_), Some(_)) => return undo_merge(c, a, b, now).await,
        (Some(_), None) => b,
        (None, _) => a,
    };
    let id = local.patient_id();
    let gone = sql("DELETE FROM patient_identifier WHERE authority = $1 AND identifier = $2")
        .bind(id.authority().as_str())
        .bind(id.id())
        .run(c)
        .await?;
    if gone == 0 {
        return Err(FeedError::Wrong("the identifiers are not linked"));
    }
    Ok(())
}

async fn undo_merge(
    c: &mut Connection,
    a: &Identifier,
    b: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    let first = person(c, &a.patient_id()).await?;
    let second = person(c, &b.patient_id()).await?;
    let (Some(first), Some(second)) = (first, second) else {
        return Err(FeedError::Wrong("an identifier is not known"));
    };
    for (subsumed, surviving) in [(first.own_no, second.own_no), (second.own_no, first.own_no)] {
        let undone = sql(PART).bind(subsumed).bind(surviving).run(&mut *c).await?;
        if undone > 0 {
            let at = now.as_millisecond();
            sql(NOTE_UNDONE).bind(at).bind(subsumed).bind(surviving).run(c).await?;
            return Ok(());
        }
    }
    Err(FeedError::Wrong("neither has been merged into the other"))
}

const PART: &str =
    "UPDATE patient SET merged_into = NULL WHERE patient_no = $1 AND merged_into = $2";

const NOTE_UNDONE: &str = "
    UPDATE patient_merge SET undone_at = $1
    WHERE subsumed_no = $2 AND surviving_no = $3 AND undone_at IS NULL";
