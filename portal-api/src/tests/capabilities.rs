//! The CapabilityStatement says what there is: each parameter, interaction and operation, no more and
//! no less.

use std::collections::{BTreeMap, BTreeSet};

use super::looking::{as_role, by};
use super::publishing::{bundle, provide, source};
use super::*;

/// The resources that are told of, and a portal to ask by.
struct Told {
    client: Client,
    resources: Vec<Value>,
    /// Every parameter of any search here, with its type; and those of FHIR.
    names: BTreeMap<String, String>,
}

impl Told {
    async fn new() -> Self {
        let client = Client::of(registry(), Some(person())).await;
        let statement = client.get("metadata", &[]).await.json();
        let resources = statement["rest"][0]["resource"].as_array().unwrap().clone();
        let mut names: BTreeMap<String, String> =
            NAMES.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        for parameter in resources.iter().flat_map(|resource| each(resource, "searchParam")) {
            names.insert(text(&parameter["name"]), text(&parameter["type"]));
        }
        Self { client, resources, names }
    }

    /// Those that can be searched for.
    fn searched(&self) -> Vec<&Value> {
        let is_search = |i: &Value| i["code"] == "search-type";
        let all = self.resources.iter().filter(|r| each(r, "interaction").iter().any(is_search));
        all.collect()
    }

    /// Whether a search takes a parameter, or one with a modifier, by `handling=strict`.
    async fn takes(&mut self, kind: &str, name: &str) -> bool {
        let (bare, modifier) = name.split_once(':').unwrap_or((name, ""));
        let value = self.value(kind, bare, modifier);
        self.takes_pair(kind, name, &value).await
    }

    async fn takes_pair(&mut self, kind: &str, name: &str, value: &str) -> bool {
        let bare = name.split(':').next().unwrap();
        // Each search is by someone who may, with what it cannot be without.
        let by_organisation = bare.starts_with("organization") || value == "EpisodeOfCare:patient";
        let alerts = ["state", "overdue", "before"].contains(&bare);
        let (role, needed) = match kind {
            "DocumentReference" => ("R8000", "patient.identifier=9990001030&status=current"),
            "List" => ("R8000", "patient.identifier=9990001030&status=current&code=folder"),
            "Patient" => ("R8000", "identifier=9990001030"),
            "Provenance" => ("R8000", TARGET),
            "AuditEvent" if alerts => {
                ("R0001", "type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType|1")
            }
            "AuditEvent" => ("R0001", "date=2026"),
            "EpisodeOfCare" if by_organisation => {
                ("R8000", "status=active&organization.identifier=ODS|ZEX01")
            }
            "Consent" | "EpisodeOfCare" => ("R0001", "patient.identifier=9990001030"),
            "Contract" => ("R0001", ""),
            _ => ("R8000", "patient.identifier=9990001030"),
        };
        by(&mut self.client, &as_role("somebody", "ZEX01", role)).await;
        let stands_for = |needed: &str| {
            let group = |name: &str| match name.split(['.', ':']).next().unwrap() {
                "subject" => "patient".to_owned(),
                group => group.to_owned(),
            };
            group(needed) == group(bare)
        };
        let needed = needed.split('&').filter(|pair| !stands_for(pair.split('=').next().unwrap()));
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let query: Vec<String> =
            needed.map(str::to_owned).chain([format!("{name}={value}")]).collect();
        let query = query.join("&").replace("ODS", ODS);
        let strict = [("prefer", "handling=strict")];
        let answer = self.client.get(&format!("{kind}?{query}"), &strict).await;
        let refused = answer.status == 400 && answer.text.contains("is not supported");
        assert!(refused || answer.status == 200, "{kind}?{query}: {}", answer.text);
        !refused
    }

    /// A value that a parameter can have.
    fn value(&self, kind: &str, name: &str, modifier: &str) -> String {
        let of_type = |name: &str| self.names.get(name).map(String::as_str).unwrap_or_default();
        let value = match name {
            _ if modifier == "missing" => "true",
            _ if modifier == "DocumentReference" => ID,
            "patient" | "patient.identifier" | "subject" | "subject.identifier" => NUMBER,
            "identifier" if kind == "Patient" => NUMBER,
            "organization" | "organization.identifier" => return format!("{ODS}|ZEX01"),
            "status" if ["DocumentReference", "List"].contains(&kind) => "current",
            "status" => "active",
            "code" if kind == "List" => "folder",
            "target" => return TARGET.replace("target=", ""),
            "_since" => "2026-11-02T10:00:00Z",
            "active" | "overdue" => "true",
            "gender" => "female",
            "outcome" => "0",
            "state" => "new",
            "before" => ID,
            "source-state" => "none",
            _ if of_type(name) == "date" => "2026",
            _ => "x",
        };
        value.to_owned()
    }
}

fn each<'v>(of: &'v Value, name: &str) -> &'v [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_parameter_is_told_of_and_none_that_is_not_there() {
    let mut all = Told::new().await;
    let searched: Vec<Value> = all.searched().into_iter().cloned().collect();
    assert!(searched.len() >= 15, "{searched:?}");
    for resource in &searched {
        let kind = text(&resource["type"]);
        let told: BTreeSet<String> =
            each(resource, "searchParam").iter().map(|p| text(&p["name"])).collect();
        assert_eq!(told.len(), each(resource, "searchParam").len(), "{kind}: each once");
        let mut taken = BTreeSet::new();
        let names: Vec<String> = all.names.keys().cloned().collect();
        for name in names {
            if all.takes(&kind, &name).await {
                taken.insert(name);
            }
        }
        assert_eq!(told, taken, "{kind}");
    }
}

