use carerecord_model::NhsNumber;
use jiff::Timestamp;

use super::instant::span;
use super::parameter::{AUDIT_EVENT, check, has};
use super::patient::{is_patient, patient};
use super::token::{Token, tokens};
use super::values::reference_id;
use super::{SearchError, alternatives, count_only, is_count, unescaped};
use crate::identifier_number;

/// The parameters of ITI-81, with those of ours for an organisation and a request.
#[derive(Clone, Debug)]
pub struct AuditEventSearch {
    /// About this person.
    pub patient: Option<NhsNumber>,
    /// By any of these users or systems.
    pub agents: Vec<String>,
    /// For any of these organisations.
    pub organisations: Vec<String>,
    /// Naming any of these documents.
    pub documents: Vec<String>,
    /// Made in any of these requests.
    pub requests: Vec<String>,
    /// Any of these outcomes: 0, 4, 8, 12.
    pub outcomes: Vec<String>,
    /// For each, any of these: system and code.
    pub codes: Vec<(AuditCode, AnyCode)>,
    /// From this instant on.
    pub since: Option<Timestamp>,
    /// Before this instant.
    pub until: Option<Timestamp>,
    /// So many on a page.
    pub count: Option<u32>,
    /// Only the count is wanted.
    pub count_only: bool,
    /// Parameters that were left out.
    pub ignored: Vec<String>,
}

/// Codes of which any will do, each with its system: without one any system, without a code any of
/// the system.
pub type AnyCode = Vec<(Option<String>, Option<String>)>;

/// What a code of a search is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AuditCode {
    /// `type`.
    Type,
    /// `subtype`.
    Subtype,
    /// `action`.
    Action,
    /// `entity-type`.
    EntityType,
    /// `entity-role`.
    EntityRole,
    /// `address`: how it begins, of a string.
    Address,
    /// `address:exact`.
    AddressExact,
}

impl AuditEventSearch {
    /// Reads name and value pairs of a query string or form. `strict` refuses what is not known, and
    /// asks for both bounds of the time, as ITI-81 does.
    ///
    /// # Errors
    /// `Malformed`; `Unsupported` for a modifier, and under `strict` for a parameter; `Missing` under
    /// `strict` without `date`.
    pub fn parse(pairs: &[(String, String)], strict: bool) -> Result<Self, SearchError> {
        check(pairs, AUDIT_EVENT)?;
        let named = pairs.iter().any(|(name, _)| is_patient(name));
        let mut search = Self {
            patient: if named { Some(patient(pairs)?) } else { None },
            agents: Vec::new(),
            organisations: Vec::new(),
            documents: Vec::new(),
            requests: Vec::new(),
            outcomes: Vec::new(),
            codes: Vec::new(),
            since: None,
            until: None,
            count: None,
            count_only: count_only(pairs),
            ignored: Vec::new(),
        };
        for (name, value) in pairs {
            search.add(name, value, strict)?;
        }
        if search.since.zip(search.until).is_some_and(|(since, until)| since > until) {
            return Err(SearchError::malformed("date"));
        }
        if strict && (search.since.is_none() || search.until.is_none()) {
            return Err(SearchError::Missing("date"));
        }
        Ok(search)
    }

    fn add(&mut self, name: &str, value: &str, strict: bool) -> Result<(), SearchError> {
        match name {
            "_count" if !is_count(name, value) => {
                self.count = Some(value.parse().map_err(|_| SearchError::malformed(name))?);
            }
            "_sort" if value == "-date" => {}
            "_format" => {}
            _ if is_count(name, value) => {}
            other if !has(AUDIT_EVENT, other) => {
                if strict {
                    return Err(SearchError::unsupported(other));
                }
                self.ignored.push(crate::echo::safe_name(other));
            }
            "agent.identifier" | "agent:identifier" => {
                set(&mut self.agents, name, codes(name, value, None)?)?;
            }
            "agent" => set(&mut self.agents, name, references(name, value, &AGENTS)?)?,
            "organisation" => {
                set(&mut self.organisations, name, codes(name, value, Some(ODS))?)?;
            }
            "entity.identifier" | "entity:identifier" | "entity" => self.add_entity(name, value)?,
            "correlation" => set(&mut self.requests, name, codes(name, value, None)?)?,
            "outcome" => {
                let all = codes(name, value, None)?;
                if !all.iter().all(|code| OUTCOMES.contains(&code.as_str())) {
                    return Err(SearchError::malformed(name));
                }
                set(&mut self.outcomes, name, all)?;
            }
            "type" => self.add_code(AuditCode::Type, name, value)?,
            "subtype" => self.add_code(AuditCode::Subtype, name, value)?,
            "action" => self.add_code(AuditCode::Action, name, value)?,
            "entity-type" => self.add_code(AuditCode::EntityType, name, value)?,
            "entity-role" => self.add_code(AuditCode::EntityRole, name, value)?,
            "address" => self.add_address(AuditCode::Address, name, value)?,
            "address:exact" => self.add_address(AuditCode::AddressExact, name, value)?,
            // A record is never changed: it was updated last when it was made.
            "date" | "_lastUpdated" => self.add_date(name, value)?,
            known if is_patient(known) => {}
            other => return Err(SearchError::unsupported(other)),
        }
        Ok(())
    }

