//! Local identifiers: whom they lead to, and how that is undone.

use carerecord_testkit::submission::{OTHER_PATIENT, PATIENT};

use crate::feed::{adt, link, merge, unlink};
use crate::identity::{found, one_each};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        local_identifiers_lead_to_the_number,
        an_unlink_names_the_number_that_the_identifier_leads_to,
        a_merge_of_local_identifiers_can_be_undone,
        merges_of_local_identifiers_chain,
        a_merge_of_local_identifiers_needs_two_that_are_known_and_active,
        a_number_is_not_merged_into_a_local_identifier,
        a_link_that_replaced_another_gives_it_back,
        an_identifier_that_its_source_moved_is_not_given_back,
        an_identifier_is_let_go_from_a_person_that_was_merged,
        all_identifiers_of_a_person_are_told_over_merges,
    );
}

const ONE: &str = "H1^^^&2.999.1&ISO";
const TWO: &str = "H2^^^&2.999.1&ISO";
const THREE: &str = "H3^^^&2.999.1&ISO";

/// `ONE` leads to one person, `TWO` to the other.
async fn two_people(world: &World) {
    one_each(world).await;
    for (local, number) in [(ONE, PATIENT), (TWO, OTHER_PATIENT)] {
        assert_eq!(world.feed(&adt("A31", &format!("{local}~{number}"), "")).await, "AA");
    }
}

/// The number whose documents an identifier finds; empty without any.
async fn leads_to(world: &World, id: &str) -> String {
    let (_, patients) = found(world, id).await;
    patients.first().map(|p| p.id().to_owned()).unwrap_or_default()
}

/// ITI-83: by whichever identifier, everything that leads to the person.
pub async fn all_identifiers_of_a_person_are_told_over_merges(world: &World) {
    two_people(world).await;
    let ask = async |id: &str| {
        let id = id.parse().unwrap();
        let found = world.registry.cross_reference(&world.caller, &id).await.unwrap();
        found.into_value()
    };
    let known = ask(ONE).await;
    assert_eq!(known.authorities, ["2.16.840.1.113883.2.1.4.1", "2.999.1"]);
    let person = known.person.unwrap();
    assert_eq!(person.own.to_cx(), PATIENT);
    let ids = |p: &carerecord_model::CrossReferenced| -> Vec<String> {
        p.identifiers.iter().map(carerecord_model::PatientId::to_cx).collect()
    };
    assert_eq!(ids(&person), [PATIENT, ONE]);
    assert_eq!(ask("H9^^^&2.999.1&ISO").await.person, None);

    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");

    let merged = ask(TWO).await.person.unwrap();
    assert_eq!(merged.own.to_cx(), PATIENT);
    assert_eq!(ids(&merged), [PATIENT, ONE, OTHER_PATIENT, TWO]);
    assert_eq!(ask(OTHER_PATIENT).await.person, Some(merged));
}

pub async fn local_identifiers_lead_to_the_number(world: &World) {
    one_each(world).await;
    assert_eq!(leads_to(world, ONE).await, "");

    assert_eq!(world.feed(&adt("A31", &format!("{ONE}~{PATIENT}"), "")).await, "AA");
    assert_eq!(leads_to(world, ONE).await, "9990001006");

    assert_eq!(world.feed(&unlink(PATIENT, ONE)).await, "AA");
    assert_eq!(leads_to(world, ONE).await, "");
}

pub async fn an_unlink_names_the_number_that_the_identifier_leads_to(world: &World) {
    two_people(world).await;

    assert_eq!(world.feed(&unlink(OTHER_PATIENT, ONE)).await, "AE", "it is another's");
    assert_eq!(world.feed(&unlink(ONE, TWO)).await, "AE", "they were never linked");
    assert_eq!(world.feed(&unlink(PATIENT, THREE)).await, "AE", "nobody's");
    assert_eq!(world.feed(&unlink("9990001022^^^NHS", ONE)).await, "AE", "an unknown number");

    assert_eq!(leads_to(world, ONE).await, "9990001006");
    assert_eq!(leads_to(world, TWO).await, "9990001014");
}

pub async fn a_merge_of_local_identifiers_can_be_undone(world: &World) {
    two_people(world).await;

    for _ in ["sent", "sent again after a lost acknowledgement"] {
        assert_eq!(world.feed(&merge(ONE, TWO)).await, "AA");
        assert_eq!(leads_to(world, TWO).await, "9990001006");
    }
    assert_eq!(world.number("SELECT count(*) FROM identifier_link").await, 1);

    assert_eq!(world.feed(&unlink(ONE, TWO)).await, "AA");
    assert_eq!(leads_to(world, ONE).await, "9990001006");
    assert_eq!(leads_to(world, TWO).await, "9990001014");
    assert_eq!(world.feed(&unlink(ONE, TWO)).await, "AE", "only once");

    assert_eq!(world.feed(&merge(ONE, TWO)).await, "AA");
    assert_eq!(world.feed(&unlink(PATIENT, TWO)).await, "AA", "the number may stand for it");
    assert_eq!(leads_to(world, TWO).await, "9990001014");
    assert_eq!(world.number("SELECT count(undone_at) FROM identifier_link").await, 2);
}

