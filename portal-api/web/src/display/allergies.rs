use std::collections::BTreeSet;

use crate::api::{FoundStated, Stated};

/// What the banner says of allergies: which ones, that none is known, that none is recorded, or that
/// it could not be asked. nhs.md 8.3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Allergies {
    pub(crate) words: String,
    /// Whether there is one.
    pub(crate) warns: bool,
    /// What keeps it from being the whole truth.
    pub(crate) but: Option<&'static str>,
    /// Where the documents stand that say so.
    pub(crate) href: String,
}

impl Allergies {
    /// As documents state them in coded entries; `None` where it could not be asked.
    pub(crate) fn new(found: Option<&FoundStated>, href: String) -> Self {
        let Some(found) = found else {
            let words = "Not available from the sources".to_owned();
            return Self { words, warns: false, but: None, href };
        };
        let complete = !found.sources.is_empty()
            && found.sources.iter().all(|source| source.state.has_answered());
        let meant = || found.stated.iter().filter(|stated| !is_mistaken(stated));
        let mut seen = BTreeSet::new();
        let known: Vec<&str> = meant()
            .filter(|stated| is_in_force(stated))
            .map(|stated| stated.words.as_str())
            .filter(|words| seen.insert(words.to_lowercase()))
            .collect();
        let none_known = meant().any(|stated| stated.none_known);
        let contradicted = meant().any(|stated| !stated.conflicts.is_empty());
        let words = match (known.as_slice(), none_known) {
            ([], true) => "None known".to_owned(),
            ([], false) if meant().any(|stated| !stated.negated) => "None active".to_owned(),
            ([], false) if complete => "Not recorded in coded entries".to_owned(),
            ([], false) => "Not available from every source".to_owned(),
            (known, _) => listed(known),
        };
        let but = match (contradicted, complete) {
            (true, _) => Some("documents differ"),
            (false, false) if !known.is_empty() || none_known => Some("not all sources answered"),
            (false, _) => None,
        };
        Self { words, warns: !known.is_empty(), but, href }
    }
}

fn is_mistaken(stated: &Stated) -> bool {
    [&stated.status, &stated.verification]
        .iter()
        .any(|code| code.as_deref() == Some("entered-in-error"))
}

/// What is not said to be over may be there.
fn is_in_force(stated: &Stated) -> bool {
    let is_over = matches!(stated.status.as_deref(), Some("inactive" | "resolved"));
    !stated.negated && !stated.none_known && !is_over
}

fn listed(known: &[&str]) -> String {
    let mut words = known.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    if let more @ 1.. = known.len().saturating_sub(MOST) {
        words.push_str(&format!(" and {more} more"));
    }
    words
}

/// Named in the banner; the summary has all of them.
const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Source, SourceState};

    fn stated(words: &str, status: &str) -> Stated {
        Stated {
            reference: format!("AllergyIntolerance/{words}"),
            words: words.to_owned(),
            negated: false,
            none_known: words.starts_with("No known"),
            status: Some(status.to_owned()),
            verification: None,
            details: Vec::new(),
            start: None,
            end: None,
            places: Vec::new(),
            duplicates: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    fn said(stated: Vec<Stated>, states: &[SourceState]) -> (String, Option<&'static str>) {
        let source = |state: &SourceState| Source {
            state: *state,
            id: None,
            name: "A hospital".to_owned(),
            words: None,
            latest: None,
            latency_ms: None,
            last_good: None,
        };
        let sources = states.iter().map(source).collect();
        let found = FoundStated { stated, sources, withheld: Vec::new(), gaps: Vec::new() };
        let said = Allergies::new(Some(&found), String::new());
        assert_eq!(said.warns, !said.words.starts_with("No"), "{said:?}");
        (said.words, said.but)
    }

    const ALL: [SourceState; 1] = [SourceState::Answered];
    const SOME: [SourceState; 2] = [SourceState::Answered, SourceState::Down];

    #[test]
    fn each_is_named_once_and_what_is_over_or_a_mistake_is_not() {
        let all = ["Nuts", "nuts", "Latex", "Eggs", "Milk", "Soya", "Fish"];
        let mut all: Vec<Stated> = all.into_iter().map(|words| stated(words, "active")).collect();
        all.push(stated("Aspirin", "resolved"));
        all.push(stated("Iodine", "entered-in-error"));
        all.push(Stated { negated: true, ..stated("Penicillin", "active") });

        assert_eq!(said(all, &ALL), ("Nuts, Latex, Eggs, Milk and 2 more".into(), None));
    }

    #[test]
    fn nothing_is_told_apart_from_none_known_and_from_could_not_ask() {
        let none = || stated("No known allergy", "active");

        assert_eq!(said(vec![none()], &ALL), ("None known".into(), None));
        let (words, but) = said(vec![none()], &SOME);
        assert_eq!((words.as_str(), but), ("None known", Some("not all sources answered")));
        assert_eq!(said(vec![], &ALL), ("Not recorded in coded entries".into(), None));
        assert_eq!(said(vec![], &SOME), ("Not available from every source".into(), None));
        assert_eq!(said(vec![], &[]), ("Not available from every source".into(), None));
        let failed = Allergies::new(None, String::new());
        assert_eq!(failed.words, "Not available from the sources");
    }

    #[test]
    fn what_documents_contradict_is_said_to_differ() {
        let contradicted =
            Stated { conflicts: vec!["other".to_owned()], ..stated("Penicillin", "active") };
        let none = stated("No known allergy", "active");

        let (words, but) = said(vec![none, contradicted], &SOME);

        assert_eq!((words.as_str(), but), ("Penicillin", Some("documents differ")));
    }
}
