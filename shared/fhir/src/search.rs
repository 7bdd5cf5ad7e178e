use carerecord_model::{
    AvailabilityStatus, Code, DocumentEntry, Dtm, EntryUuid, NhsNumber, NhsNumberError,
};

use crate::patient::NHS_NUMBER_SYSTEM;
use crate::{dtm_bound, oid_of_system};

/// Why a search cannot be run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// A parameter that must be there is not.
    #[error("the search parameter {0} is required")]
    Missing(&'static str),
    /// A parameter's value is not of the form it must have.
    #[error("the search parameter {0} has a value that cannot be read")]
    Malformed(String),
    /// The patient's identifier is not an NHS Number.
    #[error("the patient is not identified by a valid NHS Number: {0}")]
    NhsNumber(#[from] NhsNumberError),
    /// A parameter or modifier that is not supported, under strict handling.
    #[error("the search parameter {0} is not supported")]
    Unsupported(String),
}

/// A token of a search, `system|code`, `|code`, `code` or `system|`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    system: Option<String>,
    code: Option<String>,
}

impl Token {
    fn parse(text: &str) -> Self {
        let some = |s: &str| Some(s.to_owned()).filter(|s| !s.is_empty());
        match text.split_once('|') {
            Some((system, code)) => Self { system: some(system), code: some(code) },
            None => Self { system: None, code: some(text) },
        }
    }

    /// Whether a code is meant.
    pub fn matches(&self, code: &Code) -> bool {
        let system = self.system.as_ref();
        self.code.as_ref().is_none_or(|c| *c == code.code)
            && system.is_none_or(|s| oid_of_system(s).contains(&code.scheme))
    }
}

/// Each inner list is one repetition of the parameter: OR inside, AND between.
type Tokens = Vec<Vec<Token>>;

/// The parameters of ITI-67. MHD 6.1.
#[derive(Clone, Debug)]
pub struct DocumentReferenceSearch {
    /// Whose documents.
    pub patient: NhsNumber,
    /// At least one.
    pub status: Vec<AvailabilityStatus>,
    /// Only the count is wanted.
    pub count_only: bool,
    /// `_id`
    pub ids: Option<Vec<EntryUuid>>,
    codes: Vec<(CodeField, Tokens)>,
    identifiers: Vec<Vec<Token>>,
    dates: Vec<(DateField, DateFilter)>,
    authors: Vec<(AuthorPart, String)>,
}

#[derive(Clone, Copy, Debug)]
enum CodeField {
    Category,
    Type,
    Setting,
    Facility,
    Event,
    Label,
    Format,
}

#[derive(Clone, Copy, Debug)]
enum DateField {
    Creation,
    Period,
}

#[derive(Clone, Copy, Debug)]
enum AuthorPart {
    Family,
    Given,
}

#[derive(Clone, Debug)]
struct DateFilter {
    prefix: String,
    value: Dtm,
}

impl DocumentReferenceSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known.
    ///
    /// # Errors
    /// `Missing` without patient or status; `Malformed`; `Unsupported` under `strict`.
    pub fn parse(pairs: &[(String, String)], strict: bool) -> Result<Self, SearchError> {
        let mut search = Self {
            patient: patient(pairs)?,
            status: statuses(pairs)?,
            count_only: false,
            ids: None,
            codes: Vec::new(),
            identifiers: Vec::new(),
            dates: Vec::new(),
            authors: Vec::new(),
        };
        for (name, value) in pairs {
            search.add(name, value, strict)?;
        }
        Ok(search)
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        let field = match name {
            "category" => Some(CodeField::Category),
            "type" => Some(CodeField::Type),
            "setting" => Some(CodeField::Setting),
            "facility" => Some(CodeField::Facility),
            "event" => Some(CodeField::Event),
            "security-label" => Some(CodeField::Label),
            "format" => Some(CodeField::Format),
            _ => None,
        };
        if let Some(field) = field {
            let tokens = value.split(',').map(Token::parse).collect();
            self.codes.push((field, vec![tokens]));
            return Ok(());
        }
        match name {
            "identifier" => self.identifiers.push(value.split(',').map(Token::parse).collect()),
            "creation" => self.dates.push((DateField::Creation, date(name, value)?)),
            "period" => self.dates.push((DateField::Period, date(name, value)?)),
            "author.family" => self.authors.push((AuthorPart::Family, value.to_lowercase())),
            "author.given" => self.authors.push((AuthorPart::Given, value.to_lowercase())),
            "_summary" => self.count_only = value == "count",
            "_id" => {
                let parse = |id: &str| {
                    let id = uuid::Uuid::parse_str(id).map(EntryUuid::new);
                    id.map_err(|_| SearchError::Malformed("_id".into()))
                };
                self.ids = Some(value.split(',').map(parse).collect::<Result<_, _>>()?);
            }
            "patient" | "patient.identifier" | "subject:identifier" | "status" | "_format" => {}
            other if strict => return Err(SearchError::Unsupported(other.to_owned())),
            // Ignored, as FHIR asks for; the self link of the answer tells what was used.
            _ => {}
        }
        Ok(())
    }

    /// Whether an entry of the patient is asked for.
    pub fn matches(&self, entry: &DocumentEntry) -> bool {
        self.status.contains(&entry.availability_status)
            && self.ids.as_ref().is_none_or(|ids| entry.uuid().is_some_and(|u| ids.contains(&u)))
            && self.codes.iter().all(|(field, tokens)| matches_codes(*field, tokens, entry))
            && self.identifiers.iter().all(|any| any.iter().any(|t| has_identifier(t, entry)))
            && self.dates.iter().all(|(field, filter)| matches_date(*field, filter, entry))
            && self.authors.iter().all(|(part, text)| matches_author(*part, text, entry))
    }
}

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
    /// At least one.
    pub status: Vec<AvailabilityStatus>,
    dates: Vec<DateFilter>,
    designations: Tokens,
    source_ids: Vec<String>,
}

