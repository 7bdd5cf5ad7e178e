//! Sensitivity rules: `sensitivity.toml`. NHS: 5.3.
//!
//! What sources send stays as it is. The label in force, the handling tags and whether a document
//! is withheld are worked out from the rules of the moment each time that a document is decided
//! about: at registration there is nothing to do, and rules that change hold at once.

use std::collections::HashMap;
use std::sync::Arc;

use carerecord_model::{Code, DocumentEntry, OrganisationCode};
use serde::Deserialize;

use crate::decide::Sources;
use crate::policy::Label;
use crate::{Policy, PolicyError};

/// The rules, made ready for look-ups: what a rule costs does not grow with their number.
#[derive(Clone, Debug, Default)]
pub(crate) struct SensitivityRules {
    rules: Vec<SensitivityRule>,
    by_code: HashMap<String, Vec<(Attribute, usize)>>,
    by_source: HashMap<String, Vec<usize>>,
    /// By the first word: the words after it.
    by_word: HashMap<String, Vec<(Vec<String>, usize)>>,
}

/// What holds for documents that meet any one of the conditions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SensitivityRule {
    /// Named in decisions and so in records of accesses.
    pub id: String,
    /// Codes of practiceSettingCode, in any scheme.
    #[serde(default)]
    pub any_practice_setting: Vec<String>,
    /// Codes of typeCode.
    #[serde(default)]
    pub any_type: Vec<String>,
    /// Codes of classCode.
    #[serde(default)]
    pub any_class: Vec<String>,
    /// Codes of healthcareFacilityTypeCode.
    #[serde(default)]
    pub any_facility: Vec<String>,
    /// Codes of eventCodeList.
    #[serde(default)]
    pub any_event: Vec<String>,
    /// Organisations that keep or wrote it.
    #[serde(default)]
    pub any_source: Vec<OrganisationCode>,
    /// Words, or several in a row, of a title; without regard to case.
    #[serde(default)]
    pub any_title: Vec<String>,
    /// The confidentiality code that it has at least.
    pub set: Option<String>,
    /// Handling tags that it has besides.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether it is withheld: registered, and shown to nobody.
    #[serde(default)]
    pub exclude: bool,
}

/// Where a code stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Attribute {
    PracticeSetting,
    Type,
    Class,
    Facility,
    Event,
}

/// How a document is to be handled under the rules of the moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Handling {
    /// The label in force; `None` when it is not one of the ladder.
    pub label: Option<Label>,
    /// Whether rules have put it above the source's.
    raised: bool,
    /// Places of the rules that are met, in their order.
    met: Vec<usize>,
}

impl SensitivityRules {
    /// Reads and checks `sensitivity.toml`.
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        let file: File =
            toml::from_str(text).map_err(|e| PolicyError::Form(FILE.to_owned(), e.to_string()))?;
        let mut rules = Self::default();
        for rule in file.rule {
            rules.add(rule)?;
        }
        Ok(rules)
    }

    fn add(&mut self, rule: SensitivityRule) -> Result<(), PolicyError> {
        let wrong = |what: &str| PolicyError::Meaning(format!("{FILE}: {}: {what}", rule.id));
        if self.rules.iter().any(|other| other.id == rule.id) {
            return Err(wrong("is there twice"));
        }
        if rule.set.as_ref().is_some_and(|code| Label::from_code(code).is_none()) {
            return Err(wrong("set is not one of U, L, M, N, R, V"));
        }
        if rule.set.is_none() && rule.tags.is_empty() && !rule.exclude {
            return Err(wrong("does nothing: give it set, tags or exclude"));
        }
        let place = self.rules.len();
        let coded = [
            (Attribute::PracticeSetting, &rule.any_practice_setting),
            (Attribute::Type, &rule.any_type),
            (Attribute::Class, &rule.any_class),
            (Attribute::Facility, &rule.any_facility),
            (Attribute::Event, &rule.any_event),
        ];
        let mut conditions = 0;
        for (attribute, codes) in coded {
            for code in codes {
                conditions += 1;
                self.by_code.entry(code.clone()).or_default().push((attribute, place));
            }
        }
        for source in &rule.any_source {
            conditions += 1;
            self.by_source.entry(source.as_str().to_owned()).or_default().push(place);
        }
        for phrase in &rule.any_title {
            let mut words = words(phrase);
            let first = words.next().ok_or_else(|| wrong("any_title has a text without words"))?;
            conditions += 1;
            self.by_word.entry(first).or_default().push((words.collect(), place));
        }
        if conditions == 0 {
            return Err(wrong("has no condition, so would never hold"));
        }
        self.rules.push(rule);
        Ok(())
    }

    /// Every rule, in the file's order.
    pub(crate) fn all(&self) -> &[SensitivityRule] {
        &self.rules
    }

    /// The rules that a document meets. `sources` are who keeps it and who wrote it.
    fn met<'s>(
        &self,
        entry: &DocumentEntry,
        sources: impl Iterator<Item = &'s OrganisationCode>,
    ) -> Vec<usize> {
        let mut met = Vec::new();
        if self.rules.is_empty() {
            return met;
        }
        let one = [
            (Attribute::PracticeSetting, &entry.practice_setting_code),
            (Attribute::Type, &entry.type_code),
            (Attribute::Class, &entry.class_code),
            (Attribute::Facility, &entry.healthcare_facility_type_code),
        ];
        let events = entry.event_codes.iter().map(|code| (Attribute::Event, code));
        for (attribute, code) in one.into_iter().chain(events) {
            let found = self.by_code.get(&code.code).into_iter().flatten();
            met.extend(found.filter(|(a, _)| *a == attribute).map(|(_, place)| *place));
        }
        for source in sources {
            met.extend(self.by_source.get(source.as_str()).into_iter().flatten());
        }
        if !self.by_word.is_empty() {
            for title in &entry.title {
                self.met_by_title(&title.value, &mut met);
            }
        }
        met.sort_unstable();
        met.dedup();
        met
    }

    fn met_by_title(&self, title: &str, met: &mut Vec<usize>) {
        let words: Vec<String> = words(title).collect();
        for (n, word) in words.iter().enumerate() {
            for (rest, place) in self.by_word.get(word).into_iter().flatten() {
                if words[n + 1..].starts_with(rest) {
                    met.push(*place);
                }
            }
        }
    }
}

