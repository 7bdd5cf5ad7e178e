//! The examples of the policy at every door: FHIR lists, documents and searches inside, ITI-18 and
//! ITI-43 by assertions. Each has the answer that its rule gives.

use carerecord_access::{Example as Row, Policy, Rule};
use carerecord_testkit::saml::{Claims, Provider, ROLE};
use carerecord_testkit::{Fhir, GP, Letter, NODES, Xds};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::example::Example;
use super::objections::consent_of;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn examples_are_decided_the_same_at_every_door() {
    let folder = std::path::Path::new(POLICY);
    let policy = Policy::load(folder).unwrap();
    let provider = Provider::new("https://sts.example");
    let certificate = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(certificate.path(), &provider.certificate_pem).unwrap();
    let example = Example::start(|text| {
        let door = "[[repository.door]]\n";
        let text = text.replace("xua = \"off\"\n", "xua = \"accepted\"\n");
        let text = text.replace(door, &format!("{door}xua = \"accepted\"\n"));
        format!(
            "{text}\n[xua]\naudiences = [\"{AUDIENCE}\"]\n[[xua.issuer]]\n\
             name = \"https://sts.example\"\ncertificates = [\"{}\"]\n\
             organisations = [\"ZEX01\", \"ZEX02\", \"ZEX05\", \"A20047\"]\n",
            certificate.path().display()
        )
    });
    let doors = Doors { example, provider };

    let all = Row::load(folder).unwrap().into_iter().flat_map(|(_, rows)| rows);
    let rows: Vec<Row> = all.filter(can_be_shown).collect();
    assert!(rows.len() >= 12 && rows.len() <= PATIENTS.len(), "{} rows", rows.len());
    for (n, row) in rows.iter().enumerate() {
        doors.check(&policy, row, n).await;
    }
}

/// Whether it is about today and needs neither a reason given nor metadata that a test's letter has
/// not.
fn can_be_shown(row: &Row) -> bool {
    let document = &row.document;
    let is_plain = document.setting.is_none() && document.tags.is_empty();
    row.on == "2026-11-25" && !row.who.broke_glass && is_plain
}

struct Doors {
    example: Example,
    provider: Provider,
}

impl Doors {
    async fn check(&self, policy: &Policy, row: &Row, n: usize) {
        let patient = PATIENTS[n];
        let mut letter = Letter::text(patient, n as u32);
        if let Some(class) = &row.document.class {
            letter.class.clone_from(class);
        }
        if let Some(title) = &row.document.title {
            letter.title.clone_from(title);
        }
        let source = row.document.source.as_ref().unwrap().as_str();
        let node = NODES.iter().position(|(_, organisation, _)| *organisation == source).unwrap();
        let published = self.node(node).publish(&letter).await.unwrap();
        assert!(published.is_success(), "{}", published.envelope);
        let gp = self.fhir().as_person(GP).await;
        for provision in provisions(row) {
            let (status, answer) = gp.put("Consent", None, &consent_of(patient, &provision)).await;
            assert_eq!(status, 201, "{provision}: {answer}");
        }
        let expected = row.expect.as_str();
        let permitted = Rule::from_id(expected).is_none();
        let told = Rule::from_id(expected).is_some_and(|rule| policy.reveals(rule));

        self.check_fhir(row, patient, &letter, permitted, told).await;

        let registry = Xds::new(self.example.url(1, "/xds/registry"));
        let registry = registry.with_security(&self.assertion(row, n));
        let (answer, found) = registry.find_documents(patient).await.unwrap();
        assert_eq!(found.len(), usize::from(permitted), "{}: {}", row.says, answer.envelope);
        let node_door = self.node(node).with_security(&self.assertion(row, 100 + n));
        let given = node_door.retrieve(NODES[node].0, &[&letter.unique_id]).await.unwrap();
        let envelope = &given.exchange.envelope;
        assert_eq!(given.documents.len(), usize::from(permitted), "{}: {envelope}", row.says);
        assert_eq!(envelope.contains(&format!("({expected})")), told, "{}: {envelope}", row.says);
    }

    async fn check_fhir(&self, row: &Row, patient: &str, letter: &Letter, yes: bool, told: bool) {
        let person = self.fhir().as_person(account(row)).await;
        for more in ["status=current", "status=current&_content=pulse"] {
            let (status, bundle) = person.search_inside(patient, more).await;
            let said = bundle.to_string();
            if row.expect == "role-unknown" {
                assert_eq!(status, 403, "{}: {said}", row.says);
            } else {
                assert_eq!((status, &bundle["total"]), (200, &json!(u8::from(yes))), "{said}");
            }
            assert_eq!(said.contains(&letter.title), yes, "{}: {said}", row.says);
            assert_eq!(said.contains(&format!("\"{}\"", row.expect)), told, "{}: {said}", row.says);
            if let Some(label) = &row.label {
                assert!(said.contains(&format!("\"code\":\"{label}\"")), "{}: {said}", row.says);
            }
        }
    }

