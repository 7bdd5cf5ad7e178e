use std::collections::BTreeSet;

pub use carerecord_testkit::consent_of;
use carerecord_testkit::{
    APPROVED, Browser, Deployment, Fhir, GP, Letter, NODES, PATIENT, Role, patient_id,
};
use serde_json::{Value, json};

/// Each grain: set, looked at on every door, lifted, looked at again.
pub async fn an_objection_holds_from_the_next_request_until_it_is_lifted(deployment: Deployment) {
    let letters = publish(&deployment).await;
    let mut doors = Doors::open(&deployment, letters).await;
    doors.check("nothing is set", &Expected::default()).await;
    for grain in doors.grains() {
        let consent = consent(&grain.provision);
        let (status, stored) = doors.gp.put("Consent", None, &consent).await;
        assert_eq!(status, 201, "{stored}");

        doors.check(grain.rule, &grain.expected).await;

        let mut lifted = consent;
        lifted["status"] = "inactive".into();
        let (status, answer) = doors.gp.put("Consent", stored["id"].as_str(), &lifted).await;
        assert_eq!(status, 200, "{answer}");
        doors.check("lifted", &Expected::default()).await;
    }
    deployment.assert_no_panic();
}

/// What the patient says at the desk counts at once, is listed, and can be lifted there.
pub async fn an_objection_is_recorded_and_lifted_at_the_desk(deployment: Deployment) {
    let letters = publish(&deployment).await;
    let mut gp = Browser::sign_in(&deployment, GP).await;
    let record = gp.find(PATIENT).await;
    let desk = format!("{record}/consent");
    let (status, page) = gp.get(&record).await;
    assert!(status == 200 && page.contains(&format!("href=\"{desk}\"")), "{page}");

    let (status, page) = gp.submit(&desk, &[("says", "class"), ("decider", "patient")]).await;
    assert!(status == 422 && page.contains("Choose a class of documents"), "{status} {page}");
    let said = [("says", "class"), ("class", CARE_PLAN), ("decider", "patient")];
    let (status, page) = gp.submit(&desk, &said).await;
    assert_eq!(status, 303, "{page}");

    let list = gp.get(&format!("{record}?show=list")).await.1;
    assert!(list.contains(&letters[0].title) && !list.contains(&letters[2].title), "{list}");
    let (_, page) = gp.get(&desk).await;
    assert!(page.contains("Objects to sharing documents of the class Care plan"), "{page}");
    assert!(page.contains("Decided by the patient"), "{page}");
    let lift = page.split("action=\"").find(|part| part.contains("/lift\"")).unwrap();
    let lift = lift.split('"').next().unwrap();
    assert_eq!(gp.submit_to(&desk, lift, &[]).await.0, 303);
    let list = gp.get(&format!("{record}?show=list")).await.1;
    assert!(list.contains(&letters[2].title), "{list}");
    assert!(gp.get(&desk).await.1.contains("Lifted"));
    let other = gp.find("9990001138").await;
    let elsewhere = lift.replace(record.as_str(), &other);
    assert_eq!(gp.submit_to(&desk, &elsewhere, &[]).await.0, 404, "it is of another patient");
    deployment.assert_no_panic();
}

