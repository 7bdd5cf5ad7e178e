//! What the documentation says holds together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::openapi::description;
use super::site::Site;

#[test]
fn every_link_leads_somewhere() {
    let site = Site::new("http://127.0.0.1:8080/fhir");
    let pages: BTreeMap<&str, String> = site
        .paths()
        .filter(|path| path.ends_with(".html"))
        .map(|path| (path.as_str(), text(&site, path)))
        .collect();
    assert!(pages.len() > 15, "{:?}", pages.keys());
    let mut wrong = Vec::new();
    for (name, html) in &pages {
        for link in between(html, "href=\"", "\"") {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            if path.contains(':') {
                assert!(path.starts_with("https://"), "{name}: {link}");
                continue;
            }
            let path = if path.is_empty() { name } else { path };
            let there = site.file(path).is_some();
            let anchored = anchor.is_empty()
                || pages.get(path).is_some_and(|page| page.contains(&format!("id=\"{anchor}\"")));
            if !there || !anchored {
                wrong.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere: {wrong:#?}");
}

#[test]
fn every_page_has_its_licence_and_no_script_or_style() {
    let site = Site::new("http://127.0.0.1:8080/fhir");
    for path in site.paths().filter(|path| path.ends_with(".html")) {
        let html = text(&site, path);

        assert!(html.contains("creativecommons.org/licenses/by-nd/4.0/"), "{path}");
        assert!(!html.contains("<script") && !html.contains("style=\""), "{path}");
        assert_eq!(html.matches("<h1").count(), 1, "{path}");
        assert!(html.contains("<title>") && !html.contains("<title> - "), "{path}");
    }
}

/// No file of `docs/` is left out of the site.
#[test]
fn every_written_page_is_there() {
    let site = Site::new("http://127.0.0.1:8080/fhir");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".md") else { continue };
        assert!(site.file(&format!("{name}.html")).is_some(), "docs/{name}.md is on no page");
    }
}

#[test]
fn every_reference_of_the_description_is_there() {
    let description = description("http://127.0.0.1:8080/fhir");
    let text = description.to_string();
    let mut references = BTreeSet::new();
    references.extend(between(&text, "\"$ref\":\"#", "\""));

    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        assert!(description.pointer(reference).is_some(), "{reference} is not there");
    }
}

#[test]
fn every_operation_is_told_apart_and_whole() {
    let description = description("http://127.0.0.1:8080/fhir");
    let tags: Vec<&str> = description["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let what = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{what}: its id is another's"
            );
            assert!(tags.contains(&operation["tags"][0].as_str().unwrap()), "{what}");
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{what}");
            assert!(operation["responses"].as_object().is_some_and(|r| !r.is_empty()), "{what}");
            let parameters: Vec<Value> =
                operation["parameters"].as_array().cloned().unwrap_or_default();
            let mut named = BTreeSet::new();
            for parameter in &parameters {
                let key = (parameter["name"].to_string(), parameter["in"].to_string());
                assert!(
                    parameter.get("$ref").is_some() || named.insert(key),
                    "{what}: {parameter}"
                );
            }
            for name in between(path, "{", "}") {
                let told = parameters.iter().any(|p| p["name"] == name && p["in"] == "path");
                assert!(told, "{what}: {name} is not described");
            }
        }
    }
    assert!(ids.len() > 40, "{ids:?}");
}

/// Whichever way documents are published, they go as JSON or XML, and can be too long.
#[test]
fn each_way_of_publishing_is_described_alike() {
    let description = description("http://127.0.0.1:8080/fhir");
    for path in ["/fhir", "/fhir/DocumentReference", "/fhir/DocumentReference/$generate-metadata"] {
        let operation = &description["paths"][path]["post"];
        let kinds = operation["requestBody"]["content"].as_object().unwrap();
        let kinds: Vec<&String> = kinds.keys().collect();
        assert_eq!(kinds, ["application/fhir+json", "application/fhir+xml"], "{path}");
        for refusal in ["403", "406", "413", "415", "422"] {
            let told = &operation["responses"][refusal]["$ref"];
            assert_eq!(told, &format!("#/components/responses/Fhir{refusal}"), "{path}");
        }
    }
    let consent = &description["paths"]["/fhir/Consent"]["post"];
    assert!(consent["requestBody"]["content"].get("application/fhir+xml").is_some());
}

fn text(site: &Site, path: &str) -> String {
    String::from_utf8(site.file(path).unwrap().bytes.clone()).unwrap()
}

fn between<'a>(text: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(start).skip(1).filter_map(move |rest| rest.split(end).next())
}
