//! Callers who ask about one patient only, as apps do for people: of others they learn nothing, not even
//! whether there are any.

use carerecord_access::{
    Asserted, AssertedPatient, Assurance, Caller, Purpose, Right, Rule, SystemCaller, UserCaller,
};
use carerecord_fhir::{MatchRequest, PeopleSearch, pairs};

use super::*;
use crate::people::LeftOut;

const OTHER: &str = "9990001049";
const PURPOSE: Purpose = Purpose::DirectCare;

#[tokio::test]
async fn a_read_and_a_cross_reference_of_another_are_of_nobody() {
    let client = Client::of(registry(), Some(smith())).await;
    let (own, other) = (about(NUMBER), about(OTHER));
    for (caller, number, found, refused) in [
        (&own, NUMBER, true, false),
        (&other, NUMBER, false, true),
        (&other, OTHER, false, false),
        (&own, OTHER, false, false),
    ] {
        let number: NhsNumber = number.parse().unwrap();
        let id = PatientId::from_nhs_number(number);

        let read = client.portal.known_person(caller, PURPOSE, number).await.unwrap();
        let ids = client.portal.cross_reference(caller, PURPOSE, &id).await.unwrap();

        assert_eq!(read.released.value().is_some(), found);
        assert_eq!(ids.released.value().person.is_some(), found);
        for left_out in [read.left_out, ids.left_out] {
            assert_eq!(refusal(&left_out), refused.then_some(Rule::OtherPatient));
            assert_eq!(left_out.people.len(), usize::from(refused));
        }
    }
}

/// There are too many Smiths to show, of whom one is the index's.
#[tokio::test]
async fn of_many_people_the_own_one_is_found_and_nobody_else() {
    let client = Client::of(registry(), Some(smith())).await;
    let asked = pairs("family=Smith&birthdate=1970-01-01");
    let search = PeopleSearch::parse(&asked, true).unwrap().search;
    let told = MatchRequest::read(&json!({
        "resourceType": "Patient", "name": [{"family": "Smith"}], "birthDate": "1970-01-01",
    }))
    .unwrap();
    for (caller, many, people, refused) in [
        (anybody(), true, 1, false),
        (about(NUMBER), false, 1, false),
        (about(OTHER), false, 0, true),
    ] {
        let found = client.portal.find_patients(&caller, PURPOSE, &search).await.unwrap();
        let matched = client.portal.match_patients(&caller, PURPOSE, &told).await.unwrap();

        let value = found.released.value();
        assert_eq!((value.too_many, value.people.len()), (many, people));
        let value = matched.released.value();
        // Of a crowd that is not told apart nobody is compared.
        let people = if many { 0 } else { people };
        assert_eq!((value.too_many, value.people.len()), (many, people));
        for left_out in [found.left_out, matched.left_out] {
            assert_eq!(refusal(&left_out), refused.then_some(Rule::OtherPatient));
        }
    }
}

fn refusal(left_out: &LeftOut) -> Option<Rule> {
    left_out.refused.as_ref().map(|refused| refused.decision.rule)
}

fn smith() -> Patient {
    let mut smith = person();
    smith.family_name = Some("Smith".into());
    smith.birth_date = Some("1970-01-01".parse().unwrap());
    smith
}

fn about(number: &str) -> Caller {
    let Caller::User(mut user) = anybody() else { unreachable!() };
    user.asserted = Some(Box::new(Asserted {
        issuer: ISSUER.to_owned(),
        assertion_id: "1".to_owned(),
        alias: None,
        purpose: Some(PURPOSE),
        patient: AssertedPatient::Only(number.parse().unwrap()),
        organisation_name: None,
        home_community_id: None,
        identifiers: Vec::new(),
        consent: Vec::new(),
        opened: None,
        system: SystemCaller {
            name: "app".to_owned(),
            organisation: "ZEX01".parse().unwrap(),
            rights: vec![Right::Query],
            known_by: "token",
        },
    }));
    Caller::User(user)
}

fn anybody() -> Caller {
    Caller::User(Box::new(UserCaller {
        user_id: "555021900100".to_owned(),
        name: "Wren Tomasz Dr".to_owned(),
        organisation: "ZEX01".parse().unwrap(),
        role: "R8000".to_owned(),
        role_profile_id: "1".to_owned(),
        activities: Vec::new(),
        assurance: Assurance::Aal3,
        client_id: "test".to_owned(),
        session_id: None,
        asserted: None,
    }))
}
