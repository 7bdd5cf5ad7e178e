use std::cmp::Reverse;
use std::collections::HashSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::Face;
use super::groups::{Line, fold, group, slug};
use super::role_view::RoleView;
use crate::api::{Coded, Document, DocumentStatus, sort_key};
use crate::display::{clinical, day_of};
use crate::pages::filter::Filter;

/// Which documents are shown, and how.
pub(super) struct Asked<'a> {
    pub(super) handle: Uuid,
    pub(super) face: Face,
    pub(super) filter: &'a Filter,
    /// One group only.
    pub(super) group: Option<&'static str>,
    pub(super) page: usize,
    pub(super) view: &'static RoleView,
    /// What has come since the reader last looked.
    pub(super) fresh: &'a HashSet<Uuid>,
    pub(super) zone: &'a TimeZone,
}

/// The documents as the page shows them: one page of the list or of the timeline, in blocks.
pub(super) struct ListView {
    /// All groups of the list, or years of the timeline, also those on other pages.
    pub(super) parts: Vec<PartView>,
    pub(super) blocks: Vec<BlockView>,
    /// Lines that group and filter take, on all pages.
    pub(super) shown: usize,
    /// Lines without them.
    pub(super) total: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) page: usize,
    pub(super) pages: usize,
    order: Vec<Uuid>,
}

/// A group of the list or a year of the timeline.
pub(super) struct PartView {
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) href: String,
    /// Whether it is the one that is shown.
    pub(super) current: bool,
}

/// A group of the list or a month of the timeline.
pub(super) struct BlockView {
    /// Where links to it lead.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) count: usize,
    pub(super) rows: Vec<RowView>,
}

pub(super) struct RowView {
    pub(super) link: LinkView,
    pub(super) kind: String,
    pub(super) group: &'static str,
    pub(super) author: String,
    pub(super) organisation: String,
    pub(super) source: String,
    pub(super) current: bool,
    /// Whether any of it has come since the reader last looked.
    pub(super) fresh: bool,
    /// What its label says beyond normal.
    pub(super) label: Option<String>,
    pub(super) earlier: Vec<LinkView>,
    pub(super) copies: Vec<LinkView>,
}

pub(super) struct LinkView {
    pub(super) href: String,
    pub(super) title: String,
    pub(super) date: String,
    pub(super) source: String,
}

/// What a line is put under.
#[derive(Clone, Eq, PartialEq)]
struct Place {
    id: String,
    name: String,
    /// The part that it belongs to: its key and its name.
    part: (String, String),
}

impl ListView {
    pub(super) fn new(documents: &[Document], asked: &Asked<'_>) -> Self {
        let lines = fold(documents);
        let total = lines.len();
        let is_fresh = |line: &Line<'_>| line.all().any(|d| asked.fresh.contains(&d.id));
        let mut lines: Vec<Line<'_>> = lines
            .into_iter()
            .filter(|line| asked.filter.takes(line.document, is_fresh(line), asked.zone))
            .collect();
        sort(&mut lines, asked);
        let groups = groups(&lines, asked);
        lines
            .retain(|line| asked.group.is_none_or(|name| group(&line.document.class.code) == name));
        let pages = lines.len().div_ceil(PAGE).max(1);
        let page = asked.page.clamp(1, pages);
        let start = (page - 1) * PAGE;
        let end = lines.len().min(start + PAGE);
        let places: Vec<Place> = lines.iter().map(|line| asked.place(line)).collect();
        let parts = match asked.face {
            Face::Timeline => years(&places, asked),
            Face::Overview | Face::List => groups,
        };
        let mut blocks: Vec<BlockView> = Vec::new();
        for at in start..end {
            let (line, Place { id, name, .. }) = (&lines[at], &places[at]);
            if blocks.last().is_none_or(|block| block.id != *id) {
                let count = places.iter().filter(|place| place.id == *id).count();
                let (id, name) = (id.clone(), name.clone());
                blocks.push(BlockView { id, name, count, rows: Vec::new() });
            }
            if let Some(block) = blocks.last_mut() {
                block.rows.push(RowView::new(line, is_fresh(line), asked));
            }
        }
        Self {
            parts,
            blocks,
            shown: lines.len(),
            total,
            first: start + 1,
            last: end,
            page,
            pages,
            order: lines.iter().take(MAX_ORDER).map(|line| line.document.id).collect(),
        }
    }

    /// The documents in the order of the list, for next and previous: the first 500.
    pub(super) fn order(&self) -> Vec<Uuid> {
        self.order.clone()
    }
}

fn sort(lines: &mut [Line<'_>], asked: &Asked<'_>) {
    lines.sort_by_cached_key(|line| {
        let created = line.document.created.as_deref().map(sort_key);
        let place = match asked.face {
            Face::Timeline => 0,
            Face::Overview | Face::List => asked.view.place(group(&line.document.class.code)),
        };
        (place, Reverse(created))
    });
}

impl Asked<'_> {
    fn place(&self, line: &Line<'_>) -> Place {
        if self.face != Face::Timeline {
            let name = group(&line.document.class.code);
            let id = slug(name);
            return Place { part: (id.clone(), name.to_owned()), id, name: name.to_owned() };
        }
        let day = line.document.created.as_ref().and_then(|created| day_of(created, self.zone));
        let Some(day) = day else {
            let unknown = ("undated".to_owned(), "Date not known".to_owned());
            return Place { id: unknown.0.clone(), name: unknown.1.clone(), part: unknown };
        };
        let year = day.year().to_string();
        Place { id: month_id(day), name: month_name(day), part: (format!("y{year}"), year) }
    }
}

