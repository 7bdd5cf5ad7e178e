use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_model::{Association, DocumentEntry, FoundObjects, NhsNumber, ObjectId};

use crate::decide::Question;
use crate::location::{mask_entry, mask_set, may_see_locations};
use crate::sensitivity::Handling;
use crate::{
    Caller, ConsentRecord, Decision, Override, Policy, Purpose, Refused, Relationship, Released,
    Rule, Withheld,
};

/// One patient's record, opened by one caller. Short-lived: open it anew for each request.
pub struct RecordView {
    pub(crate) policy: Arc<Policy>,
    pub(crate) caller: Caller,
    pub(crate) purpose: Purpose,
    pub(crate) patient: NhsNumber,
    pub(crate) records: Vec<ConsentRecord>,
    pub(crate) relationships: Vec<Relationship>,
    pub(crate) settled: Option<Decision>,
    /// What the caller has opened of this record.
    pub(crate) opened: Option<Override>,
    /// Whether what tells a place is masked.
    pub(crate) masked: bool,
    pub(crate) now: jiff::Timestamp,
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

    /// What the caller has opened of this record, when it is in force.
    pub fn opened(&self) -> Option<&Override> {
        self.opened.as_ref()
    }

    /// What stands against the record as a whole, and may be told, whether or not there are
    /// documents: an assertion about another patient, an objection to all sharing or to this
    /// recipient, missing consent, or a missing relationship.
    pub fn closed(&self) -> Option<Refused> {
        if self.settled.is_some() {
            return None;
        }
        let decision = self.question().closed()?;
        Some(self.refused(decision))
    }

    /// Decides about one document.
    ///
    /// # Errors
    /// `Refused` with the rule.
    pub fn release(&self, mut entry: DocumentEntry) -> Result<Released<DocumentEntry>, Refused> {
        let handling = self.policy.handling(&entry);
        let decision = self.decide_so(&entry, &handling);
        if decision.is_permit() {
            if self.settled.is_none() {
                self.policy.relabel(&mut entry, &handling);
            }
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
        let open = self.settled.is_some() || self.closed().is_none();
        let packages = packages(&found.associations, &all, &shown);
        let visible = |id: &ObjectId| open && packages.get(id).copied().unwrap_or(true);
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
        // Of several the one that people are asked about later.
        let overridden = entries.iter().find(|e| e.decision().rule == Rule::BreakGlass);
        let decision = overridden
            .or(entries.first())
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

    pub(crate) fn decide(&self, entry: &DocumentEntry) -> Decision {
        self.decide_so(entry, &self.policy.handling(entry))
    }

    fn decide_so(&self, entry: &DocumentEntry, handling: &Handling) -> Decision {
        if let Some(settled) = &self.settled {
            return settled.clone();
        }
        if entry.patient_id.nhs_number() != Some(self.patient) {
            return Decision::deny(Rule::SubjectUnknown);
        }
        self.question().decide(entry, handling).owing(self.masked)
    }

    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            policy: &self.policy,
            caller: &self.caller,
            purpose: self.purpose,
            patient: self.patient,
            records: &self.records,
            relationships: &self.relationships,
            opened: self.opened.as_ref(),
            now: self.now,
        }
    }

    fn refused(&self, decision: Decision) -> Refused {
        let may_be_told = self.policy.reveals(decision.rule);
        Refused { decision, may_be_told }
    }
}

/// Of each source of an association that has a document of the record: whether it has one that is
/// shown.
fn packages<'a>(
    associations: &'a [Association],
    all: &HashSet<ObjectId>,
    shown: &HashSet<ObjectId>,
) -> HashMap<&'a ObjectId, bool> {
    let mut packages = HashMap::new();
    for a in associations.iter().filter(|a| all.contains(&a.target)) {
        *packages.entry(&a.source).or_default() |= shown.contains(&a.target);
    }
    packages
}

/// Associations whose ends are visible; an association can be an end itself (SS-HM).
fn visible_associations(
    associations: Vec<Association>,
    mut ends: HashSet<ObjectId>,
) -> Vec<Association> {
    let both = |a: &Association, ends: &HashSet<ObjectId>| {
        ends.contains(&a.source) && ends.contains(&a.target)
    };
    let first: Vec<ObjectId> =
        associations.iter().filter(|a| both(a, &ends)).map(|a| a.entry_uuid.clone()).collect();
    ends.extend(first);
    associations.into_iter().filter(|a| both(a, &ends)).collect()
}
