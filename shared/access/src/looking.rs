//! Who may read the record of accesses, and how much of it. nhs.md 5.7.
//!
//! Privacy officers see what was done for their own organisation, and what anybody did with documents
//! that it keeps; officers of an organisation that watches over the whole region see all. The
//! service desk sees one request, and nothing of the patient. People see who looked at their own
//! record, and at the records of those in their care.

use std::collections::HashSet;

use carerecord_model::OrganisationCode;

use crate::location::may_see_locations;
use crate::{AccessDecisions, Caller, Decision, Purpose, Refused, Released, Right, Rule};

/// A record of an access, as far as the decision has to know it.
pub trait AccessRecord {
    /// The organisation that the actor acted for.
    fn organisation(&self) -> Option<&str>;
    /// Whether it names any of these documents.
    fn names_any(&self, documents: &HashSet<String>) -> bool;
    /// Takes out all documents but these, and how many were held back.
    fn keep_documents(&mut self, documents: &HashSet<String>);
    /// Takes out everything of the patient: who, what was decided about them, which documents.
    fn forget_patient(&mut self);
    /// Takes out what tells a place: who acted, for whom, from where.
    fn forget_place(&mut self);
    /// The id of the citizen who acted, where one did.
    fn citizen(&self) -> Option<&str>;
    /// Takes out what the person whose record it is does not need: which documents, who of the staff
    /// unless they may be `named`, and what tells of documents that are kept from them.
    fn keep_for_subject(&mut self, named: bool);
}

/// How much of the record of accesses somebody may read.
#[derive(Clone, Debug)]
pub struct AuditReach {
    scope: Scope,
    organisation: OrganisationCode,
    purpose: Purpose,
    sees_places: bool,
    /// Of a citizen.
    subject: Option<SubjectReach>,
}

/// What a citizen may read.
#[derive(Clone, Debug)]
struct SubjectReach {
    /// The reader's id.
    reader: String,
    /// Why.
    decision: Decision,
    /// Whether staff are named.
    named: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    Region,
    Organisation,
    OneRequest,
    /// One record, to the person whose it is or who acts for them.
    Subject,
}

/// What a record is about, as far as it stands beside it.
#[derive(Clone, Copy, Debug)]
pub struct AccessFacts<'a> {
    /// Documents that the reader's organisation keeps, among those that are asked about.
    pub kept: &'a HashSet<String>,
    /// Whether the person is restricted (S-flagged).
    pub restricted: bool,
}

impl AccessDecisions {
    /// Whether somebody may search the record of accesses.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_search_audit(&self, caller: &Caller) -> Result<AuditReach, Refused> {
        let reach = |scope, purpose| AuditReach {
            scope,
            organisation: caller.organisation().clone(),
            purpose,
            sees_places: may_see_locations(&self.policy, caller),
            subject: None,
        };
        let Caller::User(user) = caller else {
            let decision = Decision::deny(Rule::PurposeNotAllowed);
            return Err(Refused { decision, may_be_told: true });
        };
        match self.admit(caller, Purpose::Audit, Right::Delegate) {
            Ok(()) if self.policy.watches_region(&user.organisation) => {
                Ok(reach(Scope::Region, Purpose::Audit))
            }
            Ok(()) => Ok(reach(Scope::Organisation, Purpose::Audit)),
            Err(refused) => {
                let desk = self.admit(caller, Purpose::ServiceDesk, Right::Delegate);
                desk.map(|()| reach(Scope::OneRequest, Purpose::ServiceDesk)).map_err(|_| refused)
            }
        }
    }
}

impl AuditReach {
    /// Of a citizen who may see a record.
    pub(crate) fn of_citizen(caller: &Caller, decision: Decision, named: bool) -> Self {
        let reader = caller.id().to_owned();
        Self {
            scope: Scope::Subject,
            organisation: caller.organisation().clone(),
            purpose: Purpose::PatientAccess,
            sees_places: false,
            subject: Some(SubjectReach { reader, decision, named }),
        }
    }

    /// Whether only accesses to one record may be read.
    pub fn is_one_subject(&self) -> bool {
        self.scope == Scope::Subject
    }

    /// What for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Whether only one request may be asked about, by its id.
    pub fn is_one_request(&self) -> bool {
        self.scope == Scope::OneRequest
    }

    /// The organisation whose accesses and documents alone may be read; none for those who may read
    /// about every organisation.
    pub fn only_organisation(&self) -> Option<&OrganisationCode> {
        match self.scope {
            Scope::Region | Scope::OneRequest | Scope::Subject => None,
            Scope::Organisation => Some(&self.organisation),
        }
    }

    /// Whether what tells a place is kept from this reader, of a record about a restricted person: who
    /// acted, for whom, from where.
    pub fn hides_place(&self, organisation: Option<&str>, restricted: bool) -> bool {
        let own = self.subject.is_none() && organisation == Some(self.organisation.as_str());
        restricted && !own && !self.sees_places
    }

    /// All that decides how much may be read: two that say the same let the same be read.
    pub fn extent(&self) -> String {
        let named = self.subject.as_ref().map(|subject| (subject.decision.rule, subject.named));
        format!("{:?} {} {} {named:?}", self.scope, self.organisation, self.sees_places)
    }

    /// Why it may be read.
    pub fn decision(&self) -> Decision {
        if let Some(subject) = &self.subject {
            return subject.decision.clone();
        }
        let scope = match self.scope {
            Scope::Region => "accesses of the whole region".to_owned(),
            Scope::Organisation => {
                format!("accesses of {0}, and to what {0} keeps", self.organisation)
            }
            Scope::OneRequest => "one request, without the patient".to_owned(),
            Scope::Subject => "one record".to_owned(),
        };
        Decision::permit(Rule::AuditDuty).on(scope)
    }

