//! Who cares for whom: what the feed tells, what is recorded, and what it opens and for how long.

use std::sync::Arc;

use carerecord_access::{
    AccessDecisions, Assurance, Caller, CaredForQuestion, Carer, ConsentStoreError, Policy,
    Purpose, Relationship, RelationshipKind, RelationshipStatus, Right, Rule, UserCaller,
};
use carerecord_model::{Clock, NhsNumber};
use carerecord_testkit::submission::{OTHER_PATIENT, PATIENT};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::feed::{adt, merge, unlink};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        the_feed_tells_of_admissions_and_their_ends,
        who_comes_for_the_day_may_be_admitted,
        a_visit_that_is_called_off_never_was,
        a_person_is_registered_with_one_practice,
        what_the_rules_do_not_know_is_not_kept,
        relationships_of_either_number_count_for_both,
        versions_follow_each_other,
        an_admission_opens_the_record_until_days_after_its_end,
        whom_an_organisation_cares_for_is_listed_in_pages,
        a_version_that_an_earlier_release_wrote_counts_in_the_list,
    );
}

const NHS: &str = "9990001006^^^NHS";

pub async fn the_feed_tells_of_admissions_and_their_ends(world: &World) {
    let visit = |admitted: &str, discharged: &str| pv1("V1^^^PAS", "ZEX01", admitted, discharged);
    let admitted = "2026-11-20T09:30:00Z".parse().unwrap();
    for _ in 0..2 {
        let message = adt("A01", NHS, &visit("20261120093000+0000", ""));
        assert_eq!(world.feed(&message).await, "AA");

        let [stay] = <[Relationship; 1]>::try_from(known(world).await).unwrap();
        assert_eq!(stay.kind, RelationshipKind::Encounter);
        assert_eq!(stay.with, Carer::Organisation("ZEX01".parse().unwrap()));
        assert_eq!((stay.since, stay.until, stay.version), (admitted, None, 1), "once");
        assert_eq!(stay.evidence.as_deref(), Some("V1^^^PAS"));
        assert_eq!(
            (stay.set_by.as_str(), stay.source.as_str()),
            ("Example Valley ICB", "ITI-8 A01")
        );
        assert_eq!(stay.recorded_by, "test");
    }

    // By the clocks of summer.
    let end = adt("A03", NHS, &visit("", "202706011200"));
    for _ in 0..2 {
        assert_eq!(world.feed(&end).await, "AA");
        let stay = known(world).await.remove(0);
        assert_eq!(stay.until, Some("2027-06-01T11:00:00Z".parse().unwrap()));
        assert_eq!((stay.since, stay.version), (admitted, 2));
    }
    assert_eq!(world.feed(&adt("A01", NHS, &visit("20261120093000+0000", ""))).await, "AA");
    assert!(known(world).await[0].until.is_some(), "what comes late undoes nothing");

    assert_eq!(world.feed(&adt("A13", NHS, &visit("", ""))).await, "AA");
    assert_eq!(known(world).await[0].until, None);
    assert_eq!(world.number("SELECT count(*) FROM relationship").await, 3, "every version");

    // An end of which nobody has told the beginning.
    let other = pv1("V2^^^PAS", "ZEX02", "", "20261101");
    assert_eq!(world.feed(&adt("A03", NHS, &other)).await, "AA");
    let all = known(world).await;
    let other = all.iter().find(|r| r.with.organisation().as_str() == "ZEX02").unwrap();
    assert_eq!(other.until, Some("2026-11-01T00:00:00Z".parse().unwrap()));
    assert_eq!(other.since, other.until.unwrap());
}

pub async fn who_comes_for_the_day_may_be_admitted(world: &World) {
    let attended: Timestamp = "2026-11-20T09:30:00Z".parse().unwrap();
    let visit = pv1("V1", "ZEX01", "20261120093000+0000", "");
    assert_eq!(world.feed(&adt("A04", NHS, &visit)).await, "AA");
    let stay = known(world).await.remove(0);
    assert_eq!((stay.since, stay.until), (attended, Some(attended)));

    assert_eq!(world.feed(&adt("A01", NHS, &visit)).await, "AA");
    let stay = known(world).await.remove(0);
    assert_eq!((stay.since, stay.until, stay.version), (attended, None, 2));
}