/// Social care needs a yes: who looks after the person asks for it, and records no more than that.
pub async fn a_yes_is_asked_for_at_the_point_of_care(deployment: Deployment) {
    let letters = publish(&deployment).await;
    let mut social = Browser::sign_in(&deployment, SOCIAL_WORKER).await;
    let api = deployment.fhir().as_person(SOCIAL_WORKER).await;
    let record = social.find(PATIENT).await;
    let desk = format!("{record}/consent");
    let (status, page) = social.get(&record).await;
    assert_eq!(status, 403, "{page}");
    assert!(page.contains(&format!("href=\"{desk}\"")), "{page}");
    for provision in [
        json!({"type": "deny"}),
        json!({"type": "permit"}),
        json!({"type": "permit", "actor": [{
            "role": {"coding": [{"system": ROLES, "code": "IRCP"}]},
            "reference": {"identifier": {"system": ODS, "value": "ZEX02"}}}]}),
    ] {
        let (status, answer) = api.put("Consent", None, &consent(&provision)).await;
        assert_eq!(status, 403, "{provision}: {answer}");
    }

    let (status, page) = social.get(&desk).await;
    assert_eq!(status, 200, "{page}");
    assert!(!page.contains("Objects to sharing") && !page.contains("Recorded so far"), "{page}");
    let yes = [("says", "agrees"), ("decider", "patient"), ("until", "day")];
    let (status, page) = social.submit(&desk, &yes).await;

    assert_eq!(status, 303, "{page}");
    let (status, page) = social.get(&format!("{record}?show=list")).await;
    assert_eq!(status, 200, "{page}");
    assert!(letters.iter().any(|letter| page.contains(&letter.title)), "{page}");
    let events = deployment.audit(Role::Portal);
    let recorded: Vec<&Value> =
        events.iter().filter(|e| e["interaction"] == "create Consent").collect();
    assert_eq!(recorded.iter().filter(|e| e["outcome"] == "success").count(), 1, "{recorded:?}");
    deployment.assert_no_panic();
}

struct Grain {
    rule: &'static str,
    provision: Value,
    expected: Expected,
}

