//! The independent count: paths into the documents, that know nothing of how elements are taken.

use std::collections::{BTreeMap, HashMap};

use carerecord_xml::ElementRef;
use serde_json::Value;

/// How many of each kind each section holds, by its place in the order of the document; no place is
/// that of resources no section refers to.
pub type Counts = BTreeMap<(&'static str, Option<usize>), usize>;

/// The four kinds that a summary shows, by section code and path.
pub fn cda_counts(document: ElementRef<'_>) -> Counts {
    let texts = Texts::of(document);
    let mut counts = Counts::new();
    let sections = document.descendants().filter(|e| e.local() == "section");
    for (place, section) in sections.enumerate() {
        if let Some((name, count)) = texts.count(section) {
            counts.insert((name, Some(place)), count);
        }
    }
    counts.retain(|_, count| *count > 0);
    counts
}

/// What stands in a document under the IDs that its entries refer to.
struct Texts(HashMap<String, String>);

impl Texts {
    fn of(document: ElementRef<'_>) -> Self {
        let named = document.descendants();
        let named = named.filter_map(|e| Some((e.attr("ID")?.to_owned(), e.text())));
        Self(named.collect())
    }

    /// The kind that a section is of, and how many it holds.
    fn count(&self, section: ElementRef<'_>) -> Option<(&'static str, usize)> {
        let code = section.child("code").and_then(|c| c.attr("code")).unwrap_or_default();
        let below = |name: &'static str| {
            let statements = section.all("entry").flat_map(ElementRef::children);
            let found = statements.flat_map(move |s| match s.local() {
                local if local == name => vec![s],
                "act" => s.all("entryRelationship").flat_map(|r| r.all(name)).collect(),
                _ => Vec::new(),
            });
            found.filter(|e| e.attr("nullFlavor").is_none())
        };
        let event = |e: &ElementRef<'_>| e.attr("moodCode").is_none_or(|mood| mood == "EVN");
        Some(match code {
            "48765-2" | "10155-0" => {
                let is_severity = |e: &ElementRef<'_>| code_of(*e) == Some("SEV");
                let found = below("observation").filter(event).filter(|e| !is_severity(e));
                ("allergy", found.filter(|e| self.names_allergy(*e)).count())
            }
            "11450-4" | "11348-0" | "46241-6" | "11535-2" => {
                let says =
                    |e: &ElementRef<'_>| self.has_words(*e, "value") || self.has_words(*e, "text");
                ("problem", below("observation").filter(event).filter(says).count())
            }
            "10160-0" | "10183-2" | "42346-7" | "29549-3" => {
                let says =
                    |e: &ElementRef<'_>| self.names_product(*e) || self.has_words(*e, "text");
                ("medication", below("substanceAdministration").filter(says).count())
            }
            "11369-6" => {
                let found = below("substanceAdministration").filter(event);
                ("immunization", found.filter(|e| self.names_product(*e)).count())
            }
            _ => return None,
        })
    }

    fn names_allergy(&self, observation: ElementRef<'_>) -> bool {
        let negated = observation.attr("negationInd") == Some("true");
        let value = observation.child("value").is_some_and(coded);
        let entity = observation.all("participant").any(|p| {
            let entity = p.at(&["participantRole", "playingEntity"]);
            entity.is_some_and(|e| self.says(e))
        });
        negated || entity || value && !self.is_kind_only(observation)
    }

    /// The value says that it is an allergy, and nothing which.
    fn is_kind_only(&self, observation: ElementRef<'_>) -> bool {
        let value = observation.child("value").unwrap();
        let code = value.attr("code");
        code.is_some_and(|code| KINDS.contains(&code)) && !self.has_words(observation, "value")
    }

    fn names_product(&self, administration: ElementRef<'_>) -> bool {
        let product = administration.at(&["consumable", "manufacturedProduct"]);
        let material = product.and_then(|p| {
            p.child("manufacturedMaterial").or_else(|| p.child("manufacturedLabeledDrug"))
        });
        says_none(administration)
            || material.is_some_and(|m| self.has_words(m, "code") || self.has_words(m, "name"))
    }

    fn has_words(&self, statement: ElementRef<'_>, name: &str) -> bool {
        statement.all(name).any(|e| self.says(e))
    }

    /// A code, words, or a reference to words that are there.
    fn says(&self, e: ElementRef<'_>) -> bool {
        let referred = || {
            let references = e.descendants().filter(|r| r.local() == "reference");
            let ids = references.filter_map(|r| r.attr("value")?.strip_prefix('#'));
            ids.filter_map(|id| self.0.get(id)).any(|text| !text.trim().is_empty())
        };
        coded(e) || !e.text().trim().is_empty() || referred()
    }
}

