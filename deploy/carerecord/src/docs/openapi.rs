//! The OpenAPI description of everything here that programs ask over HTTP. The FHIR API is told out
//! of its own CapabilityStatement and its own errors, the rest out of a table; a test holds all of it
//! against the routers.

use std::collections::BTreeMap;

use carerecord_fhir::capability_statement;
use carerecord_portal_api::{ToldRefusal, authorize_refusals, fhir_refusals, oauth_refusals};
use serde_json::{Map, Value, json};

use super::examples::example;
use super::operations::{self, OPERATIONS};

/// The whole description, OpenAPI 3.1. `base_url` is the FHIR API's address, as of the portal's
/// configuration.
pub fn description(base_url: &str) -> Value {
    let base = base_url.trim_end_matches('/');
    let portal = base.strip_suffix("/fhir").unwrap_or(base);
    let mut paths = Paths::default();
    fhir(&mut paths, &capability_statement(base, env!("CARGO_PKG_VERSION"), "", "", None));
    operations::add(&mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Care Record",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A shared care record: FHIR API, access tokens, XDS doors, health",
            "description": ABOUT,
            "license": {"name": "CC BY-ND 4.0", "identifier": "CC-BY-ND-4.0"},
        },
        "servers": [{"url": portal, "description": "The portal"}],
        "tags": TAGS.map(|(name, words)| json!({"name": name, "description": words})),
        "paths": paths.0,
        "components": components(),
    })
}

/// The operations by path and method.
#[derive(Default)]
pub(super) struct Paths(Map<String, Value>);

impl Paths {
    /// Adds an operation; its id, its path's parameters and its example are put in here.
    pub(super) fn add(&mut self, method: &str, path: &str, tag: &str, mut operation: Value) {
        operation["tags"] = json!([tag]);
        operation["operationId"] = id(method, path).into();
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let described = json!({
                "name": name, "in": "path", "required": true, "schema": {"type": "string"},
            });
            parameters(&mut operation).insert(0, described);
        }
        if let Some(example) = example(method, path) {
            example.put(&mut operation);
        }
        self.0.entry(path).or_insert_with(|| json!({}))[method] = operation;
    }
}

pub(super) fn parameters(operation: &mut Value) -> &mut Vec<Value> {
    let all = &mut operation["parameters"];
    if all.is_null() {
        *all = json!([]);
    }
    all.as_array_mut().expect("it is one")
}

/// `get` and `/fhir/List/{id}` make `getFhirListId`.
fn id(method: &str, path: &str) -> String {
    let mut id = method.to_owned();
    for word in path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        id.extend(word[..1].chars().map(|c| c.to_ascii_uppercase()));
        id.push_str(&word[1..]);
    }
    // `/fhir` and `/fhir/` are both there.
    if path.len() > 1 && path.ends_with('/') { id + "Slash" } else { id }
}

/// The FHIR API, as its CapabilityStatement has it.
fn fhir(paths: &mut Paths, statement: &Value) {
    let rest = &statement["rest"][0];
    let metadata = read("What the FHIR API can do: the CapabilityStatement", &["406"]);
    paths.add("get", "/fhir/metadata", "FHIR", public(metadata));
    for interaction in each(&rest["interaction"]) {
        if interaction["code"] == "transaction" {
            let words = text(&interaction["documentation"]);
            for path in ["/fhir", "/fhir/"] {
                let operation = published("Publish documents (MHD ITI-65)", words);
                paths.add("post", path, "FHIR", operation);
            }
        }
    }
    for operation in each(&rest["operation"]) {
        operate(paths, "", text(&operation["name"]), text(&operation["documentation"]));
    }
    for resource in each(&rest["resource"]) {
        let kind = text(&resource["type"]);
        for interaction in each(&resource["interaction"]) {
            interact(paths, kind, text(&interaction["code"]), resource);
        }
        for operation in each(&resource["operation"]) {
            operate(paths, kind, text(&operation["name"]), text(&operation["documentation"]));
        }
    }
}

