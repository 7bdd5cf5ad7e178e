//! One resource of each type as an element.

use carerecord_model::{Assertion, Concept, ConceptCoding, DataElement, ElementKind};
use serde_json::Value;

use super::values::{
    code, components, concept, concepts, identifiers, line, of_concept, period, range, scalar,
    time, value,
};
use crate::elements::MAX_CODINGS;
use crate::elements::none_known::assertion_of;
use crate::fhir::{Bundle, first, items};
use crate::header::clean;

/// The element that a resource is; `None` for one that says nothing.
pub(super) fn element<'v>(
    bundle: &Bundle<'v>,
    kind: ElementKind,
    resource: &'v Value,
) -> Option<DataElement> {
    let about = match kind {
        ElementKind::AllergyIntolerance => {
            let own = concept(resource, "code");
            own.or_else(|| items(resource, "reaction").find_map(|r| concept(r, "substance")))
        }
        ElementKind::Condition | ElementKind::Observation => concept(resource, "code"),
        ElementKind::MedicationStatement | ElementKind::MedicationRequest => {
            medication(bundle, resource)
        }
        ElementKind::Immunization => concept(resource, "vaccineCode"),
        ElementKind::Encounter => encounter(resource),
    };
    let mut element = blank(kind, resource, about.unwrap_or_default());
    match kind {
        ElementKind::AllergyIntolerance => allergy(resource, &mut element),
        ElementKind::Condition => condition(resource, &mut element),
        ElementKind::MedicationStatement => statement(resource, &mut element),
        ElementKind::MedicationRequest => request(resource, &mut element),
        ElementKind::Immunization => immunization(resource, &mut element),
        ElementKind::Observation => observation(resource, &mut element),
        ElementKind::Encounter => {
            (element.start, element.end) = period(resource, &["period"]);
        }
    }
    let timed = element.start.is_some() || element.end.is_some();
    let says = !element.concept.is_empty() || kind == ElementKind::Encounter && timed;
    says.then_some(element)
}

fn blank(kind: ElementKind, resource: &Value, concept: Concept) -> DataElement {
    DataElement {
        kind,
        assertion: assertion_of(&concept),
        concept,
        identifiers: identifiers(resource),
        status: line(resource, "status"),
        verification: None,
        categories: Vec::new(),
        start: None,
        end: None,
        recorded: time(resource, "recordedDate").or_else(|| time(resource, "assertedDate")),
        value: None,
        components: Vec::new(),
        interpretations: Vec::new(),
        reference_range: None,
        reactions: Vec::new(),
        criticality: None,
        severity: None,
        dosage: None,
        labels: Vec::new(),
        section: None,
    }
}

fn allergy(resource: &Value, element: &mut DataElement) {
    clinical(resource, element);
    element.criticality = line(resource, "criticality");
    let codes = items(resource, "category").filter_map(Value::as_str).filter_map(clean);
    let coding = |code| ConceptCoding { system: None, code, display: None };
    let category = |code| Concept { codings: vec![coding(code)], text: None };
    element.categories = codes.take(MAX_CODINGS).map(category).collect();
    (element.start, element.end) = period(resource, &["onsetDateTime", "onsetPeriod"]);
    let reactions = || items(resource, "reaction").take(MAX_CODINGS);
    element.reactions =
        reactions().flat_map(|r| concepts(r, "manifestation")).take(MAX_CODINGS).collect();
    let severity = reactions().find_map(|reaction| line(reaction, "severity"));
    element.severity = severity.map(|text| Concept { codings: Vec::new(), text: Some(text) });
}

fn condition(resource: &Value, element: &mut DataElement) {
    clinical(resource, element);
    element.categories = concepts(resource, "category");
    element.severity = concept(resource, "severity");
    let onset = ["onsetDateTime", "onsetPeriod"];
    element.start = period(resource, &onset).0;
    let (from, until) = period(resource, &["abatementDateTime", "abatementPeriod"]);
    element.end = until.or(from);
}

/// What allergies and conditions share.
fn clinical(resource: &Value, element: &mut DataElement) {
    element.status = code(resource, "clinicalStatus");
    element.verification = code(resource, "verificationStatus");
    if element.verification.as_deref() == Some("refuted") {
        element.assertion = Assertion::Absent;
    }
}

fn statement(resource: &Value, element: &mut DataElement) {
    (element.start, element.end) = period(resource, &["effectiveDateTime", "effectivePeriod"]);
    element.recorded = time(resource, "dateAsserted");
    element.categories = concepts(resource, "category");
    element.dosage = dosage(resource, "dosage");
    // STU3 says by `taken` what R4 says by the status.
    let untaken = line(resource, "taken").as_deref() == Some("n");
    if untaken || element.status.as_deref() == Some("not-taken") {
        element.assertion = Assertion::Absent;
        element.status = Some("not-taken".to_owned());
    }
}

fn request(resource: &Value, element: &mut DataElement) {
    element.recorded = time(resource, "authoredOn");
    element.start.clone_from(&element.recorded);
    element.categories = concepts(resource, "category");
    element.dosage = dosage(resource, "dosageInstruction");
    if scalar(resource, "doNotPerform").as_deref() == Some("true") {
        element.assertion = Assertion::Absent;
    }
}

fn immunization(resource: &Value, element: &mut DataElement) {
    (element.start, element.end) = period(resource, &["occurrenceDateTime", "date"]);
    element.recorded = time(resource, "recorded");
    let not_given = scalar(resource, "notGiven").as_deref() == Some("true");
    if not_given || element.status.as_deref() == Some("not-done") {
        element.assertion = Assertion::Absent;
        element.status = Some("not-done".to_owned());
    }
}

fn observation(resource: &Value, element: &mut DataElement) {
    let times = ["effectiveDateTime", "effectivePeriod", "effectiveInstant"];
    (element.start, element.end) = period(resource, &times);
    element.recorded = time(resource, "issued");
    element.categories = concepts(resource, "category");
    element.value = value(resource);
    element.components = components(resource);
    element.interpretations = concepts(resource, "interpretation");
    element.reference_range = first(resource, "referenceRange")
        .and_then(|normal| line(normal, "text").or_else(|| range(normal)));
}

/// The medicine: named in place, or by what it refers to.
fn medication<'v>(bundle: &Bundle<'v>, resource: &'v Value) -> Option<Concept> {
    if let Some(own) = concept(resource, "medicationCodeableConcept") {
        return Some(own);
    }
    let reference = first(resource, "medicationReference")?;
    let named = bundle.resolve(resource, reference).and_then(|m| concept(m, "code"));
    let words = || {
        let text = Some(line(reference, "display")?);
        Some(Concept { codings: Vec::new(), text })
    };
    named.or_else(words)
}

fn dosage(resource: &Value, name: &str) -> Option<String> {
    let texts = items(resource, name)
        .take(MAX_CODINGS)
        .filter_map(|d| line(d, "text").or_else(|| line(d, "patientInstruction")));
    let all: Vec<String> = texts.collect();
    clean(&all.join("; "))
}

/// The kind of an encounter; without one its class.
fn encounter(resource: &Value) -> Option<Concept> {
    let kind = ["type", "serviceType", "reasonCode"].into_iter();
    kind.filter_map(|name| concept(resource, name)).next().or_else(|| {
        let class = first(resource, "class")?;
        let wrapped = serde_json::json!({"coding": [class]});
        Some(of_concept(&wrapped)).filter(|concept| !concept.is_empty())
    })
}
