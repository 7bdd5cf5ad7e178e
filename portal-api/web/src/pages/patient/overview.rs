use super::Face;
use super::groups::{GROUPS, Line, fold, group, slug};
use super::list::{Asked, RowView};
use crate::api::{Document, sort_key};

/// What matters most to the reader's role, and the way to everything else.
pub(super) struct OverviewView {
    /// Whom the choice is made for.
    pub(super) name: &'static str,
    /// The newest of what has come since the reader last looked.
    pub(super) fresh: Vec<RowView>,
    pub(super) fresh_count: usize,
    pub(super) sections: Vec<SectionView>,
    /// Groups of which nothing is shown here.
    pub(super) others: Vec<SectionView>,
}

/// A group of documents: the newest, and how many there are.
pub(super) struct SectionView {
    pub(super) name: &'static str,
    pub(super) count: usize,
    pub(super) href: String,
    pub(super) rows: Vec<RowView>,
}

impl OverviewView {
    pub(super) fn new(documents: &[Document], asked: &Asked<'_>) -> Self {
        let mut lines = fold(documents);
        lines.sort_by_cached_key(|line| {
            std::cmp::Reverse(line.document.created.as_deref().map(sort_key))
        });
        let is_fresh = |line: &&Line<'_>| line.all().any(|d| asked.fresh.contains(&d.id));
        let fresh: Vec<&Line<'_>> = lines.iter().filter(is_fresh).collect();
        let row = |line: &&Line<'_>| RowView::new(line, is_fresh(line), asked);
        let section = |name: &'static str, most: usize| {
            let of: Vec<_> =
                lines.iter().filter(|line| group(&line.document.class.code) == name).collect();
            SectionView {
                name,
                count: of.len(),
                href: Face::List.address(asked.handle, Some(&slug(name)), 1),
                rows: of.iter().take(most).map(row).collect(),
            }
        };
        let is_of_view =
            |line: &Line<'_>| asked.view.groups.contains(&group(&line.document.class.code));
        // Where the view has nothing to show, everything is shown.
        let order: Vec<&'static str> =
            if lines.iter().any(is_of_view) { asked.view.groups.to_vec() } else { GROUPS.to_vec() };
        let all = order.iter().copied().map(|name| section(name, MOST));
        let others = GROUPS.iter().copied().filter(|name| !order.contains(name));
        let others = others.map(|name| section(name, 0));
        Self {
            name: asked.view.name,
            fresh_count: fresh.len(),
            fresh: fresh.iter().take(MOST).map(row).collect(),
            sections: all.filter(|section| section.count > 0).collect(),
            others: others.filter(|section| section.count > 0).collect(),
        }
    }
}

/// Documents of a section.
const MOST: usize = 5;
