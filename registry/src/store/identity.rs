//! Events of the identity feed, each in one transaction with its audit record.

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{NumberStatus, Patient};
use carerecord_storage::{Connection, StoreError, sql};
use jiff::Timestamp;

use super::Store;
use super::links::{self, Link};
use super::patients::{Person, demographics, ensure_patient, person, write_demographics};
use super::relationships::note_care;
use crate::identity::{Identifier, IdentityEvent, Known, NotedCare};

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
        care: Vec<NotedCare>,
        now: Timestamp,
        audit: AuditEvent,
    ) -> Result<(), FeedError> {
        self.database()
            .write(move |c| {
                Box::pin(async move {
                    match event {
                        IdentityEvent::Known(known) => make_known(c, &known, &care, now).await?,
                        IdentityEvent::Merge { surviving, subsumed } => {
                            merge(c, &surviving, &subsumed, now).await?;
                        }
                        IdentityEvent::Link(a, b) => link(c, &a, &b, now).await?,
                        IdentityEvent::Unlink(a, b) => unlink(c, &a, &b, now).await?,
                        IdentityEvent::Nothing => {}
                    }
                    Ok(AuditLog::append_in(c, &[&audit]).await?)
                })
            })
            .await
    }
}

/// Makes every identifier lead to the person with the NHS Number, and renews what is known of them and
/// of who cares for them.
async fn make_known(
    c: &mut Connection,
    known: &Known,
    care: &[NotedCare],
    now: Timestamp,
) -> Result<(), FeedError> {
    let mut numbers = known.identifiers.iter().filter_map(Identifier::nhs_number);
    let Some(number) = numbers.next() else { return Ok(()) };
    if numbers.any(|n| n != number) {
        return Err(FeedError::Wrong("the message has two different NHS Numbers"));
    }
    let no = ensure_patient(c, &Identifier::Nhs(number).patient_id()).await?;
    for local in known.identifiers.iter().filter(|i| i.nhs_number().is_none()) {
        links::assign(c, &local.patient_id(), no, now).await?;
    }
    let mut patient = demographics(c, no).await?.unwrap_or_else(|| Patient::from_number(number));
    known.person.apply(&mut patient);
    patient.number_status = NumberStatus::Verified;
    write_demographics(&mut *c, no, &patient).await?;
    for care in care {
        note_care(&mut *c, number, care, now).await?;
    }
    Ok(())
}

