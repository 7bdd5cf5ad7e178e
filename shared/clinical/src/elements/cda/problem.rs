use carerecord_model::{Assertion, Concept, ConceptCoding, ElementKind};
use carerecord_xml::ElementRef;

use super::allergy::clinical_status;
use super::values::{is_nullified, said};
use super::{Within, concerns, is_event, is_negated, is_null};
use crate::elements::Found;
use crate::elements::none_known::assertion_of;

impl<'d> Within<'_, 'd> {
    /// Problems of an entry: a concern with observations, or an observation.
    pub(super) fn problems(&self, statement: ElementRef<'d>, found: &mut Found) {
        for observation in concerns(statement) {
            if is_null(observation) || !is_event(observation) {
                found.leave_out();
                continue;
            }
            self.problem(statement, observation, found);
        }
    }

    fn problem(&self, act: ElementRef<'d>, observation: ElementRef<'d>, found: &mut Found) {
        let value = observation.all("value").map(|value| self.texts.concept(value));
        let mut concept = value.into_iter().find(|concept| !concept.is_empty()).unwrap_or_default();
        if concept.is_empty() {
            // Only in words: those of the value, which may be a reference to them, before the note.
            let mut words = ["value", "text"].into_iter().flat_map(|name| observation.all(name));
            concept.text = words.find_map(|words| self.texts.words(words));
        }
        let negated = is_negated(observation) || is_negated(act);
        // A negated "problem" says that there is none.
        let any = |code: &str| ANY_PROBLEM.contains(&code);
        if negated && concept.codings.iter().all(|coding| any(&coding.code)) {
            concept = none_known(concept.text);
        }
        if concept.is_empty() {
            found.leave_out();
            return;
        }
        let mut element = self.element(ElementKind::Condition, observation, concept);
        element.assertion = assertion_of(&element.concept);
        if negated {
            if element.assertion == Assertion::Present {
                element.verification = Some("refuted".to_owned());
            }
            element.assertion = Assertion::Absent;
        }
        element.status = clinical_status(act, observation, element.end.is_some());
        if is_nullified(act) || is_nullified(observation) {
            element.verification = Some("entered-in-error".to_owned());
        }
        let severity = said(observation, &["SEV"]).map(|value| self.texts.concept(value));
        element.severity = severity.filter(|severity| !severity.is_empty());
        element.categories.extend(self.problem_category());
        found.add(element);
    }

    fn problem_category(&self) -> Option<Concept> {
        let section = self.section.code.as_ref()?;
        let (code, display) = match section.code.as_str() {
            "46241-6" | "11535-2" => ("encounter-diagnosis", "Encounter Diagnosis"),
            _ => ("problem-list-item", "Problem List Item"),
        };
        let coding = ConceptCoding {
            system: Some("http://terminology.hl7.org/CodeSystem/condition-category".to_owned()),
            code: code.to_owned(),
            display: Some(display.to_owned()),
        };
        Some(Concept { codings: vec![coding], text: None })
    }
}

fn none_known(text: Option<String>) -> Concept {
    let coding = ConceptCoding {
        system: Some("2.16.840.1.113883.6.96".to_owned()),
        code: "160245001".to_owned(),
        display: Some("No current problems or disability".to_owned()),
    };
    Concept { codings: vec![coding], text }
}

/// Problem, disease, finding, condition.
const ANY_PROBLEM: [&str; 5] = ["55607006", "64572001", "404684003", "282291009", "418799008"];
