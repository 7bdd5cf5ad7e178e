//! Every method of every route leaves one record of a message: when it is answered as it should, when
//! it is refused, and when it is garbage. The routes are read from the routers, so that a new one
//! without a record, or without a request here, fails.

use std::collections::HashMap;

use base64::Engine as _;
use carerecord_testkit::{
    ADA, APPROVED, Browser, CONTENT_TYPE, Deployment, Fhir, GP, Letter, NODES, PATIENT, Role, SOAP,
    cda_document, envelope, patient_id, provide_bundle, query_message, simplified_publish,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::routes::{Route, routes};

pub async fn every_route_leaves_one_record(deployment: Deployment) {
    let shooter = Shooter::open(&deployment).await;
    let mut shots = Vec::new();
    for route in routes() {
        let key = format!("{} {} {}", route.router, route.method, route.path);
        if let Some((_, why)) = UNRECORDED.iter().find(|(of, _)| key.starts_with(of)) {
            println!("{key}: {why}");
            continue;
        }
        for (kind, request) in [
            (Kind::Success, shooter.success(&route)),
            (Kind::Refusal, shooter.refusal(&route)),
            (Kind::Garbage, Some(shooter.garbage(&route))),
        ] {
            let Some(request) = request else {
                let why = if kind == Kind::Success { NO_SUCCESS } else { NO_REFUSAL };
                assert!(why.contains(&&*key), "{key}: no {kind:?}");
                continue;
            };
            let id =
                Uuid::from_u128(0x5eed_0001_0000_4000_8000_0000_0000_0000 + shots.len() as u128);
            let sent = request.header("x-request-id", id.to_string()).send().await;
            let answer = sent.unwrap_or_else(|e| panic!("{key} {kind:?}: {e}"));
            let status = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            assert!(status < 500, "{key} {kind:?}: {status} {text}");
            let good = kind != Kind::Success || status < 400 || NOTHING_THERE.contains(&&*key);
            assert!(good, "{key}: {status} {text}");
            shots.push((id.to_string(), key.clone(), route.clone(), kind, status));
        }
    }
    check(&deployment, &shots);
    deployment.assert_no_panic();
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Success,
    Refusal,
    Garbage,
}

type Shot = (String, String, Route, Kind, u16);

fn check(deployment: &Deployment, shots: &[Shot]) {
    let mut events: HashMap<String, Vec<Value>> = HashMap::new();
    for role in [Role::Registry, Role::Node(0), Role::Portal] {
        for event in deployment.audit(role) {
            let id = event["request_id"].as_str().unwrap_or_default().to_owned();
            events.entry(id).or_default().push(event);
        }
    }
    for (id, key, route, kind, status) in shots {
        let method = if route.method == "ANY" { "DELETE" } else { &route.method };
        let request = format!("{method} {}", route.path);
        let what = format!("{key} {kind:?} ({status})");
        // The web portal asks the API under the id that it was asked by.
        let all = events.get(id).map(Vec::as_slice).unwrap_or_default();
        let came_in = |e: &&Value| e["direction"] == "in" && e["request"] == *request;
        let of: Vec<&Value> = all.iter().filter(came_in).collect();
        assert_eq!(of.len(), 1, "{what}: {all:?}");
        let event = of[0];
        assert_eq!(event["status"], *status, "{what}: {event}");
        let outcome = event["outcome"].as_str().unwrap();
        match kind {
            Kind::Success if *status < 400 => assert_eq!(outcome, "success", "{what}: {event}"),
            Kind::Success => {
                assert!(["rejected", "refused"].contains(&outcome), "{what}: {event}");
            }
            Kind::Refusal => {
                let sent_away = event["transport"] == "web" && *status == 303;
                assert!(outcome == "refused" || sent_away, "{what}: {event}");
            }
            Kind::Garbage => assert!(
                ["rejected", "refused"].contains(&outcome) || *status < 400,
                "{what}: {event}"
            ),
        }
    }
}

/// Whoever sends: with a token, a session, and something to ask about.
struct Shooter<'d> {
    deployment: &'d Deployment,
    http: reqwest::Client,
    token: String,
    officer: String,
    operator: String,
    operator_cookie: String,
    operator_csrf: String,
    source: String,
    cookie: String,
    officer_cookie: String,
    csrf: String,
    officer_csrf: String,
    /// The path of a patient's list.
    list: String,
    citizen: String,
    citizen_cookie: String,
    citizen_csrf: String,
    /// Of the citizen's own record, on their pages.
    own: String,
    document: String,
    set: String,
    person: String,
    consent: String,
    alert: String,
    /// Access packs of the officer's.
    pack: String,
    second_pack: String,
}

