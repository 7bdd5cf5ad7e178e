//! The elements of each resource type, as far as R4 has codes for what documents say. A code that R4
//! does not know is left out.

use carerecord_model::{Assertion, Concept, DataElement, ElementKind};
use serde_json::{Value, json};

use super::ELEMENT_NEGATED;
use super::values::{absent, code, concept, concepts, period, set_times, set_value, text};
use crate::date_time;
use crate::tree::Object;

/// Fills a resource in.
pub(super) fn fill<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    match element.kind {
        ElementKind::AllergyIntolerance => allergy(element, patient, resource),
        ElementKind::Condition => condition(element, patient, resource),
        ElementKind::MedicationStatement => statement(element, patient, resource),
        ElementKind::MedicationRequest => request(element, patient, resource),
        ElementKind::Immunization => immunization(element, patient, resource),
        ElementKind::Observation => observation(element, patient, resource),
        ElementKind::Encounter => encounter(element, patient, resource),
    }
}

/// The status when R4 has it for the type, else what stands for none.
fn status<'e>(element: &'e DataElement, known: &[&str], otherwise: &'static str) -> &'e str {
    element.status.as_deref().filter(|status| known.contains(status)).unwrap_or(otherwise)
}

fn recorded(element: &DataElement) -> Option<String> {
    element.recorded.as_ref().map(date_time)
}

fn allergy<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    let verification = verification(element, &ALLERGY_VERIFICATION);
    let status = element.status.as_deref().filter(|s| ALLERGY_STATUS.contains(s));
    // R4 wants a status unless it is an error: ait-1, ait-2.
    if verification != Some("entered-in-error") {
        let status = status.map_or_else(absent, |status| code(ALLERGY_CLINICAL, status));
        resource.set("clinicalStatus", status);
    }
    if let Some(verification) = verification {
        resource.set("verificationStatus", code(ALLERGY_VERIFIED, verification));
    }
    let codes = element.categories.iter().flat_map(|category| &category.codings);
    let codes = codes.map(|coding| coding.code.as_str()).filter(|c| ALLERGY_CATEGORY.contains(c));
    resource.set("category", codes.collect::<Vec<_>>());
    let criticality = element.criticality.as_deref().filter(|c| CRITICALITY.contains(c));
    resource.set("criticality", criticality);
    resource.set("code", about(&element.concept));
    resource.set("patient", patient);
    resource.set("onsetDateTime", element.start.as_ref().map(date_time));
    resource.set("recordedDate", recorded(element));
    if !element.reactions.is_empty() {
        let mut reaction = Object::new().with("manifestation", concepts(&element.reactions));
        let severity = element.severity.as_ref().and_then(Concept::words);
        let severity = severity.map(str::to_lowercase);
        reaction.set("severity", severity.filter(|s| SEVERITY.contains(&s.as_str())));
        resource.set("reaction", vec![reaction]);
    }
}

fn condition<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    let verification = verification(element, &CONDITION_VERIFICATION);
    let status = element.status.as_deref().filter(|s| CONDITION_STATUS.contains(s));
    // R4: con-5.
    let status = status.filter(|_| verification != Some("entered-in-error"));
    if let Some(status) = status {
        resource.set("clinicalStatus", code(CONDITION_CLINICAL, status));
    }
    if let Some(verification) = verification {
        resource.set("verificationStatus", code(CONDITION_VERIFIED, verification));
    }
    resource.set("category", concepts(&element.categories));
    resource.set("severity", element.severity.as_ref().map(concept));
    resource.set("code", about(&element.concept));
    resource.set("subject", patient);
    resource.set("onsetDateTime", element.start.as_ref().map(date_time));
    resource.set("recordedDate", recorded(element));
    let Some(end) = element.end.as_ref().map(date_time) else { return };
    if status.is_some_and(|status| ["active", "recurrence", "relapse"].contains(&status)) {
        // R4 does not let what is there have an end (con-4): it is told in words.
        let words = format!("The document also gives an end: {end}.");
        resource.set("note", json!([{"text": words}]));
    } else {
        resource.set("abatementDateTime", end);
    }
}

fn statement<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    resource.set("status", status(element, &STATEMENT_STATUS, "unknown"));
    if let Some(category) = element.categories.first() {
        resource.set("category", concept(category));
    }
    resource.set("medicationCodeableConcept", about(&element.concept));
    resource.set("subject", patient);
    let (start, end) = (element.start.as_ref(), element.end.as_ref());
    set_times(resource, ("effectiveDateTime", "effectivePeriod"), start, end);
    resource.set("dateAsserted", recorded(element));
    resource.set("dosage", element.dosage.as_deref().map(|words| vec![text(words)]));
}

fn request<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    resource.set("status", status(element, &REQUEST_STATUS, "unknown"));
    resource.set("intent", "order");
    resource.set("category", concepts(&element.categories));
    if element.assertion == Assertion::Absent && !is_none_known(element) {
        resource.set("doNotPerform", true);
    }
    resource.set("medicationCodeableConcept", about(&element.concept));
    resource.set("subject", patient);
    resource.set("authoredOn", recorded(element));
    resource.set("dosageInstruction", element.dosage.as_deref().map(|words| vec![text(words)]));
    let valid = period(element.start.as_ref(), element.end.as_ref());
    let dispense = Object::new().with("validityPeriod", valid);
    resource.set("dispenseRequest", dispense);
}