fn interact(paths: &mut Paths, kind: &str, code: &str, resource: &Value) {
    let one = format!("/fhir/{kind}/{{id}}");
    match code {
        "search-type" => {
            let names = each(&resource["searchParam"]);
            let words = text(&resource["documentation"]);
            let mut get = read(&format!("Search for {kind}"), &SEARCH);
            get["description"] = words.into();
            parameters(&mut get).extend(names.clone().map(search_parameter));
            parameters(&mut get).extend(refs(&["format", "prefer"]));
            paths.add("get", &format!("/fhir/{kind}"), "FHIR", get);
            if operations::ASKED_BY_URL_ONLY.contains(&kind) {
                return;
            }
            let mut post =
                read(&format!("Search for {kind}, as a form that no URL shows"), &SEARCH);
            let field = |p: &Value| (text(&p["name"]).to_owned(), json!({"type": "string"}));
            let fields: Map<String, Value> = names.map(field).collect();
            post["requestBody"] = json!({"required": true, "content": {FORM: {
                "schema": {"type": "object", "properties": fields},
            }}});
            parameters(&mut post).extend(refs(&["prefer"]));
            paths.add("post", &format!("/fhir/{kind}/_search"), "FHIR", post);
        }
        "read" => {
            let mut operation = read(&format!("Read a {kind}"), &READ);
            if kind == "Binary" {
                operation["description"] =
                    "The document, in its own type; ranges are served.".into();
                let any = json!({"*/*": {"schema": {}}});
                operation["responses"]["200"]["content"] = any.clone();
                operation["responses"]["206"] = json!({"description": "A part", "content": any});
                operation["responses"]["416"] = refusal("Fhir", "416");
            }
            parameters(&mut operation).extend(refs(&["format"]));
            paths.add("get", &one, "FHIR", operation);
        }
        "create" => {
            let summary = format!("Create a {kind}");
            let mut operation = match kind {
                "DocumentReference" => published(&summary, "One document (MHD ITI-105)."),
                _ => sent(&summary, "", &CREATE),
            };
            operation["responses"]["201"] = resource_answer("Created; `Location` has its address");
            paths.add("post", &format!("/fhir/{kind}"), "FHIR", operation);
        }
        "update" => {
            let answers = ["400", "401", "403", "404", "409", "415", "422", "429", "503"];
            paths.add("put", &one, "FHIR", sent(&format!("Change a {kind}"), "", &answers));
        }
        // What a route is not made for: a test tells when there is a route after all.
        _ => {}
    }
}

fn operate(paths: &mut Paths, kind: &str, name: &str, documentation: &str) {
    let of = if kind.is_empty() { String::new() } else { format!("{kind}/") };
    let usual = [("post", format!("/fhir/{of}${name}"))];
    let told = OPERATIONS.iter().find(|told| (told.kind, told.name) == (kind, name));
    let (summary, words) = told.map_or(("", documentation), |told| (told.summary, told.words));
    let summary = if summary.is_empty() { format!("${name}") } else { summary.to_owned() };
    let words = if words.is_empty() { documentation } else { words };
    let methods: Vec<(&str, String)> = match told {
        Some(told) if !told.methods.is_empty() => {
            told.methods.iter().map(|(m, p)| (*m, (*p).to_owned())).collect()
        }
        Some(_) | None => usual.into(),
    };
    for (method, path) in methods {
        let answers = ["400", "401", "403", "404", "406", "422", "429", "503"];
        let mut operation = match method {
            "get" | "delete" => read(&summary, &answers),
            _ if operations::PUBLISHING.contains(&(kind, name)) => published(&summary, words),
            _ => sent(&summary, words, &answers),
        };
        operation["description"] = words.into();
        if method == "get" {
            let named = told.map(|told| told.query).unwrap_or_default();
            let query = |name: &&str| json!({"name": name, "in": "query", "schema": string()});
            parameters(&mut operation).extend(named.iter().map(query));
        }
        if name == "break-glass" || name == "claim-relationship" {
            operation["responses"]["201"] = resource_answer("Opened");
        }
        if name == "access-pack" {
            access_pack(method, &path, &mut operation);
        }
        paths.add(method, &path, "FHIR", operation);
    }
}

