use jiff::tz::TimeZone;
use uuid::Uuid;

use super::{Elements, KINDS, Row, answered, completeness, newest, rows};
use crate::api::{ApiError, Document, FoundStated};

/// The summary in brief: what matters most of each kind, beside the documents.
pub(crate) struct Brief {
    pub(crate) kinds: Vec<BriefKind>,
    /// What there is besides, of which only the summary tells.
    pub(crate) elsewhere: Vec<BriefKind>,
    /// How far it can be taken for all there is.
    pub(crate) completeness: String,
    pub(crate) complete: bool,
}

/// Some of one kind.
pub(crate) struct BriefKind {
    pub(crate) id: &'static str,
    pub(crate) heading: &'static str,
    pub(crate) count: usize,
    /// Whether not all of it could be asked for.
    pub(crate) failed: bool,
    pub(crate) rows: Vec<Row>,
}

impl Brief {
    /// `None` where nothing could be asked, or may be told.
    pub(crate) fn new(
        found: Elements,
        documents: &[Document],
        handle: Uuid,
        zone: &TimeZone,
    ) -> Option<Self> {
        let told = |error: &ApiError| tracing::warn!(%error, "the overview has no coded entries");
        let found = answered(found).inspect_err(told).ok()?;
        let (completeness, complete) = completeness(&found);
        let mut of_types = found.into_iter();
        let kind = |kind: &super::Kind| {
            let found: Vec<Option<FoundStated>> =
                of_types.by_ref().take(kind.types.len()).collect();
            let failed = found.iter().any(Option::is_none);
            let stated: Vec<_> = found.into_iter().flatten().flat_map(|f| f.stated).collect();
            let count = stated.len();
            let (stated, _) = newest(stated, kind.brief);
            let rows = rows(stated, kind.order, documents, handle, zone);
            BriefKind { id: kind.id, heading: kind.heading, count, failed, rows }
        };
        let kinds = KINDS.iter().map(kind).collect();
        Some(Self { kinds, elsewhere: Vec::new(), completeness, complete })
    }

    /// With the kinds `first` at the beginning, and without those that are told of `elsewhere`; the
    /// others follow as they were.
    pub(crate) fn arranged(self, first: &[&str], elsewhere: &[&str]) -> Self {
        let is_elsewhere = |kind: &BriefKind| elsewhere.contains(&kind.id);
        let (mut elsewhere, mut kinds): (Vec<_>, Vec<_>) =
            self.kinds.into_iter().partition(is_elsewhere);
        elsewhere.retain(|kind| kind.count > 0 || kind.failed);
        let place = |kind: &BriefKind| first.iter().position(|id| *id == kind.id);
        kinds.sort_by_key(|kind| place(kind).unwrap_or(first.len()));
        Self { kinds, elsewhere, ..self }
    }

    /// Whether documents state nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.iter().chain(&self.elsewhere).all(|kind| kind.count == 0 && !kind.failed)
    }
}
