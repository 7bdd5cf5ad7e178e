//! Assertions over SOAP: who is in the record, and who is not let in.

use carerecord_testkit::saml::{Claims, PURPOSE, Provider, ROLE};
use carerecord_testkit::{Exchange, Letter, PATIENT, Xds};
use jiff::Timestamp;
use serde_json::Value;

use super::example::Example;

const AUDIENCE: &str = "urn:oid:2.999.826.1";
const NODE: &str = "2.999.826.1.1";

struct World {
    example: Example,
    provider: Provider,
    _certificate: tempfile::NamedTempFile,
    number: std::cell::Cell<u32>,
}

impl World {
    /// The doors of the registry and of the first node take assertions so; the other nodes do not.
    fn new(mode: &str) -> Self {
        let provider = Provider::new("https://sts.example");
        let certificate = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(certificate.path(), &provider.certificate_pem).unwrap();
        let example = Example::start(|text| {
            let off = "xua = \"off\"\n";
            assert!(text.contains(off), "the example shows the setting");
            let text = text.replacen(off, &format!("xua = \"{mode}\"\n"), 1);
            let door = "[[repository.door]]\n";
            let text = text.replacen(door, &format!("{door}xua = \"{mode}\"\n"), 1);
            format!(
                "{text}\n[xua]\naudiences = [\"{AUDIENCE}\"]\n[[xua.issuer]]\n\
                 name = \"https://sts.example\"\ncertificates = [\"{}\"]\n\
                 organisations = [\"ZEX01\"]\n",
                certificate.path().display()
            )
        });
        Self { example, provider, _certificate: certificate, number: 0.into() }
    }

    #[expect(clippy::disallowed_methods, reason = "the process goes by the real clock")]
    fn claims(&self) -> Claims {
        let number = self.number.get() + 1;
        self.number.set(number);
        Claims::new(&format!("_assertion-of-the-black-box-{number}"), AUDIENCE, Timestamp::now())
    }

    fn node(&self, claims: &Claims) -> Xds {
        self.example.node().with_security(&self.provider.sign(claims))
    }

    fn registry(&self, claims: &Claims) -> Xds {
        self.example.registry().with_security(&self.provider.sign(claims))
    }

    /// The newest record of an interaction.
    fn record(&self, interaction: &str) -> Value {
        let config = self.example.config();
        let output = self.example.run(&["audit", "--config", &config, "--json", "--limit", "1000"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let mut all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_it = |e: &Value| e["interaction"].as_str().unwrap().starts_with(interaction);
        let found = all.by_ref().filter(is_it).last();
        found.unwrap_or_else(|| panic!("no record of {interaction}: {text}"))
    }
}

/// A signed message is done, and the record names the person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_person_of_an_assertion_is_who_acts() {
    let world = World::new("required");
    let letter = Letter::text(PATIENT, 1);

    let published = world.node(&world.claims()).publish(&letter).await.unwrap();
    assert!(published.is_success(), "{}", published.envelope);
    let (answer, found) = world.registry(&world.claims()).find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    let retrieved = world.node(&world.claims()).retrieve(NODE, &[&letter.unique_id]).await.unwrap();

    assert_eq!(found, std::slice::from_ref(&letter.unique_id));
    assert_eq!(retrieved.documents.len(), 1, "{}", retrieved.exchange.envelope);
    for interaction in ["ITI-41", "ITI-18", "ITI-43"] {
        let record = world.record(interaction);
        let actor = &record["actor"];
        assert_eq!(record["outcome"], "success", "{record}");
        assert_eq!(actor["id"], "555021935107", "{record}");
        assert_eq!(actor["user_name"], "portal<555021935107@https://sts.example>", "{record}");
        assert_eq!((&actor["organisation"], &actor["role"]), (&"ZEX01".into(), &"R8000".into()));
        assert_eq!(actor["client"], "loopback", "the system that sent it");
        assert_eq!(record["purpose"], "direct-care", "{record}");
        assert!(actor["assertion"].as_str().unwrap().starts_with("_assertion-of"), "{record}");
    }
}

/// What does not show who calls is refused before it is read, and nobody learns why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_show_who_they_are_is_refused() {
    let world = World::new("required");
    let letter = Letter::text(PATIENT, 1);
    let stranger = Provider::new("https://sts.example");
    let forged = stranger.sign(&world.claims());
    let mut old = world.claims();
    (old.begins, old.ends) = (-600, -300);

    let unsigned = world.example.node().publish(&letter).await.unwrap();
    refused(&unsigned, "SecurityTokenUnavailable");
    let record = world.record("user authentication");
    assert_eq!((&record["outcome"], &record["status"]), (&"refused".into(), &400.into()));
    assert_eq!(record["error"], "wsse:SecurityTokenUnavailable: missing", "{record}");
    assert_eq!(record["actor"]["id"], "loopback", "{record}");

