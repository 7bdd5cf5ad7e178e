//! Searches of the patient index.

use carerecord_model::{
    DateSpan, FoundPatients, Gender, NamePattern, Oid, Patient, PatientId, PatientSearch,
};
use carerecord_testkit::submission::{OTHER_PATIENT, PATIENT};

use crate::feed::{adt, merge};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        people_are_found_by_name_and_birth_date,
        names_to_the_letter_are_told_from_others,
        people_are_found_by_postcode_but_not_who_is_restricted,
        searches_follow_what_is_told_of_a_person,
        identifiers_and_domains_choose_people,
        who_is_merged_is_found_as_the_survivor,
        of_a_restricted_person_no_search_tells_an_organisation,
        nobody_in_particular_is_not_searched_for,
        more_people_than_can_be_shown_are_not_all_shown,
        people_known_before_are_indexed_and_until_then_missed,
    );
}

const LOCAL: &str = "H7^^^&2.999.1&ISO";

async fn put(world: &World, number: &str, family: &str, given: &[&str], born: &str, of: Gender) {
    let mut person = Patient::from_number(number.parse().unwrap());
    person.family_name = Some(family.into());
    person.given_names = given.iter().map(|&name| name.into()).collect();
    person.birth_date = Some(born.parse().unwrap());
    person.gender = of;
    world.registry.put_patient(&world.caller, person).await.unwrap();
}

async fn three(world: &World) {
    put(world, "9990001006", "O'Neill", &["Zoë", "Ada"], "1945-07-14", Gender::Female).await;
    put(world, "9990001014", "Oneill", &["Zack"], "1945-07-15", Gender::Male).await;
    put(world, "9990001022", "Neill", &["Adam"], "1950-01-01", Gender::Male).await;
}

async fn find(world: &World, search: &PatientSearch) -> FoundPatients {
    world.registry.find_patients(&world.caller, search).await.unwrap().into_value()
}

async fn numbers(world: &World, search: &PatientSearch) -> Vec<String> {
    let found = find(world, search).await;
    assert!(!found.too_many && !found.incomplete);
    found.people.iter().map(|p| p.patient.nhs_number.digits()).collect()
}

fn family(name: &str) -> PatientSearch {
    let family = vec![vec![NamePattern::prefix(name)]];
    PatientSearch { family, ..PatientSearch::default() }
}

fn given(name: &str) -> PatientSearch {
    let given = vec![vec![NamePattern::prefix(name)]];
    PatientSearch { given, ..PatientSearch::default() }
}

fn by(id: &str) -> PatientSearch {
    let identifiers = vec![vec![id.parse::<PatientId>().unwrap()]];
    PatientSearch { identifiers, ..PatientSearch::default() }
}

fn oid(text: &str) -> Oid {
    text.parse().unwrap()
}

const A: &str = "9990001006";
const B: &str = "9990001014";
const C: &str = "9990001022";

pub async fn people_are_found_by_name_and_birth_date(world: &World) {
    three(world).await;
    let days = |from, to| vec![vec![DateSpan { from, to }]];
    let with = |base: PatientSearch, change: &dyn Fn(&mut PatientSearch)| {
        let mut search = base;
        change(&mut search);
        search
    };
    for (search, expected) in [
        (family("ONEI"), vec![A, B]),
        (family("o neill"), vec![A, B]),
        (family("nei"), vec![C]),
        (family("neillx"), vec![]),
        (given("ada"), vec![A, C]),
        (given("zoe"), vec![A]),
        (with(given("ada"), &|s| s.family = family("on").family), vec![A]),
        (with(family("o"), &|s| s.gender = vec![vec![Gender::Male]]), vec![B]),
        (with(family("o"), &|s| s.birth_date = days(19_450_714, 19_450_714)), vec![A]),
        (
            with(PatientSearch::default(), &|s| s.birth_date = days(19_450_701, 19_450_731)),
            vec![A, B],
        ),
        (with(given("z"), &|s| s.given.push(vec![NamePattern::prefix("ad")])), vec![A]),
        (with(family("nei"), &|s| s.family[0].push(NamePattern::prefix("one"))), vec![A, B, C]),
    ] {
        assert_eq!(numbers(world, &search).await, expected);
    }
}