impl<'d> Shooter<'d> {
    async fn open(deployment: &'d Deployment) -> Self {
        let letter = Letter::text(PATIENT, 1);
        assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
        let feed = crate::identity::Feed(deployment);
        let person = "<name><given>Ngozi</given><family>Okafor</family></name>";
        let told = crate::identity::patient(PATIENT, person);
        assert_eq!(feed.tell("PRPA_IN201301UV02", &told).await, "CA");
        let born = crate::identity::patient(OWN, "<birthTime value=\"19450714\"/>");
        assert_eq!(feed.tell("PRPA_IN201301UV02", &born).await, "CA");
        let gp = deployment.fhir().as_person(GP).await;
        let officer = deployment.fhir().as_person(OFFICER).await;
        let operator = deployment.fhir().as_person(OPERATOR).await;
        let source = deployment.fhir().as_source().await;
        let found = gp.documents(PATIENT).await;
        let document = found[&letter.unique_id]["id"].as_str().unwrap().to_owned();
        let id =
            |v: &Value| v["entry"][0]["resource"]["id"].as_str().unwrap_or_default().to_owned();
        let set = id(&gp.search("List", PATIENT, "status=current&code=submissionset").await.1);
        let person = id(&gp.resource(&format!("Patient?identifier={PATIENT}")).await.1);
        let objection = crate::objections::consent_of(OTHER, &json!({"type": "deny"}));
        let consent =
            gp.put("Consent", None, &objection).await.1["id"].as_str().unwrap().to_owned();
        let alert = raise_alert(&gp, &officer, &document).await;
        let pack = crate::access_packs::ready(&officer, PATIENT).await;
        let second_pack = crate::access_packs::ready(&officer, PATIENT).await;
        let mut browser = Browser::sign_in(deployment, GP).await;
        let list = browser.find(PATIENT).await;
        let page = browser.get("/search").await.1;
        let mut officer_browser = Browser::sign_in(deployment, OFFICER).await;
        let mut operator_browser = Browser::sign_in(deployment, OPERATOR).await;
        let operator_page = operator_browser.get("/feeds").await.1;
        let officer_page = officer_browser.get("/alerts").await.1;
        let citizen = deployment.citizen(ADA).await;
        let mut at_home = Browser::sign_in_citizen(deployment, ADA).await;
        let mine = at_home.get("/mine").await.1;
        let own = mine.split("href=\"/mine/").nth(1).and_then(|rest| rest.split('"').next());
        let own = own.unwrap_or_else(|| panic!("no record: {mine}")).to_owned();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Self {
            citizen: citizen.token().to_owned(),
            citizen_cookie: at_home.cookie().to_owned(),
            citizen_csrf: csrf(&mine),
            own,
            deployment,
            http: http.no_proxy().build().unwrap(),
            token: gp.token().to_owned(),
            officer: officer.token().to_owned(),
            operator: operator.token().to_owned(),
            operator_cookie: operator_browser.cookie().to_owned(),
            operator_csrf: csrf(&operator_page),
            source: source.token().to_owned(),
            cookie: browser.cookie().to_owned(),
            officer_cookie: officer_browser.cookie().to_owned(),
            csrf: csrf(&page),
            officer_csrf: csrf(&officer_page),
            list,
            document,
            set,
            person,
            consent,
            alert,
            pack,
            second_pack,
        }
    }

