use carerecord_model::{Code, Concept, DataElement, ElementKind, NhsNumber};

use super::date::DateFilter;
use super::parameter::{PATIENT, SearchParameter, check, leave};
use super::patient::{is_patient, patient};
use super::token::{Tokens, tokens};
use super::{SearchError, alternatives, count_only, is_count};

/// The parameters of Mobile Query Existing Data [PCC-44] for one resource type. QEDm 3.44.
#[derive(Clone, Debug)]
pub struct ElementSearch {
    /// Whose elements.
    pub patient: NhsNumber,
    /// Of which type.
    pub kind: ElementKind,
    /// Only the count is wanted.
    pub count_only: bool,
    /// Whether the Provenance of each is wanted as well.
    pub with_provenance: bool,
    /// Parameters that were left out.
    pub ignored: Vec<String>,
    ids: Vec<Vec<String>>,
    codes: Tokens,
    categories: Tokens,
    statuses: Tokens,
    dates: Vec<(DateField, DateFilter)>,
}

#[derive(Clone, Copy, Debug)]
enum DateField {
    /// When it began or was, to when it ended.
    When,
    Recorded,
}

impl ElementSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known.
    ///
    /// # Errors
    /// `Missing` without patient; `Malformed`; `Unsupported` for a modifier, and under `strict` for a
    /// parameter.
    pub fn parse(
        kind: ElementKind,
        pairs: &[(String, String)],
        strict: bool,
    ) -> Result<Self, SearchError> {
        check(pairs, &[PATIENT, &element_parameters(kind)])?;
        let mut search = Self {
            patient: patient(pairs)?,
            kind,
            count_only: count_only(pairs),
            with_provenance: false,
            ignored: Vec::new(),
            ids: Vec::new(),
            codes: Vec::new(),
            categories: Vec::new(),
            statuses: Vec::new(),
            dates: Vec::new(),
        };
        for (name, value) in pairs {
            search.add(name, value, strict)?;
        }
        Ok(search)
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        let [code, status, when, recorded] = parameters(self.kind);
        match name {
            "_id" => self.ids.push(alternatives(name, value)?),
            _ if Some(name) == code => self.codes.push(tokens(name, value)?),
            _ if Some(name) == status => self.statuses.push(tokens(name, value)?),
            _ if Some(name) == when => {
                self.dates.push((DateField::When, DateFilter::parse(name, value)?));
            }
            _ if Some(name) == recorded => {
                self.dates.push((DateField::Recorded, DateFilter::parse(name, value)?));
            }
            "category" if has_category(self.kind) => self.categories.push(tokens(name, value)?),
            "_revinclude" if value == "Provenance:target" => self.with_provenance = true,
            // The medicine stands in the resource itself.
            "_include" if is_medication(self.kind, value) => {}
            "_format" => {}
            known if is_patient(known) => {}
            _ if is_count(name, value) => {}
            other if strict => return Err(SearchError::unsupported(other)),
            other => leave(&mut self.ignored, other),
        }
        Ok(())
    }

    /// Whether an element with this id is asked for. One that has no such time is in no range.
    pub fn matches(&self, id: &str, element: &DataElement) -> bool {
        let status = [&element.status, &element.verification];
        let status: Vec<Code> =
            status.into_iter().flatten().map(|code| Code::new(code.as_str(), "", "")).collect();
        element.kind == self.kind
            && self.ids.iter().all(|any| any.iter().any(|asked| asked == id))
            && has_all(&self.codes, [&element.concept])
            && has_all(&self.categories, &element.categories)
            && self.statuses.iter().all(|any| {
                any.iter().any(|token| status.iter().any(|s| token.code() == Some(&s.code)))
            })
            && self.dates.iter().all(|(field, filter)| match field {
                DateField::When => is_within(element, filter),
                DateField::Recorded => {
                    element.recorded.as_ref().is_some_and(|time| filter.matches(time))
                }
            })
    }
}

fn is_within(element: &DataElement, filter: &DateFilter) -> bool {
    match (element.start.as_ref(), element.end.as_ref()) {
        (None, None) => false,
        // What is measured is at one time; what goes on is open.
        (Some(start), None) if is_at_once(element.kind) => filter.matches(start),
        (start, end) => filter.overlaps(start, end),
    }
}

fn is_at_once(kind: ElementKind) -> bool {
    match kind {
        ElementKind::Observation | ElementKind::Immunization | ElementKind::AllergyIntolerance => {
            true
        }
        ElementKind::Condition
        | ElementKind::MedicationStatement
        | ElementKind::MedicationRequest
        | ElementKind::Encounter => false,
    }
}

/// Whether each group is met by a coding of the concepts.
fn has_all<'e>(groups: &Tokens, concepts: impl IntoIterator<Item = &'e Concept>) -> bool {
    if groups.is_empty() {
        return true;
    }
    let codings = concepts.into_iter().flat_map(|concept| &concept.codings);
    let codes: Vec<Code> = codings
        .map(|c| Code::new(c.code.as_str(), c.system.as_deref().unwrap_or_default(), ""))
        .collect();
    groups.iter().all(|any| any.iter().any(|token| codes.iter().any(|c| token.matches(c))))
}

/// The names by which a type's concept, status and times are asked for.
fn parameters(kind: ElementKind) -> [Option<&'static str>; 4] {
    let names = match kind {
        ElementKind::AllergyIntolerance => ["code", "clinical-status", "onset", "date"],
        ElementKind::Condition => ["code", "clinical-status", "onset-date", "recorded-date"],
        ElementKind::MedicationStatement => ["code", "status", "effective", ""],
        ElementKind::MedicationRequest => ["code", "status", "", "authoredon"],
        ElementKind::Immunization => ["vaccine-code", "status", "date", ""],
        ElementKind::Observation => ["code", "status", "date", ""],
        ElementKind::Encounter => ["type", "status", "date", ""],
    };
    names.map(|name| Some(name).filter(|name| !name.is_empty()))
}

fn has_category(kind: ElementKind) -> bool {
    match kind {
        ElementKind::AllergyIntolerance
        | ElementKind::Condition
        | ElementKind::MedicationStatement
        | ElementKind::MedicationRequest
        | ElementKind::Observation => true,
        ElementKind::Immunization | ElementKind::Encounter => false,
    }
}

fn is_medication(kind: ElementKind, include: &str) -> bool {
    match kind {
        ElementKind::MedicationStatement => include == "MedicationStatement:medication",
        ElementKind::MedicationRequest => include == "MedicationRequest:medication",
        ElementKind::AllergyIntolerance
        | ElementKind::Condition
        | ElementKind::Immunization
        | ElementKind::Observation
        | ElementKind::Encounter => false,
    }
}

/// The search parameters of a type, beside those that tell the patient.
pub(crate) fn element_parameters(kind: ElementKind) -> Vec<SearchParameter> {
    let [code, status, when, recorded] = parameters(kind);
    let category = has_category(kind).then_some("category");
    let tokens = [Some("_id"), code, category, status].into_iter().flatten();
    let dates = [when, recorded].into_iter().flatten();
    let tokens = tokens.map(|name| SearchParameter::new(name, "token"));
    tokens.chain(dates.map(|name| SearchParameter::new(name, "date"))).collect()
}
