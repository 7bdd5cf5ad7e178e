use std::collections::HashSet;
use std::sync::Arc;

use carerecord_model::{Clock, DocumentEntry, EntryUuid, FoundObjects, NhsNumber, ObjectId};

use crate::decide::{Question, caller_may_ask};
use crate::location::{mask_entry, mask_set, may_see_locations};
use crate::{
    Caller, ConsentRecord, ConsentRecords, Decision, FactsUnavailable, Policy, Purpose, Right, Rule,
};

/// Something that may leave, with the decision that lets it. Only this crate makes one.
#[derive(Clone, Debug)]
pub struct Released<T> {
    value: T,
    decision: Decision,
}

impl<T> Released<T> {
    /// What may leave.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Why it may.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What may leave, to be sent.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Something made from what may leave and from nothing else, under the same decision.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Released<U> {
        Released { value: make(self.value), decision: self.decision }
    }
}

/// A no, with its decision.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("refused by rule {}", .decision.rule.id())]
pub struct Refused {
    /// Why.
    pub decision: Decision,
    /// Whether the caller may be told that there is something, and why it is withheld. When not,
    /// the answer must be the one for "there is nothing".
    pub may_be_told: bool,
}

/// What was held back from a list.
#[derive(Clone, Debug, Default)]
pub struct Withheld {
    /// One for each rule and setter that may be told; never how many documents.
    pub told: Vec<Decision>,
    /// How many objects were held back: for the audit record only.
    pub count: usize,
}

impl Withheld {
    fn add(&mut self, refused: Refused) {
        self.count += 1;
        if refused.may_be_told && !self.told.contains(&refused.decision) {
            self.told.push(refused.decision);
        }
    }
}

/// Takes the decisions of one deployment.
#[derive(Clone)]
pub struct AccessDecisions {
    policy: Arc<Policy>,
    records: Arc<dyn ConsentRecords>,
    clock: Arc<dyn Clock>,
}

impl AccessDecisions {
    /// Decides by `policy`, with facts from `records`.
    pub fn new(
        policy: Arc<Policy>,
        records: Arc<dyn ConsentRecords>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { policy, records, clock }
    }