    fn request(&self, route: &Route, base: &str, query: &str) -> reqwest::RequestBuilder {
        let method = if route.method == "ANY" { "DELETE" } else { &route.method };
        let handle = match route.path.starts_with("/mine") {
            true => &self.own,
            false => self.list.rsplit('/').next().unwrap(),
        };
        let id = match route.path.as_str() {
            p if p.contains("List") => &self.set,
            p if p.contains("$access-pack") && method == "DELETE" => &self.second_pack,
            p if p.contains("access-pack") => &self.pack,
            p if p.contains("/Patient/") => &self.person,
            p if p.contains("Consent") => &self.consent,
            p if ["AuditEvent", "alerts", "reports", "record"].iter().any(|a| p.contains(a)) => {
                &self.alert
            }
            p if p.contains("Contract") => "dsa-ev-0001.1",
            p if p.contains("submissions") => "2.999.826.9.1.1.1",
            _ => &self.document,
        };
        let path = route
            .path
            .replace("{handle}", handle)
            .replace("{id}", id)
            .replace("{n}", "0")
            .replace("{other}", &self.document)
            .replace("{*rest}", "Nothing/here");
        self.http.request(method.parse().unwrap(), format!("{base}{path}{query}"))
    }

    fn base(&self, route: &Route) -> String {
        let role = match route.router {
            "registry" => Role::Registry,
            "node" => Role::Node(0),
            _ => Role::Portal,
        };
        self.deployment.url(role, "")
    }

    /// A request that is answered as its sender hopes.
    fn success(&self, route: &Route) -> Option<reqwest::RequestBuilder> {
        let base = self.base(route);
        match route.router {
            "registry" => self.success_at_registry(route, &base),
            "node" => self.success_at_node(route, &base),
            "fhir" => self.success_at_fhir(route, &base),
            _ => self.success_on_pages(route, &base),
        }
    }

    fn success_at_registry(&self, route: &Route, base: &str) -> Option<reqwest::RequestBuilder> {
        let peers = format!("http://127.0.0.1:{}", self.deployment.port_for_peers());
        let peer = |body: Value| Some(self.request(route, &peers, "").json(&body));
        let soap = |body: String| {
            Some(self.request(route, base, "").header("content-type", SOAP).body(body))
        };
        match route.path.as_str() {
            "/xds/registry" => soap(find()),
            "/xds/identity" => {
                let told = crate::identity::patient(PATIENT, "");
                soap(crate::identity::message("PRPA_IN201301UV02", &told))
            }
            "/changes" => Some(self.request(route, &peers, "?since=0&limit=1")),
            "/peer/consent" => peer(json!({"patient": PATIENT})),
            // A record of the store's own form, which is read from there.
            "/peer/consent/update" => None,
            "/peer/last-changes" => peer(json!({"patient": PATIENT})),
            "/peer/patient" => peer(json!({"number": PATIENT})),
            "/peer/identifier" => {
                peer(json!({"id": format!("{PATIENT}^^^&2.16.840.1.113883.2.1.4.1&ISO")}))
            }
            "/peer/feeds" => peer(feed_question()),
            "/peer/patient/search" => None,
            _ => None,
        }
    }

    fn success_at_node(&self, route: &Route, base: &str) -> Option<reqwest::RequestBuilder> {
        match route.path.as_str() {
            "/xds/repository" => {
                let message = Letter::text(PATIENT, 1).message();
                let request = self.request(route, base, "").header("content-type", CONTENT_TYPE);
                Some(request.body(message))
            }
            "/submissions/{id}" => Some(self.request(route, base, "")),
            _ => None,
        }
    }

