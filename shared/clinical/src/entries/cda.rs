use std::collections::HashMap;

use carerecord_xml::{ElementRef, NodeRef};

use super::{CodedEntry, Collected, coded, hl7_time, joined, span, words_of_code};
use crate::header::{cda_coding, clean};

/// The texts of a document that coded entries can point to.
pub(crate) struct Texts<'t> {
    by_id: HashMap<&'t str, ElementRef<'t>>,
}

impl<'t> Texts<'t> {
    /// Looks for everything that has an ID.
    pub(crate) fn of(document: ElementRef<'t>) -> Self {
        let all = document.descendants().filter_map(|e| Some((e.attr("ID")?, e)));
        Self { by_id: all.take(MAX_IDS).collect() }
    }

    /// The coded entries of a section, not those of sections inside it.
    pub(crate) fn entries(&self, section: ElementRef<'_>, left: usize) -> Collected {
        let mut collected = Collected::new(left);
        for statement in section.all("entry").flat_map(ElementRef::children) {
            self.statement(statement, 0, &mut collected);
        }
        collected
    }

    /// A clinical statement and those inside it. The depth of the tree limits the recursion.
    fn statement(&self, statement: ElementRef<'_>, depth: usize, out: &mut Collected) {
        if out.is_cut() {
            return;
        }
        let Some((_, kind)) = KINDS.iter().find(|(local, _)| *local == statement.local()) else {
            return;
        };
        let entry = self.entry(statement, kind);
        // What only holds others is passed over: concerns (C-CDA) and acts without words.
        let shown = entry.filter(|_| !is_concern(statement));
        let depth = match shown {
            Some(entry) => {
                out.add(entry, depth);
                depth + 1
            }
            None => depth,
        };
        let inside = ["entryRelationship", "component"].into_iter();
        for inner in inside.flat_map(|name| statement.all(name)).flat_map(ElementRef::children) {
            self.statement(inner, depth, out);
        }
    }

    /// `None` for a statement that says nothing.
    fn entry(&self, statement: ElementRef<'_>, kind: &str) -> Option<CodedEntry> {
        let product = product(statement);
        let code = product.or_else(|| statement.child("code"));
        let mut what = code.and_then(|code| self.concept(code));
        let mut codes = code.map(codes).unwrap_or_default();
        let values = statement.all("value").take(MAX_VALUES);
        let mut value = joined(values.filter_map(|v| self.value(v)), ", ");
        let names = product.is_none() && is_assertion(statement);
        if names && value.is_some() {
            // `ASSERTION`: the value is what the statement is about.
            what = value.take();
            codes = statement.child("value").map(self::codes).unwrap_or_default();
        }
        let what = what.or_else(|| self.words(statement.child("text")?));
        let more = [
            value,
            self.dose(statement),
            self.substances(statement),
            self.notes(statement),
            self.range(statement),
        ];
        let value = joined(more.into_iter().flatten(), "; ");
        if what.is_none() && value.is_none() {
            return None;
        }
        let status = statement.child("statusCode").and_then(|s| s.attr("code"));
        Some(CodedEntry {
            depth: 0,
            kind: with_mood(kind, statement.attr("moodCode")),
            negated: statement.attr("negationInd") == Some("true"),
            what: what.unwrap_or_else(|| "Without a description".to_owned()),
            codes,
            value,
            when: when(statement),
            status: status.and_then(words_of_code),
        })
    }

    /// What a code means: as the document says it, else the code.
    fn concept(&self, code: ElementRef<'_>) -> Option<String> {
        let named = code.attr("displayName").and_then(clean);
        let original = || self.words(code.child("originalText")?);
        let translated = || {
            let all = code.all("translation").take(MAX_VALUES);
            all.filter_map(|t| t.attr("displayName")).find_map(clean)
        };
        let plain = || code.attr("code").and_then(clean);
        let name = || code.child("name").and_then(|n| clean(&n.text()));
        named
            .or_else(original)
            .or_else(translated)
            .or_else(plain)
            .or_else(name)
            .or_else(|| code.attr("nullFlavor").map(missing))
    }

    /// A text, or the one that its reference points to.
    fn words(&self, text: ElementRef<'_>) -> Option<String> {
        if let Some(words) = clean(&bounded_text(text)) {
            return Some(words);
        }
        let target = text.child("reference")?.attr("value")?;
        let id = target.trim().strip_prefix('#')?;
        clean(&bounded_text(*self.by_id.get(id)?))
    }

