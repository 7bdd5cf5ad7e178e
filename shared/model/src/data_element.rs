//! Words for what documents say in coded entries: allergies, medicines, problems and the like. A
//! node takes them out of the documents that it holds, and gives those of one patient, only out of
//! documents that the asking role has released. IHE mXDE; data-elements.md.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Dtm, NhsNumber, UniqueId};

/// What an element states.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum ElementKind {
    /// An allergy or intolerance, or that there is none.
    AllergyIntolerance,
    /// A problem or diagnosis.
    Condition,
    /// A medicine that is or was taken.
    MedicationStatement,
    /// A medicine that is ordered.
    MedicationRequest,
    /// A vaccination, given or not.
    Immunization,
    /// A result or vital sign.
    Observation,
    /// A visit, stay or contact.
    Encounter,
}

impl ElementKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::AllergyIntolerance,
        Self::Condition,
        Self::MedicationStatement,
        Self::MedicationRequest,
        Self::Immunization,
        Self::Observation,
        Self::Encounter,
    ];

    /// The FHIR resource type.
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::AllergyIntolerance => "AllergyIntolerance",
            Self::Condition => "Condition",
            Self::MedicationStatement => "MedicationStatement",
            Self::MedicationRequest => "MedicationRequest",
            Self::Immunization => "Immunization",
            Self::Observation => "Observation",
            Self::Encounter => "Encounter",
        }
    }

    /// The kind that a FHIR resource type is.
    pub fn of_resource_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.resource_type() == name)
    }
}

/// One statement of a document. Texts are single lines. `Debug` is redacted: all of it is patient
/// data.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DataElement {
    /// What it states.
    pub kind: ElementKind,
    /// What it is about: the substance, problem, medicine, vaccine, test or kind of visit.
    pub concept: Concept,
    /// Whether that is so.
    pub assertion: Assertion,
    /// The ids that the document gives it, at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<ElementIdentifier>,
    /// The status by the FHIR codes of the resource; `None` where the document does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// How sure it is, by the FHIR codes of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
    /// What it is filed under.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Concept>,
    /// When it began or was, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Dtm>,
    /// When it ended, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Dtm>,
    /// When it was written down, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Dtm>,
    /// What was measured or found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ElementValue>,
    /// Values that together are one: the two of a blood pressure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ElementComponent>,
    /// What a result means: high, low, abnormal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interpretations: Vec<Concept>,
    /// The range that is normal, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_range: Option<String>,
    /// How somebody reacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Concept>,
    /// `low`, `high` or `unable-to-assess`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub criticality: Option<String>,
    /// How severe it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Concept>,
    /// How much of a medicine, how often and how, as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dosage: Option<String>,
    /// Labels of its own, beside those of its document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<ConceptCoding>,
    /// The section that it stands in; `None` for one that no section refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<ElementSection>,
}

impl fmt::Debug for DataElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataElement({:?}, {:?})", self.kind, self.assertion)
    }
}

/// Whether what an element is about is there.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub enum Assertion {
    /// It is.
    #[default]
    Present,
    /// It is not: negated, refuted, not given, not taken, none known.
    Absent,
    /// The document says that it does not know: `no-allergy-info`.
    NoInformation,
}

/// A concept in codes and in words. `Debug` is redacted.
#[derive(Clone, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Concept {
    /// Its codes, the document's own first, then translations; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codings: Vec<ConceptCoding>,
    /// What the document's author wrote or saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Concept {
    /// Words for it: the text, else the first display, else the first code.
    pub fn words(&self) -> Option<&str> {
        let displays = self.codings.iter().filter_map(|coding| coding.display.as_deref());
        let codes = self.codings.iter().map(|coding| coding.code.as_str());
        self.text.as_deref().into_iter().chain(displays).chain(codes).next()
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.codings.is_empty() && self.text.is_none()
    }
}

impl fmt::Debug for Concept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Concept(redacted)")
    }
}

