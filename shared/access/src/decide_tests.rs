use std::sync::Arc;

use async_trait::async_trait;
use carerecord_model::{
    Association, AssociationType, Author, AvailabilityStatus, Clock, Code, DocumentEntry,
    DocumentEntryType, EntryUuid, ExtraMetadata, Folder, FoundObjects, NhsNumber, ObjectId,
    PatientId, SubmissionSet,
};
use jiff::Timestamp;
use uuid::Uuid;

use assertions::asserted;

use crate::*;

#[tokio::test]
async fn permits_by_agreement_and_names_it() {
    let view = view(clinician("ZEX02", "R8001"), &[]).await.unwrap();

    let released = view.release(letter()).unwrap();

    assert_eq!(released.decision().rule, Rule::Agreement);
    assert!(released.decision().basis.contains(&"agreement dsa-1/1".to_owned()));
    assert!(released.decision().basis.contains(&"consent model health".to_owned()));
}

#[tokio::test]
async fn own_documents_need_no_agreement_but_objections_hold() {
    let objection = objection(Grain::WholeRecord);

    let free = view(clinician("ZEX01", "R8000"), &[]).await.unwrap().release(letter()).unwrap();
    let bound = view(clinician("ZEX01", "R8000"), &[objection]).await.unwrap().release(letter());

    assert_eq!(free.decision().rule, Rule::OwnRecord);
    assert_eq!(bound.unwrap_err().decision.rule, Rule::ObjectionWholeRecord);
}

#[tokio::test]
async fn explicit_model_asks_for_a_permission_in_force() {
    let none = view(clinician("ZEX05", "R8014"), &[]).await.unwrap();
    let mut permission = objection(Grain::WholeRecord);
    permission.provision = Provision::Permission { recipient: Some("ZEX05".parse().unwrap()) };
    let given = view(clinician("ZEX05", "R8014"), &[permission.clone()]).await.unwrap();
    permission.until = Some("2026-11-23T23:59:59Z".parse().unwrap());
    let expired = view(clinician("ZEX05", "R8014"), &[permission]).await.unwrap();

    assert_eq!(none.release(letter()).unwrap_err().decision.rule, Rule::ConsentMissing);
    assert!(given.release(letter()).is_ok());
    assert_eq!(expired.release(letter()).unwrap_err().decision.rule, Rule::ConsentMissing);
}

#[test]
fn only_who_is_under_a_model_that_says_so_asks_at_view() {
    let access = decisions(&[]);

    assert!(access.may_ask_at_view(&clinician("ZEX05", "R8014")).is_ok());
    assert!(access.may_ask_at_view(&clinician("ZEX02", "R8000")).is_err());
    assert!(access.may_record_consent(&clinician("ZEX05", "R8014")).is_err(), "and no more");
}

#[tokio::test]
async fn labels_are_held_against_the_role_and_stay_untold() {
    let mut restricted = letter();
    restricted.confidentiality_codes = vec![Code::new("R", "2.16.840.1.113883.5.25", "")];
    let mut unknown = letter();
    unknown.confidentiality_codes = vec![Code::new("X", "2.16.840.1.113883.5.25", "")];

    let own = view(clinician("ZEX01", "R8000"), &[]).await.unwrap();
    let foreign = view(clinician("ZEX02", "R8001"), &[]).await.unwrap();

    for entry in [restricted.clone(), unknown] {
        let refused = own.release(entry).unwrap_err();
        assert_eq!(refused.decision.rule, Rule::Label);
        assert!(!refused.may_be_told);
    }
    // Over the agreement it does not even flow.
    assert_eq!(foreign.release(restricted).unwrap_err().decision.rule, Rule::NoAgreement);
}

#[tokio::test]
async fn no_agreement_no_flow() {
    let mut of_unknown_node = letter();
    of_unknown_node.repository_unique_id = Some("2.999.99".parse().unwrap());
    let mut other_class = letter();
    other_class.class_code = Code::new("371537001", "2.16.840.1.113883.6.96", "");

    let view = view(clinician("ZEX02", "R8001"), &[]).await.unwrap();

    for entry in [of_unknown_node.clone(), other_class.clone()] {
        assert_eq!(view.release(entry).unwrap_err().decision.rule, Rule::NoAgreement);
    }
    // Each for another reason, and told of as one.
    let (released, withheld) = view.release_all(vec![of_unknown_node.into(), other_class.into()]);
    assert_eq!((released.len(), withheld.told.len(), withheld.count), (0, 1, 2));
}

