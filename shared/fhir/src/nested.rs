//! Bundles inside of what was sent, byte for byte: a FHIR document is kept as its author wrote it,
//! with all its digits, and with what nothing here knows how to read. MHD 3.4.

use std::collections::HashMap;

use carerecord_xml::{Limits, Start, XmlError, XmlReader};

use crate::Format;

/// The Bundles that are resources of a list of a resource, by their places in it: of `entry` of a
/// Bundle, or of `parameter` of a Parameters. `text` has been read before, so that it is well formed.
///
/// # Errors
/// When a Bundle in XML cannot stand alone.
pub fn nested_bundles(
    text: &str,
    format: Format,
    list: &str,
) -> Result<HashMap<usize, Vec<u8>>, XmlError> {
    match format {
        Format::Json => Ok(in_json(text, list)),
        Format::Xml => in_xml(text, list),
    }
}

fn in_json(text: &str, list: &str) -> HashMap<usize, Vec<u8>> {
    let Some(list) = member(text, list) else { return HashMap::new() };
    let bundle = |(n, item): (usize, &str)| {
        let resource = member(item, "resource")?;
        let kind: String = serde_json::from_str(member(resource, "resourceType")?).ok()?;
        (kind == "Bundle").then(|| (n, resource.as_bytes().to_vec()))
    };
    items(list).into_iter().enumerate().filter_map(bundle).collect()
}

/// The value of a member of an object; of several of one name the last one, as readers take it.
fn member<'t>(object: &'t str, name: &str) -> Option<&'t str> {
    let mut found = None;
    let inner = object.trim_start().strip_prefix('{')?;
    for (key, value) in pieces(inner).filter_map(|piece| {
        let end = end_of_value(piece.as_bytes(), 0);
        let (key, rest) = piece.split_at_checked(end)?;
        Some((key, rest.trim_start().strip_prefix(':')?.trim()))
    }) {
        if serde_json::from_str::<String>(key).is_ok_and(|key| key == name) {
            found = Some(value);
        }
    }
    found
}

fn items(array: &str) -> Vec<&str> {
    array.trim_start().strip_prefix('[').map(|inner| pieces(inner).collect()).unwrap_or_default()
}

/// What stands between the commas of an object or array that is open, up to where it is closed.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let start = at?;
        let mut end = start;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b',' | b'}' | b']' => break,
                b'"' | b'{' | b'[' => end = end_of_value(bytes, end),
                _ => end += 1,
            }
        }
        at = (bytes.get(end) == Some(&b',')).then_some(end + 1);
        let piece = text.get(start..end)?.trim();
        (!piece.is_empty()).then_some(piece)
    })
}

