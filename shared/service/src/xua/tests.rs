use std::sync::Mutex;

use carerecord_access::{AssertedPatient, Assurance, Caller, Purpose, Right};
use carerecord_audit::{AuditActor, AuditEvent, AuditOutcome};
use carerecord_codec::saml::name;
use carerecord_codec::soap::{SecurityFault, SoapError};
use carerecord_model::{IdSource, RandomIds};
use carerecord_testkit::envelope;
use carerecord_testkit::saml::{Claims, PURPOSE, Provider, ROLE, security, with_header};
use jiff::Timestamp;

use super::*;
use crate::AuditDraft;

const ISSUER: &str = "https://sts.example";
const AUDIENCE: &str = "urn:oid:2.999.826.1";
const ID: &str = "_96189571-c72c-4a10-8f1c-6d5b27efa797";

/// A clock that tests move.
struct Moved(Mutex<Timestamp>);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct World {
    provider: Provider,
    clock: Arc<Moved>,
    xua: Arc<Xua>,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with("")
    }

    /// With more of the configuration.
    fn with(more: &str) -> Self {
        let provider = Provider::on_p256(ISSUER);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sts.pem"), &provider.certificate_pem).unwrap();
        let clock = Arc::new(Moved(Mutex::new("2026-01-14T10:22:31Z".parse().unwrap())));
        let xua = Xua::new(config(more), folder.path(), clock.clone()).unwrap();
        Self { provider, clock, xua: Arc::new(xua), folder }
    }

    fn claims(&self) -> Claims {
        Claims::new(ID, AUDIENCE, self.clock.now())
    }

    fn message(&self, claims: &Claims) -> String {
        message(&security(&self.provider.sign(claims)))
    }

    fn person(&self, claims: &Claims) -> Result<UserCaller, SamlError> {
        let person = self.xua.person(&self.message(claims), &peer("10.0.0.1"), &system())?;
        person.ok_or(SamlError::Missing)
    }

    fn callers(&self, mode: XuaMode) -> Callers {
        Callers::from(Caller::System(system())).with_xua(self.xua.clone(), mode)
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now += SignedDuration::from_secs(seconds);
    }
}

fn config(more: &str) -> XuaConfig {
    let text = format!(
        "audiences = [\"{AUDIENCE}\"]\n{more}\n[[issuer]]\nname = \"{ISSUER}\"\n\
         certificates = [\"sts.pem\"]\norganisations = [\"ZEX01\", \"ZEX02\"]\n"
    );
    toml::from_str(&text).unwrap()
}

fn system() -> SystemCaller {
    SystemCaller {
        name: "epr".into(),
        organisation: "ZEX01".parse().unwrap(),
        rights: vec![Right::Query, Right::Delegate],
        known_by: "listener",
    }
}

fn peer(address: &str) -> Peer {
    Peer { address: address.parse().ok(), certificate: None }
}

fn message(headers: &str) -> String {
    with_header(&envelope("urn:a", "<x xmlns=\"urn:u\"/>"), headers)
}

fn draft() -> AuditDraft {
    AuditDraft::detached(AuditEvent::incoming(
        RandomIds.ordered(),
        Timestamp::UNIX_EPOCH,
        "r",
        "soap",
    ))
}

fn noted(draft: &AuditDraft) -> AuditEvent {
    let mut noted = None;
    draft.fill(|event| noted = Some(event.clone()));
    noted.unwrap()
}

fn coded(element: &str, code: &str, system: &str) -> String {
    format!("<{element} xmlns=\"urn:hl7-org:v3\" code=\"{code}\" codeSystem=\"{system}\"/>")
}

#[test]
fn the_person_is_known_with_role_organisation_and_purpose() {
    let world = World::new();
    let claims = world
        .claims()
        .with(name::RESOURCE_ID, "9990001006^^^&amp;2.16.840.1.113883.2.1.4.1&amp;ISO")
        .with(name::NPI, "C1234567");

    let person = world.person(&claims).unwrap();

    assert_eq!((person.user_id.as_str(), person.name.as_str()), ("555021935107", "Ada Okafor"));
    assert_eq!((person.organisation.as_str(), person.role.as_str()), ("ZEX01", "R8000"));
    assert_eq!(person.assurance, Assurance::Aal3);
    let asserted = person.asserted.as_deref().unwrap();
    assert_eq!(asserted.purpose, Some(Purpose::DirectCare));
    assert_eq!(asserted.patient, AssertedPatient::Only("9990001006".parse().unwrap()));
    assert_eq!(asserted.identifiers, ["C1234567"]);
    let caller = Caller::User(Box::new(person));
    assert!(caller.has_right(Right::Query), "what the system may");
    assert!(!caller.has_right(Right::Publish), "and nothing that it may not");
    assert!(!caller.has_right(Right::Delegate), "the decision about a person is taken here");
    let actor = AuditActor::from(&caller);
    assert_eq!(actor.user_name.as_deref(), Some("portal<555021935107@https://sts.example>"));
    assert_eq!(actor.assertion.as_deref(), Some(ID));
    assert_eq!(actor.client.as_deref(), Some("epr"));
}

