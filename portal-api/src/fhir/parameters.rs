//! What an operation was sent: a Parameters resource.

use carerecord_fhir::{NHS_NUMBER_SYSTEM, identifier_number};
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::error::FhirError;

/// The parameters that were sent.
pub(super) struct Parameters<'a>(&'a [Value]);

impl<'a> Parameters<'a> {
    pub(super) fn of(sent: &'a Value) -> Result<Self, FhirError> {
        if sent["resourceType"] != "Parameters" {
            return Err(wrong("send a Parameters resource"));
        }
        Ok(Self(sent["parameter"].as_array().map_or(&[][..], Vec::as_slice)))
    }

    /// One that is not known is refused: what it was to limit would not be limited.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), FhirError> {
        let is_known = |p: &Value| p["name"].as_str().is_some_and(|name| known.contains(&name));
        if self.0.iter().all(is_known) {
            return Ok(());
        }
        Err(FhirError::Body(format!("the parameters are {}", known.join(", "))))
    }

    fn one(&self, name: &str) -> Option<&'a Value> {
        self.0.iter().find(|p| p["name"] == name)
    }

    pub(super) fn code(&self, name: &str) -> Option<&'a str> {
        self.one(name).map(|p| p["valueCode"].as_str().unwrap_or_default())
    }

    /// Text without the space around it; `None` where nothing is left.
    pub(super) fn words(&self, name: &str) -> Option<&'a str> {
        let words = self.one(name).and_then(|p| p["valueString"].as_str()).map(str::trim);
        words.filter(|words| !words.is_empty())
    }

    /// Every text of this name; what has none is missing.
    pub(super) fn all_words(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |p| p["name"] == name);
        named.filter_map(|p| p["valueString"].as_str()).map(str::trim).filter(|w| !w.is_empty())
    }

    /// Text that must be there where it is named, of so many characters at most.
    pub(super) fn text(&self, name: &str, most: usize) -> Result<Option<String>, FhirError> {
        if self.one(name).is_none() {
            return Ok(None);
        }
        let text = self.words(name).filter(|text| text.chars().count() <= most);
        let text = text.ok_or_else(|| FhirError::Body(format!("{name}: up to {most} characters")));
        text.map(|text| Some(text.to_owned()))
    }

    pub(super) fn id(&self) -> Result<Option<Uuid>, FhirError> {
        let Some(p) = self.one("id") else { return Ok(None) };
        let id = p["valueId"].as_str().and_then(|id| Uuid::try_parse(id).ok());
        id.map(Some).ok_or(FhirError::NotFound)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<NhsNumber>, FhirError> {
        let Some(p) = self.one(name) else { return Ok(None) };
        let identifier = &p["valueIdentifier"];
        let is_number = identifier["system"] == NHS_NUMBER_SYSTEM;
        let value = identifier["value"].as_str().filter(|_| is_number);
        let value = value.ok_or_else(|| no_number(name))?;
        Ok(Some(identifier_number(&format!("{NHS_NUMBER_SYSTEM}|{value}"))?))
    }

    /// Whom it is about.
    pub(super) fn patient(&self) -> Result<NhsNumber, FhirError> {
        self.number("patient")?.ok_or_else(|| no_number("patient"))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, FhirError> {
        let Some(p) = self.one(name) else { return Ok(None) };
        let text = p["valueInstant"].as_str().or(p["valueDateTime"].as_str());
        let time = text.and_then(|text| text.parse().ok());
        time.map(Some).ok_or_else(|| FhirError::Body(format!("{name}: a valueInstant")))
    }

    /// For how long.
    pub(super) fn hours<T: TryFrom<u64>>(&self) -> Result<Option<T>, FhirError> {
        let Some(p) = self.one("hours") else { return Ok(None) };
        let hours = p["valueInteger"].as_u64().and_then(|n| T::try_from(n).ok());
        hours.map(Some).ok_or_else(|| wrong("hours: a small whole number"))
    }
}

/// What was sent is not what is taken.
pub(super) fn wrong(what: &str) -> FhirError {
    FhirError::Body(what.to_owned())
}

fn no_number(name: &str) -> FhirError {
    FhirError::Body(format!("{name}: an Identifier with an NHS Number"))
}