    fn success_at_fhir(&self, route: &Route, base: &str) -> Option<reqwest::RequestBuilder> {
        let patient = format!("patient.identifier={NHS}|{PATIENT}");
        let lists = format!("{patient}&status=current&code=submissionset");
        let documents = format!("{patient}&status=current");
        let publishes = ["/fhir", "/fhir/", "/fhir/DocumentReference"];
        let token = match route.path.as_str() {
            path if ["AuditEvent", "Contract", "$access-pack"].iter().any(|p| path.contains(p)) => {
                &self.officer
            }
            "/fhir/$feeds" | "/fhir/$try-again" | "/fhir/$usage" => &self.operator,
            path if publishes.contains(&path) && route.method == "POST" => &self.source,
            path if path.ends_with("$generate-metadata") => &self.source,
            "/fhir/Patient/$mine" => &self.citizen,
            _ => &self.token,
        };
        let get = |query: &str| self.request(route, base, query);
        let form = |text: String| {
            get("").header("content-type", "application/x-www-form-urlencoded").body(text)
        };
        let sent = |body: Value| {
            get("").header("content-type", "application/fhir+json").body(body.to_string())
        };
        let parameters = |p: Value| sent(json!({"resourceType": "Parameters", "parameter": p}));
        let identifier = json!({"system": NHS, "value": PATIENT});
        let request = match (route.method.as_str(), route.path.as_str()) {
            ("GET", "/fhir/DocumentReference") => get(&format!("?{documents}")),
            ("GET", "/fhir/List") => get(&format!("?{lists}")),
            ("GET", "/fhir/Patient") => get(&format!("?identifier={PATIENT}")),
            ("GET", "/fhir/Consent") => get(&format!("?{patient}")),
            ("GET", path) if ELEMENTS.contains(&path) => get(&format!("?{patient}")),
            ("POST", path)
                if path.strip_suffix("/_search").is_some_and(|kind| ELEMENTS.contains(&kind)) =>
            {
                form(patient)
            }
            ("GET", "/fhir/Provenance") => get(&format!("?{}", self.target())),
            ("POST", "/fhir/Provenance/_search") => form(self.target()),
            ("GET", "/fhir/Patient/$ihe-pix") => get(&format!("?sourceIdentifier={NHS}|{PATIENT}")),
            ("GET", "/fhir/AuditEvent") => {
                get("?type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2")
            }
            ("POST", "/fhir/AuditEvent/_search") => {
                form("type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2".to_owned())
            }
            ("POST", "/oauth/authorization") => form(format!("request={}", encoded(&asked(base)))),
            ("POST", "/fhir/DocumentReference/_search") => form(documents),
            ("POST", "/fhir/List/_search") => form(lists),
            ("POST", "/fhir/Patient/_search") => form(format!("identifier={PATIENT}")),
            ("POST", "/fhir/Consent/_search") => form(patient),
            ("POST", "/fhir/Consent") => {
                sent(crate::objections::consent_of(OTHER, &json!({"type": "permit"})))
            }
            ("PUT", "/fhir/Consent/{id}") => {
                let mut consent = crate::objections::consent_of(OTHER, &json!({"type": "deny"}));
                consent["status"] = "inactive".into();
                sent(consent)
            }
            ("POST", "/fhir/Patient/$ihe-pix") => parameters(json!([
                {"name": "sourceIdentifier", "valueIdentifier": identifier}])),
            ("POST", "/fhir/Patient/$match") => {
                parameters(json!([{"name": "resource", "resource": {
                "resourceType": "Patient", "identifier": [identifier],
                "name": [{"family": "Okafor"}]}}]))
            }
            ("POST", "/fhir/DocumentReference") => {
                sent(simplified_publish(&Letter::text(PATIENT, 4)))
            }
            ("POST", "/fhir/DocumentReference/$generate-metadata") => {
                let cda = cda_document(PATIENT, "2.999.826.9.1.5");
                let data = base64::engine::general_purpose::STANDARD.encode(cda);
                let binary =
                    json!({"resourceType": "Binary", "contentType": "text/xml", "data": data});
                parameters(json!([{"name": "document", "resource": binary}]))
            }
            ("POST", "/fhir") => sent(bundle(2)),
            ("POST", "/fhir/") => sent(bundle(3)),
            ("POST", "/fhir/Patient/$break-glass") => sent(emergency()),
            ("POST", "/fhir/Patient/$may-see") => {
                parameters(json!([{"name": "patient", "valueIdentifier": identifier}]))
            }
            ("POST", "/fhir/Patient/$access-pack") => sent(crate::access_packs::asked(PATIENT)),
            ("DELETE", "/fhir/Patient/$access-pack/{id}") => get(""),
            ("POST", "/fhir/AuditEvent/$detect") => parameters(json!([])),
            ("POST", "/fhir/$try-again") => {
                parameters(json!([{"name": "request", "valueString": "none"}]))
            }
            ("POST", "/fhir/AuditEvent/{id}/$review") => {
                parameters(json!([{"name": "state", "valueCode": "in-review"}]))
            }
            ("GET" | "ANY", _) => get(""),
            _ => return None,
        };
        Some(request.bearer_auth(token))
    }

