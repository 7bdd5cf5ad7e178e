use carerecord_access::{Grain, Provision, Span, Term, Terms};
use carerecord_model::{
    Code, DocumentEntry, ErrorCode, FindDocuments, NhsNumber, NumberStatus, PatientId, StoredQuery,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};

use crate::feed::{adt, merge, unlink};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        the_feed_makes_patients_known,
        a_merge_shows_everything_under_both_numbers_and_can_be_undone,
        a_merge_needs_two_numbers_that_are_known_and_active,
        merges_chain,
        what_is_restricted_stays_so_when_it_is_merged,
        deaths_are_told_and_taken_back,
        a_number_that_is_not_traced_is_not_kept,
        an_objection_under_either_number_counts_for_both,
        a_statement_with_limits_is_kept_whole_and_decides,
    );
}

pub async fn found(world: &World, patient: &str) -> (usize, Vec<PatientId>) {
    let query = FindDocuments::approved(patient.parse().unwrap());
    let found = world.ask(StoredQuery::FindDocuments(Box::new(query))).await;
    let patients = found.document_entries.iter().map(|e| e.patient_id.clone()).collect();
    (found.document_entries.len(), patients)
}

pub async fn one_each(world: &World) {
    world.register(&Builder::default().document()).await.unwrap();
    world.register(&Builder::of(OTHER_PATIENT).document()).await.unwrap();
}

pub async fn the_feed_makes_patients_known(world: &World) {
    let new = "9990001022^^^&2.16.840.1.113883.2.1.4.1&ISO";
    let s = Builder::of(new).document();
    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSUnknownPatientId]));

    assert_eq!(world.feed(&adt("A01", "9990001022^^^NHS", "")).await, "AA");
    assert_eq!(world.feed(&adt("A08", "9990001022^^^NHS", "")).await, "AA", "again");

    world.register(&s).await.unwrap();
    assert_eq!(world.feed(&adt("A01", "9990001023^^^NHS", "")).await, "AE", "not a valid number");
    assert_eq!(world.feed("MSH|^~\\&|P|T|R|S|2026||ORU^R01|1|P|2.3\r").await, "AR");
    assert_eq!(world.feed("garbage").await, "AR");
}

pub async fn a_merge_shows_everything_under_both_numbers_and_can_be_undone(world: &World) {
    one_each(world).await;

    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");

    let survivor: PatientId = PATIENT.parse().unwrap();
    for patient in [PATIENT, OTHER_PATIENT] {
        assert_eq!(found(world, patient).await, (2, vec![survivor.clone(), survivor.clone()]));
    }
    let mut late = Builder::of(OTHER_PATIENT);
    late.document();
    assert_eq!(world.register(&late.document()).await, Err(vec![ErrorCode::XDSUnknownPatientId]));

    assert_eq!(world.feed(&unlink(PATIENT, OTHER_PATIENT)).await, "AA");
    let other: PatientId = OTHER_PATIENT.parse().unwrap();
    assert_eq!(found(world, PATIENT).await, (1, vec![survivor]));
    assert_eq!(found(world, OTHER_PATIENT).await, (1, vec![other]));
    assert_eq!(world.feed(&unlink(PATIENT, OTHER_PATIENT)).await, "AE", "only once");
}

pub async fn a_merge_needs_two_numbers_that_are_known_and_active(world: &World) {
    let unknown = "9990001022^^^NHS";
    assert_eq!(world.feed(&merge(PATIENT, unknown)).await, "AE");
    assert_eq!(world.feed(&merge(unknown, PATIENT)).await, "AE");
    assert_eq!(world.feed(&merge(PATIENT, PATIENT)).await, "AE");
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(world.feed(&merge(OTHER_PATIENT, PATIENT)).await, "AE");
    assert_eq!(world.feed(&adt("A04", unknown, "")).await, "AA");
    assert_eq!(world.feed(&merge(unknown, OTHER_PATIENT)).await, "AE", "it is merged before");
    assert_eq!(world.feed(&merge(OTHER_PATIENT, unknown)).await, "AE");

    // The acknowledgement was lost, and the sender sends it again; also when all has gone on.
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(world.feed(&merge(unknown, PATIENT)).await, "AA");
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(world.number("SELECT count(*) FROM patient_merge").await, 2);
}

pub async fn merges_chain(world: &World) {
    one_each(world).await;
    let third = "9990001022^^^&2.16.840.1.113883.2.1.4.1&ISO";
    assert_eq!(world.feed(&adt("A04", third, "")).await, "AA");

    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(world.feed(&merge(third, PATIENT)).await, "AA");

    let survivor: PatientId = third.parse().unwrap();
    for patient in [PATIENT, OTHER_PATIENT, third] {
        assert_eq!(found(world, patient).await, (2, vec![survivor.clone(), survivor.clone()]));
    }
}

pub async fn what_is_restricted_stays_so_when_it_is_merged(world: &World) {
    let third = "9990001022^^^NHS";
    let restricted = |number: &'static str| async move {
        let person = world.person(number).await.unwrap();
        (person.nhs_number.digits(), person.restricted)
    };
    let flag = |yes: &str| format!("PD1||||||||||||{yes}\r");
    assert_eq!(world.feed(&adt("A31", OTHER_PATIENT, &flag("Y"))).await, "AA");
    assert_eq!(world.feed(&adt("A31", third, &flag("N"))).await, "AA");
    assert_eq!(restricted("9990001006").await, ("9990001006".into(), false));

    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(world.feed(&merge(third, PATIENT)).await, "AA");

    for number in ["9990001006", "9990001014", "9990001022"] {
        assert_eq!(restricted(number).await, ("9990001022".into(), true));
    }
    assert_eq!(world.feed(&adt("A31", third, &flag("N"))).await, "AA");
    assert!(restricted("9990001022").await.1, "the other record still says so");
    assert_eq!(world.feed(&unlink(third, PATIENT)).await, "AA");
    assert_eq!(restricted("9990001022").await, ("9990001022".into(), false));
    assert_eq!(restricted("9990001006").await, ("9990001006".into(), true));
    assert_eq!(world.feed(&unlink(PATIENT, OTHER_PATIENT)).await, "AA");
    assert_eq!(restricted("9990001006").await, ("9990001006".into(), false));
    assert_eq!(restricted("9990001014").await, ("9990001014".into(), true));
}

