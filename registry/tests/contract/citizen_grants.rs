//! Which citizens may see whose record: kept with every version, for every number of a person.

use carerecord_access::{
    Caller, CitizenGrant, CitizenGrantKind, ConsentStoreError, ProxyBasis, RelationshipStatus,
    Right, SystemCaller,
};
use carerecord_model::NhsNumber;
use carerecord_testkit::submission::{OTHER_PATIENT, PATIENT};
use jiff::Timestamp;
use uuid::Uuid;

use crate::feed::{merge, unlink};
use crate::support::World;

mod tests {
    crate::on_both_databases!(grants_are_kept_with_their_versions, grants_follow_merges);
}

pub async fn grants_are_kept_with_their_versions(world: &World) {
    let first = grant("9990001006", 1);
    let put =
        async |g: &CitizenGrant| world.registry.put_citizen_grant(&world.caller, g.clone()).await;
    put(&first).await.unwrap();
    assert!(matches!(put(&first).await, Err(ConsentStoreError::Conflict)));
    let ended = CitizenGrant { version: 2, until: Some(first.since), ..first.clone() };
    put(&ended).await.unwrap();

    assert_eq!(known(world, "9990001006").await, std::slice::from_ref(&ended));
    let one = world.registry.citizen_grant_by_id(&world.caller, first.id).await.unwrap();
    assert_eq!(one.into_value(), Some(ended));
    assert_eq!(world.number("SELECT count(*) FROM citizen_grant").await, 2, "every version");
    let to = async |number: &str| {
        let found = world.registry.citizen_grants_to(&world.caller, number.parse().unwrap()).await;
        found.unwrap().into_value()
    };
    assert_eq!(to("9990001022").await, known(world, "9990001006").await, "the newest version");
    assert!(to("9990001006").await.is_empty(), "the patient is no proxy");
    let stranger = Caller::System(SystemCaller {
        name: "epr".into(),
        organisation: "ZEX01".parse().unwrap(),
        rights: vec![Right::Query, Right::Publish],
        known_by: "test",
    });
    let number = "9990001006".parse().unwrap();
    assert!(world.registry.citizen_grants_of(&stranger, number).await.is_err());
    assert!(world.registry.citizen_grants_to(&stranger, number).await.is_err());
    assert!(world.registry.put_citizen_grant(&stranger, grant("9990001006", 2)).await.is_err());
}

pub async fn grants_follow_merges(world: &World) {
    for (n, number) in ["9990001006", "9990001014"].into_iter().enumerate() {
        let grant = grant(number, n as u128 + 1);
        world.registry.put_citizen_grant(&world.caller, grant).await.unwrap();
    }
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    for number in ["9990001006", "9990001014"] {
        let found = known(world, number).await;
        assert_eq!(found.len(), 2, "{number}");
        assert!(found.iter().all(|g| g.patient.digits() == number), "{number}");
    }
    assert_eq!(world.feed(&unlink(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(known(world, "9990001014").await.len(), 1);
}

async fn known(world: &World, number: &str) -> Vec<CitizenGrant> {
    let number: NhsNumber = number.parse().unwrap();
    world.registry.citizen_grants_of(&world.caller, number).await.unwrap().into_value()
}

fn grant(patient: &str, id: u128) -> CitizenGrant {
    let since: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    CitizenGrant {
        id: Uuid::from_u128(id),
        version: 1,
        patient: patient.parse().unwrap(),
        kind: CitizenGrantKind::Proxy {
            delegate: "9990001022".parse().unwrap(),
            basis: ProxyBasis::Parental,
        },
        status: RelationshipStatus::Active,
        since,
        until: None,
        organisation: "A20047".parse().unwrap(),
        evidence: None,
        recorded_at: since,
        recorded_by: "555021900100".to_owned(),
    }
}
