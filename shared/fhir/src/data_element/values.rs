//! Datatypes of elements.

use carerecord_model::{Concept, ConceptCoding, Dtm, ElementValue};
use serde_json::{Number, Value, json};

use crate::code_system::system_of_scheme;
use crate::date_time;
use crate::tree::Object;

pub(super) fn coding(coding: &ConceptCoding) -> Value {
    let mut object = Object::new();
    if let Some(system) = &coding.system {
        object.set("system", system_of_scheme(system));
    }
    object.set("code", coding.code.as_str());
    object.set("display", coding.display.as_deref());
    object.into()
}

/// A CodeableConcept; nothing for one that says nothing.
pub(super) fn concept(concept: &Concept) -> Value {
    let codings: Vec<Value> = concept.codings.iter().map(coding).collect();
    Object::new().with("coding", codings).with("text", concept.text.as_deref()).into()
}

pub(super) fn concepts(all: &[Concept]) -> Vec<Value> {
    all.iter().map(concept).collect()
}

/// Words alone.
pub(super) fn text(words: &str) -> Value {
    json!({"text": words})
}

/// A CodeableConcept of one FHIR code.
pub(super) fn code(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

/// What stands where R4 wants a value that the document does not have.
pub(super) fn absent() -> Value {
    json!({"extension": [{"url": DATA_ABSENT_REASON, "valueCode": "unknown"}]})
}

/// Sets `…DateTime` or `…Period`: a time alone is a time.
pub(super) fn set_times(
    object: &mut Object<'_>,
    names: (&'static str, &'static str),
    start: Option<&Dtm>,
    end: Option<&Dtm>,
) {
    match (start, end) {
        (Some(start), None) => object.set(names.0, date_time(start)),
        (start, end) => object.set(names.1, period(start, end)),
    }
}

pub(super) fn period(start: Option<&Dtm>, end: Option<&Dtm>) -> Value {
    let (start, end) = (start.map(date_time), end.map(date_time));
    Object::new().with("start", start).with("end", end).into()
}

/// Sets `value[x]`.
pub(super) fn set_value<'v>(object: &mut Object<'v>, value: &'v ElementValue) {
    match value {
        ElementValue::Quantity { value, comparator, unit } => match decimal(value) {
            Some(number) => {
                let mut quantity = Object::new();
                if number.to_string() != *value {
                    // JSON numbers lose what was written: `5.40` is more precise than `5.4`.
                    let written = json!({"url": AS_WRITTEN, "valueString": value});
                    quantity.set("extension", vec![written]);
                }
                quantity.set("value", number);
                quantity.set("comparator", comparator.as_deref());
                quantity.set("unit", unit.as_deref());
                object.set("valueQuantity", quantity);
            }
            None => {
                let parts = [comparator.as_deref(), Some(value), unit.as_deref()];
                let words: Vec<&str> = parts.into_iter().flatten().collect();
                object.set("valueString", words.join(" "));
            }
        },
        ElementValue::Concept(found) => object.set("valueCodeableConcept", concept(found)),
        ElementValue::Text(text) => object.set("valueString", text.as_str()),
    }
}

/// The number that digits stand for; `None` when it is beyond what JSON can be counted on to hold.
fn decimal(text: &str) -> Option<Number> {
    let digits = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'.'));
    if !digits || text.len() > MAX_DIGITS {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    Number::from_f64(text.parse().ok()?)
}

/// The URL of an extension with the digits of a number as the document has them.
const AS_WRITTEN: &str = "urn:carerecord:as-written";
const MAX_DIGITS: usize = 15;

const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