#[test]
fn words_of_others_mean_what_the_configuration_says() {
    let world = World::with(
        "role = [{ system = \"2.16.840.1.113883.6.96\", code = \"62247001\", role = \"R0260\" }]\n\
         purpose = [{ system = \"1.2.3\", code = \"TREATMENT\", purpose = \"direct-care\" }]\n\
         organisation = { \"urn:oid:1.2.3.4\" = \"ZEX02\" }\n\
         assurance = { \"urn:gold\" = \"AAL2\" }",
    );
    let mut claims = world
        .claims()
        .with(ROLE, &coded("Role", "62247001", "2.16.840.1.113883.6.96"))
        .with(PURPOSE, &coded("PurposeOfUse", "TREATMENT", "1.2.3"))
        .with(name::ORGANIZATION_ID, "urn:oid:1.2.3.4");
    claims.authn_context = "urn:gold".into();

    let person = world.person(&claims).unwrap();

    assert_eq!((person.organisation.as_str(), person.role.as_str()), ("ZEX02", "R0260"));
    assert_eq!(person.assurance, Assurance::Aal2);
    assert_eq!(person.asserted.unwrap().purpose, Some(Purpose::DirectCare));
}

#[test]
fn what_is_not_understood_gives_nothing() {
    let world = World::new();
    let mut number = 0;
    let mut person = |name: &str, value: &str| {
        number += 1;
        let mut claims = world.claims().with(name, value);
        claims.id = format!("{ID}-{number}");
        world.person(&claims)
    };

    // A role of another system that has the same code is another role.
    assert_eq!(person(ROLE, &coded("Role", "R8000", "1.2.3")).unwrap().role, "1.2.3|R8000");
    let sds = "1.2.826.0.1285.0.2.1.104";
    assert_eq!(person(ROLE, &coded("Role", "S8000:G8000:R8003", sds)).unwrap().role, "R8003");
    assert_eq!(person(ROLE, &coded("PurposeOfUse", "R8000", sds)).unwrap().role, "");
    let purpose = |p: UserCaller| p.asserted.unwrap().purpose;
    assert_eq!(purpose(person(PURPOSE, &coded("PurposeOfUse", "BTG", "1.2.3")).unwrap()), None);
    assert_eq!(purpose(person(PURPOSE, "TREAT").unwrap()), None);
    let patient = |p: UserCaller| p.asserted.unwrap().patient;
    for other in ["R100234^^^&amp;2.999.99.1&amp;ISO", "somebody", ""] {
        let found = patient(person(name::RESOURCE_ID, other).unwrap());
        assert_eq!(found, AssertedPatient::Unknown, "{other}");
    }
    for other in ["https://fhir.nhs.uk/Id/ods-organization-code/ZEX05", "ZEX01", "urn:oid:1.2"] {
        let found = person(name::ORGANIZATION_ID, other).err();
        assert_eq!(found, Some(SamlError::Organisation), "{other}");
    }
}

#[test]
fn several_roles_purposes_or_patients_are_none() {
    let world = World::new();
    let again = |name: &str, value: String| {
        let mut claims = world.claims();
        claims.id = format!("{ID}-{}", name.len());
        claims.attributes.push((name.to_owned(), value));
        world.person(&claims)
    };

    let role = again(ROLE, coded("Role", "R8001", "1.2.826.0.1285.0.2.1.104")).unwrap().role;
    let purpose = again(PURPOSE, coded("PurposeOfUse", "PATRQT", "2.16.840.1.113883.5.8"));
    let other = "https://fhir.nhs.uk/Id/ods-organization-code/ZEX02".to_owned();
    let organisation = again(name::ORGANIZATION_ID, other);

    assert_eq!(role, "R8000 or R8001", "no role of that name is known");
    assert_eq!(purpose.unwrap().asserted.unwrap().purpose, None);
    assert_eq!(organisation.err(), Some(SamlError::Organisation));
}

