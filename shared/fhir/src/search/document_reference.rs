use std::borrow::{Borrow, Cow};

use carerecord_model::{
    AvailabilityStatus, Code, CodeFilter, DocumentEntry, DocumentEntryType, DocumentFilter,
    EntryUuid, FindDocuments, NhsNumber, PatientId, UniqueId, components, unescape,
};

use super::author::Author;
use super::coded::{CodeTest, Missing, split};
use super::date::DateFilter;
use super::instant::InstantFilter;
use super::parameter::{DOCUMENT_REFERENCE, check, has};
use super::patient::{is_patient, patient};
use super::shown::{Can, Include, Shown, SortBy};
use super::token::{Token, Tokens, tokens};
use super::{SearchError, Times, alternatives, statuses};
use crate::code_system::URI;
use crate::contained::authority;
use crate::identifier::unique_id;
use crate::system_of_scheme;

/// The parameters of ITI-67. MHD 6.1.
#[derive(Clone, Debug)]
pub struct DocumentReferenceSearch {
    /// Whose documents.
    pub patient: NhsNumber,
    /// Empty when only statuses are asked for that nothing here has.
    pub status: Vec<AvailabilityStatus>,
    /// How much of what is found is shown.
    pub shown: Shown,
    /// Words that must stand in the documents; several parameters are all wanted.
    pub content: Option<String>,
    /// The sources that are to be asked how they are, as outcomes name them; all unless given.
    /// Not a filter: what they hold is listed either way.
    pub source_state: Option<Vec<String>>,
    ids: Vec<Vec<EntryUuid>>,
    codes: Vec<(CodeField, CodeTest)>,
    missing: Vec<(Field, Missing)>,
    identifiers: Tokens,
    related: Tokens,
    related_documents: Vec<Vec<EntryUuid>>,
    creation: Vec<DateFilter>,
    date: Vec<DateFilter>,
    period: Vec<DateFilter>,
    last_updated: Vec<InstantFilter>,
    authors: Vec<Author>,
}

/// What can be missing, beside codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Field {
    Identifier,
    Related,
    Creation,
    Date,
    Period,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum CodeField {
    Category,
    Type,
    Setting,
    Facility,
    Event,
    Label,
    Format,
}