fn coded(e: ElementRef<'_>) -> bool {
    e.descendants().any(|inside| inside.attr("code").is_some())
}

fn code_of(e: ElementRef<'_>) -> Option<&str> {
    e.child("code")?.attr("code")
}

/// "None known", or "no drug therapy prescribed" in SNOMED CT, where the act is named.
fn says_none(administration: ElementRef<'_>) -> bool {
    code_of(administration).is_some_and(|c| c.starts_with("no-known") || c == "182849000")
}

/// By type, those whose patient is the document's, in the first section that refers to them.
pub fn fhir_counts(bundle: &Value) -> Counts {
    let entries = || bundle["entry"].as_array().into_iter().flatten();
    let is_composition = |e: &&Value| e["resource"]["resourceType"] == "Composition";
    let composition = &entries().find(is_composition).unwrap()["resource"];
    let mut sections = Vec::new();
    add_sections(composition, &mut sections);
    let subject = composition["subject"]["reference"].as_str();

    let mut counts = Counts::new();
    for entry in entries() {
        let resource = &entry["resource"];
        let name = match resource["resourceType"].as_str() {
            Some("AllergyIntolerance") => "allergy",
            Some("Condition") => "problem",
            Some("MedicationStatement" | "MedicationRequest") => "medication",
            Some("Immunization") => "immunization",
            _ => continue,
        };
        let whose = resource["patient"]["reference"].as_str();
        let whose = whose.or_else(|| resource["subject"]["reference"].as_str());
        let same = |(a, b)| a == b || entries().any(|e| is_called(e, a) && is_called(e, b));
        if !whose.zip(subject).is_none_or(same) {
            continue;
        }
        let refers = |reference: &Value| {
            is_called(entry, reference["reference"].as_str().unwrap_or_default())
        };
        let place =
            sections.iter().position(|s| s["entry"].as_array().into_iter().flatten().any(refers));
        *counts.entry((name, place)).or_default() += 1;
    }
    counts
}

fn add_sections<'v>(parent: &'v Value, sections: &mut Vec<&'v Value>) {
    for section in parent["section"].as_array().into_iter().flatten() {
        sections.push(section);
        add_sections(section, sections);
    }
}

/// Whether a reference is to the resource of an entry: by its URL, or by type and id.
fn is_called(entry: &Value, reference: &str) -> bool {
    let resource = &entry["resource"];
    let part = |name: &str| resource[name].as_str().unwrap_or_default().to_owned();
    let name = format!("{}/{}", part("resourceType"), part("id"));
    let ends = reference.strip_suffix(&name).is_some_and(|s| s.is_empty() || s.ends_with('/'));
    entry["fullUrl"] == reference || ends
}

/// Allergy and intolerance, to medicine, food or substances, in SNOMED CT.
const KINDS: [&str; 13] = [
    "416098002",
    "419511003",
    "59037007",
    "414285001",
    "418471000",
    "235719002",
    "426232007",
    "232347008",
    "419199007",
    "420134006",
    "418038007",
    "282100009",
    "106190000",
];
