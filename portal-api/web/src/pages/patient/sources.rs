use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::groups::group;
use crate::api::{Document, Found, Source, SourceState};
use crate::display::{clinical, counted};

/// How complete the list is: every source with what became of asking it.
pub(super) struct SourcesView {
    pub(super) sources: Vec<SourceView>,
    /// What the list can be taken for.
    pub(super) summary: String,
    /// Said when there is no document at all.
    pub(super) nothing: String,
    /// Whether asking again may bring more.
    pub(super) retry: bool,
    pub(super) complete: bool,
    /// The time of the day when they were asked.
    pub(super) asked: String,
}

pub(super) struct SourceView {
    pub(super) name: String,
    /// Its id, where it alone can be asked again.
    pub(super) again: Option<String>,
    /// The end of its class name.
    pub(super) class: &'static str,
    pub(super) state: &'static str,
    pub(super) words: Option<String>,
    /// When it last answered, of one that does not.
    pub(super) last_good: Option<String>,
    pub(super) latest: Option<String>,
    pub(super) seconds: Option<String>,
    /// How many of the list are its; `None` where that must not be told.
    pub(super) documents: Option<String>,
    /// The kinds that it sends most of, with their counts.
    pub(super) kinds: String,
}

impl SourcesView {
    /// `asked_at` in seconds.
    pub(super) fn new(found: &Found, asked_at: i64, zone: &TimeZone, now: Timestamp) -> Self {
        let sources = &found.sources;
        let answered = sources.iter().filter(|source| source.state.has_answered()).count();
        let silent = sources.iter().filter(|source| source.state.may_answer_later()).count();
        let complete = !sources.is_empty() && answered == sources.len();
        Self {
            summary: summary(sources.len(), answered, silent),
            nothing: nothing(sources.len(), answered),
            retry: silent > 0 || sources.is_empty(),
            complete,
            asked: Timestamp::from_second(asked_at)
                .map(|at| at.to_zoned(zone.clone()).strftime("%H:%M").to_string())
                .unwrap_or_default(),
            sources: sources
                .iter()
                .map(|s| SourceView::new(s, &found.documents, zone, now))
                .collect(),
        }
    }
}

impl SourceView {
    fn new(source: &Source, documents: &[Document], zone: &TimeZone, now: Timestamp) -> Self {
        // Documents that do not name their source are those of a person whose places are masked.
        let told = documents.iter().all(|d| d.source_id.is_some());
        let held: Vec<_> = documents.iter().filter(|d| d.source_id == source.id).collect();
        let (class, state) = match source.state {
            SourceState::Answered => ("answered", "Answered"),
            SourceState::Late => ("late", "Did not answer in time"),
            SourceState::Down => ("down", "Could not be asked"),
            SourceState::Refused => ("down", "Would not answer"),
            SourceState::Garbage => ("down", "Answered wrongly"),
            SourceState::Paused => ("down", "Not asked, after failures"),
            SourceState::NotConnected => ("not-connected", "Not connected"),
        };
        let seconds = source.latency_ms.map(|ms| match ms {
            0..100 => "under 0.1".to_owned(),
            _ => format!("{:.1}", ms as f64 / 1000.0),
        });
        Self {
            name: source.name.clone(),
            again: source.id.clone().filter(|_| source.state.may_answer_later()),
            class,
            state,
            words: source.words.clone().filter(|_| !source.state.has_answered()),
            last_good: source
                .state
                .may_answer_later()
                .then(|| last_good(source.last_good, zone, now)),
            latest: source.latest.as_ref().map(|latest| clinical(latest, zone)),
            seconds,
            documents: told.then(|| {
                counted(held.len(), "document or version listed", "documents and versions listed")
            }),
            kinds: if told { kinds(&held) } else { String::new() },
        }
    }
}