impl DocumentReferenceSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known.
    ///
    /// # Errors
    /// `Missing` without patient or status; `Malformed`; `Unsupported` for a modifier, and under
    /// `strict` for a parameter.
    pub fn parse(pairs: &[(String, String)], strict: bool) -> Result<Self, SearchError> {
        check(pairs, DOCUMENT_REFERENCE)?;
        let mut search = Self {
            patient: patient(pairs)?,
            status: statuses(pairs)?,
            shown: Shown::default(),
            content: None,
            source_state: None,
            ids: Vec::new(),
            codes: Vec::new(),
            missing: Vec::new(),
            identifiers: Vec::new(),
            related: Vec::new(),
            related_documents: Vec::new(),
            creation: Vec::new(),
            date: Vec::new(),
            period: Vec::new(),
            last_updated: Vec::new(),
            authors: Vec::new(),
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
        if !has(DOCUMENT_REFERENCE, name) {
            // Left out, as FHIR asks for.
            return self.shown.leave(name, strict);
        }
        let (bare, modifier) = split(name);
        if let Some(field) = CodeField::of(bare) {
            self.codes.push((field, CodeTest::parse(name, modifier, value)?));
            return Ok(());
        }
        if let Some(author) = Author::parse(name, value, "author.")? {
            self.authors.push(author);
            return Ok(());
        }
        if modifier == Some("missing") {
            let field = Field::of(bare).ok_or_else(|| SearchError::unsupported(name))?;
            self.missing.push((field, Missing::parse(name, value)?));
            return Ok(());
        }
        match name {
            "identifier" => self.identifiers.push(tokens(name, value)?),
            "related:identifier" | "related.identifier" => self.related.push(tokens(name, value)?),
            "related" | "related:DocumentReference" => {
                self.related_documents.push(references(name, value)?);
            }
            "creation" => self.creation.push(DateFilter::parse(name, value)?),
            "date" => self.date.push(DateFilter::parse(name, value)?),
            "period" => self.period.push(DateFilter::parse(name, value)?),
            "_lastUpdated" => self.last_updated.push(InstantFilter::parse(name, value)?),
            "_since" => self.last_updated.push(InstantFilter::since(name, value)?),
            "_id" => self.ids.push(ids(name, value)?),
            "_content" => self.add_content(name, value)?,
            "source-state" => self.add_sources(name, value)?,
            "status" => {}
            known if is_patient(known) => {}
            other => return Err(SearchError::unsupported(other)),
        }
        Ok(())
    }

    fn add_sources(&mut self, name: &str, value: &str) -> Result<(), SearchError> {
        let mut asked = alternatives(name, value)?;
        asked.retain(|source| source != NO_SOURCE);
        let all = self.source_state.get_or_insert_default();
        all.append(&mut asked);
        if all.len() > MAX_SOURCES { Err(SearchError::malformed(name)) } else { Ok(()) }
    }

    /// Whether it cannot be answered without knowing when the registry changed what.
    pub fn asks_last_updated(&self) -> bool {
        let sorts = self.shown.sort.iter().any(|sort| sort.by == SortBy::LastUpdated);
        sorts || !self.last_updated.is_empty()
    }

    fn add_content(&mut self, name: &str, value: &str) -> Result<(), SearchError> {
        if value.chars().count() > MAX_CONTENT || !value.contains(char::is_alphanumeric) {
            return Err(SearchError::malformed(name));
        }
        let content = self.content.get_or_insert_default();
        if !content.is_empty() {
            content.push(' ');
        }
        content.push_str(value.trim());
        Ok(())
    }

    /// Tells which entries of the patient are asked for, out of those that the caller may see:
    /// documents that `related` names are looked up among them.
    pub fn among<E: Borrow<DocumentEntry>>(&self, entries: &[E]) -> DocumentReferenceMatches<'_> {
        let unique_ids = |ids: &Vec<EntryUuid>| {
            let entries = entries.iter().map(Borrow::borrow);
            let named = entries.filter(|e| e.uuid().is_some_and(|id| ids.contains(&id)));
            named.map(|entry| entry.unique_id.clone()).collect()
        };
        let related = self.related_documents.iter().map(unique_ids).collect();
        DocumentReferenceMatches { search: self, related }
    }

    fn matches(&self, entry: &DocumentEntry, times: &Times) -> bool {
        let (start, stop) = (&entry.service_start_time, &entry.service_stop_time);
        let timeless = start.is_none() && stop.is_none();
        let within = |filters: &[DateFilter], time: Option<&_>| {
            filters.iter().all(|filter| time.is_none_or(|time| filter.matches(time)))
        };
        self.status.contains(&entry.availability_status)
            && self.ids.iter().all(|any| entry.uuid().is_some_and(|u| any.contains(&u)))
            && self.codes.iter().all(|(field, test)| test.matches(field.codes(entry)))
            && self.missing.iter().all(|(field, missing)| missing.fits(field.has(entry, times)))
            && self.identifiers.iter().all(|any| any.iter().any(|t| has_identifier(t, entry)))
            && self.related.iter().all(|any| any.iter().any(|t| has_related(t, entry)))
            && within(&self.creation, entry.creation_time.as_ref())
            && within(&self.date, times.submitted.as_ref())
            && (timeless || self.period.iter().all(|f| f.overlaps(start.as_ref(), stop.as_ref())))
            && self.last_updated.iter().all(|f| times.last_updated.is_none_or(|t| f.matches(t)))
            && self.authors.iter().all(|author| author.matches(&entry.authors))
    }

    /// The stored query that finds at least what is asked for; `matches` then leaves out what the
    /// query could not say.
    pub fn find_documents(&self) -> FindDocuments {
        let mut query = FindDocuments::approved(PatientId::from_nhs_number(self.patient));
        if !self.status.is_empty() {
            query.filter.status.clone_from(&self.status);
        }
        query.filter.entry_types = vec![DocumentEntryType::Stable, DocumentEntryType::OnDemand];
        for (field, test) in &self.codes {
            let CodeTest::Any(any) = test else { continue };
            let group: Option<Vec<_>> = any.iter().map(Token::schemes).collect();
            field.filter(&mut query.filter).0.extend(group.map(|g| g.concat()));
        }
        for filter in &self.creation {
            filter.narrow(&mut query.filter.creation_time);
        }
        query
    }
}

/// A search, and the uniqueIds of the documents that it names.
pub struct DocumentReferenceMatches<'s> {
    search: &'s DocumentReferenceSearch,
    related: Vec<Vec<UniqueId>>,
}

impl DocumentReferenceMatches<'_> {
    /// Whether an entry of the patient is asked for. As over XDS, a range does not exclude an
    /// entry that has no such time: one question has one answer over both.
    pub fn has(&self, entry: &DocumentEntry, times: &Times) -> bool {
        self.search.matches(entry, times)
            && self.related.iter().all(|any| any.iter().any(|id| names_document(entry, id)))
    }
}

impl CodeField {
    fn of(name: &str) -> Option<Self> {
        match name {
            "category" => Some(Self::Category),
            "type" => Some(Self::Type),
            "setting" => Some(Self::Setting),
            "facility" => Some(Self::Facility),
            "event" => Some(Self::Event),
            "security-label" => Some(Self::Label),
            "format" => Some(Self::Format),
            _ => None,
        }
    }

