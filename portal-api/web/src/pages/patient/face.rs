use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a patient's documents are shown: one set, three faces.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Face {
    /// What matters most to the reader's role.
    Overview,
    /// All, by group.
    List,
    /// All, by time.
    Timeline,
}

impl Face {
    /// In the order of the page.
    pub(super) const ALL: [Self; 3] = [Self::Overview, Self::List, Self::Timeline];

    /// For who has not chosen one: a short record is shown whole.
    pub(super) fn for_record(documents: usize) -> Self {
        if documents <= SHORT { Self::List } else { Self::Overview }
    }

    /// The face of that name in an address.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|face| face.slug() == name)
    }

    /// Its name in an address.
    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::List => "list",
            Self::Timeline => "timeline",
        }
    }

    /// Its name on the page.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::List => "List",
            Self::Timeline => "Timeline",
        }
    }

    /// What its page is called.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview of the record",
            Self::List => "Documents",
            Self::Timeline => "Timeline of documents",
        }
    }

    /// The address of a page of it, of all groups or of one. Nothing in it tells of a patient.
    pub(super) fn address(self, handle: Uuid, group: Option<&str>, page: usize) -> String {
        let mut address = format!("/patient/{handle}?show={}", self.slug());
        if let Some(group) = group {
            address.push_str(&format!("&group={group}"));
        }
        if page > 1 {
            address.push_str(&format!("&page={page}"));
        }
        address
    }
}

/// Documents that fit on a screen or two.
const SHORT: usize = 12;
