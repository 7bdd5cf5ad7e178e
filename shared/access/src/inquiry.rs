//! "May A see B?", and "what would happen if?". NHS: 5.2; handbook, consent service.
//!
//! Whoever asks of themselves is told what a list would tell, and no more. The whole reason is for
//! privacy officers (about people of their organisation, and about documents that it keeps) and for
//! systems that `access.toml` names. Nothing of a record leaves by an inquiry but decisions.

use std::sync::Arc;

use carerecord_model::{DocumentEntry, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use uuid::Uuid;

use crate::decide::{Question, caller_may_ask};
use crate::location::may_see_locations;
use crate::overrides::supposed_override;
use crate::{
    AccessDecisions, Caller, ConsentRecord, Decision, Policy, Purpose, RecordView, Refused,
    Relationship, Right, Rule,
};

/// What is asked about somebody, or about what would be.
pub struct Inquiry {
    /// Who would open the record. What the person has overridden does not count: it holds in one
    /// session only.
    pub about: Caller,
    /// What for.
    pub purpose: Purpose,
    /// Whose record.
    pub patient: NhsNumber,
    /// When.
    pub at: Timestamp,
    /// What the patient is supposed to have said besides.
    pub supposed: Vec<ConsentRecord>,
    /// Who is supposed to care for the patient besides.
    pub related: Vec<Relationship>,
    /// What is supposed to be lifted: consent records, and relationships that are supposed not to be.
    pub lifted: Vec<Uuid>,
}

/// The decisions that an inquiry leads to. They show nothing of the record.
pub struct Answers {
    policy: Arc<Policy>,
    patient: NhsNumber,
    view: Result<RecordView, Decision>,
    reach: Reach,
    /// Whether the one who asks must not learn of places: so until it is known that they may.
    masked: bool,
    unknown: Vec<Uuid>,
}

/// About what the one who asks may learn the whole reason.
#[derive(Clone, Debug, PartialEq)]
enum Reach {
    Everything,
    /// Documents that this organisation keeps.
    KeptBy(OrganisationCode),
}

impl AccessDecisions {
    /// Answers about another caller, another day, or other facts.
    ///
    /// # Errors
    /// `Refused` for those who may not ask, which may always be told, and where the facts cannot be
    /// had.
    pub async fn inquire(&self, caller: &Caller, inquiry: Inquiry) -> Result<Answers, Refused> {
        let reach = self.reach(caller, &inquiry.about)?;
        let Inquiry { about, purpose, patient, at, supposed, related, lifted } = inquiry;
        let records = self.records.consent_records(patient).await;
        let mut records = records.map_err(|_| told(Rule::FactsUnavailable))?;
        // Lifted may be either; without any, relationships matter only where one is needed.
        let needed = self.policy.relationship_rule(&about, purpose, at).is_some();
        let mut relationships = Vec::new();
        if needed || !lifted.is_empty() {
            let found = self.relationships_of(patient).await;
            relationships = found
                .or_else(|e| if needed { Err(e) } else { Ok(Vec::new()) })
                .map_err(|_| told(Rule::FactsUnavailable))?;
        }
        let there = |id: &Uuid| {
            records.iter().any(|r| r.id == *id) || relationships.iter().any(|r| r.id == *id)
        };
        let unknown = lifted.iter().filter(|id| !there(id)).copied().collect();
        records.retain(|record| !lifted.contains(&record.id));
        records.extend(supposed);
        relationships.retain(|relationship| !lifted.contains(&relationship.id));
        relationships.extend(related);
        let settled = caller_may_ask(&self.policy, &about, purpose, Right::Query);
        let view = settled.map(|settled| RecordView {
            policy: self.policy.clone(),
            caller: about,
            purpose,
            patient,
            records,
            relationships,
            // About citizens there is an inquiry of its own.
            citizen_grants: Vec::new(),
            settled,
            opened: None,
            masked: false,
            now: at,
        });
        let masked = !may_see_locations(&self.policy, caller);
        Ok(Answers { policy: self.policy.clone(), patient, view, reach, masked, unknown })
    }

    /// Whether the caller may ask about others at all.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_ask_of_others(&self, caller: &Caller) -> Result<(), Refused> {
        self.reach(caller, caller).map(|_| ())
    }

    fn reach(&self, caller: &Caller, about: &Caller) -> Result<Reach, Refused> {
        match caller {
            Caller::System(system) => {
                let rule = self.policy.systems.get(&system.name);
                if rule.is_some_and(|rule| rule.may_ask_of_others) {
                    Ok(Reach::Everything)
                } else {
                    Err(told(Rule::PurposeNotAllowed))
                }
            }
            Caller::User(_) => {
                let officer = self.may_review(caller)?;
                if about.organisation() == &officer.organisation {
                    Ok(Reach::Everything)
                } else {
                    Ok(Reach::KeptBy(officer.organisation.clone()))
                }
            }
            Caller::Citizen(_) => Err(told(Rule::PurposeNotAllowed)),
        }
    }
}

