use carerecord_model::Code;
use serde::Deserialize;

use crate::oid_of_system;

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

/// Reads a FHIR R4 `ValueSet` in JSON: its expansion where there is one, else what it enumerates.
///
/// # Errors
/// When the codes cannot be told from the resource alone.
pub fn parse_value_set(json: &[u8]) -> Result<ValueSet, ValueSetError> {
    let resource: Resource = serde_json::from_slice(json)?;
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource_type: String,
    id: Option<String>,
    url: Option<String>,
    compose: Option<Compose>,
    expansion: Option<Expansion>,
}

#[derive(Deserialize)]
struct Compose {
    #[serde(default)]
    include: Vec<Include>,
    #[serde(default)]
    exclude: Vec<Include>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Include {
    system: Option<String>,
    #[serde(default)]
    concept: Vec<Concept>,
    #[serde(default)]
    filter: Vec<serde_json::Value>,
    #[serde(default)]
    value_set: Vec<String>,
}

#[derive(Deserialize)]
struct Concept {
    code: String,
    display: Option<String>,
}

#[derive(Deserialize)]
struct Expansion {
    total: Option<u64>,
    #[serde(default)]
    contains: Vec<Contains>,
}

#[derive(Deserialize)]
struct Contains {
    system: Option<String>,
    code: Option<String>,
    display: Option<String>,
    #[serde(default, rename = "abstract")]
    is_abstract: bool,
    #[serde(default)]
    contains: Vec<Contains>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: serde_json::Value) -> Result<ValueSet, ValueSetError> {
        let mut resource = json!({ "resourceType": "ValueSet", "url": "http://example.org/vs" });
        resource.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        parse_value_set(resource.to_string().as_bytes())
    }

    fn has(set: &ValueSet, code: &str, scheme: &str) -> bool {
        set.codes.contains(&Code::new(code, scheme, ""))
    }

    #[test]
    fn enumerated_codes_are_under_every_scheme_of_their_system() {
        let snomed = "http://snomed.info/sct";
        let set = parse(json!({ "compose": {
            "include": [{ "system": snomed, "concept": [{ "code": "1" }, { "code": "2" }] }],
            "exclude": [{ "system": snomed, "concept": [{ "code": "2" }] }],
        }}))
        .unwrap();

        assert!(has(&set, "1", "2.16.840.1.113883.6.96"));
        assert!(has(&set, "1", "2.16.840.1.113883.2.1.3.2.4.15"));
        assert!(has(&set, "1", snomed));
        assert!(!set.codes.iter().any(|c| c.code == "2"));
    }

    #[test]
    fn an_expansion_goes_before_what_it_was_made_from() {
        let body = json!({
            "compose": { "include": [{ "system": "urn:oid:2.999.1", "filter": [{}] }] },
            "expansion": { "total": 2, "contains": [
                { "system": "urn:oid:2.999.1", "code": "top", "abstract": true,
                  "contains": [{ "system": "urn:oid:2.999.1", "code": "below" }] }
            ]},
        });

        let set = parse(body).unwrap();

        assert!(has(&set, "below", "2.999.1"));
        assert!(!has(&set, "top", "2.999.1"));
    }

    #[test]
    fn a_system_without_codes_is_meant_whole() {
        let set = parse(json!({ "compose": { "include": [{ "system": "http://loinc.org" }] } }));

        assert!(set.unwrap().whole_schemes.contains(&"2.16.840.1.113883.6.1".to_owned()));
    }

    #[test]
    fn what_needs_a_terminology_server_is_refused() {
        let include = |body: serde_json::Value| json!({ "compose": { "include": [body] } });
        let filter = include(json!({ "system": "s", "filter": [{ "property": "concept" }] }));
        assert!(matches!(parse(filter), Err(ValueSetError::Filter(_))));
        let other = include(json!({ "valueSet": ["http://example.org/other"] }));
        assert!(matches!(parse(other), Err(ValueSetError::Reference(_))));
        let cut =
            json!({ "expansion": { "total": 3, "contains": [{ "system": "s", "code": "1" }] }});
        assert!(matches!(parse(cut), Err(ValueSetError::CutOff(3, 1))));
        let whole = json!({ "compose": {
            "include": [{ "system": "s" }],
            "exclude": [{ "system": "s", "concept": [{ "code": "1" }] }],
        }});
        assert!(matches!(parse(whole), Err(ValueSetError::Exclude)));
        assert!(matches!(parse(json!({})), Err(ValueSetError::Empty)));
        let other = parse_value_set(br#"{ "resourceType": "Patient" }"#);
        assert!(matches!(other, Err(ValueSetError::Resource(_))));
    }
}