    /// Releases a record as far as it may be read; `None` where it may not.
    pub fn release<T: AccessRecord>(
        &self,
        mut record: T,
        facts: AccessFacts<'_>,
    ) -> Option<Released<T>> {
        let own = record.organisation() == Some(self.organisation.as_str());
        match self.scope {
            Scope::Region => {}
            Scope::Organisation if own => {}
            Scope::Organisation if record.names_any(facts.kept) => {
                record.keep_documents(facts.kept);
            }
            Scope::Organisation => return None,
            Scope::OneRequest => record.forget_patient(),
            Scope::Subject => self.subject.as_ref()?.keep(&mut record)?,
        }
        if self.hides_place(record.organisation(), facts.restricted) {
            record.forget_place();
        }
        Some(Released { value: record, decision: self.decision() })
    }
}

impl SubjectReach {
    /// What stays of a record; `None` where it is not for the reader. Who acts for somebody does not
    /// learn that they, or others who act for them, looked themselves: it could be held against them.
    fn keep<T: AccessRecord>(&self, record: &mut T) -> Option<()> {
        let own = self.decision.rule == Rule::CitizenOwn;
        let by_other = record.citizen().is_some_and(|id| id != self.reader);
        if by_other && !own {
            return None;
        }
        record.keep_for_subject(self.named);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Record {
        organisation: &'static str,
        documents: Vec<String>,
        patient: bool,
        place: bool,
        citizen: Option<&'static str>,
    }

    impl AccessRecord for Record {
        fn organisation(&self) -> Option<&str> {
            Some(self.organisation)
        }

        fn names_any(&self, documents: &HashSet<String>) -> bool {
            self.documents.iter().any(|d| documents.contains(d))
        }

        fn keep_documents(&mut self, documents: &HashSet<String>) {
            self.documents.retain(|d| documents.contains(d));
        }

        fn forget_patient(&mut self) {
            self.patient = false;
            self.documents.clear();
        }

        fn forget_place(&mut self) {
            self.place = false;
        }

        fn citizen(&self) -> Option<&str> {
            self.citizen
        }

        fn keep_for_subject(&mut self, _: bool) {
            self.documents.clear();
        }
    }

    fn record(organisation: &'static str) -> Record {
        let documents = ["ours", "theirs"].map(str::to_owned).into();
        Record { organisation, documents, patient: true, place: true, citizen: None }
    }

    fn released(scope: Scope, organisation: &'static str, restricted: bool) -> Option<Record> {
        let organisation_code = "ZEX01".parse().unwrap();
        let reach = AuditReach {
            scope,
            organisation: organisation_code,
            purpose: Purpose::Audit,
            sees_places: false,
            subject: None,
        };
        let kept = ["ours".to_owned()].into();
        let facts = AccessFacts { kept: &kept, restricted };
        reach.release(record(organisation), facts).map(Released::into_value)
    }

    #[test]
    fn officers_see_their_own_and_what_is_done_with_what_they_keep() {
        assert_eq!(released(Scope::Region, "ZEX02", false), Some(record("ZEX02")));
        assert_eq!(released(Scope::Organisation, "ZEX01", false), Some(record("ZEX01")));
        let other = released(Scope::Organisation, "ZEX02", false).unwrap();
        assert_eq!(other.documents, ["ours"]);

        let nothing = HashSet::new();
        let reach = AuditReach {
            scope: Scope::Organisation,
            organisation: "ZEX01".parse().unwrap(),
            purpose: Purpose::Audit,
            sees_places: true,
            subject: None,
        };
        let facts = AccessFacts { kept: &nothing, restricted: false };
        assert!(reach.release(record("ZEX02"), facts).is_none());
    }

    #[test]
    fn the_service_desk_sees_nothing_of_the_patient() {
        let traced = released(Scope::OneRequest, "ZEX01", false).unwrap();

        assert!(!traced.patient && traced.documents.is_empty() && traced.place);
    }

    #[test]
    fn people_see_who_looked_and_not_what_others_of_theirs_did() {
        let reach = |rule| AuditReach {
            scope: Scope::Subject,
            organisation: "ZEX09".parse().unwrap(),
            purpose: Purpose::PatientAccess,
            sees_places: false,
            subject: Some(SubjectReach {
                reader: "login:1".to_owned(),
                decision: Decision::permit(rule),
                named: false,
            }),
        };
        let read = |rule, citizen: Option<&'static str>, restricted| {
            let nothing = HashSet::new();
            let facts = AccessFacts { kept: &nothing, restricted };
            let record = Record { citizen, ..record("ZEX09") };
            reach(rule).release(record, facts).map(Released::into_value)
        };

        let staff = read(Rule::CitizenProxy, None, false).unwrap();
        assert!(staff.documents.is_empty() && staff.place);
        assert!(read(Rule::CitizenOwn, Some("login:2"), false).is_some(), "a proxy looked");
        assert!(read(Rule::CitizenProxy, Some("login:2"), false).is_none(), "the child did");
        assert!(read(Rule::CitizenProxy, Some("login:1"), false).is_some(), "themself");
        assert!(!read(Rule::CitizenOwn, None, true).unwrap().place, "restricted");
    }

    #[test]
    fn where_a_restricted_person_was_seen_is_not_told_but_at_home() {
        assert!(!released(Scope::Region, "ZEX02", true).unwrap().place);
        assert!(!released(Scope::OneRequest, "ZEX02", true).unwrap().place);
        assert!(released(Scope::Organisation, "ZEX01", true).unwrap().place);
    }
}