pub async fn names_to_the_letter_are_told_from_others(world: &World) {
    three(world).await;
    let exact = |text: &str| vec![vec![NamePattern { text: text.into(), exact: true }]];

    let mut search = PatientSearch { family: exact("Oneill"), ..PatientSearch::default() };
    assert_eq!(numbers(world, &search).await, [B]);
    search.family = exact("O'Neill");
    assert_eq!(numbers(world, &search).await, [A]);
    search.family = exact("O'N");
    assert_eq!(numbers(world, &search).await, [""; 0]);
    let search = PatientSearch { given: exact("Ada"), ..PatientSearch::default() };
    assert_eq!(numbers(world, &search).await, [A]);
    let search = PatientSearch { given: exact("ada"), ..PatientSearch::default() };
    assert_eq!(numbers(world, &search).await, [""; 0]);
}

pub async fn people_are_found_by_postcode_but_not_who_is_restricted(world: &World) {
    three(world).await;
    let home = "|19450714|F|||1 High Street^^Exampleton^^xx11xx^^H";
    let lives = |pid: &str, more: &str| adt("A31", pid, more).replace("|19450714|F", home);
    assert_eq!(world.feed(&lives(PATIENT, "")).await, "AA");
    let at = |text: &str, exact| PatientSearch {
        postcode: vec![vec![NamePattern { text: text.into(), exact }]],
        ..PatientSearch::default()
    };

    for (search, expected) in [
        (at("XX1 1XX", true), vec![A]),
        (at("xx1", false), vec![A]),
        (at("XX1", true), vec![]),
        (at("XX2", false), vec![]),
        (PatientSearch { family: family("smith").family, ..at("xx1", false) }, vec![]),
        (PatientSearch { family: family("okafor").family, ..at("xx1", false) }, vec![A]),
    ] {
        assert_eq!(numbers(world, &search).await, expected);
    }
    let found = find(world, &at("xx1", false)).await;
    assert_eq!(found.people[0].patient.postcode.as_deref(), Some("XX1 1XX"));

    // Also under the number that somebody restricted was merged into.
    assert_eq!(world.feed(&adt("A31", OTHER_PATIENT, "PD1||||||||||||Y\r")).await, "AA");
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(numbers(world, &at("xx1", false)).await, [""; 0]);
    let found = find(world, &family("okafor")).await;
    assert!(found.people[0].patient.restricted && found.people[0].patient.postcode.is_none());
    let known = world.registry.patient(&world.caller, A.parse().unwrap()).await.unwrap();
    assert_eq!(known.into_value().unwrap().postcode, None);

    assert_eq!(world.feed(&lives("9990001022^^^NHS", "PD1||||||||||||Y\r")).await, "AA");
    assert_eq!(numbers(world, &at("xx1", false)).await, [""; 0]);
    assert_eq!(
        world
            .number(
                "SELECT count(*) FROM patient_search WHERE postcode_key IS NOT NULL \
        AND family_key = 'okafor'"
            )
            .await,
        1,
        "only of who was not restricted"
    );
}

pub async fn searches_follow_what_is_told_of_a_person(world: &World) {
    three(world).await;

    put(world, A, "Okafor", &["Ada"], "1945-07-14", Gender::Female).await;

    assert_eq!(numbers(world, &family("oneill")).await, [B]);
    assert_eq!(numbers(world, &given("zoe")).await, [""; 0]);
    assert_eq!(world.feed(&adt("A08", "9990001022^^^NHS", "")).await, "AA");
    assert_eq!(numbers(world, &family("okafor")).await, [A, C]);
}