/// What is taken is answered with 202, and done behind the answer.
fn access_pack(method: &str, path: &str, operation: &mut Value) {
    let answers = &mut operation["responses"];
    let taken = match method {
        "post" => Some("It is being made; `Content-Location` has the address of its state"),
        "delete" => Some("It is removed"),
        _ if path.ends_with("{id}") => Some("It is being made; `X-Progress` says how far it is"),
        _ => None,
    };
    if let Some(words) = taken {
        answers["202"] = resource_answer(words);
    }
    if method != "get"
        && let Some(answers) = answers.as_object_mut()
    {
        answers.remove("200");
    }
    if method == "get" && (path.ends_with("{id}") || path.ends_with("/file")) {
        answers["410"] = refusal("Fhir", "410");
    }
    if path.ends_with("/file") {
        let file = json!({"application/zip": {"schema": {}}});
        answers["200"] = json!({"description": "The pack", "content": file});
        answers["409"] = refusal("Fhir", "409");
    }
}

fn read(summary: &str, refusals: &[&str]) -> Value {
    let mut answers = Map::new();
    answers.insert("200".to_owned(), resource_answer("The answer"));
    answers.extend(refusals.iter().map(|status| ((*status).to_owned(), refusal("Fhir", status))));
    json!({
        "summary": summary,
        "security": [{"token": []}],
        "parameters": refs(&["purpose", "role", "request-id"]),
        "responses": answers,
    })
}

/// A resource is sent.
fn sent(summary: &str, words: &str, refusals: &[&str]) -> Value {
    let mut operation = read(summary, refusals);
    operation["description"] = words.into();
    operation["requestBody"] = body(&["application/fhir+json", "application/fhir+xml"]);
    operation
}

/// Documents are sent.
fn published(summary: &str, words: &str) -> Value {
    sent(summary, words, &PUBLISH)
}

fn public(mut operation: Value) -> Value {
    operation["security"] = json!([]);
    operation["parameters"] = json!(refs(&["format"]));
    operation
}

fn body(kinds: &[&str]) -> Value {
    let kind = |kind: &&str| ((*kind).to_owned(), json!({"schema": reference("Resource")}));
    let content: Map<String, Value> = kinds.iter().map(kind).collect();
    json!({"required": true, "content": content})
}

fn search_parameter(told: &Value) -> Value {
    let kind = text(&told["type"]);
    let mut description = match told["definition"].as_str() {
        Some(definition) => format!("Of type {kind}: {definition}"),
        None => format!("FHIR search parameter of type {kind}"),
    };
    if let Some(words) = told["documentation"].as_str() {
        description = format!("{description}. {words}");
    }
    json!({
        "name": told["name"], "in": "query", "description": description, "schema": string(),
    })
}

fn resource_answer(words: &str) -> Value {
    json!({"description": words, "content": {
        "application/fhir+json": {"schema": reference("Resource")},
        "application/fhir+xml": {"schema": string()},
    }})
}

pub(super) fn refusal(of: &str, status: &str) -> Value {
    json!({"$ref": format!("#/components/responses/{of}{status}")})
}

pub(super) fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn refs(names: &[&str]) -> Vec<Value> {
    let reference = |name: &&str| json!({"$ref": format!("#/components/parameters/{name}")});
    names.iter().map(reference).collect()
}

