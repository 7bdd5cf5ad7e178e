//! `Patient/$match`: what is sent, and the grade of what is found. PDQm ITI-119.

use std::fmt;

use carerecord_model::{DateSpan, Gender, NamePattern, PatientId, PatientSearch};
use serde_json::{Value, json};

use crate::identifier::patient_id;
use crate::search::{DateFilter, SearchError, is_narrow};

/// Whom to look for, as far as it is told.
#[derive(Clone, Default)]
pub struct MatchRequest {
    /// Identifiers that somebody here can have.
    pub identifiers: Vec<PatientId>,
    /// Family names: any may be meant.
    pub family: Vec<String>,
    /// Given names, in order.
    pub given: Vec<String>,
    /// The date of birth, as precise as it is told.
    pub birth_date: Option<DateSpan>,
    /// Administrative gender, where it is known.
    pub gender: Option<Gender>,
    /// The postcode of the home address.
    pub postcode: Option<String>,
    /// Whether only certain matches are wanted.
    pub only_certain: bool,
    /// How many at most.
    pub count: Option<usize>,
}

/// How sure a match is; the value set `match-grade` of FHIR.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum MatchGrade {
    /// It may be this person.
    Possible,
    /// It should be looked at, and will mostly be this person.
    Probable,
    /// It is this person.
    Certain,
}

impl MatchRequest {
    /// Reads Parameters, or a Patient alone.
    ///
    /// # Errors
    /// `Missing` without a Patient; `Malformed`; `NhsNumber`; `TooWide` when it tells too little.
    pub fn read(sent: &Value) -> Result<Self, SearchError> {
        let mut request = match sent["resourceType"].as_str() {
            Some("Patient") => Self::of_patient(sent)?,
            Some("Parameters") => Self::of_parameters(sent)?,
            _ => return Err(SearchError::Missing("resource")),
        };
        // Names with nothing to compare are none.
        request.family.retain(|name| !NamePattern::prefix(name).key().is_empty());
        request.given.retain(|name| !NamePattern::prefix(name).key().is_empty());
        let narrow = !request.identifiers.is_empty() || is_narrow(&request.as_search());
        if narrow { Ok(request) } else { Err(SearchError::TooWide) }
    }

    fn of_parameters(sent: &Value) -> Result<Self, SearchError> {
        let named = |name: &str| {
            let all = sent["parameter"].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().find(|p| p["name"] == name)
        };
        let patient = named("resource").map(|p| &p["resource"]);
        let patient = patient.filter(|p| p["resourceType"] == "Patient");
        let request = Self::of_patient(patient.ok_or(SearchError::Missing("resource"))?)?;
        let malformed = |name: &str| SearchError::Malformed(name.to_owned());
        let only_certain = named("onlyCertainMatches").map(|p| p["valueBoolean"].as_bool());
        let count = named("count").map(|p| p["valueInteger"].as_u64().filter(|n| *n > 0));
        Ok(Self {
            only_certain: only_certain
                .unwrap_or(Some(false))
                .ok_or_else(|| malformed("onlyCertainMatches"))?,
            count: match count {
                None => None,
                Some(n) => Some(n.and_then(|n| n.try_into().ok()).ok_or(malformed("count"))?),
            },
            ..request
        })
    }

    fn of_patient(patient: &Value) -> Result<Self, SearchError> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::trim).unwrap_or_default().to_owned();
        let malformed = |name: &str| SearchError::Malformed(name.to_owned());
        let mut request = Self::default();
        for identifier in list(&patient["identifier"]) {
            if let (Some(system), Some(value)) =
                (identifier["system"].as_str(), identifier["value"].as_str())
            {
                request.identifiers.extend(patient_id(Some(system), value)?);
            }
        }
        for name in list(&patient["name"]) {
            request.family.extend(name["family"].as_str().map(|f| f.trim().to_owned()));
            request.given.extend(list(&name["given"]).iter().map(text));
        }
        request.family.truncate(MAX_NAMES);
        request.given.truncate(MAX_NAMES);
        if let Some(born) = patient["birthDate"].as_str() {
            let is_date = born.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            let spans = DateFilter::parse("birthDate", born)?.spans();
            let [span] = spans.as_slice() else { return Err(malformed("birthDate")) };
            request.birth_date = Some(*span).filter(|_| is_date);
            request.birth_date.ok_or_else(|| malformed("birthDate"))?;
        }
        request.gender = match patient["gender"].as_str() {
            Some("female") => Some(Gender::Female),
            Some("male") => Some(Gender::Male),
            Some("other") => Some(Gender::Other),
            Some("unknown") | None => None,
            Some(_) => return Err(malformed("gender")),
        };
        let codes = list(&patient["address"]);
        let mut codes = codes.iter().map(|a| text(&a["postalCode"]));
        request.postcode = codes.find(|code| !NamePattern::prefix(code).key().is_empty());
        Ok(request)
    }

    /// The demographics as a search that all of them must meet.
    pub fn as_search(&self) -> PatientSearch {
        let names = |all: &[String]| -> Vec<Vec<NamePattern>> {
            let all: Vec<_> = all.iter().map(|name| NamePattern::prefix(name)).collect();
            if all.is_empty() { Vec::new() } else { vec![all] }
        };
        PatientSearch {
            family: names(&self.family),
            given: names(&self.given),
            birth_date: self.birth_date.into_iter().map(|span| vec![span]).collect(),
            postcode: self.postcode.iter().map(|c| vec![NamePattern::prefix(c)]).collect(),
            ..PatientSearch::default()
        }
    }
}