pub async fn identifiers_and_domains_choose_people(world: &World) {
    three(world).await;
    assert_eq!(world.feed(&adt("A31", &format!("{LOCAL}~{PATIENT}"), "")).await, "AA");

    assert_eq!(numbers(world, &by(LOCAL)).await, [A]);
    let found = find(world, &by(LOCAL)).await;
    assert_eq!(found.people[0].identifiers.len(), 2);
    let mut other = by(LOCAL);
    other.identifiers.push(vec![OTHER_PATIENT.parse().unwrap()]);
    assert_eq!(numbers(world, &other).await, [""; 0], "both are asked for");
    other.identifiers = vec![vec![LOCAL.parse().unwrap(), OTHER_PATIENT.parse().unwrap()]];
    assert_eq!(numbers(world, &other).await, [A, B], "either is asked for");
    other.domains = vec![vec![oid("2.999.1")]];
    assert_eq!(numbers(world, &other).await, [A]);
    other.domains = vec![vec![oid("2.999.9"), oid("2.999.1")]];
    assert_eq!(find(world, &other).await.unknown_domains, [oid("2.999.9")]);
    let mut wrong_name = by(LOCAL);
    wrong_name.family = family("Smith").family;
    assert_eq!(numbers(world, &wrong_name).await, [""; 0]);
}

pub async fn who_is_merged_is_found_as_the_survivor(world: &World) {
    three(world).await;
    assert_eq!(world.feed(&merge(OTHER_PATIENT, PATIENT)).await, "AA");

    for search in [by(PATIENT), by(OTHER_PATIENT), family("oneill"), given("zoe")] {
        assert_eq!(numbers(world, &search).await, [B]);
    }
    let found = find(world, &given("zoe")).await;
    assert_eq!(found.people[0].patient.given_names, ["Zack"], "as the survivor is known");
    assert_eq!(found.people[0].identifiers.len(), 2);
}

pub async fn of_a_restricted_person_no_search_tells_an_organisation(world: &World) {
    three(world).await;
    let pd1 = "PD1||||||||||||Y\r";
    assert_eq!(world.feed(&adt("A31", &format!("{LOCAL}~{PATIENT}"), pd1)).await, "AA");

    let found = find(world, &family("okafor")).await;
    assert!(found.people[0].patient.restricted);
    assert_eq!(found.people[0].identifiers, [PATIENT.parse().unwrap()]);
    let mut search = family("okafor");
    search.domains = vec![vec![oid("2.999.1")]];
    assert_eq!(numbers(world, &search).await, [""; 0]);

    assert_eq!(world.feed(&merge(OTHER_PATIENT, PATIENT)).await, "AA");
    let found = find(world, &by(OTHER_PATIENT)).await;
    assert!(found.people[0].patient.restricted);
    assert!(found.people[0].identifiers.iter().all(|id| id.nhs_number().is_some()));
}

pub async fn nobody_in_particular_is_not_searched_for(world: &World) {
    three(world).await;
    let gender = vec![vec![Gender::Female]];
    let domains = vec![vec![oid("2.16.840.1.113883.2.1.4.1")]];
    let search = PatientSearch { gender, domains, ..PatientSearch::default() };

    for search in [PatientSearch::default(), search, family(" - ")] {
        let found = find(world, &search).await;
        assert!(found.too_many && found.people.is_empty());
    }
}

pub async fn more_people_than_can_be_shown_are_not_all_shown(world: &World) {
    let numbers = (999_000_200..).filter_map(|n: u64| {
        (0..10).find_map(|check| format!("{n}{check}").parse::<carerecord_model::NhsNumber>().ok())
    });
    for number in numbers.take(51) {
        put(world, &number.digits(), "Smith", &["Al"], "1970-01-01", Gender::Other).await;
    }

    for search in [family("smith"), given("al")] {
        let found = find(world, &search).await;
        assert!(found.too_many);
        assert_eq!(found.people.len(), PatientSearch::MOST);
    }
}

pub async fn people_known_before_are_indexed_and_until_then_missed(world: &World) {
    three(world).await;
    world.run("DELETE FROM patient_search").await;
    world.run("DELETE FROM patient_given_name").await;
    world.run("INSERT INTO patient_search_gap VALUES (-1)").await;
    assert!(find(world, &family("neill")).await.incomplete);
    assert_eq!(numbers(world, &by(PATIENT)).await, [A], "identifiers need no names");

    world.registry.store().complete_patient_index().await.unwrap();

    assert_eq!(numbers(world, &family("o")).await, [A, B]);
    assert_eq!(numbers(world, &given("adam")).await, [C]);
    assert_eq!(world.number("SELECT count(*) FROM patient_search_gap").await, 0);
}
