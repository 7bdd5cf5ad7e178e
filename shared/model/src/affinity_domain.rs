use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Code, CodeAttribute, Dtm};

/// An attribute whose values an affinity domain lists.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListedAttribute {
    /// Codes with their schemes.
    Code(CodeAttribute),
    /// MIME types, which have no scheme.
    MimeType,
}

impl ListedAttribute {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Code(CodeAttribute::ClassCode),
        Self::Code(CodeAttribute::TypeCode),
        Self::Code(CodeAttribute::ConfidentialityCode),
        Self::Code(CodeAttribute::EventCodeList),
        Self::Code(CodeAttribute::FormatCode),
        Self::Code(CodeAttribute::HealthcareFacilityTypeCode),
        Self::Code(CodeAttribute::PracticeSettingCode),
        Self::Code(CodeAttribute::ContentTypeCode),
        Self::Code(CodeAttribute::FolderCodeList),
        Self::Code(CodeAttribute::AssociationDocumentation),
        Self::MimeType,
    ];

    /// The attribute's name in the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Code(attribute) => attribute.name(),
            Self::MimeType => "mimeType",
        }
    }
}

impl fmt::Display for ListedAttribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no attribute that has a list of values.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is no attribute with a list of codes")]
pub struct UnknownAttribute(String);

impl FromStr for ListedAttribute {
    type Err = UnknownAttribute;

    /// `codeList` is known as `folderCodeList` too, as `codes.xml` files have it.
    fn from_str(s: &str) -> Result<Self, UnknownAttribute> {
        let name = if s == "folderCodeList" { "codeList" } else { s };
        let found = Self::ALL.into_iter().find(|a| a.name() == name);
        found.ok_or_else(|| UnknownAttribute(s.to_owned()))
    }
}

impl TryFrom<String> for ListedAttribute {
    type Error = UnknownAttribute;

    fn try_from(s: String) -> Result<Self, UnknownAttribute> {
        s.parse()
    }
}

impl From<ListedAttribute> for String {
    fn from(attribute: ListedAttribute) -> Self {
        attribute.name().to_owned()
    }
}

/// From which day to which day, both included; an absent end is open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Validity {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
}

impl Validity {
    /// Whether a time lies within; of a time without a day the earliest one counts.
    pub fn contains(self, at: &Dtm) -> bool {
        let day = at.earliest();
        let day = &day[..8];
        let digits = |date: Date| date.strftime("%Y%m%d").to_string();
        self.from.is_none_or(|from| digits(from).as_str() <= day)
            && self.until.is_none_or(|until| day <= digits(until).as_str())
    }
}

/// Values that one attribute may have.
#[derive(Clone, Debug)]
pub struct CodeSet {
    /// The attribute.
    pub attribute: ListedAttribute,
    /// Its codes; MIME types have an empty scheme.
    pub codes: Vec<Code>,
    /// Schemes of which every code is in the set.
    pub whole_schemes: Vec<String>,
}

/// The values that an affinity domain has agreed on, by attribute. ITI TF-3: 4.2.3.1.2.
///
/// There can be several sets of one attribute, each for a time: what is in any set that is valid at
/// the time is a member.
#[derive(Clone, Debug, Default)]
pub struct AffinityDomain {
    sets: HashMap<ListedAttribute, Vec<IndexedSet>>,
}

#[derive(Clone, Debug)]
struct IndexedSet {
    validity: Validity,
    /// Codes by scheme.
    codes: HashMap<String, HashSet<String>>,
    whole_schemes: HashSet<String>,
}

impl AffinityDomain {
    /// Adds a set that is valid for a time.
    pub fn add(&mut self, set: CodeSet, validity: Validity) {
        let mut codes: HashMap<String, HashSet<String>> = HashMap::new();
        for code in set.codes {
            let value = match set.attribute {
                ListedAttribute::MimeType => code.code.to_ascii_lowercase(),
                ListedAttribute::Code(_) => code.code,
            };
            codes.entry(code.scheme).or_default().insert(value);
        }
        let whole_schemes = set.whole_schemes.into_iter().collect();
        let sets = self.sets.entry(set.attribute).or_default();
        sets.push(IndexedSet { validity, codes, whole_schemes });
    }

    /// Whether there is any set of this attribute, valid or not.
    pub fn lists(&self, attribute: ListedAttribute) -> bool {
        self.sets.contains_key(&attribute)
    }

    /// Whether code and scheme are in a set of this attribute at this time; a MIME type is asked
    /// for in lower case, without parameters, with an empty scheme.
    pub fn has(&self, attribute: ListedAttribute, code: &str, scheme: &str, at: &Dtm) -> bool {
        let sets = self.sets.get(&attribute).into_iter().flatten();
        sets.filter(|set| set.validity.contains(at)).any(|set| {
            set.whole_schemes.contains(scheme)
                || set.codes.get(scheme).is_some_and(|codes| codes.contains(code))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: ListedAttribute = ListedAttribute::Code(CodeAttribute::TypeCode);

    fn set(codes: &[&str]) -> CodeSet {
        let codes = codes.iter().map(|c| Code::new(*c, "2.999.1", "any name")).collect();
        CodeSet { attribute: TYPE, codes, whole_schemes: Vec::new() }
    }

    #[test]
    fn code_and_scheme_make_a_member() {
        let mut domain = AffinityDomain::default();
        domain.add(set(&["a"]), Validity::default());
        let now = "2026".parse().unwrap();

        assert!(domain.has(TYPE, "a", "2.999.1", &now));
        assert!(!domain.has(TYPE, "A", "2.999.1", &now));
        assert!(!domain.has(TYPE, "a", "2.999.2", &now));
        assert!(!domain.has(ListedAttribute::Code(CodeAttribute::ClassCode), "a", "2.999.1", &now));
        assert!(domain.lists(TYPE) && !domain.lists(ListedAttribute::MimeType));
    }

    #[test]
    fn versions_follow_each_other_by_the_day() {
        let day = |s: &str| Some(s.parse().unwrap());
        let mut domain = AffinityDomain::default();
        domain.add(set(&["old", "both"]), Validity { from: None, until: day("2026-03-31") });
        domain.add(set(&["new", "both"]), Validity { from: day("2026-04-01"), until: None });
        let has = |code, at: &str| domain.has(TYPE, code, "2.999.1", &at.parse().unwrap());

        assert!(has("old", "20260331235959") && !has("new", "20260331235959"));
        assert!(!has("old", "20260401000000") && has("new", "20260401"));
        assert!(has("both", "2020") && has("both", "2030"));
    }

    #[test]
    fn a_whole_scheme_has_every_code() {
        let mut domain = AffinityDomain::default();
        let whole = CodeSet { whole_schemes: vec!["2.999.7".to_owned()], ..set(&[]) };
        domain.add(whole, Validity::default());
        let now = "2026".parse().unwrap();

        assert!(domain.has(TYPE, "anything", "2.999.7", &now));
        assert!(!domain.has(TYPE, "anything", "2.999.1", &now));
    }

    #[test]
    fn names_come_back() {
        for attribute in ListedAttribute::ALL {
            assert_eq!(attribute.name().parse(), Ok(attribute));
        }
        assert_eq!("folderCodeList".parse(), "codeList".parse::<ListedAttribute>());
        assert!("typecode".parse::<ListedAttribute>().is_err());
    }
}
