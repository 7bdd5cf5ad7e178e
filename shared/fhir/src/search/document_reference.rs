use carerecord_model::{
    AvailabilityStatus, CodeFilter, DocumentEntry, DocumentEntryType, DocumentFilter, EntryUuid,
    FindDocuments, NhsNumber, PatientId, components, unescape,
};

use super::date::DateFilter;
use super::patient::{PATIENT, patient};
use super::token::{Token, Tokens, all_groups, tokens};
use super::{SearchError, alternatives, check, count_only, is_count, statuses, unescaped};
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
    /// Only the count is wanted.
    pub count_only: bool,
    /// Words that must stand in the documents; several parameters are all wanted.
    pub content: Option<String>,
    ids: Vec<Vec<EntryUuid>>,
    codes: Vec<(CodeField, Vec<Token>)>,
    identifiers: Tokens,
    related: Tokens,
    creation: Vec<DateFilter>,
    period: Vec<DateFilter>,
    authors: Vec<Author>,
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

/// A part of an author's name: OR between the texts.
#[derive(Clone, Debug)]
pub(super) struct Author {
    component: usize,
    exact: bool,
    texts: Vec<String>,
}

impl DocumentReferenceSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known.
    ///
    /// # Errors
    /// `Missing` without patient or status; `Malformed`; `Unsupported` for a modifier, and under
    /// `strict` for a parameter.
    pub fn parse(pairs: &[(String, String)], strict: bool) -> Result<Self, SearchError> {
        check(pairs, &MODIFIERS)?;
        let mut search = Self {
            patient: patient(pairs)?,
            status: statuses(pairs)?,
            count_only: count_only(pairs),
            content: None,
            ids: Vec::new(),
            codes: Vec::new(),
            identifiers: Vec::new(),
            related: Vec::new(),
            creation: Vec::new(),
            period: Vec::new(),
            authors: Vec::new(),
        };
        for (name, value) in pairs {
            search.add(name, value, strict)?;
        }
        Ok(search)
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        if let Some(field) = CodeField::of(name) {
            self.codes.push((field, tokens(name, value)?));
            return Ok(());
        }
        if let Some(author) = Author::parse(name, value, "author.")? {
            self.authors.push(author);
            return Ok(());
        }
        match name {
            "identifier" => self.identifiers.push(tokens(name, value)?),
            "related:identifier" | "related.identifier" => self.related.push(tokens(name, value)?),
            // A resource: what is related is known by identifiers only.
            "related" => return Err(SearchError::malformed(name)),
            "creation" => self.creation.push(DateFilter::parse(name, value)?),
            "period" => self.period.push(DateFilter::parse(name, value)?),
            "_id" => self.ids.push(ids(name, value)?),
            "_content" => self.add_content(name, value)?,
            "status" | "_format" => {}
            known if PATIENT.contains(&known) => {}
            _ if is_count(name, value) => {}
            other if strict => return Err(SearchError::unsupported(other)),
            // Left out, as FHIR asks for.
            _ => {}
        }
        Ok(())
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

    /// Whether an entry of the patient is asked for. As over XDS, a range does not exclude an
    /// entry that has no such time: one question has one answer over both.
    pub fn matches(&self, entry: &DocumentEntry) -> bool {
        let (start, stop) = (&entry.service_start_time, &entry.service_stop_time);
        let timeless = start.is_none() && stop.is_none();
        self.status.contains(&entry.availability_status)
            && self.ids.iter().all(|any| entry.uuid().is_some_and(|u| any.contains(&u)))
            && self.codes.iter().all(|(field, any)| field.matches(any, entry))
            && self.identifiers.iter().all(|any| any.iter().any(|t| has_identifier(t, entry)))
            && self.related.iter().all(|any| any.iter().any(|t| has_related(t, entry)))
            && self
                .creation
                .iter()
                .all(|filter| entry.creation_time.as_ref().is_none_or(|t| filter.matches(t)))
            && (timeless || self.period.iter().all(|f| f.overlaps(start.as_ref(), stop.as_ref())))
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
        for (field, any) in &self.codes {
            let group: Option<Vec<_>> = any.iter().map(Token::schemes).collect();
            field.filter(&mut query.filter).0.extend(group.map(|g| g.concat()));
        }
        for filter in &self.creation {
            filter.narrow(&mut query.filter.creation_time);
        }
        query
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

    fn matches(self, any: &[Token], entry: &DocumentEntry) -> bool {
        let one = std::slice::from_ref;
        let codes = match self {
            Self::Category => one(&entry.class_code),
            Self::Type => one(&entry.type_code),
            Self::Setting => one(&entry.practice_setting_code),
            Self::Facility => one(&entry.healthcare_facility_type_code),
            Self::Event => &entry.event_codes,
            Self::Label => &entry.confidentiality_codes,
            Self::Format => one(&entry.format_code),
        };
        all_groups(&vec![any.to_vec()], codes)
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

impl Author {
    /// `None` when the parameter is not about a name. A name begins with the text, whatever its
    /// case; `:exact` means the whole name as it is.
    pub(super) fn parse(
        name: &str,
        value: &str,
        prefix: &str,
    ) -> Result<Option<Self>, SearchError> {
        let Some(part) = name.strip_prefix(prefix) else { return Ok(None) };
        let (component, exact) = match part {
            "family" => (2, false),
            "family:exact" => (2, true),
            "given" => (3, false),
            "given:exact" => (3, true),
            _ => return Ok(None),
        };
        let texts = alternatives(name, value)?;
        let fold = |t: &String| if exact { unescaped(t) } else { unescaped(t).to_lowercase() };
        Ok(Some(Self { component, exact, texts: texts.iter().map(fold).collect() }))
    }

    pub(super) fn matches(&self, authors: &[carerecord_model::Author]) -> bool {
        let mut persons = authors.iter().filter_map(|a| a.person.as_ref());
        persons.any(|person| {
            let name = person.component(self.component);
            if self.exact {
                return self.texts.contains(&name);
            }
            let name = name.to_lowercase();
            self.texts.iter().any(|text| name.starts_with(text))
        })
    }
}

/// An id of another form is nobody's.
pub(super) fn ids(name: &str, value: &str) -> Result<Vec<EntryUuid>, SearchError> {
    let all = alternatives(name, value)?;
    Ok(all.iter().filter_map(|id| uuid::Uuid::parse_str(id).ok()).map(EntryUuid::new).collect())
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
        let value = components(cxi, '^').first().map(|id| unescape(id)).unwrap_or_default();
        let system = authority(cxi, 4).map(|oid| system_of_scheme(&oid));
        token.matches_identifier(system.as_deref(), &value)
    })
}

/// Characters of a question about what is inside documents.
const MAX_CONTENT: usize = 500;

const MODIFIERS: [&str; 5] = [
    "patient:identifier",
    "subject:identifier",
    "related:identifier",
    "author.family:exact",
    "author.given:exact",
];
