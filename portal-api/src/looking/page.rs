use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where a log goes on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Place {
    /// The role or node whose log it is.
    pub log: String,
    /// Only records before this one; 0 where there are no more.
    pub before: Option<i64>,
    /// The newest one that was there when the search began.
    pub up_to: i64,
}

/// A further page of a search, as its link holds it, sealed: what is looked for is in no URL, and
/// what came meanwhile does not move the pages.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Turned {
    /// As they were sent first.
    pub parameters: String,
    pub strict: bool,
    /// The time that was searched.
    pub since: Timestamp,
    pub until: Timestamp,
    pub places: Vec<Place>,
    pub total: Option<u64>,
    /// Logs that could not be asked at first: they stay out of all pages.
    pub missing: Vec<String>,
}
