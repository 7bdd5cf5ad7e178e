//! The CapabilityStatement says what there is: each parameter, interaction and operation, no more and
//! no less.

use std::collections::BTreeSet;

use carerecord_fhir::{DocumentReferenceSearch, ListSearch, SearchError, pairs};

use super::*;

async fn statement() -> Value {
    let client = Client::of(registry(), Some(person())).await;
    client.get("metadata", &[]).await.json()
}

fn of<'s>(statement: &'s Value, kind: &str) -> &'s Value {
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    resources.iter().find(|r| r["type"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

/// Which of all parameters of FHIR, of MHD and of ours a search takes, under strict handling.
fn taken(kind: &str) -> BTreeSet<String> {
    let takes = |name: &&&str| {
        let value = match **name {
            "patient" | "patient.identifier" | "subject.identifier" => "9990001030",
            "status" => "current",
            "code" => "folder",
            "source-state" => "none",
            "date" | "creation" | "period" | "_lastUpdated" | "indexed" => "2026",
            _ => "x",
        };
        let required = "patient.identifier=9990001030&status=current&code=folder";
        let base: Vec<_> = pairs(required).into_iter().filter(|(n, _)| n != *name).collect();
        let base = base.into_iter().filter(|(n, _)| kind == "List" || n != "code");
        let patient = |n: &str| n.starts_with("patient") || n == "subject.identifier";
        let base = base.filter(|(n, _)| !(patient(n) && patient(name)));
        let all: Vec<_> = base.chain([((**name).to_owned(), value.to_owned())]).collect();
        let refused = match kind {
            "List" => ListSearch::parse(&all, true).err(),
            _ => DocumentReferenceSearch::parse(&all, true).err(),
        };
        match refused {
            None => true,
            Some(SearchError::Unsupported(_)) => false,
            // A resource, of which there are none: known by identifiers alone.
            Some(SearchError::Malformed(of)) if of == "related" => false,
            Some(other) => panic!("{kind}?{name}={value}: {other}"),
        }
    };
    NAMES.iter().filter(takes).map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn every_parameter_is_told_of_and_none_that_is_not_there() {
    let statement = statement().await;
    for kind in ["DocumentReference", "List"] {
        let told = of(&statement, kind)["searchParam"].as_array().unwrap().iter();
        let told: BTreeSet<String> = told.map(|p| p["name"].as_str().unwrap().to_owned()).collect();
        let mut taken = taken(kind);
        // Another word for the patient.
        taken.remove("subject.identifier");

        let named: BTreeSet<String> = NAMES.iter().map(|n| (*n).to_owned()).collect();
        assert!(told.is_subset(&named), "{kind}: not looked at: {:?}", told.difference(&named));
        assert_eq!(told, taken, "{kind}");
    }
}

#[tokio::test]
async fn what_can_be_included_is_told_of() {
    let statement = statement().await;
    let values = [
        "*",
        "List:item",
        "List:subject",
        "List:source",
        "DocumentReference:relatesto",
        "DocumentReference:subject",
        "DocumentReference:author",
        "DocumentReference:patient",
    ];
    for kind in ["DocumentReference", "List"] {
        for (name, told) in [("_include", "searchInclude"), ("_revinclude", "searchRevInclude")] {
            let told = of(&statement, kind)[told].as_array().cloned().unwrap_or_default();
            for value in values {
                let text = format!(
                    "patient.identifier=9990001030&status=current&code=folder&{name}={value}"
                );
                let all: Vec<_> = pairs(&text)
                    .into_iter()
                    .filter(|(n, _)| kind == "List" || n != "code")
                    .collect();
                let refused = match kind {
                    "List" => ListSearch::parse(&all, true).is_err(),
                    _ => DocumentReferenceSearch::parse(&all, true).is_err(),
                };
                assert_eq!(refused, !told.contains(&json!(value)), "{kind} {name}={value}");
            }
        }
    }
}

/// What the router takes, as FHIR names it, and nothing that it does not take.
#[tokio::test]
async fn every_interaction_and_operation_is_told_of_and_there() {
    let statement = statement().await;
    let mut told = BTreeSet::new();
    for resource in statement["rest"][0]["resource"].as_array().unwrap() {
        let kind = resource["type"].as_str().unwrap();
        for interaction in resource["interaction"].as_array().into_iter().flatten() {
            told.insert(format!("{kind} {}", interaction["code"].as_str().unwrap()));
        }
        for operation in resource["operation"].as_array().into_iter().flatten() {
            told.insert(format!("{kind} ${}", operation["name"].as_str().unwrap()));
        }
    }
    let routes = include_str!("../router.rs");
    let mut there = BTreeSet::new();
    let calls = routes.split(".route(").skip(1).map(str::trim_start);
    for call in calls.filter_map(|call| call.strip_prefix("\"/fhir/")) {
        let (path, rest) = call.split_once('"').unwrap();
        let handlers = &rest[..rest.find("\n        .").unwrap_or(rest.len())];
        let parts: Vec<&str> = path.split('/').collect();
        let has = |method: &str| {
            let call = format!("{method}(");
            handlers.contains(&format!(" {call}")) || handlers.contains(&format!(".{call}"))
        };
        let kind = parts[0];
        match parts.as_slice() {
            [] | [""] | ["metadata"] | ["{*rest}"] | [".well-known", ..] => {}
            // Of the whole, and in the statement as such.
            [operation] if operation.starts_with('$') => {}
            [_] => {
                there.extend(has("get").then(|| format!("{kind} search-type")));
                there.extend(has("post").then(|| format!("{kind} create")));
            }
            [_, "_search"] => {
                there.insert(format!("{kind} search-type"));
            }
            [_, "{id}"] => {
                there.extend(has("get").then(|| format!("{kind} read")));
                there.extend(has("put").then(|| format!("{kind} update")));
            }
            // What stands below an operation is what it was asked for.
            [.., operation] | [_, operation, "{id}"] | [_, operation, "{id}", "file"]
                if operation.starts_with('$') =>
            {
                there.insert(format!("{kind} {operation}"));
            }
            other => panic!("what is {other:?}?"),
        }
    }

    assert_eq!(told, there);
    assert_eq!(statement["rest"][0]["interaction"][0]["code"], "transaction");
    assert!(routes.contains(".route(\"/fhir\", post("), "{routes}");
}

/// Parameters of DocumentReference and List in FHIR R4, of MHD, of every search, and ours.
const NAMES: &[&str] = &[
    "patient",
    "source-state",
    "patient.identifier",
    "subject",
    "subject.identifier",
    "status",
    "author",
    "author.family",
    "author.given",
    "authenticator",
    "category",
    "contenttype",
    "creation",
    "custodian",
    "date",
    "description",
    "encounter",
    "event",
    "facility",
    "format",
    "identifier",
    "language",
    "location",
    "period",
    "related",
    "related.identifier",
    "relatesto",
    "relation",
    "relationship",
    "security-label",
    "setting",
    "type",
    "targetCommunityIdList",
    "code",
    "designationType",
    "empty-reason",
    "item",
    "notes",
    "source",
    "source.family",
    "source.given",
    "sourceId",
    "title",
    "_id",
    "_lastUpdated",
    "_content",
    "_text",
    "_tag",
    "_profile",
    "_security",
    "_source",
    "_list",
    "_has",
    "_type",
    "_query",
    "_filter",
    "_contained",
    "_offset",
];
