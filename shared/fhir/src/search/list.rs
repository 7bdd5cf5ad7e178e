use carerecord_model::{AvailabilityStatus, EntryUuid, Folder, NhsNumber, SubmissionSet, UniqueId};

use super::date::DateFilter;
use super::document_reference::{Author, ids};
use super::patient::{PATIENT, patient};
use super::token::{Token, Tokens, all_groups, tokens};
use super::{SearchError, check, count_only, is_count, statuses};
use crate::code_system::URI;
use crate::identifier::unique_id;

/// Which kind of list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ListCode {
    /// SubmissionSets.
    SubmissionSet,
    /// Folders.
    Folder,
}

/// The parameters of ITI-66. MHD 6.2.
#[derive(Clone, Debug)]
pub struct ListSearch {
    /// Whose lists.
    pub patient: NhsNumber,
    /// Which kind.
    pub code: ListCode,
    /// Empty when only statuses are asked for that nothing here has.
    pub status: Vec<AvailabilityStatus>,
    /// Only the count is wanted.
    pub count_only: bool,
    ids: Vec<Vec<EntryUuid>>,
    dates: Vec<DateFilter>,
    designations: Tokens,
    source_ids: Tokens,
    identifiers: Tokens,
    sources: Vec<Author>,
}

impl ListSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known.
    ///
    /// # Errors
    /// `Missing` without patient, code or status; `Malformed`; `Unsupported` for a modifier, and
    /// under `strict` for a parameter.
    pub fn parse(pairs: &[(String, String)], strict: bool) -> Result<Self, SearchError> {
        check(pairs, &MODIFIERS)?;
        let mut search = Self {
            patient: patient(pairs)?,
            code: code(pairs)?,
            status: statuses(pairs)?,
            count_only: count_only(pairs),
            ids: Vec::new(),
            dates: Vec::new(),
            designations: Vec::new(),
            source_ids: Vec::new(),
            identifiers: Vec::new(),
            sources: Vec::new(),
        };
        for (name, value) in pairs {
            search.add(name, value, strict)?;
        }
        Ok(search)
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        if let Some(author) = Author::parse(name, value, "source.")? {
            self.sources.push(author);
            return Ok(());
        }
        match name {
            "date" => self.dates.push(DateFilter::parse(name, value)?),
            "designationType" => self.designations.push(tokens(name, value)?),
            "sourceId" => self.source_ids.push(tokens(name, value)?),
            "identifier" => self.identifiers.push(tokens(name, value)?),
            "_id" => self.ids.push(ids(name, value)?),
            "code" | "status" | "_format" => {}
            known if PATIENT.contains(&known) => {}
            _ if is_count(name, value) => {}
            other if strict => return Err(SearchError::unsupported(other)),
            _ => {}
        }
        Ok(())
    }

    /// Whether a SubmissionSet is asked for.
    pub fn matches_set(&self, set: &SubmissionSet) -> bool {
        let source = set.source_id.as_str();
        self.code == ListCode::SubmissionSet
            && self.status.contains(&set.availability_status)
            && self.names(set.entry_uuid.uuid(), &set.unique_id)
            && self.dates.iter().all(|d| d.matches(&set.submission_time))
            && all_groups(&self.designations, [&set.content_type_code])
            && self.source_ids.iter().all(|any| any.iter().any(|t| is_oid(t, source)))
            && self.sources.iter().all(|s| s.matches(&set.authors))
    }

    /// Whether a folder is asked for. A folder has neither source nor author: what is asked of
    /// them is left out. MHD 6.2.
    pub fn matches_folder(&self, folder: &Folder) -> bool {
        let time = folder.last_update_time.as_ref();
        self.code == ListCode::Folder
            && self.status.contains(&folder.availability_status)
            && self.names(folder.entry_uuid.uuid(), &folder.unique_id)
            && self.dates.iter().all(|d| time.is_some_and(|t| d.matches(t)))
            && all_groups(&self.designations, &folder.codes)
    }

    fn names(&self, id: Option<EntryUuid>, unique: &UniqueId) -> bool {
        let (system, value) = unique_id(unique);
        let named = |t: &Token| {
            t.matches_identifier(Some(&system), &value)
                || t.matches_identifier(None, unique.as_str())
                || id.is_some_and(|id| t.matches_identifier(Some(URI), &id.to_string()))
        };
        self.ids.iter().all(|any| id.is_some_and(|id| any.contains(&id)))
            && self.identifiers.iter().all(|any| any.iter().any(named))
    }
}

/// The system is ours to know; clients leave it out as often as not.
fn code(pairs: &[(String, String)]) -> Result<ListCode, SearchError> {
    let mut found = None;
    for (name, value) in pairs.iter().filter(|(n, _)| n == "code") {
        let code = match value.rsplit('|').next().unwrap_or(value) {
            "submissionset" => ListCode::SubmissionSet,
            "folder" => ListCode::Folder,
            _ => return Err(SearchError::malformed(name)),
        };
        if found.is_some_and(|other| other != code) {
            return Err(SearchError::malformed(name));
        }
        found = Some(code);
    }
    found.ok_or(SearchError::Missing("code"))
}

/// With and without `urn:oid:`.
fn is_oid(token: &Token, oid: &str) -> bool {
    token.matches_identifier(Some(URI), &format!("urn:oid:{oid}")) || token.code() == Some(oid)
}

const MODIFIERS: [&str; 4] =
    ["patient:identifier", "subject:identifier", "source.family:exact", "source.given:exact"];
