use serde_json::Value;

use super::{CodedEntry, Collected, coded, fhir_time, joined, span, words_of_code};
use crate::fhir::{Bundle, first, items, resource_type, text};
use crate::header::{clean, fhir_codings};

/// The coded entries of a section of a Composition, not those of sections inside it.
pub(crate) fn entries(bundle: &Bundle<'_>, section: &Value, left: usize) -> Collected {
    let mut collected = Collected::new(left);
    for reference in items(section, "entry") {
        refer(bundle, bundle.composition, reference, 0, &mut collected);
    }
    collected
}

/// What a reference points to, and what that points to in turn.
fn refer<'v>(
    bundle: &Bundle<'v>,
    from: &'v Value,
    reference: &'v Value,
    depth: usize,
    out: &mut Collected,
) {
    if out.is_cut() || depth > MAX_FOLLOWED {
        return;
    }
    let Some(resource) = bundle.resolve(from, reference) else {
        let words = text(reference, "display").and_then(clean);
        let what = words.unwrap_or_else(|| "An entry that is not in the document".to_owned());
        return out.add(
            CodedEntry { kind: "Reference".to_owned(), what, ..CodedEntry::default() },
            depth,
        );
    };
    out.add(entry(bundle, resource), depth);
    for component in items(resource, "component").filter(|c| c.is_object()) {
        let mut part = entry(bundle, component);
        "Part".clone_into(&mut part.kind);
        out.add(part, depth + 1);
    }
    for name in FOLLOWED {
        for inner in items(resource, name) {
            // A List has its references one level further down.
            let reference = first(inner, "item").filter(|i| i.is_object()).unwrap_or(inner);
            if reference.is_object() {
                refer(bundle, resource, reference, depth + 1, out);
            }
        }
    }
}

fn entry<'v>(bundle: &Bundle<'v>, resource: &'v Value) -> CodedEntry {
    let (what, codes) = about(bundle, resource);
    let value = [
        value(resource, "value"),
        dose(resource),
        reactions(resource),
        concepts(resource, "interpretation"),
        range(resource),
        concept(resource, "dataAbsentReason"),
    ];
    let status = ["clinicalStatus", "verificationStatus", "status"].into_iter();
    let status = status.filter_map(|name| concept(resource, name));
    let status = status.filter_map(|words| words_of_code(&words));
    CodedEntry {
        depth: 0,
        kind: words_of_type(resource_type(resource)),
        negated: is_true(resource, "doNotPerform") || is_true(resource, "notDone"),
        what: what.unwrap_or_else(|| "Without a description".to_owned()),
        codes,
        value: joined(value.into_iter().flatten(), "; "),
        when: WHEN.iter().find_map(|name| value_at(resource, name)),
        status: joined(status, ", "),
    }
}

/// What a resource is about, and the codes of that.
fn about<'v>(bundle: &Bundle<'v>, resource: &'v Value) -> (Option<String>, Vec<String>) {
    let medicine = first(resource, "medicationReference");
    let medicine = medicine.and_then(|m| bundle.resolve(resource, m)).map(|m| (m, "code"));
    let own = ABOUT.iter().map(|name| (resource, *name));
    for (from, name) in own.chain(medicine) {
        let Some(words) = concept(from, name) else { continue };
        let mut codes: Vec<String> = Vec::new();
        for code in fhir_codings(from, name).iter().take(MAX_VALUES).map(coded) {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        return (Some(words), codes);
    }
    let plain = ["title", "description", "text", "name", "display"].into_iter();
    (plain.filter_map(|name| text(resource, name)).find_map(clean), Vec::new())
}

/// The words of a CodeableConcept, a Coding, a code or a text.
fn concept(value: &Value, name: &str) -> Option<String> {
    words(first(value, name)?)
}

fn words(value: &Value) -> Option<String> {
    if let Some(code) = value.as_str() {
        return clean(code);
    }
    let codings = || items(value, "coding").take(MAX_VALUES);
    let display = || codings().filter_map(|c| text(c, "display")).find_map(clean);
    let code = || codings().filter_map(|c| text(c, "code")).find_map(clean);
    let own = || text(value, "display").or_else(|| text(value, "code")).and_then(clean);
    text(value, "text").and_then(clean).or_else(display).or_else(code).or_else(own)
}

fn concepts(resource: &Value, name: &str) -> Option<String> {
    joined(items(resource, name).take(MAX_VALUES).filter_map(words), ", ")
}

/// A choice element, `value[x]`: whichever type it has.
fn value(resource: &Value, name: &str) -> Option<String> {
    TYPES.iter().find_map(|kind| value_at(resource, &format!("{name}{kind}")))
}

