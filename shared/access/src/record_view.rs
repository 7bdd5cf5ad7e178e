use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_model::{
    Association, AssociationType, DocumentEntry, Folder, FoundObjects, NhsNumber, ObjectId,
};
use jiff::civil::Date;

use crate::citizen::CitizenQuestion;
use crate::decide::Question;
use crate::engine_facts::Asked;
use crate::location::{mask_entry, mask_set, may_see_locations};
use crate::sensitivity::Handling;
use crate::{
    AuditReach, Caller, CitizenGrant, CitizenSubject, ConsentRecord, Decision, EngineFault,
    Override, Policy, PolicyEngine, Purpose, Refused, Relationship, Released, Right, Rule, Ruling,
    Withheld,
};

/// One patient's record, opened by one caller. Short-lived: open it anew for each request.
pub struct RecordView {
    pub(crate) policy: Arc<Policy>,
    pub(crate) caller: Caller,
    pub(crate) purpose: Purpose,
    pub(crate) patient: NhsNumber,
    pub(crate) records: Vec<ConsentRecord>,
    pub(crate) relationships: Vec<Relationship>,
    /// Which citizens may see the record; looked at only for a citizen.
    pub(crate) citizen_grants: Vec<CitizenGrant>,
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

    /// Notes when the person was born, without which no citizen sees anything.
    #[must_use]
    pub fn of_born(mut self, born: Option<Date>) -> Self {
        if let Caller::Citizen(citizen) = &mut self.caller {
            citizen.about = Some(CitizenSubject { patient: self.patient, born });
        }
        self
    }

    /// Who opened it, with what has been noted.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whether a citizen has opened it: to them it is a whole that they may see, or nothing at all.
    pub fn is_for_citizen(&self) -> bool {
        matches!(self.caller, Caller::Citizen(_))
    }

