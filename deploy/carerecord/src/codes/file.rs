use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use carerecord_codec::CodesFile;
use carerecord_fhir::{ValueSet, parse_value_set};
use carerecord_model::{CodeSet, ListedAttribute};
use carerecord_xml::{Limits, XmlReader, to_utf8};

/// A file of codes in one of the two forms.
pub enum Codes {
    /// The form of the XDS world, with the codes of several attributes.
    Xml(CodesFile),
    /// A FHIR ValueSet, with the codes of one.
    ValueSet(ValueSet),
}

/// Reads a file of at most 16 MiB.
pub fn read(path: &Path) -> anyhow::Result<Codes> {
    let mut bytes = Vec::new();
    let file = File::open(path).context("it cannot be read")?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).context("it cannot be read")?;
    ensure!(bytes.len() as u64 <= MOST_BYTES, "it is longer than {MOST_BYTES} bytes");
    // Every form can begin with a byte order mark.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    match text.trim_ascii_start().first() {
        Some(b'{') => Ok(Codes::ValueSet(parse_value_set(&bytes)?)),
        Some(b'<') if is_fhir(&bytes) => Ok(Codes::ValueSet(parse_value_set(&bytes)?)),
        Some(b'<') => {
            let file = carerecord_xml::decode(&bytes).context("it is not a codes.xml file")?;
            Ok(Codes::Xml(file))
        }
        Some(_) | None => bail!("it is neither a codes.xml file nor a FHIR ValueSet"),
    }
}

/// Whether the root of an XML file is FHIR's.
fn is_fhir(bytes: &[u8]) -> bool {
    let root = |text: &str| XmlReader::new(text, Limits::metadata())?.root();
    to_utf8(bytes).and_then(|text| root(&text)).is_ok_and(|root| root.ns() == FHIR)
}

impl Codes {
    /// The sets, and what is of no use in the file, for a person to read.
    pub fn into_sets(
        self,
        attribute: Option<ListedAttribute>,
    ) -> anyhow::Result<(Vec<CodeSet>, Vec<String>)> {
        match (self, attribute) {
            (Self::Xml(file), None) => Ok((file.sets, file.ignored)),
            (Self::Xml(_), Some(_)) => bail!("a codes.xml names its attributes; give no attribute"),
            (Self::ValueSet(_), None) => {
                bail!("it is a ValueSet; give the attribute that has its codes")
            }
            (Self::ValueSet(set), Some(attribute)) => {
                let ValueSet { mut codes, mut whole_schemes, .. } = set;
                if attribute == ListedAttribute::MimeType {
                    ensure!(whole_schemes.is_empty(), "a list of MIME types must name them");
                    codes.iter_mut().for_each(|code| code.scheme.clear());
                }
                whole_schemes.dedup();
                Ok((vec![CodeSet { attribute, codes, whole_schemes }], Vec::new()))
            }
        }
    }
}

const FHIR: &str = "http://hl7.org/fhir";
const MOST_BYTES: u64 = 16 << 20;
