//! Elements of a `ClinicalDocument`: C-CDA, IHE PCC, eHDSI and what else has their shape. A section
//! is known by its code, an entry by its class: templates are too many, and copies of documents lose
//! them.

mod allergy;
mod encounter;
mod medication;
mod observation;
mod problem;
mod values;

use carerecord_model::{ConceptCoding, ElementSection};
use carerecord_xml::ElementRef;

use super::{Found, concept_coding};
use crate::header::{cda_coding, clean};
use values::Texts;

/// Takes the elements of every section.
pub(super) fn take(document: ElementRef<'_>, found: &mut Found) {
    let texts = Texts::of(document);
    let mut place = 0;
    for body in document.all("component").filter_map(|c| c.child("structuredBody")) {
        sections(body, &texts, &[], &mut place, found);
    }
}

/// Goes through the sections in the order in which they are shown. The tree's depth limits the
/// recursion.
fn sections(
    parent: ElementRef<'_>,
    texts: &Texts<'_>,
    labels: &[ConceptCoding],
    place: &mut usize,
    found: &mut Found,
) {
    for section in parent.all("component").flat_map(|c| c.all("section")) {
        let code = section.child("code").and_then(cda_coding);
        let holds = code.as_ref().map_or(Holds::Nothing, |code| {
            let known = code.system.as_deref().is_none_or(|system| SYSTEMS.contains(&system));
            if known { Holds::by_code(&code.code) } else { Holds::Nothing }
        });
        let within = Within {
            section: ElementSection {
                place: *place,
                title: section.child("title").and_then(|t| clean(&t.text())),
                code: code.map(concept_coding),
            },
            labels: with_label(labels, section),
            texts,
        };
        *place += 1;
        for entry in section.all("entry") {
            within.entry(holds, entry, found);
        }
        sections(section, texts, &within.labels, place, found);
    }
}

/// A section's own confidentiality stands beside that of the sections around it.
fn with_label(labels: &[ConceptCoding], section: ElementRef<'_>) -> Vec<ConceptCoding> {
    let mut labels = labels.to_vec();
    let own = section.child("confidentialityCode").and_then(cda_coding).map(concept_coding);
    if let Some(own) = own.filter(|own| !labels.contains(own)) {
        labels.push(own);
    }
    labels
}

/// What the entries of a section state.
#[derive(Clone, Copy)]
enum Holds {
    Allergies,
    Problems,
    Medications,
    Immunizations,
    Results,
    VitalSigns,
    Encounters,
    Nothing,
}

impl Holds {
    fn by_code(code: &str) -> Self {
        match code {
            "48765-2" | "10155-0" | "886921000000105" => Self::Allergies,
            "11450-4" | "11348-0" | "46241-6" | "11535-2" => Self::Problems,
            "10160-0" | "10183-2" | "42346-7" | "29549-3" => Self::Medications,
            "11369-6" => Self::Immunizations,
            "30954-2" => Self::Results,
            "8716-3" => Self::VitalSigns,
            "46240-8" => Self::Encounters,
            _ => Self::Nothing,
        }
    }
}

/// Where an entry stands.
struct Within<'s, 'd> {
    section: ElementSection,
    labels: Vec<ConceptCoding>,
    texts: &'s Texts<'d>,
}

impl<'d> Within<'_, 'd> {
    fn entry(&self, holds: Holds, entry: ElementRef<'d>, found: &mut Found) {
        for statement in entry.children().filter(|child| child.ns() == entry.ns()) {
            match holds {
                Holds::Allergies => self.allergies(statement, found),
                Holds::Problems => self.problems(statement, found),
                Holds::Medications => self.medications(statement, found),
                Holds::Immunizations => self.immunizations(statement, found),
                Holds::Results => self.observations(statement, "laboratory", found),
                Holds::VitalSigns => self.observations(statement, "vital-signs", found),
                Holds::Encounters => self.encounters(statement, found),
                Holds::Nothing => {}
            }
        }
    }
}

/// Whether it says no more than that there is nothing to say.
fn is_null(statement: ElementRef<'_>) -> bool {
    statement.attr("nullFlavor").is_some()
}

fn is_negated(statement: ElementRef<'_>) -> bool {
    statement.attr("negationInd").is_some_and(|value| matches!(value.trim(), "true" | "1"))
}

fn is_event(statement: ElementRef<'_>) -> bool {
    statement.attr("moodCode").is_none_or(|mood| mood == "EVN")
}

/// The observations inside an act, or the one that stands by itself.
fn concerns<'d>(statement: ElementRef<'d>) -> Vec<ElementRef<'d>> {
    match statement.local() {
        "observation" => vec![statement],
        "act" => statement
            .all("entryRelationship")
            // What is no subject of the concern is about it: a severity, a comment.
            .filter(|relation| relation.attr("typeCode").is_none_or(|kind| kind == "SUBJ"))
            .flat_map(|relation| relation.all("observation"))
            .filter(|observation| {
                let code = observation.child("code").and_then(|code| code.attr("code"));
                code.is_none_or(|code| !ABOUT.contains(&code))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What observations say of another one: severity, criticality, status, certainty, onset age.
const ABOUT: [&str; 6] = ["SEV", "82606-5", "33999-4", "66455-7", "445518008", "11323-3"];

/// LOINC; SNOMED CT, international and UK. One that is left out is taken to be meant.
const SYSTEMS: [&str; 3] =
    ["2.16.840.1.113883.6.1", "2.16.840.1.113883.6.96", "2.16.840.1.113883.2.1.3.2.4.15"];
