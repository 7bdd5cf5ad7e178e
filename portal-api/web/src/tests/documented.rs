//! The portal is a client like any other: it asks for nothing that is not documented for all.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::Value;

use super::browser::Browser;
use super::fake::{Asked, uuid};

/// What the CapabilityStatement says of a resource.
struct Documented(Value);

impl Documented {
    fn all() -> Self {
        Self(carerecord_fhir::capability_statement(
            "http://x/fhir",
            "1",
            "2026-11-27",
            "http://x",
            None,
        ))
    }

    fn resource(&self, kind: &str) -> Option<&Value> {
        let all = self.0["rest"][0]["resource"].as_array().unwrap();
        all.iter().find(|resource| resource["type"] == kind)
    }

    fn has(&self, kind: &str, list: &str, key: &str, value: &str) -> bool {
        let all = self.resource(kind).and_then(|resource| resource[list].as_array());
        all.is_some_and(|all| all.iter().any(|one| one[key] == value))
    }

    /// Whether a path below the base is documented. Ids stand in braces or are UUIDs.
    fn has_path(&self, path: &str) -> bool {
        let is_id = |part: &str| part.starts_with('{') || uuid::Uuid::parse_str(part).is_ok();
        let parts: Vec<&str> = path.split('/').collect();
        match parts.as_slice() {
            [operation] if operation.starts_with('$') => {
                let all = self.0["rest"][0]["operation"].as_array().unwrap();
                all.iter().any(|one| one["name"] == operation[1..])
            }
            [kind] => {
                self.has(kind, "interaction", "code", "search-type")
                    || self.has(kind, "interaction", "code", "create")
            }
            [kind, "_search"] => self.has(kind, "interaction", "code", "search-type"),
            [kind, operation] | [kind, _, operation] if operation.starts_with('$') => {
                self.has(kind, "operation", "name", &operation[1..])
            }
            [kind, operation, id] | [kind, operation, id, "file"]
                if operation.starts_with('$') && is_id(id) =>
            {
                self.has(kind, "operation", "name", &operation[1..])
            }
            [kind, id] if is_id(id) => self.has(kind, "interaction", "code", "read"),
            _ => false,
        }
    }
}

#[test]
fn every_path_of_the_client_is_documented() {
    let documented = Documented::all();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/api");
    let mut paths = BTreeSet::new();

    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let asks = ["self.at(", "self.ask_search(", "self.search(", "self.operate(", ".at("];
        for ask in asks {
            for after in text.split(ask).skip(1) {
                let call = after.trim_start();
                let call = call.strip_prefix("&format!(").unwrap_or(call);
                // A path that is passed on is a literal where it comes from.
                let Some(rest) = call.strip_prefix('"') else { continue };
                paths.insert(rest.split('"').next().unwrap().to_owned());
            }
        }
    }

    // Of what is passed on here: the kinds of element that the summary asks for.
    assert!(paths.remove("{kind}/_search"), "{paths:?}");
    for kind in super::fake::ELEMENTS {
        paths.insert(format!("{kind}/_search"));
    }
    assert!(paths.len() >= 10, "{paths:?}");
    for path in &paths {
        assert!(documented.has_path(path), "{path} is not in the CapabilityStatement");
    }
    assert!(!documented.has_path("Patient/$nonsense") && !documented.has_path("Device/{id}"));
}

#[tokio::test]
async fn every_request_and_parameter_of_a_walk_is_documented() {
    let mut browser = Browser::signed_in().await;
    browser.get("/search").await;
    let people = [("family", "Okafor"), ("day", "14"), ("month", "7"), ("year", "1945")];
    browser.submit("/search", "/people/find", &people).await;
    let patient = browser.find("9990001006").await;
    for show in ["overview", "list", "timeline"] {
        browser.get(&format!("{patient}?show={show}")).await;
    }
    let again = format!("{patient}/sources");
    browser.submit(&patient, &again, &[("source", "2.999.3")]).await;
    browser.submit(&patient, &format!("{patient}/search"), &[("words", "pulse")]).await;
    browser.get(&format!("{patient}/document/{}", uuid(1))).await;
    browser.get(&format!("{patient}/document/{}/download", uuid(1))).await;
    let reason = [("reason", "emergency")];
    browser.submit(&patient, &format!("{patient}/restricted"), &reason).await;
    let words = [("words", "Seen in clinic this morning.")];
    browser.submit(&patient, &format!("{patient}/relationship"), &words).await;
    browser.get("/alerts").await;
    browser.get(&format!("/alerts/{}", uuid(1))).await;
    browser.submit("/search", "/looked", &[("nhs_number", "9990001006"), ("period", "7")]).await;

    let requests = browser.fake.state.lock().unwrap().requests.clone();

    assert!(requests.len() > 15, "{requests:?}");
    Documented::all().has_all(&requests);
}

