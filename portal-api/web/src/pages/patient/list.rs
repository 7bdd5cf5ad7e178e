use std::cmp::Reverse;

use jiff::tz::TimeZone;
use uuid::Uuid;

use super::groups::{Line, fold, group};
use crate::api::{Document, DocumentStatus, sort_key};
use crate::display::clinical;
use crate::pages::filter::Filter;

/// The list as the page shows it: one page of it, in groups.
pub(super) struct ListView {
    /// All groups with their counts, also those on other pages.
    pub(super) counts: Vec<(&'static str, usize)>,
    pub(super) groups: Vec<GroupView>,
    /// Lines that the filter takes, on all pages.
    pub(super) shown: usize,
    /// Lines without the filter.
    pub(super) total: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) page: usize,
    pub(super) pages: usize,
    order: Vec<Uuid>,
}

pub(super) struct GroupView {
    pub(super) name: &'static str,
    pub(super) count: usize,
    pub(super) rows: Vec<RowView>,
}

pub(super) struct RowView {
    pub(super) link: LinkView,
    pub(super) kind: String,
    pub(super) author: String,
    pub(super) organisation: String,
    pub(super) source: String,
    pub(super) current: bool,
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

/// A choice of the filter: code and words.
pub(super) type Choice = (String, String);

impl ListView {
    pub(super) fn new(
        documents: &[Document],
        filter: &Filter,
        handle: Uuid,
        page: usize,
        zone: &TimeZone,
    ) -> Self {
        let mut lines = fold(documents);
        let total = lines.len();
        lines.retain(|line| filter.takes(line.document, zone));
        lines.sort_by_cached_key(|line| {
            let created = line.document.created.as_deref().map(sort_key);
            (group(&line.document.class.code).0, Reverse(created))
        });
        let pages = lines.len().div_ceil(PAGE).max(1);
        let page = page.clamp(1, pages);
        let start = (page - 1) * PAGE;
        let end = lines.len().min(start + PAGE);
        let mut view = Self {
            counts: Vec::new(),
            groups: Vec::new(),
            shown: lines.len(),
            total,
            first: start + 1,
            last: end,
            page,
            pages,
            order: lines.iter().take(MAX_ORDER).map(|line| line.document.id).collect(),
        };
        for (at, line) in lines.iter().enumerate() {
            let name = group(&line.document.class.code).1;
            match view.counts.last_mut().filter(|(last, _)| *last == name) {
                Some((_, count)) => *count += 1,
                None => view.counts.push((name, 1)),
            }
            if (start..end).contains(&at) {
                view.add(name, RowView::new(line, handle, zone));
            }
        }
        for group in &mut view.groups {
            let count = view.counts.iter().find(|(name, _)| *name == group.name);
            group.count = count.map_or(0, |(_, count)| *count);
        }
        view
    }

    /// The documents in the order of the list, for next and previous: the first 500.
    pub(super) fn order(&self) -> Vec<Uuid> {
        self.order.clone()
    }

    fn add(&mut self, name: &'static str, row: RowView) {
        match self.groups.last_mut().filter(|group| group.name == name) {
            Some(group) => group.rows.push(row),
            None => self.groups.push(GroupView { name, count: 0, rows: vec![row] }),
        }
    }
}

impl RowView {
    fn new(line: &Line<'_>, handle: Uuid, zone: &TimeZone) -> Self {
        let document = line.document;
        let link = |document: &&Document| LinkView::new(document, handle, zone);
        Self {
            link: link(&document),
            kind: document.kind.display.clone(),
            author: document.authors.join(", "),
            organisation: document.organisations.join(", "),
            source: document.source.display.clone(),
            current: document.status == DocumentStatus::Current,
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

/// The classes and the sources that the documents have, as code and words, for the filter.
pub(super) fn choices(documents: &[Document]) -> (Vec<Choice>, Vec<Choice>) {
    let pairs = |of: fn(&Document) -> &crate::api::Coded| {
        let all = documents.iter().map(of).filter(|coded| !coded.code.is_empty());
        let mut pairs: Vec<_> = all.map(|c| (c.code.clone(), c.display.clone())).collect();
        pairs.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        pairs.dedup_by(|a, b| a.0 == b.0);
        pairs
    };
    (pairs(|document| &document.class), pairs(|document| &document.source))
}

/// Lines on a page.
const PAGE: usize = 200;
const MAX_ORDER: usize = 500;
