//! FHIR `ValueSet`s, in JSON and in XML.

mod resource;
mod xml;

use carerecord_model::Code;
use carerecord_xml::XmlError;

use crate::oid_of_system;
use resource::{Compose, Contains, Expansion, Include, Resource};

/// The codes of a FHIR `ValueSet`, under every XDS coding scheme that its systems stand for.
#[derive(Clone, Debug)]
pub struct ValueSet {
    /// Its canonical address, or its id.
    pub name: String,
    /// Each code once for each scheme.
    pub codes: Vec<Code>,
    /// Schemes of which every code is in the set.
    pub whole_schemes: Vec<String>,
}

/// Why a `ValueSet` cannot be used. What it leaves to a terminology server is not guessed.
#[derive(Debug, thiserror::Error)]
pub enum ValueSetError {
    /// It is no FHIR ValueSet in JSON.
    #[error("it is not a FHIR ValueSet in JSON: {0}")]
    Form(#[from] serde_json::Error),
    /// It is no FHIR ValueSet in XML.
    #[error("it is not a FHIR ValueSet in XML: {0}")]
    Xml(#[from] XmlError),
    /// It is another resource.
    #[error("it is a {0}, not a ValueSet")]
    Resource(String),
    /// Codes are chosen by a filter, e.g. a reference set.
    #[error("it chooses codes of {0} by a filter; give its expansion")]
    Filter(String),
    /// Codes are those of other value sets.
    #[error("it refers to the value set {0}; give its expansion")]
    Reference(String),
    /// There is something to leave out that is not a list of codes.
    #[error("it leaves out codes other than by a list; give its expansion")]
    Exclude,
    /// Codes without their system.
    #[error("it has codes without a system")]
    NoSystem,
    /// The expansion is only a page of the whole.
    #[error("its expansion is cut off: {0} codes, of which {1} are there")]
    CutOff(u64, u64),
    /// Nothing is in it.
    #[error("it has no codes")]
    Empty,
}

/// Reads a FHIR R4 `ValueSet`, in XML when it begins with `<`, else in JSON: its expansion where
/// there is one, else what it enumerates.
///
/// # Errors
/// When the codes cannot be told from the resource alone.
pub fn parse_value_set(bytes: &[u8]) -> Result<ValueSet, ValueSetError> {
    let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let resource: Resource = match text.trim_ascii_start().first() {
        Some(b'<') => xml::resource(bytes)?,
        Some(_) | None => serde_json::from_slice(text)?,
    };
    if resource.resource_type != "ValueSet" {
        return Err(ValueSetError::Resource(resource.resource_type));
    }
    let mut set = ValueSet {
        name: resource.url.or(resource.id).unwrap_or_default(),
        codes: Vec::new(),
        whole_schemes: Vec::new(),
    };
    match (resource.expansion, resource.compose) {
        (Some(expansion), _) => set.expansion(&expansion)?,
        (None, Some(compose)) => set.compose(&compose)?,
        (None, None) => {}
    }
    if set.codes.is_empty() && set.whole_schemes.is_empty() {
        return Err(ValueSetError::Empty);
    }
    Ok(set)
}

impl ValueSet {
    fn expansion(&mut self, expansion: &Expansion) -> Result<(), ValueSetError> {
        let there = self.contains(&expansion.contains)?;
        match expansion.total {
            Some(total) if total > there => Err(ValueSetError::CutOff(total, there)),
            Some(_) | None => Ok(()),
        }
    }

    /// Adds codes with those below them; returns how many.
    fn contains(&mut self, items: &[Contains]) -> Result<u64, ValueSetError> {
        let mut waiting: Vec<&Contains> = items.iter().collect();
        let mut count = 0;
        while let Some(item) = waiting.pop() {
            count += 1;
            waiting.extend(&item.contains);
            if let Some(code) = item.code.as_ref().filter(|_| !item.is_abstract) {
                let system = item.system.as_deref().ok_or(ValueSetError::NoSystem)?;
                self.add(system, code, item.display.as_deref());
            }
        }
        Ok(count)
    }

    fn compose(&mut self, compose: &Compose) -> Result<(), ValueSetError> {
        for include in &compose.include {
            if let Some(other) = include.value_set.first() {
                return Err(ValueSetError::Reference(other.clone()));
            }
            let system = include.system.as_deref().ok_or(ValueSetError::NoSystem)?;
            if !include.filter.is_empty() {
                return Err(ValueSetError::Filter(system.to_owned()));
            }
            if include.concept.is_empty() {
                self.whole_schemes.extend(schemes(system));
            }
            for concept in &include.concept {
                self.add(system, &concept.code, concept.display.as_deref());
            }
        }
        compose.exclude.iter().try_for_each(|exclude| self.exclude(exclude))
    }

    fn exclude(&mut self, exclude: &Include) -> Result<(), ValueSetError> {
        let system = exclude.system.as_deref().ok_or(ValueSetError::NoSystem)?;
        let schemes = schemes(system);
        let enumerated = !exclude.concept.is_empty()
            && exclude.filter.is_empty()
            && exclude.value_set.is_empty()
            && !self.whole_schemes.iter().any(|s| schemes.contains(s));
        if !enumerated {
            return Err(ValueSetError::Exclude);
        }
        let out = |c: &Code| {
            schemes.contains(&c.scheme) && exclude.concept.iter().any(|e| e.code == c.code)
        };
        self.codes.retain(|code| !out(code));
        Ok(())
    }

    fn add(&mut self, system: &str, code: &str, display: Option<&str>) {
        for scheme in schemes(system) {
            self.codes.push(Code::new(code, scheme, display.unwrap_or_default()));
        }
    }
}

/// The XDS schemes of a system, and the system itself, which some sources send as it is.
fn schemes(system: &str) -> Vec<String> {
    let mut all = oid_of_system(system);
    all.push(system.to_owned());
    all.sort();
    all.dedup();
    all
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