/// What a code itself says is not there needs no second no.
fn is_none_known(element: &DataElement) -> bool {
    let code = |c: &carerecord_model::ConceptCoding| {
        c.code.starts_with("no-") || NONE.contains(&c.code.as_str())
    };
    element.concept.codings.iter().any(code)
}

fn immunization<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    let absent_status =
        if element.assertion == Assertion::Absent { "not-done" } else { "completed" };
    resource.set("status", status(element, &IMMUNIZATION_STATUS, absent_status));
    resource.set("vaccineCode", about(&element.concept));
    resource.set("patient", patient);
    match element.start.as_ref().or(element.end.as_ref()) {
        Some(time) => resource.set("occurrenceDateTime", date_time(time)),
        None => resource.set("occurrenceString", "The document does not say when."),
    }
    resource.set("recorded", recorded(element));
}

fn observation<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    if element.assertion == Assertion::Absent {
        // R4 has no other place for it; who does not know it must not read on.
        resource.set("modifierExtension", json!([{"url": ELEMENT_NEGATED, "valueBoolean": true}]));
    }
    resource.set("status", status(element, &OBSERVATION_STATUS, "unknown"));
    resource.set("category", concepts(&element.categories));
    resource.set("code", about(&element.concept));
    resource.set("subject", patient);
    let (start, end) = (element.start.as_ref(), element.end.as_ref());
    set_times(resource, ("effectiveDateTime", "effectivePeriod"), start, end);
    // An instant is one to the second.
    let issued = element.recorded.as_ref().filter(|time| time.as_str().len() == 14);
    resource.set("issued", issued.map(date_time));
    if let Some(value) = &element.value {
        set_value(resource, value);
    }
    resource.set("interpretation", concepts(&element.interpretations));
    let range = element.reference_range.as_deref();
    resource.set("referenceRange", range.map(|words| vec![text(words)]));
    let components = element.components.iter().map(|component| {
        let mut object = Object::new().with("code", about(&component.concept));
        set_value(&mut object, &component.value);
        object
    });
    resource.set("component", components.collect::<Vec<_>>());
}

fn encounter<'e>(element: &'e DataElement, patient: Object<'e>, resource: &mut Object<'e>) {
    resource.set("status", status(element, &ENCOUNTER_STATUS, "unknown"));
    // Documents tell the type; R4 wants a class.
    let class = json!({
        "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK",
    });
    resource.set("class", class);
    if !element.concept.is_empty() {
        resource.set("type", vec![concept(&element.concept)]);
    }
    resource.set("subject", patient);
    resource.set("period", period(element.start.as_ref(), element.end.as_ref()));
}

fn verification<'e>(element: &'e DataElement, known: &[&str]) -> Option<&'e str> {
    element.verification.as_deref().filter(|code| known.contains(code))
}

/// What an element is about; never nothing, where R4 wants something.
fn about(found: &Concept) -> Value {
    if found.is_empty() { absent() } else { concept(found) }
}

const ALLERGY_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
const ALLERGY_VERIFIED: &str =
    "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
const CONDITION_CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/condition-clinical";
const CONDITION_VERIFIED: &str = "http://terminology.hl7.org/CodeSystem/condition-ver-status";

const ALLERGY_STATUS: [&str; 3] = ["active", "inactive", "resolved"];
const ALLERGY_VERIFICATION: [&str; 4] = ["unconfirmed", "confirmed", "refuted", "entered-in-error"];
const ALLERGY_CATEGORY: [&str; 4] = ["food", "medication", "environment", "biologic"];
const CRITICALITY: [&str; 3] = ["low", "high", "unable-to-assess"];
const SEVERITY: [&str; 3] = ["mild", "moderate", "severe"];
const CONDITION_STATUS: [&str; 6] =
    ["active", "recurrence", "relapse", "inactive", "remission", "resolved"];
const CONDITION_VERIFICATION: [&str; 6] =
    ["unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"];
const STATEMENT_STATUS: [&str; 8] = [
    "active",
    "completed",
    "entered-in-error",
    "intended",
    "stopped",
    "on-hold",
    "unknown",
    "not-taken",
];
const REQUEST_STATUS: [&str; 8] = [
    "active",
    "on-hold",
    "cancelled",
    "completed",
    "entered-in-error",
    "stopped",
    "draft",
    "unknown",
];
const IMMUNIZATION_STATUS: [&str; 3] = ["completed", "entered-in-error", "not-done"];
const OBSERVATION_STATUS: [&str; 8] = [
    "registered",
    "preliminary",
    "final",
    "amended",
    "corrected",
    "cancelled",
    "entered-in-error",
    "unknown",
];
const ENCOUNTER_STATUS: [&str; 9] = [
    "planned",
    "arrived",
    "triaged",
    "in-progress",
    "onleave",
    "finished",
    "cancelled",
    "entered-in-error",
    "unknown",
];
/// No known medications; no drug therapy prescribed.
const NONE: [&str; 2] = ["787481004", "182849000"];
