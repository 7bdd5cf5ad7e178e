//! Who may read the record of accesses, and how much of it. nhs.md 5.7.
//!
//! Privacy officers see what was done for their own organisation, and what anybody did with documents
//! that it keeps; officers of an organisation that watches over the whole region see all. The
//! service desk sees one request, and nothing of the patient.

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
}

/// How much of the record of accesses somebody may read.
#[derive(Clone, Debug)]
pub struct AuditReach {
    scope: Scope,
    organisation: OrganisationCode,
    purpose: Purpose,
    sees_places: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    Region,
    Organisation,
    OneRequest,
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
            Scope::Region | Scope::OneRequest => None,
            Scope::Organisation => Some(&self.organisation),
        }
    }

    /// Why it may be read.
    pub fn decision(&self) -> Decision {
        let scope = match self.scope {
            Scope::Region => "accesses of the whole region".to_owned(),
            Scope::Organisation => {
                format!("accesses of {0}, and to what {0} keeps", self.organisation)
            }
            Scope::OneRequest => "one request, without the patient".to_owned(),
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
        }
        if facts.restricted && !own && !self.sees_places {
            record.forget_place();
        }
        Some(Released { value: record, decision: self.decision() })
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
    }

    fn record(organisation: &'static str) -> Record {
        let documents = ["ours", "theirs"].map(str::to_owned).into();
        Record { organisation, documents, patient: true, place: true }
    }

    fn released(scope: Scope, organisation: &'static str, restricted: bool) -> Option<Record> {
        let organisation_code = "ZEX01".parse().unwrap();
        let reach = AuditReach {
            scope,
            organisation: organisation_code,
            purpose: Purpose::Audit,
            sees_places: false,
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
    fn where_a_restricted_person_was_seen_is_not_told_but_at_home() {
        assert!(!released(Scope::Region, "ZEX02", true).unwrap().place);
        assert!(!released(Scope::OneRequest, "ZEX02", true).unwrap().place);
        assert!(released(Scope::Organisation, "ZEX01", true).unwrap().place);
    }
}