/// Where a string, object or array that begins there ends.
fn end_of_value(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0usize);
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'"' => {
                while let Some(byte) = bytes.get(at) {
                    at += if *byte == b'\\' { 2 } else { 1 };
                    if *byte == b'"' {
                        break;
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at.min(bytes.len())
}

fn in_xml(text: &str, list: &str) -> Result<HashMap<usize, Vec<u8>>, XmlError> {
    let limits = limits(text.len());
    let mut xml = XmlReader::new(text, limits)?;
    xml.root()?;
    let mut found = HashMap::new();
    let mut place = 0;
    while let Some(child) = xml.next_child()? {
        if child.local() != list {
            xml.skip()?;
            continue;
        }
        if let Some(bundle) = bundle_of(&mut xml, text)? {
            found.insert(place, bundle);
        }
        place += 1;
    }
    Ok(found)
}

/// The Bundle that an entry or parameter has.
fn bundle_of(xml: &mut XmlReader<'_>, text: &str) -> Result<Option<Vec<u8>>, XmlError> {
    let mut found = None;
    while let Some(child) = xml.next_child()? {
        if child.local() != "resource" {
            xml.skip()?;
            continue;
        }
        while let Some(resource) = xml.next_child()? {
            let is_bundle = resource.local() == "Bundle";
            let span = xml.span(&resource)?;
            let whole = text.get(span).filter(|_| is_bundle);
            found = whole.map(|whole| alone(whole, &resource, xml)).transpose()?.or(found);
        }
    }
    Ok(found)
}

/// The same element as a document of its own: the namespace that it has from outside it declares
/// itself.
fn alone(text: &str, root: &Start, xml: &XmlReader<'_>) -> Result<Vec<u8>, XmlError> {
    let tag = "<Bundle";
    let rest = text.strip_prefix(tag).filter(|_| root.ns() == FHIR);
    let rest = rest.ok_or_else(|| xml.invalid("a FHIR document has no prefix on its elements"))?;
    let mut whole = text.to_owned();
    let declares = XmlReader::new(&whole, limits(whole.len()))
        .and_then(|mut alone| Ok(alone.root()?.ns() == FHIR))
        .unwrap_or(false);
    if !declares {
        whole = format!("{tag} xmlns=\"{FHIR}\"{rest}");
    }
    // A prefix that was declared outside would be missing.
    let mut alone = XmlReader::new(&whole, limits(whole.len()))?;
    alone.root()?;
    alone.skip()?;
    alone.finish()?;
    Ok(whole.into_bytes())
}

fn limits(length: usize) -> Limits {
    // What a Binary holds stands in an attribute.
    Limits { max_bytes: length as u64, max_tag_bytes: length, ..Limits::document() }
}

const FHIR: &str = "http://hl7.org/fhir";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_bundle_in_json_is_cut_out_as_it_was_written() {
        let document = "{ \"resourceType\" : \"Bundle\", \"x\": 1.10, \"s\": \"}],\\\\\\\"\" }";
        let text = format!(
            "{{\"entry\": [], \"other\": {{\"entry\": [1]}}, \"entr\\u0079\": [ {{\"resource\": \
             {{\"resourceType\": \"List\"}}}}, {{}}, 7, {{\"a\": [\"]\"], \"resource\":{document}}} ] }}"
        );
        assert!(serde_json::from_str::<Value>(&text).is_ok());

        let found = nested_bundles(&text, Format::Json, "entry").unwrap();

        assert_eq!(found, HashMap::from([(3, document.as_bytes().to_vec())]));
        assert!(nested_bundles(&text, Format::Json, "parameter").unwrap().is_empty());
    }

    #[test]
    fn a_bundle_in_xml_stands_alone() {
        let inner = "<type value=\"document\"/><!-- c --><text><div \
             xmlns=\"http://www.w3.org/1999/xhtml\">a <b>c</b></div></text></Bundle>";
        let text = |open: &str, bundle: &str| {
            format!(
                "<?xml version=\"1.0\"?><Bundle xmlns=\"http://hl7.org/fhir\"{open}><id value=\"1\"/>\
                 <entry><resource><List/></resource></entry><entry><fullUrl value=\"u\"/><resource>\
                 {bundle}</resource><request/></entry></Bundle>"
            )
        };
        let nested = |text: &str| nested_bundles(text, Format::Xml, "entry");

        let inherited = nested(&text("", &format!("<Bundle>{inner}"))).unwrap();
        let own = format!("<Bundle xmlns='http://hl7.org/fhir'>{inner}");
        let declared = nested(&text("", &own)).unwrap();

        let expected = format!("<Bundle xmlns=\"http://hl7.org/fhir\">{inner}");
        assert_eq!(inherited, HashMap::from([(1, expected.into_bytes())]));
        assert_eq!(declared[&1], own.as_bytes());
        let outside = " xmlns:x=\"urn:x\" xmlns:f=\"http://hl7.org/fhir\"";
        assert!(nested(&text(outside, "<Bundle><x:a/></Bundle>")).is_err());
        assert!(nested(&text(outside, "<f:Bundle/>")).is_err());
    }

    proptest! {
        #[test]
        fn whatever_json_there_is_a_bundle_is_found(
            texts in proptest::collection::vec("\\PC{0,8}", 0..5),
            number in any::<i64>(),
        ) {
            let document = json!({"resourceType": "Bundle", "texts": texts, "n": [[number], {}]});
            let all = json!({"a": texts, "entry": [{"resource": document.clone(), "z": texts}, {"x": texts}]});
            for text in [all.to_string(), format!("{all:#}")] {
                let found = nested_bundles(&text, Format::Json, "entry").unwrap();
                prop_assert_eq!(found.len(), 1);
                prop_assert_eq!(serde_json::from_slice::<Value>(&found[&0]).unwrap(), document.clone());
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = nested_bundles(&text, Format::Json, "entry");
            let _ = nested_bundles(&format!("{{\"entry\":{text}"), Format::Json, "entry");
            let _ = nested_bundles(&text, Format::Xml, "entry");
        }
    }
}
