//! What documents say in coded entries as FHIR resources, with where each comes from, and the
//! Provenance of a document. QEDm 3.0; mXDE 1.3.

mod provenance;
mod resources;
mod values;

use carerecord_model::{DataElement, ElementSection, PatientId};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::code_system::system_of_scheme;
use crate::identifier::{subject, unique_id};
use crate::tree::Object;

pub use provenance::{ElementProvenance, PROVENANCE_POLICY, element_provenance};

/// The URL of an extension that says which document, and which section of it, an element is from.
pub const ELEMENT_SOURCE: &str = "urn:carerecord:element-source";
/// The URL of an extension that names another element, and how the two go together.
pub const ELEMENT_RELATION: &str = "urn:carerecord:element-relation";
/// The URL of a modifier extension: what the element is about is said not to be there.
pub const ELEMENT_NEGATED: &str = "urn:carerecord:negated";

/// An element with all that is known around it.
pub struct ElementView<'a> {
    /// Its logical id.
    pub id: &'a str,
    /// The element.
    pub element: &'a DataElement,
    /// Whose it is.
    pub patient: &'a PatientId,
    /// The documents that state it, at least one.
    pub sources: Vec<ElementSource<'a>>,
    /// Other elements that state the same, or something else of the same.
    pub relations: Vec<ElementRelation>,
    /// Whether nothing may tell where the person is cared for.
    pub masked: bool,
}

/// A document, and the section of it, that states an element.
pub struct ElementSource<'a> {
    /// The id of its DocumentReference.
    pub document: Uuid,
    /// Its uniqueId.
    pub unique_id: &'a carerecord_model::UniqueId,
    /// The section; `None` where none refers to the element.
    pub section: Option<&'a ElementSection>,
}

/// Another element of the same patient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ElementRelation {
    /// How the two go together.
    pub kind: ElementRelationKind,
    /// `AllergyIntolerance/…`.
    pub with: String,
}

/// How two elements go together. Both are shown: neither is taken for the right one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ElementRelationKind {
    /// They state the same.
    Duplicate,
    /// They contradict each other.
    Conflict,
}

impl ElementRelationKind {
    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
        }
    }
}

/// The resource that an element is.
pub fn data_element(view: &ElementView<'_>) -> Value {
    let kind = view.element.kind.resource_type();
    let mut resource = Object::resource(kind, view.id);
    resource.set("meta", meta(view));
    let sources = view.sources.iter().map(|source| source_extension(source, view.masked));
    let relations = view.relations.iter().map(|relation| {
        json!({"url": ELEMENT_RELATION, "extension": [
            {"url": "kind", "valueCode": relation.kind.code()},
            {"url": "with", "valueReference": {"reference": relation.with}},
        ]})
    });
    resource.set("extension", sources.chain(relations).collect::<Vec<_>>());
    if !view.masked {
        resource.set("identifier", identifiers(view.element));
    }
    let patient = subject(view.patient);
    resources::fill(view.element, patient, &mut resource);
    resource.into()
}

/// Labels of the element's own; where it comes from, when that is one document.
fn meta(view: &ElementView<'_>) -> Value {
    let mut meta = Object::new();
    if let [source] = view.sources.as_slice()
        && !view.masked
    {
        let (system, value) = unique_id(source.unique_id);
        let uri = if system == crate::code_system::URI {
            value
        } else {
            format!("{system}#{value}").into()
        };
        if is_uri(&uri) {
            meta.set("source", uri);
        }
    }
    let labels: Vec<Value> = view.element.labels.iter().map(values::coding).collect();
    meta.set("security", labels);
    meta.into()
}

/// FHIR has no spaces in a URI.
fn is_uri(text: &str) -> bool {
    text.contains(':') && !text.contains(char::is_whitespace)
}

fn source_extension(source: &ElementSource<'_>, masked: bool) -> Value {
    let reference = format!("DocumentReference/{}", source.document);
    let mut parts = vec![json!({"url": "document", "valueReference": {"reference": reference}})];
    if let Some(section) = source.section {
        parts.push(json!({"url": "section", "valueUnsignedInt": section.place}));
        // A heading can name a place.
        if let Some(title) = section.title.as_ref().filter(|_| !masked) {
            parts.push(json!({"url": "title", "valueString": title}));
        }
        if let Some(code) = &section.code {
            parts.push(json!({"url": "code", "valueCoding": values::coding(code)}));
        }
    }
    json!({"url": ELEMENT_SOURCE, "extension": parts})
}

fn identifiers(element: &DataElement) -> Vec<Value> {
    let identifier = |id: &carerecord_model::ElementIdentifier| match &id.value {
        Some(value) => json!({"system": system_of_scheme(&id.system), "value": value}),
        None => {
            let urn = if Uuid::try_parse(&id.system).is_ok() { "uuid" } else { "oid" };
            json!({"system": crate::code_system::URI, "value": format!("urn:{urn}:{}", id.system)})
        }
    };
    element.identifiers.iter().map(identifier).collect()
}