    fn fhir(&self) -> Fhir {
        let http = reqwest::Client::builder().no_proxy();
        Fhir::new(http, &self.example.url(0, ""), &self.example.url(5, ""))
    }

    fn node(&self, n: usize) -> Xds {
        Xds::new(self.example.url(2 + n as u16, "/xds/repository"))
    }

    /// The person of the example, as a system of theirs says it.
    #[expect(clippy::disallowed_methods, reason = "the process goes by the real clock")]
    fn assertion(&self, row: &Row, number: usize) -> String {
        let organisation = format!(
            "https://fhir.nhs.uk/Id/ods-organization-code/{}",
            row.who.organisation.as_str()
        );
        let role = format!(
            "<Role xmlns=\"urn:hl7-org:v3\" code=\"{}\" \
             codeSystem=\"1.2.826.0.1285.0.2.1.104\"/>",
            row.who.role.as_ref().unwrap()
        );
        let claims = Claims::new(&format!("_door-{number}"), AUDIENCE, Timestamp::now())
            .with("urn:oasis:names:tc:xspa:1.0:subject:organization-id", &organisation)
            .with(ROLE, &role);
        self.provider.sign(&claims)
    }
}

fn account(row: &Row) -> &'static str {
    match (row.who.organisation.as_str(), row.who.role.as_deref().unwrap_or_default()) {
        ("A20047", "R0260") => GP,
        ("ZEX01", "R8000") => "555021900200",
        ("ZEX02", "R8001") => "555021900300",
        ("ZEX05", "R8014") => "555021900400",
        ("ZEX01", "R8010") => "555021900600",
        other => panic!("nobody is {other:?}"),
    }
}

/// What the patient has said, as FHIR Consents say it.
fn provisions(row: &Row) -> Vec<Value> {
    let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
    let organisation = |code: &str| json!({"identifier": {"system": ods, "value": code}});
    let recipient = |code: &str| {
        json!([{
            "role": {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                "code": "IRCP"}]},
            "reference": organisation(code)}])
    };
    let marked = |system: &str, code: &str| {
        let system = format!("http://terminology.hl7.org/CodeSystem/{system}");
        json!({"type": "deny", "securityLabel": [{"system": system, "code": code}]})
    };
    let objection = |said: &String| {
        let words: Vec<&str> = said.split(' ').collect();
        let mut provision = match words[..] {
            ["whole-record", ..] => json!({"type": "deny"}),
            ["recipient", code, ..] => json!({"type": "deny", "actor": recipient(code)}),
            ["source", code, ..] => json!({"type": "deny", "data": [
                {"meaning": "authoredby", "reference": organisation(code)}]}),
            ["class", code, ..] => json!({"type": "deny", "code": [{"coding": [{"code": code}]}]}),
            ["label", code, ..] => marked("v3-Confidentiality", code),
            ["tag", code, ..] => marked("v3-ActCode", code),
            _ => panic!("{said}"),
        };
        if let [.., "until", day] = words[..] {
            provision["period"] = json!({"start": "2026-01-01", "end": day});
        }
        provision
    };
    let permission = |to: &String| json!({"type": "permit", "actor": recipient(to)});
    let limited = |said: &String| {
        let span = said.strip_prefix("permit authored ").unwrap_or_else(|| panic!("{said}"));
        let (start, end) = span.split_once('/').unwrap();
        json!({"type": "permit", "dataPeriod": {"start": start, "end": end}})
    };
    let patient = &row.patient;
    let objections = patient.objects.iter().map(objection);
    let permissions = patient.agrees.iter().map(permission);
    objections.chain(permissions).chain(patient.says.iter().map(limited)).collect()
}

const AUDIENCE: &str = "urn:oid:2.999.826.1";
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
/// One for each example.
const PATIENTS: [&str; 20] = [
    "9990001006",
    "9990001014",
    "9990001022",
    "9990001030",
    "9990001049",
    "9990001057",
    "9990001065",
    "9990001073",
    "9990001081",
    "9990001103",
    "9990001111",
    "9990001138",
    "9990001146",
    "9990001154",
    "9990001162",
    "9990001170",
    "9990001189",
    "9990001197",
    "9990001200",
    "9990001219",
];
