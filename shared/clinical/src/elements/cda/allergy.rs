use carerecord_model::{Assertion, Concept, ConceptCoding, ElementKind, ElementValue};
use carerecord_xml::ElementRef;

use super::values::{is_nullified, related, said, status};
use super::{Within, concerns, is_event, is_negated, is_null};
use crate::elements::none_known::assertion_of;
use crate::elements::{Found, MAX_CODINGS};
use crate::header::clean;

impl<'d> Within<'_, 'd> {
    /// Allergies of an entry: a concern with observations, or an observation.
    pub(super) fn allergies(&self, statement: ElementRef<'d>, found: &mut Found) {
        for observation in concerns(statement) {
            if is_null(observation) || !is_event(observation) {
                found.leave_out();
                continue;
            }
            self.allergy(statement, observation, found);
        }
    }

    fn allergy(&self, act: ElementRef<'d>, observation: ElementRef<'d>, found: &mut Found) {
        let kind = observation.child("value").map(|value| self.texts.concept(value));
        let kind = kind.unwrap_or_default();
        let substance = self.substance(observation);
        let names_it = substance.as_ref().is_some_and(|substance| !says_none(substance));
        // A value that is no kind of allergy is the substance, or says that there is none.
        let concept = match substance {
            Some(substance) => substance,
            None if is_kind(&kind) => Concept { codings: Vec::new(), text: kind.text.clone() },
            None => kind.clone(),
        };
        let mut element = self.element(ElementKind::AllergyIntolerance, observation, concept);
        element.assertion = assertion_of(&element.concept);
        if is_negated(observation) || is_negated(act) {
            let is_general = element.concept.codings.is_empty() && !names_it;
            if is_general && element.assertion == Assertion::Present {
                element.concept = none_known(&kind, element.concept.text);
            } else if element.assertion == Assertion::Present {
                element.verification = Some("refuted".to_owned());
            }
            element.assertion = Assertion::Absent;
        } else if element.concept.is_empty() {
            // Neither what somebody reacts to nor that there is nothing.
            found.leave_out();
            return;
        }
        if is_kind(&kind) {
            element.categories.extend(category(&kind));
        }
        element.status = clinical_status(act, observation, element.end.is_some());
        if is_nullified(act) || is_nullified(observation) {
            element.verification = Some("entered-in-error".to_owned());
        }
        element.reactions = related(observation)
            .filter(|(relation, _)| *relation == "MFST")
            .filter_map(|(_, reaction)| self.texts.value(reaction.child("value")?))
            .filter_map(|value| match value {
                ElementValue::Concept(concept) => Some(concept),
                ElementValue::Text(text) => {
                    Some(Concept { text: Some(text), ..Concept::default() })
                }
                ElementValue::Quantity { .. } => None,
            })
            .take(MAX_CODINGS)
            .collect();
        element.criticality = said(observation, &["82606-5"]).and_then(criticality);
        let severity = said(observation, &["SEV"]).map(|value| self.texts.concept(value));
        element.severity = severity.filter(|severity| !severity.is_empty());
        found.add(element);
    }

    /// What somebody reacts to, where it is named.
    fn substance(&self, observation: ElementRef<'d>) -> Option<Concept> {
        let consumed = observation
            .all("participant")
            .find(|participant| participant.attr("typeCode").is_none_or(|kind| kind == "CSM"))?;
        let entity = consumed.at(&["participantRole", "playingEntity"])?;
        let mut concept =
            entity.child("code").map(|code| self.texts.concept(code)).unwrap_or_default();
        if concept.text.is_none() {
            concept.text = entity.child("name").and_then(|name| clean(&name.text()));
        }
        // "Substance" is none.
        concept.codings.retain(|coding| coding.code != "105590001");
        (!concept.is_empty()).then_some(concept)
    }
}

/// Clinical status of an allergy or problem. A concern that is completed without an end may be of
/// one that is still there: then nothing is said.
pub(super) fn clinical_status(
    act: ElementRef<'_>,
    observation: ElementRef<'_>,
    ended: bool,
) -> Option<String> {
    let own = said(observation, &["33999-4"]).and_then(|value| value.attr("code"));
    let status = match (own, status(act)) {
        (Some("55561003"), _) => "active",
        (Some("73425007"), _) => "inactive",
        (Some("413322009"), _) => "resolved",
        (Some("246455001"), _) => "recurrence",
        (Some("263855007"), _) => "relapse",
        (Some("277022003"), _) => "remission",
        _ if ended => "resolved",
        (_, Some("active")) => "active",
        (_, Some("suspended" | "aborted")) => "inactive",
        _ => return None,
    };
    Some(status.to_owned())
}

fn criticality(value: ElementRef<'_>) -> Option<String> {
    let code = match value.attr("code")? {
        "CRITL" => "low",
        "CRITH" => "high",
        "CRITU" => "unable-to-assess",
        _ => return None,
    };
    Some(code.to_owned())
}

/// Whether a substance that has no code is none, in words: what else is named is what somebody does not
/// react to.
fn says_none(substance: &Concept) -> bool {
    let text = substance.text.as_deref().unwrap_or_default().to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    let is_no = |word: &str| ["no", "none", "nil", "not", "nka", "nkda"].contains(&word);
    substance.codings.is_empty() && words.any(is_no)
}

/// "No known allergy", of the kind that is meant.
fn none_known(kind: &Concept, text: Option<String>) -> Concept {
    let of = |code: &str| kind.codings.iter().any(|coding| coding.code == code);
    let (code, display) = if of("416098002") || of("419511003") || of("59037007") {
        ("409137002", "No known history of drug allergy")
    } else if of("414285001") || of("418471000") || of("235719002") {
        ("429625007", "No known food allergy")
    } else {
        ("716186003", "No known allergy")
    };
    let coding = ConceptCoding {
        system: Some(SNOMED.to_owned()),
        code: code.to_owned(),
        display: Some(display.to_owned()),
    };
    Concept { codings: vec![coding], text }
}

/// Whether a concept is a kind of allergy, and says nothing of what it is to.
fn is_kind(concept: &Concept) -> bool {
    concept.codings.iter().any(|coding| KINDS.iter().any(|(code, _)| *code == coding.code))
}

/// The FHIR category that a kind of allergy means.
fn category(kind: &Concept) -> Option<Concept> {
    let known = |code: &str| KINDS.iter().find(|(known, _)| *known == code)?.1;
    let category = kind.codings.iter().find_map(|coding| known(&coding.code))?;
    let coding = ConceptCoding { system: None, code: category.to_owned(), display: None };
    Some(Concept { codings: vec![coding], text: None })
}

const SNOMED: &str = "2.16.840.1.113883.6.96";

/// Kinds of allergy, SNOMED CT, with the FHIR category that they are.
const KINDS: [(&str, Option<&str>); 13] = [
    ("416098002", Some("medication")),
    ("419511003", Some("medication")),
    ("59037007", Some("medication")),
    ("414285001", Some("food")),
    ("418471000", Some("food")),
    ("235719002", Some("food")),
    ("426232007", Some("environment")),
    ("232347008", Some("environment")),
    ("419199007", None),
    ("420134006", None),
    ("418038007", None),
    ("282100009", None),
    ("106190000", None),
];
