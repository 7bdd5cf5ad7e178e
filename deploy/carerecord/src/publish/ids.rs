//! Ids made from what is published, so that a repeat is the same submission, after whatever restart.

use aws_lc_rs::digest::{SHA256, digest};
use carerecord_model::{Oid, OrganisationCode, SourceId, UniqueId};
use uuid::Uuid;

use super::Source;

/// An id made from bytes: the same bytes, the same id.
pub(super) fn content_id(source: &Source) -> UniqueId {
    half_oid(source.sha256()).as_str().parse().expect("an OID is a uniqueId")
}

/// The id of bytes that come in the place of a registered document, which may be the same bytes
/// under other metadata.
pub(super) fn replacement_id(source: &Source, replaced: &UniqueId) -> UniqueId {
    let text = format!("{} in the place of {replaced}", content_id(source));
    oid_of(text.as_bytes()).as_str().parse().expect("an OID is a uniqueId")
}

/// One submission for each document of each source.
pub(super) fn set_id(document: &UniqueId, source: &SourceId) -> UniqueId {
    let text = format!("submission of {document} by {source}");
    oid_of(text.as_bytes()).as_str().parse().expect("an OID is a uniqueId")
}

pub(super) fn source_id(organisation: &OrganisationCode) -> SourceId {
    let text = format!("source {organisation}");
    oid_of(text.as_bytes()).as_str().parse().expect("an OID is a sourceId")
}

/// Whether others can read it as the id of a document: an OID, perhaps with `^` and an extension of
/// 16 characters, or a UUID as a URN. ITI TF-3: 4.2.3.2.26.
pub(super) fn is_own_id(text: &str) -> bool {
    if let Some(uuid) = text.strip_prefix("urn:uuid:") {
        return uuid.parse::<Uuid>().is_ok();
    }
    let (root, extension) = text.split_once('^').unwrap_or((text, "1"));
    let fits = |c: char| c.is_ascii_graphic() && !matches!(c, '^' | '&');
    root.parse::<Oid>().is_ok()
        && (1..=16).contains(&extension.len())
        && extension.chars().all(fits)
}

fn oid_of(bytes: &[u8]) -> Oid {
    half_oid(digest(&SHA256, bytes).as_ref())
}

fn half_oid(hash: &[u8]) -> Oid {
    let mut half = [0u8; 16];
    half.copy_from_slice(&hash[..16]);
    Oid::from_uuid(Uuid::from_bytes(half))
}
