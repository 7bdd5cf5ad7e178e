//! A DocumentReference as DocumentEntry. MHD 7.1.

use carerecord_model::{
    AvailabilityStatus, Code, DocumentEntry, DocumentEntryType, ExtraMetadata, LocalizedString,
    MimeType, ObjectId, PatientId, UniqueId, escape,
};

use super::Profile;
use super::at::{At, Problems};
use super::people::{Contained, source_patient};
use super::values::{Named, coding, concept, hash, time, unique_id};
use crate::code_system::URI;

/// Reads the metadata of a document; the id is the one that the entry gets.
pub(super) fn entry(
    at: &At<'_>,
    id: ObjectId,
    patient: &PatientId,
    profile: Profile,
    problems: &mut Problems,
) -> Option<DocumentEntry> {
    problems.forbid(at, &["docStatus", "modifierExtension"]);
    must_be(at, "status", "current", problems);
    let content = content(at, problems);
    let attachment = content.get("attachment");
    let unique_id = document_id(at, problems);
    let mime_type = mime_type(&attachment, problems);
    let mut codes = Codes { profile, is_limited: false, problems };
    let category = at.each("category");
    if let Some(second) = category.get(1) {
        codes.problems.add("structure", second, "A document is of one class.");
    }
    let class_code = codes.one(&category.first().cloned().unwrap_or_else(|| at.get("category")));
    let type_code = codes.one(&at.get("type"));
    let format_code = codes.format(&content.get("format"));
    let context = at.get("context");
    let facility = codes.one(&context.get("facilityType"));
    let practice_setting_code = codes.one(&context.get("practiceSetting"));
    let confidentiality_codes = codes.all(at, "securityLabel");
    let language_code = codes.text(&attachment, "language");
    codes.requires(&attachment.get("creation"));
    let limited = codes.is_limited;
    let people = Contained::of(at);
    let (source_patient_id, source_patient_info) =
        patient_at_source(&context, &people, patient, profile, problems);
    let authenticator = at.get("authenticator");
    let legal_authenticator =
        authenticator.is_there().then(|| people.person(&authenticator, problems)).flatten();
    let event = |at: &At<'_>, problems: &mut Problems| concept(at, problems);
    let period = context.get("period");
    Some(DocumentEntry {
        entry_uuid: id,
        logical_id: None,
        version: 0,
        entry_type: DocumentEntryType::Stable,
        availability_status: AvailabilityStatus::Approved,
        patient_id: patient.clone(),
        unique_id: unique_id?,
        repository_unique_id: None,
        home_community_id: None,
        mime_type: mime_type?,
        hash: hash(&attachment, problems),
        size: attachment.number("size"),
        creation_time: time(&attachment, "creation", problems),
        service_start_time: time(&period, "start", problems),
        service_stop_time: time(&period, "end", problems),
        language_code,
        class_code,
        type_code,
        format_code,
        healthcare_facility_type_code: facility,
        practice_setting_code,
        confidentiality_codes,
        event_codes: context.each("event").iter().filter_map(|at| event(at, problems)).collect(),
        authors: people.authors(&at.each("author"), problems),
        legal_authenticator,
        source_patient_id,
        source_patient_info,
        reference_ids: reference_ids(&context, problems),
        title: localized(attachment.text("title")),
        comments: localized(at.text("description")),
        uri: None,
        online: true,
        extra: ExtraMetadata { limited, ..ExtraMetadata::default() },
    })
}

/// The one content that there must be.
fn content<'a>(at: &At<'a>, problems: &mut Problems) -> At<'a> {
    let content = at.each("content");
    if let Some(second) = content.get(1) {
        problems.add("structure", second, "There is exactly one content.");
    }
    let content = content.into_iter().next().unwrap_or_else(|| at.get("content"));
    if !content.get("attachment").is_there() {
        problems.missing(&content.get("attachment"));
    }
    content
}

fn document_id(at: &At<'_>, problems: &mut Problems) -> Option<UniqueId> {
    let master = at.get("masterIdentifier");
    let id = unique_id(&master);
    match (master.text("value"), &id) {
        (None, _) => problems.missing(&master.get("value")),
        (Some(_), None) => problems.add("invalid", &master, "It cannot be the id of a document."),
        (Some(_), Some(_)) => {}
    }
    id
}

