//! The FHIR API: every search with every parameter, and every read in every way.

use carerecord_testkit::{Deployment, Fhir, GP, NURSE, Role};
use serde_json::json;

use super::asker::{Answer, Asker, Recorded};
use super::world::{
    DOCUMENT, FOLDER, HIDDEN, HIDDEN_DOCUMENTS, HIDDEN_FOLDER, HIDDEN_LETTER, HIDDEN_PACKAGES,
    HIDDEN_SET, LETTER, SECRET, SET, Side, WITH, WITHOUT,
};

/// Someone with a token.
struct Door<'a> {
    asker: &'a Asker,
    portal: String,
    who: &'static str,
    token: String,
}

pub async fn every_search_and_every_read(deployment: &Deployment, asker: &Asker) {
    let gp = deployment.fhir().as_person(GP).await;
    let nurse = deployment.fhir().as_person(NURSE).await;
    let system = deployment.fhir().as_system().await;
    every_parameter_is_asked_with(&gp).await;
    for (who, fhir) in [("GP", &gp), ("nurse", &nurse), ("system", &system)] {
        let door = Door {
            asker,
            portal: deployment.url(Role::Portal, "/fhir"),
            who,
            token: fhir.token().to_owned(),
        };
        door.searches().await;
        door.reads().await;
        door.may_see().await;
        door.conditional(deployment).await;
    }
}

/// The CapabilityStatement has nothing that the table below has not.
async fn every_parameter_is_asked_with(fhir: &Fhir) {
    let (_, statement) = fhir.resource("metadata").await;
    for resource in statement["rest"][0]["resource"].as_array().unwrap() {
        let kind = resource["type"].as_str().unwrap();
        if ABOUT_NO_DOCUMENT.contains(&kind) {
            continue;
        }
        for parameter in resource["searchParam"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let asked = PARAMETERS.iter().any(|(k, n, _)| *k == kind && *n == name);
            assert!(
                asked || REQUIRED.contains(&name),
                "nothing asks {kind}?{name}= for a way past"
            );
        }
        for interaction in resource["interaction"].as_array().into_iter().flatten() {
            let code = interaction["code"].as_str().unwrap();
            assert!(["read", "search-type"].contains(&code), "nothing looks past {code} of {kind}");
        }
    }
}