#[tokio::test]
async fn session_and_purpose_come_first() {
    let Caller::User(mut weak) = clinician("ZEX02", "R8001") else { unreachable!() };
    weak.assurance = Assurance::Aal1;

    let cases = [
        (Caller::User(weak), Purpose::DirectCare, Rule::AssuranceTooLow),
        (clinician("ZEX02", "R9999"), Purpose::DirectCare, Rule::RoleUnknown),
        (clinician("ZEX02", "R8001"), Purpose::Audit, Rule::PurposeNotAllowed),
    ];
    for (caller, purpose, rule) in cases {
        let refused = decisions(&[]).open(&caller, purpose, Right::Query, patient()).await;
        assert_eq!(refused.err().unwrap().decision.rule, rule);
    }
}

#[tokio::test]
async fn a_fact_that_cannot_be_had_is_a_no() {
    let policy = Arc::new(policy());
    let decisions = AccessDecisions::new(policy, Arc::new(Broken), Arc::new(Fixed));

    let refused = decisions
        .open(&clinician("ZEX02", "R8001"), Purpose::DirectCare, Right::Query, patient())
        .await;

    assert_eq!(refused.err().unwrap().decision.rule, Rule::FactsUnavailable);
}

#[tokio::test]
async fn systems_need_the_right_and_only_delegates_are_unfiltered() {
    let system = |rights: &[Right]| {
        Caller::System(SystemCaller {
            name: "test".into(),
            organisation: "ZEX02".parse().unwrap(),
            rights: rights.to_vec(),
            known_by: "listener",
        })
    };
    let all = objection(Grain::WholeRecord);

    let none = view(system(&[]), &[]).await;
    let query = view(system(&[Right::Query]), std::slice::from_ref(&all)).await.unwrap();
    let portal = view(system(&[Right::Delegate]), &[all]).await.unwrap();

    assert_eq!(none.err().unwrap().decision.rule, Rule::PurposeNotAllowed);
    assert_eq!(query.release(letter()).unwrap_err().decision.rule, Rule::ObjectionWholeRecord);
    assert_eq!(portal.release(letter()).unwrap().decision().rule, Rule::Delegated);
}

#[tokio::test]
async fn entries_of_another_patient_are_never_released() {
    let mut entry = letter();
    entry.patient_id = PatientId::from_nhs_number("9990001014".parse().unwrap());

    let refused = view(clinician("ZEX01", "R8000"), &[]).await.unwrap().release(entry);

    assert_eq!(refused.unwrap_err().decision.rule, Rule::SubjectUnknown);
}

#[test]
fn policies_that_contradict_themselves_are_refused() {
    let stranger = AGREEMENT.replace(r#""to": ["ZEX02", "ZEX05"]"#, r#""to": ["ZEX77"]"#);
    let bad_label = ACCESS.replace("max_label = \"N\"", "max_label = \"Q\"");
    let bad_rule = ACCESS.replace("\"no-agreement\"", "\"no-such-rule\"");

    let with = |access: &str, agreement: &str| {
        Policy::parse(access, MODELS, &[("a.json".into(), agreement.to_owned())])
    };

    assert!(with(ACCESS, AGREEMENT).is_ok());
    assert!(with(ACCESS, &stranger).unwrap_err().to_string().contains("ZEX77"));
    assert!(with(&bad_label, AGREEMENT).unwrap_err().to_string().contains("max_label"));
    assert!(with(&bad_rule, AGREEMENT).unwrap_err().to_string().contains("no-such-rule"));
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }
}

struct Fixtures(Vec<ConsentRecord>);

#[async_trait]
impl ConsentRecords for Fixtures {
    async fn consent_records(&self, _: NhsNumber) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        Ok(self.0.clone())
    }
}

struct Broken;

#[async_trait]
impl ConsentRecords for Broken {
    async fn consent_records(&self, _: NhsNumber) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        Err(FactsUnavailable("down".into()))
    }
}

