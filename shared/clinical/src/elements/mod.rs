//! What a document says in coded entries: allergies, medicines, problems, immunisations, results
//! and encounters. Nothing is guessed: what is only written in words, or in a form that is not
//! known, gives no element. IHE mXDE; data-elements.md 3, 4.

mod cda;
mod fhir;
mod none_known;

use carerecord_model::{Concept, ConceptCoding, DataElement};

pub use none_known::{Absence, absence};

use crate::header::PatientHeader;
use crate::open::{Opened, clinical_document, open};
use crate::{Coding, HeaderError, Kind};

/// The version of the rules by which elements are taken out: another one, when they change.
pub const ELEMENT_RULES: &str = "3";

/// What was taken out of a document. Has no `Debug`: all of it is patient data.
pub struct Elements {
    /// Whose document it is, as it says itself.
    pub patient: Option<PatientHeader>,
    /// How many patients it names as subject.
    pub patient_count: usize,
    /// The elements, in the order of the document.
    pub elements: Vec<DataElement>,
    /// Entries that were left out: about somebody else, of a form that is not known, or beyond what
    /// is taken.
    pub left_out: usize,
}

/// Takes the elements out of a CDA document, bare or in an envelope, or a FHIR document bundle.
///
/// At most `MAX_ELEMENTS` and `MAX_BYTES` of them are taken.
///
/// # Errors
/// `HeaderError`, with the reason; `NoHeader` for a kind that has no coded entries.
pub fn data_elements(bytes: &[u8], kind: &Kind) -> Result<Elements, HeaderError> {
    let mut found = Found::default();
    let header = match open(bytes, kind)? {
        Opened::Cda { tree, .. } => {
            let document = clinical_document(&tree).ok_or(HeaderError::NoClinicalDocument)?;
            cda::take(document, &mut found);
            crate::header::cda_header(tree.root(), document)
        }
        Opened::Fhir(bundle) => {
            fhir::take(&bundle, &mut found)?;
            crate::header::fhir_header(&bundle)?
        }
    };
    let Found { elements, left_out, .. } = found;
    Ok(Elements {
        patient: header.patient,
        patient_count: header.patient_count,
        elements,
        left_out,
    })
}

/// What has been found so far, and what may still come.
#[derive(Default)]
struct Found {
    elements: Vec<DataElement>,
    bytes: usize,
    left_out: usize,
}

impl Found {
    /// Takes an element, as long as there is room.
    fn add(&mut self, element: DataElement) {
        let length = serde_json::to_string(&element).map_or(MAX_BYTES, |text| text.len());
        if self.elements.len() >= MAX_ELEMENTS || self.bytes + length > MAX_BYTES {
            self.leave_out();
            return;
        }
        self.bytes += length;
        self.elements.push(element);
    }

    fn leave_out(&mut self) {
        self.left_out += 1;
    }
}

fn concept_coding(coding: Coding) -> ConceptCoding {
    ConceptCoding { system: coding.system, code: coding.code, display: coding.display }
}

/// The same coding twice is one; the text is left out where a display has it.
fn tidy(mut concept: Concept) -> Concept {
    let mut kept: Vec<ConceptCoding> = Vec::new();
    for coding in concept.codings {
        let same =
            |other: &ConceptCoding| other.code == coding.code && other.system == coding.system;
        if kept.len() < MAX_CODINGS && !kept.iter().any(same) {
            kept.push(coding);
        }
    }
    concept.codings = kept;
    concept
}

/// Elements of one document.
const MAX_ELEMENTS: usize = 5_000;
/// Of all elements of one document together, as JSON.
const MAX_BYTES: usize = 4 << 20;
/// Codes of one concept, ids of one element, reactions of one allergy.
const MAX_CODINGS: usize = 10;