impl ListSearch {
    /// Reads name and value pairs.
    ///
    /// # Errors
    /// `Missing` without patient, code or status; `Malformed`.
    pub fn parse(pairs: &[(String, String)]) -> Result<Self, SearchError> {
        let code = pairs.iter().find(|(n, _)| n == "code").map(|(_, v)| v.as_str());
        let code = match code.map(|c| c.rsplit('|').next().unwrap_or(c)) {
            Some("submissionset") => ListCode::SubmissionSet,
            Some("folder") => ListCode::Folder,
            Some(_) => return Err(SearchError::Malformed("code".into())),
            None => return Err(SearchError::Missing("code")),
        };
        let mut search = Self {
            patient: patient(pairs)?,
            code,
            status: statuses(pairs)?,
            dates: Vec::new(),
            designations: Vec::new(),
            source_ids: Vec::new(),
        };
        for (name, value) in pairs {
            match name.as_str() {
                "date" => search.dates.push(date(name, value)?),
                "designationType" => {
                    search.designations.push(value.split(',').map(Token::parse).collect());
                }
                "sourceId" => {
                    let oid = value.rsplit('|').next().unwrap_or(value);
                    search.source_ids.push(oid.trim_start_matches("urn:oid:").to_owned());
                }
                _ => {}
            }
        }
        Ok(search)
    }

    /// Whether a SubmissionSet is asked for.
    pub fn matches_set(&self, set: &carerecord_model::SubmissionSet) -> bool {
        self.code == ListCode::SubmissionSet
            && self.status.contains(&set.availability_status)
            && self.dates.iter().all(|d| d.matches(&set.submission_time))
            && all_groups(&self.designations, [&set.content_type_code])
            && (self.source_ids.is_empty()
                || self.source_ids.iter().any(|s| s == set.source_id.as_str()))
    }

    /// Whether a folder is asked for.
    pub fn matches_folder(&self, folder: &carerecord_model::Folder) -> bool {
        let time = folder.last_update_time.as_ref();
        self.code == ListCode::Folder
            && self.status.contains(&folder.availability_status)
            && self.dates.iter().all(|d| time.is_some_and(|t| d.matches(t)))
            && all_groups(&self.designations, &folder.codes)
    }
}

/// The pairs of a query string or form body.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    form_pairs(text)
}

/// The NHS Number of an identifier token, `https://fhir.nhs.uk/Id/nhs-number|9990001006`.
///
/// # Errors
/// When the system is another one, or the number is not valid.
pub fn identifier_number(token: &str) -> Result<NhsNumber, SearchError> {
    let (system, value) = token.split_once('|').unwrap_or((NHS_NUMBER_SYSTEM, token));
    let known = [
        NHS_NUMBER_SYSTEM,
        "http://fhir.nhs.net/Id/nhs-number",
        "urn:oid:2.16.840.1.113883.2.1.4.1",
    ];
    if !known.contains(&system) {
        return Err(SearchError::Malformed("patient.identifier".into()));
    }
    Ok(value.parse()?)
}

fn patient(pairs: &[(String, String)]) -> Result<NhsNumber, SearchError> {
    let names = ["patient.identifier", "subject:identifier", "patient"];
    let (_, value) = pairs
        .iter()
        .find(|(n, _)| names.contains(&n.as_str()))
        .ok_or(SearchError::Missing("patient.identifier"))?;
    identifier_number(value)
}

fn statuses(pairs: &[(String, String)]) -> Result<Vec<AvailabilityStatus>, SearchError> {
    let (_, value) =
        pairs.iter().find(|(n, _)| n == "status").ok_or(SearchError::Missing("status"))?;
    let read = |s: &str| match s.rsplit('|').next().unwrap_or(s) {
        "current" => Some(AvailabilityStatus::Approved),
        "superseded" | "retired" => Some(AvailabilityStatus::Deprecated),
        _ => None,
    };
    let all: Vec<_> = value.split(',').filter_map(read).collect();
    if all.is_empty() { Err(SearchError::Malformed("status".into())) } else { Ok(all) }
}

