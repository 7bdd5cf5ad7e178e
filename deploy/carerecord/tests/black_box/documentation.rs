//! The description of the API is of the API that there is, and what it gives as examples works.

use std::collections::BTreeSet;

use carerecord_testkit::{Deployment, Fhir, Role};
use serde_json::Value;

use crate::BINARY;
use crate::routes::routes;

/// Each route of each router for programs is described, and nothing else is. Pages for people, routes
/// of the roles among themselves and the demo's sign-in provider are not for other programs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_of_the_routes_that_there_are() {
    let demo = Deployment::one_process(BINARY);
    let description = description(&demo).await;

    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let for_programs = |router: &str| !["web", "sign-in"].contains(&router);
    let there: BTreeSet<String> = routes()
        .into_iter()
        .filter(|r| for_programs(r.router) && !r.path.starts_with("/peer/") && r.method != "ANY")
        .map(|r| format!("{} {}", r.method, r.path.replace("{*", "{")))
        .collect();

    let missing: Vec<&String> = there.difference(&described).collect();
    assert!(
        missing.is_empty(),
        "the CapabilityStatement or docs/operations.rs is to tell of {missing:?}"
    );
    let invented: Vec<&String> = described.difference(&there).collect();
    assert!(invented.is_empty(), "there is no route {invented:?}");
    let server = description["servers"][0]["url"].as_str().unwrap();
    assert_eq!(server, demo.url(Role::Portal, ""));
}

/// Each example is sent as the description has it, by whoever it names, and answered with success.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_examples_of_the_description_work() {
    let demo = Deployment::with_samples(BINARY);
    let description = description(&demo).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut asked = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(caller) = operation["x-example-caller"].as_str() else { continue };
            let what = format!("{method} {path}");
            let base = match operation["servers"].is_array() {
                true => format!("http://127.0.0.1:{}", demo.admin_port(Role::Portal)),
                false => demo.url(Role::Portal, ""),
            };
            let mut url = url::Url::parse(&format!("{base}{path}")).unwrap();
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if let Some(value) = parameter["example"].as_str() {
                    url.query_pairs_mut().append_pair(parameter["name"].as_str().unwrap(), value);
                }
            }
            let request = http.request(method.to_uppercase().parse().unwrap(), url);
            let request = match token(&demo, caller).await {
                Some(token) => request.bearer_auth(token),
                None => request,
            };
            let request = with_body(request, &operation["requestBody"]["content"]);
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert!(status.is_success(), "{what}: {status} {text}");
            let told = &operation["responses"][status.as_str()];
            assert!(told.is_object(), "{what}: {status} is not described");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
}

/// The documentation is served to everybody, and by nobody else's rules.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_is_served() {
    let demo = Deployment::one_process(BINARY);
    let get = |path: &str| reqwest::get(demo.url(Role::Portal, path));

    let page = get("/docs").await.unwrap();

    assert_eq!(page.url().path(), "/docs/index.html");
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(html.contains("creativecommons.org/licenses/by-nd/4.0/"), "{html}");
    let style = get("/docs/assets/portal.css").await.unwrap();
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    for missing in ["/docs/nothing.html", "/docs/../openapi.jso", "/docs/%2e%2e/x"] {
        assert_eq!(get(missing).await.unwrap().status(), 404, "{missing}");
    }
    let folder = demo.file("site");
    let output = demo.run(&["docs", "--out", folder.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.join("endpoints.html").exists() && folder.join("openapi.json").exists());
    demo.assert_no_panic();
}

async fn description(deployment: &Deployment) -> Value {
    let url = deployment.url(Role::Portal, "/openapi.json");
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A token of a client or an account of the demo's sign-in providers: citizens' are UUIDs.
pub async fn token(deployment: &Deployment, caller: &str) -> Option<String> {
    let fhir: Fhir = match caller {
        "" => return None,
        "demo-system" => deployment.fhir().as_system().await,
        "demo-source" => deployment.fhir().as_source().await,
        citizen if citizen.contains('-') => deployment.citizen(citizen).await,
        account => deployment.fhir().as_person(account).await,
    };
    Some(fhir.token().to_owned())
}

fn with_body(request: reqwest::RequestBuilder, content: &Value) -> reqwest::RequestBuilder {
    let form = "application/x-www-form-urlencoded";
    if let Some(fields) = content[form]["example"].as_object() {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in fields {
            text.append_pair(name, value.as_str().unwrap());
        }
        return request.header("content-type", form).body(text.finish());
    }
    let json = "application/fhir+json";
    match content[json]["example"].is_object() {
        true => request.header("content-type", json).body(content[json]["example"].to_string()),
        false => request,
    }
}
