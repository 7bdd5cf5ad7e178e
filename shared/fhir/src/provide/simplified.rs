//! Simplified Publish: one DocumentReference with its document inside, as the Bundle of Provide
//! Document Bundle that says the same. MHD 4.

use carerecord_model::{Dtm, SourceId};
use serde_json::{Value, json};

use super::at::{At, Problem, Problems};
use crate::date_time;

/// A DocumentReference that has its document in `attachment.data`.
pub struct SimplifiedPublish {
    bundle: Value,
}

impl SimplifiedPublish {
    /// Reads what was sent. What its profile says beside that of a Minimal DocumentReference is
    /// checked here. `source_id` is the sender's; the SubmissionSet is submitted at `now`.
    ///
    /// # Errors
    /// Everything that the profile does not allow.
    pub fn read(
        mut resource: Value,
        source_id: &SourceId,
        now: &Dtm,
    ) -> Result<Self, Vec<Problem>> {
        check(&resource)?;
        let attachment = &mut resource["content"][0]["attachment"];
        let data = attachment.as_object_mut().and_then(|a| a.remove("data"));
        attachment["url"] = BINARY.into();
        let binary = json!({
            "resourceType": "Binary",
            "contentType": attachment["contentType"],
            "data": data,
        });
        let set = submission_set(&resource, source_id, now);
        let entry = |url: &str, resource: Value| {
            let request = json!({"method": "POST", "url": resource["resourceType"]});
            json!({"fullUrl": url, "resource": resource, "request": request})
        };
        let entries = [entry(SET, set), entry(DOCUMENT, resource), entry(BINARY, binary)];
        let bundle = json!({
            "resourceType": "Bundle",
            "meta": {"profile": [PROFILE]},
            "type": "transaction",
            "entry": entries,
        });
        Ok(Self { bundle })
    }

    /// The Bundle.
    pub fn bundle(&self) -> &Value {
        &self.bundle
    }

    /// Problems of the Bundle as those of what was sent; what its parts have in common, once.
    pub fn problems(problems: Vec<Problem>) -> Vec<Problem> {
        let mut all: Vec<Problem> = Vec::new();
        for mut problem in problems {
            problem.expression = expression(&problem.expression);
            if !all.contains(&problem) {
                all.push(problem);
            }
        }
        all
    }
}

fn check(resource: &Value) -> Result<(), Vec<Problem>> {
    let at = At::new(resource, "DocumentReference");
    let mut problems = Problems::default();
    if at.kind() != "DocumentReference" {
        problems.add("structure", &at, "It must be a DocumentReference.");
        return problems.or(None);
    }
    if !at.get("subject").is_there() {
        problems.missing(&at.get("subject"));
    }
    for (n, identifier) in at.each("identifier").iter().enumerate() {
        let types = identifier.get("type").each("coding");
        let is_entry = types.iter().any(|t| t.text("code") == Some("entryUUID"))
            || identifier.text("use") == Some("official");
        if is_entry {
            let at = At::new(resource, format!("DocumentReference.identifier[{n}]"));
            problems.add("structure", &at, "The entryUUID is given by the registry.");
        }
    }
    match at.each("content").as_slice() {
        [content] => {
            let attachment = content.get("attachment");
            problems.forbid(&attachment, &["url"]);
            if attachment.text("data").is_none() {
                problems.missing(&attachment.get("data"));
            }
        }
        _ => problems.add("structure", &at.get("content"), "There is exactly one content."),
    }
    problems.or(Some(()))
}

/// The SubmissionSet that stands for the sending. MHD 4.
fn submission_set(document: &Value, source_id: &SourceId, now: &Dtm) -> Value {
    let mut extensions = vec![json!({
        "url": format!("{MHD}/StructureDefinition/ihe-sourceId"),
        "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{source_id}")},
    })];
    let designation = [&document["type"], &document["category"][0]].into_iter();
    if let Some(designation) = designation.into_iter().find(|concept| concept.is_object()) {
        extensions.push(json!({
            "url": format!("{MHD}/StructureDefinition/ihe-designationType"),
            "valueCodeableConcept": designation,
        }));
    }
    let mut set = json!({
        "resourceType": "List",
        "extension": extensions,
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": format!("{MHD}/CodeSystem/MHDlistTypes"), "code": "submissionset"}]},
        "subject": document["subject"],
        "date": date_time(now),
        "entry": [{"item": {"reference": DOCUMENT}}],
    });
    let mut copy = |to: &str, value: &Value| {
        if !value.is_null() {
            set[to] = value.clone();
        }
    };
    copy("title", &document["content"][0]["attachment"]["title"]);
    copy("contained", &document["contained"]);
    copy("source", &document["author"][0]);
    set
}

/// Where a problem of the Bundle is in what was sent.
fn expression(of_bundle: &str) -> String {
    let below =
        |entry: &str| of_bundle.strip_prefix(entry).and_then(|r| r.strip_prefix(".resource"));
    if let Some(rest) = below("Bundle.entry[1]") {
        return format!("DocumentReference{rest}");
    }
    if let Some(rest) = below("Bundle.entry[2]") {
        return format!("DocumentReference.content[0].attachment{rest}");
    }
    let rest = below("Bundle.entry[0]").unwrap_or_default();
    let shared = ["subject", "contained"].into_iter();
    let shared = shared.map(|name| format!(".{name}")).find(|name| rest.starts_with(name.as_str()));
    match (shared, rest.strip_prefix(".source")) {
        (Some(_), _) => format!("DocumentReference{rest}"),
        (None, Some(rest)) => format!("DocumentReference.author[0]{rest}"),
        (None, None) => "DocumentReference".to_owned(),
    }
}

const MHD: &str = "https://profiles.ihe.net/ITI/MHD";
const PROFILE: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle";
const SET: &str = "urn:uuid:00000000-0000-4000-8000-000000000000";
const DOCUMENT: &str = "urn:uuid:00000000-0000-4000-8000-000000000001";
const BINARY: &str = "urn:uuid:00000000-0000-4000-8000-000000000002";
