use std::collections::BTreeSet;

use carerecord_clinical::Absence;

use crate::api::{FoundStated, Stated};

/// What the banner says of allergies: which ones, that none is known, that none is recorded, or that
/// it could not be asked. nhs.md 8.3.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Allergies {
    pub(crate) words: String,
    /// Whether there is one.
    pub(crate) warns: bool,
    /// What keeps it from being the whole truth; empty where nothing does.
    pub(crate) but: String,
    /// Where the documents stand that say so.
    pub(crate) href: String,
}

impl Allergies {
    /// As documents state them in coded entries; `None` where it could not be asked.
    pub(crate) fn new(found: Option<&FoundStated>, href: String) -> Self {
        let Some(found) = found else {
            let words = "Not available from the sources".to_owned();
            return Self { words, warns: false, but: String::new(), href };
        };
        let answered = !found.sources.is_empty()
            && found.sources.iter().all(|source| source.state.has_answered());
        let all_read = !found.is_short && found.withheld.is_empty();
        let meant = || found.stated.iter().filter(|stated| !is_mistaken(stated));
        let known = distinct(meant().filter(|stated| is_in_force(stated)));
        let says = |absence: Absence| meant().filter(move |stated| is_absent(stated, absence));
        let in_part = distinct(says(Absence::Part));
        let words = if !known.is_empty() {
            listed(&known)
        } else if says(Absence::Everything).next().is_some() {
            "None known".to_owned()
        } else if !in_part.is_empty() {
            listed(&in_part)
        } else if meant().any(|stated| stated.absence.is_none() && !stated.negated) {
            "None active".to_owned()
        } else if answered {
            "Not recorded in coded entries".to_owned()
        } else {
            "Not available from every source".to_owned()
        };
        let caveats = [
            (meant().any(|stated| !stated.conflicts.is_empty()), "documents differ"),
            (!answered, "not all sources answered"),
            (!all_read, "not everything could be read"),
        ];
        let but = caveats.into_iter().filter_map(|(is_so, words)| is_so.then_some(words));
        let but = but.collect::<Vec<_>>().join("; ");
        Self { words, warns: !known.is_empty(), but, href }
    }
}

/// The words of each, once.
fn distinct<'s>(stated: impl Iterator<Item = &'s Stated>) -> Vec<&'s str> {
    let mut seen = BTreeSet::new();
    let words = stated.map(|stated| stated.words.as_str());
    words.filter(|words| seen.insert(words.to_lowercase())).collect()
}

fn is_mistaken(stated: &Stated) -> bool {
    [&stated.status, &stated.verification]
        .iter()
        .any(|code| code.as_deref() == Some("entered-in-error"))
}

fn is_over(stated: &Stated) -> bool {
    matches!(stated.status.as_deref(), Some("inactive" | "resolved"))
}

/// What is not said to be over may be there.
fn is_in_force(stated: &Stated) -> bool {
    !stated.negated && stated.absence.is_none() && !is_over(stated)
}

/// Whether it says, as of now, that there is none of that.
fn is_absent(stated: &Stated, absence: Absence) -> bool {
    !stated.negated && stated.absence == Some(absence) && !is_over(stated)
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
        let absence = match words {
            "No known allergy" => Some(Absence::Everything),
            "No known food allergy" => Some(Absence::Part),
            "Not asked" => Some(Absence::NoInformation),
            _ => None,
        };
        Stated {
            reference: format!("AllergyIntolerance/{words}"),
            words: words.to_owned(),
            negated: false,
            absence,
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

    fn found(stated: Vec<Stated>, states: &[SourceState]) -> FoundStated {
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
        FoundStated { stated, sources, is_short: false, withheld: Vec::new(), gaps: Vec::new() }
    }

    /// The words, with the caveats in brackets.
    fn said_of(found: &FoundStated) -> String {
        let said = Allergies::new(Some(found), String::new());
        assert_eq!(said.warns, !said.words.starts_with("No"), "{said:?}");
        if said.but.is_empty() { said.words } else { format!("{} ({})", said.words, said.but) }
    }

    fn said(stated: Vec<Stated>, states: &[SourceState]) -> String {
        said_of(&found(stated, states))
    }

    const ALL: [SourceState; 1] = [SourceState::Answered];
    const SOME: [SourceState; 2] = [SourceState::Answered, SourceState::Down];

    #[test]
    fn each_is_named_once_and_what_is_over_or_a_mistake_is_not() {
        let all = ["Nuts", "nuts", "Latex", "Eggs", "Milk", "Soya", "Fish", "No known allergy"];
        let mut all: Vec<Stated> = all.into_iter().map(|words| stated(words, "active")).collect();
        all.push(stated("Aspirin", "resolved"));
        all.push(stated("Iodine", "entered-in-error"));
        all.push(stated("Not asked", "active"));
        all.push(Stated { negated: true, ..stated("Penicillin", "active") });

        assert_eq!(said(all, &ALL), "Nuts, Latex, Eggs, Milk and 2 more");
    }

    #[test]
    fn nothing_is_told_apart_from_none_known_and_from_could_not_ask() {
        let one = |words: &str, status: &str| vec![stated(words, status)];
        let refuted = Stated { negated: true, ..stated("No known allergy", "active") };
        for (all, whole) in [
            (one("No known allergy", "active"), "None known"),
            (one("No known food allergy", "active"), "No known food allergy"),
            (one("Aspirin", "resolved"), "None active"),
            (one("No known allergy", "resolved"), "Not recorded in coded entries"),
            (one("Not asked", "active"), "Not recorded in coded entries"),
            (vec![refuted], "Not recorded in coded entries"),
            (vec![], "Not recorded in coded entries"),
        ] {
            let mut short = found(Vec::new(), &SOME);
            short.stated = all;
            let whole_of_some =
                whole.replace("Not recorded in coded entries", "Not available from every source");
            assert_eq!(said_of(&short), format!("{whole_of_some} (not all sources answered)"));
            short.sources.pop();
            assert_eq!(said_of(&short), whole);
            short.is_short = true;
            assert_eq!(said_of(&short), format!("{whole} (not everything could be read)"));
        }
        assert!(said(vec![], &[]).starts_with("Not available from every source"));
        let failed = Allergies::new(None, String::new());
        assert_eq!(failed.words, "Not available from the sources");
    }

    #[test]
    fn what_documents_contradict_is_said_to_differ() {
        let contradicted =
            Stated { conflicts: vec!["other".to_owned()], ..stated("Penicillin", "active") };
        let none = stated("No known allergy", "active");

        let said = said(vec![none, contradicted], &SOME);

        assert_eq!(said, "Penicillin (documents differ; not all sources answered)");
    }
}