/// ITI TF-2: 3.8.4.2.3. Nothing is rewritten: the subsumed person points to the surviving one. What
/// is merged so already stays so: a sender that has lost the acknowledgement sends the merge again.
async fn merge(
    c: &mut Connection,
    surviving: &Identifier,
    subsumed: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    if surviving == subsumed {
        return Err(FeedError::Wrong("an identifier cannot be merged into itself"));
    }
    if subsumed.nhs_number().is_none() {
        return merge_local(c, surviving, subsumed, now).await;
    }
    if surviving.nhs_number().is_none() {
        return Err(FeedError::Wrong(NUMBER_INTO_LOCAL));
    }
    if is_merged(c, surviving, subsumed).await? {
        return Ok(());
    }
    let survivor = active(c, surviving, SURVIVOR_UNKNOWN).await?;
    let gone = active(c, subsumed, "the subsumed identifier is not known and active").await?;
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

/// A local identifier that is given up leads to the survivor from now on.
async fn merge_local(
    c: &mut Connection,
    surviving: &Identifier,
    subsumed: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    let (with, local) = (surviving.patient_id(), subsumed.patient_id());
    let so_far = links::merged_into(c, &local).await?;
    if let Some((authority, id)) = so_far {
        return if authority == with.authority().as_str() && id == with.id() {
            Ok(())
        } else {
            Err(FeedError::Wrong("the subsumed identifier has been merged before"))
        };
    }
    let survivor = match surviving {
        Identifier::Nhs(_) => active(c, surviving, SURVIVOR_UNKNOWN).await?.own_no,
        Identifier::Local(id) => {
            if links::merged_into(c, id).await?.is_some() {
                return Err(FeedError::Wrong(SURVIVOR_UNKNOWN));
            }
            links::owner(c, id).await?.ok_or(FeedError::Wrong(SURVIVOR_UNKNOWN))?
        }
    };
    if links::owner(c, &local).await?.is_none() {
        return Err(FeedError::Wrong("the subsumed identifier is not known"));
    }
    Ok(Link { local: &local, with: &with, merged: true }.make(c, survivor, now).await?)
}

async fn is_merged(
    c: &mut Connection,
    surviving: &Identifier,
    subsumed: &Identifier,
) -> Result<bool, StoreError> {
    let survivor = person(c, &surviving.patient_id()).await?;
    let gone = person(c, &subsumed.patient_id()).await?;
    let (Some(survivor), Some(gone)) = (survivor, gone) else { return Ok(false) };
    let row: Option<(i64,)> =
        sql("SELECT patient_no FROM patient WHERE patient_no = $1 AND merged_into = $2")
            .bind(gone.own_no)
            .bind(survivor.own_no)
            .first(c)
            .await?;
    Ok(row.is_some())
}

async fn active(
    c: &mut Connection,
    id: &Identifier,
    otherwise: &'static str,
) -> Result<Person, FeedError> {
    let found = person(c, &id.patient_id()).await?;
    found.filter(|p| !p.is_subsumed()).ok_or(FeedError::Wrong(otherwise))
}

async fn link(
    c: &mut Connection,
    a: &Identifier,
    b: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    let (local, with) = match (a.nhs_number(), b.nhs_number()) {
        (Some(_), Some(_)) => {
            return Err(FeedError::Wrong("two NHS Numbers are merged by A40, not linked"));
        }
        (Some(_), None) => (b, a),
        (None, Some(_)) => (a, b),
        (None, None) if links::owner(c, &a.patient_id()).await?.is_some() => (b, a),
        (None, None) => (a, b),
    };
    let (local, with) = (local.patient_id(), with.patient_id());
    let known = links::owner(c, &with).await?;
    let known = known.ok_or(FeedError::Wrong("neither identifier is known"))?;
    Ok(Link { local: &local, with: &with, merged: false }.make(c, known, now).await?)
}

/// Undoes a merge or a link, or lets a local identifier go from a person.
async fn unlink(
    c: &mut Connection,
    a: &Identifier,
    b: &Identifier,
    now: Timestamp,
) -> Result<(), FeedError> {
    let (local, number) = match (a.nhs_number(), b.nhs_number()) {
        (Some(_), Some(_)) => return undo_merge(c, a, b, now).await,
        (Some(_), None) => (b.patient_id(), a.patient_id()),
        (None, Some(_)) => (a.patient_id(), b.patient_id()),
        (None, None) => {
            let (a, b) = (a.patient_id(), b.patient_id());
            let undone = links::undo(c, &b, &a, now).await? || links::undo(c, &a, &b, now).await?;
            return undone.then_some(()).ok_or(FeedError::Wrong(NOT_LINKED));
        }
    };
    let of_local = person(c, &local).await?.ok_or(FeedError::Wrong(NOT_LINKED))?;
    let of_number = person(c, &number).await?.ok_or(FeedError::Wrong(NOT_LINKED))?;
    if of_local.id != of_number.id {
        return Err(FeedError::Wrong("the local identifier does not lead to this NHS Number"));
    }
    Ok(links::release(c, &local, &of_local.numbers, now).await?)
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

/// Why a merge cannot be.
pub(crate) const NUMBER_INTO_LOCAL: &str = "an NHS Number cannot be merged into a local identifier";

const SURVIVOR_UNKNOWN: &str = "the surviving identifier is not known and active";

const NOT_LINKED: &str = "the identifiers are not linked";
