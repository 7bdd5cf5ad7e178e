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
    read(bytes, most_bytes, false)
}

/// The same for readers that refuse what they do not know: what `from_xml` leaves out is there by its
/// name, without its value. Extensions of a primitive are named as JSON does, `_status`.
///
/// # Errors
/// As `from_xml`; and for attributes that are not known, and a primitive that says nothing.
pub fn from_xml_with_unknown(bytes: &[u8], most_bytes: usize) -> Result<Value, XmlError> {
    read(bytes, most_bytes, true)
}

fn read(bytes: &[u8], most_bytes: usize, names_unknown: bool) -> Result<Value, XmlError> {
    let text = to_utf8(bytes)?;
    // What a Binary holds stands in an attribute.
    let limits =
        Limits { max_bytes: most_bytes as u64, max_tag_bytes: most_bytes, ..Limits::metadata() };
    let mut reader = Reader { xml: XmlReader::new(&text, limits)?, names_unknown };
    let root = reader.xml.root()?;
    reader.only(&root, &[(XSI, "schemaLocation")])?;
    let resource = reader.resource(&root)?;
    reader.xml.finish()?;
    Ok(resource)
}

struct Reader<'t> {
    xml: XmlReader<'t>,
    /// Whether elements that are left out are named.
    names_unknown: bool,
}

impl Reader<'_> {
    /// The depth of elements is limited by the reader, so the recursion is too.
    fn resource(&mut self, start: &Start) -> Result<Value, XmlError> {
        if start.ns() != FHIR {
            return Err(self.xml.unexpected(start));
        }
        let kind = start.local().to_owned();
        let mut object = if fields(&kind).is_some() {
            self.elements(&kind, Map::new())?
        } else {
            self.xml.skip()?;
            Map::new()
        };
        object.insert("resourceType".to_owned(), kind.into());
        Ok(Value::Object(object))
    }

    /// The elements of a type, behind what is known of it from its tag.
    fn elements(
        &mut self,
        kind: &str,
        mut object: Map<String, Value>,
    ) -> Result<Map<String, Value>, XmlError> {
        while let Some(child) = self.xml.next_child()? {
            if child.ns() != FHIR && self.names_unknown {
                return Err(self.xml.unexpected(&child));
            }
            let field = fields(kind).and_then(|mut all| all.find(|f| f.name == child.local()));
            let Some(field) = field.filter(|_| child.ns() == FHIR) else {
                if self.names_unknown {
                    object.insert(child.local().to_owned(), Value::Null);
                }
                self.xml.skip()?;
                continue;
            };
            let value = if field.is_primitive() {
                self.only(&child, &[("", "value"), ("", "id")])?;
                if self.skips_extensions()? {
                    object.insert(format!("_{}", field.name), Value::Null);
                } else if self.names_unknown && child.attr("value").is_none() {
                    return Err(self.xml.invalid(format!("{} says nothing", field.name)));
                }
                self.primitive(&field, &child)?
            } else {
                Some(self.complex(&field, &child)?)
            };
            let Some(value) = value else { continue };
            if !field.repeats {
                if object.insert(field.name.to_owned(), value).is_some() {
                    return Err(self.xml.invalid("the element is there twice"));
                }
            } else if let Value::Array(all) =
                object.entry(field.name).or_insert_with(|| Value::Array(Vec::new()))
            {
                all.push(value);
            }
        }
        Ok(object)
    }

    fn complex(&mut self, field: &Field, child: &Start) -> Result<Value, XmlError> {
        if field.kind == "Resource" {
            self.only(child, &[])?;
            let inner = self.xml.next_child()?;
            let inner = inner.ok_or_else(|| self.xml.invalid("there is no resource in it"))?;
            self.only(&inner, &[])?;
            let inner = self.resource(&inner)?;
            if self.xml.next_child()?.is_some() {
                return Err(self.xml.invalid("there is more than one resource in it"));
            }
            return Ok(inner);
        }
        let known: &[_] = &[("", "id"), ("", "url")];
        self.only(child, if field.kind == "Extension" { known } else { &known[..1] })?;
        let attributes = ["id", "url"].into_iter();
        let given = attributes.filter_map(|key| Some((key.to_owned(), child.attr(key)?.into())));
        Ok(Value::Object(self.elements(field.kind, given.collect())?))
    }

    /// Where nothing is left out untold: holds a tag to the attributes that it may have.
    fn only(&self, start: &Start, known: &[(&str, &str)]) -> Result<(), XmlError> {
        let mut all = start.attributes();
        if self.names_unknown && !all.all(|attribute| known.contains(&attribute)) {
            let what = format!("{} has an attribute that is not known", start.local());
            return Err(self.xml.invalid(what));
        }
        Ok(())
    }

    /// Reads a primitive to its end; whether something is in it that has to be named.
    fn skips_extensions(&mut self) -> Result<bool, XmlError> {
        if !self.names_unknown {
            self.xml.skip()?;
            return Ok(false);
        }
        let mut any = false;
        while self.xml.next_child()?.is_some() {
            any = true;
            self.xml.skip()?;
        }
        Ok(any)
    }

    /// `None` for a primitive that has extensions only.
    fn primitive(&self, field: &Field, child: &Start) -> Result<Option<Value>, XmlError> {
        let Some(text) = child.attr("value").map(str::to_owned) else { return Ok(None) };
        let number = |text: &str| text.trim().parse::<serde_json::Number>().ok().map(Value::Number);
        let value = match field.kind {
            "boolean" => text.trim().parse::<bool>().ok().map(Value::Bool),
            "integer" | "decimal" => number(&text),
            _ => Some(Value::String(text)),
        };
        let wrong = "the value is not of the type that it must have";
        value.map(Some).ok_or_else(|| self.xml.invalid(wrong))
    }
}

