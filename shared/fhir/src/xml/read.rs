//! FHIR XML as the JSON values that everything else here works on.

use carerecord_xml::{Limits, Start, XmlError, XmlReader, to_utf8};
use serde_json::{Map, Value};

use super::order::{Field, fields};

/// Reads a resource from FHIR XML of at most that many bytes.
///
/// Elements of FHIR that are of no use here (narratives, what no type of ours has) are left out, as
/// are extensions of primitives. A resource of a type that is not read here keeps its type alone.
///
/// # Errors
/// When it is not well formed, not FHIR, or larger than is taken.
pub fn from_xml(bytes: &[u8], most_bytes: usize) -> Result<Value, XmlError> {
    let text = to_utf8(bytes)?;
    // What a Binary holds stands in an attribute.
    let limits =
        Limits { max_bytes: most_bytes as u64, max_tag_bytes: most_bytes, ..Limits::metadata() };
    let mut xml = XmlReader::new(&text, limits)?;
    let root = xml.root()?;
    let resource = resource(&root, &mut xml)?;
    xml.finish()?;
    Ok(resource)
}

/// The depth of elements is limited by the reader, so the recursion is too.
fn resource(start: &Start, xml: &mut XmlReader<'_>) -> Result<Value, XmlError> {
    if start.ns() != FHIR {
        return Err(xml.unexpected(start));
    }
    let kind = start.local().to_owned();
    let mut object = if fields(&kind).is_some() {
        elements(&kind, Map::new(), xml)?
    } else {
        xml.skip()?;
        Map::new()
    };
    object.insert("resourceType".to_owned(), kind.into());
    Ok(Value::Object(object))
}

/// The elements of a type, behind what is known of it from its tag.
fn elements(
    kind: &str,
    mut object: Map<String, Value>,
    xml: &mut XmlReader<'_>,
) -> Result<Map<String, Value>, XmlError> {
    while let Some(child) = xml.next_child()? {
        if child.ns() != FHIR {
            xml.skip()?;
            continue;
        }
        let field = fields(kind).and_then(|mut all| all.find(|field| field.name == child.local()));
        let Some(field) = field else {
            xml.skip()?;
            continue;
        };
        let Some(value) = value(&field, &child, xml)? else { continue };
        if !field.repeats {
            if object.insert(field.name.to_owned(), value).is_some() {
                return Err(xml.invalid("the element is there twice"));
            }
        } else if let Value::Array(all) =
            object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()))
        {
            all.push(value);
        }
    }
    Ok(object)
}

/// `None` for a primitive that has extensions only.
fn value(field: &Field, child: &Start, xml: &mut XmlReader<'_>) -> Result<Option<Value>, XmlError> {
    if field.kind == "Resource" {
        let inner = xml.next_child()?.ok_or_else(|| xml.invalid("there is no resource in it"))?;
        let inner = resource(&inner, xml)?;
        if xml.next_child()?.is_some() {
            return Err(xml.invalid("there is more than one resource in it"));
        }
        return Ok(Some(inner));
    }
    if !field.is_primitive() {
        let attributes = ["id", "url"].into_iter();
        let given = attributes.filter_map(|key| Some((key.to_owned(), child.attr(key)?.into())));
        return Ok(Some(Value::Object(elements(field.kind, given.collect(), xml)?)));
    }
    let text = child.attr("value").map(str::to_owned);
    xml.skip()?;
    let Some(text) = text else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<serde_json::Number>().ok().map(Value::Number);
    let value = match field.kind {
        "boolean" => text.trim().parse::<bool>().ok().map(Value::Bool),
        "integer" | "decimal" => number(&text),
        _ => Some(Value::String(text)),
    };
    value.map(Some).ok_or_else(|| xml.invalid("the value is not of the type that it must have"))
}

const FHIR: &str = "http://hl7.org/fhir";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::to_xml;

    const MOST: usize = 1 << 20;

    #[test]
    fn what_is_written_is_read() {
        let resource = json!({
            "resourceType": "Bundle", "type": "transaction", "total": 2,
            "entry": [{
                "fullUrl": "urn:uuid:1",
                "resource": {
                    "resourceType": "List", "id": "1", "title": "a < b", "mode": "working",
                    "contained": [{"resourceType": "Organization", "name": "X", "id": "o"}],
                    "extension": [{"url": "urn:x", "valueIdentifier": {"value": "v"}}],
                    "entry": [{"item": {"reference": "#o"}}],
                },
                "request": {"method": "POST", "url": "List"},
            }, {
                "resource": {"resourceType": "DocumentReference", "content": [
                    {"attachment": {"size": 11, "url": "urn:uuid:2"}}]},
            }, {
                "resource": {"resourceType": "Parameters", "parameter": [{"name": "operation",
                    "part": [{"name": "type", "valueCode": "replace"}]}]},
            }],
        });

        assert_eq!(from_xml(&to_xml(&resource).unwrap(), MOST).unwrap(), resource);
    }

    #[test]
    fn what_is_of_no_use_is_left_out() {
        let text = "<List xmlns=\"http://hl7.org/fhir\"><text><status value=\"generated\"/>\
             <div xmlns=\"http://www.w3.org/1999/xhtml\">a <b>c</b></div></text>\
             <contained><Observation><value/></Observation></contained>\
             <title><extension url=\"urn:x\"><valueString value=\"y\"/></extension></title></List>";

        assert_eq!(
            from_xml(text.as_bytes(), MOST).unwrap(),
            json!({"resourceType": "List", "contained": [{"resourceType": "Observation"}]})
        );
    }

    #[test]
    fn what_is_no_fhir_is_refused() {
        for bad in [
            "",
            "<List/>",
            "<!DOCTYPE x []><List xmlns=\"http://hl7.org/fhir\"/>",
            "<List xmlns=\"http://hl7.org/fhir\"><title value=\"a\"/><title value=\"b\"/></List>",
            "<Bundle xmlns=\"http://hl7.org/fhir\"><total value=\"many\"/></Bundle>",
            "<Bundle xmlns=\"http://hl7.org/fhir\"><entry><resource/></entry></Bundle>",
            "<List xmlns=\"http://hl7.org/fhir\"><title value=\"a\"/>",
        ] {
            assert!(from_xml(bad.as_bytes(), MOST).is_err(), "{bad}");
        }
        let long = format!(
            "<List xmlns=\"http://hl7.org/fhir\"><title value=\"{}\"/></List>",
            "a".repeat(MOST)
        );
        assert!(from_xml(long.as_bytes(), MOST).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,80}") {
            let _ = from_xml(text.as_bytes(), MOST);
            let _ = from_xml(format!("<List xmlns=\"http://hl7.org/fhir\">{text}</List>").as_bytes(), MOST);
        }
    }
}