/// Every route of the portal, out of its router: a new one is walked by itself. Forms are sent with
/// what any of them takes. It is a member of staff who walks: what citizens' pages ask for is read out of
/// the client, by the test above.
#[tokio::test]
async fn every_page_and_form_asks_for_what_is_documented() {
    let routes = include_str!("../router.rs");
    let routes = routes.split("fn routes()").nth(1).unwrap();
    let routes = routes.split(".fallback(").next().unwrap();
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;
    let csrf = browser.get("/search").await.token();
    let handle = patient.rsplit('/').next().unwrap();
    let mut fields = FIELDS.to_vec();
    fields.push(("csrf", &csrf));
    let (mut pages, mut forms) = (0, 0);

    for route in routes.split(".route(").skip(1) {
        let (path, handlers) =
            route.trim_start().strip_prefix('"').unwrap().split_once('"').unwrap();
        // They end the session, or begin another one.
        if ["/sign-out", "/sign-in", "/launch"].iter().any(|own| path.starts_with(own)) {
            continue;
        }
        let path = path.replace("{handle}", handle).replace("{n}", "1");
        let path = path.replace("{id}", &uuid(1));
        let path = path.replace("{other}", &uuid(2));
        if handlers.contains("get(") {
            let page = browser.get(&path).await;
            assert_ne!(page.status, StatusCode::UNAUTHORIZED, "{path}");
            pages += 1;
        }
        if handlers.contains("post(") {
            let own = [("sec-fetch-site", "same-origin"), ("origin", "null")];
            let page = browser.post(&path, &fields, &own).await;
            assert_ne!(page.status, StatusCode::UNAUTHORIZED, "{path}");
            forms += 1;
        }
    }
    let csrf = browser.get("/search").await.token();
    browser.post("/sign-out/everywhere", &[("csrf", &csrf)], &[]).await;

    assert!(pages >= 30 && forms >= 15, "{pages} pages and {forms} forms");
    let requests = browser.fake.state.lock().unwrap().requests.clone();
    let documented = Documented::all();
    documented.has_all(&requests);
    let asked = |path: &str| requests.iter().any(|asked| asked.path == path);
    for path in ["$feeds", "$usage", "Contract", "AuditEvent/_search", "oauth/sign-out"] {
        assert!(asked(path), "{path} was not asked for: the walk is too short");
    }
}

/// What forms take.
const FIELDS: [(&str, &str); 14] = [
    ("nhs_number", "9990001006"),
    ("family", "Okafor"),
    ("day", "14"),
    ("month", "7"),
    ("year", "1945"),
    ("words", "Seen in clinic this morning."),
    ("reason", "emergency"),
    ("state", "appropriate"),
    ("note", "Seen and found right."),
    ("period", "7"),
    ("purpose", "direct-care"),
    ("copy", "original"),
    ("what", "record"),
    ("who", "patient"),
];

impl Documented {
    fn has_all(&self, requests: &[Asked]) {
        for asked in requests {
            assert!(["GET", "POST", "DELETE"].contains(&asked.method.as_str()), "{asked:?}");
            if asked.path.starts_with("oauth/") {
                assert!(OAUTH.contains(&asked.path.as_str()), "{asked:?}");
                continue;
            }
            assert!(self.has_path(&asked.path), "{asked:?}");
            self.has_parameters(asked);
        }
    }

    fn has_parameters(&self, asked: &Asked) {
        let kind = asked.path.split('/').next().unwrap();
        // The CapabilityStatement has the parameters of searches; those of operations stand in OpenAPI.
        if asked.path.contains('$') {
            return;
        }
        for name in &asked.parameters {
            let known = self.has(kind, "searchParam", "name", name);
            // FHIR has them for every search.
            let common = ["_count", "_summary", "_format"].contains(&name.as_str());
            let includes = self.resource(kind).is_some_and(|of| of["searchInclude"].is_array());
            let known = known || common || (name == "_include" && includes);
            assert!(known, "{name} of {asked:?} is not in the CapabilityStatement");
        }
    }
}

/// Beside the FHIR API: docs/openapi.json has them.
const OAUTH: [&str; 3] = ["oauth/sign-out", "oauth/back-channel-logout", "oauth/authorization"];
