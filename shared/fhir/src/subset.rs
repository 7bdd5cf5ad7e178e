//! Resources with a part of their elements: `_elements`. FHIR R4, search, 3.1.1.5.9.

use serde_json::{Map, Value, json};

/// Takes out of a DocumentReference or List what is neither asked for nor mandatory, and marks it as
/// a part. Contained resources stay as far as something that stays refers to them.
pub fn only_elements(resource: Value, elements: &[String]) -> Value {
    let Value::Object(all) = resource else { return resource };
    let mandatory: &[&str] = match all.get("resourceType").and_then(Value::as_str) {
        Some("DocumentReference") => &["resourceType", "id", "meta", "status", "content"],
        Some("List") => &["resourceType", "id", "meta", "status", "mode"],
        _ => &["resourceType", "id", "meta"],
    };
    let asked = |name: &str| {
        let element = |path: &String| path.split('.').next() == Some(name);
        mandatory.contains(&name) || elements.iter().any(element)
    };
    let contained = all.get("contained").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut kept: Map<String, Value> =
        all.into_iter().filter(|(name, _)| name != "contained" && asked(name)).collect();
    let contained = referred(&Value::Object(kept.clone()), contained);
    if !contained.is_empty() {
        kept.insert("contained".to_owned(), contained.into());
    }
    let mut resource = Value::Object(kept);
    resource["meta"]["tag"] = json!([{"system": OBSERVATION_VALUE, "code": "SUBSETTED"}]);
    resource
}

/// Those that something refers to, and those that they refer to.
fn referred(by: &Value, contained: Vec<Value>) -> Vec<Value> {
    let mut names = Vec::new();
    references(by, &mut names);
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        let of_name = |c: &&Value| c["id"].as_str() == Some(name.as_str());
        if let Some(resource) = contained.iter().find(of_name) {
            references(resource, &mut names);
        }
        at += 1;
    }
    let is_named = |c: &Value| c["id"].as_str().is_some_and(|id| names.iter().any(|n| n == id));
    contained.into_iter().filter(is_named).collect()
}

/// The ids of contained resources that a value refers to, each once.
fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let name = object.get("reference").and_then(Value::as_str);
            if let Some(name) = name.and_then(|name| name.strip_prefix('#'))
                && !names.iter().any(|known| known == name)
            {
                names.push(name.to_owned());
            }
            object.values().for_each(|inner| references(inner, names));
        }
        Value::Array(all) => all.iter().for_each(|inner| references(inner, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_with_whom_it_refers_to() {
        let resource = json!({
            "resourceType": "DocumentReference", "id": "1", "meta": {"versionId": "1"},
            "contained": [
                {"resourceType": "PractitionerRole", "id": "role",
                    "practitioner": {"reference": "#person"}},
                {"resourceType": "Practitioner", "id": "person"},
                {"resourceType": "Patient", "id": "source-patient"},
            ],
            "status": "current", "type": {"text": "t"}, "author": [{"reference": "#role"}],
            "content": [{"attachment": {"title": "x"}}],
            "context": {"sourcePatientInfo": {"reference": "#source-patient"}},
        });

        let part = only_elements(resource.clone(), &["author".to_owned()]);
        let least = only_elements(resource, &["date".to_owned()]);

        let ids: Vec<&str> =
            part["contained"].as_array().unwrap().iter().filter_map(|c| c["id"].as_str()).collect();
        assert_eq!(ids, ["role", "person"]);
        assert_eq!(part["meta"]["tag"][0]["code"], "SUBSETTED");
        assert!(part.get("type").is_none() && part.get("context").is_none(), "{part}");
        assert!(part.get("content").is_some(), "it is mandatory");
        assert!(least.get("contained").is_none(), "{least}");
    }

    #[test]
    fn contained_loops_end() {
        let resource = json!({
            "resourceType": "List", "source": {"reference": "#a"},
            "contained": [{"id": "a", "x": {"reference": "#b"}}, {"id": "b", "x": {"reference": "#a"}}],
        });

        let part = only_elements(resource, &["source".to_owned()]);

        assert_eq!(part["contained"].as_array().unwrap().len(), 2);
    }
}
