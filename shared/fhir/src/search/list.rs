use carerecord_model::{AvailabilityStatus, EntryUuid, Folder, NhsNumber, SubmissionSet, UniqueId};

use super::author::Author;
use super::coded::{CodeTest, Missing, split};
use super::date::DateFilter;
use super::document_reference::ids;
use super::instant::InstantFilter;
use super::parameter::{LIST, check, has};
use super::patient::{is_patient, patient};
use super::shown::{Can, Include, Shown, SortBy};
use super::token::{Token, Tokens, tokens};
use super::{SearchError, Times, statuses};
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

/// What can be missing, beside codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Identifier,
    Date,
    SourceId,
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
    /// How much of what is found is shown.
    pub shown: Shown,
    ids: Vec<Vec<EntryUuid>>,
    dates: Vec<DateFilter>,
    last_updated: Vec<InstantFilter>,
    designations: Vec<CodeTest>,
    missing: Vec<(Field, Missing)>,
    source_ids: Tokens,
    not_source_ids: Tokens,
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
        check(pairs, LIST)?;
        let mut search = Self {
            patient: patient(pairs)?,
            code: code(pairs)?,
            status: statuses(pairs)?,
            shown: Shown::default(),
            ids: Vec::new(),
            dates: Vec::new(),
            last_updated: Vec::new(),
            designations: Vec::new(),
            missing: Vec::new(),
            source_ids: Vec::new(),
            not_source_ids: Vec::new(),
            identifiers: Vec::new(),
            sources: Vec::new(),
        };
        for (name, value) in pairs {
            search.add(name, value, strict)?;
        }
        Ok(search)
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        if self.shown.take(name, value, &CAN, strict)? {
            return Ok(());
        }
        if !has(LIST, name) {
            return self.shown.leave(name, strict);
        }
        if let Some(author) = Author::parse(name, value, "source.")? {
            self.sources.push(author);
            return Ok(());
        }
        let (bare, modifier) = split(name);
        if bare == "designationType" {
            self.designations.push(CodeTest::parse(name, modifier, value)?);
            return Ok(());
        }
        if modifier == Some("missing") {
            let field = match bare {
                "identifier" => Field::Identifier,
                "date" => Field::Date,
                "sourceId" => Field::SourceId,
                _ => return Err(SearchError::unsupported(name)),
            };
            self.missing.push((field, Missing::parse(name, value)?));
            return Ok(());
        }
        match name {
            "date" => self.dates.push(DateFilter::parse(name, value)?),
            "_lastUpdated" => self.last_updated.push(InstantFilter::parse(name, value)?),
            "_since" => self.last_updated.push(InstantFilter::since(name, value)?),
            "sourceId" => self.source_ids.push(tokens(name, value)?),
            "sourceId:not" => self.not_source_ids.push(tokens(name, value)?),
            "identifier" => self.identifiers.push(tokens(name, value)?),
            "_id" => self.ids.push(ids(name, value)?),
            "code" | "status" => {}
            known if is_patient(known) => {}
            other => return Err(SearchError::unsupported(other)),
        }
        Ok(())
    }

    /// Whether it cannot be answered without knowing when the registry changed what.
    pub fn asks_last_updated(&self) -> bool {
        let sorts = self.shown.sort.iter().any(|sort| sort.by == SortBy::LastUpdated);
        sorts || !self.last_updated.is_empty()
    }

    /// Whether a SubmissionSet is asked for.
    pub fn matches_set(&self, set: &SubmissionSet, times: &Times) -> bool {
        let source = set.source_id.as_str();
        let is_from = |any: &Vec<Token>| any.iter().any(|token| is_oid(token, source));
        self.code == ListCode::SubmissionSet
            && self.status.contains(&set.availability_status)
            && self.names(set.entry_uuid.uuid(), &set.unique_id)
            && self.dates.iter().all(|d| d.matches(&set.submission_time))
            && self.updated(times)
            && self.designations.iter().all(|test| test.matches([&set.content_type_code]))
            && self.missing.iter().all(|(_, missing)| missing.fits(true))
            && self.source_ids.iter().all(is_from)
            && !self.not_source_ids.iter().any(is_from)
            && self.sources.iter().all(|s| s.matches(&set.authors))
    }

    /// Whether a folder is asked for. A folder has neither source nor author: what is asked of
    /// them is left out. MHD 6.2.
    pub fn matches_folder(&self, folder: &Folder, times: &Times) -> bool {
        let time = folder.last_update_time.as_ref();
        self.code == ListCode::Folder
            && self.status.contains(&folder.availability_status)
            && self.names(folder.entry_uuid.uuid(), &folder.unique_id)
            && self.dates.iter().all(|d| time.is_some_and(|t| d.matches(t)))
            && self.updated(times)
            && self.designations.iter().all(|test| test.matches(&folder.codes))
            && self.missing.iter().all(|(field, missing)| match field {
                Field::Identifier => missing.fits(true),
                Field::Date => missing.fits(time.is_some()),
                Field::SourceId => true,
            })
    }

    fn updated(&self, times: &Times) -> bool {
        self.last_updated.iter().all(|f| times.last_updated.is_none_or(|time| f.matches(time)))
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

const CAN: Can = Can {
    sorts: &[("date", SortBy::Date), ("_lastUpdated", SortBy::LastUpdated), ("_id", SortBy::Id)],
    includes: &[("List:item", Include::ItemsOfLists)],
    revincludes: &[],
};
