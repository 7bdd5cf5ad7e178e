//! From meaning to syntax, for requests and answers.

use carerecord_model::{
    Association, Author, Code, DocumentEntry, Dtm, ExtraMetadata, Folder, HomeCommunityId,
    LogicalId, RepositoryUniqueId, Slot, Submission, SubmissionSet, SubmissionSetStatus, Xcn, Xon,
    Xtn,
};

use super::object::ObjectKind;
use super::scheme::*;
use super::sink::{ClassificationParts, Head, ObjectSink};

/// Tells everything of a submission: entries, the set, folders, associations.
///
/// # Errors
/// The sink's.
pub fn tell_submission<S: ObjectSink>(s: &Submission, o: &mut S) -> Result<(), S::Error> {
    s.document_entries.iter().try_for_each(|e| document_entry(e, o))?;
    submission_set(&s.submission_set, o)?;
    s.folders.iter().try_for_each(|f| folder(f, o))?;
    s.associations.iter().try_for_each(|a| association(a, o))
}

/// Tells a DocumentEntry as ExtrinsicObject.
///
/// # Errors
/// The sink's.
pub fn document_entry<S: ObjectSink>(e: &DocumentEntry, o: &mut S) -> Result<(), S::Error> {
    let (id, lid) = (e.entry_uuid.to_string(), e.logical_id.map(|l: LogicalId| l.to_string()));
    o.start(&Head {
        object_type: Some(e.entry_type.urn()),
        mime_type: Some(e.mime_type.as_str()),
        home: e.home_community_id.as_ref().map(HomeCommunityId::as_str),
        lid: lid.as_deref(),
        status: (e.version > 0).then(|| e.availability_status.urn()),
        ..Head::new(ObjectKind::ExtrinsicObject, &id)
    })?;
    let size = e.size.map(|size| size.to_string());
    let (source_info, references) = (texts(&e.source_patient_info), texts(&e.reference_ids));
    let uri = split_uri(e.uri.as_deref());
    one(o, "creationTime", e.creation_time.as_ref().map(Dtm::as_str))?;
    one(o, "documentAvailability", (!e.online).then_some(OFFLINE))?;
    one(o, "hash", e.hash.as_deref())?;
    one(o, "languageCode", Some(e.language_code.as_str()).filter(|l| !l.is_empty()))?;
    one(o, "legalAuthenticator", e.legal_authenticator.as_ref().map(Xcn::as_str))?;
    many(o, REFERENCE_ID_LIST, &references)?;
    one(o, "repositoryUniqueId", e.repository_unique_id.as_ref().map(RepositoryUniqueId::as_str))?;
    one(o, "serviceStartTime", e.service_start_time.as_ref().map(Dtm::as_str))?;
    one(o, "serviceStopTime", e.service_stop_time.as_ref().map(Dtm::as_str))?;
    one(o, "size", size.as_deref())?;
    one(o, "sourcePatientId", e.source_patient_id.as_deref())?;
    many(o, "sourcePatientInfo", &source_info)?;
    many(o, "URI", &texts(&uri))?;
    extra_slots(o, &e.extra)?;
    o.name(&e.title)?;
    o.description(&e.comments)?;
    version(o, e.version)?;
    e.authors.iter().try_for_each(|a| author(o, DE_AUTHOR, a))?;
    code(o, DE_CLASS, &e.class_code)?;
    e.confidentiality_codes.iter().try_for_each(|c| code(o, DE_CONFIDENTIALITY, c))?;
    e.event_codes.iter().try_for_each(|c| code(o, DE_EVENT, c))?;
    code(o, DE_FORMAT, &e.format_code)?;
    code(o, DE_FACILITY, &e.healthcare_facility_type_code)?;
    code(o, DE_PRACTICE, &e.practice_setting_code)?;
    code(o, DE_TYPE, &e.type_code)?;
    limited(o, DE_LIMITED, &e.extra)?;
    extra_classifications(o, &e.extra)?;
    o.identifier(DE_PATIENT_ID, &e.patient_id.to_cx(), "XDSDocumentEntry.patientId")?;
    o.identifier(DE_UNIQUE_ID, e.unique_id.as_str(), "XDSDocumentEntry.uniqueId")?;
    o.end()
}