    fn codes(self, entry: &DocumentEntry) -> &[Code] {
        let one = std::slice::from_ref;
        match self {
            Self::Category => one(&entry.class_code),
            Self::Type => one(&entry.type_code),
            Self::Setting => one(&entry.practice_setting_code),
            Self::Facility => one(&entry.healthcare_facility_type_code),
            Self::Event => &entry.event_codes,
            Self::Label => &entry.confidentiality_codes,
            Self::Format => one(&entry.format_code),
        }
    }

    fn filter(self, query: &mut DocumentFilter) -> &mut CodeFilter {
        match self {
            Self::Category => &mut query.class_code,
            Self::Type => &mut query.type_code,
            Self::Setting => &mut query.practice_setting_code,
            Self::Facility => &mut query.healthcare_facility_type_code,
            Self::Event => &mut query.event_codes,
            Self::Label => &mut query.confidentiality_codes,
            Self::Format => &mut query.format_code,
        }
    }
}

impl Field {
    fn of(name: &str) -> Option<Self> {
        match name {
            "identifier" => Some(Self::Identifier),
            "related" => Some(Self::Related),
            "creation" => Some(Self::Creation),
            "date" => Some(Self::Date),
            "period" => Some(Self::Period),
            _ => None,
        }
    }

    fn has(self, entry: &DocumentEntry, times: &Times) -> bool {
        match self {
            Self::Identifier => true,
            Self::Related => !entry.reference_ids.is_empty(),
            Self::Creation => entry.creation_time.is_some(),
            Self::Date => times.submitted.is_some(),
            Self::Period => entry.service_start_time.is_some() || entry.service_stop_time.is_some(),
        }
    }
}

/// An id of another form is nobody's.
pub(super) fn ids(name: &str, value: &str) -> Result<Vec<EntryUuid>, SearchError> {
    let all = alternatives(name, value)?;
    Ok(all.iter().filter_map(|id| uuid::Uuid::parse_str(id).ok()).map(EntryUuid::new).collect())
}

/// The documents of references, `DocumentReference/…` or the id alone. One to anything else is to
/// nothing that a document here is related to.
fn references(name: &str, value: &str) -> Result<Vec<EntryUuid>, SearchError> {
    if value.contains('|') {
        // An identifier: that is `related:identifier`.
        return Err(SearchError::malformed(name));
    }
    let ids = alternatives(name, value)?;
    let bare = |text: &String| {
        let id = text.strip_prefix("DocumentReference/").unwrap_or(text);
        uuid::Uuid::try_parse(id).ok().map(EntryUuid::new)
    };
    Ok(ids.iter().filter_map(bare).collect())
}

/// Whether an entry is related to a document, by its uniqueId: as XDS writes it, or as FHIR does.
fn names_document(entry: &DocumentEntry, id: &UniqueId) -> bool {
    let of_fhir = unique_id(id);
    entry.reference_ids.iter().any(|cxi| match reference_id(cxi) {
        (None, value) => value == id.as_str(),
        (Some(system), value) => system == of_fhir.0 && value == of_fhir.1,
    })
}

/// System and value of an identifier of the referenceIdList.
fn reference_id(cxi: &str) -> (Option<Cow<'_, str>>, String) {
    let value = components(cxi, '^').first().map(|id| unescape(id)).unwrap_or_default();
    (authority(cxi, 4).map(system_of_scheme), value)
}

fn has_identifier(token: &Token, entry: &DocumentEntry) -> bool {
    let (system, value) = unique_id(&entry.unique_id);
    token.matches_identifier(Some(&system), &value)
        || token.matches_identifier(Some(URI), &entry.entry_uuid.to_string())
        // The id as XDS writes it.
        || token.matches_identifier(None, entry.unique_id.as_str())
}

fn has_related(token: &Token, entry: &DocumentEntry) -> bool {
    entry.reference_ids.iter().any(|cxi| {
        let (system, value) = reference_id(cxi);
        token.matches_identifier(system.as_deref(), &value)
    })
}

/// Asks no source how it is.
const NO_SOURCE: &str = "none";
const MAX_SOURCES: usize = 200;
/// Characters of a question about what is inside documents.
const MAX_CONTENT: usize = 500;

const CAN: Can = Can {
    sorts: &[
        ("creation", SortBy::Creation),
        ("date", SortBy::Date),
        ("_lastUpdated", SortBy::LastUpdated),
        ("_id", SortBy::Id),
    ],
    includes: &[("DocumentReference:relatesto", Include::RelatedDocuments)],
    revincludes: &[
        ("DocumentReference:relatesto", Include::RelatingDocuments),
        ("List:item", Include::ListsOfDocuments),
    ],
};
