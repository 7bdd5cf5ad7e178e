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
    /// Names of `CodeType`s that are of no such attribute.
    pub ignored: Vec<String>,
}

impl Decode for CodesFile {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(element("Codes")) {
            return Err(xml.unexpected(start));
        }
        let mut file = Self { sets: Vec::new(), ignored: Vec::new() };
        while let Some(child) = xml.next_child()? {
            if !child.is(element("CodeType")) {
                // Assigning authorities of patient ids, and what later tools add.
                xml.skip()?;
                continue;
            }
            let name = child.required("name")?;
            match name.parse() {
                Ok(attribute) => file.sets.push(code_set(attribute, xml)?),
                Err(_) => {
                    file.ignored.push(name.to_owned());
                    xml.skip()?;
                }
            }
        }
        Ok(file)
    }
}

fn code_set(attribute: ListedAttribute, xml: &mut XmlReader<'_>) -> Result<CodeSet, XmlError> {
    let mut codes = Vec::new();
    while let Some(child) = xml.next_child()? {
        if !child.is(element("Code")) {
            return Err(xml.unexpected(&child));
        }
        let code = child.required("code")?;
        let scheme = match attribute {
            ListedAttribute::MimeType => "",
            // Files made from FHIR have the system only.
            ListedAttribute::Code(_) => match child.attr("codingScheme").or(child.attr("system")) {
                Some(scheme) => scheme,
                None => return Err(xml.invalid("a Code has no codingScheme")),
            },
        };
        if code.is_empty() {
            return Err(xml.invalid("a Code has an empty code"));
        }
        codes.push(Code::new(code, scheme, child.attr("display").unwrap_or_default()));
        xml.skip()?;
    }
    Ok(CodeSet { attribute, codes, whole_schemes: Vec::new() })
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
              <Code code="1" system="http://loinc.org"/>
            </CodeType>
            <CodeType name="mimeType"><Code code="text/plain" ext="txt"/></CodeType>
            <CodeType name="colour"><Code code="red"/></CodeType>
            <AssigningAuthority id="&amp;2.999.1&amp;ISO"/>
          </Codes>"#;

        let file: CodesFile = carerecord_xml::decode(text).unwrap();

        let [types, mimes] = file.sets.as_slice() else { panic!("{:?}", file.sets) };
        assert_eq!(types.attribute.name(), "typeCode");
        assert_eq!(types.codes[0], Code::new("34133-9", "2.16.840.1.113883.6.1", ""));
        assert_eq!(types.codes[1].scheme, "http://loinc.org");
        assert_eq!(mimes.codes, [Code::new("text/plain", "", "")]);
        assert_eq!(file.ignored, ["colour"]);
    }

    #[test]
    fn what_says_too_little_is_refused() {
        for text in [
            "<codes/>",
            "<Codes><CodeType><Code code='1' codingScheme='2'/></CodeType></Codes>",
            "<Codes><CodeType name='typeCode'><Code code='1'/></CodeType></Codes>",
            "<Codes><CodeType name='typeCode'><Code code='' codingScheme='2'/></CodeType></Codes>",
            "<Codes><CodeType name='typeCode'><Kode code='1'/></CodeType></Codes>",
        ] {
            assert!(carerecord_xml::decode::<CodesFile>(text.as_bytes()).is_err(), "{text}");
        }
    }
}