impl MatchGrade {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Probable => "probable",
            Self::Certain => "certain",
        }
    }
}

/// Adds their grades to the first entries of a searchset.
pub fn graded(mut bundle: Value, grades: &[MatchGrade]) -> Value {
    let entries = bundle.get_mut("entry").and_then(Value::as_array_mut);
    let entries = entries.map(Vec::as_mut_slice).unwrap_or_default();
    for (entry, grade) in entries.iter_mut().zip(grades) {
        let extension = json!([{"url": MATCH_GRADE, "valueCode": grade.code()}]);
        entry["search"]["extension"] = extension;
    }
    bundle
}

/// What is told of somebody is patient data.
impl fmt::Debug for MatchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchRequest(redacted)")
    }
}

const MATCH_GRADE: &str = "http://hl7.org/fhir/StructureDefinition/match-grade";
const MAX_NAMES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_a_patient_alone_are_read() {
        let patient = json!({
            "resourceType": "Patient",
            "identifier": [
                {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001006"},
                {"system": "https://example.org/ids", "value": "X"},
                {"value": "no system"},
            ],
            "name": [{"family": "Okafor", "given": ["Ada", "-"]}, {"family": " "}],
            "birthDate": "1945-07-14",
            "gender": "female",
            "address": [{"city": "York"}, {"postalCode": "XX1 1XX"}],
        });
        let parameters = json!({"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": patient},
            {"name": "onlyCertainMatches", "valueBoolean": true},
            {"name": "count", "valueInteger": 3},
        ]});

        let alone = MatchRequest::read(&patient).unwrap();
        let asked = MatchRequest::read(&parameters).unwrap();

        assert_eq!((alone.identifiers.len(), alone.only_certain, alone.count), (1, false, None));
        assert_eq!((asked.only_certain, asked.count), (true, Some(3)));
        assert_eq!((asked.family, asked.given), (vec!["Okafor".into()], vec!["Ada".into()]));
        assert_eq!(asked.birth_date, Some(DateSpan { from: 19_450_714, to: 19_450_714 }));
        assert_eq!(asked.postcode.as_deref(), Some("XX1 1XX"));
    }

    #[test]
    fn what_is_wrong_or_too_little_is_told() {
        let patient = |more: Value| {
            let mut patient = json!({"resourceType": "Patient", "name": [{"family": "Okafor"}]});
            more.as_object().unwrap().iter().for_each(|(k, v)| patient[k] = v.clone());
            MatchRequest::read(&patient).map(drop)
        };
        let malformed = |name: &str| Err(SearchError::Malformed(name.into()));

        assert_eq!(patient(json!({"birthDate": "1945"})), Ok(()));
        assert_eq!(patient(json!({})), Err(SearchError::TooWide));
        assert_eq!(patient(json!({"gender": "female"})), Err(SearchError::TooWide));
        assert_eq!(patient(json!({"birthDate": "ge1945"})), malformed("birthDate"));
        assert_eq!(patient(json!({"birthDate": "1945,1946"})), malformed("birthDate"));
        assert_eq!(patient(json!({"birthDate": "14.7.1945"})), malformed("birthDate"));
        assert_eq!(patient(json!({"gender": "F", "birthDate": "1945"})), malformed("gender"));
        let number = json!([{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "1"}]);
        let wrong = patient(json!({"identifier": number}));
        assert!(matches!(wrong, Err(SearchError::NhsNumber(_))));
        for sent in [json!({}), json!([]), json!({"resourceType": "Parameters"})] {
            let missing = MatchRequest::read(&sent).map(drop);
            assert_eq!(missing, Err(SearchError::Missing("resource")));
        }
        let count = json!({"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": {"resourceType": "Patient"}},
            {"name": "count", "valueInteger": 0},
        ]});
        assert_eq!(MatchRequest::read(&count).map(drop), malformed("count"));
    }
}
