use std::collections::HashSet;
use std::sync::Arc;

use carerecord_model::{
    Association, Clock, DocumentEntry, EntryUuid, FoundObjects, NhsNumber, ObjectId,
};
use jiff::tz::TimeZone;

use crate::decide::{above, caller_may_ask, may_concern, model_for};
use crate::record_view::RecordView;
use crate::{
    AssertedPatient, Basis, Caller, CitizenGrant, CitizenGrants, ConsentRecord, ConsentRecords,
    Decision, FactsUnavailable, Override, Overrides, PatientFacts, Policy, Purpose, Relationship,
    Relationships, Right, Rule, UserCaller,
};

/// Something that may leave, with the decision that lets it. Only this crate makes one.
#[derive(Clone, Debug)]
pub struct Released<T> {
    pub(crate) value: T,
    pub(crate) decision: Decision,
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
    /// Folders that are shown without some of their members: when they were changed last is told as
    /// far as the rest says, since the whole would tell when those came.
    pub folders_in_part: HashSet<ObjectId>,
}

impl Withheld {
    pub(crate) fn add(&mut self, refused: Refused) {
        self.count += 1;
        if refused.may_be_told {
            self.tell(refused.decision);
        }
    }

    /// Tells of a decision, once however many documents it is about: what else it rests on, such as
    /// whose documents they are, makes no other one of it.
    pub fn tell(&mut self, decision: Decision) {
        let said = |told: &Decision| (told.rule, told.provenance());
        if !self.told.iter().any(|told| said(told) == said(&decision)) {
            self.told.push(decision);
        }
    }
}

/// Takes the decisions of one deployment.
#[derive(Clone)]
pub struct AccessDecisions {
    pub(crate) policy: Arc<Policy>,
    pub(crate) records: Arc<dyn ConsentRecords>,
    relationships: Option<Arc<dyn Relationships>>,
    pub(crate) citizen_grants: Option<Arc<dyn CitizenGrants>>,
    overrides: Option<Arc<dyn Overrides>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl AccessDecisions {
    /// Decides by `policy`, with facts from `records`.
    pub fn new(
        policy: Arc<Policy>,
        records: Arc<dyn ConsentRecords>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (relationships, citizen_grants, overrides) = (None, None, None);
        Self { policy, records, relationships, citizen_grants, overrides, clock }
    }

    /// The same, where it is known who cares for whom. Without it nobody gets what needs a
    /// relationship.
    #[must_use]
    pub fn with_relationships(self, relationships: Arc<dyn Relationships>) -> Self {
        Self { relationships: Some(relationships), ..self }
    }

    /// The same, where it is known which citizens may see a record.
    #[must_use]
    pub fn with_citizen_grants(self, grants: Arc<dyn CitizenGrants>) -> Self {
        Self { citizen_grants: Some(grants), ..self }
    }

    /// The same, where people can override what closes a record.
    #[must_use]
    pub fn with_overrides(self, overrides: Arc<dyn Overrides>) -> Self {
        Self { overrides: Some(overrides), ..self }
    }

    /// The same, with what is known of one patient: of anybody else nothing is decided.
    #[must_use]
    pub fn knowing(&self, facts: PatientFacts) -> Self {
        let facts = Arc::new(facts);
        Self { records: facts.clone(), relationships: Some(facts), ..self.clone() }
    }

    /// The same, where `opened_by` has told what the caller has opened of the one record that follows:
    /// it is not read again.
    #[must_use]
    pub fn having_opened(self, opened: Option<Override>) -> Self {
        Self { overrides: Some(Arc::new(opened)), ..self }
    }

    /// What the caller has opened of a patient's record.
    pub async fn opened_by(&self, caller: &Caller, patient: NhsNumber) -> Option<Override> {
        match caller {
            Caller::User(user) => self.opened(user, patient).await,
            Caller::System(_) | Caller::Citizen(_) => None,
        }
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

    /// Whether what is done may be about this patient, `None` for one that cannot be told: an
    /// assertion can be about one patient only.
    ///
    /// # Errors
    /// `Refused`.
    pub fn may_concern(&self, caller: &Caller, patient: Option<NhsNumber>) -> Result<(), Refused> {
        may_concern(caller, patient).map_err(|decision| {
            let may_be_told = self.policy.reveals(decision.rule);
            Refused { decision, may_be_told }
        })
    }

    /// Whether what is given may be of this patient, where a caller asks about one only. A document of
    /// somebody else is then one that is not there.
    ///
    /// # Errors
    /// `Refused`, which may not be told.
    pub fn must_be_of(
        &self,
        about: AssertedPatient,
        patient: Option<NhsNumber>,
    ) -> Result<(), Refused> {
        if about.is(patient) {
            return Ok(());
        }
        Err(Refused { decision: Decision::deny(Rule::OtherPatient), may_be_told: false })
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
            Caller::Citizen(_) => false,
        };
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        if may { Ok(()) } else { Err(Refused { decision, may_be_told: true }) }
    }

    /// Whether the caller may ask the patient at the point of care whether their organisation may
    /// see the record, and record a yes: no more than that.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_ask_at_view(&self, caller: &Caller) -> Result<(), Refused> {
        self.admit(caller, Purpose::DirectCare, Right::Query)?;
        let today = self.clock.now().to_zoned(TimeZone::UTC).date();
        let model = model_for(&self.policy, caller, today);
        let asks = model.is_some_and(|model| model.ask_at_view && model.basis == Basis::Explicit);
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        if asks && matches!(caller, Caller::User(_)) {
            return Ok(());
        }
        Err(Refused { decision, may_be_told: true })
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
        if matches!(caller, Caller::Citizen(_)) {
            // People whom a citizen may act for have their own way: `RecordView::release_subject`.
            let decision = Decision::deny(Rule::PurposeNotAllowed);
            return Err(Refused { decision, may_be_told: true });
        }
        Ok(Released { value: person, decision: Decision::permit(Rule::Agreement) })
    }