#[test]
fn an_assertion_is_used_by_one_peer_and_where_it_says_so_once() {
    let world = World::new();
    let signed = world.message(&world.claims());
    let used =
        |message: &str, address: &str| world.xua.person(message, &peer(address), &system()).err();
    let mut once = world.claims();
    (once.id, once.conditions) = (format!("{ID}-once"), "<saml2:OneTimeUse/>".into());
    let once = world.message(&once);

    assert_eq!(used(&signed, "10.0.0.1"), None);
    assert_eq!(used(&signed, "10.0.0.1"), None);
    assert_eq!(used(&signed, "10.0.0.2"), Some(SamlError::Replayed));
    assert_eq!(used(&once, "10.0.0.1"), None);
    assert_eq!(used(&once, "10.0.0.1"), Some(SamlError::Replayed));
    world.pass(359);
    assert_eq!(used(&once, "10.0.0.1"), Some(SamlError::Replayed), "until it has ended");
    world.pass(1);
    assert_eq!(used(&once, "10.0.0.1"), Some(SamlError::Expired));
}

#[test]
fn a_door_takes_what_its_configuration_says() {
    let world = World::new();
    let signed = world.message(&world.claims());
    let (unsigned, bare) = (message(&security("")), message(""));
    let caller = |mode, message: &str| {
        world
            .callers(mode)
            .of_message(message, &peer("10.0.0.1"), &draft())
            .map(|c| c.id().to_owned())
    };
    let missing = SoapError::Security(SecurityFault::SecurityTokenUnavailable);

    assert_eq!(caller(XuaMode::Required, &signed).unwrap(), "555021935107");
    assert_eq!(caller(XuaMode::Accepted, &signed).unwrap(), "555021935107");
    assert_eq!(caller(XuaMode::Off, &signed).unwrap(), "epr");
    for message in [&unsigned, &bare] {
        assert_eq!(caller(XuaMode::Required, message), Err(missing.clone()));
        assert_eq!(caller(XuaMode::Accepted, message).unwrap(), "epr");
    }
    assert!(!world.callers(XuaMode::Off).understood().security);
    assert!(world.callers(XuaMode::Accepted).understood().security);
}

#[test]
fn a_forgery_is_never_taken_for_a_message_without_an_assertion() {
    let world = World::new();
    let forged = Provider::on_p256(ISSUER).sign(&world.claims());
    let draft = draft();

    let callers = world.callers(XuaMode::Accepted);
    let refused = callers.of_message(&message(&security(&forged)), &peer("10.0.0.1"), &draft);

    assert_eq!(refused.unwrap_err(), SoapError::Security(SecurityFault::FailedCheck));
    let event = noted(&draft);
    assert_eq!(event.outcome, AuditOutcome::Refused);
    assert_eq!(event.interaction, "user authentication");
    assert_eq!(event.error.as_deref(), Some("wsse:FailedCheck: signature-invalid"));
}

#[test]
fn certificates_are_changed_while_it_runs() {
    let world = World::new();
    let next = Provider::on_p256(ISSUER);
    let file = world.folder.path().join("sts.pem");
    let judge = |provider: &Provider, id: &str| {
        let mut claims = world.claims();
        claims.id = id.to_owned();
        let message = message(&security(&provider.sign(&claims)));
        world.xua.person(&message, &peer("10.0.0.1"), &system()).err()
    };
    assert_eq!(judge(&next, "_a"), Some(SamlError::SignatureInvalid));

    // Both for a while.
    let both = format!("{}{}", world.provider.certificate_pem, next.certificate_pem);
    std::fs::write(&file, both).unwrap();
    world.pass(10);
    assert_eq!((judge(&next, "_b"), judge(&world.provider, "_c")), (None, None));

    // What cannot be read changes nothing.
    std::fs::write(&file, "no certificate").unwrap();
    world.pass(10);
    assert_eq!(judge(&next, "_d"), None);

    std::fs::write(&file, &next.certificate_pem).unwrap();
    world.pass(10);
    assert_eq!(judge(&next, "_e"), None);
    assert_eq!(judge(&world.provider, "_f"), Some(SamlError::SignatureInvalid));
}

#[test]
fn configurations_that_cannot_be() {
    let world = World::new();
    let made = |change: fn(&mut XuaConfig)| {
        let mut config = config("");
        change(&mut config);
        let made = Xua::new(config, world.folder.path(), world.clock.clone());
        made.map(|_| ()).map_err(|e| e.to_string())
    };

    assert_eq!(made(|_| {}), Ok(()));
    assert!(made(|c| c.audiences.clear()).is_err());
    assert!(made(|c| c.issuer[0].organisations.clear()).is_err());
    assert!(made(|c| c.issuer[0].certificates.clear()).is_err());
    assert!(made(|c| c.issuer[0].certificates.push("missing.pem".into())).is_err());
    assert!(made(|c| c.issuer.push(c.issuer[0].clone())).unwrap_err().contains("twice"));
}
