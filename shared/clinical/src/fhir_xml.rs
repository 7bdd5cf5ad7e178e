use carerecord_xml::ElementRef;
use serde_json::{Map, Value};

use crate::kind::{FHIR, XHTML};

/// Gives a FHIR XML resource in the shape of FHIR JSON, so that one extractor reads both.
///
/// Primitives are strings. A name that occurs once is not in an array, since only the schema knows
/// which may repeat: read it through `fhir::items`. `text` is what `element` was parsed from.
pub(crate) fn to_json(element: ElementRef<'_>, text: &str) -> Value {
    let mut object = Map::new();
    object.insert("resourceType".into(), Value::String(element.local().to_owned()));
    fill(&mut object, element, text);
    Value::Object(object)
}

fn fill(object: &mut Map<String, Value>, element: ElementRef<'_>, text: &str) {
    for name in ["id", "url"] {
        if let Some(value) = element.attr(name) {
            object.insert(name.into(), Value::String(value.to_owned()));
        }
    }
    for child in element.children() {
        let value = if child.is(XHTML, "div") {
            text.get(child.span()).map(|t| Value::String(t.to_owned()))
        } else if child.ns() == FHIR {
            value_of(child, text)
        } else {
            None
        };
        if let Some(value) = value {
            add(object, child.local(), value);
        }
    }
}

/// The depth of elements is limited by the tree, so the recursion is too.
fn value_of(element: ElementRef<'_>, text: &str) -> Option<Value> {
    if let Some(value) = element.attr("value") {
        return Some(Value::String(value.to_owned()));
    }
    if let Some(resource) = element.children().next()
        && resource.ns() == FHIR
        && resource.local().starts_with(|c: char| c.is_ascii_uppercase())
    {
        return Some(to_json(resource, text));
    }
    let mut object = Map::new();
    fill(&mut object, element, text);
    (!object.is_empty()).then_some(Value::Object(object))
}

fn add(object: &mut Map<String, Value>, name: &str, value: Value) {
    match object.get_mut(name) {
        None => {
            object.insert(name.to_owned(), value);
        }
        Some(Value::Array(all)) => all.push(value),
        Some(first) => {
            let before = std::mem::take(first);
            *first = Value::Array(vec![before, value]);
        }
    }
}
