use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntry, EntryUuid, HomeCommunityId,
    RepositoryUniqueId, components, unescape,
};

use crate::code_system::{ODS, URI, coding, concept};
use crate::contained::{Contained, authority, with_authority};
use crate::identifier::{identifier, subject, unique_id};
use crate::time::submitted_at;
use crate::tree::{Object, Tree};
use crate::{Times, date_time};

/// A document that this one relates to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Related {
    /// How. Membership is no relation between documents and is left out.
    pub association_type: AssociationType,
    /// The other document, which came before.
    pub target: EntryUuid,
}

/// Who holds a document, as far as it may be told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Holder<'a> {
    /// Name and code of the organisation that runs the node; the code empty where it must not be told.
    pub organisation: Option<(&'a str, &'a str)>,
    /// The node, as the outcome of a search names it.
    pub repository: Option<&'a RepositoryUniqueId>,
}

/// An entry as DocumentReference. MHD 7.1.
///
/// `attachment_url` is absolute and names no patient. An on-demand entry has neither size nor hash.
pub fn document_reference<'a>(
    entry: &'a DocumentEntry,
    attachment_url: String,
    holder: Holder<'a>,
    related: &[Related],
    times: &Times,
) -> Tree<'a> {
    let id = entry.uuid().map(|u| u.uuid().to_string());
    let mut contained = Contained::new();
    let authors: Vec<Object<'_>> =
        entry.authors.iter().enumerate().flat_map(|(n, a)| contained.author(a, n)).collect();
    let authenticator =
        entry.legal_authenticator.as_ref().map(|p| contained.person(p, "authenticator"));
    let source_patient = contained.source_patient(entry);
    let unique = || identifier("usual", "uniqueId", unique_id(&entry.unique_id));
    let own = (URI.into(), entry.entry_uuid.to_string().into());
    let own = identifier("official", "entryUUID", own);
    let version = (entry.version > 0).then(|| entry.version.to_string());
    let custodian = holder.organisation.map(|(name, code)| {
        let identifier = Object::new().with("system", ODS).with("value", code);
        let identifier = Some(identifier).filter(|_| !code.is_empty());
        Object::new().with("identifier", identifier).with("display", name)
    });
    let source = holder.repository.map(|id| format!("urn:oid:{}", id.as_str()));
    let meta = Object::new()
        .with("versionId", version)
        .with("lastUpdated", times.last_updated.map(|updated| format!("{updated:.3}")))
        .with("source", source)
        .with("profile", vec![if entry.extra.limited { MINIMAL } else { PROFILE }]);
    let labels: Vec<Tree<'_>> = entry.confidentiality_codes.iter().map(concept).collect();
    Object::resource("DocumentReference", id)
        .with("meta", meta)
        .with("contained", contained.into_list())
        .with("extension", community(entry.home_community_id.as_ref()).map(|e| vec![e]))
        .with("masterIdentifier", unique())
        .with("identifier", vec![own, unique()])
        .with("status", status(entry.availability_status))
        .with("type", concept(&entry.type_code))
        .with("category", present(concept(&entry.class_code)))
        .with("subject", subject(&entry.patient_id))
        .with("date", submitted_at(times))
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
fn present(value: Tree<'_>) -> Vec<Tree<'_>> {
    Some(value).filter(|value| !value.is_empty()).into_iter().collect()
}

/// The community of an object, as later versions of MHD tell it.
pub(crate) fn community(home: Option<&HomeCommunityId>) -> Option<Object<'_>> {
    home.map(|home| Object::new().with("url", HOME_COMMUNITY).with("valueOid", home.as_str()))
}

fn content(entry: &DocumentEntry, url: String) -> Object<'_> {
    let attachment = Object::new()
        .with("contentType", entry.mime_type.as_str())
        .with("language", entry.language_code.as_str())
        .with("url", url)
        .with("size", entry.size)
        .with("hash", entry.hash.as_deref().and_then(hash))
        .with("title", entry.display_title())
        .with("creation", entry.creation_time.as_ref().map(date_time));
    Object::new().with("attachment", attachment).with("format", coding(&entry.format_code))
}

fn context<'a>(entry: &'a DocumentEntry, source_patient: Option<Object<'a>>) -> Object<'a> {
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
}

fn status(status: AvailabilityStatus) -> &'static str {
    match status {
        AvailabilityStatus::Approved => "current",
        AvailabilityStatus::Deprecated => "superseded",
    }
}

fn relates_to(related: &Related) -> Option<Object<'static>> {
    let code = relation_code(related.association_type)?;
    let target = format!("DocumentReference/{}", related.target.uuid());
    let target = Object::new().with("reference", target);
    Some(Object::new().with("code", code).with("target", target))
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
fn reference_id(cxi: &str) -> Option<Object<'_>> {
    let parts = components(cxi, '^');
    let mut identifier = with_authority(unescape(parts.first()?), authority(cxi, 4))?;
    if let Some(kind) = parts.get(4).filter(|k| !k.trim().is_empty()) {
        let coding = Object::new().with("system", URI).with("code", *kind);
        identifier.set("type", Object::new().with("coding", vec![coding]));
    }
    Some(Object::new().with("identifier", identifier))
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
