//! ITI-42 and ITI-61: what waits is registered together. What needs the registry's content is read
//! and checked for all of it at once, then objects, changes and audit records are written.
//! ITI TF-2: 3.42.4.1.3.

mod check;
mod effects;
mod known;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{ObjectId, PatientId, Registered, RegistryErrors, Submission};
use carerecord_storage::{Connection, StoreError};
use uuid::Uuid;

use effects::Effects;
use known::Known;

use super::extra::leave_out_unnamed;
use super::ids::{as_registered, give_ids};
use super::{Request, SubmitError, validate};
use crate::store::{
    Packed, Store, Write, count_unmapped, digest_of, ensure_patient, note_as_described,
};

/// A request with all that can be made of it before its turn comes.
pub(crate) struct Prepared {
    request: Request,
    /// As it will stand in the registry.
    registered: Submission,
    packed: Packed,
    digest: Vec<u8>,
    /// What is wrong with it whatever the registry holds; a repeat is answered all the same.
    errors: RegistryErrors,
    warnings: RegistryErrors,
    /// Every UUID in it, of its own objects and of others.
    named: Vec<Uuid>,
    /// Whether it refers to objects that are registered already.
    refers: bool,
}

/// What became of the requests of a group, in their order.
pub(crate) type Outcomes = Vec<Result<Registered, SubmitError>>;

impl Store {
    /// Registers a submission, all or nothing; durable when this returns.
    pub(crate) async fn register(&self, request: Request) -> Result<Registered, SubmitError> {
        self.registering.write(Arc::new(Prepared::of(request)?)).await
    }
}

impl Prepared {
    pub(crate) fn of(mut request: Request) -> Result<Self, StoreError> {
        let (digest, length) = digest_of(&request.submission)?;
        let warnings = leave_out_unnamed(&mut request.submission);
        let s = &request.submission;
        let mut errors = request.codes.errors.clone();
        errors.extend(validate::lengths(s, length)?);
        let refers = {
            let own: HashSet<&ObjectId> = validate::ids(s).collect();
            let mut ends = s.associations.iter().flat_map(|a| [&a.source, &a.target]);
            ends.any(|end| !own.contains(end))
        };
        let named = validate::named(s);
        let mut registered = s.clone();
        give_ids(&mut registered, request.ids.as_ref());
        as_registered(&mut registered, request.now);
        let packed = Packed::of(&registered)?;
        Ok(Self { request, registered, packed, digest, errors, warnings, named, refers })
    }

    /// How many DocumentEntries it brings.
    pub(crate) fn entries(&self) -> usize {
        self.registered.document_entries.len()
    }

    fn patient_id(&self) -> &PatientId {
        &self.request.submission.submission_set.patient_id
    }

    fn unique_ids(&self) -> impl Iterator<Item = &str> {
        let s = &self.request.submission;
        let set = std::iter::once(s.submission_set.unique_id.as_str());
        let entries = s.document_entries.iter().map(|e| e.unique_id.as_str());
        set.chain(entries).chain(s.folders.iter().map(|f| f.unique_id.as_str()))
    }
}

/// Registers what can be registered of the requests, each as if it came alone, in their order.
pub(crate) async fn register_all(
    c: &mut Connection,
    all: &[Arc<Prepared>],
) -> Result<Outcomes, StoreError> {
    let mut outcomes = Vec::with_capacity(all.len());
    let mut rest = all;
    while !rest.is_empty() {
        let (group, after) = rest.split_at(independent(rest));
        outcomes.extend(register_group(c, group).await?);
        rest = after;
    }
    Ok(outcomes)
}

/// How many of the first requests have nothing to do with each other.
fn independent(requests: &[Arc<Prepared>]) -> usize {
    let mut unique_ids: HashSet<&str> = HashSet::new();
    let mut named: HashSet<Uuid> = HashSet::new();
    for (n, p) in requests.iter().enumerate() {
        if p.refers {
            return n.max(1);
        }
        let meets = p.unique_ids().any(|id| unique_ids.contains(id))
            || p.named.iter().any(|id| named.contains(id));
        if meets {
            return n;
        }
        unique_ids.extend(p.unique_ids());
        named.extend(&p.named);
    }
    requests.len()
}

async fn register_group(
    c: &mut Connection,
    group: &[Arc<Prepared>],
) -> Result<Outcomes, StoreError> {
    let Some(now) = group.iter().map(|p| p.request.now).max() else { return Ok(Vec::new()) };
    let known = Known::read(c, group).await?;
    let mut write = Write::new(c, now);
    let mut patients = HashMap::new();
    let (mut outcomes, mut taken, mut audits) = (Vec::new(), Vec::new(), Vec::new());
    for p in group {
        if known.has(p) {
            // A repeat gets the same answer. One that differs is met by the rule on uniqueIds.
            audits.extend(&p.request.audit);
            outcomes.push(Ok(Registered { warnings: p.warnings.clone(), repeated: true }));
            continue;
        }
        let errors = check::with_registry(p, &known)?;
        if !errors.is_empty() {
            outcomes.push(Err(SubmitError::Refused(errors)));
            continue;
        }
        let patient_no = match (known.person(p), patients.get(p.patient_id())) {
            (Some(person), _) => person.own_no,
            (None, Some(no)) => *no,
            (None, None) => {
                let no = ensure_patient(write.c, p.patient_id()).await?;
                patients.insert(p.patient_id(), no);
                no
            }
        };
        write.all(patient_no, &p.registered, &p.packed)?;
        write.submission(&p.registered.submission_set, &p.digest);
        if p.refers {
            let (ids, submission) = (p.request.ids.as_ref(), &p.registered);
            Effects { write: &mut write, ids, patient_no, submission }.apply().await?;
        }
        taken.push((patient_no, p));
        audits.extend(&p.request.audit);
        outcomes.push(Ok(Registered { warnings: p.warnings.clone(), repeated: false }));
    }
    write.flush().await?;
    note(write.c, &known, &taken, &audits).await?;
    Ok(outcomes)
}

/// What is noted beside the objects: unmapped codes, people as they are described, audit records.
async fn note(
    c: &mut Connection,
    known: &Known,
    taken: &[(i64, &Arc<Prepared>)],
    audits: &[&AuditEvent],
) -> Result<(), StoreError> {
    for (patient_no, p) in taken {
        let source = &p.registered.submission_set.source_id;
        count_unmapped(c, source, &p.request.codes.unmapped, p.request.now).await?;
        let entry = p.registered.document_entries.first();
        if let Some(entry) = entry.filter(|_| !known.is_described(*patient_no)) {
            note_as_described(c, *patient_no, entry).await?;
        }
    }
    AuditLog::append_in(c, audits).await
}
