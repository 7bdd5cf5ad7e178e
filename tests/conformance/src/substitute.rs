//! What is filled into a metadata file before it is sent.

use std::path::{Component, Path};

use sxd_document::dom::Element;

use crate::dom::{all, attr, child, local, replace, text};
use crate::memory::{Memory, StepLog};

/// Where a step stands, and the parameters of the run.
pub struct Place<'a> {
    /// The test.
    pub test: &'a str,
    /// Its section.
    pub section: &'a str,
    /// The run's parameters: `$patientid$` and the like.
    pub parameters: &'a [(String, String)],
    /// The source of submissions.
    pub source_id: &'a str,
    /// Makes uniqueIds.
    pub next_uid: &'a dyn Fn() -> String,
}

/// Fills in what earlier steps have reported and been given. The names of what is missing come back.
pub fn from_memory(
    transaction: &Element<'_>,
    body: &Element<'_>,
    place: &Place<'_>,
    memory: &Memory,
) -> Vec<String> {
    let mut missing = Vec::new();
    for (symbol, value) in values(transaction, place, memory, &mut missing) {
        replace(body, &symbol, &value);
    }
    for (symbol, value) in place.parameters {
        replace(body, symbol, value);
    }
    missing
}

/// The replacements that UseReport and UseId ask for.
pub fn values(
    transaction: &Element<'_>,
    place: &Place<'_>,
    memory: &Memory,
    missing: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut absent = Vec::new();
    for e in all(transaction) {
        let (symbol, value, from) = match local(&e) {
            "UseReport" => {
                let test = Some(attr(&e, "test")).filter(|t| !t.is_empty()).unwrap_or(place.test);
                let section = match attr(&e, "section") {
                    "THIS" => place.section,
                    "" if test == place.test => place.section,
                    other => other,
                };
                let name = attr(&e, "reportName");
                let step = memory.step(test, section, attr(&e, "step"));
                let value = step.and_then(|s| s.reports.get(name)).cloned();
                let wanted = format!("{test}/{section}/{} {name}", attr(&e, "step"));
                (attr(&e, "useAs").to_owned(), value, wanted)
            }
            "UseId" => {
                let (test, section) = target(place, attr(&e, "testdir"));
                let step = memory.step(&test, &section, attr(&e, "step"));
                let part = step.and_then(|s| s.part(attr(&e, "section")));
                let value = part.and_then(|p| p.get(attr(&e, "id"))).cloned();
                let wanted = format!("{test}/{section}/{} {}", attr(&e, "step"), attr(&e, "id"));
                (attr(&e, "symbol").to_owned(), value, wanted)
            }
            _ => continue,
        };
        match value {
            Some(value) => found.push((symbol, value)),
            None => absent.push((symbol, from)),
        }
    }
    // A symbol can be given twice; one of them is enough.
    let given = |symbol: &String| found.iter().any(|(s, _)| s == symbol);
    missing.extend(absent.into_iter().filter(|(s, _)| !given(s)).map(|(_, from)| from));
    found
}

/// The test and section that a `testdir`, relative to the step's own folder, leads to.
fn target(place: &Place<'_>, testdir: &str) -> (String, String) {
    if testdir.is_empty() {
        return (place.test.to_owned(), place.section.to_owned());
    }
    let mut path: Vec<String> = vec![place.test.to_owned()];
    if !place.section.is_empty() {
        path.push(place.section.to_owned());
    }
    for component in Path::new(testdir).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name.to_string_lossy().into_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    match path.as_slice() {
        [test] => (test.clone(), String::new()),
        [.., test, section] => (test.clone(), section.clone()),
        [] => (place.test.to_owned(), String::new()),
    }
}

/// Gives patients, uniqueIds, the source and UUIDs to the objects of a submission.
pub fn assign(transaction: &Element<'_>, body: &Element<'_>, place: &Place<'_>, log: &mut StepLog) {
    if child(transaction, "NoPatientId").is_none() {
        let patient = parameter(place, "$patientid$");
        for (object, identifier) in identifiers(body, &PATIENT_IDS) {
            identifier.set_attribute_value("value", &patient);
            log.assigned_patients.insert(object, patient.clone());
        }
    }
    assign_uids(transaction, body, place, log);
    for (_, identifier) in identifiers(body, &[SOURCE_ID]) {
        identifier.set_attribute_value("value", place.source_id);
    }
    if child(transaction, "AssignUuids").is_some() {
        assign_uuids(body, log);
    }
}