impl Answers {
    /// Notes whether the person is restricted (S-flagged).
    #[must_use]
    pub fn of_restricted(mut self, restricted: bool) -> Self {
        self.masked &= restricted;
        self.view = self.view.map(|view| view.of_restricted(restricted));
        self
    }

    /// What was to be lifted and is not among what the patient has said.
    pub fn unknown(&self) -> &[Uuid] {
        &self.unknown
    }

    /// About the record as a whole; `None` where the one who asks may only learn of documents that
    /// their organisation keeps.
    pub fn record(&self) -> Option<Decision> {
        if self.reach != Reach::Everything {
            return None;
        }
        let decision = match &self.view {
            Err(deny) => deny.clone(),
            Ok(view) => view.of_record(),
        };
        Some(self.shown(decision))
    }

    /// About a document; `None` for one that is not of the record, or not the asker's to know of.
    pub fn document(&self, entry: &DocumentEntry) -> Option<Decision> {
        let of_record = entry.patient_id.nhs_number() == Some(self.patient);
        let kept = match &self.reach {
            Reach::Everything => true,
            Reach::KeptBy(organisation) => self.policy.keeper(entry).as_ref() == Some(organisation),
        };
        let decide = || match &self.view {
            Ok(view) => view.decide(entry),
            Err(deny) => deny.clone(),
        };
        // What is withheld is told of nowhere.
        let decision = (of_record && kept).then(decide).filter(|d| d.rule != Rule::Withheld);
        decision.map(|decision| self.shown(decision))
    }

    /// Whether the person asked about could override what closes the record, or this document.
    pub fn overridable(&self, entry: Option<&DocumentEntry>) -> bool {
        let Ok(view) = &self.view else { return false };
        let Caller::User(user) = &view.caller else { return false };
        let rules = view.policy.break_glass();
        let may = view.policy.role(&user.role).is_some_and(|role| role.may_break_glass)
            && view.purpose == Purpose::DirectCare
            && rules.is_some_and(|rules| {
                rules.activity.as_ref().is_none_or(|code| user.activities.contains(code))
            });
        let opened = supposed_override(user, view.patient, view.now);
        let question = Question { opened: Some(&opened), ..view.question() };
        may && match entry {
            Some(entry) => {
                let handling = self.policy.handling(entry);
                question.decide(entry, &handling).rule == Rule::BreakGlass
            }
            None => view.question().closed().is_some() && question.closed().is_none(),
        }
    }

    /// Whether the person asked about could claim the relationship that is missing, which is all that
    /// closes the record.
    pub fn claimable(&self) -> bool {
        let Ok(view) = &self.view else { return false };
        let Caller::User(user) = &view.caller else { return false };
        let role = view.policy.role(&user.role).is_some_and(|role| role.may_claim_relationship);
        let active = view.policy.claims().is_some_and(|rules| {
            rules.activity.as_ref().is_none_or(|code| user.activities.contains(code))
        });
        let closed = view.question().closed();
        role && active
            && view.purpose == Purpose::DirectCare
            && closed.is_some_and(|deny| deny.rule == Rule::NoRelationship)
    }

    /// Without what would tell a place, where that is masked.
    fn shown(&self, mut decision: Decision) -> Decision {
        if self.masked {
            decision.basis.clear();
        }
        decision
    }
}

impl RecordView {
    /// What the caller may be told of the record as a whole: what a list would tell.
    pub fn told_of_record(&self) -> Decision {
        match self.closed() {
            Some(Refused { decision, may_be_told: true }) => decision.without_basis(),
            Some(_) | None => {
                self.settled.clone().unwrap_or_else(|| Decision::permit(Rule::RecordOpen))
            }
        }
    }

    /// What the caller may be told of a document; `None` where that must look like nothing.
    pub fn told_of(&self, entry: &DocumentEntry) -> Option<Decision> {
        let decision = self.decide(entry);
        if decision.is_permit() {
            return Some(if self.masked { decision.without_basis() } else { decision });
        }
        let reveals = !self.is_for_citizen() && self.policy.reveals(decision.rule);
        reveals.then(|| decision.without_basis())
    }
}

impl Decision {
    /// The basis names organisations, which a refusal must not tell.
    fn without_basis(mut self) -> Self {
        self.basis.clear();
        self
    }
}

fn told(rule: Rule) -> Refused {
    Refused { decision: Decision::deny(rule), may_be_told: true }
}
