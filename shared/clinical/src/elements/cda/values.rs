//! Datatypes of CDA: concepts, times, quantities, ids, and texts of the narrative.

use std::collections::HashMap;

use carerecord_model::{
    Assertion, Concept, DataElement, Dtm, ElementIdentifier, ElementKind, ElementValue,
};
use carerecord_xml::{ElementRef, NodeRef};

use super::Within;
use crate::elements::{MAX_CODINGS, concept_coding, tidy};
use crate::header::{cda_coding, clean};
use crate::time::from_hl7;

/// Pieces of narrative by the ID that entries refer to.
pub(super) struct Texts<'d>(HashMap<&'d str, ElementRef<'d>>);

impl<'d> Texts<'d> {
    /// The tree limits how many there are.
    pub(super) fn of(document: ElementRef<'d>) -> Self {
        let mut all = HashMap::new();
        for element in document.descendants() {
            if let Some(id) = element.attr("ID") {
                all.entry(id).or_insert(element);
            }
        }
        Self(all)
    }

    /// The words of an `ED` or of `originalText`: its own, or those that it refers to.
    pub(super) fn words(&self, text: ElementRef<'d>) -> Option<String> {
        let own = short(text);
        if own.is_some() {
            return own;
        }
        let reference = text.child("reference")?.attr("value")?;
        self.0.get(reference.trim().strip_prefix('#')?).and_then(|place| short(*place))
    }

    /// A `CD` with its translations and what the author wrote. Empty when it says nothing.
    pub(super) fn concept(&self, cd: ElementRef<'d>) -> Concept {
        let translations = cd.all("translation").take(MAX_CODINGS).filter_map(cda_coding);
        let codings = cda_coding(cd).into_iter().chain(translations).map(concept_coding);
        let text = cd.child("originalText").and_then(|text| self.words(text));
        tidy(Concept { codings: codings.collect(), text })
    }

    /// The value of an observation, whatever its type.
    pub(super) fn value(&self, value: ElementRef<'d>) -> Option<ElementValue> {
        let concept = self.concept(value);
        if !concept.is_empty() {
            return Some(ElementValue::Concept(concept));
        }
        if let Some(range) = range(value) {
            return Some(ElementValue::Text(range));
        }
        let Some(given) = value.attr("value").and_then(clean) else {
            return self.words(value).map(ElementValue::Text);
        };
        let kind = value.attr_ns(XSI, "type").unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default();
        if kind != "TS" && is_decimal(&given) {
            // `1` is what UCUM calls no unit.
            let unit = value.attr("unit").and_then(clean).filter(|unit| unit != "1");
            return Some(ElementValue::Quantity { value: given, comparator: None, unit });
        }
        let unit = value.attr("unit").and_then(clean).unwrap_or_default();
        Some(ElementValue::Text(format!("{given} {unit}").trim_end().to_owned()))
    }
}

impl<'d> Within<'_, 'd> {
    /// An element out of a statement, with what all kinds have.
    pub(super) fn element(
        &self,
        kind: ElementKind,
        statement: ElementRef<'d>,
        concept: Concept,
    ) -> DataElement {
        let (start, end) = statement.child("effectiveTime").map(period).unwrap_or_default();
        DataElement {
            kind,
            concept,
            assertion: Assertion::Present,
            identifiers: statement.all("id").filter_map(identifier).take(MAX_CODINGS).collect(),
            status: None,
            verification: None,
            categories: Vec::new(),
            start,
            end,
            recorded: statement
                .all("author")
                .find_map(|author| author.child("time"))
                .and_then(|time| time.attr("value"))
                .and_then(from_hl7),
            value: None,
            components: Vec::new(),
            interpretations: Vec::new(),
            reference_range: None,
            reactions: Vec::new(),
            criticality: None,
            severity: None,
            dosage: None,
            labels: self.labels.clone(),
            section: Some(self.section.clone()),
        }
    }
}

/// What stands for a statement that was entered in error.
pub(super) fn is_nullified(statement: ElementRef<'_>) -> bool {
    status(statement) == Some("nullified")
}

pub(super) fn status<'d>(statement: ElementRef<'d>) -> Option<&'d str> {
    statement.child("statusCode")?.attr("code")
}

/// Begin and end of a `TS` or `IVL_TS`: a point in time begins and has no end.
pub(super) fn period(time: ElementRef<'_>) -> (Option<Dtm>, Option<Dtm>) {
    let at = |element: ElementRef<'_>| element.attr("value").and_then(from_hl7);
    let start = time.child("low").and_then(at).or_else(|| at(time));
    let start = start.or_else(|| time.child("center").and_then(at));
    (start, time.child("high").and_then(at))
}

/// Observations that say something of a statement, with how they do.
pub(super) fn related<'d>(
    statement: ElementRef<'d>,
) -> impl Iterator<Item = (&'d str, ElementRef<'d>)> {
    statement.all("entryRelationship").flat_map(|relation| {
        let kind = relation.attr("typeCode").unwrap_or_default();
        relation.all("observation").map(move |observation| (kind, observation))
    })
}

/// The value of the observation of a code that says something of a statement.
pub(super) fn said<'d>(statement: ElementRef<'d>, codes: &[&str]) -> Option<ElementRef<'d>> {
    let is = |observation: ElementRef<'d>| {
        let code = observation.child("code").and_then(|code| code.attr("code"));
        code.is_some_and(|code| codes.contains(&code))
    };
    related(statement).find(|(_, observation)| is(*observation))?.1.child("value")
}

fn identifier(id: ElementRef<'_>) -> Option<ElementIdentifier> {
    let value = id.attr("extension").and_then(clean);
    Some(ElementIdentifier { system: id.attr("root").and_then(clean)?, value })
}

/// `IVL_PQ` in words.
pub(super) fn range(value: ElementRef<'_>) -> Option<String> {
    let side = |name: &str| {
        let side = value.child(name)?;
        let number = side.attr("value").and_then(clean)?;
        let unit = side.attr("unit").and_then(clean).filter(|unit| unit != "1");
        Some((number, unit))
    };
    let unit = |unit: Option<String>| unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    Some(match (side("low"), side("high")) {
        (Some((low, other)), Some((high, own))) => {
            format!("{low} to {high}{}", unit(own.or(other)))
        }
        (Some((low, own)), None) => format!("from {low}{}", unit(own)),
        (None, Some((high, own))) => format!("up to {high}{}", unit(own)),
        (None, None) => return None,
    })
}

/// What a FHIR decimal can hold.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let shaped = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    shaped && digits.len() <= MAX_DIGITS && digits.parse::<f64>().is_ok()
}

/// The text of an element as one line; of a long one its beginning. Many entries can refer to one
/// long text, so that little of it is looked at each time.
pub(super) fn short(element: ElementRef<'_>) -> Option<String> {
    let (mut text, mut left) = (String::new(), MAX_NODES);
    collect(element, &mut text, &mut left);
    clean(&text)
}

/// The tree's depth limits the recursion.
fn collect(element: ElementRef<'_>, text: &mut String, left: &mut usize) {
    for node in element.nodes() {
        if *left == 0 || text.len() > MAX_TEXT {
            return;
        }
        *left -= 1;
        match node {
            NodeRef::Text(piece) => text.extend(piece.chars().take(MAX_TEXT)),
            NodeRef::Element(child) => {
                text.push(' ');
                collect(child, text, left);
                text.push(' ');
            }
        }
    }
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const MAX_NODES: usize = 500;
/// In characters; more than a line keeps.
const MAX_TEXT: usize = 2_000;
const MAX_DIGITS: usize = 18;
