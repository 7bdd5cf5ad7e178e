//! "May this citizen see that record?" The same answer as a citizen gets, for systems that may ask.

use std::sync::Arc;

use carerecord_model::{DocumentEntry, NhsNumber};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::citizen::CitizenQuestion;
use crate::{AccessDecisions, Caller, Citizen, CitizenGrant, Decision, Policy, Refused, Rule};

/// What is asked.
pub struct CitizenInquiry {
    /// Who would look.
    pub citizen: Citizen,
    /// At whose record.
    pub patient: NhsNumber,
    /// When the patient was born; what is not known opens nothing.
    pub born: Option<Date>,
    /// Whether the patient is restricted (S-flagged): then nothing that would tell a place is told.
    pub restricted: bool,
    /// When.
    pub at: Timestamp,
}

/// The decisions that it leads to. They show nothing of the record.
pub struct CitizenAnswers {
    policy: Arc<Policy>,
    inquiry: CitizenInquiry,
    grants: Vec<CitizenGrant>,
}

impl AccessDecisions {
    /// Answers about a citizen.
    ///
    /// # Errors
    /// `Refused` for everybody but systems that may ask of others, and where the facts cannot be had.
    pub async fn inquire_of_citizen(
        &self,
        caller: &Caller,
        inquiry: CitizenInquiry,
    ) -> Result<CitizenAnswers, Refused> {
        let refused = |rule| Refused { decision: Decision::deny(rule), may_be_told: true };
        self.may_ask_of_others(caller)?;
        if matches!(caller, Caller::User(_)) {
            return Err(refused(Rule::PurposeNotAllowed));
        }
        let found = self.citizen_grants_of(inquiry.patient).await;
        let grants = found.map_err(|_| refused(Rule::FactsUnavailable))?;
        Ok(CitizenAnswers { policy: self.policy.clone(), inquiry, grants })
    }
}

impl CitizenAnswers {
    /// About the record as a whole.
    pub fn record(&self) -> Decision {
        self.shown(self.question().record())
    }

    /// About a document; `None` for one that is not of the record, or is withheld from everybody.
    pub fn document(&self, entry: &DocumentEntry) -> Option<Decision> {
        if entry.patient_id.nhs_number() != Some(self.inquiry.patient) {
            return None;
        }
        let handling = self.policy.handling(entry);
        let decision = self.shown(self.question().document(entry, &handling));
        (decision.rule != Rule::Withheld).then_some(decision)
    }

    fn question(&self) -> CitizenQuestion<'_> {
        CitizenQuestion {
            policy: &self.policy,
            citizen: &self.inquiry.citizen,
            patient: self.inquiry.patient,
            born: self.inquiry.born,
            grants: &self.grants,
            now: self.inquiry.at,
        }
    }

    fn shown(&self, decided: Result<Decision, Decision>) -> Decision {
        let mut decision = decided.unwrap_or_else(|deny| deny).owing(self.inquiry.restricted);
        if self.inquiry.restricted {
            decision.basis.clear();
        }
        decision
    }
}