/// A code of a concept. `Debug` is redacted.
#[derive(Clone, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct ConceptCoding {
    /// An OID without `urn:oid:`, or a URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The code.
    pub code: String,
    /// What the document calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
}

impl fmt::Debug for ConceptCoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConceptCoding(redacted)")
    }
}

/// An id that a document gives an element. `Debug` is redacted.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct ElementIdentifier {
    /// The CDA root as it stands, or the FHIR system with `urn:oid:` taken off.
    pub system: String,
    /// The CDA extension or FHIR value; `None` when the root alone identifies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl fmt::Debug for ElementIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ElementIdentifier(redacted)")
    }
}

/// What was measured or found.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElementValue {
    /// A number as it is written, with its unit.
    Quantity {
        /// Decimal digits, with a sign and a point where it has them.
        value: String,
        /// `<`, `<=`, `>=` or `>`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comparator: Option<String>,
        /// The unit, UCUM as a rule.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
    },
    /// A finding.
    Concept(Concept),
    /// Anything else, in words.
    Text(String),
}

/// One of several values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ElementComponent {
    /// What was measured.
    pub concept: Concept,
    /// What came out.
    pub value: ElementValue,
}

/// A section of a document.
#[derive(Clone, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct ElementSection {
    /// Its place among the sections of the document, from 0: in document order, those inside others
    /// after them.
    pub place: usize,
    /// Its heading, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ConceptCoding>,
}

/// Whose elements are wanted, out of which documents. `Debug` is redacted.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct ElementQuestion {
    /// Whose documents.
    pub patient: NhsNumber,
    /// What is wanted; none for everything.
    pub kinds: Vec<ElementKind>,
    /// The documents that have been released to the user; nothing else is looked at.
    pub documents: Vec<UniqueId>,
}

impl fmt::Debug for ElementQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ElementQuestion(redacted)")
    }
}

/// What a node answers. `Debug` is redacted.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ElementAnswer {
    /// The documents that have elements of the wanted kinds, in no order.
    pub documents: Vec<DocumentElements>,
    /// How far the documents asked about have been read.
    pub coverage: ElementCoverage,
}

impl fmt::Debug for ElementAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ElementAnswer({} documents, {:?})", self.documents.len(), self.coverage)
    }
}

/// What one document says. `Debug` is redacted.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentElements {
    /// The document.
    pub unique_id: UniqueId,
    /// When they were taken out of it, in milliseconds since 1970.
    pub extracted_at_ms: i64,
    /// By which version of the rules.
    pub rules: String,
    /// What was taken out, in the order of the document.
    pub elements: Vec<PlacedElement>,
}

/// An element and its place among all that were taken out of its document, from 0: by it, it is known
/// from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlacedElement {
    /// Its place.
    pub place: usize,
    /// The element.
    pub element: DataElement,
}

impl fmt::Debug for DocumentElements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DocumentElements({})", self.elements.len())
    }
}

/// How far the documents of a question have been read. Counts only those asked about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ElementCoverage {
    /// Documents that wait to be read.
    pub waiting: usize,
    /// Documents of a kind that has no coded entries, such as PDF.
    pub uncoded: usize,
    /// Documents that cannot be read: broken ones, or more than is looked at.
    pub unreadable: usize,
    /// Documents that name another patient than the one they are registered for: nothing is taken
    /// out of them.
    pub mismatched: usize,
    /// Documents in which entries were left out: of a form that is not known, or too many.
    pub partly: usize,
    /// Documents that the node does not hold, or no longer.
    pub missing: usize,
    /// Documents whose elements are left out since the answer would be too long.
    pub left_out: usize,
}

impl ElementCoverage {
    /// Of two sources together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            waiting: self.waiting + other.waiting,
            uncoded: self.uncoded + other.uncoded,
            unreadable: self.unreadable + other.unreadable,
            mismatched: self.mismatched + other.mismatched,
            partly: self.partly + other.partly,
            missing: self.missing + other.missing,
            left_out: self.left_out + other.left_out,
        }
    }
}