const FHIR: &str = "http://hl7.org/fhir";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

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
    fn what_is_left_out_is_named_where_that_is_asked_for() {
        let text = "<Consent xmlns=\"http://hl7.org/fhir\"><text><status value=\"generated\"/>\
             <div xmlns=\"http://www.w3.org/1999/xhtml\">a <b>c</b></div></text>\
             <status value=\"active\"><extension url=\"urn:x\"/></status>\
             <provision><type value=\"deny\"/><modality><type value=\"permit\"/></modality>\
             </provision></Consent>";
        let foreign = "<Consent xmlns=\"http://hl7.org/fhir\"><status xmlns=\"urn:x\"/></Consent>";

        assert_eq!(
            from_xml_with_unknown(text.as_bytes(), MOST).unwrap(),
            json!({
                "resourceType": "Consent", "text": null, "status": "active", "_status": null,
                "provision": {"type": "deny", "modality": null},
            })
        );
        assert!(from_xml_with_unknown(foreign.as_bytes(), MOST).is_err());
        assert!(from_xml(foreign.as_bytes(), MOST).is_ok());
    }

    /// JSON has no attributes, and refuses what is null.
    #[test]
    fn where_nothing_is_left_out_untold_each_attribute_is_known() {
        let consent = |inside: &str| {
            format!(
                "<Consent xmlns=\"http://hl7.org/fhir\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 xsi:schemaLocation=\"http://hl7.org/fhir x.xsd\">{inside}</Consent>"
            )
        };
        for (inside, known) in [
            ("<status id=\"a\" value=\"active\"/>", true),
            ("<status><extension url=\"urn:x\"/></status>", true),
            ("<extension id=\"a\" url=\"urn:x\"><valueCode value=\"y\"/></extension>", true),
            ("<patient id=\"a\"><display value=\"x\"/></patient>", true),
            ("<status/>", false),
            ("<status id=\"a\"/>", false),
            ("<status value=\"active\" code=\"x\"/>", false),
            ("<status value=\"active\" xsi:type=\"x\"/>", false),
            ("<patient url=\"urn:x\"/>", false),
            ("<provision type=\"permit\"/>", false),
            ("<provision><period><start/></period></provision>", false),
            ("<contained id=\"a\"><Organization/></contained>", false),
            ("<contained><Organization id=\"a\"/></contained>", false),
        ] {
            let text = consent(inside);
            let strict = from_xml_with_unknown(text.as_bytes(), MOST);
            assert_eq!(strict.is_ok(), known, "{inside}: {strict:?}");
            assert!(from_xml(text.as_bytes(), MOST).is_ok(), "{inside}");
        }
        let root = "<Consent xmlns=\"http://hl7.org/fhir\" id=\"a\"/>";
        assert!(from_xml_with_unknown(root.as_bytes(), MOST).is_err());
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
