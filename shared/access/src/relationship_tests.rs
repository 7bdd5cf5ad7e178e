use std::sync::Mutex;

use jiff::SignedDuration;

use super::*;

/// What a practice, a ward, a referral and a claim open, and for how long: by a clock that moves.
#[tokio::test]
async fn a_relationship_opens_the_record_until_it_has_ended() {
    let day = SignedDuration::from_hours(24);
    let cases = [
        (RelationshipKind::Registration, SignedDuration::ZERO),
        (RelationshipKind::Encounter, day * 90),
        (RelationshipKind::Referral, day * 90),
        (RelationshipKind::Caseload, SignedDuration::ZERO),
        (RelationshipKind::Claim, SignedDuration::ZERO),
    ];
    for (kind, grace) in cases {
        let until: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let related = relationship(kind, Some(until));
        let moments = [
            (related.since - SignedDuration::from_secs(1), false),
            (related.since, true),
            (until, true),
            (until + grace, true),
            (until + grace + SignedDuration::from_secs(1), false),
        ];
        for (now, opens) in moments {
            let view = view(vec![related.clone()], now).await.unwrap();

            let released = view.release(letter());

            assert_eq!(released.is_ok(), opens, "{kind:?} at {now}: {released:?}");
            assert_eq!(view.closed().is_none(), opens, "{kind:?} at {now}");
            match released {
                Ok(released) => {
                    let basis = &released.decision().basis;
                    let named = basis.iter().find(|b| b.starts_with("relationship ")).unwrap();
                    let id = related.id;
                    let begins = format!("relationship {} {id} since 2026-11-01", kind.code());
                    assert!(named.starts_with(&begins), "{named}");
                    assert!(named.ends_with("set by the hospital") && named.contains(" until "));
                }
                Err(refused) => {
                    assert_eq!(refused.decision.rule, Rule::NoRelationship);
                    assert!(refused.may_be_told);
                    let rule = "relationship rule clinicians".to_owned();
                    assert_eq!(refused.decision.basis, [rule]);
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_relationship_of_the_caller_does_not_count() {
    let now = "2026-11-10T12:00:00Z".parse().unwrap();
    let person = |organisation: &str, user_id: &str| Carer::Person {
        organisation: organisation.parse().unwrap(),
        user_id: user_id.to_owned(),
    };
    let own = clinician("ZEX02", "R8001");
    let cases = [
        (Carer::Organisation("ZEX01".parse().unwrap()), false),
        (person("ZEX02", "somebody else"), false),
        (person("ZEX01", own.id()), false),
        (person("ZEX02", own.id()), true),
    ];
    for (with, opens) in cases {
        let related = Relationship { with, ..relationship(RelationshipKind::Claim, None) };
        let view = view(vec![related.clone()], now).await.unwrap();
        assert_eq!(view.release(letter()).is_ok(), opens, "{:?}", related.with);
    }
    let wrong = Relationship {
        status: RelationshipStatus::EnteredInError,
        ..relationship(RelationshipKind::Encounter, None)
    };
    assert!(view(vec![wrong], now).await.unwrap().release(letter()).is_err());
}

/// An id is one of its issuer: the portal's is ours, that of an assertion is not.
#[test]
fn a_person_is_known_by_the_own_provider_only() {
    let Caller::User(user) = clinician("ZEX02", "R8001") else { panic!("a person") };
    let carer =
        Carer::Person { organisation: user.organisation.clone(), user_id: user.user_id.clone() };
    let mut foreign = asserted();
    foreign.system.rights = vec![Right::Query, Right::Retrieve];
    let mut ours = asserted();
    ours.system.rights = vec![Right::Retrieve, Right::Delegate];
    for (asserted, meant) in [(None, true), (Some(foreign), false), (Some(ours), true)] {
        let asserted = asserted.map(Box::new);
        let caller = Caller::User(Box::new(UserCaller { asserted, ..(*user).clone() }));
        assert_eq!(carer.is(&caller), meant);
        let organisation = Carer::Organisation(user.organisation.clone());
        assert!(organisation.is(&caller), "of the organisation all the same");
    }
}

/// A fact that cannot be had is a no, and so is one that nobody was connected to.
#[tokio::test]
async fn without_the_facts_nothing_opens() {
    let now = "2026-11-10T12:00:00Z".parse().unwrap();
    let access = |facts: Option<Facts>| {
        let policy = Arc::new(policy_with(RULES));
        let access =
            AccessDecisions::new(policy, Arc::new(Fixtures(Vec::new())), Arc::new(At(now)));
        match facts {
            Some(facts) => access.with_relationships(Arc::new(facts)),
            None => access,
        }
    };
    let caller = clinician("ZEX02", "R8001");
    let silent = Facts { found: Mutex::new(None) };
    for access in [access(None), access(Some(silent))] {
        let opened = access.open(&caller, Purpose::DirectCare, Right::Query, patient()).await;
        assert_eq!(opened.err().unwrap().decision.rule, Rule::FactsUnavailable);
        // Who needs none is not asked for one.
        let other = clinician("ZEX01", "R8000");
        assert!(access.open(&other, Purpose::DirectCare, Right::Query, patient()).await.is_ok());
    }
}

#[test]
fn claims_have_a_role_and_an_end() {
    let policy = Arc::new(policy_with(RULES));
    let now = "2026-11-10T12:00:00Z".parse().unwrap();
    let access = AccessDecisions::new(policy, Arc::new(Fixtures(Vec::new())), Arc::new(At(now)));
    let (nurse, doctor) = (clinician("ZEX02", "R8001"), clinician("ZEX01", "R8000"));

    let (_, rules) = access.may_claim(&nurse).unwrap();

    assert_eq!(rules.until(now, None), Some("2026-11-10T16:00:00Z".parse().unwrap()));
    assert_eq!(rules.until(now, Some(1)), Some("2026-11-10T13:00:00Z".parse().unwrap()));
    assert_eq!(rules.until(now, Some(0)), None);
    assert_eq!(rules.until(now, Some(5)), None);
    assert!(access.may_claim(&doctor).is_err());
    assert!(access.may_record_relationships(&nurse).is_err());
}

#[test]
fn rules_that_cannot_be_meant_are_refused() {
    for (wrong, why) in [
        ("[relationships]\ngrace_days = 400", "grace_days"),
        ("[relationships.claim]\nhours = 0", "hours"),
        ("[relationships.claim]\nhours = 169", "hours"),
        (
            "[[relationships.rule]]\nname = \"a\"\napplies_to = {}\nfrom = \"2026-02-01\"\n\
             until = \"2026-01-01\"",
            "ends before",
        ),
        (
            "[[relationships.rule]]\nname = \"a\"\napplies_to = {}\nfrom = \"2026-02-01\"\n\
             purposes = []",
            "no purpose",
        ),
        (
            "[[relationships.rule]]\nname = \"a\"\napplies_to = {}\nfrom = \"2026-02-01\"\n\
             kinds = [\"friend\"]",
            "friend",
        ),
    ] {
        let error = Policy::parse(wrong, "", &[]).err().unwrap().to_string();
        assert!(error.contains(why), "{wrong}: {error}");
    }
}

fn relationship(kind: RelationshipKind, until: Option<Timestamp>) -> Relationship {
    let since = "2026-11-01T08:00:00Z".parse().unwrap();
    Relationship {
        id: Uuid::from_u128(7),
        version: 1,
        patient: patient(),
        with: Carer::Organisation("ZEX02".parse().unwrap()),
        kind,
        status: RelationshipStatus::Active,
        since,
        until,
        set_by: "the hospital".to_owned(),
        source: "ITI-8 A01".to_owned(),
        evidence: Some("V1".to_owned()),
        reason: None,
        recorded_at: since,
        recorded_by: "feed".to_owned(),
    }
}

async fn view(found: Vec<Relationship>, now: Timestamp) -> Result<RecordView, Refused> {
    let policy = Arc::new(policy_with(RULES));
    let facts = Facts { found: Mutex::new(Some(found)) };
    AccessDecisions::new(policy, Arc::new(Fixtures(Vec::new())), Arc::new(At(now)))
        .with_relationships(Arc::new(facts))
        .open(&clinician("ZEX02", "R8001"), Purpose::DirectCare, Right::Query, patient())
        .await
}

/// The rules of the other tests, with these; nurses may claim.
fn policy_with(rules: &str) -> Policy {
    let access = ACCESS
        .replace("\"consent-missing\"]", "\"consent-missing\", \"no-relationship\"]")
        .replace("name = \"Nurse\"", "name = \"Nurse\"\nmay_claim_relationship = true");
    let access = format!("{access}{rules}");
    Policy::parse(&access, MODELS, &[("a.json".into(), AGREEMENT.into())]).unwrap()
}

/// `None` when they cannot be asked.
struct Facts {
    found: Mutex<Option<Vec<Relationship>>>,
}

#[async_trait]
impl Relationships for Facts {
    async fn relationships(&self, _: NhsNumber) -> Result<Vec<Relationship>, FactsUnavailable> {
        self.found.lock().unwrap().clone().ok_or_else(|| FactsUnavailable("silent".to_owned()))
    }
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

const RULES: &str = "
[relationships]
grace_days = 90

[relationships.claim]
hours = 4

[[relationships.rule]]
name = \"clinicians\"
applies_to = { organisation = [\"ZEX02\"] }
from = \"2026-01-01\"
";
