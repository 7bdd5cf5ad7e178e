mod cda;
mod fhir;
mod types;

pub(crate) use cda::{coding as cda_coding, header as cda_header};
pub(crate) use fhir::{codings as fhir_codings, header as fhir_header};
pub use types::{
    AuthorHeader, Coding, DocumentHeader, NhsNumberFound, Organisation, PatientHeader, Person,
    RelatedDocument, Relation,
};

use crate::open::{Opened, clinical_document, open};
use crate::{HeaderError, Kind};

impl DocumentHeader {
    /// Reads the header of a CDA document, bare or in an envelope, or of a FHIR document bundle.
    ///
    /// # Errors
    /// `HeaderError`, with the reason.
    pub fn read(bytes: &[u8]) -> Result<Self, HeaderError> {
        Self::read_as(bytes, &Kind::sniff(bytes))
    }

    /// Reads the header of bytes that were sniffed before.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_as(bytes: &[u8], kind: &Kind) -> Result<Self, HeaderError> {
        let mut header = match open(bytes, kind)? {
            Opened::Cda { tree, .. } => {
                let document = clinical_document(&tree).ok_or(HeaderError::NoClinicalDocument)?;
                cda::header(tree.root(), document)
            }
            Opened::Fhir(bundle) => fhir::header(&bundle)?,
        };
        header.kind = kind.clone();
        Ok(header)
    }

    /// The XDS uniqueId of the document, when it says who it is.
    pub fn unique_id(&self) -> Option<String> {
        self.id.as_ref().map(crate::InstanceId::unique_id)
    }
}

/// A text of the document on one line: white space joined, control characters and characters that
/// turn the writing direction taken out, cut after 1,000 characters. `None` when nothing remains.
pub(crate) fn clean(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut count = 0;
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        let shown = word.chars().filter(|c| !c.is_control() && !is_direction(*c));
        for c in shown {
            if count == MAX_CHARACTERS {
                return Some(out);
            }
            out.push(c);
            count += 1;
        }
    }
    let out = out.trim();
    (!out.is_empty()).then(|| out.to_owned())
}

fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

const MAX_CHARACTERS: usize = 1000;

/// Identifiers, codes, authors or other repeated things of one header that are kept.
pub(crate) const MAX_REPEATS: usize = 100;
