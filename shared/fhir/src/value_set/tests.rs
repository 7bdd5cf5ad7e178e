use serde_json::json;

use super::*;

fn parse(body: serde_json::Value) -> Result<ValueSet, ValueSetError> {
    let mut resource = json!({ "resourceType": "ValueSet", "url": "http://example.org/vs" });
    resource.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    parse_value_set(resource.to_string().as_bytes())
}

fn has(set: &ValueSet, code: &str, scheme: &str) -> bool {
    set.codes.contains(&Code::new(code, scheme, ""))
}

#[test]
fn enumerated_codes_are_under_every_scheme_of_their_system() {
    let snomed = "http://snomed.info/sct";
    let set = parse(json!({ "compose": {
        "include": [{ "system": snomed, "concept": [{ "code": "1" }, { "code": "2" }] }],
        "exclude": [{ "system": snomed, "concept": [{ "code": "2" }] }],
    }}))
    .unwrap();

    assert!(has(&set, "1", "2.16.840.1.113883.6.96"));
    assert!(has(&set, "1", "2.16.840.1.113883.2.1.3.2.4.15"));
    assert!(has(&set, "1", snomed));
    assert!(!set.codes.iter().any(|c| c.code == "2"));
}

#[test]
fn an_expansion_goes_before_what_it_was_made_from() {
    let body = json!({
        "compose": { "include": [{ "system": "urn:oid:2.999.1", "filter": [{}] }] },
        "expansion": { "total": 2, "contains": [
            { "system": "urn:oid:2.999.1", "code": "top", "abstract": true,
              "contains": [{ "system": "urn:oid:2.999.1", "code": "below" }] }
        ]},
    });

    let set = parse(body).unwrap();

    assert!(has(&set, "below", "2.999.1"));
    assert!(!has(&set, "top", "2.999.1"));
}

#[test]
fn a_system_without_codes_is_meant_whole() {
    let set = parse(json!({ "compose": { "include": [{ "system": "http://loinc.org" }] } }));

    assert!(set.unwrap().whole_schemes.contains(&"2.16.840.1.113883.6.1".to_owned()));
}

#[test]
fn what_needs_a_terminology_server_is_refused() {
    let include = |body: serde_json::Value| json!({ "compose": { "include": [body] } });
    let filter = include(json!({ "system": "s", "filter": [{ "property": "concept" }] }));
    assert!(matches!(parse(filter), Err(ValueSetError::Filter(_))));
    let other = include(json!({ "valueSet": ["http://example.org/other"] }));
    assert!(matches!(parse(other), Err(ValueSetError::Reference(_))));
    let cut = json!({ "expansion": { "total": 3, "contains": [{ "system": "s", "code": "1" }] }});
    assert!(matches!(parse(cut), Err(ValueSetError::CutOff(3, 1))));
    let whole = json!({ "compose": {
        "include": [{ "system": "s" }],
        "exclude": [{ "system": "s", "concept": [{ "code": "1" }] }],
    }});
    assert!(matches!(parse(whole), Err(ValueSetError::Exclude)));
    assert!(matches!(parse(json!({})), Err(ValueSetError::Empty)));
    let other = parse_value_set(br#"{ "resourceType": "Patient" }"#);
    assert!(matches!(other, Err(ValueSetError::Resource(_))));
}

#[test]
fn xml_says_the_same() {
    let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
        <ValueSet xmlns="http://hl7.org/fhir">
          <id value="vs"/><url value="http://example.org/vs"/>
          <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">x</div></text>
          <compose>
            <include><system value="urn:oid:2.999.1"/>
              <concept><code value="a"/><display value="A &amp; B"/></concept>
              <concept><code value="b"/></concept>
            </include>
            <exclude><system value="urn:oid:2.999.1"/><concept><code value="b"/></concept></exclude>
          </compose>
        </ValueSet>"#;

    let set = parse_value_set(xml.as_bytes()).unwrap();

    assert_eq!(set.name, "http://example.org/vs");
    assert!(has(&set, "a", "2.999.1") && !has(&set, "b", "2.999.1"));
    assert!(set.codes.iter().all(|c| c.display == "A & B"));
}

#[test]
fn an_expansion_in_xml_goes_down_into_groups() {
    let xml = r#"<ValueSet xmlns="http://hl7.org/fhir">
        <compose><include><system value="s"/><filter><op value="="/></filter></include></compose>
        <expansion><total value="2"/>
          <contains><abstract value="true"/><code value="top"/><system value="urn:oid:2.999.1"/>
            <contains><system value="urn:oid:2.999.1"/><code value="below"/></contains>
          </contains>
        </expansion></ValueSet>"#;

    let set = parse_value_set(xml.as_bytes()).unwrap();

    assert!(has(&set, "below", "2.999.1") && !has(&set, "top", "2.999.1"));
}

#[test]
fn xml_is_refused_for_the_same_reasons() {
    let of = |body: &str| {
        parse_value_set(
            format!("<ValueSet xmlns='http://hl7.org/fhir'>{body}</ValueSet>").as_bytes(),
        )
    };
    let filter = "<compose><include><system value='s'/><filter/></include></compose>";
    assert!(matches!(of(filter), Err(ValueSetError::Filter(_))));
    let other = "<compose><include><valueSet value='http://x'/></include></compose>";
    assert!(matches!(of(other), Err(ValueSetError::Reference(_))));
    let cut = "<expansion><total value='3'/><contains><system value='s'/><code value='1'/>
               </contains></expansion>";
    assert!(matches!(of(cut), Err(ValueSetError::CutOff(3, 1))));
    let number = "<expansion><total value='many'/></expansion>";
    assert!(matches!(of(number), Err(ValueSetError::Xml(_))));
    let codeless = "<compose><include><system value='s'/><concept/></include></compose>";
    assert!(matches!(of(codeless), Err(ValueSetError::Xml(_))));
    assert!(matches!(of(""), Err(ValueSetError::Empty)));
    let patient = parse_value_set(b"<Patient xmlns='http://hl7.org/fhir'/>");
    assert!(matches!(patient, Err(ValueSetError::Resource(_))));
    let foreign = parse_value_set(b"<ValueSet><id value='x'/></ValueSet>");
    assert!(matches!(foreign, Err(ValueSetError::Xml(_))));
    let doctype = parse_value_set(b"<!DOCTYPE x><ValueSet xmlns='http://hl7.org/fhir'/>");
    assert!(matches!(doctype, Err(ValueSetError::Xml(_))));
}
