//! How long documents are kept, as data: `docs/retention.md`.

use std::path::Path;

use carerecord_model::DocumentEntry;
use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use serde::Deserialize;

use super::facts::PersonFacts;

/// The rules of one deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRules {
    /// Which state of the rules this is, for reports and certificates.
    pub version: String,
    /// Whether everything of a person is kept as long as what is kept longest of it.
    #[serde(default)]
    pub integrated: bool,
    rule: Vec<RetentionRule>,
}

/// One rule. Lists hold codes, without their schemes; what is left out does not narrow the rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RetentionRule {
    /// Its name in reports and certificates.
    id: String,
    /// What it says, for people.
    title: String,
    #[serde(default)]
    classes: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    practice_settings: Vec<String>,
    /// Only for people who were children, or adults, when last seen.
    person: Option<AgeGroup>,
    #[serde(default)]
    from: Trigger,
    years: Option<u16>,
    /// In place of `years` once the person has died.
    years_after_death: Option<u16>,
    until_age: Option<u16>,
    /// In place of `until_age` where the person was 17 when last seen.
    until_age_if_17: Option<u16>,
    /// Kept for good.
    #[serde(default)]
    never: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum AgeGroup {
    Child,
    Adult,
}

/// What years are counted from.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Trigger {
    /// The last service or document of the person at this node.
    #[default]
    LastContact,
    /// The document's own time.
    Creation,
}

/// When a document is due for review.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// From this day on.
    On(Date),
    /// Not as things are: the rule waits for a death, or keeps for good.
    Never,
    /// A fact is missing, so that it is kept.
    Unknown(&'static str),
    /// No rule is about it, so that it is kept.
    NoRule,
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RetentionRulesError {
    /// The file could not be read.
    #[error("the retention rules cannot be read")]
    Read(#[from] std::io::Error),
    /// It is not TOML of this shape.
    #[error("the retention rules are not right: {0}")]
    Shape(#[from] toml::de::Error),
    /// A rule that says nothing, or two things.
    #[error("retention rule {0:?}: {1}")]
    Rule(String, &'static str),
}

impl RetentionRules {
    /// The rules that come with the program.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("a test reads the rules that are built in")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or a rule of it is not right.
    pub fn load(file: &Path) -> Result<Self, RetentionRulesError> {
        Self::parse(&std::fs::read_to_string(file)?)
    }

    fn parse(text: &str) -> Result<Self, RetentionRulesError> {
        let rules: Self = toml::from_str(text)?;
        let mut seen = std::collections::HashSet::new();
        for rule in &rules.rule {
            let wrong = |what| Err(RetentionRulesError::Rule(rule.id.clone(), what));
            let terms = [rule.years, rule.years_after_death, rule.until_age];
            let says = terms.iter().flatten().count() > 0;
            if says == rule.never {
                return wrong("it needs years, years_after_death or until_age, or else never");
            }
            if rule.years.is_some() && rule.until_age.is_some() {
                return wrong("it has both years and until_age");
            }
            if rule.until_age_if_17.is_some() && rule.until_age.is_none() {
                return wrong("until_age_if_17 needs until_age");
            }
            if !seen.insert(&rule.id) {
                return wrong("another rule has its id");
            }
        }
        Ok(rules)
    }

    /// What a rule says, for people.
    pub fn title(&self, id: &str) -> Option<&str> {
        self.rule.iter().find(|r| r.id == id).map(|r| r.title.as_str())
    }

    /// The rule that keeps a document longest, and until when.
    pub fn due<'r>(&'r self, entry: &DocumentEntry, facts: &PersonFacts) -> (Due, Option<&'r str>) {
        let fitting = self.rule.iter().filter(|r| r.fits(entry, facts));
        let longest = fitting
            .map(|rule| (rule.due(entry, facts), Some(rule.id.as_str())))
            .max_by_key(|(due, _)| due.length());
        longest.unwrap_or((Due::NoRule, None))
    }
}

impl RetentionRule {
    fn fits(&self, entry: &DocumentEntry, facts: &PersonFacts) -> bool {
        let has = |codes: &[String], code: &str| codes.iter().any(|c| c == code);
        let any =
            self.classes.is_empty() && self.types.is_empty() && self.practice_settings.is_empty();
        let of_kind = any
            || has(&self.classes, &entry.class_code.code)
            || has(&self.types, &entry.type_code.code)
            || has(&self.practice_settings, &entry.practice_setting_code.code);
        // Where the age is not known, both rules fit: the date is not known either.
        let of_age = match (self.person, facts.age_when_last_seen()) {
            (Some(AgeGroup::Child), Some(age)) => age < ADULT,
            (Some(AgeGroup::Adult), Some(age)) => age >= ADULT,
            (None, _) | (_, None) => true,
        };
        of_kind && of_age
    }

    fn due(&self, entry: &DocumentEntry, facts: &PersonFacts) -> Due {
        if self.never {
            return Due::Never;
        }
        if let (Some(years), true) = (self.years_after_death, facts.deceased) {
            return match (facts.death, self.years) {
                (Some(death), _) => after(death, years),
                (None, Some(years)) => after(facts.last_contact, years),
                (None, None) => Due::Unknown("the date of death"),
            };
        }
        if let Some(age) = self.until_age {
            let Some(birth) = facts.birth else { return Due::Unknown("the date of birth") };
            let seventeen = facts.age_when_last_seen() == Some(ADULT - 1);
            return after(birth, self.until_age_if_17.filter(|_| seventeen).unwrap_or(age));
        }
        let Some(years) = self.years else { return Due::Never };
        match self.from {
            Trigger::LastContact => after(facts.last_contact, years),
            Trigger::Creation => match super::facts::contact(entry) {
                Some(day) => after(day, years),
                None => Due::Unknown("the time of the document"),
            },
        }
    }
}

fn after(day: Date, years: u16) -> Due {
    let span: Span = i64::from(years).years();
    day.checked_add(span).map_or(Due::Never, Due::On)
}

impl Due {
    /// The longer of two.
    pub(crate) fn max_by_length(self, other: Self) -> Self {
        std::cmp::max_by_key(self, other, |due| due.length())
    }

    /// The day, when there is one.
    pub fn day(self) -> Option<Date> {
        if let Self::On(day) = self { Some(day) } else { None }
    }

    /// Why there is no day.
    pub fn kept_because(self) -> Option<&'static str> {
        match self {
            Self::On(_) => None,
            Self::Never => Some("the rule has no end, or begins with a death"),
            Self::Unknown(what) => Some(what),
            Self::NoRule => Some("no rule is about it"),
        }
    }

    /// For comparison: what is kept longer is greater.
    fn length(self) -> (u8, Date) {
        match self {
            Self::On(day) => (0, day),
            Self::Unknown(_) => (1, Date::ZERO),
            Self::NoRule => (2, Date::ZERO),
            Self::Never => (3, Date::ZERO),
        }
    }
}

const BUILT_IN: &str = include_str!("rules.toml");
const ADULT: i16 = 18;
