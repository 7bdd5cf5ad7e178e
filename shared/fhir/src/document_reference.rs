use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntry, EntryUuid, components, unescape,
};
use serde_json::{Value, json};

use crate::code_system::{ODS, URI, coding, concept};
use crate::contained::{Contained, authority, with_authority};
use crate::date_time;
use crate::identifier::{identifier, subject, unique_id};
use crate::object::Object;

/// A document that this one relates to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Related {
    /// How. Membership is no relation between documents and is left out.
    pub association_type: AssociationType,
    /// The other document, which came before.
    pub target: EntryUuid,
}

/// An entry as DocumentReference. MHD 7.1.
///
/// `attachment_url` is absolute and names no patient; `custodian` is name and code of the
/// organisation that runs the node, the code empty where it must not be told. `meta.source` is the
/// repository, as the outcome of a search names it. An on-demand entry has neither size nor hash.
pub fn document_reference(
    entry: &DocumentEntry,
    attachment_url: &str,
    custodian: Option<(&str, &str)>,
    related: &[Related],
) -> Value {
    let id = entry.uuid().map(|u| u.uuid().to_string()).unwrap_or_default();
    let mut contained = Contained::new();
    let authors: Vec<Value> =
        entry.authors.iter().enumerate().flat_map(|(n, a)| contained.author(a, n)).collect();
    let authenticator =
        entry.legal_authenticator.as_ref().map(|p| contained.person(p, "authenticator"));
    let source_patient = contained.source_patient(entry);
    let unique = || identifier("usual", "uniqueId", unique_id(&entry.unique_id));
    let own = identifier("official", "entryUUID", (URI.into(), entry.entry_uuid.to_string()));
    let version = (entry.version > 0).then(|| entry.version.to_string());
    let custodian = custodian.map(|(name, code)| {
        let identifier = (!code.is_empty()).then(|| json!({"system": ODS, "value": code}));
        Object::new().with("identifier", identifier).with("display", name)
    });
    let source = entry.repository_unique_id.as_ref().map(|id| format!("urn:oid:{}", id.as_str()));
    let meta = Object::new()
        .with("versionId", version)
        .with("source", source)
        .with("profile", json!([if entry.extra.limited { MINIMAL } else { PROFILE }]));
    let labels: Vec<Value> = entry.confidentiality_codes.iter().map(concept).collect();
    Object::resource("DocumentReference", &id)
        .with("meta", meta)
        .with("contained", contained.into_value())
        .with("extension", community(entry.home_community_id.as_ref()).map(|e| vec![e]))
        .with("masterIdentifier", unique())
        .with("identifier", vec![own, unique()])
        .with("status", status(entry.availability_status))
        .with("type", concept(&entry.type_code))
        .with("category", present(concept(&entry.class_code)))
        .with("subject", subject(&entry.patient_id))
        .with("author", authors)
        .with("authenticator", authenticator)
        .with("custodian", custodian)
        .with("relatesTo", related.iter().filter_map(relates_to).collect::<Vec<_>>())
        .with("description", entry.comments.first().map(|c| c.value.as_str()))
        .with("securityLabel", labels)
        .with("content", vec![content(entry, attachment_url)])
        .with("context", context(entry, source_patient))
        .into()
}

/// A list of one, or of none.
fn present(value: Value) -> Vec<Value> {
    Some(value).filter(|v| !v.is_null()).into_iter().collect()
}

/// The community of an object, as later versions of MHD tell it.
pub(crate) fn community(home: Option<&carerecord_model::HomeCommunityId>) -> Option<Value> {
    home.map(|home| json!({"url": HOME_COMMUNITY, "valueOid": home.as_str()}))
}

fn content(entry: &DocumentEntry, url: &str) -> Value {
    let attachment = Object::new()
        .with("contentType", entry.mime_type.as_str())
        .with("language", entry.language_code.as_str())
        .with("url", url)
        .with("size", entry.size)
        .with("hash", entry.hash.as_deref().and_then(hash))
        .with("title", entry.display_title())
        .with("creation", entry.creation_time.as_ref().map(date_time));
    Object::new().with("attachment", attachment).with("format", coding(&entry.format_code)).into()
}

