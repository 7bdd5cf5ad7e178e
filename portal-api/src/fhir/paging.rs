//! Pages of documents and lists. A page goes on behind the last thing of the one before it: what
//! comes or goes meanwhile moves nothing from one page to another. The decision is taken again for
//! each page, before it is cut, so that a page is never short and its total is exact.

use std::cmp::Ordering;

use axum::http::HeaderMap;
use carerecord_fhir::{Format, Shown, Sort, SortBy, Times, Tree, add_link, pairs};
use carerecord_model::{Dtm, ObjectId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Session;
use super::input::{is_strict, named};
use crate::Portal;
use crate::error::FhirError;

/// A search as it was sent first, and where its page begins. A link to a page holds it, sealed for
/// the caller: what is looked for, and what was shown last, is in no URL.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct PagedSearch {
    /// The type of resource.
    kind: String,
    parameters: String,
    pub strict: bool,
    /// The last thing of the page before.
    after: Option<Place>,
}

/// Where something stands in the order of an answer.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Place {
    /// What it is ordered by, in the order of the keys.
    keys: Vec<String>,
    /// Tells equals apart.
    id: String,
}

/// What an answer is ordered by: always something.
pub(crate) struct Order(Vec<Sort>);

/// A part of what was found.
pub(crate) struct Page<T> {
    pub shown: Vec<T>,
    /// Of all pages.
    pub total: usize,
    /// The last thing of the page, when more come behind it.
    last: Option<Place>,
}

impl PagedSearch {
    /// Out of the parameters of a search, or of a link to one of its pages.
    pub(crate) fn read(
        portal: &Portal,
        session: &Session,
        kind: &str,
        parameters: String,
        headers: &HeaderMap,
    ) -> Result<Self, FhirError> {
        let Some(text) = page_asked(portal, session, &parameters)? else {
            let (kind, strict) = (kind.to_owned(), is_strict(headers));
            return Ok(Self { kind, parameters, strict, after: None });
        };
        let search = serde_json::from_str::<Self>(&text).ok();
        search.filter(|search| search.kind == kind).ok_or(FhirError::NotFound)
    }

    /// Its names and values.
    pub(crate) fn pairs(&self, portal: &Portal, session: &Session) -> Vec<(String, String)> {
        named(portal, session, &self.parameters)
    }

    /// The page of what was found.
    ///
    /// # Errors
    /// When the search is so long that no link to a next page could hold it.
    pub(crate) fn page<T>(
        &self,
        mut found: Vec<(Place, T)>,
        order: &Order,
        shown: &Shown,
    ) -> Result<Page<T>, FhirError> {
        let total = found.len();
        if shown.count.is_some() && self.parameters.len() > MAX_PARAMETERS {
            return Err(FhirError::TooLong);
        }
        found.sort_by(|(a, _), (b, _)| order.compare(a, b));
        let start = match &self.after {
            Some(after) => found.partition_point(|(p, _)| order.compare(p, after).is_le()),
            None => 0,
        };
        let rest = total - start;
        let count = shown.count.unwrap_or(rest).min(rest);
        let last = (0 < count && count < rest).then(|| found[start + count - 1].0.clone());
        let shown = found.into_iter().skip(start).take(count).map(|(_, one)| one).collect();
        Ok(Page { shown, total, last })
    }

    /// Adds the links to the first and the next page, where there are pages.
    pub(crate) fn add_links<T>(
        &self,
        portal: &Portal,
        session: &Session,
        page: &Page<T>,
        bundle: &mut Tree<'_>,
    ) {
        if self.after.is_some() {
            add_link(bundle, "first", &self.link(portal, session, None));
        }
        if page.last.is_some() {
            add_link(bundle, "next", &self.link(portal, session, page.last.clone()));
        }
    }

    fn link(&self, portal: &Portal, session: &Session, after: Option<Place>) -> String {
        let text = json!(Self { after, ..self.clone() }).to_string();
        page_link(portal, session, &self.kind, &text, &self.parameters)
    }
}

/// What a link to a page holds, where the parameters are those of one.
pub(super) fn page_asked(
    portal: &Portal,
    session: &Session,
    parameters: &str,
) -> Result<Option<String>, FhirError> {
    let Some((_, link)) = pairs(parameters).into_iter().find(|(name, _)| name == PAGE) else {
        return Ok(None);
    };
    let text = portal.patient_ids.open_search(&link, &session.caller);
    text.map(Some).ok_or(FhirError::NotFound)
}

/// The link to a page. What is looked for is sealed: a URL names nobody. A form of the answer that
/// the parameters of the search name is that of all its pages.
pub(super) fn page_link(
    portal: &Portal,
    session: &Session,
    kind: &str,
    text: &str,
    parameters: &str,
) -> String {
    let sealed = portal.patient_ids.seal_search(text, &session.caller, portal.ids.as_ref());
    let format = pairs(parameters).into_iter().find(|(name, _)| name == "_format");
    let format = format.and_then(|(_, format)| Format::negotiate(None, Some(&format)));
    let format = if format == Some(Format::Xml) { "&_format=xml" } else { "" };
    format!("{}/{kind}?{PAGE}={sealed}{format}", portal.config.base_url)
}