#[tokio::test]
async fn every_modifier_is_told_of_and_there() {
    let mut all = Told::new().await;
    let searched: Vec<Value> = all.searched().into_iter().cloned().collect();
    let mut number = 0;
    for resource in &searched {
        let kind = text(&resource["type"]);
        for parameter in each(resource, "searchParam") {
            let name = text(&parameter["name"]);
            let told = parameter["documentation"].as_str().unwrap_or_default();
            let told = told.strip_prefix("Takes ").unwrap_or_default().split(", ");
            let told: Vec<&str> = told.filter_map(|modifier| modifier.strip_prefix(':')).collect();
            for modifier in &told {
                assert!(all.takes(&kind, &format!("{name}:{modifier}")).await, "{name}:{modifier}");
            }
            number += told.len();
            let other = ["missing", "not", "contains"].into_iter().find(|m| !told.contains(m));
            if let Some(other) = other {
                let taken = all.takes(&kind, &format!("{name}:{other}")).await;
                assert!(!taken, "{kind}?{name}:{other} is taken, and not told of");
            }
        }
    }
    assert!(number > 60, "{number}");
}

#[tokio::test]
async fn what_can_be_included_is_told_of() {
    let mut all = Told::new().await;
    let searched: Vec<Value> = all.searched().into_iter().cloned().collect();
    let more = ["*", "List:subject", "List:source", "DocumentReference:author", "Patient:link"];
    let told = |resource: &Value, name: &str| -> BTreeSet<String> {
        each(resource, name).iter().map(text).collect()
    };
    let values: BTreeSet<String> = searched
        .iter()
        .flat_map(|resource| ["searchInclude", "searchRevInclude"].map(|name| told(resource, name)))
        .flatten()
        .chain(more.map(str::to_owned))
        .collect();
    for resource in &searched {
        let kind = text(&resource["type"]);
        for (name, of) in [("_include", "searchInclude"), ("_revinclude", "searchRevInclude")] {
            let told = told(resource, of);
            for value in &values {
                let taken = all.takes_pair(&kind, name, value).await;
                assert_eq!(taken, told.contains(value), "{kind} {name}={value}");
            }
        }
    }
}

#[tokio::test]
async fn every_profile_that_is_told_of_is_taken() {
    let all = Told::new().await;
    let profiles = |kind: &str| -> Vec<String> {
        let resource = all.resources.iter().find(|r| r["type"] == kind).unwrap();
        each(resource, "supportedProfile").iter().map(text).collect()
    };
    let client = source(&json!({})).await;
    let (mut told, mut taken) = (profiles("Bundle"), Vec::new());
    for parts in ["Comprehensive", "UnContained.Comprehensive", "Minimal", "Other"] {
        let name = |of: &str| format!("{MHD}IHE.MHD.{parts}.{of}");
        let mut sent: Value = serde_json::from_str(&bundle()).unwrap();
        sent["meta"]["profile"] = json!([name("ProvideBundle")]);
        let answer = provide(&client, sent.to_string()).await;
        assert!([200, 422].contains(&answer.status), "{parts}: {}", answer.text);
        for (kind, of) in [("DocumentReference", "DocumentReference"), ("List", "SubmissionSet")] {
            let is_told = profiles(kind).contains(&name(of));
            assert_eq!(is_told, answer.status == 200, "{parts} {of}");
        }
        taken.extend((answer.status == 200).then(|| name("ProvideBundle")));
    }
    taken.sort();
    told.sort();
    assert_eq!(told, taken);
}

/// What the router takes, as FHIR names it, and nothing that it does not take.
#[tokio::test]
async fn every_interaction_and_operation_is_told_of_and_there() {
    let client = Client::of(registry(), Some(person())).await;
    let statement = client.get("metadata", &[]).await.json();
    let mut told = BTreeSet::new();
    for operation in each(&statement["rest"][0], "operation") {
        told.insert(format!("${}", text(&operation["name"])));
    }
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
            [operation] if operation.starts_with('$') => {
                there.insert((*operation).to_owned());
            }
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

const MHD: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const TARGET: &str = "target=AllergyIntolerance/6c1d0b52000040008000000000000001-0";
/// Parameters that FHIR R4 and MHD have for what is here, beside those that are told of.
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
    "_since",
    "_at",
    "actor",
    "altid",
    "asserter",
    "care-manager",
    "consentor",
    "criticality",
    "data",
    "deceased",
    "email",
    "encounter.identifier",
    "instantiates",
    "issued",
    "issuer",
    "last-date",
    "link",
    "manifestation",
    "name",
    "phonetic",
    "policy",
    "purpose",
    "recorded",
    "recorder",
    "scope",
    "severity",
    "signer",
    "site",
    "source-reference",
    "telecom",
    "url",
    "value-quantity",
    "verification-status",
];
