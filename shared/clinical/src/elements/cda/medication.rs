use carerecord_model::{Assertion, Concept, DataElement, ElementKind};
use carerecord_xml::ElementRef;

use super::values::{period, range, status};
use super::{Within, is_event, is_negated, is_null};
use crate::elements::Found;
use crate::elements::none_known::assertion_of;
use crate::header::clean;

impl<'d> Within<'_, 'd> {
    /// Medicines of an entry, or of the act that holds it. Those inside a medicine are parts of its
    /// course, and stand in its text.
    pub(super) fn medications(&self, statement: ElementRef<'d>, found: &mut Found) {
        for administration in administrations(statement) {
            if is_null(administration) {
                found.leave_out();
                continue;
            }
            let kind = match administration.attr("moodCode") {
                None | Some("EVN") => ElementKind::MedicationStatement,
                Some("INT" | "RQO") => ElementKind::MedicationRequest,
                Some(_) => {
                    found.leave_out();
                    continue;
                }
            };
            self.medication(kind, administration, found);
        }
    }

    fn medication(&self, kind: ElementKind, administration: ElementRef<'d>, found: &mut Found) {
        let mut concept = self.product(administration);
        if concept.is_empty() {
            // "No known medications" stands where the act is named.
            let code = administration.child("code").map(|code| self.texts.concept(code));
            concept = code.filter(|c| assertion_of(c) != Assertion::Present).unwrap_or_default();
        }
        let negated = is_negated(administration);
        let text = administration.child("text").and_then(|text| self.texts.words(text));
        if concept.is_empty() {
            match text.clone().filter(|_| !negated) {
                Some(text) => concept.text = Some(text),
                None => return found.leave_out(),
            }
        }
        let mut element = self.element(kind, administration, concept);
        let own = administration.child("code").map(|code| self.texts.concept(code));
        element.assertion = match own.map(|own| assertion_of(&own)) {
            Some(said @ (Assertion::Absent | Assertion::NoInformation)) => said,
            Some(Assertion::Present) | None => assertion_of(&element.concept),
        };
        if negated {
            element.assertion = Assertion::Absent;
        }
        times(administration, &mut element);
        element.status = medication_status(kind, administration, &element);
        let taken_none = negated && assertion_of(&element.concept) == Assertion::Present;
        if taken_none && kind == ElementKind::MedicationStatement {
            element.status = Some("not-taken".to_owned());
        }
        let words = element.concept.words();
        element.dosage = text.filter(|text| Some(text.as_str()) != words);
        element.dosage = element.dosage.or_else(|| dose(administration));
        found.add(element);
    }

    /// Immunisations of an entry; those that are only planned are none.
    pub(super) fn immunizations(&self, statement: ElementRef<'d>, found: &mut Found) {
        for administration in administrations(statement) {
            if is_null(administration) || !is_event(administration) {
                found.leave_out();
                continue;
            }
            let mut concept = self.product(administration);
            if concept.is_empty() {
                let code = administration.child("code").map(|code| self.texts.concept(code));
                let code = code.filter(|c| assertion_of(c) != Assertion::Present);
                concept = code.unwrap_or_default();
            }
            if concept.is_empty() {
                found.leave_out();
                continue;
            }
            let mut element = self.element(ElementKind::Immunization, administration, concept);
            element.assertion = assertion_of(&element.concept);
            times(administration, &mut element);
            if is_negated(administration) {
                element.assertion = Assertion::Absent;
            }
            element.status = match (element.assertion, status(administration)) {
                (_, Some("nullified")) => Some("entered-in-error".to_owned()),
                (Assertion::Absent, _) | (_, Some("cancelled" | "aborted")) => {
                    element.assertion = Assertion::Absent;
                    Some("not-done".to_owned())
                }
                (_, Some("completed")) => Some("completed".to_owned()),
                _ => None,
            };
            found.add(element);
        }
    }

    /// The medicine or vaccine.
    fn product(&self, administration: ElementRef<'d>) -> Concept {
        let path = ["consumable", "manufacturedProduct"];
        let Some(product) = administration.at(&path) else { return Concept::default() };
        let material = product.child("manufacturedMaterial");
        let material = material.or_else(|| product.child("manufacturedLabeledDrug"));
        let Some(material) = material else { return Concept::default() };
        let mut concept =
            material.child("code").map(|code| self.texts.concept(code)).unwrap_or_default();
        let name = material.child("name").and_then(|name| clean(&name.text()));
        if let Some(name) = name {
            let substance = if concept.codings.is_empty() { ingredient(material) } else { None };
            concept.text = Some(match substance {
                Some(substance) => format!("{name} ({substance})"),
                None => name,
            });
        }
        concept
    }
}

fn administrations<'d>(statement: ElementRef<'d>) -> Vec<ElementRef<'d>> {
    match statement.local() {
        "substanceAdministration" => vec![statement],
        "act" => {
            let relations = statement.all("entryRelationship");
            relations.flat_map(|relation| relation.all("substanceAdministration")).collect()
        }
        _ => Vec::new(),
    }
}

/// Of several times the first that is a period is when; the others are how often.
fn times(administration: ElementRef<'_>, element: &mut DataElement) {
    let all = administration.all("effectiveTime").filter(|time| time.attr("operator") != Some("A"));
    let found = all.map(period).find(|(start, end)| start.is_some() || end.is_some());
    (element.start, element.end) = found.unwrap_or_default();
}

/// Many systems call every medicine completed that they have written down: only with an end is it.
fn medication_status(
    kind: ElementKind,
    administration: ElementRef<'_>,
    element: &DataElement,
) -> Option<String> {
    let request = kind == ElementKind::MedicationRequest;
    let status = match status(administration)? {
        "active" => "active",
        "completed" if element.end.is_some() => "completed",
        "suspended" | "held" => "on-hold",
        "aborted" => "stopped",
        "cancelled" if request => "cancelled",
        "nullified" => "entered-in-error",
        _ => return None,
    };
    Some(status.to_owned())
}

/// eHDSI names what a medicine contains in a namespace of its own.
fn ingredient(material: ElementRef<'_>) -> Option<String> {
    let all = material.descendants().take(MAX_DESCENDANTS);
    let codes = all.filter(|e| e.ns() != material.ns() && e.local() == "code");
    codes.filter_map(|code| code.attr("displayName").and_then(clean)).next()
}

/// A dose in words, where the document has no words for it.
fn dose(administration: ElementRef<'_>) -> Option<String> {
    let dose = administration.child("doseQuantity")?;
    if let Some(range) = range(dose) {
        return Some(range);
    }
    let value = dose.attr("value").and_then(clean)?;
    let unit = dose.attr("unit").and_then(clean).filter(|unit| unit != "1");
    let route = administration.child("routeCode").and_then(|r| r.attr("displayName"));
    let parts = [Some(value), unit, route.and_then(clean)];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(" "))
}

const MAX_DESCENDANTS: usize = 200;