impl Door<'_> {
    async fn searches(&self) {
        for (kind, base) in [
            ("DocumentReference", "status=current,superseded"),
            ("List", "status=current&code=submissionset"),
            ("List", "status=current&code=folder"),
        ] {
            for extra in EXTRAS {
                self.search(kind, &format!("{base}{extra}"), |_| String::new()).await;
            }
            for (of, name, value) in PARAMETERS.iter().filter(|(of, ..)| *of == kind) {
                for extra in ["", "&_summary=count", "&_format=xml"] {
                    let more = |side| format!("&{name}={}", value(side));
                    self.search(of, &format!("{base}{extra}"), more).await;
                }
            }
        }
    }

    async fn search(&self, kind: &str, base: &str, more: impl Fn(Side) -> String) {
        let what = format!("{}: {kind}?{base}{}", self.who, more(WITH));
        for by_form in [true, false] {
            let mut answers = Vec::new();
            for side in [WITH, WITHOUT] {
                let patient = format!("patient.identifier={NHS}|{}", side.patient);
                let parameters = format!("{patient}&{base}{}", more(side));
                let url = format!("{}/{kind}", self.portal);
                let request = match by_form {
                    true => self
                        .asker
                        .http()
                        .post(format!("{url}/_search"))
                        .header("content-type", "application/x-www-form-urlencoded")
                        .body(parameters),
                    false => self.asker.http().get(format!("{url}?{parameters}")),
                };
                answers.push(self.ask(&what, request, Recorded::Attempt).await);
            }
            answers[0].assert_like(&answers[1], &what);
            assert!(
                [200, 400].contains(&answers[0].status),
                "{what}: {} {}",
                answers[0].status,
                answers[0].body
            );
            assert_not_kept(&answers[0], &what);
        }
    }

    /// By the id of what is hidden: plainly, by parts, by version, when it has changed.
    async fn reads(&self) {
        let mut objects: Vec<(&str, u8)> = Vec::new();
        for object in HIDDEN_DOCUMENTS {
            objects.extend([("DocumentReference", object), ("Binary", object)]);
        }
        objects.extend(HIDDEN_PACKAGES.map(|object| ("List", object)));
        // What can be seen has a read that tells nothing of what is beside it.
        objects.extend([("DocumentReference", DOCUMENT), ("List", FOLDER), ("List", SET)]);
        for (kind, object) in objects {
            let hidden = ![DOCUMENT, FOLDER, SET].contains(&object);
            let tails = TAILS.iter().map(|tail| (*tail, HEADERS[0]));
            let headers = HEADERS[1..].iter().filter(|_| self.who == "GP");
            for (tail, headers) in tails.chain(headers.map(|headers| ("", *headers))) {
                let what = format!("{}: {kind} {object}{tail} {headers:?}", self.who);
                let mut answers = Vec::new();
                for side in [WITH, WITHOUT] {
                    let url = format!("{}/{kind}/{}{tail}", self.portal, side.id(object));
                    let mut request = self.asker.http().get(url);
                    for (name, value) in headers {
                        request = request.header(*name, *value);
                    }
                    // A form that the answer cannot have is refused before anything is looked at.
                    let looked = kind == "Binary" || !headers.iter().any(|h| h.0 == "accept");
                    let refused = side.is_with() && hidden && looked && !tail.starts_with('/');
                    let recorded = if refused { Recorded::Refusal } else { Recorded::Attempt };
                    answers.push(self.ask(&what, request, recorded).await);
                }
                answers[0].assert_like(&answers[1], &what);
                assert!(!hidden || answers[0].status >= 400, "{what}: {}", answers[0].status);
                assert_not_kept(&answers[0], &what);
            }
            let what = format!("{}: HEAD {kind} {object}", self.who);
            let mut answers = Vec::new();
            for side in [WITH, WITHOUT] {
                let url = format!("{}/{kind}/{}", self.portal, side.id(object));
                let request = self.asker.http().head(url);
                answers.push(self.ask(&what, request, Recorded::Attempt).await);
            }
            answers[0].assert_like(&answers[1], &what);
        }
    }

    /// "May I see it?" is answered as for what is not there.
    async fn may_see(&self) {
        for object in HIDDEN_DOCUMENTS {
            let what = format!("{}: $may-see {object}", self.who);
            let mut answers = Vec::new();
            for side in [WITH, WITHOUT] {
                let body = json!({"resourceType": "Parameters", "parameter": [
                    {"name": "patient", "valueIdentifier": {"system": NHS, "value": side.patient}},
                    {"name": "document", "valueId": side.id(object)},
                ]});
                let url = format!("{}/Patient/$may-see", self.portal);
                let request = self.asker.http().post(url).json(&body);
                let request = request.header("content-type", "application/fhir+json");
                answers.push(self.ask(&what, request, Recorded::Attempt).await);
            }
            answers[0].assert_like(&answers[1], &what);
        }
    }

    /// Another's record, another's list: what is the same under a wrong purpose or without a token.
    async fn conditional(&self, deployment: &Deployment) {
        for object in [HIDDEN_LETTER, HIDDEN, HIDDEN_FOLDER, HIDDEN_SET, LETTER] {
            for (name, value) in [
                ("x-purpose-of-use", "ETREAT"),
                ("x-purpose-of-use", "BTG"),
                ("x-purpose-of-use", "research"),
                ("authorization", "Bearer e30.e30."),
                ("x-selected-role", "R0260"),
            ] {
                let what = format!("{}: {object} with {name}: {value}", self.who);
                let mut answers = Vec::new();
                for side in [WITH, WITHOUT] {
                    let url = format!("{}/Binary/{}", self.portal, side.id(object));
                    let mut request = self.asker.http().get(url);
                    if name != "authorization" {
                        request = request.bearer_auth(&self.token);
                    }
                    let request = request.header(name, value);
                    answers.push(self.asker.ask(&what, request, Recorded::Attempt).await);
                }
                answers[0].assert_like(&answers[1], &what);
            }
        }
        deployment.assert_no_panic();
    }

    async fn ask(
        &self,
        what: &str,
        request: reqwest::RequestBuilder,
        recorded: Recorded,
    ) -> Answer {
        self.asker.ask(what, request.bearer_auth(&self.token), recorded).await
    }
}

/// A person opens the record with a reason: what is nobody's to see stays so.
pub async fn breaking_the_glass_opens_nothing_of_it(deployment: &Deployment, asker: &Asker) {
    let gp = deployment.fhir().as_person(GP).await;
    for side in [WITH, WITHOUT] {
        let body = json!({"resourceType": "Parameters", "parameter": [
            {"name": "patient", "valueIdentifier": {"system": NHS, "value": side.patient}},
            {"name": "reason", "valueCode": "emergency"},
        ]});
        assert_eq!(gp.put("Patient/$break-glass", None, &body).await.0, 201);
    }
    let portal = deployment.url(Role::Portal, "/fhir");
    let door = Door { asker, portal, who: "GP, opened", token: gp.token().to_owned() };
    door.searches().await;
    door.reads().await;
}