    /// A document by an identifier or as a resource; or the patient, who is an entity as well.
    fn add_entity(&mut self, name: &str, value: &str) -> Result<(), SearchError> {
        if value.contains("nhs-number|") {
            let number = identifier_number(value)?;
            if self.patient.is_some_and(|other| other != number) {
                return Err(SearchError::malformed(name));
            }
            self.patient = Some(number);
            return Ok(());
        }
        let all = match name {
            "entity" => references(name, value, &["DocumentReference"])?,
            _ => codes(name, value, None)?,
        };
        set(&mut self.documents, name, all)
    }

    fn add_code(&mut self, of: AuditCode, name: &str, value: &str) -> Result<(), SearchError> {
        let all = tokens(name, value)?;
        let part = |text: Option<&str>| text.map(str::to_owned);
        let all = all.iter().map(|token| (part(token.system()), part(token.code())));
        self.codes.push((of, all.collect()));
        Ok(())
    }

    /// The network address at the other end, a string: any of these will do.
    fn add_address(&mut self, of: AuditCode, name: &str, value: &str) -> Result<(), SearchError> {
        let all = alternatives(name, value)?;
        let all = all.iter().map(|text| (None, Some(unescaped(text.trim()))));
        self.codes.push((of, all.collect()));
        Ok(())
    }

