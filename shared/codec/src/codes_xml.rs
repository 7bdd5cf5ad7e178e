use carerecord_model::{Code, CodeSet, ListedAttribute};
use carerecord_xml::{Decode, Name, Start, XmlError, XmlReader};

/// A `codes.xml` file, the form in which the XDS world exchanges the codes of an affinity domain:
/// `<Codes>` of `<CodeType name="…">` of `<Code code="…" codingScheme="…" display="…"/>`.
///
/// The element names have no namespace, and no schema is published.
#[derive(Clone, Debug)]
pub struct CodesFile {
    /// One for each `CodeType` of an attribute that we know, in the order of the file.
    pub sets: Vec<CodeSet>,
    /// What is of no use, for a person to read: other `CodeType`s, codes without a scheme.
    pub ignored: Vec<String>,
}

impl Decode for CodesFile {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(element("Codes")) {
            return Err(xml.unexpected(start));
        }
        let mut file = Self { sets: Vec::new(), ignored: Vec::new() };
        // Real files have stray text between elements; it says nothing.
        xml.text_or(|child, xml| {
            if !child.is(element("CodeType")) {
                // Assigning authorities of patient ids, and what later tools add.
                return xml.skip();
            }
            let name = child.required("name")?;
            match name.parse() {
                Ok(attribute) => {
                    let set = code_set(attribute, xml, &mut file.ignored)?;
                    file.sets.push(set);
                }
                Err(_) => {
                    file.ignored.push(format!("CodeType {name}, which is of no attribute"));
                    xml.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(file)
    }
}

fn code_set(
    attribute: ListedAttribute,
    xml: &mut XmlReader<'_>,
    ignored: &mut Vec<String>,
) -> Result<CodeSet, XmlError> {
    let mut codes = Vec::new();
    xml.text_or(|child, xml| {
        if !child.is(element("Code")) {
            return Err(xml.unexpected(child));
        }
        let code = child.required("code")?;
        if code.is_empty() {
            return Err(xml.invalid("a Code has an empty code"));
        }
        match scheme(attribute, child) {
            Some(scheme) => {
                let display = child.attr("display").unwrap_or_default();
                codes.push(Code::new(code, scheme, display));
            }
            None => ignored.push(format!("{attribute} {code}, which has no codingScheme")),
        }
        xml.skip()
    })?;
    Ok(CodeSet { attribute, codes, whole_schemes: Vec::new() })
}

/// The scheme of a code; files made from FHIR have the system only.
fn scheme(attribute: ListedAttribute, code: &Start) -> Option<&str> {
    match attribute {
        ListedAttribute::MimeType => Some(""),
        ListedAttribute::Code(_) => code.attr("codingScheme").or(code.attr("system")),
    }
}

const fn element(local: &'static str) -> Name {
    Name::new("", local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_types_are_read_and_strange_ones_named() {
        let text = br#"<Codes>
            <CodeType name="typeCode" classScheme="urn:uuid:f0306f51-975f-434e-a61c-c59651d33983">
              <Code code="34133-9" display="Summary" codingScheme="2.16.840.1.113883.6.1"/>
              <Code code="1" system="http://loinc.org"/>/&gt;
            </CodeType>
            <CodeType name="mimeType"><Code code="text/plain" ext="txt"/></CodeType>
            <CodeType name="classCode"><Code code="x" codingSheme="2"/></CodeType>
            <CodeType name="colour"><Code code="red"/></CodeType>
            <AssigningAuthority id="&amp;2.999.1&amp;ISO"/>
          </Codes>"#;

        let file: CodesFile = carerecord_xml::decode(text).unwrap();

        let [types, mimes, classes] = file.sets.as_slice() else { panic!("{:?}", file.sets) };
        assert_eq!(types.attribute.name(), "typeCode");
        assert_eq!(types.codes[0], Code::new("34133-9", "2.16.840.1.113883.6.1", ""));
        assert_eq!(types.codes[1].scheme, "http://loinc.org");
        assert_eq!(mimes.codes, [Code::new("text/plain", "", "")]);
        assert!(classes.codes.is_empty());
        let ignored =
            ["classCode x, which has no codingScheme", "CodeType colour, which is of no attribute"];
        assert_eq!(file.ignored, ignored);
    }

    #[test]
    fn what_says_too_little_is_refused() {
        for text in [
            "<codes/>",
            "<Codes><CodeType><Code code='1' codingScheme='2'/></CodeType></Codes>",
            "<Codes><CodeType name='typeCode'><Code code='' codingScheme='2'/></CodeType></Codes>",
            "<Codes><CodeType name='typeCode'><Kode code='1'/></CodeType></Codes>",
        ] {
            assert!(carerecord_xml::decode::<CodesFile>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