fn context(entry: &DocumentEntry, source_patient: Option<Value>) -> Value {
    let period = Object::new()
        .with("start", entry.service_start_time.as_ref().map(date_time))
        .with("end", entry.service_stop_time.as_ref().map(date_time));
    let of_kind = |encounter: bool| {
        let ids = entry.reference_ids.iter().filter(|id| is_encounter(id) == encounter);
        ids.filter_map(|id| reference_id(id)).collect::<Vec<_>>()
    };
    Object::new()
        .with("encounter", of_kind(true))
        .with("event", entry.event_codes.iter().map(concept).collect::<Vec<_>>())
        .with("period", period)
        .with("facilityType", concept(&entry.healthcare_facility_type_code))
        .with("practiceSetting", concept(&entry.practice_setting_code))
        .with("sourcePatientInfo", source_patient)
        .with("related", of_kind(false))
        .into()
}

fn status(status: AvailabilityStatus) -> &'static str {
    match status {
        AvailabilityStatus::Approved => "current",
        AvailabilityStatus::Deprecated => "superseded",
    }
}

fn relates_to(related: &Related) -> Option<Value> {
    let code = relation_code(related.association_type)?;
    let reference = format!("DocumentReference/{}", related.target.uuid());
    Some(json!({"code": code, "target": {"reference": reference}}))
}

/// What FHIR calls a relation between documents; `None` for what is none.
pub(crate) fn relation_code(association_type: AssociationType) -> Option<&'static str> {
    Some(match association_type {
        AssociationType::Replace | AssociationType::TransformAndReplace => "replaces",
        AssociationType::Append => "appends",
        AssociationType::Transform | AssociationType::IsSnapshotOf => "transforms",
        AssociationType::Signs => "signs",
        AssociationType::HasMember
        | AssociationType::UpdateAvailabilityStatus
        | AssociationType::SubmitAssociation => return None,
    })
}

/// CXi, `ID^^^authority^type`, as a logical reference. MHD 7.5.
fn reference_id(cxi: &str) -> Option<Value> {
    let parts = components(cxi, '^');
    let mut identifier = with_authority(&unescape(parts.first()?), authority(cxi, 4).as_deref())?;
    if let Some(kind) = parts.get(4).filter(|k| !k.trim().is_empty()) {
        identifier["type"] = json!({"coding": [{"system": URI, "code": kind}]});
    }
    Some(json!({"identifier": identifier}))
}

fn is_encounter(cxi: &str) -> bool {
    components(cxi, '^').get(4).is_some_and(|kind| *kind == ENCOUNTER)
}

/// XDS has the digest in hex; FHIR wants the digest itself in base64.
fn hash(hex: &str) -> Option<String> {
    // `from_str_radix` would read a sign, too.
    let digits = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let pairs = (0..hex.len()).step_by(2).filter(|_| digits);
    let bytes: Option<Vec<u8>> =
        pairs.map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
    bytes.filter(|b| !b.is_empty()).map(|b| STANDARD.encode(b))
}

const ENCOUNTER: &str = "urn:ihe:iti:xds:2015:encounterId";
const HOME_COMMUNITY: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-HomeCommunityId";
const MINIMAL: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.DocumentReference";
const PROFILE: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Comprehensive.DocumentReference";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_change_their_dress() {
        assert_eq!(
            hash("2aae6c35c94fcfb415dbe95f408b9ce91ee846ed").as_deref(),
            Some("Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
        );
        assert_eq!(
            hash("DA39A3EE5E6B4B0D3255BFEF95601890AFD80709").as_deref(),
            Some("2jmj7l5rSw0yVb/vlWAYkK/YBwk=")
        );
        for bad in ["", "z", "zz", "+f", "abc", "éé"] {
            assert_eq!(hash(bad), None, "{bad}");
        }
    }
}