#[tokio::test]
async fn nothing_released_tells_where_a_restricted_person_is_cared_for() {
    let open = async |role: &str| view(clinician("ZEX02", role), &[]).await.unwrap();
    let entry = telling_letter();
    let found = || FoundObjects {
        document_entries: vec![telling_letter().into()],
        submission_sets: vec![telling_set()],
        ..FoundObjects::default()
    };

    let masked = open("R8001").await.of_restricted(true);
    let one = masked.release(entry.clone()).unwrap().into_value();
    let (all, _) = masked.release_found(found());
    let plain = open("R8001").await.of_restricted(false);
    let trusted = open("R8000").await.of_restricted(true);

    assert!(masked.masks_locations());
    for value in [
        serde_json::to_string(&one).unwrap(),
        serde_json::to_string(all.value().document_entries.as_slice()).unwrap(),
        serde_json::to_string(all.value().submission_sets.as_slice()).unwrap(),
    ] {
        for told in ["Hamlet", "HAM01", "2.999.77", "22232009", "H-1", "XX1 1XX", "01234", "mrn"] {
            assert!(!value.contains(told), "{told} in {value}");
        }
        assert!(value.contains(WITHHELD_ORGANISATION), "{value}");
        assert!(value.contains("Okafor"), "the author is still named");
    }
    assert_eq!(one.source_patient_info, ["PID-5|Example^Ada"]);
    assert_eq!(one.repository_unique_id, entry.repository_unique_id, "it can be fetched");
    for unmasked in [plain, trusted] {
        assert!(!unmasked.masks_locations());
        assert_eq!(*unmasked.release(entry.clone()).unwrap().into_value(), entry);
    }
}

/// When a folder was last changed would tell when what is withheld came into it.
#[tokio::test]
async fn a_folder_shown_in_part_has_the_time_of_that_part() {
    let label = |mut entry: DocumentEntry, code: &str| {
        entry.confidentiality_codes = vec![Code::new(code, "2.16.840.1.113883.5.25", "")];
        entry
    };
    let hidden = |code: &str| {
        let entry = label(letter(), code);
        DocumentEntry { entry_uuid: urn(2), ..entry }
    };
    let found = |code: &str| {
        let later = SubmissionSet {
            entry_uuid: urn(12),
            submission_time: "20260303000000".parse().unwrap(),
            ..telling_set()
        };
        let first = SubmissionSet { entry_uuid: urn(11), ..telling_set() };
        let shown = DocumentEntry { entry_uuid: urn(1), ..letter() };
        FoundObjects {
            document_entries: vec![shown.into(), hidden(code).into()],
            submission_sets: vec![later, first],
            folders: vec![folder()],
            associations: [
                (21, 11, 1),
                (22, 11, 10),
                (23, 10, 1),
                (24, 11, 23),
                (25, 12, 2),
                (26, 10, 2),
                (27, 12, 26),
                // A document that is shown is referred to later: the folder is not changed by that.
                (28, 12, 1),
            ]
            .map(|(id, source, target)| member(id, source, target))
            .to_vec(),
        }
    };
    let view = view(clinician("ZEX01", "R8000"), &[]).await.unwrap();

    for (code, time, in_part) in [("V", "20260114102231", true), ("N", "20260404000000", false)] {
        let (released, withheld) = view.release_found(found(code));
        let folders = &released.value().folders;
        let told = folders[0].last_update_time.as_ref().map(carerecord_model::Dtm::as_str);
        assert_eq!(told, Some(time), "{code}");
        assert_eq!(withheld.folders_in_part.contains(&urn(10)), in_part, "{code}");
    }
}

fn urn(n: u8) -> ObjectId {
    format!("urn:uuid:00000000-0000-4000-8000-0000000001{n:02}").parse().unwrap()
}

fn folder() -> Folder {
    Folder {
        entry_uuid: urn(10),
        logical_id: None,
        version: 1,
        availability_status: AvailabilityStatus::Approved,
        patient_id: letter().patient_id,
        unique_id: "2.999.3.1".parse().unwrap(),
        codes: vec![letter().type_code],
        last_update_time: Some("20260404000000".parse().unwrap()),
        title: Vec::new(),
        comments: Vec::new(),
        home_community_id: None,
        extra: ExtraMetadata::default(),
    }
}