    /// The programme's rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the caller may ask at all, before any patient is named: session, role, purpose.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn admit(&self, caller: &Caller, purpose: Purpose, right: Right) -> Result<(), Refused> {
        caller_may_ask(&self.policy, caller, purpose, right)
            .map(|_| ())
            .map_err(|decision| Refused { decision, may_be_told: true })
    }

    /// Whether a system may publish. Users publish through a system.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_publish(&self, caller: &Caller) -> Result<(), Refused> {
        if caller.has_right(Right::Publish) {
            return Ok(());
        }
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        Err(Refused { decision, may_be_told: true })
    }

    /// Whether a system may change and remove what is registered.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_administer(&self, caller: &Caller) -> Result<(), Refused> {
        if caller.has_right(Right::Administer) {
            return Ok(());
        }
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        Err(Refused { decision, may_be_told: true })
    }

    /// Whether a system takes the decisions for its users itself: what it asks for about no one
    /// patient, such as changes, it gets as it is.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_to_role<T>(&self, caller: &Caller, value: T) -> Result<Released<T>, Refused> {
        if caller.has_right(Right::Delegate) {
            return Ok(Released { value, decision: Decision::permit(Rule::Agreement) });
        }
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        Err(Refused { decision, may_be_told: true })
    }

    /// Whether the caller may record and lift what patients say.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_record_consent(&self, caller: &Caller) -> Result<(), Refused> {
        self.admit(caller, Purpose::DirectCare, Right::Delegate)
            .or_else(|_| self.admit(caller, Purpose::Audit, Right::Delegate))?;
        let may = match caller {
            Caller::User(user) => {
                self.policy.role(&user.role).is_some_and(|r| r.may_record_consent)
            }
            Caller::System(_) => true,
        };
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        if may { Ok(()) } else { Err(Refused { decision, may_be_told: true }) }
    }

    /// Releases what the patient index knows of a person: session, role and purpose decide.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_person<T>(
        &self,
        caller: &Caller,
        purpose: Purpose,
        person: T,
    ) -> Result<Released<T>, Refused> {
        self.admit(caller, purpose, Right::Query)?;
        Ok(Released { value: person, decision: Decision::permit(Rule::Agreement) })
    }

    /// Releases consent records to those who may record them.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_consent<T>(&self, caller: &Caller, records: T) -> Result<Released<T>, Refused> {
        self.may_record_consent(caller)?;
        Ok(Released { value: records, decision: Decision::permit(Rule::OwnRecord) })
    }

    /// Opens a patient's record for a caller: fetches the facts once, for as many documents as
    /// follow. `right` is what a system needs; users need the purpose.
    ///
    /// # Errors
    /// `Refused` when the caller may not ask, or a fact cannot be had.
    pub async fn open(
        &self,
        caller: &Caller,
        purpose: Purpose,
        right: Right,
        patient: NhsNumber,
    ) -> Result<RecordView, Refused> {
        let records = self.records.consent_records(patient);
        self.open_with(caller, purpose, right, patient, records).await
    }

    /// As `open`, with what the patient has said read by the keeper of these records itself, in the
    /// snapshot that it reads the documents in. Nothing is read when it does not matter.
    ///
    /// # Errors
    /// As `open`.
    pub async fn open_with(
        &self,
        caller: &Caller,
        purpose: Purpose,
        right: Right,
        patient: NhsNumber,
        records: impl Future<Output = Result<Vec<ConsentRecord>, FactsUnavailable>>,
    ) -> Result<RecordView, Refused> {
        let refused = |decision| Refused { decision, may_be_told: true };
        let settled = caller_may_ask(&self.policy, caller, purpose, right).map_err(refused)?;
        let records = match settled {
            Some(_) => Vec::new(),
            None => records.await.map_err(|_| refused(Decision::deny(Rule::FactsUnavailable)))?,
        };
        Ok(RecordView {
            policy: self.policy.clone(),
            caller: caller.clone(),
            purpose,
            patient,
            records,
            settled,
            masked: false,
            now: self.clock.now(),
        })
    }
}

/// One patient's record, opened by one caller. Short-lived: open it anew for each request.
pub struct RecordView {
    policy: Arc<Policy>,
    caller: Caller,
    purpose: Purpose,
    patient: NhsNumber,
    records: Vec<ConsentRecord>,
    settled: Option<Decision>,
    /// Whether what tells a place is masked.
    masked: bool,
    now: jiff::Timestamp,
}

impl RecordView {
    /// Notes whether the person is restricted (S-flagged): what is released from here on does not
    /// tell where they are cared for, unless the caller may see it.
    #[must_use]
    pub fn of_restricted(mut self, restricted: bool) -> Self {
        self.masked = restricted && !may_see_locations(&self.policy, &self.caller);
        self
    }

    /// Whether places are masked. Whoever has facts of their own about a document's organisation,
    /// such as who runs a repository, must then keep them to themselves.
    pub fn masks_locations(&self) -> bool {
        self.masked
    }

    /// What stands against the record as a whole, and may be told, whether or not there are
    /// documents: an objection to all sharing or to this recipient, or missing consent.
    pub fn closed(&self) -> Option<Refused> {
        if self.settled.is_some() {
            return None;
        }
        let question = self.question();
        let decision = question.objection_to_record().or_else(|| question.consent_model().err())?;
        Some(self.refused(decision))
    }

    /// Decides about one document.
    ///
    /// # Errors
    /// `Refused` with the rule.
    pub fn release(&self, mut entry: DocumentEntry) -> Result<Released<DocumentEntry>, Refused> {
        let decision = self.decide(&entry);
        if decision.is_permit() {
            if self.masked {
                mask_entry(&mut entry);
            }
            return Ok(Released { value: entry, decision });
        }
        Err(self.refused(decision))
    }

