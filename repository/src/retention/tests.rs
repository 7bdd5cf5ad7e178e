use carerecord_model::{Code, DocumentEntry, Dtm};
use carerecord_testkit::submission::Builder;
use jiff::civil::{Date, date};

use super::facts::{LastContacts, PersonFacts};
use super::{Due, RetentionRules};

fn entry(practice_setting: &str, type_code: &str, created: &str) -> DocumentEntry {
    let mut entry = Builder::default().entry();
    entry.practice_setting_code = Code::new(practice_setting, "2.999.9", "setting");
    entry.type_code = Code::new(type_code, "2.999.9", "type");
    entry.creation_time = Some(created.parse::<Dtm>().unwrap());
    entry
}

fn person(birth: Date, death: Option<Date>, last_contact: Date) -> PersonFacts {
    PersonFacts { birth: Some(birth), deceased: death.is_some(), death, last_contact }
}

#[test]
fn the_built_in_rules_keep_as_the_code_of_practice_says() {
    let rules = RetentionRules::built_in();
    let seen = date(2020, 5, 17);
    let adult = person(date(1960, 1, 2), None, seen);
    let dead = person(date(1960, 1, 2), Some(date(2021, 3, 4)), seen);
    let on = |year, month, day| Due::On(date(year, month, day));
    let cases = [
        // setting, type, whose, rule, until
        ("310156009", "t", adult, "adult", on(2028, 5, 17)),
        ("310156009", "t", dead, "adult", on(2028, 5, 17)),
        ("310156009", "t", person(date(2010, 6, 1), None, seen), "child", on(2035, 6, 1)),
        ("310156009", "t", person(date(2003, 5, 17), None, seen), "child", on(2029, 5, 17)),
        ("310156009", "t", person(date(2002, 5, 18), None, seen), "child", on(2028, 5, 18)),
        ("310156009", "t", person(date(2002, 5, 17), None, seen), "adult", on(2028, 5, 17)),
        ("714088003", "t", adult, "maternity", on(2045, 5, 17)),
        ("708168004", "t", adult, "mental-health", on(2040, 5, 17)),
        ("708168004", "t", dead, "mental-health", on(2031, 3, 4)),
        ("788007007", "t", adult, "general-practice", Due::Never),
        ("788007007", "t", dead, "general-practice", on(2031, 3, 4)),
        ("310022001", "t", adult, "cancer", on(2050, 5, 17)),
        ("x", "820301000000106", adult, "looked-after", on(2035, 1, 2)),
        ("x", "1054161000000101", adult, "special", on(2050, 5, 17)),
    ];
    for (setting, type_code, whose, rule, until) in cases {
        let found = rules.due(&entry(setting, type_code, "20200517"), &whose);
        assert_eq!(found, (until, Some(rule)), "{setting} {type_code} {whose:?}");
    }
}

#[test]
fn a_fact_that_is_missing_keeps() {
    let rules = RetentionRules::built_in();
    let letter = entry("310156009", "t", "20000101");
    let unborn = PersonFacts { birth: None, ..person(date(1960, 1, 2), None, date(2000, 1, 1)) };
    assert_eq!(rules.due(&letter, &unborn).0, Due::Unknown("the date of birth"));
    let gp = entry("788007007", "t", "20000101");
    let undated =
        PersonFacts { deceased: true, ..person(date(1960, 1, 2), None, date(2000, 1, 1)) };
    assert_eq!(rules.due(&gp, &undated).0, Due::Unknown("the date of death"));
}

#[test]
fn a_time_without_a_day_means_the_last_one() {
    for (time, last) in [
        ("2004", date(2004, 12, 31)),
        ("200402", date(2004, 2, 29)),
        ("20040203", date(2004, 2, 3)),
    ] {
        assert_eq!(super::facts::contact(&entry("x", "t", time)), Some(last));
    }
}

#[test]
fn rules_that_say_nothing_or_two_things_are_refused() {
    for (rule, why) in [
        ("", "needs years"),
        ("years = 8\nnever = true", "needs years"),
        ("years = 8\nuntil_age = 25", "both"),
        ("years = 8\nuntil_age_if_17 = 26", "needs until_age"),
        ("years = 8\nunknown = 1", "unknown field"),
        ("years = 8\n[[rule]]\nid = \"a\"\ntitle = \"A\"\nyears = 9", "another rule"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        let text = format!("version = \"1\"\n[[rule]]\nid = \"a\"\ntitle = \"A\"\n{rule}\n");
        std::fs::write(&file, text).unwrap();
        let error = RetentionRules::load(&file).unwrap_err().to_string();
        assert!(error.contains(why), "{rule}: {error}");
    }
}

/// What was filed under a number that was merged counts for the person.
#[tokio::test]
async fn a_person_is_last_seen_under_any_number() {
    let mut contacts = LastContacts::default();
    let old = entry("x", "t", "2001");
    let mut new = entry("x", "t", "2019");
    new.patient_id = carerecord_model::PatientId::from_nhs_number(MERGED.parse().unwrap());
    contacts.seen(&old);
    contacts.seen(&new);
    let people = contacts.people(&Merged).await.unwrap();
    for entry in [&old, &new] {
        assert_eq!(people.facts(entry).unwrap().last_contact, date(2019, 12, 31));
    }
}

/// An index in which `MERGED` has become another.
struct Merged;

#[async_trait::async_trait]
impl carerecord_model::PatientDirectory for Merged {
    async fn patient(
        &self,
        _: carerecord_model::NhsNumber,
    ) -> Result<Option<carerecord_model::Patient>, carerecord_model::PortError> {
        Ok(Some(carerecord_model::Patient::from_number("9990001006".parse().unwrap())))
    }

    async fn cross_reference(
        &self,
        _: &carerecord_model::PatientId,
    ) -> Result<carerecord_model::CrossReference, carerecord_model::PortError> {
        Ok(carerecord_model::CrossReference::default())
    }

    async fn find_patients(
        &self,
        _: &carerecord_model::PatientSearch,
    ) -> Result<carerecord_model::FoundPatients, carerecord_model::PortError> {
        Ok(carerecord_model::FoundPatients::default())
    }
}

const MERGED: &str = "9990001014";
