use std::sync::Arc;

use async_trait::async_trait;
use carerecord_model::{Code, NhsNumber, SystemClock};

use crate::decide::tests::letter;
use crate::*;

#[test]
fn only_officers_whose_role_says_so_have_packs_made() {
    let may = |organisation, role| decisions().may_make_access_packs(&person(organisation, role));

    assert!(may("ZEX01", "R0001").is_ok() && may("ZEX09", "R0001").is_ok());
    for role in ["R0002", "R8000", "R8015", "R9999"] {
        let refused = may("ZEX01", role).unwrap_err();
        assert!(refused.may_be_told, "{role}");
    }
    let Caller::User(mut weak) = person("ZEX01", "R0001") else { unreachable!() };
    weak.assurance = Assurance::Aal1;
    let refused = decisions().may_make_access_packs(&Caller::User(weak)).unwrap_err();
    assert_eq!(refused.decision.rule, Rule::AssuranceTooLow);
    let system = Caller::System(SystemCaller {
        name: "s".to_owned(),
        organisation: "ZEX01".parse().unwrap(),
        rights: vec![Right::Delegate, Right::Query],
        known_by: "certificate",
    });
    assert!(decisions().may_make_access_packs(&system).is_err());
}

#[test]
fn citizens_have_packs_made_where_the_rules_say_so() {
    let may = |more: &str| {
        let rules = format!("max_label = \"N\"\n{more}\n[[band]]\nfrom_age = 0\nown = \"yes\"\n");
        let policy = Policy::parse(ACCESS, MODELS, &[]).unwrap().with_citizens(&rules).unwrap();
        let access =
            AccessDecisions::new(Arc::new(policy), Arc::new(Silent), Arc::new(SystemClock));
        access.may_citizens_make_access_packs()
    };
    assert!(may("may_make_access_packs = true").is_ok());
    for more in ["may_make_access_packs = false", ""] {
        let refused = may(more).unwrap_err();
        assert_eq!((refused.decision.rule, refused.may_be_told), (Rule::PurposeNotAllowed, true));
    }
    assert!(decisions().may_citizens_make_access_packs().is_err(), "no rules, no packs");
}

#[test]
fn what_may_be_read_is_the_same_for_the_same_reader_alone() {
    let extent = |organisation| {
        let person = person(organisation, "R0001");
        decisions().may_make_access_packs(&person).unwrap().extent()
    };
    assert_eq!(extent("ZEX01"), extent("ZEX01"));
    assert!(extent("ZEX01") != extent("ZEX02") && extent("ZEX01") != extent("ZEX09"));
}

#[tokio::test]
async fn an_officer_has_what_their_organisation_keeps_and_the_region_has_all() {
    let letter = letter();
    let mut elsewhere = letter.clone();
    elsewhere.repository_unique_id = Some("2.999.30.2".parse().unwrap());
    let mut nowhere = letter.clone();
    nowhere.repository_unique_id = Some("2.999.30.9".parse().unwrap());
    let mut restricted = letter.clone();
    restricted.confidentiality_codes = vec![Code::new("R", "2.16.840.1.113883.5.25", "")];
    let own = Reader::of("ZEX01").await;
    let region = Reader::of("ZEX09").await;

    assert_eq!(own.sees(&letter), Ok(Rule::AuditDuty));
    assert_eq!(own.sees(&elsewhere), Err((Rule::NoAgreement, false)), "nor that it is there");
    assert_eq!(region.sees(&letter), Ok(Rule::AuditDuty));
    assert_eq!(region.sees(&elsewhere), Ok(Rule::AuditDuty));
    for reader in [&own, &region] {
        assert_eq!(reader.sees(&nowhere), Err((Rule::NoAgreement, true)), "a keeper nobody knows");
        assert_eq!(reader.sees(&restricted), Err((Rule::Label, false)));
    }
    // What it holds is decided as everywhere.
    assert_eq!(own.view.release(letter.clone()).unwrap().decision().rule, Rule::OwnRecord);
    let refused = region.view.release(letter).unwrap_err();
    assert_eq!(refused.decision.rule, Rule::NoAgreement);
}

#[tokio::test]
async fn of_restricted_people_no_place_is_told_and_of_others_nothing() {
    let mut other = letter();
    other.patient_id = carerecord_model::PatientId::from_nhs_number(OTHER.parse().unwrap());
    let reader = Reader::of("ZEX09").await;
    assert_eq!(reader.sees(&other), Err((Rule::SubjectUnknown, true)));

    let reader = Reader { view: reader.view.of_restricted(true), ..reader };
    let released = reader.view.release_to_pack(&reader.reach, letter().into()).unwrap();

    assert_eq!(released.value().healthcare_facility_type_code.code, "MSK");
    assert!(released.decision().obligations.contains(&Obligation::Mask));
}

struct Reader {
    view: RecordView,
    reach: AuditReach,
}

impl Reader {
    async fn of(organisation: &str) -> Self {
        let (access, caller) = (decisions(), person(organisation, "R0001"));
        let number = letter().patient_id.nhs_number().unwrap();
        let view = access.open(&caller, Purpose::Audit, Right::Query, number).await.unwrap();
        Self { view, reach: access.may_make_access_packs(&caller).unwrap() }
    }

    fn sees(&self, entry: &carerecord_model::DocumentEntry) -> Result<Rule, (Rule, bool)> {
        let released = self.view.release_to_pack(&self.reach, entry.clone().into());
        released.map(|r| r.decision().rule).map_err(|r| (r.decision.rule, r.may_be_told))
    }
}

struct Silent;

#[async_trait]
impl ConsentRecords for Silent {
    async fn consent_records(&self, _: NhsNumber) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        Ok(Vec::new())
    }
}

fn decisions() -> AccessDecisions {
    let policy = Policy::parse(ACCESS, MODELS, &[]).unwrap();
    AccessDecisions::new(Arc::new(policy), Arc::new(Silent), Arc::new(SystemClock))
}

fn person(organisation: &str, role: &str) -> Caller {
    Caller::User(Box::new(UserCaller {
        user_id: "555021900500".into(),
        name: "Officer".into(),
        organisation: organisation.parse().unwrap(),
        role: role.into(),
        role_profile_id: "1".into(),
        activities: Vec::new(),
        assurance: Assurance::Aal3,
        client_id: "portal".into(),
        asserted: None,
        session_id: None,
    }))
}

const OTHER: &str = "9990001146";

const ACCESS: &str = r#"
reveal = ["no-agreement"]

[role.R0001]
name = "Privacy officer"
purposes = ["audit"]
max_label = "N"
may_make_access_packs = true

[role.R0002]
name = "Another officer"
purposes = ["audit"]
max_label = "N"

[role.R8000]
name = "Clinician"
purposes = ["direct-care"]
max_label = "N"
may_make_access_packs = true

[role.R8015]
name = "Service desk"
purposes = ["service-desk"]
max_label = "N"
may_make_access_packs = true

[audit]
whole_region = ["ZEX09"]

[organisation.ZEX01]
name = "Royal Example Hospital"

[organisation.ZEX02]
name = "Example Community Trust"

[organisation.ZEX09]
name = "Example Valley ICB"

[node]
"2.999.30.1" = "ZEX01"
"2.999.30.2" = "ZEX02"
"#;

const MODELS: &str = r#"
[[model]]
name = "all"
applies_to = { user_role = ["R0001"] }
basis = "implied"
from = "2026-01-01"
"#;