/// All groups with what the filter leaves of them. A group that is shown alone stays among them.
fn groups(lines: &[Line<'_>], asked: &Asked<'_>) -> Vec<PartView> {
    let mut parts: Vec<PartView> = Vec::new();
    let mut names: Vec<&str> = lines.iter().map(|line| group(&line.document.class.code)).collect();
    names.sort_by_key(|name| asked.view.place(name));
    for name in names {
        match parts.last_mut().filter(|part| part.name == name) {
            Some(part) => part.count += 1,
            None => parts.push(PartView {
                name: name.to_owned(),
                count: 1,
                href: asked.face.address(asked.handle, Some(&slug(name)), 1),
                current: asked.group == Some(name),
            }),
        }
    }
    parts
}

/// The years, each with the page that it begins on.
fn years(places: &[Place], asked: &Asked<'_>) -> Vec<PartView> {
    let group = asked.group.map(slug);
    let mut parts: Vec<PartView> = Vec::new();
    for (at, place) in places.iter().enumerate() {
        match parts.last_mut().filter(|part| part.name == place.part.1) {
            Some(part) => part.count += 1,
            None => {
                let page = asked.face.address(asked.handle, group.as_deref(), at / PAGE + 1);
                let href = format!("{page}#{}", place.id);
                let name = place.part.1.clone();
                parts.push(PartView { name, count: 1, href, current: false });
            }
        }
    }
    parts
}

fn month_id(day: Date) -> String {
    format!("m{}-{:02}", day.year(), day.month())
}

fn month_name(day: Date) -> String {
    jiff::fmt::strtime::format("%B %Y", day).unwrap_or_default()
}

impl RowView {
    pub(super) fn new(line: &Line<'_>, fresh: bool, asked: &Asked<'_>) -> Self {
        let document = line.document;
        let link = |document: &&Document| LinkView::new(document, asked.handle, asked.zone);
        Self {
            link: link(&document),
            kind: document.kind.display.clone(),
            group: group(&document.class.code),
            author: document.authors.join(", "),
            organisation: document.organisations.join(", "),
            source: document.source.display.clone(),
            current: document.status == DocumentStatus::Current,
            fresh,
            label: label(document),
            earlier: line.earlier.iter().map(link).collect(),
            copies: line.copies.iter().map(link).collect(),
        }
    }
}

impl LinkView {
    fn new(document: &Document, handle: Uuid, zone: &TimeZone) -> Self {
        let date = document.created.as_ref().map(|created| clinical(created, zone));
        Self {
            href: format!("/patient/{handle}/document/{}", document.id),
            title: document.name().to_owned(),
            date: date.unwrap_or_else(|| "Date not known".to_owned()),
            source: document.source.display.clone(),
        }
    }
}

/// What the reader must know of a document's label; nothing for a normal one.
pub(crate) fn label(document: &Document) -> Option<String> {
    let restricted = document.labels.iter().find(|label| matches!(&*label.code, "R" | "V"));
    restricted.map(|label| match &*label.code {
        "V" => "Very restricted".to_owned(),
        _ => "Restricted".to_owned(),
    })
}

/// A choice of the filter: what the documents have.
pub(super) struct SelectView {
    /// Of the field.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// Code and words.
    pub(super) options: Vec<(String, String)>,
    pub(super) chosen: String,
}

/// The choices of the filter, in the order of its form.
pub(super) fn selects(documents: &[Document], filter: &Filter) -> Vec<SelectView> {
    let select = |name, label, options, chosen: &String| SelectView {
        name,
        label,
        options,
        chosen: chosen.clone(),
    };
    let settings = documents.iter().filter_map(|document| document.setting.as_deref());
    let coded = |of: fn(&Document) -> &Coded| {
        options(documents.iter().map(of).map(|coded| (coded.display.as_str(), coded.code.as_str())))
    };
    vec![
        select("class", "Class", coded(|document| &document.class), &filter.class),
        select("kind", "Type", coded(|document| &document.kind), &filter.kind),
        select("setting", "Specialty", options(settings.map(|s| (s, s))), &filter.setting),
        select("source", "Source", coded(|document| &document.source), &filter.source),
    ]
}

/// Each code once, by words.
fn options<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let all: HashSet<(&str, &str)> = all.filter(|(_, code)| !code.is_empty()).collect();
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_unstable();
    let mut known = HashSet::new();
    all.retain(|(_, code)| known.insert(*code));
    all.into_iter().map(|(words, code)| (code.to_owned(), words.to_owned())).collect()
}

/// Lines on a page.
const PAGE: usize = 200;
const MAX_ORDER: usize = 500;