fn member(id: u8, source: u8, target: u8) -> Association {
    Association {
        entry_uuid: urn(id),
        association_type: AssociationType::HasMember,
        source: urn(source),
        target: urn(target),
        availability_status: AvailabilityStatus::Approved,
        submission_set_status: None,
        documentation: None,
        extra: ExtraMetadata::default(),
    }
}

#[tokio::test]
async fn only_systems_that_decide_for_their_users_see_places() {
    let system = |rights: &[Right]| {
        Caller::System(SystemCaller {
            name: "s".into(),
            organisation: "ZEX02".parse().unwrap(),
            rights: rights.to_vec(),
            known_by: "token",
        })
    };

    let query = view(system(&[Right::Query]), &[]).await.unwrap().of_restricted(true);
    let portal = view(system(&[Right::Delegate]), &[]).await.unwrap().of_restricted(true);

    assert!(query.masks_locations());
    assert!(!portal.masks_locations());
}

/// Says in every attribute where it comes from.
fn telling_letter() -> DocumentEntry {
    let mut entry = letter();
    entry.authors = vec![telling_author()];
    entry.source_patient_id = Some("H-1^^^&2.999.77.1&ISO".into());
    entry.source_patient_info =
        ["PID-3|H-1^^^&2.999.77.1&ISO", "PID-5|Example^Ada", "PID-11|1 The Street^^^^XX1 1XX"]
            .map(str::to_owned)
            .to_vec();
    entry.reference_ids = vec!["ENC-1^^^&2.999.77&ISO".into()];
    entry.uri = Some("http://hamlet.example/mrn".into());
    entry
}

fn telling_set() -> SubmissionSet {
    SubmissionSet {
        entry_uuid: "urn:uuid:00000000-0000-4000-8000-0000000000aa".parse().unwrap(),
        availability_status: AvailabilityStatus::Approved,
        patient_id: letter().patient_id,
        unique_id: "2.999.2.1".parse().unwrap(),
        source_id: "2.999.77.2".parse().unwrap(),
        submission_time: "20260114102231".parse().unwrap(),
        content_type_code: letter().type_code,
        authors: vec![telling_author()],
        intended_recipients: vec!["Hamlet Practice^^^^^^^^^2.999.77.3".into()],
        title: Vec::new(),
        comments: Vec::new(),
        home_community_id: None,
        extra: ExtraMetadata::default(),
    }
}

fn telling_author() -> Author {
    Author {
        person: Some("^Okafor^Ada".parse().unwrap()),
        institutions: vec!["Hamlet Surgery^^^^^&2.999.77&ISO^^^^HAM01".parse().unwrap()],
        telecommunications: vec!["^WPN^PH^^44^01234^567".parse().unwrap()],
        ..Author::default()
    }
}

fn decisions(records: &[ConsentRecord]) -> AccessDecisions {
    AccessDecisions::new(Arc::new(policy()), Arc::new(Fixtures(records.to_vec())), Arc::new(Fixed))
}

async fn view(caller: Caller, records: &[ConsentRecord]) -> Result<RecordView, Refused> {
    decisions(records).open(&caller, Purpose::DirectCare, Right::Query, patient()).await
}

fn policy() -> Policy {
    Policy::parse(ACCESS, MODELS, &[("a.json".into(), AGREEMENT.into())]).unwrap()
}

fn patient() -> NhsNumber {
    "9990001006".parse().unwrap()
}

fn clinician(organisation: &str, role: &str) -> Caller {
    Caller::User(Box::new(UserCaller {
        user_id: "555021935107".into(),
        name: "Dr Test".into(),
        organisation: organisation.parse().unwrap(),
        role: role.into(),
        role_profile_id: "555021935108".into(),
        activities: Vec::new(),
        assurance: Assurance::Aal3,
        client_id: "portal".into(),
        asserted: None,
        session_id: Some("s-1".into()),
    }))
}

fn objection(grain: Grain) -> ConsentRecord {
    ConsentRecord {
        id: Uuid::from_u128(7),
        version: 1,
        patient: patient(),
        status: ConsentStatus::Active,
        provision: Provision::Objection(grain),
        set_by: "the patient".into(),
        organisation: "ZEX09".parse().unwrap(),
        since: "2026-11-01T09:00:00Z".parse().unwrap(),
        until: None,
        policy_uri: None,
        recorded_at: "2026-11-01T09:00:00Z".parse().unwrap(),
        recorded_by: "555021935107".into(),
    }
}

