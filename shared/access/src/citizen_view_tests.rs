//! A citizen who has signed in, at a record: what is released to them, by a clock that moves.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use carerecord_model::{Clock, Code};

use super::*;
use crate::citizen::tests::{CHILD, PARENT, STRANGER, grant, policy, proxy};
use crate::decide::tests::letter;
use crate::{
    AccessDecisions, CitizenCaller, CitizenGrant, CitizenGrantKind, CitizenGrants, ConsentRecord,
    ConsentRecords, FactsUnavailable, Proofing, ProxyBasis, RecordView, Right,
};

/// A parent sees the child's record until the birthday that ends it, then no more.
#[tokio::test]
async fn a_proxy_is_let_in_until_the_birthday() {
    let world = World::with(vec![proxy(PARENT, ProxyBasis::Parental, "2020-05-01T09:00:00Z")]);
    for (at, seen) in [("2026-02-28T23:59:59Z", true), ("2026-03-01T00:00:00Z", false)] {
        world.clock.put(at);
        let view = world.open(PARENT, Proofing::P9).await.unwrap().of_born(born());
        assert_eq!(view.closed().is_none(), seen, "{at}");
        assert_eq!(view.release(of_child()).is_ok(), seen, "{at}");
        assert_eq!(view.accesses().is_ok(), seen, "{at}");
        assert_eq!(view.release_subject(()).is_ok(), seen, "{at}");
        assert!(view.release_own_choices(()).is_err(), "what others say is not theirs to say");
    }
}

#[tokio::test]
async fn without_a_birth_date_or_a_proof_there_is_nothing() {
    let world = World::with(vec![proxy(PARENT, ProxyBasis::Parental, "2020-05-01T09:00:00Z")]);

    let view = world.open(PARENT, Proofing::P9).await.unwrap();
    assert!(view.release(of_child()).is_err(), "not noted");
    let other = view.of_born(born()).caller().clone();
    assert!(view_of_other(&world, &other).await, "of another person it says nothing");
    for proofing in [Proofing::P5, Proofing::P0] {
        let refused = world.open(PARENT, proofing).await.err().unwrap();
        assert_eq!(refused.decision.rule, Rule::CitizenProofing);
        assert!(refused.may_be_told);
    }
    let silent = World { grants: None, ..world };
    let refused = silent.open(PARENT, Proofing::P9).await.err().unwrap();
    assert_eq!(refused.decision.rule, Rule::FactsUnavailable);
}

/// Whether a caller who has been at one record takes that person's birth date to no other.
async fn view_of_other(world: &World, caller: &Caller) -> bool {
    let other = STRANGER.parse().unwrap();
    let view = world.decisions().open(caller, Purpose::PatientAccess, Right::Query, other).await;
    view.unwrap().release(of_child()).is_err()
}

/// Of a record that is not theirs citizens learn that, whatever there is in it.
#[tokio::test]
async fn who_may_not_learns_nothing_of_the_record() {
    for grants in [Vec::new(), vec![grant(CitizenGrantKind::Barred, "2020-01-01T00:00:00Z")]] {
        let view = World::with(grants).open(STRANGER, Proofing::P9).await.unwrap();
        let view = view.of_born(None);
        let closed = view.closed().unwrap();
        assert_eq!((closed.decision.rule, closed.may_be_told), (Rule::NoProxy, true));
        let refused = view.release(of_child()).unwrap_err();
        assert!(!refused.may_be_told, "a document is one that is not there");
    }
    let world = World::with(vec![grant(CitizenGrantKind::Barred, "2020-01-01T00:00:00Z")]);
    let own =
        world.open(CHILD, Proofing::P9).await.unwrap().of_born(Some("2000-01-01".parse().unwrap()));
    assert_eq!(own.closed().unwrap().decision.rule, Rule::CitizenBarred, "their own says why");
}