    /// An element of the document, as a parameter.
    fn target(&self) -> String {
        format!("target=AllergyIntolerance/{}-0", self.document.replace('-', ""))
    }

    fn success_on_pages(&self, route: &Route, base: &str) -> Option<reqwest::RequestBuilder> {
        // Who signs out is out: it is the last that this one does.
        let desks = ["/access-packs", "/agreements", "/alerts", "/looked", "/reports", "/sign-out"];
        let officer = desks.iter().any(|p| route.path.starts_with(p));
        let (cookie, csrf) = match officer {
            true => (&self.officer_cookie, &self.officer_csrf),
            false if route.path.starts_with("/mine") => (&self.citizen_cookie, &self.citizen_csrf),
            false if ["/feeds", "/usage"].iter().any(|p| route.path.starts_with(p)) => {
                (&self.operator_cookie, &self.operator_csrf)
            }
            false => (&self.cookie, &self.csrf),
        };
        let form = |fields: &[(&str, &str)]| {
            let mut text = url::form_urlencoded::Serializer::new(String::new());
            text.append_pair("csrf", csrf).extend_pairs(fields);
            self.request(route, base, "")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(text.finish())
        };
        let request = match (route.method.as_str(), route.path.as_str()) {
            ("POST", "/sign-out") => form(&[]),
            ("POST", "/patient/find") => form(&[("nhs_number", PATIENT)]),
            ("POST", "/people/find") => {
                form(&[("family", "Okafor"), ("day", "1"), ("month", "1"), ("year", "1970")])
            }
            ("POST", "/patient/{handle}/restricted") => form(&[("reason", "emergency")]),
            ("POST", "/patient/{handle}/search") => form(&[("words", "pulse")]),
            ("POST", "/patient/{handle}/filter") => form(&[("text", "letter")]),
            (
                "POST",
                "/patient/{handle}/sources"
                | "/patient/{handle}/died"
                | "/patient/{handle}/consent/{id}/lift",
            ) => form(&[]),
            ("POST", "/patient/{handle}/consent") => {
                form(&[("says", "agrees"), ("decider", "patient")])
            }
            ("POST", "/patient/{handle}/document/{id}/download") => {
                form(&[("purpose", "direct-care"), ("copy", "original")])
            }
            ("POST", "/alerts/{id}") => {
                form(&[("state", "appropriate"), ("note", "Seen that night at 02:40.")])
            }
            ("POST", "/reports/run") => form(&[]),
            ("POST", "/feeds/again") => form(&[("requests", "none")]),
            ("POST", "/reports/{id}") => form(&[("state", "in-review"), ("note", "Again.")]),
            ("POST", "/looked") => form(&[("nhs_number", PATIENT), ("period", "7")]),
            ("POST", "/mine/{handle}/looked") => form(&[("page", "")]),
            ("POST", "/mine/{handle}/sharing") => {
                form(&[("object", "source"), ("source", "ZEX05")])
            }
            ("POST", "/mine/{handle}/copy" | "/access-packs/{id}/remove") => form(&[]),
            ("POST", "/access-packs") => {
                form(&[("nhs_number", PATIENT), ("reference", "SAR-1"), ("reason", "She asked")])
            }
            ("GET", "/oauth/authorize") => self.request(route, base, &format!("?{}", asked(base))),
            ("POST", "/oauth/consent") => {
                form(&[("request", &Uuid::nil().to_string()), ("decision", "deny")])
            }
            ("POST", "/oauth/consent/patient") => form(&[("nhs_number", PATIENT)]),
            ("POST", "/role") => form(&[("role", "1")]),
            ("POST", _) => return None,
            _ => self.request(route, base, ""),
        };
        Some(request.header("cookie", cookie))
    }