fn mime_type(attachment: &At<'_>, problems: &mut Problems) -> Option<MimeType> {
    let Some(text) = attachment.text("contentType") else {
        problems.missing(&attachment.get("contentType"));
        return None;
    };
    let mime_type = text.parse().ok();
    if mime_type.is_none() {
        problems.add("invalid", &attachment.get("contentType"), "It is no media type.");
    }
    mime_type
}

/// Codes that only limited metadata may lack.
pub(super) struct Codes<'p> {
    pub profile: Profile,
    /// Whether something was not there.
    pub is_limited: bool,
    pub problems: &'p mut Problems,
}

impl Codes<'_> {
    fn requires(&mut self, at: &At<'_>) {
        if !at.is_there() {
            self.lacks(at);
        }
    }

    fn lacks(&mut self, at: &At<'_>) {
        match self.profile {
            Profile::Minimal => self.is_limited = true,
            Profile::Comprehensive | Profile::UnContained => self.problems.missing(at),
        }
    }

    pub(super) fn one(&mut self, at: &At<'_>) -> Code {
        self.requires(at);
        concept(at, self.problems).unwrap_or_else(Code::absent)
    }

    fn format(&mut self, at: &At<'_>) -> Code {
        self.requires(at);
        let code = coding(at);
        if at.is_there() && code.is_none() {
            self.problems.add("required", at, "It needs system and code.");
        }
        code.unwrap_or_else(Code::absent)
    }

    pub(super) fn all(&mut self, at: &At<'_>, key: &str) -> Vec<Code> {
        self.many(&at.get(key), &at.each(key))
    }

    /// At least one; `at` is where they should stand.
    pub(super) fn many(&mut self, at: &At<'_>, all: &[At<'_>]) -> Vec<Code> {
        if all.is_empty() {
            self.lacks(at);
        }
        all.iter().filter_map(|at| concept(at, self.problems)).collect()
    }

    pub(super) fn text(&mut self, at: &At<'_>, key: &str) -> String {
        let text = at.text(key);
        if text.is_none() {
            self.lacks(&at.get(key));
        }
        text.unwrap_or_default().to_owned()
    }
}

/// `sourcePatientId` and `sourcePatientInfo`. A source that tells no number of its own knows the
/// patient by the NHS Number.
fn patient_at_source(
    context: &At<'_>,
    people: &Contained<'_>,
    patient: &PatientId,
    profile: Profile,
    problems: &mut Problems,
) -> (Option<String>, Vec<String>) {
    let reference = context.get("sourcePatientInfo");
    let own = || Some(patient.to_cx());
    if !reference.is_there() {
        if profile != Profile::Minimal {
            problems.missing(&reference);
        }
        return (own(), Vec::new());
    }
    let Some(resource) = people.resource(&reference) else {
        let logical = Named::read(&reference.get("identifier")).and_then(|id| id.cx());
        if logical.is_none() {
            let what = "It must be a contained Patient, or name an identifier.";
            problems.add("not-found", &reference, what);
        }
        return (logical, Vec::new());
    };
    let (id, lines) = source_patient(&resource, problems);
    (id.or_else(own), lines)
}

/// Encounters and whatever else it relates to, by their business identifiers.
fn reference_ids(context: &At<'_>, problems: &mut Problems) -> Vec<String> {
    let mut all = Vec::new();
    for (key, of_key) in [("encounter", Some(ENCOUNTER)), ("related", None)] {
        for at in context.each(key) {
            let identifier = at.get("identifier");
            let Some(id) = Named::read(&identifier) else {
                let what = "Only what has an identifier can be kept: give the reference's.";
                problems.add("not-supported", &at, what);
                continue;
            };
            let types = identifier.get("type").each("coding");
            let of_urn = types.iter().find(|coding| coding.text("system") == Some(URI));
            let kind = of_key.or_else(|| of_urn?.text("code")).unwrap_or_default();
            let text = format!("{}^^^{}^{kind}", escape(&id.value), id.authority());
            all.push(text.trim_end_matches('^').to_owned());
        }
    }
    all
}

pub(super) fn localized(text: Option<&str>) -> Vec<LocalizedString> {
    text.map(LocalizedString::new).into_iter().collect()
}

/// The one value that there may be.
pub(super) fn must_be(at: &At<'_>, key: &str, value: &str, problems: &mut Problems) {
    match at.text(key) {
        Some(text) if text == value => {}
        Some(_) => problems.add("invalid", &at.get(key), format!("It must be {value}.")),
        None => problems.missing(&at.get(key)),
    }
}

const ENCOUNTER: &str = "urn:ihe:iti:xds:2015:encounterId";