    /// Repetitions are all meant.
    fn add_date(&mut self, name: &str, value: &str) -> Result<(), SearchError> {
        let malformed = || SearchError::malformed(name);
        let [value] = alternatives(name, value)?.try_into().map_err(|_| malformed())?;
        let value = value.trim();
        let prefixed = value.get(..2).filter(|p| p.bytes().all(|b| b.is_ascii_alphabetic()));
        let (prefix, text) = prefixed.map_or(("eq", value), |prefix| (prefix, &value[2..]));
        let (start, end) = span(text).ok_or_else(malformed)?;
        let (since, until) = match prefix {
            "eq" => (Some(start), Some(end)),
            "ge" => (Some(start), None),
            "gt" | "sa" => (Some(end), None),
            "le" => (None, Some(end)),
            "lt" | "eb" => (None, Some(start)),
            "ne" | "ap" => return Err(SearchError::unsupported(&format!("{name}:{prefix}"))),
            _ => return Err(malformed()),
        };
        self.since = self.since.max(since);
        self.until = match (self.until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Ok(())
    }
}

/// The codes of tokens; with another system than `system` there is none.
fn codes(name: &str, value: &str, system: Option<&str>) -> Result<Vec<String>, SearchError> {
    let all = tokens(name, value)?;
    let code = |token: &Token| {
        let fits = system.is_none_or(|s| token.system().is_none_or(|own| own == s));
        token.code().filter(|_| fits).map(str::to_owned)
    };
    all.iter().map(code).collect::<Option<Vec<_>>>().ok_or_else(|| SearchError::malformed(name))
}

/// The ids of references; an identifier in place of one has a system.
fn references(name: &str, value: &str, types: &[&str]) -> Result<Vec<String>, SearchError> {
    let id = |token: &Token| {
        let code = token.code().ok_or_else(|| SearchError::malformed(name))?;
        let is_reference = token.system().is_none();
        let id = if is_reference { reference_id(name, code, types)? } else { code };
        Ok(id.to_owned())
    };
    tokens(name, value)?.iter().map(id).collect()
}

/// What is asked twice asks for what is both: nothing, and surely a mistake.
fn set(all: &mut Vec<String>, name: &str, values: Vec<String>) -> Result<(), SearchError> {
    if !all.is_empty() && *all != values {
        return Err(SearchError::malformed(name));
    }
    *all = values;
    Ok(())
}

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const OUTCOMES: [&str; 4] = ["0", "4", "8", "12"];
/// Who acts: people and systems.
const AGENTS: [&str; 2] = ["Practitioner", "Device"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs;

    fn parse(text: &str, strict: bool) -> Result<AuditEventSearch, SearchError> {
        AuditEventSearch::parse(&pairs(text), strict)
    }

    fn at(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn every_name_that_clients_use_is_read() {
        let nhs = "https://fhir.nhs.uk/Id/nhs-number";
        let all = parse(
            &format!(
                "patient.identifier={nhs}|9990001006&agent.identifier=https://x|555021900100&\
                 organisation=https://fhir.nhs.uk/Id/ods-organization-code|ZEX01,ZEX02&\
                 entity=DocumentReference/6c1d0b52-0000-4000-8000-00000000000a&outcome=8,12&\
                 correlation=req-1&type=rest&subtype=urn:ihe:event-type-code|ITI-68&action=R&\
                 _count=20&_sort=-date&address=10.0.0.1,10.0.0.2&entity-type=1&entity-role=4,3&\
                 site=x"
            ),
            false,
        )
        .unwrap();

        assert_eq!(all.patient.map(|n| n.digits()).as_deref(), Some("9990001006"));
        assert_eq!((all.agents[0].as_str(), all.organisations.len()), ("555021900100", 2));
        assert_eq!(all.documents, ["6c1d0b52-0000-4000-8000-00000000000a"]);
        assert_eq!((all.outcomes.len(), all.codes.len(), all.count), (2, 6, Some(20)));
        assert_eq!(
            (all.requests.as_slice(), all.ignored.as_slice()),
            (["req-1".to_owned()].as_slice(), ["site".to_owned()].as_slice())
        );
        let entity = parse(&format!("entity.identifier={nhs}|9990001006"), false).unwrap();
        assert_eq!(entity.patient, all.patient);
    }

    #[test]
    fn references_are_to_what_is_there() {
        let id = "6c1d0b52-0000-4000-8000-00000000000a";
        for (text, agents, documents) in [
            ("agent=Practitioner/555021900100", vec!["555021900100"], vec![]),
            ("agent=Device/demo-app,555021900100", vec!["demo-app", "555021900100"], vec![]),
            ("agent=https://x/y|a/b", vec!["a/b"], vec![]),
            ("entity=ID", vec![], vec![id]),
            ("entity=DocumentReference/ID", vec![], vec![id]),
            ("entity:identifier=urn:x|a/b", vec![], vec!["a/b"]),
        ] {
            let found = parse(&text.replace("ID", id), false).unwrap();
            assert_eq!((found.agents, found.documents), (strings(&agents), strings(&documents)));
        }
        for bad in [
            "agent=Patient/1",
            "agent=Practitioner/",
            "entity=Patient/1",
            "entity=DocumentReference/ID,Patient/1",
            "entity=https://elsewhere.example/fhir/DocumentReference/ID",
        ] {
            assert!(parse(&bad.replace("ID", id), false).is_err(), "{bad}");
        }
    }

    fn strings(all: &[&str]) -> Vec<String> {
        all.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn dates_bound_by_all_that_they_can_mean() {
        for (text, since, until) in [
            ("date=2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("date=ge2026-11-02&date=le2026-11-02", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"),
            (
                "date=2026-11&_lastUpdated=ge2026-11-05",
                "2026-11-05T00:00:00Z",
                "2026-12-01T00:00:00Z",
            ),
            ("date=gt2026&date=lt2028-02", "2027-01-01T00:00:00Z", "2028-02-01T00:00:00Z"),
            (
                "date=ge2026-11-02T10:00:00.120Z&date=ge2026-01-01&date=lt2026-11-02T11:30:00 01:00",
                "2026-11-02T10:00:00.120Z",
                "2026-11-02T10:30:00Z",
            ),
        ] {
            let parsed = parse(text, true).unwrap();
            assert_eq!((parsed.since, parsed.until), (at(since), at(until)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in [
            "patient.identifier=9990001007",
            "patient.identifier=9990001006&subject.identifier=9990001014",
            "agent=a&agent=b",
            "organisation=https://x|ZEX01",
            "organisation=",
            "date=yesterday",
            "date=ne2026",
            "date=2026,2027",
            "date=ge2027&date=lt2026",
            "outcome=1",
            "_count=many",
            "agent:missing=true",
            "entity:not=a",
            "address:contains=1",
            "address=",
            "_lastUpdated=ne2026",
        ] {
            assert!(parse(bad, false).is_err(), "{bad}");
        }
        for strict in
            ["agent=a", "agent=a&date=ge2026", "date=2026&colour=red", "date=2026&_sort=x"]
        {
            assert!(parse(strict, false).is_ok(), "{strict}");
            assert!(parse(strict, true).is_err(), "{strict}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_date_is_read_or_refused(text in "\\PC{0,40}", year in 0u32..12000) {
            let _ = parse(&format!("date={text}"), false);
            let _ = parse(&format!("date=le{year:04}"), false);
        }
    }
}
