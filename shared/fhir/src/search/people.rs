use std::fmt;

use carerecord_model::{Gender, NamePattern, Oid, PatientId, PatientSearch};

use super::date::DateFilter;
use super::narrow::is_narrow;
use super::parameter::{PEOPLE, check, has};
use super::token::{Token, tokens};
use super::{SearchError, alternatives, count_only, is_count, unescaped};
use crate::echo::safe_name;
use crate::identifier::{authority_of_system, patient_id};

/// The parameters of a search for people. PDQm ITI-78.
#[derive(Clone, Default)]
pub struct PeopleSearch {
    /// Whom to look for.
    pub search: PatientSearch,
    /// Logical ids: of each list any.
    pub ids: Vec<Vec<String>>,
    /// Whether only people are asked for whose record is not in use. A search finds none.
    pub only_inactive: bool,
    /// Whether identifiers are asked for by a system that is no OID: nobody here has one.
    pub unknown_domain: bool,
    /// How many people at most a page may have.
    pub count: Option<usize>,
    /// Only the count is wanted.
    pub count_only: bool,
    /// The names of parameters that were left out, as far as an answer may repeat them.
    pub ignored: Vec<String>,
}

impl PeopleSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known.
    ///
    /// # Errors
    /// `Malformed`; `NhsNumber`; `Unsupported` for a modifier, and under `strict` for a parameter;
    /// `TooWide` when it asks for nobody in particular: nhs.md 8.2.
    pub fn parse(pairs: &[(String, String)], strict: bool) -> Result<Self, SearchError> {
        check(pairs, PEOPLE)?;
        let mut people = Self { count_only: count_only(pairs), ..Self::default() };
        for (name, value) in pairs {
            people.add(name, value, strict)?;
        }
        let named = people.names_somebody();
        if named || is_narrow(&people.search) { Ok(people) } else { Err(SearchError::TooWide) }
    }

    /// Whether somebody is asked for by an identifier.
    fn names_somebody(&self) -> bool {
        !self.ids.is_empty() || !self.search.identifiers.is_empty()
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        let search = &mut self.search;
        match name {
            "_format" => {}
            _ if is_count(name, value) => {}
            "_count" => {
                let count = value.parse().map_err(|_| SearchError::malformed(name))?;
                self.count = Some(count);
            }
            other if !has(PEOPLE, other) => {
                if strict {
                    return Err(SearchError::unsupported(other));
                }
                self.ignored.push(safe_name(other));
            }
            "identifier" => self.add_identifier(value)?,
            "_id" => self.ids.push(few(name, alternatives(name, value)?)?),
            "family" => search.family.push(patterns(name, value, false)?),
            "family:exact" => search.family.push(patterns(name, value, true)?),
            "given" => search.given.push(patterns(name, value, false)?),
            "given:exact" => search.given.push(patterns(name, value, true)?),
            "address-postalcode" => search.postcode.push(patterns(name, value, false)?),
            "address-postalcode:exact" => search.postcode.push(patterns(name, value, true)?),
            "birthdate" => search.birth_date.push(DateFilter::parse(name, value)?.spans()),
            "gender" => search.gender.push(genders(value)?),
            "active" => self.only_inactive |= !is_active(value)?,
            other => return Err(SearchError::unsupported(other)),
        }
        Ok(())
    }

    /// Everybody who is asked for by an identifier.
    pub fn identified(&self) -> impl Iterator<Item = &PatientId> {
        self.search.identifiers.iter().flatten()
    }

    /// Values name people; systems without a value say of which domains identifiers are wanted.
    fn add_identifier(&mut self, value: &str) -> Result<(), SearchError> {
        let malformed = || SearchError::malformed("identifier");
        let all = few("identifier", tokens("identifier", value)?)?;
        if all.iter().all(|token| token.code().is_none()) {
            let domain = |t: &Token| authority_of_system(t.system()?)?.parse::<Oid>().ok();
            let domains: Option<Vec<Oid>> = all.iter().map(domain).collect();
            self.unknown_domain |= domains.is_none();
            self.search.domains.push(domains.unwrap_or_default());
            return Ok(());
        }
        let mut people = Vec::new();
        for token in &all {
            let code = token.code().ok_or_else(malformed)?;
            people.extend(patient_id(token.system(), code)?);
        }
        self.search.identifiers.push(people);
        Ok(())
    }
}

/// A search is patient data.
impl fmt::Debug for PeopleSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeopleSearch(redacted)")
    }
}

fn patterns(name: &str, value: &str, exact: bool) -> Result<Vec<NamePattern>, SearchError> {
    let all = few(name, alternatives(name, value)?)?;
    let all: Vec<NamePattern> = all
        .iter()
        .map(|text| NamePattern { text: unescaped(text).trim().to_owned(), exact })
        .collect();
    let empty = all.iter().any(|pattern| pattern.key().is_empty());
    if empty { Err(SearchError::malformed(name)) } else { Ok(all) }
}

fn genders(value: &str) -> Result<Vec<Gender>, SearchError> {
    let malformed = || SearchError::malformed("gender");
    let gender = |token: &Token| {
        let known = token.system().is_none_or(|system| system == GENDERS);
        match token.code().filter(|_| known) {
            Some("female") => Ok(Gender::Female),
            Some("male") => Ok(Gender::Male),
            Some("other") => Ok(Gender::Other),
            Some("unknown") => Ok(Gender::Unknown),
            _ => Err(malformed()),
        }
    };
    tokens("gender", value)?.iter().map(gender).collect()
}

/// Whether people in use are among those asked for.
fn is_active(value: &str) -> Result<bool, SearchError> {
    let mut any = false;
    for token in tokens("active", value)? {
        any |= match token.code() {
            Some("true") => true,
            Some("false") => false,
            _ => return Err(SearchError::malformed("active")),
        };
    }
    Ok(any)
}

/// Many alternatives would be browsing.
fn few<T>(name: &str, all: Vec<T>) -> Result<Vec<T>, SearchError> {
    if all.len() > MAX_ALTERNATIVES { Err(SearchError::malformed(name)) } else { Ok(all) }
}

const MAX_ALTERNATIVES: usize = 10;
const GENDERS: &str = "http://hl7.org/fhir/administrative-gender";

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
