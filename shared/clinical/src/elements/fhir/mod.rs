//! Elements of a FHIR document, R4 and STU3: what its sections refer to, and what stands beside it.

mod resources;
mod values;

use std::collections::HashMap;

use carerecord_model::{ConceptCoding, ElementKind, ElementSection};
use serde_json::Value;

use super::{Found, concept_coding};
use crate::HeaderError;
use crate::fhir::{Bundle, first, items, resource_type, text};
use crate::header::{clean, fhir_codings};
use values::labels;

/// Takes the elements of a document bundle.
pub(super) fn take(bundle: &Value, found: &mut Found) -> Result<(), HeaderError> {
    let bundle = Bundle::new(bundle)?;
    if bundle.resources().filter(|r| resource_type(r) == "Composition").count() > 1 {
        return Err(HeaderError::TwoCompositions);
    }
    let mut sections = Sections::default();
    sections.add(&bundle, bundle.composition, &[]);
    sections.follow_reports(&bundle);
    for resource in bundle.resources() {
        let Some(kind) = ElementKind::of_resource_type(resource_type(resource)) else { continue };
        if !is_of_subject(&bundle, resource) {
            found.leave_out();
            continue;
        }
        let place = sections.place_of(resource);
        let mut all: Vec<ConceptCoding> =
            place.map(|(_, labels)| labels.clone()).unwrap_or_default();
        all.extend(labels(resource));
        match resources::element(&bundle, kind, resource) {
            Some(mut element) => {
                element.section = place.map(|(section, _)| section.clone());
                element.labels = all;
                found.add(element);
            }
            None => found.leave_out(),
        }
    }
    Ok(())
}

/// Whose a resource is: of the document's subject, unless it says otherwise.
fn is_of_subject<'v>(bundle: &Bundle<'v>, resource: &'v Value) -> bool {
    let own = ["patient", "subject"].into_iter().find_map(|name| first(resource, name));
    let subject = first(bundle.composition, "subject");
    let Some((own, subject)) = own.filter(|own| text(own, "reference").is_some()).zip(subject)
    else {
        return true;
    };
    if text(own, "reference") == text(subject, "reference") {
        return true;
    }
    match (bundle.resolve(resource, own), bundle.resolve(bundle.composition, subject)) {
        (Some(own), Some(subject)) => std::ptr::eq(own, subject),
        // With one patient in the document nobody else can be meant, unless it is somebody's elsewhere.
        (None, _) | (Some(_), None) => false,
    }
}

/// The sections, and which resource stands in which.
#[derive(Default)]
struct Sections {
    all: Vec<(ElementSection, Vec<ConceptCoding>)>,
    /// By where a resource lies in memory: in a document that is parsed once it lies still.
    of: HashMap<*const Value, usize>,
}

impl Sections {
    /// In the order in which they are shown. The depth of a document is limited, so the recursion is
    /// too.
    fn add<'v>(&mut self, bundle: &Bundle<'v>, parent: &'v Value, around: &[ConceptCoding]) {
        for section in items(parent, "section") {
            let place = self.all.len();
            let code = fhir_codings(section, "code").into_iter().next();
            let shown = ElementSection {
                place,
                title: text(section, "title").and_then(clean),
                code: code.map(concept_coding),
            };
            let mut own = around.to_vec();
            own.extend(labels(section));
            self.all.push((shown, own.clone()));
            for reference in items(section, "entry") {
                if let Some(resource) = bundle.resolve(bundle.composition, reference) {
                    self.of.entry(std::ptr::from_ref(resource)).or_insert(place);
                }
            }
            self.add(bundle, section, &own);
        }
    }

    /// What a report or a panel holds stands where it does.
    fn follow_reports(&mut self, bundle: &Bundle<'_>) {
        for (kind, holds) in [("DiagnosticReport", "result"), ("Observation", "hasMember")] {
            for resource in bundle.resources().filter(|r| resource_type(r) == kind) {
                let Some(place) = self.of.get(&std::ptr::from_ref(resource)).copied() else {
                    continue;
                };
                for reference in items(resource, holds) {
                    if let Some(held) = bundle.resolve(resource, reference) {
                        self.of.entry(std::ptr::from_ref(held)).or_insert(place);
                    }
                }
            }
        }
    }

    fn place_of(&self, resource: &Value) -> Option<&(ElementSection, Vec<ConceptCoding>)> {
        self.all.get(*self.of.get(&std::ptr::from_ref(resource))?)
    }
}
