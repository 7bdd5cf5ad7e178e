//! Searches of the patient index by identifiers and demographics. ITI-78, ITI-119.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::{Gender, Oid, Patient, PatientId};

/// What people are looked for by. Of each list every member must be met; of a list within a list
/// any. Patient data: `Debug` is redacted.
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct PatientSearch {
    /// Identifiers, before any merge or after.
    pub identifiers: Vec<Vec<PatientId>>,
    /// Authorities of which a person must have an identifier.
    pub domains: Vec<Vec<Oid>>,
    /// Family names.
    pub family: Vec<Vec<NamePattern>>,
    /// Given names.
    pub given: Vec<Vec<NamePattern>>,
    /// Dates of birth.
    pub birth_date: Vec<Vec<DateSpan>>,
    /// Genders.
    pub gender: Vec<Vec<Gender>>,
    /// Postcodes, or how they begin. They never find who is restricted. nhs.md 1.2.
    #[serde(default)]
    pub postcode: Vec<Vec<NamePattern>>,
}

/// A name that is looked for.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct NamePattern {
    /// The name, or how it begins.
    pub text: String,
    /// Whether the name is this one to the letter.
    pub exact: bool,
}

/// Days of birth, both ends included, as `birth_date_number` has them.
#[derive(Clone, Copy, Eq, PartialEq, Serialize, Deserialize)]
pub struct DateSpan {
    /// The first day.
    pub from: i64,
    /// The last day.
    pub to: i64,
}

/// A person of the index with all identifiers.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct FoundPatient {
    /// The person; after a merge the surviving one, restricted when any of those merged is.
    pub patient: Patient,
    /// Every identifier; of a restricted person only NHS Numbers.
    pub identifiers: Vec<PatientId>,
}

/// What a search of the index found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct FoundPatients {
    /// Each person once.
    pub people: Vec<FoundPatient>,
    /// Whether more than `PatientSearch::MOST` people are meant, or nobody in particular: then not
    /// all are here.
    pub too_many: bool,
    /// Whether the index of names is still being built: then people may be missing.
    pub incomplete: bool,
    /// Authorities among `domains` that the index has no identifier of.
    pub unknown_domains: Vec<Oid>,
}

impl PatientSearch {
    /// How many people a search may find.
    pub const MOST: usize = 50;

    /// Whether the search is about somebody in particular: by an identifier, a name, a date of birth
    /// or a postcode. Gender and domains alone are not enough.
    pub fn is_constrained(&self) -> bool {
        let named = |any: &Vec<NamePattern>| any.iter().all(|pattern| !pattern.key().is_empty());
        !self.identifiers.is_empty()
            || !self.birth_date.is_empty()
            || self.family.iter().chain(&self.given).chain(&self.postcode).any(named)
    }

    /// Whether demographics are as looked for; identifiers aside.
    pub fn matches(&self, person: &Patient) -> bool {
        let born = person.birth_date.map(birth_date_number);
        let family = |p: &NamePattern| person.family_name.as_ref().is_some_and(|n| p.matches(n));
        let given = |p: &NamePattern| person.given_names.iter().any(|n| p.matches(n));
        let postcode = person.postcode.as_ref().filter(|_| !person.restricted);
        let home = |p: &NamePattern| postcode.is_some_and(|code| p.matches_key(code));
        self.family.iter().all(|any| any.iter().any(family))
            && self.postcode.iter().all(|any| any.iter().any(home))
            && self.given.iter().all(|any| any.iter().any(given))
            && self.gender.iter().all(|any| any.contains(&person.gender))
            && self.birth_date.iter().all(|any| any.iter().any(|s| s.contains(born)))
    }
}

impl NamePattern {
    /// A name by how it begins.
    pub fn prefix(text: &str) -> Self {
        Self { text: text.to_owned(), exact: false }
    }

    /// The key of the pattern; empty when it has no letter.
    pub fn key(&self) -> String {
        name_key(&self.text)
    }

    /// Of postcodes, case and blanks never tell one from another.
    fn matches_key(&self, code: &str) -> bool {
        let (own, code) = (self.key(), name_key(code));
        if self.exact { own == code } else { code.starts_with(&own) }
    }

    fn matches(&self, name: &str) -> bool {
        if self.exact { self.text == name } else { name_key(name).starts_with(&self.key()) }
    }
}

impl DateSpan {
    fn contains(self, born: Option<i64>) -> bool {
        born.is_some_and(|born| self.from <= born && born <= self.to)
    }
}

/// A name as names are compared: letters and digits without case and accents.
pub fn name_key(name: &str) -> String {
    let folded = name.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    // Some letters change into two, or get a mark, by that.
    let folded: String = folded.collect();
    let plain = folded.nfkd().flat_map(|c| match c {
        'ß' => ['s', 's'].to_vec(),
        'ø' => vec!['o'],
        'ł' => vec!['l'],
        'đ' | 'ð' => vec!['d'],
        'æ' => vec!['a', 'e'],
        'œ' => vec!['o', 'e'],
        'þ' => vec!['t', 'h'],
        'ı' => vec!['i'],
        c => vec![c],
    });
    plain.filter(|c| c.is_alphanumeric()).collect()
}

/// `YYYYMMDD`.
pub fn birth_date_number(date: Date) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

impl fmt::Debug for PatientSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientSearch(redacted)")
    }
}

impl fmt::Debug for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamePattern(redacted)")
    }
}

impl fmt::Debug for DateSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DateSpan(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_compared_without_case_accents_and_signs() {
        for (name, key) in [
            ("O'Neill", "oneill"),
            ("Zoë", "zoe"),
            ("ZOE\u{308}", "zoe"),
            ("Smith-Jones", "smithjones"),
            ("Łukasz", "lukasz"),
            ("Weiß", "weiss"),
            ("İnci", "inci"),
            ("李", "李"),
            (" - ", ""),
        ] {
            assert_eq!(name_key(name), key, "{name}");
        }
    }

    #[test]
    fn demographics_are_compared_as_asked() {
        let mut person = Patient::from_number("9990001006".parse().unwrap());
        person.family_name = Some("Okafor".into());
        person.given_names = vec!["Ada".into(), "Mary".into()];
        person.birth_date = Some("1945-07-14".parse().unwrap());
        let family = |text: &str, exact| PatientSearch {
            family: vec![vec![NamePattern { text: text.into(), exact }]],
            ..PatientSearch::default()
        };

        assert!(family("OKA", false).matches(&person));
        assert!(!family("OKAFOR", true).matches(&person));
        assert!(family("Okafor", true).matches(&person));
        assert!(!family("afor", false).matches(&person));
        let mut search = family("oka", false);
        search.given = vec![vec![NamePattern::prefix("mar")]];
        search.birth_date = vec![vec![DateSpan { from: 19_450_701, to: 19_450_731 }]];
        assert!(search.matches(&person));
        search.gender = vec![vec![Gender::Male, Gender::Female]];
        assert!(!search.matches(&person));
        assert!(!format!("{search:?}").contains("oka"));
        let mut search = family("oka", false);
        search.postcode = vec![vec![NamePattern::prefix("xx1")]];
        assert!(!search.matches(&person));
        person.postcode = Some("XX1 1XX".into());
        assert!(search.matches(&person));
        search.postcode = vec![vec![NamePattern { text: "xx11xx".into(), exact: true }]];
        assert!(search.matches(&person));
        person.restricted = true;
        assert!(!search.matches(&person));
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(name in "\\PC{0,30}") {
            let key = name_key(&name);
            prop_assert_eq!(name_key(&key), key);
        }
    }
}