    let forged_node = world.example.node().with_security(&forged);
    refused(&forged_node.publish(&letter).await.unwrap(), "FailedCheck");
    let forged_registry = world.example.registry().with_security(&forged);
    let (answer, _) =
        forged_registry.find_documents(PATIENT).await.unwrap_or_else(|e| panic!("{e}"));
    refused(&answer, "FailedCheck");
    assert!(!answer.envelope.contains("signature-invalid"), "{}", answer.envelope);
    let record = world.record("user authentication");
    assert_eq!(record["error"], "wsse:FailedCheck: signature-invalid", "{record}");

    refused(&world.node(&old).publish(&letter).await.unwrap(), "MessageExpired");
    let identity = Xds::new(world.example.url(1, "/xds/identity"));
    let feed = identity.send(carerecord_testkit::SOAP, "<x/>").await.unwrap();
    refused(&feed, "SecurityTokenUnavailable");

    // Nothing of all that was done.
    let (answer, found) = world.registry(&world.claims()).find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success() && found.is_empty(), "{}", answer.envelope);
}

/// Who is known and may not gets an answer of the transaction, and not of WS-Security.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_decision_is_about_the_person() {
    let world = World::new("required");
    let letter = Letter::text(PATIENT, 1);
    let published = world.node(&world.claims()).publish(&letter).await.unwrap();
    assert!(published.is_success(), "{}", published.envelope);
    let code = |element: &str, code: &str| {
        format!("<{element} xmlns=\"urn:hl7-org:v3\" code=\"{code}\" codeSystem=\"1.2.3\"/>")
    };
    let mut weak = world.claims();
    weak.authn_context = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password".to_owned();
    let cases = [
        ("role-unknown", world.claims().with(ROLE, &code("Role", "R8000"))),
        ("purpose-not-allowed", world.claims().with(PURPOSE, &code("PurposeOfUse", "BTG"))),
        ("assurance-too-low", weak),
    ];
    for (rule, claims) in cases {
        let (answer, found) = world.registry(&claims).find_documents(PATIENT).await.unwrap();

        assert_eq!((answer.status, found.len()), (200, 0), "{}", answer.envelope);
        assert!(answer.envelope.contains(rule), "{rule}: {}", answer.envelope);
        assert_eq!(world.record("ITI-18")["outcome"], "refused", "{rule}");
    }

    // About another patient there is nothing, and nothing is said to be.
    let other = "9990001006^^^&amp;2.16.840.1.113883.2.1.4.1&amp;ISO";
    let resource = "urn:oasis:names:tc:xacml:2.0:resource:resource-id";
    let elsewhere = || world.claims().with(resource, other);
    let (answer, found) = world.registry(&elsewhere()).find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success() && found.is_empty(), "{}", answer.envelope);
    let given = world.node(&elsewhere()).retrieve(NODE, &[&letter.unique_id]).await.unwrap();
    assert!(given.documents.is_empty());
    assert_eq!(given.exchange.error_codes(), ["XDSDocumentUniqueIdError"]);
    let written = world.node(&elsewhere()).publish(&Letter::text(PATIENT, 2)).await.unwrap();
    assert!(!written.is_success(), "{}", written.envelope);
}

/// Where assertions may be left out, the caller is then the system; where they are not read, nobody
/// who must be understood is taken for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doors_differ() {
    let world = World::new("accepted");

    let plain = world.example.node().publish(&Letter::text(PATIENT, 1)).await.unwrap();
    assert!(plain.is_success(), "{}", plain.envelope);
    assert_eq!(world.record("ITI-41")["actor"]["id"], "loopback");
    let signed = world.node(&world.claims()).publish(&Letter::text(PATIENT, 2)).await.unwrap();
    assert!(signed.is_success(), "{}", signed.envelope);
    assert_eq!(world.record("ITI-41")["actor"]["id"], "555021935107");

    let other = Xds::new(world.example.url(3, "/xds/repository"));
    let other = other.with_security(&world.provider.sign(&world.claims()));
    let answer = other.publish(&Letter::text(PATIENT, 3)).await.unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.envelope.contains("MustUnderstand"), "{}", answer.envelope);
}

#[test]
fn a_door_for_assertions_needs_somebody_to_believe() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doors.toml");
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
    let text = format!(
        "data = \"data\"\npolicy = \"{policy}\"\n[registry]\n[[registry.door]]\nxua = \
         \"required\"\nlisten = {{ address = \"127.0.0.1:0\" }}\n\
         caller = {{ name = \"t\", organisation = \"ZEX09\", rights = [\"query\"] }}\n"
    );
    std::fs::write(&file, text).unwrap();

    let mut command = std::process::Command::new(super::BINARY);
    let output = command.args(["serve", "--config"]).arg(&file).output().unwrap();

    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("needs [xua]"), "{said}");
}

fn refused(answer: &Exchange, subcode: &str) {
    assert_eq!(answer.status, 400, "{}", answer.envelope);
    let expected = format!("wsse:{subcode}");
    assert_eq!(answer.fault_subcode().as_deref(), Some(expected.as_str()), "{}", answer.envelope);
}
