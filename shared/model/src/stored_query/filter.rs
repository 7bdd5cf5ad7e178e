use crate::{AvailabilityStatus, Code, DocumentEntryType, Dtm};

/// Codes of one query parameter: OR within a group, AND between groups. Empty matches everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CodeFilter(pub Vec<Vec<(String, String)>>);

impl CodeFilter {
    /// Whether the codes of an attribute pass: each group is met by one of them at least.
    pub fn matches<'a, I>(&self, codes: I) -> bool
    where
        I: IntoIterator<Item = &'a Code>,
        I::IntoIter: Clone,
    {
        let codes = codes.into_iter();
        self.0.iter().all(|group| codes.clone().any(|code| in_group(group, code)))
    }
}

/// A half-open range of times, `from <= value < to`; either bound can be missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DtmRange {
    /// The first time inside.
    pub from: Option<Dtm>,
    /// The first time outside.
    pub to: Option<Dtm>,
}

impl DtmRange {
    /// Whether nothing is asked.
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a value lies inside; times are compared by the earliest instant they can mean.
    pub fn contains(&self, value: &Dtm) -> bool {
        let value = value.earliest();
        self.from.as_ref().is_none_or(|from| from.earliest() <= value)
            && self.to.as_ref().is_none_or(|to| value < to.earliest())
    }
}

/// Which versions and statuses a query sees. ITI TF-2: 3.18.4.1.2.3.5 (Metadata Update).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MetadataLevel {
    /// Only what is current: newest versions, entries that are online, approved folders and
    /// associations.
    #[default]
    One,
    /// Everything.
    Two,
}

/// Which associations a query returns. Empty means by the level: all at level 2, otherwise those
/// in force.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scope {
    /// The metadata level.
    pub level: MetadataLevel,
    /// `$XDSAssociationStatus`
    pub association_status: Vec<AvailabilityStatus>,
}

impl Scope {
    /// Whether an association of this status is returned.
    pub fn returns_association(&self, status: AvailabilityStatus) -> bool {
        match self.level {
            MetadataLevel::One => status == AvailabilityStatus::Approved,
            MetadataLevel::Two => {
                self.association_status.is_empty() || self.association_status.contains(&status)
            }
        }
    }
}

/// Whether a type is asked for; naming none means stable.
pub(super) fn type_asked_for(asked: &[DocumentEntryType], entry_type: DocumentEntryType) -> bool {
    if asked.is_empty() {
        return entry_type == DocumentEntryType::Stable;
    }
    asked.contains(&entry_type)
}

fn in_group(group: &[(String, String)], code: &Code) -> bool {
    group.iter().any(|(c, scheme)| code.code == *c && code.scheme == *scheme)
}

/// SQL LIKE over the whole text: `%` is any run, `_` one character; no escape. Case-sensitive.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: behind the last `%`, one character further in the text.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '_' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_the_whole_text() {
        assert!(like("%Ford%", "^Ford^Sherry^^^"));
        assert!(like("_Ford^Sherry%", "^Ford^Sherry^^^"));
        assert!(!like("Ford%", "^Ford^Sherry^^^"));
        assert!(like("%", ""));
        assert!(like("a%b%c", "a123b456b7c"));
        assert!(!like("a%b%c", "a123b456b7"));
    }

    #[test]
    fn upper_bound_is_exclusive() {
        let dtm = |s: &str| s.parse::<Dtm>().unwrap();
        let range = DtmRange { from: Some(dtm("20041124")), to: Some(dtm("20041224")) };

        assert!(!range.contains(&dtm("20041224")));
        assert!(range.contains(&dtm("20041124")));
    }

    #[test]
    fn groups_of_codes_are_anded() {
        let pair = |c: &str| (c.to_owned(), "s".to_owned());
        let filter = CodeFilter(vec![vec![pair("A"), pair("B")], vec![pair("C")]]);
        let codes = [Code::new("B", "s", ""), Code::new("C", "s", "")];

        assert!(filter.matches(codes.iter()));
        assert!(!filter.matches(codes[..1].iter()));
        assert!(CodeFilter::default().matches([].iter()));
    }
}
