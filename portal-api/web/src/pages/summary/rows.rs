use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::api::{Document, Place, Stated};
use crate::display::clinical;

/// One statement.
pub(crate) struct Row {
    /// The end of its id on the page.
    pub(crate) n: usize,
    pub(crate) words: String,
    /// Words and colour of what it is taken for.
    pub(crate) status: (String, &'static str),
    pub(crate) details: Vec<String>,
    pub(crate) times: Option<String>,
    pub(crate) places: Vec<PlaceView>,
    /// Whether other documents contradict it, and which rows they are.
    pub(crate) conflicting: bool,
    pub(crate) conflicts: Vec<(usize, String)>,
    pub(crate) duplicates: Vec<(usize, String)>,
}

/// A document with the section, as a link.
pub(crate) struct PlaceView {
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) section: Option<String>,
    pub(crate) about: String,
}

/// In what order rows stand.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// By what they are about, so that what belongs together stands together; of one thing the newest
    /// first.
    Words,
    /// The newest first.
    Newest,
}

/// The newest of those, and how many older ones there are besides.
pub(super) fn newest(mut stated: Vec<Stated>, most: usize) -> (Vec<Stated>, usize) {
    let left_out = stated.len().saturating_sub(most);
    if left_out > 0 {
        stated.sort_by_cached_key(time);
        stated.truncate(most);
    }
    (stated, left_out)
}

/// By when it began or ended, the newest first; what tells no time comes last.
fn time(stated: &Stated) -> Reverse<Option<String>> {
    Reverse(stated.start.clone().or_else(|| stated.end.clone()))
}

/// The rows of a panel.
pub(super) fn rows(
    mut stated: Vec<Stated>,
    order: Order,
    documents: &[Document],
    handle: Uuid,
    zone: &TimeZone,
) -> Vec<Row> {
    stated.sort_by_cached_key(|s| {
        let words = match order {
            Order::Words => s.words.to_lowercase(),
            Order::Newest => String::new(),
        };
        (words, time(s), s.reference.clone())
    });
    let places: HashMap<String, usize> =
        stated.iter().enumerate().map(|(n, s)| (s.reference.clone(), n)).collect();
    let words: Vec<String> = stated.iter().map(|stated| stated.words.clone()).collect();
    let named = |all: &[String]| -> Vec<(usize, String)> {
        let known = all.iter().filter_map(|reference| places.get(reference));
        known.filter_map(|n| Some((*n, words.get(*n)?.clone()))).collect()
    };
    let row = |(n, stated): (usize, &Stated)| Row {
        n,
        words: stated.words.clone(),
        status: status(stated),
        details: stated.details.clone(),
        times: times(stated, zone),
        places: stated.places.iter().map(|p| PlaceView::new(p, documents, handle, zone)).collect(),
        conflicting: !stated.conflicts.is_empty(),
        conflicts: named(&stated.conflicts),
        duplicates: named(&stated.duplicates),
    };
    stated.iter().enumerate().map(row).collect()
}

impl PlaceView {
    fn new(place: &Place, documents: &[Document], handle: Uuid, zone: &TimeZone) -> Self {
        let document = documents.iter().find(|document| document.id == place.document);
        let title = document.map_or("Document", |document| document.name());
        let date = document.and_then(|d| d.created.as_ref()).map(|time| clinical(time, zone));
        let source = document.map(|d| d.source.display.clone()).filter(|s| !s.is_empty());
        // On pages sections are counted from 1.
        let anchor = place.section.map(|n| format!("#section-{}", n.saturating_add(1)));
        let anchor = anchor.unwrap_or_default();
        Self {
            href: format!("/patient/{handle}/document/{}{anchor}", place.document),
            title: title.to_owned(),
            section: place.title.clone(),
            about: [date, source].into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    }
}

/// What is said of a statement, in words and a colour. What is negated comes first: it must never be
/// read as being there.
fn status(stated: &Stated) -> (String, &'static str) {
    let plain = |words: &str, colour| (words.to_owned(), colour);
    if stated.verification.as_deref() == Some("entered-in-error") {
        return plain("Entered in error", "grey");
    }
    if stated.negated {
        return match stated.status.as_deref() {
            Some("not-taken") => plain("Not taken", "grey"),
            Some("not-done") => plain("Not given", "grey"),
            _ => plain("Said not to be there", "grey"),
        };
    }
    let status = match stated.status.as_deref() {
        None | Some("unknown") => return plain("Status not stated", "white"),
        Some("entered-in-error") => return plain("Entered in error", "grey"),
        Some(status) => status,
    };
    let colour = match status {
        "active" | "recurrence" | "relapse" => "blue",
        _ => "grey",
    };
    let mut words = status.replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    (words, colour)
}

fn times(stated: &Stated, zone: &TimeZone) -> Option<String> {
    let start = stated.start.as_ref().map(|time| clinical(time, zone));
    let end = stated.end.as_ref().map(|time| clinical(time, zone));
    match (start, end) {
        (Some(start), Some(end)) => Some(format!("{start} to {end}")),
        (Some(start), None) => Some(start),
        (None, Some(end)) => Some(format!("until {end}")),
        (None, None) => None,
    }
}

/// Of a panel of things that there can be very many of.
pub(super) const MOST_ROWS: usize = 200;