pub async fn a_visit_that_is_called_off_never_was(world: &World) {
    let visit = pv1("V1", "ZEX01", "20261120093000+0000", "");
    assert_eq!(world.feed(&adt("A01", NHS, &visit)).await, "AA");
    assert_eq!(world.feed(&adt("A11", NHS, &visit)).await, "AA");
    assert_eq!(known(world).await[0].status, RelationshipStatus::EnteredInError);

    assert_eq!(world.feed(&adt("A01", NHS, &visit)).await, "AA");
    let stay = known(world).await.remove(0);
    assert_eq!((stay.status, stay.until), (RelationshipStatus::Active, None));
    let unknown = pv1("V9", "ZEX01", "", "");
    assert_eq!(world.feed(&adt("A11", NHS, &unknown)).await, "AA");
    assert_eq!(world.feed(&adt("A13", NHS, &unknown)).await, "AA");
    assert_eq!(known(world).await.len(), 1);
}

pub async fn a_person_is_registered_with_one_practice(world: &World) {
    let practice = |code: &str| format!("PD1|||A practice^^{code}\r");
    let open = async || {
        let all = known(world).await;
        let open = all.into_iter().filter(|r| r.until.is_none());
        open.map(|r| (r.kind.code(), r.with.organisation().to_string())).collect::<Vec<_>>()
    };
    let registered = |code: &str| vec![("registration", code.to_owned())];
    for _ in 0..2 {
        assert_eq!(world.feed(&adt("A31", NHS, &practice("A20047"))).await, "AA");
        assert_eq!(open().await, registered("A20047"));
    }
    assert_eq!(world.feed(&adt("A08", NHS, &practice("ZEX02"))).await, "AA");
    assert_eq!(open().await, registered("ZEX02"));
    assert_eq!(known(world).await.len(), 2, "the former one has ended");
    assert_eq!(world.feed(&adt("A08", NHS, "PD1|||\r")).await, "AA");
    assert_eq!(open().await, registered("ZEX02"), "nothing is told");
    assert_eq!(world.feed(&adt("A08", NHS, "PD1|||\"\"\r")).await, "AA");
    assert!(open().await.is_empty());
}

pub async fn what_the_rules_do_not_know_is_not_kept(world: &World) {
    for more in [
        pv1("V1", "RZZ99", "20261120093000+0000", ""),
        pv1("V1", "", "20261120093000+0000", ""),
        "PD1|||A practice^^Y99999\r".to_owned(),
        "PD1|||A practice^^?\r".to_owned(),
    ] {
        assert_eq!(world.feed(&adt("A01", NHS, &more)).await, "AA", "{more}");
        assert!(known(world).await.is_empty(), "{more}");
    }
}