/// A value by its full name, read by what it looks like.
fn value_at(resource: &Value, name: &str) -> Option<String> {
    let value = first(resource, name)?;
    match value {
        Value::Bool(yes) => Some(if *yes { "Yes" } else { "No" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(words) if name.ends_with("Boolean") => match words.as_str() {
            "true" => Some("Yes".to_owned()),
            "false" => Some("No".to_owned()),
            _ => None,
        },
        Value::String(words) if is_time(words) => fhir_time(words),
        Value::String(words) => clean(words),
        Value::Object(object) if object.contains_key("numerator") => {
            let part = |name: &str| quantity(value.get(name)?);
            joined(part("numerator").into_iter().chain(part("denominator")), " / ")
        }
        Value::Object(object) if object.contains_key("low") || object.contains_key("high") => {
            let part = |name: &str| quantity(value.get(name)?);
            span(part("low"), part("high"))
        }
        Value::Object(object) if object.contains_key("start") || object.contains_key("end") => {
            let part = |name: &str| text(value, name).and_then(fhir_time);
            span(part("start"), part("end"))
        }
        Value::Object(object) if object.contains_key("value") => quantity(value),
        Value::Object(_) => concept(resource, name),
        Value::Array(_) | Value::Null => None,
    }
}

fn is_time(words: &str) -> bool {
    let bytes = words.as_bytes();
    bytes.len() >= 4
        && bytes.iter().take(4).all(u8::is_ascii_digit)
        && bytes.get(4).is_none_or(|b| *b == b'-')
}

/// `<= 5 mmol/L`.
fn quantity(value: &Value) -> Option<String> {
    let value = match value {
        Value::Array(all) => all.first()?,
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)) => other,
    };
    let number = match first(value, "value")? {
        Value::Number(number) => number.to_string(),
        Value::String(words) => clean(words)?,
        Value::Bool(_) | Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let comparator = text(value, "comparator").and_then(clean);
    let unit = text(value, "unit").or_else(|| text(value, "code")).and_then(clean);
    joined([comparator, Some(number), unit].into_iter().flatten(), " ")
}

/// How a medicine is taken: in the words of its instructions, or put together.
fn dose(resource: &Value) -> Option<String> {
    let all = ["dosage", "dosageInstruction"].into_iter().flat_map(|name| items(resource, name));
    let one = |dosage: &Value| {
        if let Some(words) = text(dosage, "text").and_then(clean) {
            return Some(words);
        }
        let rate = first(dosage, "doseAndRate").unwrap_or(dosage);
        let parts = [
            value_at(rate, "doseQuantity"),
            value_at(rate, "doseRange"),
            concept(dosage, "route"),
            first(dosage, "timing").and_then(|t| concept(t, "code")),
        ];
        joined(parts.into_iter().flatten(), ", ")
    };
    let given = value_at(resource, "doseQuantity");
    joined(given.into_iter().chain(all.take(MAX_VALUES).filter_map(one)), "; ")
}

/// What an allergy does.
fn reactions(resource: &Value) -> Option<String> {
    let one = |reaction: &Value| {
        let severity = text(reaction, "severity").and_then(clean);
        joined(concepts(reaction, "manifestation").into_iter().chain(severity), ", ")
    };
    let all = items(resource, "reaction").filter(|r| r.is_object()).take(MAX_VALUES);
    joined(all.filter_map(one), "; ")
}

fn range(resource: &Value) -> Option<String> {
    let range = first(resource, "referenceRange")?;
    let part = |name: &str| quantity(range.get(name)?);
    let words = text(range, "text").and_then(clean).or_else(|| span(part("low"), part("high")))?;
    Some(format!("usual {words}"))
}

fn is_true(resource: &Value, name: &str) -> bool {
    match first(resource, name) {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(words)) => words == "true",
        Some(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | None => false,
    }
}

/// `AllergyIntolerance` as `Allergy intolerance`.
fn words_of_type(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars().filter(char::is_ascii_alphabetic).take(64) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
            words.push(c.to_ascii_lowercase());
        } else {
            words.push(c);
        }
    }
    words
}

/// Where a resource says what it is about, the most telling first.
const ABOUT: [&str; 7] = [
    "code",
    "medicationCodeableConcept",
    "vaccineCode",
    "type",
    "category",
    "serviceType",
    "class",
];

/// Elements that point to what belongs to a resource.
const FOLLOWED: [&str; 3] = ["entry", "hasMember", "result"];

/// When a resource was so, the most telling first.
const WHEN: [&str; 20] = [
    "effectiveDateTime",
    "effectivePeriod",
    "effectiveInstant",
    "onsetDateTime",
    "onsetPeriod",
    "onsetAge",
    "onsetString",
    "occurrenceDateTime",
    "occurrenceString",
    "performedDateTime",
    "performedPeriod",
    "performedString",
    "period",
    "date",
    "authoredOn",
    "recordedDate",
    "assertedDate",
    "dateAsserted",
    "issued",
    "start",
];

/// The types of `value[x]` that are shown.
const TYPES: [&str; 11] = [
    "Quantity",
    "CodeableConcept",
    "String",
    "Boolean",
    "Integer",
    "Range",
    "Ratio",
    "DateTime",
    "Period",
    "Time",
    "Decimal",
];

/// References that are followed from one resource to the next.
const MAX_FOLLOWED: usize = 3;
const MAX_VALUES: usize = 5;