#[tokio::test]
async fn own_records_are_seen_without_what_is_kept_from_citizens() {
    let world = World::with(Vec::new());
    world.clock.put("2035-01-01T00:00:00Z");
    let view = world.open(CHILD, Proofing::P9).await.unwrap().of_born(born());

    assert_eq!(view.release(of_child()).unwrap().decision().rule, Rule::CitizenOwn);
    let label = Code::new("R", "2.16.840.1.113883.5.25", "");
    let restricted = DocumentEntry { confidentiality_codes: vec![label], ..of_child() };
    assert!(!view.release(restricted.clone()).unwrap_err().may_be_told);
    assert!(view.told_of(&restricted).is_none(), "nor by asking");
    assert!(view.release_own_choices(()).is_ok());
    let decisions = world.decisions();
    let caller = view.caller();
    for refused in [
        decisions.release_person(caller, Purpose::PatientAccess, ()).err(),
        decisions.may_search_audit(caller).err(),
        decisions.may_record_consent(caller).err(),
        decisions.may_publish(caller).err(),
        decisions.may_administer(caller).err(),
        decisions.may_review(caller).err(),
        decisions.may_break_glass(caller).err(),
        decisions.may_claim(caller).err(),
        decisions.may_record_relationships(caller).err(),
        decisions.may_ask_of_others(caller).err(),
        decisions.admit(caller, Purpose::DirectCare, Right::Query).err(),
        decisions.admit(caller, Purpose::PatientAccess, Right::Publish).err(),
    ] {
        assert_eq!(refused.unwrap().decision.rule, Rule::PurposeNotAllowed);
    }
    let entry = of_child();
    let nobodys =
        decisions.release_unnumbered(caller, Purpose::PatientAccess, Right::Query, entry.into());
    assert!(nobodys.is_err());
}

struct World {
    grants: Option<Vec<CitizenGrant>>,
    clock: Arc<Hands>,
}

/// A clock that is put.
struct Hands(Mutex<jiff::Timestamp>);

impl Hands {
    fn put(&self, at: &str) {
        *self.0.lock().unwrap() = at.parse().unwrap();
    }
}

impl Clock for Hands {
    fn now(&self) -> jiff::Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Grants(Option<Vec<CitizenGrant>>);

#[async_trait]
impl CitizenGrants for Grants {
    async fn citizen_grants(&self, _: NhsNumber) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        self.0.clone().ok_or_else(|| FactsUnavailable("silent".to_owned()))
    }
}

#[async_trait]
impl ConsentRecords for Grants {
    async fn consent_records(&self, _: NhsNumber) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        Ok(Vec::new())
    }
}

impl World {
    fn with(grants: Vec<CitizenGrant>) -> Self {
        let clock = Hands(Mutex::new("2026-01-01T12:00:00Z".parse().unwrap()));
        Self { grants: Some(grants), clock: Arc::new(clock) }
    }

    fn decisions(&self) -> AccessDecisions {
        let facts = Arc::new(Grants(self.grants.clone()));
        AccessDecisions::new(Arc::new(policy()), facts.clone(), self.clock.clone())
            .with_citizen_grants(facts)
    }

    async fn open(&self, citizen: &str, proofing: Proofing) -> Result<RecordView, Refused> {
        let caller = Caller::Citizen(Box::new(CitizenCaller {
            user_id: "nhs-login:1".to_owned(),
            name: "Test".to_owned(),
            organisation: "ZEX09".parse().unwrap(),
            number: citizen.parse().ok(),
            proofing,
            client_id: "web".to_owned(),
            session_id: None,
            about: None,
        }));
        let child = CHILD.parse().unwrap();
        self.decisions().open(&caller, Purpose::PatientAccess, Right::Query, child).await
    }
}

fn born() -> Option<jiff::civil::Date> {
    "2015-03-01".parse().ok()
}

fn of_child() -> DocumentEntry {
    let number: NhsNumber = CHILD.parse().unwrap();
    DocumentEntry { patient_id: carerecord_model::PatientId::from_nhs_number(number), ..letter() }
}