pub async fn relationships_of_either_number_count_for_both(world: &World) {
    let visit = |id: &str| pv1(id, "ZEX01", "20261120093000+0000", "");
    assert_eq!(world.feed(&adt("A01", PATIENT, &visit("V1"))).await, "AA");
    assert_eq!(world.feed(&adt("A01", OTHER_PATIENT, &visit("V2"))).await, "AA");
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");

    for number in ["9990001006", "9990001014"] {
        let found = known_of(world, number).await;
        assert_eq!(found.len(), 2, "{number}");
        assert!(found.iter().all(|r| r.patient.digits() == number), "{number}");
    }
    assert_eq!(world.feed(&unlink(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(known_of(world, "9990001014").await.len(), 1);
}

pub async fn versions_follow_each_other(world: &World) {
    let first = claim(now());
    let put =
        async |r: &Relationship| world.registry.put_relationship(&world.caller, r.clone()).await;
    put(&first).await.unwrap();
    assert!(matches!(put(&first).await, Err(ConsentStoreError::Conflict)));

    let second = Relationship { version: 2, until: Some(first.since), ..first.clone() };
    put(&second).await.unwrap();

    assert_eq!(known(world).await, std::slice::from_ref(&second));
    let one = world.registry.relationship_by_id(&world.caller, first.id).await.unwrap();
    assert_eq!(one.into_value(), Some(second));
    let stranger = Caller::System(carerecord_access::SystemCaller {
        name: "epr".into(),
        organisation: "ZEX01".parse().unwrap(),
        rights: vec![Right::Query, Right::Publish],
        known_by: "test",
    });
    let number = "9990001006".parse().unwrap();
    assert!(world.registry.relationships_of(&stranger, number).await.is_err());
    assert!(world.registry.put_relationship(&stranger, claim(now())).await.is_err());
}

/// The decision, with the facts of the store and a clock that moves.
pub async fn an_admission_opens_the_record_until_days_after_its_end(world: &World) {
    let visit = pv1("V1", "ZEX01", "20261120093000+0000", "");
    assert_eq!(world.feed(&adt("A01", NHS, &visit)).await, "AA");
    let end = pv1("V1", "ZEX01", "", "20261125120000+0000");
    assert_eq!(world.feed(&adt("A03", NHS, &end)).await, "AA");
    let ended: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let grace = SignedDuration::from_hours(24 * 30);
    for (at, organisation, open) in [
        ("2026-11-20T09:29:59Z".parse().unwrap(), "ZEX01", false),
        ("2026-11-20T09:30:00Z".parse().unwrap(), "ZEX01", true),
        (ended + grace, "ZEX01", true),
        (ended + grace + SignedDuration::from_secs(1), "ZEX01", false),
        (ended, "ZEX02", false),
    ] {
        let store = Arc::new(world.registry.store().clone());
        let access = AccessDecisions::new(Arc::new(rules()), store.clone(), Arc::new(At(at)))
            .with_relationships(store);
        let caller = clinician(organisation);
        let number = "9990001006".parse().unwrap();
        let view = access.open(&caller, Purpose::DirectCare, Right::Query, number).await.unwrap();

        let closed = view.closed().map(|refused| refused.decision.rule);

        let expected = (!open).then_some(Rule::NoRelationship);
        assert_eq!(closed, expected, "{organisation} at {at}");
    }
}

/// Of everybody there and of the one person, what has begun and not ended; in the same order from
/// what the migration makes of relationships that were there before.
pub async fn whom_an_organisation_cares_for_is_listed_in_pages(world: &World) {
    let day = |n: i64| now() - SignedDuration::from_hours(24 * n);
    let (trust, other) = ("ZEX01", "ZEX02");
    let all_of = |code: &str| Carer::Organisation(code.parse().unwrap());
    let one = |user: &str| Carer::Person {
        organisation: trust.parse().unwrap(),
        user_id: user.to_owned(),
    };
    let of = |n: u128, with: Carer, since: Timestamp, until: Option<Timestamp>| Relationship {
        id: Uuid::from_u128(n),
        with,
        kind: RelationshipKind::Caseload,
        since,
        until,
        ..claim(now())
    };
    for relationship in [
        of(1, all_of(trust), day(3), None),
        of(2, one("555021935107"), day(2), Some(day(-1))),
        // Begun at the same moment: the id decides.
        of(3, all_of(trust), day(2), Some(now())),
        of(4, one("555021935999"), day(1), None),
        of(5, all_of(other), day(1), None),
        of(6, all_of(trust), day(9), Some(day(1))),
        of(7, all_of(trust), day(-1), None),
        of(8, all_of(trust), day(1), None),
    ] {
        world.registry.put_relationship(&world.caller, relationship).await.unwrap();
    }
    let wrong = Relationship {
        version: 2,
        status: RelationshipStatus::EnteredInError,
        ..of(8, all_of(trust), day(1), None)
    };
    world.registry.put_relationship(&world.caller, wrong).await.unwrap();
    world.note_states().await;

    for made_anew in [false, true] {
        if made_anew {
            world.run("DELETE FROM relationship_carer").await;
            let migration = if world.is_postgres().await { POSTGRES } else { SQLITE };
            let mut statements = migration.split(';').map(str::trim);
            world.run(statements.find(|s| s.starts_with("INSERT")).unwrap()).await;
        }
        assert_eq!(pages(world, 2).await, [(3, vec![3, 2]), (3, vec![1])], "{made_anew}");
        assert_eq!(pages(world, 3).await, [(3, vec![3, 2, 1])], "{made_anew}");
        assert_eq!(pages(world, 0).await, [(3, vec![])], "{made_anew}");
    }
}

/// A copy that has not been upgraded yet tells the end of a relationship in its versions only.
pub async fn a_version_that_an_earlier_release_wrote_counts_in_the_list(world: &World) {
    for id in [41, 42] {
        let relationship = Relationship { id: Uuid::from_u128(id), ..claim(now()) };
        world.registry.put_relationship(&world.caller, relationship).await.unwrap();
    }
    assert_eq!(pages(world, 5).await, [(2, vec![42, 41])]);

    world.run(NEWER_VERSION_OF_ONE).await;

    assert_eq!(pages(world, 5).await, [(1, vec![41])]);
    let next = Relationship { id: Uuid::from_u128(42), version: 3, ..claim(now()) };
    world.registry.put_relationship(&world.caller, next).await.unwrap();
    assert_eq!(pages(world, 5).await, [(2, vec![42, 41])], "told again by a copy that tells");
    world.note_states().await;
}

/// As such a copy does: nothing goes to `relationship_carer`.
const NEWER_VERSION_OF_ONE: &str = "
    INSERT INTO relationship
    SELECT id, version + 1, nhs_number, recorded_at, replace(record, 'active', 'entered-in-error')
    FROM relationship ORDER BY id DESC LIMIT 1";

const POSTGRES: &str = include_str!("../../../migrations/postgres/0044_relationship_carer.sql");
const SQLITE: &str = include_str!("../../../migrations/sqlite/0044_relationship_carer.sql");

/// Total and ids of each page.
async fn pages(world: &World, most: u16) -> Vec<(u64, Vec<u128>)> {
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let question = CaredForQuestion {
            organisation: "ZEX01".parse().unwrap(),
            user_id: "555021935107".into(),
            now: now(),
            after,
            most,
        };
        let found = world.registry.cared_for(&world.caller, &question).await.unwrap().into_value();
        let ids = found.relationships.iter().map(|r| r.id.as_u128()).collect();
        pages.push((found.total, ids));
        match found.next {
            Some(next) => after = Some(next),
            None => return pages,
        }
    }
}

fn rules() -> Policy {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/carerecord/config/policy");
    let read = |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
    let access = format!(
        "{}\n[[relationships.rule]]\nname = \"trusts\"\n\
         applies_to = {{ org_role = [\"RO197\"] }}\nfrom = \"2026-01-01\"\n",
        read("access.toml").replace("grace_days = 90", "grace_days = 30")
    );
    Policy::parse(&access, &read("consent-models.toml"), &[]).unwrap()
}

fn clinician(organisation: &str) -> Caller {
    Caller::User(Box::new(UserCaller {
        user_id: "555021935107".into(),
        name: "Dr Test".into(),
        organisation: organisation.parse().unwrap(),
        role: "R8000".into(),
        role_profile_id: "555021935108".into(),
        activities: Vec::new(),
        assurance: Assurance::Aal3,
        client_id: "portal".into(),
        session_id: None,
        asserted: None,
    }))
}

fn claim(now: Timestamp) -> Relationship {
    Relationship {
        id: Uuid::from_u128(41),
        version: 1,
        patient: "9990001006".parse().unwrap(),
        with: Carer::Person {
            organisation: "ZEX01".parse().unwrap(),
            user_id: "555021935107".into(),
        },
        kind: RelationshipKind::Claim,
        status: RelationshipStatus::Active,
        since: now,
        until: Some(now + SignedDuration::from_hours(8)),
        set_by: "the person".into(),
        source: "claim".into(),
        evidence: None,
        reason: Some("on call for the ward tonight".into()),
        recorded_at: now,
        recorded_by: "555021935107".into(),
    }
}

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

async fn known(world: &World) -> Vec<Relationship> {
    known_of(world, "9990001006").await
}

async fn known_of(world: &World, number: &str) -> Vec<Relationship> {
    let number: NhsNumber = number.parse().unwrap();
    world.registry.relationships_of(&world.caller, number).await.unwrap().into_value()
}

/// A PV1 segment: visit number, facility of the ward, admitted, discharged.
fn pv1(visit: &str, facility: &str, admitted: &str, discharged: &str) -> String {
    let mut fields = vec![String::new(); 46];
    fields[0] = "PV1".into();
    fields[2] = "I".into();
    fields[3] = format!("WARD7^^^{facility}");
    fields[19] = visit.into();
    fields[44] = admitted.into();
    fields[45] = discharged.into();
    format!("{}\r", fields.join("|"))
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}
