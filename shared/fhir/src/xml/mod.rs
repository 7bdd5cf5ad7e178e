//! Resources as FHIR XML, out of the same JSON values as everything else. R4, XML format.
//!
//! XML has an order of elements that JSON objects have not: `order.rs` has it, for the types that
//! are written here. An element that stands there for no type is an error, not an omission.

mod order;
mod read;

use carerecord_xml::{EncodeError, XmlWriter};
use serde_json::{Map, Value};

use order::{Field, fields};
pub use read::{from_xml, from_xml_with_unknown};

/// Why a resource cannot be written as XML.
#[derive(Debug, thiserror::Error)]
pub enum FhirXmlError {
    /// The order of elements does not say where this one goes: `Type.element`.
    #[error("the element {0} has no place in the XML form")]
    Element(String),
    /// A text has a character that XML cannot hold.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A resource as FHIR XML, UTF-8 without declaration.
///
/// # Errors
/// When it has an element that is not known, or a text that XML cannot hold.
pub fn to_xml(resource: &Value) -> Result<Vec<u8>, FhirXmlError> {
    let mut root = Element::resource(resource, "")?;
    root.attributes.push(("xmlns", "http://hl7.org/fhir".to_owned()));
    let mut xml = XmlWriter::new(Vec::new());
    root.write(&mut xml)?;
    Ok(xml.into_inner())
}

/// An element before it is written.
struct Element<'a> {
    name: &'a str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Element<'a>>,
}

impl<'a> Element<'a> {
    fn resource(value: &'a Value, parent: &str) -> Result<Self, FhirXmlError> {
        let kind = value.get("resourceType").and_then(Value::as_str);
        let (Some(kind), Some(object)) = (kind, value.as_object()) else {
            return Err(FhirXmlError::Element(format!("{parent}.resource")));
        };
        Self::complex(kind, kind, object, true)
    }

    fn complex(
        name: &'a str,
        kind: &str,
        object: &'a Map<String, Value>,
        is_resource: bool,
    ) -> Result<Self, FhirXmlError> {
        let unknown = |key: &str| FhirXmlError::Element(format!("{kind}.{key}"));
        let order = fields(kind).ok_or_else(|| unknown("*"))?;
        let mut element = Self { name, attributes: Vec::new(), children: Vec::new() };
        let mut written = usize::from(is_resource);
        // Of an element, unlike a resource, the id is an attribute; of an extension the URL is.
        for key in if is_resource { &[][..] } else { &["id", "url"][..] } {
            let attribute = *key == "id" || kind == "Extension";
            if let Some(text) = object.get(*key).and_then(Value::as_str).filter(|_| attribute) {
                element.attributes.push((key, text.to_owned()));
                written += 1;
            }
        }
        for field in order {
            if let Some((key, value)) = object.get_key_value(field.name) {
                element.add(key, kind, &field, value)?;
                written += 1;
            }
        }
        if written == object.len() {
            return Ok(element);
        }
        let known =
            |key: &&String| fields(kind).is_some_and(|mut all| all.any(|f| f.name == key.as_str()));
        let stray = object.keys().find(|k| !known(k) && *k != "resourceType" && *k != "id");
        Err(unknown(stray.map_or("*", String::as_str)))
    }

    fn add(
        &mut self,
        name: &'a str,
        kind: &str,
        field: &Field,
        value: &'a Value,
    ) -> Result<(), FhirXmlError> {
        let text = match value {
            Value::Array(values) => {
                return values.iter().try_for_each(|v| self.add(name, kind, field, v));
            }
            Value::Object(object) => {
                let child = match field.kind {
                    _ if field.is_primitive() => {
                        return Err(FhirXmlError::Element(format!("{kind}.{name}")));
                    }
                    "Resource" => {
                        let children = vec![Self::resource(value, kind)?];
                        Self { name, attributes: Vec::new(), children }
                    }
                    of => Self::complex(name, of, object, false)?,
                };
                self.children.push(child);
                return Ok(());
            }
            Value::Null => return Ok(()),
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
        };
        self.children.push(Self { name, attributes: vec![("value", text)], children: Vec::new() });
        Ok(())
    }

    fn write(&self, xml: &mut XmlWriter<Vec<u8>>) -> Result<(), EncodeError> {
        let attributes: Vec<(&str, &str)> =
            self.attributes.iter().map(|(key, value)| (*key, value.as_str())).collect();
        if self.children.is_empty() {
            return xml.empty(self.name, &attributes);
        }
        xml.element(self.name, &attributes, |xml| {
            self.children.iter().try_for_each(|child| child.write(xml))
        })
    }
}

#[cfg(test)]
mod tests {
    use carerecord_xml::{Limits, XmlReader};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_stand_in_the_order_of_fhir() {
        let resource = json!({
            "resourceType": "List", "title": "a < b", "status": "current", "id": "1",
            "contained": [{"resourceType": "Organization", "name": "X", "id": "o"}],
            "extension": [{"url": "urn:x", "valueIdentifier": {"value": "v", "system": "urn:s"}}],
            "entry": [{"item": {"reference": "#o"}}, {"item": {"reference": "#p"}}],
        });

        let xml = String::from_utf8(to_xml(&resource).unwrap()).unwrap();

        assert_eq!(
            xml,
            "<List xmlns=\"http://hl7.org/fhir\"><id value=\"1\"/>\
             <contained><Organization><id value=\"o\"/><name value=\"X\"/></Organization></contained>\
             <extension url=\"urn:x\"><valueIdentifier><system value=\"urn:s\"/><value value=\"v\"/>\
             </valueIdentifier></extension><status value=\"current\"/><title value=\"a &lt; b\"/>\
             <entry><item><reference value=\"#o\"/></item></entry>\
             <entry><item><reference value=\"#p\"/></item></entry></List>"
        );
    }

    #[test]
    fn what_has_no_place_is_an_error() {
        let cases = [
            (json!({"resourceType": "List", "colour": "red"}), "List.colour"),
            (json!({"resourceType": "List", "status": {"a": 1}}), "List.status"),
            (json!({"resourceType": "List", "subject": {"resourceType": "x"}}), "Reference.*"),
            (json!({"resourceType": "Procedure"}), "Procedure.*"),
            (json!({"title": "x"}), ".resource"),
        ];
        for (resource, element) in cases {
            let error = to_xml(&resource).unwrap_err();
            assert!(
                matches!(&error, FhirXmlError::Element(e) if e == element),
                "{resource}: {error}"
            );
        }
        assert!(to_xml(&json!({"resourceType": "List", "title": "\u{1}"})).is_err());
    }

    proptest! {
        #[test]
        fn texts_survive(title in "[^\\p{Cc}\u{fffe}\u{ffff}]{1,20}") {
            let xml = to_xml(&json!({"resourceType": "List", "title": title})).unwrap();

            let text = String::from_utf8(xml).unwrap();
            let mut reader = XmlReader::new(&text, Limits::metadata()).unwrap();
            let mut read = None;
            reader.root().unwrap();
            reader
                .children(|child, xml| {
                    read = child.attr("value").map(str::to_owned);
                    xml.skip()
                })
                .unwrap();
            prop_assert_eq!(read, Some(title));
        }
    }
}