/// The groups that most of these documents are of.
fn kinds(documents: &[&Document]) -> String {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for document in documents {
        *counts.entry(group(&document.class.code)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let most = counts.iter().take(MOST_KINDS);
    most.map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
}

/// When a source that does not answer last did, in words.
fn last_good(time: Option<Timestamp>, zone: &TimeZone, now: Timestamp) -> String {
    let Some(time) = time else {
        return "When it last answered is not known.".to_owned();
    };
    let at = clinical(&time.to_string(), zone);
    let minutes = now.duration_since(time).as_mins();
    match minutes {
        // Clocks of two machines differ a little.
        ..1 => "Last answered less than a minute ago.".to_owned(),
        1..60 => {
            let minutes = counted(minutes as usize, "minute", "minutes");
            format!("Last answered {minutes} ago.")
        }
        60..1440 => {
            let hours = counted(minutes as usize / 60, "hour", "hours");
            format!("Last answered {hours} ago, {at}.")
        }
        _ => format!("Last answered {at}."),
    }
}

fn summary(all: usize, answered: usize, silent: usize) -> String {
    let others = all - answered - silent;
    let mut summary = match (all, answered) {
        (0, _) => "It is not known which sources were asked: documents may be missing.".to_owned(),
        (_, _) if all == answered => {
            format!("{} answered.", counted(answered, "source", "sources"))
        }
        (_, _) => format!("{answered} of {} answered.", counted(all, "source", "sources")),
    };
    if silent > 0 {
        let silent = counted(silent, "source", "sources");
        summary.push_str(&format!(
            " {silent} did not answer: documents may be missing, or may not open."
        ));
    }
    if others > 0 {
        let others = counted(others, "source is", "sources are");
        summary.push_str(&format!(" {others} not connected."));
    }
    summary
}

fn nothing(all: usize, answered: usize) -> String {
    match (all, answered) {
        (_, 0) => {
            "No source could be asked. This does not mean that there are no documents.".to_owned()
        }
        (_, 1) => "No documents found in the 1 source that answered.".to_owned(),
        (_, _) => format!("No documents found in the {answered} sources that answered."),
    }
}

const MOST_KINDS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_sends_most_of_comes_first() {
        let mut all: Vec<Document> = (1..=5).map(crate::tests::document).collect();
        for document in &mut all[..3] {
            document.class.code = "823751000000102".into();
        }
        all[3].class.code = "721981007".into();

        let kinds = kinds(&all.iter().collect::<Vec<_>>());

        assert_eq!(kinds, "Letters 3, Other documents 1, Results 1");
    }

    #[test]
    fn no_documents_never_looks_like_could_not_ask() {
        assert_eq!(nothing(7, 7), "No documents found in the 7 sources that answered.");
        assert_eq!(nothing(3, 1), "No documents found in the 1 source that answered.");
        assert!(nothing(3, 0).starts_with("No source could be asked."));
        assert!(nothing(0, 0).starts_with("No source could be asked."));
    }

    #[test]
    fn when_a_silent_source_last_answered_is_told_in_words() {
        let zone = TimeZone::UTC;
        let now: Timestamp = "2026-11-26T18:30:00Z".parse().unwrap();
        let told = |time: &str| last_good(Some(time.parse().unwrap()), &zone, now);

        assert_eq!(told("2026-11-26T18:29:30Z"), "Last answered less than a minute ago.");
        assert_eq!(told("2026-11-26T18:30:02Z"), "Last answered less than a minute ago.");
        assert_eq!(told("2026-11-26T18:29:00Z"), "Last answered 1 minute ago.");
        assert_eq!(told("2026-11-26T17:31:00Z"), "Last answered 59 minutes ago.");
        assert_eq!(told("2026-11-26T16:00:00Z"), "Last answered 2 hours ago, 26-Nov-2026 16:00.");
        assert_eq!(told("2026-11-24T16:00:00Z"), "Last answered 24-Nov-2026 16:00.");
        assert_eq!(last_good(None, &zone, now), "When it last answered is not known.");
    }

    #[test]
    fn the_summary_counts_every_source() {
        assert_eq!(summary(3, 3, 0), "3 sources answered.");
        assert_eq!(
            summary(4, 1, 2),
            "1 of 4 sources answered. 2 sources did not answer: documents may be missing, or may not \
             open. 1 source is not connected."
        );
    }
}