fn assign_uids(
    transaction: &Element<'_>,
    body: &Element<'_>,
    place: &Place<'_>,
    log: &mut StepLog,
) {
    let without = crate::dom::named(transaction, "NoAssignUids");
    if without.iter().any(|e| attr(e, "id").is_empty()) {
        return;
    }
    let spared: Vec<&str> = without.iter().map(|e| attr(e, "id")).collect();
    let excluded: Vec<String> = child(transaction, "AssignUuids")
        .map(|e| {
            crate::dom::named(&e, "Exclude").iter().map(|x| attr(x, "value").to_owned()).collect()
        })
        .unwrap_or_default();
    for (object, identifier) in identifiers(body, &UNIQUE_IDS) {
        let scheme = attr(&identifier, "identificationScheme").to_owned();
        if spared.contains(&object.as_str()) || excluded.contains(&scheme) {
            continue;
        }
        let uid = (place.next_uid)();
        identifier.set_attribute_value("value", &uid);
        log.reports.insert(format!("{object}_uid"), uid.clone());
        log.assigned_uids.insert(object, uid);
    }
}

fn assign_uuids(body: &Element<'_>, log: &mut StepLog) {
    for e in all(body).iter().filter(|e| !matches!(local(e), "Document" | "ObjectRef")) {
        let id = attr(e, "id").to_owned();
        if !id.is_empty() && !id.starts_with("urn:uuid:") && !log.assigned_uuids.contains_key(&id) {
            let uuid = fresh_uuid();
            log.reports.insert(format!("{id}_uuid"), uuid.clone());
            log.assigned_uuids.insert(id, uuid);
        }
    }
    for e in all(body).iter().filter(|e| local(e) != "Document") {
        for name in ["id", "classifiedObject", "sourceObject", "targetObject", "registryObject"] {
            if let Some(uuid) = log.assigned_uuids.get(attr(e, name)) {
                e.set_attribute_value(name, uuid);
            }
        }
    }
}

/// A UUID in its wire form.
pub fn fresh_uuid() -> String {
    format!("urn:uuid:{}", uuid::Builder::from_random_bytes(random()).into_uuid())
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the machine has random numbers");
    bytes
}

/// External identifiers of these schemes, with the id of the object that they stand in.
fn identifiers<'d>(body: &Element<'d>, schemes: &[&str]) -> Vec<(String, Element<'d>)> {
    let mut found = Vec::new();
    for object in all(body) {
        for e in crate::dom::named(&object, "ExternalIdentifier") {
            if schemes.contains(&attr(&e, "identificationScheme")) {
                found.push((attr(&object, "id").to_owned(), e));
            }
        }
    }
    found
}

/// Takes parameters out of a query that are still not filled in.
pub fn clean_parameters(body: &Element<'_>) {
    for e in all(body).iter().filter(|e| local(e) == "Slot") {
        let open = all(e).iter().any(|v| {
            let text = text(v);
            local(v) == "Value" && text.matches('$').count() >= 2
        });
        if open {
            e.remove_from_parent();
        }
    }
}

/// A parameter of the run.
pub fn parameter(place: &Place<'_>, name: &str) -> String {
    let found = place.parameters.iter().find(|(n, _)| n == name);
    found.map(|(_, v)| v.clone()).unwrap_or_default()
}

const PATIENT_IDS: [&str; 3] = [
    "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427",
    "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446",
    "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a",
];
const UNIQUE_IDS: [&str; 3] = [
    "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab",
    "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8",
    "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a",
];
const SOURCE_ID: &str = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dom::{parse, root, write};

    fn place<'a>(next_uid: &'a dyn Fn() -> String) -> Place<'a> {
        Place { test: "1", section: "a", parameters: &[], source_id: "1.2.9", next_uid }
    }

    #[test]
    fn folders_are_followed() {
        let next = || String::new();
        let place = place(&next);

        assert_eq!(target(&place, ""), ("1".into(), "a".into()));
        assert_eq!(target(&place, "../b"), ("1".into(), "b".into()));
        assert_eq!(target(&place, "../../12346/single_doc"), ("12346".into(), "single_doc".into()));
    }

    #[test]
    fn ids_are_given_and_followed() {
        let next = || "1.2.42.1".to_owned();
        let plan = parse("<T><NoPatientId/><AssignUuids/></T>").unwrap();
        let body = parse(
            "<S><ExtrinsicObject id='D'><ExternalIdentifier id='x' value='$u$' registryObject='D' \
             identificationScheme='urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab'/>\
             </ExtrinsicObject><Association id='urn:uuid:1' targetObject='D'/></S>",
        )
        .unwrap();
        let body = root(&body.as_document()).unwrap();
        let mut log = StepLog::default();

        assign(&root(&plan.as_document()).unwrap(), &body, &place(&next), &mut log);

        assert_eq!(log.assigned_uids["D"], "1.2.42.1");
        let uuid = &log.assigned_uuids["D"];
        let written = write(&body).unwrap();
        assert_eq!(written.matches(uuid.as_str()).count(), 3, "{written}");
        assert!(written.contains("urn:uuid:1"));
    }
}
