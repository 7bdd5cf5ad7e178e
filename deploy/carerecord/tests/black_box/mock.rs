//! The mock does what its catalogue says.

use std::collections::BTreeMap;

use carerecord_testkit::{Deployment, Role};
use serde::Deserialize;
use serde_json::Value;

use crate::BINARY;
use crate::documentation::token;
use crate::routes::root;

#[derive(Deserialize)]
struct Catalogue {
    scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    title: String,
    door: String,
    #[serde(default)]
    caller: String,
    #[serde(default)]
    header: String,
    path: String,
    #[serde(default)]
    query: BTreeMap<String, String>,
    #[serde(default)]
    send: String,
    #[serde(default)]
    replace: BTreeMap<String, String>,
    #[serde(default)]
    opens: String,
    status: u16,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
}

/// Each scenario of the catalogue, in its order, of one running mock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scenario_is_answered_as_the_catalogue_says() {
    let mock = Deployment::mock(BINARY);
    let file = root().join("deploy/carerecord/config/scenarios.toml");
    let catalogue: Catalogue = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(catalogue.scenario.len() > 40);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut tokens: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for scenario in &catalogue.scenario {
        if !tokens.contains_key(&scenario.caller) {
            let token = token(&mock, &scenario.caller).await;
            tokens.insert(scenario.caller.clone(), token);
        }
        let role = match scenario.door.as_str() {
            "portal" => Role::Portal,
            "registry" => Role::Registry,
            _ => Role::Node(0),
        };
        let mut url = url::Url::parse(&mock.url(role, &scenario.path)).unwrap();
        for (name, value) in &scenario.query {
            url.query_pairs_mut().append_pair(name, value);
        }
        let request = match scenario.send.as_str() {
            "" => http.get(url),
            file => {
                http.post(url).header("content-type", content_type(file)).body(message(scenario))
            }
        };
        let token = tokens[&scenario.caller].as_deref();
        let mut answer = asked(request, token, scenario).await;
        if !scenario.opens.is_empty() {
            let url = address(&answer.text().await.unwrap(), scenario);
            answer = asked(http.get(url), token, scenario).await;
        }
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        let lacking = scenario.has.iter().filter(|has| !text.contains(*has));
        let unwanted = scenario.lacks.iter().filter(|lacks| text.contains(*lacks));
        let odd: Vec<&String> = lacking.chain(unwanted).collect();
        if status != scenario.status || !odd.is_empty() {
            let text: String = text.chars().take(1500).collect();
            wrong.push(format!("{}: {status}, {odd:?}: {text}", scenario.title));
        }
    }
    assert!(wrong.is_empty(), "{} scenarios are not as told:\n{}", wrong.len(), wrong.join("\n\n"));
    mock.assert_no_panic();
}

/// Only the mock knows the header.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_obeys_scenarios() {
    let demo = Deployment::one_process(BINARY);
    let token = token(&demo, "demo-system").await.unwrap();
    let mut url = url::Url::parse(&demo.url(Role::Portal, "/fhir/DocumentReference")).unwrap();
    let patient = "https://fhir.nhs.uk/Id/nhs-number|9990001006";
    url.query_pairs_mut()
        .append_pair("patient.identifier", patient)
        .append_pair("status", "current");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let request = http.get(url).bearer_auth(token).header("x-scenario", "registry-down, nonsense");
    let answer = request.send().await.unwrap();

    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn asked(
    mut request: reqwest::RequestBuilder,
    token: Option<&str>,
    scenario: &Scenario,
) -> reqwest::Response {
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if !scenario.header.is_empty() {
        request = request.header("x-scenario", &scenario.header);
    }
    request.send().await.unwrap()
}

/// Where the document is that a scenario opens, as the list has it.
fn address(list: &str, scenario: &Scenario) -> String {
    let (title, opens) = (&scenario.title, &scenario.opens);
    let list: Value = serde_json::from_str(list).unwrap_or_else(|e| panic!("{title}: {e}: {list}"));
    let urn = format!("urn:oid:{opens}");
    let is_it = |entry: &&Value| {
        let id = &entry["resource"]["masterIdentifier"]["value"];
        id == opens.as_str() || id == urn.as_str()
    };
    let found = list["entry"].as_array().and_then(|all| all.iter().find(is_it));
    let found = found.unwrap_or_else(|| panic!("{title}: {opens} is not in {list}"));
    found["resource"]["content"][0]["attachment"]["url"].as_str().unwrap().to_owned()
}

fn message(scenario: &Scenario) -> String {
    let file = root().join("docs/examples").join(&scenario.send);
    let mut text = std::fs::read_to_string(file).unwrap();
    for (from, to) in &scenario.replace {
        assert!(text.contains(from), "{}: {from} is not in the file", scenario.title);
        text = text.replace(from, to);
    }
    text
}

fn content_type(file: &str) -> &'static str {
    match file.ends_with(".json") {
        true => "application/fhir+json",
        false => "application/soap+xml; charset=UTF-8",
    }
}