/// What nobody may keep on the way.
fn assert_not_kept(answer: &Answer, what: &str) {
    let is_no_store = |(n, v): &(String, String)| n == "cache-control" && v.contains("no-store");
    assert!(answer.headers.iter().any(is_no_store), "{what}: {:?}", answer.headers);
}

fn hidden_id(side: Side) -> String {
    side.id(HIDDEN)
}

fn hidden_unique_id(side: Side) -> String {
    format!("urn:oid:{}", side.unique_id(HIDDEN))
}

/// Parameters with values that what is hidden has.
#[expect(clippy::type_complexity, reason = "a table")]
const PARAMETERS: &[(&str, &str, fn(Side) -> String)] = &[
    ("DocumentReference", "type", |_| "urn:oid:2.999.9|quetzal-type".into()),
    ("DocumentReference", "category", |_| "quetzal-class".into()),
    ("DocumentReference", "setting", |_| "quetzal-setting".into()),
    ("DocumentReference", "facility", |_| "quetzal-facility".into()),
    ("DocumentReference", "event", |_| "quetzal-event".into()),
    ("DocumentReference", "security-label", |_| "N".into()),
    ("DocumentReference", "format", |_| "quetzal-format".into()),
    ("DocumentReference", "identifier", hidden_unique_id),
    ("DocumentReference", "related.identifier", |_| "quetzal-1".into()),
    ("DocumentReference", "_id", hidden_id),
    ("DocumentReference", "_content", |_| SECRET.into()),
    ("DocumentReference", "creation", |_| "le2020".into()),
    ("DocumentReference", "period", |_| "le2020".into()),
    ("DocumentReference", "author.family", |_| "Quetzal".into()),
    ("DocumentReference", "author.given", |_| "Xenia".into()),
    ("List", "identifier", |side| format!("urn:oid:{}", side.unique_id(HIDDEN_SET))),
    ("List", "_id", |side| format!("{},{}", side.id(HIDDEN_SET), side.id(HIDDEN_FOLDER))),
    ("List", "date", |_| "le2020".into()),
    ("List", "designationType", |_| "quetzal-folder,quetzal-content".into()),
    ("List", "sourceId", |_| "urn:oid:2.999.88.1".into()),
    ("List", "source.family", |_| "Quetzal".into()),
    ("List", "source.given", |_| "Xenia".into()),
];
/// Which every search has.
const REQUIRED: [&str; 3] = ["patient.identifier", "status", "code"];
/// Resources by which no document is told of. Privacy alerts have their own test; consents are what
/// the patient has said.
const ABOUT_NO_DOCUMENT: [&str; 4] = ["Patient", "Consent", "AuditEvent", "EpisodeOfCare"];
/// Ways of FHIR to ask for more, or for less.
const EXTRAS: &[&str] = &[
    "",
    "&_summary=count",
    "&_summary=data",
    "&_total=accurate",
    "&_count=1",
    "&_count=0",
    "&_offset=1",
    "&_sort=-date",
    "&_sort=_id",
    "&_elements=id",
    "&_include=DocumentReference:relatesto",
    "&_include=*",
    "&_include=List:item",
    "&_revinclude=List:item",
    "&_revinclude=DocumentReference:relatesto",
    "&_contained=true",
    "&_has:List:item:code=folder",
    "&relatesto:missing=false",
    "&relatesto.identifier=quetzal",
    "&item.author.family=Quetzal",
    "&_filter=author%20co%20%22Quetzal%22",
    "&_text=quetzal",
    "&_query=quetzal",
    "&_type=List",
    "&_lastUpdated=lt2020",
    "&_format=xml",
    "&_pretty=true",
];
const TAILS: &[&str] = &[
    "",
    "?_summary=text",
    "?_elements=id",
    "?_format=xml",
    "/_history",
    "/_history/1",
    "/$everything",
];
const HEADERS: &[&[(&str, &str)]] = &[
    &[],
    &[("range", "bytes=0-3")],
    &[("range", "bytes=-1")],
    &[("range", "bytes=900-")],
    &[("if-none-match", "W/\"1\"")],
    &[("if-none-match", "*")],
    &[("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT")],
    &[("accept", "application/pdf")],
    &[("accept-encoding", "gzip, br")],
];
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
