//! Datatypes of FHIR, read leniently: what has another type is not there.

use carerecord_model::{
    Concept, ConceptCoding, Dtm, ElementComponent, ElementIdentifier, ElementValue,
};
use serde_json::Value;

use crate::elements::{MAX_CODINGS, tidy};
use crate::fhir::{first, items, text};
use crate::header::{clean, fhir_codings};
use crate::time::from_fhir;

/// The text of a `code` or `string`, on one line.
pub(super) fn line(value: &Value, name: &str) -> Option<String> {
    text(value, name).and_then(clean)
}

/// A primitive of any type as it is written.
pub(super) fn scalar(value: &Value, name: &str) -> Option<String> {
    match first(value, name)? {
        Value::String(text) => clean(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The first CodeableConcept under a name.
pub(super) fn concept(value: &Value, name: &str) -> Option<Concept> {
    concepts(value, name).into_iter().next()
}

/// The CodeableConcepts under a name; none that says nothing.
pub(super) fn concepts(value: &Value, name: &str) -> Vec<Concept> {
    let all = items(value, name).filter(|concept| concept.is_object()).take(MAX_CODINGS);
    all.map(of_concept).filter(|concept| !concept.is_empty()).collect()
}

pub(super) fn of_concept(value: &Value) -> Concept {
    let coding = |coding: &Value| {
        let system = line(coding, "system");
        let system = system.map(|s| s.strip_prefix("urn:oid:").map(str::to_owned).unwrap_or(s));
        Some(ConceptCoding {
            system,
            code: line(coding, "code")?,
            display: line(coding, "display"),
        })
    };
    let codings = items(value, "coding").take(MAX_CODINGS).filter_map(coding).collect();
    let displays = || items(value, "coding").find_map(|coding| line(coding, "display"));
    let mut concept = Concept { codings, text: line(value, "text") };
    if concept.codings.is_empty() && concept.text.is_none() {
        concept.text = displays();
    }
    tidy(concept)
}

/// A code that R4 has as CodeableConcept and STU3 as `code`.
pub(super) fn code(value: &Value, name: &str) -> Option<String> {
    let coded = || fhir_codings(value, name).into_iter().next().map(|coding| coding.code);
    line(value, name).or_else(coded)
}

pub(super) fn time(value: &Value, name: &str) -> Option<Dtm> {
    text(value, name).and_then(from_fhir)
}

/// Begin and end by the first of the names that has a time: `effectiveDateTime`, a Period.
pub(super) fn period(value: &Value, names: &[&str]) -> (Option<Dtm>, Option<Dtm>) {
    for name in names {
        if let Some(at) = time(value, name) {
            return (Some(at), None);
        }
        if let Some(period) = first(value, name).filter(|period| period.is_object()) {
            return (time(period, "start"), time(period, "end"));
        }
    }
    (None, None)
}

pub(super) fn identifiers(resource: &Value) -> Vec<ElementIdentifier> {
    let identifier = |value: &Value| {
        let system = line(value, "system")?;
        let system = system.strip_prefix("urn:oid:").unwrap_or(&system).to_owned();
        Some(ElementIdentifier { system, value: Some(line(value, "value")?) })
    };
    items(resource, "identifier").filter_map(identifier).take(MAX_CODINGS).collect()
}

/// Security labels of a resource, or of a section's `extension` for inline labels: `meta.security`.
pub(super) fn labels(resource: &Value) -> Vec<ConceptCoding> {
    let Some(meta) = first(resource, "meta") else { return Vec::new() };
    let wrapped = serde_json::json!({"coding": meta.get("security")});
    of_concept(&wrapped).codings
}

/// `value[x]` of an Observation or of a component.
pub(super) fn value(resource: &Value) -> Option<ElementValue> {
    if let Some(quantity) = first(resource, "valueQuantity") {
        return quantity_value(quantity);
    }
    if let Some(concept) = concept(resource, "valueCodeableConcept") {
        return Some(ElementValue::Concept(concept));
    }
    for (name, words) in [
        ("valueRange", range as fn(&Value) -> Option<String>),
        ("valueRatio", ratio),
        ("valuePeriod", period_words),
    ] {
        if let Some(words) = first(resource, name).and_then(words) {
            return Some(ElementValue::Text(words));
        }
    }
    for name in ["valueString", "valueDateTime", "valueTime", "valueBoolean"] {
        if let Some(words) = scalar(resource, name) {
            return Some(ElementValue::Text(words));
        }
    }
    let value = scalar(resource, "valueInteger")?;
    Some(ElementValue::Quantity { value, comparator: None, unit: None })
}

fn quantity_value(quantity: &Value) -> Option<ElementValue> {
    let value = scalar(quantity, "value")?;
    let unit = line(quantity, "unit").or_else(|| line(quantity, "code"));
    let comparator = line(quantity, "comparator");
    let comparator = comparator.filter(|c| ["<", "<=", ">=", ">"].contains(&c.as_str()));
    if value.parse::<f64>().is_err() {
        return Some(ElementValue::Text(value));
    }
    Some(ElementValue::Quantity { value, comparator, unit })
}

fn quantity_words(quantity: &Value) -> Option<String> {
    let value = scalar(quantity, "value")?;
    let unit = line(quantity, "unit").or_else(|| line(quantity, "code")).unwrap_or_default();
    let comparator = line(quantity, "comparator").unwrap_or_default();
    Some(format!("{comparator}{value} {unit}").trim_end().to_owned())
}

/// A Range in words.
pub(super) fn range(range: &Value) -> Option<String> {
    let side = |name: &str| first(range, name).and_then(quantity_words);
    Some(match (side("low"), side("high")) {
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("from {low}"),
        (None, Some(high)) => format!("up to {high}"),
        (None, None) => return None,
    })
}

fn ratio(ratio: &Value) -> Option<String> {
    let side = |name: &str| first(ratio, name).and_then(quantity_words);
    Some(format!("{} : {}", side("numerator")?, side("denominator")?))
}

fn period_words(period: &Value) -> Option<String> {
    let (start, end) = (line(period, "start"), line(period, "end"));
    match (start, end) {
        (Some(start), Some(end)) => Some(format!("{start} to {end}")),
        (Some(start), None) => Some(format!("from {start}")),
        (None, Some(end)) => Some(format!("until {end}")),
        (None, None) => None,
    }
}

/// The values that together are one.
pub(super) fn components(resource: &Value) -> Vec<ElementComponent> {
    let component = |part: &Value| {
        Some(ElementComponent { concept: concept(part, "code")?, value: value(part)? })
    };
    items(resource, "component").take(MAX_COMPONENTS).filter_map(component).collect()
}

const MAX_COMPONENTS: usize = 50;