    /// The same of somebody who may not, or whom nobody knows.
    fn refusal(&self, route: &Route) -> Option<reqwest::RequestBuilder> {
        let key = format!("{} {} {}", route.router, route.method, route.path);
        if NO_REFUSAL.contains(&&*key) {
            return None;
        }
        let base = self.base(route);
        let soap = |body: String| {
            Some(self.request(route, &base, "").header("content-type", SOAP).body(body))
        };
        match (route.router, route.path.as_str()) {
            ("registry", "/xds/registry") => soap(remove_objects()),
            ("node", "/xds/repository") => soap(remove_documents()),
            ("registry", "/peer/consent") => {
                Some(self.request(route, &base, "").json(&json!({"patient": PATIENT})))
            }
            ("registry", "/peer/last-changes") => {
                Some(self.request(route, &base, "").json(&json!({"patient": PATIENT})))
            }
            ("registry", "/peer/patient") => {
                Some(self.request(route, &base, "").json(&json!({"number": PATIENT})))
            }
            ("registry", "/peer/identifier") => {
                let id = format!("{PATIENT}^^^&2.16.840.1.113883.2.1.4.1&ISO");
                Some(self.request(route, &base, "").json(&json!({"id": id})))
            }
            ("node", "/peer/refused") => Some(self.request(route, &base, "")),
            ("node", "/peer/refused/again") => {
                Some(self.request(route, &base, "").json(&json!({"request": "none"})))
            }
            ("registry" | "node", "/peer/feeds") => {
                Some(self.request(route, &base, "").json(&feed_question()))
            }
            ("registry", "/changes") => Some(self.request(route, &base, "?since=0")),
            ("node", "/peer/search") => {
                let question = json!({"patient": PATIENT, "words": "pulse", "documents": []});
                Some(self.request(route, &base, "").json(&question))
            }
            ("node", "/peer/elements") => {
                let question = json!({"patient": PATIENT, "kinds": [], "documents": []});
                Some(self.request(route, &base, "").json(&question))
            }
            ("fhir" | "web", _) => Some(self.request(route, &base, "")),
            _ => None,
        }
    }

    /// What nobody sends.
    fn garbage(&self, route: &Route) -> reqwest::RequestBuilder {
        let request = self.request(route, &self.base(route), "?%ff=%00&&&=");
        let request = request.header("authorization", "Basic %%%").header("cookie", "=;;=");
        if route.method == "GET" {
            return request;
        }
        let kind = if route.path.starts_with("/xds") { SOAP } else { "application/json" };
        request.header("content-type", kind).body(vec![0xff, 0xfe, 0, b'<', b'{', 0xc0])
    }
}

/// Something closed is opened with a reason, and its keeper is told.
async fn raise_alert(gp: &Fhir, officer: &Fhir, document: &str) -> String {
    let objection = crate::objections::consent(&json!({"type": "deny"}));
    let (_, stored) = gp.put("Consent", None, &objection).await;
    assert_eq!(gp.put("Patient/$break-glass", None, &emergency()).await.0, 201);
    assert_eq!(gp.get(&format!("Binary/{document}")).await.unwrap().0, 200);
    let mut lifted = objection;
    lifted["status"] = "inactive".into();
    assert_eq!(gp.put("Consent", stored["id"].as_str(), &lifted).await.0, 200);
    let (_, alerts) = officer.resource(ALERTS).await;
    alerts["entry"][0]["resource"]["id"].as_str().unwrap().to_owned()
}

fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// What an app asks for.
fn asked(base: &str) -> String {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    format!(
        "response_type=code&client_id=demo-app&state=x&scope=patient/*.rs&aud={base}/fhir\
         &redirect_uri=http://127.0.0.1:9000/callback&code_challenge={challenge}\
         &code_challenge_method=S256"
    )
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn find() -> String {
    let parameters = [
        ("$XDSDocumentEntryPatientId", patient_id(PATIENT)),
        ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
    ];
    query_message("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", "LeafClass", &parameters)
}

fn remove_objects() -> String {
    envelope(
        "urn:ihe:iti:2010:DeleteDocumentSet",
        "<lcm:RemoveObjectsRequest xmlns:lcm=\"urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0\" \
         xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\"><rim:ObjectRefList>\
         <rim:ObjectRef id=\"urn:uuid:00000001-0001-4000-8000-00000000c0de\"/>\
         </rim:ObjectRefList></lcm:RemoveObjectsRequest>",
    )
}

fn remove_documents() -> String {
    envelope(
        "urn:ihe:iti:2017:RemoveDocuments",
        &format!(
            "<rmd:RemoveDocumentsRequest xmlns:rmd=\"urn:ihe:iti:rmd:2017\" \
             xmlns:xds=\"urn:ihe:iti:xds-b:2007\"><xds:DocumentRequest>\
             <xds:RepositoryUniqueId>{}</xds:RepositoryUniqueId>\
             <xds:DocumentUniqueId>2.999.826.9.1.1</xds:DocumentUniqueId></xds:DocumentRequest>\
             </rmd:RemoveDocumentsRequest>",
            NODES[0].0
        ),
    )
}

/// A Bundle that publishes a letter.
fn bundle(n: u32) -> Value {
    provide_bundle(&format!("2.999.826.9.5.{n}"), &[&Letter::text(PATIENT, n)])
}

fn feed_question() -> Value {
    json!({"since": "2026-01-01T00:00:00Z", "until": "2126-01-01T00:00:00Z"})
}

fn emergency() -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueIdentifier": {"system": NHS, "value": PATIENT}},
        {"name": "reason", "valueCode": "emergency"},
    ]})
}