impl Place {
    /// Of an object; `creation` is when a document was written.
    pub(crate) fn of(
        order: &Order,
        id: &ObjectId,
        creation: Option<&Dtm>,
        date: Option<&Dtm>,
        times: &Times,
    ) -> Self {
        let id = id.uuid().map(|id| id.uuid().to_string()).unwrap_or_default();
        let key = |sort: &Sort| match sort.by {
            SortBy::Creation => creation.map(Dtm::earliest).unwrap_or_default(),
            SortBy::Date => date.map(Dtm::earliest).unwrap_or_default(),
            SortBy::LastUpdated => {
                let changed = times.last_updated.map(Timestamp::as_millisecond);
                changed.map(|ms| format!("{ms:020}")).unwrap_or_default()
            }
            SortBy::Id => id.clone(),
        };
        Self { keys: order.0.iter().map(key).collect(), id }
    }

    /// Before everything that is worth less: 0 to 1, with three digits.
    pub(crate) fn ranked(mut self, worth: f64) -> Self {
        self.keys.insert(0, format!("{worth:.3}"));
        self
    }
}

impl Order {
    /// As the client wants it; otherwise the newest first.
    pub(crate) fn of(sort: &[Sort], newest: SortBy) -> Self {
        if sort.is_empty() {
            Self(vec![Sort { by: newest, descending: true }])
        } else {
            Self(sort.to_vec())
        }
    }

    /// Equals are in the order of their ids. Keys before those of the order itself are of worth.
    fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let ranks = a.keys.len().saturating_sub(self.0.len());
        for (n, (own, other)) in a.keys.iter().zip(&b.keys).enumerate() {
            let sort = n.checked_sub(ranks).and_then(|n| self.0.get(n));
            let ordering = match sort {
                Some(sort) if !sort.descending => own.cmp(other),
                Some(_) | None => other.cmp(own),
            };
            if ordering.is_ne() {
                return ordering;
            }
        }
        a.id.cmp(&b.id)
    }
}

pub(super) const PAGE: &str = "_page";
/// Links to further pages hold them, sealed, and must fit into a URL.
pub(super) const MAX_PARAMETERS: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(creation: &str, id: u8) -> Place {
        Place { keys: vec![creation.to_owned()], id: format!("{id:02}") }
    }

    fn search(after: Option<Place>) -> PagedSearch {
        let (kind, parameters) = ("DocumentReference".to_owned(), String::new());
        PagedSearch { kind, parameters, strict: false, after }
    }

    /// Things come and go between pages: whatever stays is shown once.
    #[test]
    fn pages_lose_and_repeat_nothing() {
        let order = Order::of(&[], SortBy::Creation);
        let shown = Shown { count: Some(3), ..Shown::default() };
        let mut all: Vec<(Place, u8)> =
            (0..10).map(|n| (place(if n < 5 { "2026" } else { "2025" }, n), n)).collect();
        let (mut after, mut seen) = (None, Vec::new());
        for turn in 0..10 {
            let page = search(after.take()).page(all.clone(), &order, &shown).unwrap();
            assert_eq!(page.total, all.len(), "it is exact");
            assert!(page.last.is_none() || page.shown.len() == 3, "a short page");
            seen.extend(page.shown.iter().copied());
            after = page.last.clone();
            if after.is_none() {
                break;
            }
            // Newer ones come before, and one that has been shown goes.
            all.push((place("2027", 20 + turn), 20 + turn));
            all.retain(|(_, n)| *n != seen[0]);
        }

        assert_eq!(seen, (0..10).collect::<Vec<u8>>());
        assert!(after.is_none());
    }

    #[test]
    fn an_answer_without_a_count_is_whole() {
        let all: Vec<(Place, u8)> = (0..10).map(|n| (place("2026", n), n)).collect();
        let order = Order::of(&[Sort { by: SortBy::Creation, descending: false }], SortBy::Date);

        let page = search(None).page(all, &order, &Shown::default()).unwrap();

        assert_eq!((page.shown.len(), page.total, page.last.is_none()), (10, 10, true));
    }

    #[test]
    fn worth_comes_before_the_order() {
        let order = Order::of(&[Sort { by: SortBy::Creation, descending: false }], SortBy::Date);
        let all = vec![
            (place("2024", 1).ranked(0.5), 1),
            (place("2026", 2).ranked(1.0), 2),
            (place("2025", 3).ranked(1.0), 3),
        ];

        let page = search(None).page(all, &order, &Shown::default()).unwrap();

        assert_eq!(page.shown, [3, 2, 1]);
    }
}
