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
        door.pages().await;
        door.reads().await;
        door.provenance().await;
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
            let asked = asked || kind == "Provenance" && name == "target";
            assert!(
                asked || REQUIRED.contains(&name),
                "nothing asks {kind}?{name}= for a way past"
            );
        }
        for interaction in resource["interaction"].as_array().into_iter().flatten() {
            let code = interaction["code"].as_str().unwrap();
            // What is created is the sender's own: its tests are those of publishing.
            let created = kind == "DocumentReference" && code == "create";
            let asked = created || ["read", "search-type"].contains(&code);
            assert!(asked, "nothing looks past {code} of {kind}");
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
            if base.ends_with("folder") {
                self.folders(base).await;
            }
            for (of, name, value) in PARAMETERS.iter().filter(|(of, ..)| *of == kind) {
                for extra in ["", "&_summary=count", "&_format=xml"] {
                    let more = |side| format!("&{name}={}", value(side));
                    self.search(of, &format!("{base}{extra}"), more).await;
                }
            }
        }
        for kind in ELEMENTS {
            for extra in EXTRAS {
                self.search(kind, &format!("x=1{extra}"), |_| String::new()).await;
            }
            for (of, name, value) in PARAMETERS.iter().filter(|(of, ..)| *of == kind) {
                let more = |side| format!("&{name}={}", value(side));
                self.search(of, "_revinclude=Provenance:target", more).await;
            }
        }
    }

    /// By an instant after what is to be seen came into the folder, and before what is hidden did.
    async fn folders(&self, base: &str) {
        let mut between = Vec::new();
        for side in [WITH, WITHOUT] {
            let url = format!("{}/List/{}", self.portal, side.id(SET));
            let what = format!("{}: the set of the folder", self.who);
            let set = self.ask(&what, self.asker.http().get(url), Recorded::Attempt).await;
            if set.status != 200 {
                continue;
            }
            let set: serde_json::Value = serde_json::from_str(&set.body).unwrap();
            let at: jiff::Timestamp = set["meta"]["lastUpdated"].as_str().unwrap().parse().unwrap();
            between.push(at + jiff::SignedDuration::from_millis(1));
        }
        let [with, without] = between[..] else {
            assert!(between.is_empty() && !self.sees_letters(), "{}", self.who);
            return;
        };
        let at = |side: Side| if side.is_with() { with } else { without };
        for extra in ["", "&_summary=count", "&_sort=-date"] {
            self.search("List", &format!("{base}{extra}"), |side| {
                format!("&_since={:.3}", at(side))
            })
            .await;
            let after = |side| format!("&_lastUpdated=ge{:.3}", at(side));
            self.search("List", &format!("{base}{extra}"), after).await;
        }
    }

    /// Page by page, by the links: no page, no total and no number of pages tells of it.
    async fn pages(&self) {
        for base in [
            "DocumentReference?status=current,superseded&_sort=_id",
            "DocumentReference?status=current,superseded&_sort=-creation,_id&_revinclude=List:item",
            "List?status=current&code=submissionset&_sort=_id&_include=List:item",
        ] {
            let (kind, base) = base.split_once('?').unwrap();
            let mut urls = Vec::new();
            for side in [WITH, WITHOUT] {
                let patient = format!("patient.identifier={NHS}|{}", side.patient);
                urls.push(format!("{}/{kind}?{patient}&{base}&_count=1", self.portal));
            }
            for page in 1.. {
                let what = format!("{}: page {page} of {kind}?{base}", self.who);
                let mut answers = Vec::new();
                for url in &urls {
                    let request = self.asker.http().get(url);
                    answers.push(self.ask(&what, request, Recorded::Attempt).await);
                }
                answers[0].assert_like(&answers[1], &what);
                assert_eq!(answers[0].status, 200, "{what}: {}", answers[0].body);
                let next: Vec<String> = answers.iter().filter_map(|a| next_page(&a.body)).collect();
                if next.len() < 2 {
                    assert!(next.is_empty() && page > 1, "{what}");
                    break;
                }
                urls = next;
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

    /// The Provenance of what is hidden, by what it is about.
    async fn provenance(&self) {
        for (object, extra) in
            [(HIDDEN_LETTER, ""), (HIDDEN_LETTER, "&_summary=count"), (LETTER, "")]
        {
            let what = format!("{}: Provenance of {object}{extra}", self.who);
            let mut answers = Vec::new();
            for side in [WITH, WITHOUT] {
                let target = id_of("AllergyIntolerance", side, object);
                let url =
                    format!("{}/Provenance?target=AllergyIntolerance/{target}{extra}", self.portal);
                answers.push(self.ask(&what, self.asker.http().get(url), Recorded::Attempt).await);
            }
            answers[0].assert_like(&answers[1], &what);
            assert_eq!(answers[0].status, 200, "{what}: {}", answers[0].body);
            let any = answers[0].body.contains("\"total\":1");
            assert!(object == LETTER || !any, "{what}: {}", answers[0].body);
            let told = any || object != LETTER || !self.sees_letters();
            assert!(told, "{what}: {}", answers[0].body);
        }
    }

    /// Whether what is not hidden is for them to see.
    fn sees_letters(&self) -> bool {
        self.who.starts_with("GP")
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
        for object in [HIDDEN_LETTER, HIDDEN, LETTER] {
            objects.extend([("AllergyIntolerance", object), ("Provenance", object)]);
        }
        for (kind, object) in objects {
            let hidden = ![DOCUMENT, FOLDER, SET, LETTER].contains(&object);
            let tails = TAILS.iter().map(|tail| (*tail, HEADERS[0]));
            let headers = HEADERS[1..].iter().filter(|_| self.who == "GP");
            for (tail, headers) in tails.chain(headers.map(|headers| ("", *headers))) {
                let what = format!("{}: {kind} {object}{tail} {headers:?}", self.who);
                let mut answers = Vec::new();
                for side in [WITH, WITHOUT] {
                    let url = format!("{}/{kind}/{}{tail}", self.portal, id_of(kind, side, object));
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
                let url = format!("{}/{kind}/{}", self.portal, id_of(kind, side, object));
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
    door.provenance().await;
}

fn next_page(body: &str) -> Option<String> {
    let bundle: serde_json::Value = serde_json::from_str(body).unwrap();
    let links = bundle["link"].as_array()?;
    let next = links.iter().find(|link| link["relation"] == "next")?;
    Some(next["url"].as_str()?.to_owned())
}

/// What nobody may keep on the way.
fn assert_not_kept(answer: &Answer, what: &str) {
    let is_no_store = |(n, v): &(String, String)| n == "cache-control" && v.contains("no-store");
    assert!(answer.headers.iter().any(is_no_store), "{what}: {:?}", answer.headers);
}

/// The id of a resource that is, or is made of, a document.
fn id_of(kind: &str, side: Side, object: u8) -> String {
    let id = side.id(object);
    if ELEMENTS.contains(&kind) { format!("{}-0", id.replace('-', "")) } else { id }
}

fn hidden_element(side: Side) -> String {
    id_of("AllergyIntolerance", side, HIDDEN_LETTER)
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
    ("DocumentReference", "related", |side| format!("DocumentReference/{}", side.id(HIDDEN))),
    ("DocumentReference", "related.identifier", |_| "quetzal-1".into()),
    ("DocumentReference", "_id", hidden_id),
    ("DocumentReference", "_content", |_| SECRET.into()),
    ("DocumentReference", "source-state", |_| "none".into()),
    ("DocumentReference", "_lastUpdated", |_| "ge2020".into()),
    ("DocumentReference", "_since", |_| "2020-01-01T00:00:00Z".into()),
    ("DocumentReference", "date", |_| "le2020".into()),
    ("DocumentReference", "creation", |_| "le2020".into()),
    ("DocumentReference", "period", |_| "le2020".into()),
    ("DocumentReference", "author.family", |_| "Quetzal".into()),
    ("DocumentReference", "author.given", |_| "Xenia".into()),
    ("List", "identifier", |side| format!("urn:oid:{}", side.unique_id(HIDDEN_SET))),
    ("List", "_id", |side| format!("{},{}", side.id(HIDDEN_SET), side.id(HIDDEN_FOLDER))),
    ("List", "_lastUpdated", |_| "ge2020".into()),
    ("List", "_since", |_| "2020-01-01T00:00:00Z".into()),
    ("List", "date", |_| "le2020".into()),
    ("List", "designationType", |_| "quetzal-folder,quetzal-content".into()),
    ("List", "sourceId", |_| "urn:oid:2.999.88.1".into()),
    ("List", "source.family", |_| "Quetzal".into()),
    ("List", "source.given", |_| "Xenia".into()),
    ("AllergyIntolerance", "_id", hidden_element),
    ("AllergyIntolerance", "code", |_| SECRET.into()),
    ("AllergyIntolerance", "category", |_| "laboratory".into()),
    ("AllergyIntolerance", "clinical-status", |_| "active,unknown".into()),
    ("AllergyIntolerance", "onset", |_| "le2021".into()),
    ("AllergyIntolerance", "date", |_| "le2021".into()),
    ("Condition", "_id", hidden_element),
    ("Condition", "code", |_| SECRET.into()),
    ("Condition", "category", |_| "laboratory".into()),
    ("Condition", "clinical-status", |_| "active,unknown".into()),
    ("Condition", "onset-date", |_| "le2021".into()),
    ("Condition", "recorded-date", |_| "le2021".into()),
    ("MedicationStatement", "_id", hidden_element),
    ("MedicationStatement", "code", |_| SECRET.into()),
    ("MedicationStatement", "category", |_| "laboratory".into()),
    ("MedicationStatement", "status", |_| "active,unknown".into()),
    ("MedicationStatement", "effective", |_| "le2021".into()),
    ("MedicationRequest", "_id", hidden_element),
    ("MedicationRequest", "code", |_| SECRET.into()),
    ("MedicationRequest", "category", |_| "laboratory".into()),
    ("MedicationRequest", "status", |_| "active,unknown".into()),
    ("MedicationRequest", "authoredon", |_| "le2021".into()),
    ("Immunization", "_id", hidden_element),
    ("Immunization", "vaccine-code", |_| SECRET.into()),
    ("Immunization", "status", |_| "active,unknown".into()),
    ("Immunization", "date", |_| "le2021".into()),
    ("Observation", "_id", hidden_element),
    ("Observation", "code", |_| SECRET.into()),
    ("Observation", "category", |_| "laboratory".into()),
    ("Observation", "status", |_| "active,unknown".into()),
    ("Observation", "date", |_| "le2021".into()),
    ("Encounter", "_id", hidden_element),
    ("Encounter", "type", |_| SECRET.into()),
    ("Encounter", "status", |_| "active,unknown".into()),
    ("Encounter", "date", |_| "le2021".into()),
];
/// What documents say in coded entries.
const ELEMENTS: [&str; 7] = [
    "AllergyIntolerance",
    "Condition",
    "MedicationStatement",
    "MedicationRequest",
    "Immunization",
    "Observation",
    "Encounter",
];
/// Which every search has.
const REQUIRED: [&str; 6] =
    ["patient.identifier", "patient", "subject.identifier", "subject", "status", "code"];
/// Resources by which no document is told of. Privacy alerts have their own test; consents are what
/// the patient has said.
const ABOUT_NO_DOCUMENT: [&str; 5] =
    ["Patient", "Consent", "AuditEvent", "EpisodeOfCare", "Contract"];
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
    "&_sort=-_lastUpdated",
    "&_sort=date&_count=2",
    "&type:not=1",
    "&type:not=quetzal-type",
    "&event:missing=false",
    "&designationType:not=1",
    "&author.family:contains=uetza",
    "&_elements=author,context&_include=DocumentReference:relatesto",
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
    "&_since=2099-01-01T00:00:00Z",
    "&_since=yesterday",
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