fn components() -> Value {
    let header = |name: &str, words: &str| json!({"name": name, "in": "header", "description": words, "schema": string()});
    let mut responses = responses("Fhir", &fhir_refusals(), "OperationOutcome", |told| {
        let issue =
            json!({"severity": "error", "code": told.code, "details": {"text": told.words}});
        json!({"resourceType": "OperationOutcome", "issue": [issue]})
    });
    responses.extend(self::responses(
        "OAuth",
        &oauth_refusals(),
        "OAuthError",
        |told| json!({"error": told.code, "error_description": told.words}),
    ));
    responses.extend(self::responses(
        "Authorize",
        &authorize_refusals(),
        "OAuthError",
        |told| json!({"error": told.code, "error_description": told.words}),
    ));
    json!({
        "securitySchemes": {
            "token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "An access token of the sign-in provider, or of /oauth/token",
            },
            "certificate": {
                "type": "mutualTLS",
                "description": "A system's certificate; on loopback, what the door's configuration says",
            },
        },
        "parameters": {
            "purpose": header("X-Purpose-Of-Use", "What for; direct-care unless given"),
            "role": header("X-Selected-Role", "Which of several roles the person acts in"),
            "request-id": header("X-Request-Id", "A UUID that records of the request will have"),
            "prefer": header("Prefer", "handling=strict refuses parameters that are not known"),
            "format": {
                "name": "_format", "in": "query", "description": "json or xml, before Accept",
                "schema": string(),
            },
        },
        "responses": responses,
        "schemas": operations::schemas(),
    })
}

/// The refusals of one API by their status.
fn responses(
    of: &str,
    refusals: &[ToldRefusal],
    schema: &str,
    example: impl Fn(&ToldRefusal) -> Value,
) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<&ToldRefusal>> = BTreeMap::new();
    for refusal in refusals {
        by_status.entry(refusal.status).or_default().push(refusal);
    }
    let kind = if of == "Fhir" { "application/fhir+json" } else { "application/json" };
    let response = |(status, told): (u16, Vec<&ToldRefusal>)| {
        let words: Vec<String> =
            told.iter().map(|told| format!("`{}`: {}", told.code, told.words)).collect();
        let examples: Map<String, Value> = told
            .iter()
            .enumerate()
            .map(|(n, told)| (format!("{}-{}", told.code, n + 1), json!({"value": example(told)})))
            .collect();
        let content = json!({kind: {"schema": reference(schema), "examples": examples}});
        let response = json!({"description": words.join("\n\n"), "content": content});
        (format!("{of}{status}"), response)
    };
    by_status.into_iter().map(response).collect()
}

fn each(list: &Value) -> std::slice::Iter<'_, Value> {
    list.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn string() -> Value {
    json!({"type": "string"})
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";
const SEARCH: [&str; 8] = ["400", "401", "403", "406", "415", "422", "429", "503"];
const CREATE: [&str; 8] = ["400", "401", "403", "409", "415", "422", "429", "503"];
const PUBLISH: [&str; 10] = ["400", "401", "403", "406", "409", "413", "415", "422", "429", "503"];
const READ: [&str; 7] = ["401", "403", "404", "406", "429", "502", "503"];
const TAGS: [(&str, &str); 5] = [
    ("FHIR", "The portal's FHIR API, R4. `HEAD` wherever there is `GET`."),
    (
        "Access tokens",
        "Tokens for systems (IUA, SMART backend services), where they are configured.",
    ),
    ("XDS", "The doors of registry and nodes: SOAP 1.2, and JSON beside it."),
    ("Documentation", "What describes all this."),
    ("Health", "On the admin listener of each process."),
];
const ABOUT: &str = "Every answer about a patient has passed the access decision, and every message \
    leaves a record. What may not be told looks like what is not there. Operations with \
    `x-example-caller` have an example that `carerecord mock` answers as it stands, for a token of \
    that client or account. Routes below `/peer` are for the roles of one deployment among \
    themselves, and not described.";
