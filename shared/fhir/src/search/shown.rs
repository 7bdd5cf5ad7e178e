//! How much of what is found is shown, and in which order: the result parameters. FHIR R4, search,
//! 3.1.1.5.

use super::{SearchError, is_count};
use crate::echo::safe_name;

/// What a search of documents or lists asks of its answer.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// So many on a page; all of them without it.
    pub count: Option<usize>,
    /// Only the count is wanted.
    pub count_only: bool,
    /// What comes first; empty where the client does not say.
    pub sort: Vec<Sort>,
    /// The elements that are wanted of each resource that matches; all of them without it.
    pub elements: Option<Vec<String>>,
    /// What is wanted beside what matches.
    pub includes: Vec<Include>,
    /// Parameters, or values of them, that were left out.
    pub ignored: Vec<String>,
}

/// What resources are ordered by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// The largest first.
    pub descending: bool,
}

/// A time or an id to order by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SortBy {
    /// When the document was written.
    Creation,
    /// When it was submitted; of a folder, when it was last changed.
    Date,
    /// When the registry last changed it.
    LastUpdated,
    /// By the logical id.
    Id,
}

/// What is shown beside what matches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Include {
    /// The documents of lists that match.
    ItemsOfLists,
    /// The lists that have documents that match.
    ListsOfDocuments,
    /// The documents that those that match relate to.
    RelatedDocuments,
    /// The documents that relate to those that match.
    RelatingDocuments,
}

impl Include {
    /// Of which type it is.
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::ItemsOfLists | Self::RelatedDocuments | Self::RelatingDocuments => {
                "DocumentReference"
            }
            Self::ListsOfDocuments => "List",
        }
    }
}

/// What a kind of resource can be asked for.
pub(super) struct Can {
    pub sorts: &'static [(&'static str, SortBy)],
    pub includes: &'static [(&'static str, Include)],
    pub revincludes: &'static [(&'static str, Include)],
}

impl Shown {
    /// Whether lists are wanted beside documents.
    pub fn has_lists(&self) -> bool {
        self.includes.contains(&Include::ListsOfDocuments)
    }

    /// Takes a parameter that is one of the result's; whether it was.
    pub(super) fn take(
        &mut self,
        name: &str,
        value: &str,
        can: &Can,
        strict: bool,
    ) -> Result<bool, SearchError> {
        match name {
            _ if is_count(name, value) => self.count_only = true,
            "_count" => self.count = Some(count(value)?),
            "_sort" => self.add_sort(value, can, strict)?,
            "_elements" => self.add_elements(value)?,
            "_include" => self.add_include(name, value, can.includes, strict)?,
            "_revinclude" => self.add_include(name, value, can.revincludes, strict)?,
            "_summary" if matches!(value, "false" | "data") => {}
            // It is always exact.
            "_total" if matches!(value, "none" | "estimate" | "accurate") => {}
            "_format" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Leaves a parameter out, or refuses it.
    pub(super) fn leave(&mut self, name: &str, strict: bool) -> Result<(), SearchError> {
        if strict {
            return Err(SearchError::unsupported(name));
        }
        let name = safe_name(name);
        if !self.ignored.contains(&name) {
            self.ignored.push(name);
        }
        Ok(())
    }

    fn add_sort(&mut self, value: &str, can: &Can, strict: bool) -> Result<(), SearchError> {
        for key in value.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            let bare = key.strip_prefix('-').unwrap_or(key);
            match can.sorts.iter().find(|(name, _)| *name == bare) {
                Some((_, by)) if self.sort.iter().all(|sort| sort.by != *by) => {
                    self.sort.push(Sort { by: *by, descending: bare != key });
                }
                Some(_) => {}
                None => self.leave("_sort", strict)?,
            }
        }
        Ok(())
    }

    fn add_elements(&mut self, value: &str) -> Result<(), SearchError> {
        let names: Vec<&str> =
            value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let is_name = |name: &&str| {
            name.len() <= MAX_NAME && name.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.')
        };
        let all = self.elements.get_or_insert_default();
        if names.is_empty() || !names.iter().all(is_name) || all.len() + names.len() > MOST_ELEMENTS
        {
            return Err(SearchError::malformed("_elements"));
        }
        // `DocumentReference.type` names the same as `type`.
        all.extend(names.iter().map(|name| {
            let bare =
                name.split_once('.').filter(|(kind, _)| kind.starts_with(char::is_uppercase));
            bare.map_or(*name, |(_, name)| name).to_owned()
        }));
        Ok(())
    }

    fn add_include(
        &mut self,
        name: &str,
        value: &str,
        known: &[(&str, Include)],
        strict: bool,
    ) -> Result<(), SearchError> {
        // A third part says of which type the target is to be; ours are of one type.
        let mut parts = value.split(':');
        let two = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()].join(":");
        let target_fits = parts.next().is_none_or(|kind| kind == "DocumentReference");
        match known.iter().find(|(name, _)| *name == two).filter(|_| target_fits) {
            Some((_, include)) if !self.includes.contains(include) => self.includes.push(*include),
            Some(_) => {}
            None => self.leave(name, strict)?,
        }
        Ok(())
    }
}

fn count(value: &str) -> Result<usize, SearchError> {
    value.parse().map_err(|_| SearchError::malformed("_count"))
}

const MAX_NAME: usize = 64;
const MOST_ELEMENTS: usize = 50;
