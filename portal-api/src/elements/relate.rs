//! Which elements state the same, and which contradict each other. Nothing is resolved by it: all are
//! shown, and each names the others.

use std::collections::HashMap;

use carerecord_clinical::{Absence, absence};
use carerecord_fhir::{ElementRelation, ElementRelationKind, system_of_scheme};
use carerecord_model::{Assertion, Concept, DataElement, ElementKind};

use super::Element;

/// For each element, in their order, those that it goes together with.
pub(crate) fn relations(elements: &[Element]) -> Vec<Vec<ElementRelation>> {
    let mut related: Vec<Vec<ElementRelation>> = elements.iter().map(|_| Vec::new()).collect();
    let mut groups: HashMap<(ElementKind, String), Vec<usize>> = HashMap::new();
    for (at, element) in elements.iter().enumerate() {
        for key in keys(&element.element) {
            groups.entry((element.element.kind, key)).or_default().push(at);
        }
    }
    for group in groups.values() {
        for at in group {
            for other in group.iter().filter(|other| *other != at).take(MOST_COMPARED) {
                relate(elements, *at, *other, &mut related);
            }
        }
    }
    none_known(elements, &mut related);
    related
}

fn relate(elements: &[Element], at: usize, with: usize, related: &mut [Vec<ElementRelation>]) {
    let (Some(one), Some(other)) = (elements.get(at), elements.get(with)) else { return };
    let kind = if agree(&one.element, &other.element) {
        ElementRelationKind::Duplicate
    } else {
        ElementRelationKind::Conflict
    };
    note(elements, at, with, kind, related);
}

fn note(
    elements: &[Element],
    at: usize,
    with: usize,
    kind: ElementRelationKind,
    related: &mut [Vec<ElementRelation>],
) {
    let (Some(other), Some(own)) = (elements.get(with), related.get_mut(at)) else { return };
    let with = format!("{}/{}", other.element.kind.resource_type(), other.id);
    // Of each kind as many: repeats do not hide what contradicts.
    let same = own.iter().filter(|relation| relation.kind == kind).count();
    if same < MOST && !own.iter().any(|relation| relation.with == with) {
        own.push(ElementRelation { kind, with });
    }
}

/// "None known" contradicts everything of its kind that is there.
fn none_known(elements: &[Element], related: &mut [Vec<ElementRelation>]) {
    for kind in ElementKind::ALL {
        let of_kind = || elements.iter().enumerate().filter(move |(_, e)| e.element.kind == kind);
        let none = of_kind().filter(|(_, e)| says_none(&e.element)).map(|(at, _)| at);
        let none: Vec<usize> = none.take(MOST).collect();
        if none.is_empty() {
            continue;
        }
        let there = of_kind().filter(|(_, e)| e.element.assertion == Assertion::Present);
        for (at, _) in there {
            for none in &none {
                note(elements, at, *none, ElementRelationKind::Conflict, related);
                note(elements, *none, at, ElementRelationKind::Conflict, related);
            }
        }
    }
}

/// Whether an element says that there is nothing at all of its kind.
fn says_none(element: &DataElement) -> bool {
    let mut codes = element.concept.codings.iter().map(|coding| coding.code.as_str());
    element.assertion == Assertion::Absent
        && codes.any(|code| absence(code) == Some(Absence::Everything))
}

/// What elements that go together share: the concept, by any of its codes or by its words; of what is
/// measured or done at a time also the time.
fn keys(element: &DataElement) -> Vec<String> {
    let at = match element.kind {
        ElementKind::AllergyIntolerance
        | ElementKind::Condition
        | ElementKind::MedicationStatement
        | ElementKind::MedicationRequest => String::new(),
        ElementKind::Immunization | ElementKind::Observation | ElementKind::Encounter => {
            // Two days apart it is another one; without a time nothing is known.
            let Some(start) = &element.start else { return Vec::new() };
            start.as_str().to_owned()
        }
    };
    concept_keys(&element.concept).into_iter().map(|key| format!("{at} {key}")).collect()
}

fn concept_keys(concept: &Concept) -> Vec<String> {
    let coded = |coding: &carerecord_model::ConceptCoding| {
        let system = coding.system.as_deref().map(system_of_scheme).unwrap_or_default();
        format!("{system}|{}", coding.code)
    };
    let mut keys: Vec<String> = concept.codings.iter().map(coded).collect();
    if keys.is_empty() {
        keys.extend(concept.words().map(str::to_lowercase));
    }
    keys
}

/// Whether two elements of one concept state the same. What one of them leaves open is no
/// contradiction.
fn agree(one: &DataElement, other: &DataElement) -> bool {
    fn same<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
        one.zip(other).is_none_or(|(one, other)| one == other)
    }
    one.assertion == other.assertion
        && same(one.status.as_ref(), other.status.as_ref())
        && same(one.verification.as_ref(), other.verification.as_ref())
        && same(one.criticality.as_ref(), other.criticality.as_ref())
        && same(one.value.as_ref(), other.value.as_ref())
        && same(one.dosage.as_ref(), other.dosage.as_ref())
}

/// Of one element and of each kind.
const MOST: usize = 10;
/// With how many of one concept each is compared.
const MOST_COMPARED: usize = 500;