/// Tells a SubmissionSet as RegistryPackage.
///
/// # Errors
/// The sink's.
pub fn submission_set<S: ObjectSink>(s: &SubmissionSet, o: &mut S) -> Result<(), S::Error> {
    let id = s.entry_uuid.to_string();
    o.start(&Head {
        object_type: Some(PACKAGE_TYPE),
        home: s.home_community_id.as_ref().map(HomeCommunityId::as_str),
        status: s.entry_uuid.uuid().map(|_| s.availability_status.urn()),
        ..Head::new(ObjectKind::RegistryPackage, &id)
    })?;
    many(o, "intendedRecipient", &texts(&s.intended_recipients))?;
    one(o, "submissionTime", Some(s.submission_time.as_str()))?;
    extra_slots(o, &s.extra)?;
    o.name(&s.title)?;
    o.description(&s.comments)?;
    label(o, SS_NODE)?;
    s.authors.iter().try_for_each(|a| author(o, SS_AUTHOR, a))?;
    code(o, SS_CONTENT_TYPE, &s.content_type_code)?;
    limited(o, SS_LIMITED, &s.extra)?;
    extra_classifications(o, &s.extra)?;
    o.identifier(SS_PATIENT_ID, &s.patient_id.to_cx(), "XDSSubmissionSet.patientId")?;
    o.identifier(SS_SOURCE_ID, s.source_id.as_str(), "XDSSubmissionSet.sourceId")?;
    o.identifier(SS_UNIQUE_ID, s.unique_id.as_str(), "XDSSubmissionSet.uniqueId")?;
    o.end()
}

/// Tells a Folder as RegistryPackage.
///
/// # Errors
/// The sink's.
pub fn folder<S: ObjectSink>(f: &Folder, o: &mut S) -> Result<(), S::Error> {
    let (id, lid) = (f.entry_uuid.to_string(), f.logical_id.map(|l: LogicalId| l.to_string()));
    o.start(&Head {
        object_type: Some(PACKAGE_TYPE),
        home: f.home_community_id.as_ref().map(HomeCommunityId::as_str),
        lid: lid.as_deref(),
        status: (f.version > 0).then(|| f.availability_status.urn()),
        ..Head::new(ObjectKind::RegistryPackage, &id)
    })?;
    one(o, "lastUpdateTime", f.last_update_time.as_ref().map(Dtm::as_str))?;
    extra_slots(o, &f.extra)?;
    o.name(&f.title)?;
    o.description(&f.comments)?;
    version(o, f.version)?;
    label(o, FOLDER_NODE)?;
    f.codes.iter().try_for_each(|c| code(o, FOLDER_CODE, c))?;
    limited(o, FOLDER_LIMITED, &f.extra)?;
    extra_classifications(o, &f.extra)?;
    o.identifier(FOLDER_PATIENT_ID, &f.patient_id.to_cx(), "XDSFolder.patientId")?;
    o.identifier(FOLDER_UNIQUE_ID, f.unique_id.as_str(), "XDSFolder.uniqueId")?;
    o.end()
}

/// Tells an Association.
///
/// # Errors
/// The sink's.
pub fn association<S: ObjectSink>(a: &Association, o: &mut S) -> Result<(), S::Error> {
    let (id, source, target) =
        (a.entry_uuid.to_string(), a.source.to_string(), a.target.to_string());
    o.start(&Head {
        object_type: Some(ASSOCIATION_TYPE),
        status: a.entry_uuid.uuid().map(|_| a.availability_status.urn()),
        association_type: Some(a.association_type.urn()),
        source: Some(&source),
        target: Some(&target),
        ..Head::new(ObjectKind::Association, &id)
    })?;
    one(o, "SubmissionSetStatus", a.submission_set_status.map(SubmissionSetStatus::as_str))?;
    extra_slots(o, &a.extra)?;
    a.documentation.iter().try_for_each(|c| coded(o, ASSOCIATION_DOCUMENTATION, c))?;
    extra_classifications(o, &a.extra)?;
    o.end()
}

