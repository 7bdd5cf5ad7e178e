use carerecord_model::{NHS_NUMBER_OID, Oid, PatientId, UniqueId};
use std::borrow::Cow;

use serde_json::{Value, json};

use crate::SearchError;
use crate::code_system::URI;
use crate::patient::NHS_NUMBER_SYSTEM;
use crate::system_of_scheme;
use crate::tree::Object;

/// An identifier of a metadata object, told apart by use and by type: versions of MHD differ in
/// which of the two they look at. MHD 2.1.
pub(crate) fn identifier<'a>(
    usage: &'a str,
    kind: &'a str,
    (system, value): (Cow<'a, str>, Cow<'a, str>),
) -> Object<'a> {
    let coding = Object::new().with("system", IDENTIFIER_TYPE).with("code", kind);
    Object::new()
        .with("use", usage)
        .with("type", Object::new().with("coding", vec![coding]))
        .with("system", system)
        .with("value", value)
}

/// `2.999.1` is `urn:oid:2.999.1`; `root^extension` is the root's system and the extension.
pub(crate) fn unique_id(id: &UniqueId) -> (Cow<'_, str>, Cow<'_, str>) {
    let text = id.as_str();
    let is_oid = |s: &str| s.parse::<Oid>().is_ok();
    if is_oid(text) {
        return (URI.into(), format!("urn:oid:{text}").into());
    }
    match text.split_once('^') {
        Some((root, extension)) if is_oid(root) && !extension.trim().is_empty() => {
            (format!("urn:oid:{root}").into(), extension.into())
        }
        _ => match text.split_once('|') {
            Some((system, value)) if is_uri(system) && !value.is_empty() => {
                (system.into(), value.into())
            }
            Some(_) | None => (URI.into(), text.into()),
        },
    }
}

/// The uniqueId of a document that FHIR identifies so; `unique_id` gives both back. A system that is
/// no OID stands before the value, with a bar between.
pub(crate) fn unique_id_of(system: Option<&str>, value: &str) -> Option<UniqueId> {
    match system {
        None | Some(URI) => {
            let oid = value.strip_prefix("urn:oid:").filter(|oid| oid.parse::<Oid>().is_ok());
            oid.unwrap_or(value).parse().ok()
        }
        Some(system) => match system.strip_prefix("urn:oid:") {
            Some(oid) => {
                oid.parse::<Oid>().ok().and_then(|_| format!("{oid}^{value}").parse().ok())
            }
            None => is_uri(system).then(|| format!("{system}|{value}").parse().ok()).flatten(),
        },
    }
}

/// A document's uniqueId as an Identifier: system and value.
pub fn document_identifier(id: &UniqueId) -> Value {
    let (system, value) = unique_id(id);
    json!({"system": system, "value": value})
}

fn is_uri(text: &str) -> bool {
    ["http://", "https://", "urn:"].iter().any(|scheme| text.starts_with(scheme))
        && !text.contains('|')
}

/// The OID of the authority that a system of patients' identifiers stands for.
pub fn authority_of_system(system: &str) -> Option<&str> {
    let nhs = [NHS_NUMBER_SYSTEM, "http://fhir.nhs.net/Id/nhs-number"];
    if nhs.contains(&system) { Some(NHS_NUMBER_OID) } else { system.strip_prefix("urn:oid:") }
}

/// A patient's identifier out of system and value; without a system it is an NHS Number. `None`
/// when nobody here can have it.
///
/// # Errors
/// When it should be an NHS Number, and is none; or has signs that no identifier has.
pub fn patient_id(system: Option<&str>, value: &str) -> Result<Option<PatientId>, SearchError> {
    let authority = system.map_or(Some(NHS_NUMBER_OID), authority_of_system);
    match authority {
        None => Ok(None),
        Some(NHS_NUMBER_OID) => Ok(Some(PatientId::from_nhs_number(value.trim().parse()?))),
        Some(_) if value.contains(['^', '&', '~', '|', '\\']) => {
            Err(SearchError::Malformed("identifier".into()))
        }
        Some(oid) => Ok(format!("{value}^^^&{oid}&ISO").parse().ok()),
    }
}

/// A patient's identifier with its system, as FHIR has it.
pub fn patient_identifier(id: &PatientId) -> Value {
    let system = match id.authority().as_str() {
        NHS_NUMBER_OID => NHS_NUMBER_SYSTEM.to_owned(),
        oid => format!("urn:oid:{oid}"),
    };
    json!({"system": system, "value": id.id()})
}

/// The patient as a logical reference: the record is kept under a number, not a resource.
pub(crate) fn subject(patient: &PatientId) -> Object<'_> {
    let (system, value) = match patient.nhs_number() {
        Some(number) => (NHS_NUMBER_SYSTEM.into(), Cow::from(number.digits())),
        None => (system_of_scheme(patient.authority().as_str()), patient.id().into()),
    };
    let identifier = Object::new().with("system", system).with("value", value);
    Object::new().with("type", "Patient").with("identifier", identifier)
}

const IDENTIFIER_TYPE: &str =
    "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_ids_take_the_form_of_fhir() {
        let pair = |s: &str| {
            let id = s.parse().unwrap();
            let (system, value) = unique_id(&id);
            (system.into_owned(), value.into_owned())
        };

        assert_eq!(pair("2.999.1"), (URI.into(), "urn:oid:2.999.1".into()));
        assert_eq!(pair("2.999.1^A17"), ("urn:oid:2.999.1".into(), "A17".into()));
        assert_eq!(pair("2.999.1^"), (URI.into(), "2.999.1^".into()));
        assert_eq!(pair("https://x.example/d/1"), (URI.into(), "https://x.example/d/1".into()));
        let uuid = "6c1d0b52-0000-4000-8000-000000000001";
        let urn = format!("urn:uuid:{uuid}");
        // Both forms are about, and are ids of different documents.
        assert_eq!(pair(&urn), (URI.into(), urn.clone()));
        assert_eq!(pair(uuid), (URI.into(), uuid.into()));
        assert_eq!(pair("https://x.example/ids|17"), ("https://x.example/ids".into(), "17".into()));
        for id in ["2.999.1", "2.999.1^A17", uuid, &urn, "https://x.example/ids|17", "a|b"] {
            let (system, value) = pair(id);
            assert_eq!(unique_id_of(Some(&system), &value).unwrap().as_str(), id);
        }
        assert_eq!(unique_id_of(Some("urn:oid:x"), "1"), None);
        assert_eq!(unique_id_of(Some("trust"), "1"), None);
    }
}
