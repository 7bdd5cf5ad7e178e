//! The patient at the record system: `Patient/{id}` of UK Core.

use carerecord_model::NhsNumber;
use jiff::civil::Date;
use serde_json::Value;

use super::error::SmartError;
use crate::api::{NHS_NUMBER, PatientRecord};

/// Who is meant, to be compared with the patient index.
pub(super) struct Meant {
    pub(super) nhs_number: NhsNumber,
    pub(super) family_name: String,
    pub(super) birth_date: Date,
}

impl Meant {
    /// Out of the resource that was asked for by this id.
    pub(super) fn read(body: &[u8], id: &str) -> Result<Self, SmartError> {
        let resource: Value = serde_json::from_slice(body).map_err(|_| SmartError::Patient)?;
        if resource["resourceType"] != "Patient" || resource["id"] != id {
            return Err(SmartError::Patient);
        }
        let nhs_number = only_number(&resource["identifier"]).ok_or(SmartError::NhsNumber)?;
        let record = PatientRecord::read(&resource).ok_or(SmartError::Patient)?;
        let family_name = record.family.filter(|name| !name.trim().is_empty());
        let family_name = family_name.ok_or(SmartError::Demographics)?;
        let birth_date = record.born.ok_or(SmartError::Demographics)?;
        Ok(Self { nhs_number, family_name, birth_date })
    }
}

/// The NHS Number, where there is one and no other.
fn only_number(identifiers: &Value) -> Option<NhsNumber> {
    let all = identifiers.as_array()?.iter();
    let mut own = all.filter(|one| one["system"] == NHS_NUMBER && one["use"] != "old");
    let number = own.next()?["value"].as_str()?.parse().ok()?;
    let of = |one: &Value| one["value"].as_str()?.parse::<NhsNumber>().ok();
    own.all(|one| of(one) == Some(number)).then_some(number)
}

/// Whether it can be the id of a resource. FHIR R4: 2.24.0.1.
pub(super) fn is_id(id: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.');
    (1..=64).contains(&id.len()) && id.bytes().all(fits) && !matches!(id, "." | "..")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_nhs_number_with_name_and_birth_date_is_needed() {
        let nhs = |value: &str| json!({"system": NHS_NUMBER, "value": value});
        let good = json!({
            "resourceType": "Patient", "id": "p.1",
            "identifier": [{"system": "urn:mrn", "value": "9990001049"}, nhs("9990001006")],
            "name": [{"use": "old", "family": "Wren"}, {"use": "official", "family": "Okafor"}],
            "birthDate": "1945-07-14",
        });
        let read = |name: &str, value: Value| {
            let mut resource = good.clone();
            resource[name] = value;
            Meant::read(resource.to_string().as_bytes(), "p.1").map(|meant| {
                let Meant { nhs_number, family_name, birth_date } = meant;
                (nhs_number, family_name, birth_date.to_string())
            })
        };
        let ada = ("9990001006".parse().unwrap(), "Okafor".to_owned(), "1945-07-14".to_owned());
        assert_eq!(read("active", json!(true)), Ok(ada.clone()));
        let mut old = nhs("9990001049");
        old["use"] = "old".into();
        assert_eq!(read("identifier", json!([old, nhs("9990001006")])), Ok(ada.clone()));
        assert_eq!(read("identifier", json!([nhs("9990001006"), nhs("9990001006")])), Ok(ada));

        for (name, value, error) in [
            ("identifier", json!(null), SmartError::NhsNumber),
            ("identifier", json!([]), SmartError::NhsNumber),
            ("identifier", json!([nhs("9990001007")]), SmartError::NhsNumber),
            ("identifier", json!([nhs("9990001006"), nhs("9990001049")]), SmartError::NhsNumber),
            ("identifier", json!([nhs("9990001006"), nhs("x")]), SmartError::NhsNumber),
            ("identifier", json!([{"system": NHS_NUMBER}]), SmartError::NhsNumber),
            ("name", json!([]), SmartError::Demographics),
            ("name", json!([{"family": " "}]), SmartError::Demographics),
            ("birthDate", json!("1945-07"), SmartError::Demographics),
            ("birthDate", json!(null), SmartError::Demographics),
            ("id", json!("p.2"), SmartError::Patient),
            ("resourceType", json!("Person"), SmartError::Patient),
        ] {
            assert_eq!(read(name, value.clone()), Err(error), "{name}: {value}");
        }
        assert!(matches!(Meant::read(b"<Patient/>", "p.1"), Err(SmartError::Patient)));
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        assert!(is_id("p.1-A") && is_id(&"a".repeat(64)));
        for none in ["", ".", "..", "a/b", "../Binary/1", "a?b", "%2e", "ä", &"a".repeat(65)] {
            assert!(!is_id(none), "{none}");
        }
    }
}