    /// A value of any type. CDA R2, data types.
    fn value(&self, value: ElementRef<'_>) -> Option<String> {
        let kind = value.attr_ns(XSI, "type").unwrap_or_default();
        let kind = kind.rsplit(':').next().unwrap_or_default();
        if let Some(flavor) = value.attr("nullFlavor")
            && value.children().next().is_none()
        {
            return Some(missing(flavor));
        }
        match kind {
            "CD" | "CE" | "CV" | "CO" | "CS" | "SC" => self.concept(value),
            "BL" => match value.attr("value") {
                Some("true") => Some("Yes".to_owned()),
                Some("false") => Some("No".to_owned()),
                Some(_) | None => None,
            },
            "TS" => value.attr("value").and_then(hl7_time),
            "IVL_TS" | "PIVL_TS" | "EIVL_TS" => period(value),
            "RTO" | "RTO_PQ_PQ" | "RTO_QTY_QTY" => {
                let part = |name: &str| quantity(value.child(name)?);
                joined(part("numerator").into_iter().chain(part("denominator")), " / ")
            }
            "II" => value.attr("extension").or_else(|| value.attr("root")).and_then(clean),
            _ if value.attr("code").is_some() => self.concept(value),
            _ => quantity(value).or_else(|| self.words(value)),
        }
    }

    /// Dose, route, rate and how often.
    fn dose(&self, statement: ElementRef<'_>) -> Option<String> {
        if !matches!(statement.local(), "substanceAdministration" | "supply") {
            return None;
        }
        let of = |name: &str| statement.child(name).and_then(quantity);
        let route = statement.child("routeCode").and_then(|c| self.concept(c));
        let often = statement.all("effectiveTime").skip_while(|t| is_interval(*t));
        let often = often.take(MAX_VALUES).filter_map(period);
        let parts = [of("doseQuantity"), route, of("rateQuantity"), of("quantity")];
        joined(parts.into_iter().flatten().chain(often), ", ")
    }

    /// What an allergy is to, and what else takes part as a thing.
    fn substances(&self, statement: ElementRef<'_>) -> Option<String> {
        if statement.local() != "observation" {
            return None;
        }
        let roles = statement.all("participant").filter_map(|p| p.child("participantRole"));
        let things = roles.take(MAX_VALUES).filter_map(|role| {
            let thing = role.child("playingEntity")?;
            let coded = thing.child("code").and_then(|c| self.concept(c));
            coded.or_else(|| clean(&bounded_text(thing.child("name")?)))
        });
        joined(things, ", ")
    }

    fn notes(&self, statement: ElementRef<'_>) -> Option<String> {
        let codes = statement.all("interpretationCode").take(MAX_VALUES);
        joined(codes.filter_map(|c| self.concept(c)), ", ")
    }

    fn range(&self, statement: ElementRef<'_>) -> Option<String> {
        let range = statement.at(&["referenceRange", "observationRange"])?;
        let words = range.child("value").and_then(|v| self.value(v));
        let words = words.or_else(|| self.words(range.child("text")?))?;
        Some(format!("usual {words}"))
    }
}

/// The material of a medicine, or a supply.
fn product(statement: ElementRef<'_>) -> Option<ElementRef<'_>> {
    let holder = statement.child("consumable").or_else(|| statement.child("product"))?;
    let product = holder.child("manufacturedProduct")?;
    let material = product
        .child("manufacturedMaterial")
        .or_else(|| product.child("manufacturedLabeledDrug"))?;
    let code = material.child("code");
    let says = |code: &ElementRef<'_>| {
        code.attr("code").is_some()
            || code.attr("displayName").is_some()
            || code.children().next().is_some()
    };
    // Without a code its name says what it is.
    code.filter(says).or_else(|| material.child("name").is_some().then_some(material)).or(code)
}

/// The code of an element and its translations, without repeats.
fn codes(element: ElementRef<'_>) -> Vec<String> {
    let all = std::iter::once(element).chain(element.all("translation"));
    let mut codes: Vec<String> = Vec::new();
    for code in all.take(MAX_VALUES).filter_map(cda_coding).map(|c| coded(&c)) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    codes
}