impl Policy {
    /// Every sensitivity rule, in the file's order.
    pub fn sensitivity_rules(&self) -> &[SensitivityRule] {
        self.sensitivity.all()
    }

    /// The ids of the sensitivity rules that a document meets.
    pub fn sensitivity_of(&self, entry: &DocumentEntry) -> Vec<&SensitivityRule> {
        self.met(&self.handling(entry))
    }

    /// The rules that were met.
    pub(crate) fn met(&self, handling: &Handling) -> Vec<&SensitivityRule> {
        handling.met.iter().map(|place| &self.sensitivity.rules[*place]).collect()
    }

    pub(crate) fn handling(&self, entry: &DocumentEntry) -> Handling {
        let stored = stored_label(entry);
        if self.sensitivity.rules.is_empty() {
            return Handling { label: stored, ..Handling::default() };
        }
        let Sources { keeper, authors } = Sources::of(self, entry);
        let met = self.sensitivity.met(entry, keeper.iter().chain(&authors));
        let set = |place: &usize| self.sensitivity.rules[*place].set.as_deref();
        let set = met.iter().filter_map(set).filter_map(Label::from_code).max();
        // A label that the ladder does not have stays above everything.
        let label = stored.map(|stored| set.map_or(stored, |set| stored.max(set)));
        Handling { label, raised: label > stored, met }
    }

    /// Whether a document is withheld: shown to nobody.
    pub(crate) fn withholds(&self, handling: &Handling) -> bool {
        handling.met.iter().any(|place| self.sensitivity.rules[*place].exclude)
    }

    /// Whether a document has one of these handling tags, from its source or by a rule.
    pub(crate) fn tagged(
        &self,
        entry: &DocumentEntry,
        handling: &Handling,
        tags: &[String],
    ) -> bool {
        let by_rule = || {
            let tags_of = |place: &usize| self.sensitivity.rules[*place].tags.iter();
            handling.met.iter().flat_map(tags_of).any(|tag| tags.contains(tag))
        };
        source_tags(entry).any(|tag| tags.contains(tag)) || by_rule()
    }

    /// The rules that were met, as decisions name them.
    pub(crate) fn named<'a>(&'a self, handling: &'a Handling) -> impl Iterator<Item = String> + 'a {
        let id = |place: &usize| format!("sensitivity rule {}", self.sensitivity.rules[*place].id);
        handling.met.iter().map(id)
    }

    /// Puts the label and the tags in force into metadata that leave.
    pub(crate) fn relabel(&self, entry: &mut Arc<DocumentEntry>, handling: &Handling) {
        if let Some(label) = handling.label.filter(|_| handling.raised) {
            let codes = &mut Arc::make_mut(entry).confidentiality_codes;
            let ladder = codes.iter().find(|c| is_ladder(&c.scheme));
            let scheme = ladder.map_or(LADDER_SCHEMES[0], |c| c.scheme.as_str()).to_owned();
            codes.retain(|c| !is_ladder(&c.scheme));
            codes.insert(0, Code::new(label.code(), scheme, label.display()));
        }
        for place in &handling.met {
            for tag in &self.sensitivity.rules[*place].tags {
                let codes = &entry.confidentiality_codes;
                if !codes.iter().any(|c| !is_ladder(&c.scheme) && c.code == *tag) {
                    let codes = &mut Arc::make_mut(entry).confidentiality_codes;
                    codes.push(Code::new(tag.as_str(), TAG_SCHEME, tag.as_str()));
                }
            }
        }
    }
}

/// The highest label of an entry as its source sent it; `None` when one of them is not on the
/// ladder. Codes of other schemes are tags, not labels; an entry without any label is normal.
fn stored_label(entry: &DocumentEntry) -> Option<Label> {
    let mut highest = Label::Unrestricted;
    let mut any = false;
    for code in entry.confidentiality_codes.iter().filter(|c| is_ladder(&c.scheme)) {
        highest = highest.max(Label::from_code(&code.code)?);
        any = true;
    }
    Some(if any { highest } else { Label::Normal })
}

/// The handling tags that a document's source sent.
pub(crate) fn source_tags(entry: &DocumentEntry) -> impl Iterator<Item = &String> {
    entry.confidentiality_codes.iter().filter(|c| !is_ladder(&c.scheme)).map(|c| &c.code)
}

fn is_ladder(scheme: &str) -> bool {
    LADDER_SCHEMES.contains(&scheme)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<SensitivityRule>,
}

const FILE: &str = "sensitivity.toml";
/// The scheme of tags that rules add.
const TAG_SCHEME: &str = "urn:carerecord:handling-tag";
/// HL7 v3 Confidentiality under the names it comes by.
const LADDER_SCHEMES: [&str; 4] = [
    "2.16.840.1.113883.5.25",
    "2.16.840.1.113883.1.11.16926",
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
    "urn:oid:2.16.840.1.113883.5.25",
];

#[cfg(test)]
#[path = "sensitivity_tests.rs"]
mod tests;