pub(crate) fn letter() -> DocumentEntry {
    let code = |c: &str| Code::new(c, "2.16.840.1.113883.6.96", "");
    DocumentEntry {
        entry_uuid: ObjectId::Uuid(
            "urn:uuid:00000000-0000-4000-8000-000000000001".parse().unwrap(),
        ),
        logical_id: None,
        version: 1,
        entry_type: DocumentEntryType::Stable,
        availability_status: AvailabilityStatus::Approved,
        patient_id: PatientId::from_nhs_number(patient()),
        unique_id: "2.999.1.1".parse().unwrap(),
        repository_unique_id: Some("2.999.30.1".parse().unwrap()),
        home_community_id: None,
        mime_type: "text/xml".parse().unwrap(),
        hash: None,
        size: None,
        creation_time: None,
        service_start_time: None,
        service_stop_time: None,
        language_code: "en-GB".into(),
        class_code: code("823751000000102"),
        type_code: code("823691000000103"),
        format_code: code("urn:x"),
        healthcare_facility_type_code: code("22232009"),
        practice_setting_code: code("394802001"),
        confidentiality_codes: vec![Code::new("N", "2.16.840.1.113883.5.25", "normal")],
        event_codes: Vec::new(),
        authors: Vec::new(),
        legal_authenticator: None,
        source_patient_id: None,
        source_patient_info: Vec::new(),
        reference_ids: Vec::new(),
        title: Vec::new(),
        comments: Vec::new(),
        uri: None,
        online: true,
        extra: ExtraMetadata::default(),
    }
}

const ACCESS: &str = r#"
minimum_assurance = "AAL2"
reveal = ["no-agreement", "objection-whole-record", "objection-source", "objection-document",
          "objection-class", "objection-recipient", "consent-missing"]

[role.R8000]
name = "Clinician"
purposes = ["direct-care"]
max_label = "N"
may_see_locations = true

[role.R8001]
name = "Nurse"
purposes = ["direct-care"]
max_label = "N"

[role.R8014]
name = "Social worker"
purposes = ["direct-care"]
max_label = "N"

[organisation.ZEX01]
name = "Royal Example Hospital"
org_roles = ["RO197"]

[organisation.ZEX02]
name = "Example Community Trust"
org_roles = ["RO197"]

[organisation.ZEX05]
name = "Example Council"
org_roles = ["RO141"]

[node]
"2.999.30.1" = "ZEX01"
"#;

const MODELS: &str = r#"
[[model]]
name = "health"
applies_to = { org_role = ["RO197"] }
basis = "implied"
from = "2026-01-01"

[[model]]
name = "social-care"
applies_to = { user_role = ["R8014"] }
basis = "explicit"
ask_at_view = true
from = "2026-01-01"
"#;

const AGREEMENT: &str = r#"{
  "id": "dsa-1", "version": 1, "status": "in-force",
  "parties": [
    {"ods": "ZEX01", "role": "controller", "signed_by": "A. Lee", "signed_on": "2026-02-11"},
    {"ods": "ZEX02", "role": "controller", "signed_by": "P. Rao", "signed_on": "2026-02-14"},
    {"ods": "ZEX05", "role": "controller", "signed_by": "DPO", "signed_on": "2026-03-02"}],
  "purpose": [{"code": "directcare"}],
  "provides": [{"from": ["ZEX01"], "to": ["ZEX02", "ZEX05"], "classes": ["823751000000102"],
                "types_excluded": ["820301000000106"], "sensitivity_max": "N"}],
  "effective": {"from": "2026-03-10", "to": "2028-03-09"},
  "dpia_ref": "DPIA-1"
}"#;

#[path = "assertion_tests.rs"]
mod assertions;

#[path = "objection_tests.rs"]
mod objections;

#[path = "override_tests.rs"]
mod overrides;

#[path = "inquiry_tests.rs"]
mod inquiries;

#[path = "relationship_tests.rs"]
mod relationships;