fn date(name: &str, value: &str) -> Result<DateFilter, SearchError> {
    let prefix = value.get(..2).filter(|p| p.bytes().all(|b| b.is_ascii_lowercase()));
    let (prefix, rest) = match prefix {
        Some(prefix) => (prefix, &value[2..]),
        None => ("eq", value),
    };
    let known = ["eq", "ge", "gt", "le", "lt", "sa", "eb"].contains(&prefix);
    let value = dtm_bound(rest).filter(|_| known);
    let value = value.ok_or_else(|| SearchError::Malformed(name.to_owned()))?;
    Ok(DateFilter { prefix: prefix.to_owned(), value })
}

impl DateFilter {
    /// Both sides are compared at the precision of the filter.
    fn matches(&self, value: &Dtm) -> bool {
        let bound = self.value.as_str();
        let value = value.earliest();
        let value = &value[..bound.len()];
        match self.prefix.as_str() {
            "ge" => value >= bound,
            "gt" | "sa" => value > bound,
            "le" => value <= bound,
            "lt" | "eb" => value < bound,
            _ => value == bound,
        }
    }
}

fn matches_codes(field: CodeField, tokens: &Tokens, entry: &DocumentEntry) -> bool {
    match field {
        CodeField::Category => all_groups(tokens, [&entry.class_code]),
        CodeField::Type => all_groups(tokens, [&entry.type_code]),
        CodeField::Setting => all_groups(tokens, [&entry.practice_setting_code]),
        CodeField::Facility => all_groups(tokens, [&entry.healthcare_facility_type_code]),
        CodeField::Event => all_groups(tokens, &entry.event_codes),
        CodeField::Label => all_groups(tokens, &entry.confidentiality_codes),
        CodeField::Format => all_groups(tokens, [&entry.format_code]),
    }
}

fn all_groups<'a, I>(groups: &Tokens, codes: I) -> bool
where
    I: IntoIterator<Item = &'a Code>,
{
    let codes: Vec<&Code> = codes.into_iter().collect();
    groups.iter().all(|any| any.iter().any(|t| codes.iter().any(|c| t.matches(c))))
}

fn has_identifier(token: &Token, entry: &DocumentEntry) -> bool {
    let (system, value) = crate::document_reference::unique_id(&entry.unique_id);
    let own = [(system, value), ("urn:ietf:rfc:3986".to_owned(), entry.entry_uuid.to_string())];
    own.iter().any(|(system, value)| {
        token.code.as_ref().is_none_or(|c| c == value)
            && token.system.as_ref().is_none_or(|s| s == system)
    })
}

/// A period overlaps when it has not ended before the bound, or not begun after it.
fn matches_date(field: DateField, filter: &DateFilter, entry: &DocumentEntry) -> bool {
    match field {
        DateField::Creation => entry.creation_time.as_ref().is_some_and(|t| filter.matches(t)),
        DateField::Period => {
            let (start, stop) = (&entry.service_start_time, &entry.service_stop_time);
            match filter.prefix.as_str() {
                "ge" | "gt" | "sa" => stop.as_ref().is_none_or(|t| filter.matches(t)),
                "le" | "lt" | "eb" => start.as_ref().is_none_or(|t| filter.matches(t)),
                _ => start.as_ref().is_some_and(|t| filter.matches(t)),
            }
        }
    }
}

fn matches_author(part: AuthorPart, text: &str, entry: &DocumentEntry) -> bool {
    let component = match part {
        AuthorPart::Family => 2,
        AuthorPart::Given => 3,
    };
    let mut persons = entry.authors.iter().filter_map(|a| a.person.as_ref());
    persons.any(|p| p.component(component).to_lowercase().starts_with(text))
}

/// `application/x-www-form-urlencoded`, decoded leniently.
fn form_pairs(text: &str) -> Vec<(String, String)> {
    let decode = |s: &str| {
        let bytes = s.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while at < bytes.len() {
            let hex = (bytes[at] == b'%').then(|| s.get(at + 1..at + 3)).flatten();
            match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
                Some(byte) => {
                    out.push(byte);
                    at += 3;
                }
                None => {
                    out.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
                    at += 1;
                }
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patient_and_status_are_required() {
        let parse = |s: &str| DocumentReferenceSearch::parse(&pairs(s), false);

        assert_eq!(
            parse("status=current").unwrap_err(),
            SearchError::Missing("patient.identifier")
        );
        let number = "patient.identifier=https%3A%2F%2Ffhir.nhs.uk%2FId%2Fnhs-number%7C9990001006";
        assert_eq!(parse(number).unwrap_err(), SearchError::Missing("status"));
        assert!(parse(&format!("{number}&status=current,superseded")).is_ok());
        assert!(matches!(
            parse("patient.identifier=9990001007&status=current").unwrap_err(),
            SearchError::NhsNumber(_)
        ));
    }

    #[test]
    fn tokens_match_by_system_and_code() {
        let code = Code::new("373942005", "2.16.840.1.113883.2.1.3.2.4.15", "");

        assert!(Token::parse("http://snomed.info/sct|373942005").matches(&code));
        assert!(Token::parse("373942005").matches(&code));
        assert!(Token::parse("http://snomed.info/sct|").matches(&code));
        assert!(!Token::parse("http://loinc.org|373942005").matches(&code));
    }
}