pub async fn deaths_are_told_and_taken_back(world: &World) {
    let tell = |time: &str, has_died: &str| {
        let pid = format!("9990001006^^^NHS||Okafor^Ada{}{time}|{has_died}", "|".repeat(24));
        format!("MSH|^~\\&|PAS|T|REG|S|2026||ADT^A08|M1|P|2.3.1\rPID|||{pid}\r")
    };
    let day = "2026-10-21".parse().ok();
    for (time, has_died, answer, expected) in [
        ("202610210815", "Y", "AA", (true, day)),
        ("", "", "AA", (true, day)),
        ("20261022", "N", "AE", (true, day)),
        ("\"\"", "\"\"", "AA", (false, None)),
        ("", "Y", "AA", (true, None)),
        ("", "\"\"", "AA", (false, None)),
    ] {
        assert_eq!(world.feed(&tell(time, has_died)).await, answer, "{time} {has_died}");
        let person = world.person("9990001006").await.unwrap();
        assert_eq!((person.deceased, person.death_date), expected, "{time} {has_died}");
    }
}

pub async fn a_number_that_is_not_traced_is_not_kept(world: &World) {
    let tell = |status: &str| {
        let pid = format!("9990001022^^^NHS||Okafor^Ada{}{status}", "|".repeat(27));
        format!("MSH|^~\\&|PAS|T|REG|S|2026||ADT^A04|M1|P|2.5\rPID|||{pid}\r")
    };

    assert_eq!(world.feed(&tell("02")).await, "AA");
    assert!(world.person("9990001022").await.is_none());
    assert_eq!(world.feed(&tell("01")).await, "AA");

    let person = world.person("9990001022").await.unwrap();
    assert_eq!(person.number_status, NumberStatus::Verified);
}

pub async fn an_objection_under_either_number_counts_for_both(world: &World) {
    for patient in [PATIENT, OTHER_PATIENT] {
        let mut submission = Builder::of(patient).document();
        submission.document_entries.iter_mut().for_each(open);
        world.register(&submission).await.unwrap();
    }
    assert_eq!(world.feed(&merge(PATIENT, OTHER_PATIENT)).await, "AA");
    for patient in [PATIENT, OTHER_PATIENT] {
        assert_eq!(decided_for(world, patient).await, 2, "nothing stands against it yet");
    }
    world.object(OTHER_PATIENT).await;

    for number in ["9990001006", "9990001014"] {
        let number: NhsNumber = number.parse().unwrap();
        let known = world.registry.consent_of(&world.caller, number).await.unwrap();
        let patients: Vec<NhsNumber> = known.value().iter().map(|r| r.patient).collect();
        assert_eq!(patients, [number], "it counts for the number asked about");
    }
    for patient in [PATIENT, OTHER_PATIENT] {
        assert_eq!(decided_for(world, patient).await, 0, "they see nothing of either any more");
    }
}

pub async fn a_statement_with_limits_is_kept_whole_and_decides(world: &World) {
    let mut builder = Builder::default();
    let mut submission = builder.document();
    builder.add_document(&mut submission);
    for (entry, created) in submission.document_entries.iter_mut().zip(["2023", "2024"]) {
        open(entry);
        entry.creation_time = created.parse().ok();
    }
    world.register(&submission).await.unwrap();
    assert_eq!(decided_for(world, PATIENT).await, 2, "nothing stands against it yet");
    let until = Some("2023-12-31T23:59:59Z".parse().unwrap());
    let root =
        Term { permits: true, authored: Some(Span { from: None, until }), ..Term::default() };
    let psychiatric = Term { labels: vec![Grain::Tag("PSY".to_owned())], ..Term::default() };
    let said = Provision::Terms(Box::new(Terms { root, exceptions: vec![psychiatric] }));

    world.say(PATIENT, said.clone()).await;

    let number: NhsNumber = "9990001006".parse().unwrap();
    let known = world.registry.consent_of(&world.caller, number).await.unwrap();
    assert_eq!(known.value().iter().map(|r| &r.provision).collect::<Vec<_>>(), [&said]);
    assert_eq!(decided_for(world, PATIENT).await, 1, "that of the other year");
}

/// Of the hospital that the registry decides for, with nothing against it.
fn open(entry: &mut DocumentEntry) {
    entry.repository_unique_id = "2.999.826.1.1".parse().ok();
    entry.confidentiality_codes = vec![Code::new("N", "2.16.840.1.113883.5.25", "normal")];
}

/// How many documents somebody sees for whom the registry decides.
async fn decided_for(world: &World, patient: &str) -> usize {
    let query = FindDocuments::approved(patient.parse().unwrap());
    let query = StoredQuery::FindDocuments(Box::new(query));
    let (caller, draft) = (world.without_delegation(), world.draft());
    let found = world.registry.stored_query(&caller, &query, true, &draft).await.unwrap();
    found.value().document_entries.len()
}
