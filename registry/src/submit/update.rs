//! ITI-57 Update Document Set and ITI-92 Restricted Update Document Set. What is to be done is read
//! off the associations whose source is the SubmissionSet. The order within one request is: new
//! versions, their associations carried over, submitted associations, changes of status.

mod apply;
mod check;
mod operation;

use std::collections::{HashMap, HashSet};

use carerecord_audit::AuditLog;
use carerecord_model::{
    AvailabilityStatus, ErrorCode, LogicalId, Registered, RegistryError, Submission,
};
use carerecord_storage::{Connection, StoreError};
use uuid::Uuid;

use super::extra::leave_out_unnamed;
use super::validate;
use super::{Request, SubmitError};
use crate::store::{
    Kind, Person, Store, StoredObject, digest_of, fetch, latest_version, person, person_of_no,
    submission_digests,
};
use operation::Operations;

/// Which of the two transactions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UpdateKind {
    /// ITI-57
    Metadata,
    /// ITI-92: new versions of entries only, and of some attributes only.
    Restricted,
}

impl Store {
    /// Applies an update, the whole or nothing; durable when this returns.
    pub(crate) async fn update(
        &self,
        request: Request,
        kind: UpdateKind,
    ) -> Result<Registered, SubmitError> {
        self.database()
            .write(move |c| Box::pin(async move { update_in(c, request, kind).await }))
            .await
    }
}

/// What the registry knows that an update touches.
struct Known {
    patient: Option<Person>,
    /// By the id named.
    objects: HashMap<Uuid, StoredObject>,
    /// The newest version, by logical id.
    latest: HashMap<Uuid, StoredObject>,
    /// Whose each patient number is, after merges.
    people: HashMap<i64, i64>,
}

impl Known {
    async fn read(c: &mut Connection, s: &Submission) -> Result<Self, StoreError> {
        let objects = fetch(c, &validate::named(s)).await?;
        let mut latest = HashMap::new();
        for lid in logical_ids(s) {
            if let Some(object) = latest_version(c, lid).await? {
                latest.insert(lid.uuid(), object);
            }
        }
        let patient = person(c, &s.submission_set.patient_id).await?;
        let mut people = HashMap::new();
        let numbers: HashSet<i64> =
            objects.values().chain(latest.values()).map(|o| o.patient_no).collect();
        for no in numbers {
            let person = person_of_no(c, no).await?;
            people.insert(no, person.numbers.first().copied().unwrap_or(no));
        }
        Ok(Self { patient, objects, latest, people })
    }

    fn survivor(&self, patient_no: i64) -> i64 {
        self.people.get(&patient_no).copied().unwrap_or(patient_no)
    }
}

fn logical_ids(s: &Submission) -> Vec<LogicalId> {
    let entries = s.document_entries.iter().filter_map(|e| e.logical_id);
    entries.chain(s.folders.iter().filter_map(|f| f.logical_id)).collect()
}

async fn update_in(
    c: &mut Connection,
    mut r: Request,
    kind: UpdateKind,
) -> Result<Registered, SubmitError> {
    let (digest, length) = digest_of(&r.submission)?;
    let warnings = leave_out_unnamed(&mut r.submission);
    let set_id = r.submission.submission_set.unique_id.as_str();
    if submission_digests(c, &[set_id]).await?.get(set_id) == Some(&digest) {
        AuditLog::append_in(c, &Vec::from_iter(&r.audit)).await?;
        return Ok(Registered { warnings, repeated: true });
    }
    let mut errors = r.codes.errors.clone();
    errors.extend(validate::lengths(&r.submission, length)?);
    let operations = Operations::read(&r.submission, kind, &mut errors);
    let known = Known::read(c, &r.submission).await?;
    check::update(c, &r, kind, &operations, &known, &mut errors).await?;
    if !errors.is_empty() {
        return Err(SubmitError::Refused(errors));
    }
    apply::update(c, r, kind, &operations, &known, &digest).await?;
    Ok(Registered { warnings, repeated: false })
}

fn error(code: ErrorCode, what: impl Into<String>) -> RegistryError {
    RegistryError::error(code, what)
}

/// Kind, status and owner of an object that an update refers to, new or registered.
#[derive(Clone, Copy)]
struct Seen {
    kind: Kind,
    status: AvailabilityStatus,
    latest: bool,
    patient: Option<i64>,
}