fn one<S: ObjectSink>(o: &mut S, name: &str, value: Option<&str>) -> Result<(), S::Error> {
    value.map_or(Ok(()), |value| o.slot(name, &[value]))
}

fn many<S: ObjectSink>(o: &mut S, name: &str, values: &[&str]) -> Result<(), S::Error> {
    if values.is_empty() { Ok(()) } else { o.slot(name, values) }
}

fn extra_slots<S: ObjectSink>(o: &mut S, extra: &ExtraMetadata) -> Result<(), S::Error> {
    extra.slots.iter().try_for_each(|Slot { name, values }| o.slot(name, &texts(values)))
}

/// Only what is registered has one.
fn version<S: ObjectSink>(o: &mut S, version: u32) -> Result<(), S::Error> {
    if version > 0 { o.version(&version.to_string()) } else { Ok(()) }
}

fn extra_classifications<S: ObjectSink>(o: &mut S, extra: &ExtraMetadata) -> Result<(), S::Error> {
    extra.classifications.iter().try_for_each(|c| coded(o, &c.scheme, &c.code))
}

fn limited<S: ObjectSink>(o: &mut S, node: &str, extra: &ExtraMetadata) -> Result<(), S::Error> {
    if extra.limited { label(o, node) } else { Ok(()) }
}

/// A code, unless it is absent.
fn code<S: ObjectSink>(o: &mut S, scheme: &str, c: &Code) -> Result<(), S::Error> {
    if c.is_absent() { Ok(()) } else { coded(o, scheme, c) }
}

fn coded<S: ObjectSink>(o: &mut S, scheme: &str, c: &Code) -> Result<(), S::Error> {
    o.classification(&ClassificationParts {
        scheme: Some(scheme),
        node: None,
        code: &c.code,
        slots: &[("codingScheme", &[&c.scheme])],
        name: &[(&c.display, None)],
    })
}

fn label<S: ObjectSink>(o: &mut S, node: &str) -> Result<(), S::Error> {
    o.classification(&ClassificationParts { node: Some(node), ..ClassificationParts::default() })
}

fn author<S: ObjectSink>(o: &mut S, scheme: &str, a: &Author) -> Result<(), S::Error> {
    let person: Vec<&str> = a.person.iter().map(Xcn::as_str).collect();
    let institutions: Vec<&str> = a.institutions.iter().map(Xon::as_str).collect();
    let ways: Vec<&str> = a.telecommunications.iter().map(Xtn::as_str).collect();
    let (roles, specialties) = (texts(&a.roles), texts(&a.specialties));
    let mut slots: Vec<(&str, &[&str])> = vec![
        ("authorPerson", &person),
        ("authorInstitution", &institutions),
        ("authorRole", &roles),
        ("authorSpecialty", &specialties),
        ("authorTelecommunication", &ways),
    ];
    slots.retain(|(_, values)| !values.is_empty());
    let parts = ClassificationParts {
        scheme: Some(scheme),
        slots: &slots,
        ..ClassificationParts::default()
    };
    o.classification(&parts)
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

/// A value of a slot holds 256 characters; a longer URI goes in numbered pieces.
fn split_uri(uri: Option<&str>) -> Vec<String> {
    let Some(uri) = uri else { return Vec::new() };
    let chars: Vec<char> = uri.chars().collect();
    if chars.len() <= MAX_VALUE {
        return vec![uri.to_owned()];
    }
    let pieces = chars.chunks(MAX_VALUE - 10).enumerate();
    pieces.map(|(n, piece)| format!("{}|{}", n + 1, piece.iter().collect::<String>())).collect()
}

const MAX_VALUE: usize = 256;
const PACKAGE_TYPE: &str =
    "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage";
const ASSOCIATION_TYPE: &str =
    "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association";
