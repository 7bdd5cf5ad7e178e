//! Lists as SubmissionSet and Folder. MHD 7.2, 7.3.

use carerecord_model::{
    AvailabilityStatus, Code, ExtraMetadata, Folder, ObjectId, Oid, PatientId, SubmissionSet,
    UniqueId,
};
use uuid::Uuid;

use super::Profile;
use super::at::{At, Problems};
use super::entry::{Codes, localized, must_be};
use super::people::Contained;
use super::values::time;
use crate::code_system::URI;

/// Which of the two a List is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    SubmissionSet,
    Folder,
}

/// What the List says that it is.
pub(super) fn kind(at: &At<'_>) -> Option<Kind> {
    let codings = at.get("code").each("coding");
    let code = codings.iter().find(|c| c.text("system") == Some(LIST_TYPES))?.text("code")?;
    match code {
        "submissionset" => Some(Kind::SubmissionSet),
        "folder" => Some(Kind::Folder),
        _ => None,
    }
}

/// Who an object is, as its identifiers say. MHD 2.1.
pub(super) struct Identifiers {
    pub entry: Option<Uuid>,
    pub unique: Option<Oid>,
}

impl Identifiers {
    /// By type, then by use, then by how the value begins.
    pub(super) fn read(at: &At<'_>) -> Self {
        let mut found = Self { entry: None, unique: None };
        for identifier in at.each("identifier") {
            let Some(value) = identifier.text("value") else { continue };
            if identifier.text("system") != Some(URI) {
                continue;
            }
            let types = identifier.get("type").each("coding");
            let typed = types.iter().find_map(|t| t.text("code"));
            let is_entry = match (typed, identifier.text("use")) {
                (Some("entryUUID"), _) => true,
                (Some("uniqueId"), _) => false,
                (_, Some("official")) => true,
                (_, Some("usual")) => false,
                _ => value.starts_with("urn:uuid:"),
            };
            if is_entry {
                let uuid = value.strip_prefix("urn:uuid:").and_then(|u| Uuid::try_parse(u).ok());
                found.entry = found.entry.or(uuid);
            } else if found.unique.is_none() {
                found.unique = value.strip_prefix("urn:oid:").and_then(|oid| oid.parse().ok());
            }
        }
        found
    }
}

/// Reads a SubmissionSet; `derived` is its uniqueId where it tells none.
pub(super) fn submission_set(
    at: &At<'_>,
    id: ObjectId,
    derived: Uuid,
    patient: &PatientId,
    profile: Profile,
    problems: &mut Problems,
) -> Option<SubmissionSet> {
    check(at, problems);
    let date = time(at, "date", problems);
    if at.text("date").is_none() {
        problems.missing(&at.get("date"));
    }
    let source_id = source_id(at, problems);
    let designations: Vec<At<'_>> = designations(at);
    let mut codes = Codes { profile, is_limited: false, problems };
    let all = codes.many(&at.get("extension"), &designations);
    let limited = codes.is_limited;
    if let Some(second) = designations.get(1) {
        problems.add("structure", second, "A SubmissionSet is of one type.");
    }
    let people = Contained::of(at);
    let source = at.get("source");
    let author = source.is_there().then(|| people.author_of(&source, problems)).flatten();
    let recipients = at.extensions("ihe-intendedRecipient");
    let recipients =
        recipients.iter().filter_map(|at| people.recipient(&at.get("valueReference"), problems));
    let intended_recipients = recipients.collect();
    Some(SubmissionSet {
        entry_uuid: id,
        availability_status: AvailabilityStatus::Approved,
        patient_id: patient.clone(),
        unique_id: unique_id(Identifiers::read(at).unique, derived)?,
        source_id: source_id?.as_str().parse().ok()?,
        submission_time: date?,
        content_type_code: all.into_iter().next().unwrap_or_else(Code::absent),
        authors: author.into_iter().collect(),
        intended_recipients,
        title: localized(at.text("title")),
        comments: localized(at.first("note").and_then(|note| note.text("text"))),
        home_community_id: None,
        extra: ExtraMetadata { limited, ..ExtraMetadata::default() },
    })
}

fn source_id(at: &At<'_>, problems: &mut Problems) -> Option<Oid> {
    let extensions = at.extensions("ihe-sourceId");
    let Some(extension) = extensions.first() else {
        problems.add("required", &at.get("extension"), "The extension ihe-sourceId must be there.");
        return None;
    };
    let value = extension.get("valueIdentifier").text("value");
    let id = value.and_then(|v| v.strip_prefix("urn:oid:").unwrap_or(v).parse().ok());
    if id.is_none() {
        problems.add("invalid", extension, "A sourceId is an OID, as urn:oid:….");
    }
    id
}

/// Reads a folder; `derived` is its uniqueId where it tells none.
pub(super) fn folder(
    at: &At<'_>,
    id: ObjectId,
    derived: Uuid,
    patient: &PatientId,
    profile: Profile,
    problems: &mut Problems,
) -> Option<Folder> {
    check(at, problems);
    problems.forbid(at, &["source"]);
    let mut codes = Codes { profile, is_limited: false, problems };
    let all = codes.many(&at.get("extension"), &designations(at));
    codes.text(at, "title");
    let limited = codes.is_limited;
    Some(Folder {
        entry_uuid: id,
        logical_id: None,
        version: 0,
        availability_status: AvailabilityStatus::Approved,
        patient_id: patient.clone(),
        unique_id: unique_id(Identifiers::read(at).unique, derived)?,
        codes: all,
        last_update_time: None,
        title: localized(at.text("title")),
        comments: localized(at.first("note").and_then(|note| note.text("text"))),
        home_community_id: None,
        extra: ExtraMetadata { limited, ..ExtraMetadata::default() },
    })
}

/// What holds for both.
fn check(at: &At<'_>, problems: &mut Problems) {
    must_be(at, "status", "current", problems);
    must_be(at, "mode", "working", problems);
    problems.forbid(at, &["encounter", "orderedBy", "emptyReason", "modifierExtension"]);
    for entry in at.each("entry") {
        problems.forbid(&entry, &["flag", "deleted", "date"]);
    }
}

fn designations<'a>(at: &At<'a>) -> Vec<At<'a>> {
    let all = at.extensions("ihe-designationType").into_iter();
    all.map(|extension| extension.get("valueCodeableConcept")).collect()
}

fn unique_id(own: Option<Oid>, derived: Uuid) -> Option<UniqueId> {
    own.unwrap_or_else(|| Oid::from_uuid(derived)).as_str().parse().ok()
}

const LIST_TYPES: &str = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes";