/// Routes whose messages are in no record, and why.
const UNRECORDED: &[(&str, &str)] = &[
    ("admin ", "health and metrics say nothing of anybody"),
    ("docs ", "the documentation, the same for everybody"),
    ("sign-in ", "the demo's sign-in provider, which a real deployment has not"),
    ("web GET /assets/", "files of our own, the same for everybody"),
];
/// Which a test from outside has no way to ask rightly: with a statement of the portal's or of the sign-in
/// provider's, or in a form of our own. Other tests have their records.
const NO_SUCCESS: &[&str] = &[
    "web POST /launch",
    "web POST /launch/open",
    "registry POST /peer/relationship",
    "registry POST /peer/relationship/update",
    "registry POST /peer/relationship/cared-for",
    "registry POST /peer/citizen-grant",
    "registry POST /peer/citizen-grant/update",
    "fhir POST /fhir/Patient/$claim-relationship",
    "fhir POST /fhir/Patient/$citizen-access",
    "fhir POST /fhir/EpisodeOfCare",
    "fhir POST /fhir/EpisodeOfCare/_search",
    "fhir PUT /fhir/EpisodeOfCare/{id}",
    "web POST /patient/{handle}/relationship",
    "web POST /sign-out/everywhere",
    "fhir POST /oauth/token",
    "fhir POST /oauth/introspect",
    "fhir POST /oauth/sign-out",
    "fhir POST /oauth/back-channel-logout",
    "fhir POST /oauth/back-channel-logout/{id}",
    "node POST /peer/search",
    "node POST /peer/elements",
    "node POST /peer/audit",
    "node POST /peer/feeds",
    "node POST /peer/refused",
    "node POST /peer/refused/again",
    "registry POST /peer/audit",
    "registry POST /peer/consent/update",
    "registry POST /peer/patient/search",
    "web POST /sign-in/back-channel-logout",
    "web POST /sign-in/back-channel-logout/{id}",
];
/// Which nobody is refused (every door of a node here may publish, the portal's too), or whose
/// refusal comes after a body of our own form.
const NO_REFUSAL: &[&str] = &[
    "web POST /launch",
    "web GET /launch/open",
    "registry POST /peer/relationship",
    "registry POST /peer/relationship/update",
    "registry POST /peer/relationship/cared-for",
    "registry POST /peer/citizen-grant",
    "registry POST /peer/citizen-grant/update",
    "fhir POST /oauth/token",
    "fhir POST /oauth/introspect",
    "fhir POST /oauth/back-channel-logout",
    "fhir POST /oauth/back-channel-logout/{id}",
    "fhir GET /oauth/jwks",
    "fhir GET /.well-known/oauth-authorization-server",
    "fhir GET /fhir/.well-known/smart-configuration",
    "node GET /submissions/{id}",
    "registry POST /xds/identity",
    "fhir GET /fhir/metadata",
    "fhir ANY /fhir/{*rest}",
    "web GET /",
    "web GET /accessibility",
    "web GET /sign-in",
    "web GET /sign-in/callback",
    "web POST /sign-in/back-channel-logout",
    "web POST /sign-in/back-channel-logout/{id}",
    "web GET /signed-out",
    "web GET /session-ended",
    "registry POST /peer/consent/update",
    "registry POST /peer/patient/search",
    "registry POST /peer/audit",
    "node POST /peer/audit",
];
/// Routes at which there is nothing to find for this sender.
const NOTHING_THERE: &[&str] = &[
    "fhir GET /fhir/AllergyIntolerance/{id}",
    "fhir GET /fhir/Condition/{id}",
    "fhir GET /fhir/MedicationStatement/{id}",
    "fhir GET /fhir/MedicationRequest/{id}",
    "fhir GET /fhir/Immunization/{id}",
    "fhir GET /fhir/Observation/{id}",
    "fhir GET /fhir/Encounter/{id}",
    "fhir GET /fhir/Provenance/{id}",
    "web GET /launch",
    "web GET /launch/callback",
    "web GET /launch/open",
    "web GET /launch/patient",
    "web POST /oauth/consent",
    "fhir GET /fhir/EpisodeOfCare",
    "fhir GET /fhir/EpisodeOfCare/{id}",
    "web GET /patient/{handle}/relationship",
    "web POST /patient/{handle}/consent/{id}/lift",
    "fhir GET /oauth/jwks",
    "fhir GET /.well-known/oauth-authorization-server",
    "fhir GET /fhir/.well-known/smart-configuration",
    "fhir ANY /fhir/{*rest}",
    "web GET /sign-in/callback",
    "web GET /patient/{handle}/document/{id}/attachment/{n}",
    "web GET /patient/{handle}/document/{id}/content",
    "web POST /looked",
    "web GET /looked/request/{id}",
    "web GET /looked/record/{id}",
    "web GET /reports/{id}",
    "web POST /role",
    "web POST /people/find",
];
/// Searches for what documents say in coded entries.
const ELEMENTS: [&str; 7] = [
    "/fhir/AllergyIntolerance",
    "/fhir/Condition",
    "/fhir/MedicationStatement",
    "/fhir/MedicationRequest",
    "/fhir/Immunization",
    "/fhir/Observation",
    "/fhir/Encounter",
];
const OFFICER: &str = "555021900500";
const OPERATOR: &str = "555021901000";
const OTHER: &str = "9990001138";
/// Of the citizen Ada Okafor.
const OWN: &str = "9990001006";
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
const ALERTS: &str = "AuditEvent?type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2";