fn is_concern(statement: ElementRef<'_>) -> bool {
    let code = statement.child("code").and_then(|c| c.attr("code"));
    statement.local() == "act"
        && (code == Some("CONC") || statement.child("code").is_none())
        && statement.child("entryRelationship").is_some()
}

fn is_assertion(statement: ElementRef<'_>) -> bool {
    let code = statement.child("code");
    code.is_some_and(|c| c.attr("code") == Some("ASSERTION"))
}

/// Mood codes other than of what has happened. HL7 ActMood.
fn with_mood(kind: &str, mood: Option<&str>) -> String {
    let words = match mood {
        Some("INT" | "ARQ" | "APT" | "PRMS" | "SLOT") => "planned",
        Some("RQO") => "requested",
        Some("PRP") => "proposed",
        Some("GOL") => "goal",
        Some(_) | None => return kind.to_owned(),
    };
    format!("{kind}, {words}")
}

/// Numbers with units, one or from one to another.
fn quantity(element: ElementRef<'_>) -> Option<String> {
    let one = |element: ElementRef<'_>| {
        let value = element.attr("value").and_then(clean)?;
        match element.attr("unit").and_then(clean).filter(|unit| unit != "1") {
            Some(unit) => Some(format!("{value} {unit}")),
            None => Some(value),
        }
    };
    let part = |name: &str| one(element.child(name)?);
    let center = || part("center").or_else(|| part("width"));
    one(element).or_else(|| span(part("low"), part("high"))).or_else(center)
}

/// The first time that is a point or a span; how often stands with the dose.
fn when(statement: ElementRef<'_>) -> Option<String> {
    let mut times = statement.all("effectiveTime").take(MAX_VALUES).filter(|t| is_interval(*t));
    times.find_map(period)
}

fn is_interval(time: ElementRef<'_>) -> bool {
    let kind = time.attr_ns(XSI, "type").unwrap_or_default();
    !matches!(kind.rsplit(':').next(), Some("PIVL_TS" | "EIVL_TS"))
}

fn period(time: ElementRef<'_>) -> Option<String> {
    let at = |name: &str| time.child(name)?.attr("value").and_then(hl7_time);
    let every = || {
        let period = quantity(time.child("period")?)?;
        Some(format!("every {period}"))
    };
    let event = || time.child("event")?.attr("code").and_then(clean);
    let point = time.attr("value").and_then(hl7_time);
    point
        .or_else(|| span(at("low"), at("high")))
        .or_else(|| at("center"))
        .or_else(every)
        .or_else(event)
}

/// Why there is no value. HL7 NullFlavor.
fn missing(flavor: &str) -> String {
    let words = match flavor {
        "NA" => "Not applicable",
        "NASK" => "Not asked",
        "ASKU" => "Asked, but not known",
        "NAV" => "Not available for now",
        "UNK" | "NAVU" => "Not known",
        "MSK" => "Withheld",
        "OTH" => "Other",
        _ => "No information",
    };
    words.to_owned()
}

/// The text of an element, up to what is shown of it: a reference can point to a whole document.
fn bounded_text(element: ElementRef<'_>) -> String {
    let (mut out, mut steps) = (String::new(), MAX_STEPS);
    gather(element, &mut out, &mut steps);
    out
}

fn gather(element: ElementRef<'_>, out: &mut String, steps: &mut usize) {
    for node in element.nodes() {
        if *steps == 0 || out.len() >= MAX_TEXT {
            return;
        }
        *steps -= 1;
        match node {
            NodeRef::Text(text) => out.extend(text.chars().take(MAX_TEXT)),
            NodeRef::Element(child) => {
                if !matches!(child.local(), "content" | "sub" | "sup" | "originalText") {
                    out.push(' ');
                }
                gather(child, out, steps);
            }
        }
    }
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Clinical statements and what they are called. Objects are files, and shown as such.
const KINDS: [(&str, &str); 7] = [
    ("observation", "Observation"),
    ("act", "Act"),
    ("substanceAdministration", "Medicine"),
    ("supply", "Supply"),
    ("procedure", "Procedure"),
    ("encounter", "Encounter"),
    ("organizer", "Group"),
];

const MAX_IDS: usize = 20_000;
const MAX_VALUES: usize = 5;
const MAX_TEXT: usize = 1200;
const MAX_STEPS: usize = 400;