    /// Releases a document of nobody who can be told, which no rule about patients can be asked of.
    /// What sensitivity rules withhold, or put above what the caller may see, stays.
    ///
    /// # Errors
    /// `Refused`.
    pub fn release_unnumbered(
        &self,
        caller: &Caller,
        purpose: Purpose,
        right: Right,
        mut entry: Arc<DocumentEntry>,
    ) -> Result<Released<Arc<DocumentEntry>>, Refused> {
        let settled = caller_may_ask(&self.policy, caller, purpose, right)
            .map_err(|decision| Refused { decision, may_be_told: true })?;
        if let Some(decision) = settled {
            return Ok(Released { value: entry, decision });
        }
        self.may_concern(caller, None)?;
        let handling = self.policy.handling(&entry);
        if let Some(decision) = above(&self.policy, caller, &handling) {
            let may_be_told = self.policy.reveals(decision.rule);
            return Err(Refused { decision, may_be_told });
        }
        self.policy.relabel(&mut entry, &handling);
        Ok(Released { value: entry, decision: Decision::permit(Rule::Agreement) })
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
        let now = self.clock.now();
        let citizen_grants = match caller {
            Caller::Citizen(_) => {
                let found = self.citizen_grants_of(patient).await;
                found.map_err(|_| refused(Decision::deny(Rule::FactsUnavailable)))?
            }
            Caller::User(_) | Caller::System(_) => Vec::new(),
        };
        let relationships = match settled {
            Some(_) => Vec::new(),
            None => self.related(caller, purpose, patient, now).await.map_err(refused)?,
        };
        let opened = match caller {
            Caller::User(user) if settled.is_none() => self.opened(user, patient).await,
            Caller::User(_) | Caller::System(_) | Caller::Citizen(_) => None,
        };
        Ok(RecordView {
            policy: self.policy.clone(),
            caller: caller.clone(),
            purpose,
            patient,
            records,
            relationships,
            citizen_grants,
            settled,
            opened,
            masked: false,
            now,
        })
    }
}

impl AccessDecisions {
    /// Who cares for the patient, where the caller needs a relationship. What cannot be asked is a
    /// no.
    async fn related(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
        now: jiff::Timestamp,
    ) -> Result<Vec<Relationship>, Decision> {
        if self.policy.relationship_rule(caller, purpose, now).is_none() {
            return Ok(Vec::new());
        }
        self.relationships_of(patient).await.map_err(|_| Decision::deny(Rule::FactsUnavailable))
    }

    pub(crate) async fn citizen_grants_of(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        match &self.citizen_grants {
            Some(grants) => grants.citizen_grants(patient).await,
            None => Err(FactsUnavailable("grants are not connected".to_owned())),
        }
    }

    pub(crate) async fn relationships_of(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<Relationship>, FactsUnavailable> {
        match &self.relationships {
            Some(relationships) => relationships.relationships(patient).await,
            None => Err(FactsUnavailable("relationships are not connected".to_owned())),
        }
    }

    /// What the person has opened of the record: of one who came by an assertion, what stands in it.
    /// What cannot be asked opens nothing.
    async fn opened(&self, user: &UserCaller, patient: NhsNumber) -> Option<Override> {
        self.policy.break_glass()?;
        let now = self.clock.now();
        if let Some(asserted) = &user.asserted {
            let opened = asserted.opened.as_ref();
            return opened.filter(|opened| opened.is_in_force(patient, now)).cloned();
        }
        let found = self.overrides.as_ref()?.overrides(user, patient).await;
        found.unwrap_or_default().into_iter().find(|o| o.holds(user, patient, now))
    }
}

impl Released<Arc<DocumentEntry>> {
    /// The registered id of the entry. Everything released has one.
    pub fn uuid(&self) -> Option<EntryUuid> {
        self.value.uuid()
    }
}

impl Released<FoundObjects> {
    /// What may leave of this record and of another.
    #[must_use]
    pub fn join(mut self, more: Self) -> Self {
        let all = &mut self.value;
        all.document_entries.extend(more.value.document_entries);
        all.submission_sets.extend(more.value.submission_sets);
        all.folders.extend(more.value.folders);
        all.associations.extend(more.value.associations);
        self
    }

    /// Adds those associations between the records of which both ends may leave.
    #[must_use]
    pub fn tie(mut self, mut between: Vec<Association>) -> Self {
        let all = &mut self.value;
        let entries = all.document_entries.iter().map(|e| &e.entry_uuid);
        let sets = all.submission_sets.iter().map(|s| &s.entry_uuid);
        let folders = all.folders.iter().map(|f| &f.entry_uuid);
        let ends: HashSet<_> = entries.chain(sets).chain(folders).collect();
        between.retain(|a| ends.contains(&a.source) && ends.contains(&a.target));
        all.associations.extend(between);
        self
    }
}