/// Name, id and parameters of a stored query.
type Query = (&'static str, &'static str, Vec<(&'static str, String)>);

/// Which letters are gone for whom, and by which rule.
#[derive(Default)]
struct Expected {
    rule: &'static str,
    /// For the practitioner, on FHIR and on the pages.
    from_gp: Vec<usize>,
    /// For the system of ZEX09, on SOAP and on FHIR.
    from_system: Vec<usize>,
}

struct Doors<'d> {
    deployment: &'d Deployment,
    letters: Vec<Letter>,
    /// Ids of the DocumentReferences.
    ids: Vec<String>,
    gp: Fhir,
    system: Fhir,
    browser: Browser,
    list: String,
}

impl<'d> Doors<'d> {
    async fn open(deployment: &'d Deployment, letters: Vec<Letter>) -> Self {
        let gp = deployment.fhir().as_person(GP).await;
        let system = deployment.fhir().as_system().await;
        let mut browser = Browser::sign_in(deployment, GP).await;
        let list = browser.find(PATIENT).await;
        let found = gp.documents(PATIENT).await;
        let id = |letter: &Letter| found[&letter.unique_id]["id"].as_str().unwrap().to_owned();
        let ids = letters.iter().map(id).collect();
        Self { deployment, letters, ids, gp, system, browser, list }
    }

    fn grains(&self) -> Vec<Grain> {
        let grain = |rule, provision, from_gp: &[usize], from_system: &[usize]| Grain {
            rule,
            provision,
            expected: Expected {
                rule,
                from_gp: from_gp.to_vec(),
                from_system: from_system.to_vec(),
            },
        };
        let organisation = |code: &str| json!({"identifier": {"system": ODS, "value": code}});
        let recipient = |code: &str| {
            json!({"type": "deny", "actor": [{
                "role": {"coding": [{"system": ROLES, "code": "IRCP"}]},
                "reference": organisation(code)}]})
        };
        let label = |system: &str, code: &str| {
            let system = format!("http://terminology.hl7.org/CodeSystem/{system}");
            json!({"type": "deny", "securityLabel": [{"system": system, "code": code}]})
        };
        let time = |start: &str, end: &str| json!({"type": "deny", "dataPeriod": {"start": start, "end": end}});
        let november = json!({"start": "2026-11-01", "end": "2026-11-01"});
        let care_plan =
            json!([{"coding": [{"system": "http://snomed.info/sct", "code": CARE_PLAN}]}]);
        let document = format!("DocumentReference/{}", self.ids[0]);
        vec![
            grain("objection-whole-record", json!({"type": "deny"}), &[0, 1, 2], &[0, 1, 2]),
            grain(
                "objection-document",
                json!({"type": "deny", "data": [
                    {"meaning": "instance", "reference": {"reference": document}}]}),
                &[0],
                &[0],
            ),
            grain("objection-class", json!({"type": "deny", "code": care_plan}), &[2], &[2]),
            grain(
                "objection-source",
                json!({"type": "deny", "data": [
                    {"meaning": "authoredby", "reference": organisation("ZEX02")}]}),
                &[1],
                &[1],
            ),
            grain("objection-label", label("v3-Confidentiality", "N"), &[0, 1, 2], &[0, 1, 2]),
            grain("objection-label", label("v3-ActCode", "PSY"), &[], &[]),
            grain("objection-recipient", recipient("A20047"), &[0, 1, 2], &[]),
            grain("objection-recipient", recipient("ZEX09"), &[], &[0, 1, 2]),
            grain("objection-period", time("2026-11-01", "2026-11-01"), &[0, 1, 2], &[0, 1, 2]),
            grain("objection-period", time("2026-10-01", "2026-10-31"), &[], &[]),
            // The letters name no contact with care.
            grain(
                "objection-related",
                json!({"type": "deny", "data": [{"meaning": "related", "reference": {
                    "type": "Encounter",
                    "identifier": {"system": "urn:oid:2.999.5", "value": "E1"}}}]}),
                &[0, 1, 2],
                &[0, 1, 2],
            ),
            grain(
                "objection-terms",
                json!({"type": "deny", "code": care_plan, "dataPeriod": november}),
                &[2],
                &[2],
            ),
            grain(
                "objection-class",
                json!({"type": "deny", "code": care_plan, "actor": recipient("A20047")["actor"]}),
                &[2],
                &[],
            ),
            grain("consent-limits", json!({"type": "permit", "code": care_plan}), &[0, 1], &[0, 1]),
            grain("consent-limits", json!({"type": "permit", "dataPeriod": november}), &[], &[]),
            grain(
                "objection-source",
                json!({"type": "permit", "provision": [{"type": "deny", "data": [
                    {"meaning": "authoredby", "reference": organisation("ZEX02")}]}]}),
                &[1],
                &[1],
            ),
            grain(
                "objection-whole-record",
                json!({"type": "deny", "provision": [{"type": "permit", "code": care_plan}]}),
                &[0, 1],
                &[0, 1],
            ),
            grain(
                "objection-whole-record",
                json!({"type": "deny", "provision": [
                    {"type": "permit", "actor": recipient("ZEX09")["actor"]}]}),
                &[0, 1, 2],
                &[],
            ),
        ]
    }

    async fn check(&mut self, what: &str, expected: &Expected) {
        self.check_fhir(what, &self.gp, &expected.from_gp, expected.rule).await;
        self.check_fhir(what, &self.system, &expected.from_system, expected.rule).await;
        self.check_query(what, &expected.from_system).await;
        self.check_retrieval(what, &expected.from_system, expected.rule).await;
        self.check_pages(what, &expected.from_gp).await;
    }

    async fn check_fhir(&self, what: &str, fhir: &Fhir, gone: &[usize], rule: &str) {
        let there: BTreeSet<&str> = self
            .ids
            .iter()
            .enumerate()
            .filter(|(n, _)| !gone.contains(n))
            .map(|(_, id)| id.as_str())
            .collect();
        let (status, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
        assert_eq!(status, 200, "{what}: {bundle}");
        assert_eq!(bundle["total"], there.len(), "{what}");
        let text = bundle.to_string();
        self.check_absent(what, &text, gone);
        let listed = matches(&bundle);
        assert_eq!(listed, there.iter().copied().map(str::to_owned).collect(), "{what}");
        let told = bundle.to_string().contains(rule) && text.contains(SET_BY);
        assert!(gone.is_empty() || told, "{what}: the reason is not told: {bundle}");
        let none = !text.contains("objection-") && !text.contains("consent-limits");
        assert!(!gone.is_empty() || none, "{what}: {bundle}");

        let counted = fhir.search("DocumentReference", PATIENT, "status=current&_summary=count");
        let (_, counted) = counted.await;
        assert_eq!(counted["total"], there.len(), "{what}");
        let lists = fhir.search("List", PATIENT, "status=current&code=submissionset").await;
        assert_eq!(lists.0, 200, "{what}: {}", lists.1);
        assert_eq!(lists.1["total"], there.len(), "{what}: sets of which nothing is shown");
        self.check_absent(what, &lists.1.to_string(), gone);

        for (n, id) in self.ids.iter().enumerate() {
            for kind in ["DocumentReference", "Binary"] {
                let (status, bytes) = fhir.get(&format!("{kind}/{id}")).await.unwrap();
                let text = String::from_utf8_lossy(&bytes);
                if gone.contains(&n) {
                    assert_eq!(status, 403, "{what}: {kind} {n}: {text}");
                    assert!(text.contains(rule) && text.contains(SET_BY), "{what}: {text}");
                    assert!(!text.contains(&self.letters[n].unique_id), "{what}: {text}");
                } else {
                    assert_eq!(status, 200, "{what}: {kind} {n}: {text}");
                    assert!(kind != "Binary" || bytes == self.letters[n].bytes, "{what}");
                }
            }
        }
    }

    fn check_absent(&self, what: &str, text: &str, gone: &[usize]) {
        for n in gone {
            let letter = &self.letters[*n];
            for word in [&self.ids[*n], &letter.title] {
                assert!(!text.contains(word.as_str()), "{what}: {word} in {text}");
            }
            let unique_id = format!("{}\"", letter.unique_id);
            assert!(!text.contains(&unique_id), "{what}: {unique_id} in {text}");
        }
    }

    async fn check_query(&self, what: &str, gone: &[usize]) {
        let (answer, ids) = self.deployment.registry().find_documents(PATIENT).await.unwrap();
        assert!(answer.is_success(), "{what}: {}", answer.envelope);
        let expected: Vec<&str> = self
            .letters
            .iter()
            .enumerate()
            .filter(|(n, _)| !gone.contains(n))
            .map(|(_, letter)| letter.unique_id.as_str())
            .collect();
        assert_eq!(ids, expected, "{what}");
        self.check_absent(what, &answer.envelope, gone);
        for (query, id, parameters) in self.queries() {
            for return_type in ["LeafClass", "ObjectRef"] {
                let registry = self.deployment.registry();
                let answer = registry.stored_query(id, return_type, &parameters).await.unwrap();
                assert!(answer.is_success(), "{what}: {query}: {}", answer.envelope);
                self.check_absent(&format!("{what}: {query}"), &answer.envelope, gone);
                for (n, id) in self.ids.iter().enumerate() {
                    let there = answer.envelope.contains(id.as_str());
                    let expected = !gone.contains(&n) && query != "FindSubmissionSets";
                    assert_eq!(there, expected, "{what}: {query} {return_type}: {n}");
                }
                let sets = answer.envelope.matches("RegistryPackage ").count();
                let shown = self.letters.len() - gone.len();
                let has_sets = query != "GetDocuments" && return_type == "LeafClass";
                let expected = if has_sets { shown } else { 0 };
                assert_eq!(sets, expected, "{what}: {query}: {}", answer.envelope);
            }
        }
    }

    /// Other ways of asking for the same: each with the standard's id and parameters.
    fn queries(&self) -> Vec<Query> {
        let approved = || APPROVED.to_owned();
        let ids: Vec<String> = self.letters.iter().map(|l| format!("'{}'", l.unique_id)).collect();
        vec![
            (
                "GetAll",
                "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3",
                vec![
                    ("$patientId", patient_id(PATIENT)),
                    ("$XDSDocumentEntryStatus", approved()),
                    ("$XDSSubmissionSetStatus", approved()),
                    ("$XDSFolderStatus", approved()),
                ],
            ),
            (
                "GetDocuments",
                "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4",
                vec![("$XDSDocumentEntryUniqueId", format!("({})", ids.join(",")))],
            ),
            (
                "FindSubmissionSets",
                "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9",
                vec![
                    ("$XDSSubmissionSetPatientId", patient_id(PATIENT)),
                    ("$XDSSubmissionSetStatus", approved()),
                ],
            ),
        ]
    }

    async fn check_retrieval(&self, what: &str, gone: &[usize], rule: &str) {
        for (n, letter) in self.letters.iter().enumerate() {
            let node = self.deployment.node(n);
            let given = node.retrieve(NODES[n].0, &[&letter.unique_id]).await.unwrap();
            let envelope = &given.exchange.envelope;
            if gone.contains(&n) {
                assert!(given.documents.is_empty() && given.exchange.parts.is_empty(), "{what}");
                assert!(!given.exchange.is_success(), "{what}: {envelope}");
                assert!(envelope.contains(rule) && envelope.contains(SET_BY), "{what}: {envelope}");
            } else {
                assert!(given.exchange.is_success(), "{what}: {envelope}");
                assert_eq!(given.documents[&letter.unique_id], letter.bytes, "{what}");
            }
        }
    }

    async fn check_pages(&mut self, what: &str, gone: &[usize]) {
        let list = self.list.clone();
        let (status, page) = self.browser.get(&list).await;
        let all_gone = gone.len() == self.letters.len();
        assert_eq!(status, if all_gone { 403 } else { 200 }, "{what}: {page}");
        for (n, letter) in self.letters.iter().enumerate() {
            assert_eq!(page.contains(&letter.title), !gone.contains(&n), "{what}: {page}");
        }
        if !gone.is_empty() {
            let words = match what {
                "consent-limits" => "The patient has agreed to share a part of their record",
                _ => "The patient has objected",
            };
            assert!(page.contains(words), "{what}: {page}");
            assert!(page.contains(SET_BY_WHOM), "{what}: {page}");
        }
        for (n, letter) in self.letters.iter().enumerate() {
            let (status, page) =
                self.browser.get(&format!("{list}/document/{}", self.ids[n])).await;
            let expected = if gone.contains(&n) { 403 } else { 200 };
            assert_eq!(status, expected, "{what}: {page}");
            assert_eq!(page.contains(&letter.title), expected == 200, "{what}");
            let download = format!("{list}/document/{}/download", self.ids[n]);
            assert_eq!(self.browser.get(&download).await.0, expected, "{what}");
        }
    }
}

async fn publish(deployment: &Deployment) -> Vec<Letter> {
    let mut letters: Vec<Letter> = (0..3).map(|n| Letter::text(PATIENT, n)).collect();
    CARE_PLAN.clone_into(&mut letters[2].class);
    for (n, letter) in letters.iter().enumerate() {
        let answer = deployment.node(n).publish(letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    assert!(!deployment.audit(Role::Registry).is_empty());
    letters
}

fn matches(bundle: &Value) -> BTreeSet<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    let resources = entries.map(|entry| &entry["resource"]);
    resources
        .filter(|resource| resource["resourceType"] == "DocumentReference")
        .map(|resource| resource["id"].as_str().unwrap().to_owned())
        .collect()
}

pub fn consent(provision: &Value) -> Value {
    consent_of(PATIENT, provision)
}

/// Of the council.
const SOCIAL_WORKER: &str = "555021900400";
const SET_BY: &str = "Set by the patient on 1 November 2026.";
const SET_BY_WHOM: &str = "the patient";
const CARE_PLAN: &str = "734163000";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const ROLES: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