    /// Decides about each document of a list; the order stays.
    pub fn release_all(
        &self,
        entries: Vec<DocumentEntry>,
    ) -> (Vec<Released<DocumentEntry>>, Withheld) {
        let mut withheld = Withheld::default();
        let mut released = Vec::with_capacity(entries.len());
        for entry in entries {
            match self.release(entry) {
                Ok(entry) => released.push(entry),
                Err(refused) => withheld.add(refused),
            }
        }
        (released, withheld)
    }

    /// Decides about everything a query found. SubmissionSets and folders have titles and authors
    /// of their own, so they are shown only when a document of theirs is, or when they never had
    /// one; an association is shown only when both its ends are.
    pub fn release_found(&self, found: FoundObjects) -> (Released<FoundObjects>, Withheld) {
        let all: HashSet<ObjectId> =
            found.document_entries.iter().map(|e| e.entry_uuid.clone()).collect();
        let (entries, mut withheld) = self.release_all(found.document_entries);
        let shown: HashSet<ObjectId> =
            entries.iter().map(|e| e.value().entry_uuid.clone()).collect();
        let members = |id: &ObjectId| -> Vec<&ObjectId> {
            let of = found.associations.iter().filter(|a| a.source == *id);
            of.map(|a| &a.target).filter(|t| all.contains(*t)).collect()
        };
        let visible = |id: &ObjectId| {
            let members = members(id);
            let open = self.settled.is_some() || self.closed().is_none();
            open && (members.is_empty() || members.iter().any(|m| shown.contains(*m)))
        };
        let before = found.submission_sets.len() + found.folders.len();
        let mut submission_sets: Vec<_> =
            found.submission_sets.into_iter().filter(|s| visible(&s.entry_uuid)).collect();
        let folders: Vec<_> =
            found.folders.into_iter().filter(|f| visible(&f.entry_uuid)).collect();
        withheld.count += before - submission_sets.len() - folders.len();
        if self.masked {
            submission_sets.iter_mut().for_each(mask_set);
        }
        let mut ends = shown.clone();
        ends.extend(submission_sets.iter().map(|s| s.entry_uuid.clone()));
        ends.extend(folders.iter().map(|f| f.entry_uuid.clone()));
        let associations = visible_associations(found.associations, ends);
        let decision = entries
            .first()
            .map(|e| e.decision().clone())
            .or_else(|| self.settled.clone())
            .unwrap_or_else(|| Decision::permit(Rule::Agreement));
        let value = FoundObjects {
            document_entries: entries.into_iter().map(Released::into_value).collect(),
            submission_sets,
            folders,
            associations,
        };
        (Released { value, decision }, withheld)
    }

    fn decide(&self, entry: &DocumentEntry) -> Decision {
        if let Some(settled) = &self.settled {
            return settled.clone();
        }
        if entry.patient_id.nhs_number() != Some(self.patient) {
            return Decision::deny(Rule::SubjectUnknown);
        }
        self.question().decide(entry)
    }

    fn question(&self) -> Question<'_> {
        Question {
            policy: &self.policy,
            caller: &self.caller,
            purpose: self.purpose,
            patient: self.patient,
            records: &self.records,
            now: self.now,
        }
    }

    fn refused(&self, decision: Decision) -> Refused {
        let may_be_told = self.policy.reveals(decision.rule);
        Refused { decision, may_be_told }
    }
}

/// Associations whose ends are visible; an association can be an end itself (SS-HM).
fn visible_associations(
    associations: Vec<carerecord_model::Association>,
    mut ends: HashSet<ObjectId>,
) -> Vec<carerecord_model::Association> {
    let both = |a: &carerecord_model::Association, ends: &HashSet<ObjectId>| {
        ends.contains(&a.source) && ends.contains(&a.target)
    };
    let first: Vec<ObjectId> =
        associations.iter().filter(|a| both(a, &ends)).map(|a| a.entry_uuid.clone()).collect();
    ends.extend(first);
    associations.into_iter().filter(|a| both(a, &ends)).collect()
}

impl Released<DocumentEntry> {
    /// The registered id of the entry. Everything released has one.
    pub fn uuid(&self) -> Option<EntryUuid> {
        self.value.uuid()
    }
}