pub async fn merges_of_local_identifiers_chain(world: &World) {
    two_people(world).await;
    assert_eq!(world.feed(&adt("A31", &format!("{THREE}~{OTHER_PATIENT}"), "")).await, "AA");
    assert_eq!(world.feed(&merge(TWO, THREE)).await, "AA");

    assert_eq!(world.feed(&merge(ONE, TWO)).await, "AA");
    assert_eq!(leads_to(world, THREE).await, "9990001006", "it is part of what was merged");

    assert_eq!(world.feed(&unlink(ONE, TWO)).await, "AA");
    for id in [TWO, THREE] {
        assert_eq!(leads_to(world, id).await, "9990001014");
    }
    assert_eq!(world.feed(&unlink(TWO, THREE)).await, "AA");
    assert_eq!(leads_to(world, THREE).await, "9990001014");
}

pub async fn a_merge_of_local_identifiers_needs_two_that_are_known_and_active(world: &World) {
    two_people(world).await;
    assert_eq!(world.feed(&merge(ONE, THREE)).await, "AE", "nobody knows the subsumed one");
    assert_eq!(world.feed(&merge(THREE, ONE)).await, "AE", "nobody knows the surviving one");
    assert_eq!(world.feed(&merge(PATIENT, THREE)).await, "AE");
    assert_eq!(world.feed(&merge(ONE, ONE)).await, "AE");
    assert_eq!(leads_to(world, THREE).await, "");

    assert_eq!(world.feed(&adt("A31", &format!("{THREE}~{PATIENT}"), "")).await, "AA");
    assert_eq!(world.feed(&merge(ONE, TWO)).await, "AA");
    assert_eq!(world.feed(&merge(THREE, TWO)).await, "AE", "it is given up");
    assert_eq!(world.feed(&merge(TWO, THREE)).await, "AE", "it is given up");
    assert_eq!(world.feed(&merge(PATIENT, THREE)).await, "AA", "into the number itself");
}

pub async fn a_number_is_not_merged_into_a_local_identifier(world: &World) {
    two_people(world).await;

    assert_eq!(world.feed(&merge(ONE, OTHER_PATIENT)).await, "AE");

    assert_eq!(leads_to(world, OTHER_PATIENT).await, "9990001014");
    assert_eq!(world.number("SELECT count(*) FROM patient_merge").await, 0);
}

pub async fn a_link_that_replaced_another_gives_it_back(world: &World) {
    two_people(world).await;

    for _ in ["sent", "sent again"] {
        assert_eq!(world.feed(&link(OTHER_PATIENT, ONE)).await, "AA");
        assert_eq!(leads_to(world, ONE).await, "9990001014");
    }
    assert_eq!(world.feed(&unlink(PATIENT, ONE)).await, "AE");
    assert_eq!(world.feed(&unlink(OTHER_PATIENT, ONE)).await, "AA");
    assert_eq!(leads_to(world, ONE).await, "9990001006");

    assert_eq!(world.feed(&link(ONE, THREE)).await, "AA", "whichever is known leads the other");
    assert_eq!(leads_to(world, THREE).await, "9990001006");
    assert_eq!(world.feed(&unlink(THREE, ONE)).await, "AA");
    assert_eq!(leads_to(world, THREE).await, "");
}

pub async fn an_identifier_that_its_source_moved_is_not_given_back(world: &World) {
    two_people(world).await;
    assert_eq!(world.feed(&merge(ONE, TWO)).await, "AA");

    assert_eq!(world.feed(&adt("A31", &format!("{TWO}~{OTHER_PATIENT}"), "")).await, "AA");

    assert_eq!(leads_to(world, TWO).await, "9990001014");
    assert_eq!(world.feed(&unlink(ONE, TWO)).await, "AE");
    assert_eq!(world.feed(&unlink(OTHER_PATIENT, TWO)).await, "AA");
    assert_eq!(leads_to(world, TWO).await, "");
}

pub async fn an_identifier_is_let_go_from_a_person_that_was_merged(world: &World) {
    two_people(world).await;
    assert_eq!(world.feed(&merge(ONE, TWO)).await, "AA");
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");

    assert_eq!(world.feed(&unlink(PATIENT, TWO)).await, "AA");

    assert_eq!(leads_to(world, TWO).await, "", "it would lead to the same person again");
    assert_eq!(leads_to(world, ONE).await, "9990001006");
}
