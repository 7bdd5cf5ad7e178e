use carerecord_model::{Assertion, Concept, ConceptCoding, ElementKind};
use carerecord_xml::ElementRef;

use super::values::{period, range, short, status};
use super::{Within, is_event, is_negated, is_null};
use crate::elements::{Found, MAX_CODINGS};

impl<'d> Within<'_, 'd> {
    /// Results of an entry: of organizers, of acts with organizers (IHE laboratory), or one by
    /// itself. The tree's depth limits the recursion.
    pub(super) fn observations(
        &self,
        statement: ElementRef<'d>,
        category: &'static str,
        found: &mut Found,
    ) {
        match statement.local() {
            "observation" => self.observation(statement, None, category, found),
            "organizer" => {
                for inside in statement.all("component").flat_map(ElementRef::children) {
                    if inside.local() == "observation" {
                        self.observation(inside, Some(statement), category, found);
                    } else if inside.ns() == statement.ns() {
                        self.observations(inside, category, found);
                    }
                }
            }
            "act" => {
                for inside in statement.all("entryRelationship").flat_map(ElementRef::children) {
                    if inside.ns() == statement.ns() && inside.local() == "organizer" {
                        self.observations(inside, category, found);
                    }
                }
            }
            _ => {}
        }
    }

    fn observation(
        &self,
        observation: ElementRef<'d>,
        organizer: Option<ElementRef<'d>>,
        category: &'static str,
        found: &mut Found,
    ) {
        let concept = observation.child("code").map(|code| self.texts.concept(code));
        let mut concept = concept.unwrap_or_default();
        if concept.is_empty() {
            concept.text = observation.child("text").and_then(|text| self.texts.words(text));
        }
        if is_null(observation) || !is_event(observation) || concept.is_empty() {
            return found.leave_out();
        }
        let mut element = self.element(ElementKind::Observation, observation, concept);
        if is_negated(observation) {
            element.assertion = Assertion::Absent;
        }
        if element.start.is_none() && element.end.is_none() {
            let time = organizer.and_then(|organizer| organizer.child("effectiveTime"));
            (element.start, element.end) = time.map(period).unwrap_or_default();
        }
        element.value = observation.child("value").and_then(|value| self.texts.value(value));
        let interpretations = observation.all("interpretationCode").take(MAX_CODINGS);
        element.interpretations = interpretations
            .map(|code| self.texts.concept(code))
            .filter(|concept| !concept.is_empty())
            .collect();
        let normal = observation.at(&["referenceRange", "observationRange"]);
        element.reference_range = normal.and_then(|normal| {
            let text = normal.child("text").and_then(|text| self.texts.words(text));
            let value = || normal.child("value");
            text.or_else(|| value().and_then(range)).or_else(|| value().and_then(short))
        });
        element.status = observation_status(observation);
        element.categories = vec![category_of(category)];
        found.add(element);
    }
}

fn observation_status(observation: ElementRef<'_>) -> Option<String> {
    let status = match status(observation)? {
        "completed" => "final",
        "active" => "preliminary",
        "aborted" | "cancelled" => "cancelled",
        "nullified" => "entered-in-error",
        _ => return None,
    };
    Some(status.to_owned())
}

fn category_of(code: &str) -> Concept {
    let coding = ConceptCoding {
        system: Some("http://terminology.hl7.org/CodeSystem/observation-category".to_owned()),
        code: code.to_owned(),
        display: None,
    };
    Concept { codings: vec![coding], text: None }
}