    /// Releases what is known of the person themself to a citizen who may see their record.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_subject<T>(&self, person: T) -> Result<Released<T>, Refused> {
        match self.seen_by_citizen() {
            Ok(decision) => Ok(Released { value: person, decision }),
            Err(decision) => Err(Refused { decision, may_be_told: true }),
        }
    }

    /// Releases what the person has said to a citizen who is that person, and who may then also say
    /// more, or take it back. What others say for somebody is recorded by those who know them.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_own_choices<T>(&self, choices: T) -> Result<Released<T>, Refused> {
        let released = self.release_subject(choices)?;
        if released.decision.rule == Rule::CitizenOwn {
            return Ok(released);
        }
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        Err(Refused { decision, may_be_told: true })
    }

    /// How much a citizen may read of who looked at the record.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn accesses(&self) -> Result<AuditReach, Refused> {
        let decision = self.release_subject(())?.decision;
        let names = self.policy.citizens.as_ref().is_some_and(|rules| rules.name_staff);
        Ok(AuditReach::of_citizen(&self.caller, decision, names))
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
        if self.is_for_citizen() {
            let decision = self.seen_by_citizen().err()?;
            return Some(Refused { decision, may_be_told: true });
        }
        let decision = self.question().closed()?;
        Some(self.refused(decision))
    }

    /// Decides about one document.
    ///
    /// # Errors
    /// `Refused` with the rule.
    pub fn release(
        &self,
        entry: impl Into<Arc<DocumentEntry>>,
    ) -> Result<Released<Arc<DocumentEntry>>, Refused> {
        let mut entry = entry.into();
        let handling = self.policy.handling(&entry);
        let decision = self.decide_so(&entry, &handling);
        if decision.is_permit() {
            if self.settled.is_none() {
                self.policy.relabel(&mut entry, &handling);
            }
            if self.masked {
                mask_entry(Arc::make_mut(&mut entry));
            }
            return Ok(Released { value: entry, decision });
        }
        Err(self.refused(decision))
    }

    /// Decides about each document of a list; the order stays.
    pub fn release_all(
        &self,
        entries: Vec<Arc<DocumentEntry>>,
    ) -> (Vec<Released<Arc<DocumentEntry>>>, Withheld) {
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
    /// one; an association is shown only when both its ends are. A folder that is shown in part was
    /// last changed when that part was.
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
        if self.settled.is_none() {
            withheld.folders_in_part = in_part(&folders, &found.associations, &shown);
        }
        let mut ends = shown;
        ends.extend(submission_sets.iter().map(|s| s.entry_uuid.clone()));
        ends.extend(folders.iter().map(|f| f.entry_uuid.clone()));
        let associations = visible_associations(found.associations, ends);
        // Of several the one that people are asked about later.
        let overridden = entries.iter().find(|e| e.decision().rule == Rule::BreakGlass);
        let decision = overridden
            .or(entries.first())
            .map(|e| e.decision().clone())
            .or_else(|| self.settled.clone())
            .or_else(|| self.seen_by_citizen().ok())
            .unwrap_or_else(|| Decision::permit(Rule::Agreement));
        let mut value = FoundObjects {
            document_entries: entries.into_iter().map(Released::into_value).collect(),
            submission_sets,
            folders,
            associations,
        };
        date_by_what_is_shown(&mut value, &withheld.folders_in_part);
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
        if self.is_for_citizen() {
            let decided = self.by_citizen(Some((entry, handling)));
            return decided.unwrap_or_else(|deny| deny).owing(self.masked);
        }
        self.question().decide(entry, handling).owing(self.masked)
    }

    /// What is decided of the record as a whole.
    pub(crate) fn of_record(&self) -> Decision {
        if let Some(settled) = &self.settled {
            return settled.clone();
        }
        if self.is_for_citizen() {
            return self.by_citizen(None).unwrap_or_else(|deny| deny);
        }
        let question = self.question();
        question.closed().unwrap_or_else(|| {
            let related = question.relationship().ok().flatten();
            let model = question.consent_model(&question.said(None, false)).ok();
            Decision::permit(Rule::RecordOpen).on_all(model).on_all(related)
        })
    }

    /// What the policy engine says of a document, from the same facts; `right` is what the record was
    /// opened for.
    ///
    /// # Errors
    /// When it cannot say; then it is a no.
    pub fn ruling(
        &self,
        engine: &PolicyEngine,
        right: Right,
        entry: &DocumentEntry,
    ) -> Result<Ruling, EngineFault> {
        let asked = Asked {
            policy: &self.policy,
            caller: &self.caller,
            purpose: self.purpose,
            right,
            patient: self.patient,
            records: Some(&self.records),
            relationships: Some(&self.relationships),
            grants: Some(&self.citizen_grants),
            overrides: self.opened.as_slice(),
            now: self.now,
        };
        engine.decide(&asked, Some(entry))
    }

    /// Why a citizen may see the record. Of somebody else's a no says that and nothing more.
    pub(crate) fn seen_by_citizen(&self) -> Result<Decision, Decision> {
        let Caller::Citizen(citizen) = &self.caller else {
            return Err(Decision::deny(Rule::PurposeNotAllowed));
        };
        let decided = self.by_citizen(None);
        let own = citizen.number == Some(self.patient);
        decided.map_err(|deny| if own { deny } else { Decision::deny(Rule::NoProxy) })
    }

    /// What is decided of a document, or else of the record, for the citizen who has opened it.
    pub(crate) fn by_citizen(
        &self,
        document: Option<(&DocumentEntry, &Handling)>,
    ) -> Result<Decision, Decision> {
        let Caller::Citizen(caller) = &self.caller else {
            return Err(Decision::deny(Rule::PurposeNotAllowed));
        };
        let citizen = caller.citizen().ok_or_else(|| Decision::deny(Rule::CitizenProofing))?;
        let question = CitizenQuestion {
            policy: &self.policy,
            citizen: &citizen,
            patient: self.patient,
            born: caller.born(self.patient),
            grants: &self.citizen_grants,
            now: self.now,
        };
        match document {
            Some((entry, handling)) => question.document(entry, handling),
            None => question.record(),
        }
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

    pub(crate) fn refused(&self, decision: Decision) -> Refused {
        // A citizen is not told of a document that is not for them.
        let may_be_told = !self.is_for_citizen() && self.policy.reveals(decision.rule);
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

/// Those folders that have a member which is not shown.
fn in_part(
    folders: &[Folder],
    associations: &[Association],
    shown: &HashSet<ObjectId>,
) -> HashSet<ObjectId> {
    let is_hidden = |a: &&Association| {
        a.association_type == AssociationType::HasMember && !shown.contains(&a.target)
    };
    let with_hidden: HashSet<&ObjectId> =
        associations.iter().filter(is_hidden).map(|a| &a.source).collect();
    let all = folders.iter().map(|folder| &folder.entry_uuid);
    all.filter(|id| with_hidden.contains(id)).cloned().collect()
}

/// Gives those folders the time of the last SubmissionSet that is shown and brought something of what
/// is shown of them. `lastUpdateTime` is the registry's own: ITI TF-3: 4.2.3.4.6.
fn date_by_what_is_shown(found: &mut FoundObjects, folders: &HashSet<ObjectId>) {
    for n in 0..found.folders.len() {
        let id = &found.folders[n].entry_uuid;
        if folders.contains(id) {
            let times = found.sets_of_folder(id).map(|set| &set.submission_time);
            let last = times.max_by(|a, b| a.as_str().cmp(b.as_str())).cloned();
            found.folders[n].last_update_time = last;
        }
    }
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

#[cfg(test)]
#[path = "citizen_view_tests.rs"]
mod tests;
