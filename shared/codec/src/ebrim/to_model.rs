//! From syntax to meaning. Every problem of an object is reported, not just the first, as an
//! `XDSRegistryMetadataError` that names object and attribute.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_model::{
    Association, AssociationType, Author, AvailabilityStatus, Code, DocumentEntry,
    DocumentEntryType, Dtm, ErrorCode, ExtraMetadata, Folder, FoundObjects, HomeCommunityId,
    LogicalId, ObjectId, RegistryError, RegistryErrors, RepositoryUniqueId, Submission,
    SubmissionSet, SubmissionSetStatus, TransactionError, Xcn,
};

use super::object::{Classification, ObjectKind, RegistryObject};
use super::read::{Reader, wrong};
use super::scheme::*;

/// Reads a submission out of a RegistryObjectList. ITI TF-3: 4.2.1.4.
///
/// # Errors
/// Every problem of form found, together.
pub fn submission(objects: Vec<RegistryObject>) -> Result<Submission, TransactionError> {
    let mut errors = RegistryErrors::new();
    let sorted = sort(objects, &mut errors);
    let set = match sorted.sets.as_slice() {
        [set] => submission_set(set, &mut errors),
        [] => refuse(&mut errors, "there is no SubmissionSet"),
        _ => refuse(&mut errors, "there is more than one SubmissionSet"),
    };
    let all = read_all(&sorted, &mut errors);
    match set {
        Some(submission_set) if errors.is_empty() => Ok(Submission {
            submission_set,
            document_entries: all.entries,
            folders: all.folders,
            associations: all.associations,
        }),
        _ => Err(TransactionError(errors)),
    }
}

/// Reads the objects of a query's answer.
///
/// # Errors
/// Every problem of form found, together.
pub fn found_objects(objects: Vec<RegistryObject>) -> Result<FoundObjects, TransactionError> {
    let mut errors = RegistryErrors::new();
    let sorted = sort(objects, &mut errors);
    let sets = sorted.sets.iter().filter_map(|s| submission_set(s, &mut errors)).collect();
    let all = read_all(&sorted, &mut errors);
    if errors.is_empty() {
        return Ok(FoundObjects {
            document_entries: all.entries.into_iter().map(Arc::new).collect(),
            submission_sets: sets,
            folders: all.folders,
            associations: all.associations,
        });
    }
    Err(TransactionError(errors))
}

/// Reads one ExtrinsicObject.
///
/// # Errors
/// Every problem of form found, together.
pub fn entry_of(object: &RegistryObject) -> Result<DocumentEntry, TransactionError> {
    let mut errors = RegistryErrors::new();
    let entry = document_entry(object, &mut errors);
    entry.filter(|_| errors.is_empty()).ok_or(TransactionError(errors))
}

#[derive(Default)]
struct Sorted {
    entries: Vec<RegistryObject>,
    sets: Vec<RegistryObject>,
    folders: Vec<RegistryObject>,
    associations: Vec<RegistryObject>,
}

/// Tells packages apart by their label, which may stand inside them or beside them.
fn sort(objects: Vec<RegistryObject>, errors: &mut RegistryErrors) -> Sorted {
    let mut labels: HashMap<String, HashSet<String>> = HashMap::new();
    for object in &objects {
        if let (ObjectKind::Classification, Some(of), Some(node)) =
            (object.kind, &object.classified, &object.node)
        {
            labels.entry(of.clone()).or_default().insert(node.clone());
        }
    }
    let mut ids = HashSet::new();
    let mut sorted = Sorted::default();
    for mut object in objects {
        let is_object = !matches!(object.kind, ObjectKind::ObjectRef | ObjectKind::Classification);
        if is_object && !object.id.is_empty() && !ids.insert(object.id.clone()) {
            wrong(errors, &object, "id", "is there twice");
        }
        // A label of limited metadata may stand beside its object, too.
        let limited = labels.get(&object.id).into_iter().flatten().filter(|n| is_limited(n));
        let label =
            |node: &String| Classification { node: Some(node.clone()), ..Default::default() };
        object.classifications.extend(limited.map(label));
        match object.kind {
            ObjectKind::ExtrinsicObject => sorted.entries.push(object),
            ObjectKind::Association => sorted.associations.push(object),
            ObjectKind::Classification | ObjectKind::ObjectRef => {}
            ObjectKind::Other => wrong(errors, &object, "the element", "is none that XDS has"),
            ObjectKind::RegistryPackage => {
                let mut nodes: HashSet<&str> =
                    object.classifications.iter().filter_map(|c| c.node.as_deref()).collect();
                let beside = labels.get(&object.id);
                nodes.extend(beside.into_iter().flatten().map(String::as_str));
                match (nodes.contains(SS_NODE), nodes.contains(FOLDER_NODE)) {
                    (true, false) => sorted.sets.push(object),
                    (false, true) => sorted.folders.push(object),
                    _ => wrong(
                        errors,
                        &object,
                        "classification",
                        "must label the package as SubmissionSet or as Folder",
                    ),
                }
            }
        }
    }
    sorted
}

fn is_limited(node: &str) -> bool {
    [DE_LIMITED, SS_LIMITED, FOLDER_LIMITED].contains(&node)
}

/// All but SubmissionSets.
struct Read {
    entries: Vec<DocumentEntry>,
    folders: Vec<Folder>,
    associations: Vec<Association>,
}

fn read_all(sorted: &Sorted, errors: &mut RegistryErrors) -> Read {
    Read {
        entries: each(&sorted.entries, errors, document_entry),
        folders: each(&sorted.folders, errors, folder),
        associations: each(&sorted.associations, errors, association),
    }
}

fn each<T>(
    objects: &[RegistryObject],
    errors: &mut RegistryErrors,
    read: fn(&RegistryObject, &mut RegistryErrors) -> Option<T>,
) -> Vec<T> {
    objects.iter().filter_map(|o| read(o, errors)).collect()
}

fn document_entry(o: &RegistryObject, errors: &mut RegistryErrors) -> Option<DocumentEntry> {
    let mut r = Reader::new(o, DE_LIMITED, errors);
    let entry_type = o.object_type.as_deref().and_then(DocumentEntryType::from_urn);
    if entry_type.is_none() {
        r.wrong("objectType", "is neither stable nor on-demand");
    }
    let entry_uuid = r.object_id();
    let patient_id = r.identifier("patientId", DE_PATIENT_ID);
    let unique_id = r.identifier("uniqueId", DE_UNIQUE_ID);
    let mime_type = r.attribute("mimeType", o.mime_type.as_deref());
    let language_code = r.slot_required("languageCode");
    let class_code = r.code("classCode", DE_CLASS);
    let type_code = r.code("typeCode", DE_TYPE);
    let format_code = r.code("formatCode", DE_FORMAT);
    let facility = r.code("healthcareFacilityTypeCode", DE_FACILITY);
    let practice = r.code("practiceSettingCode", DE_PRACTICE);
    let confidentiality_codes = r.codes("confidentialityCode", DE_CONFIDENTIALITY);
    if confidentiality_codes.is_empty() && !r.limited {
        r.missing("confidentialityCode");
    }
    let rest = DocumentEntryRest::read(&mut r);
    Some(DocumentEntry {
        entry_uuid: entry_uuid?,
        logical_id: rest.logical_id,
        version: rest.version,
        entry_type: entry_type?,
        availability_status: status(o),
        patient_id: patient_id?,
        unique_id: unique_id?,
        repository_unique_id: rest.repository_unique_id,
        home_community_id: rest.home_community_id,
        mime_type: mime_type?,
        hash: rest.hash,
        size: rest.size,
        creation_time: rest.creation_time,
        service_start_time: rest.service_start_time,
        service_stop_time: rest.service_stop_time,
        language_code: language_code?,
        class_code: class_code?,
        type_code: type_code?,
        format_code: format_code?,
        healthcare_facility_type_code: facility?,
        practice_setting_code: practice?,
        confidentiality_codes,
        event_codes: rest.event_codes,
        authors: rest.authors,
        legal_authenticator: rest.legal_authenticator,
        source_patient_id: rest.source_patient_id,
        source_patient_info: rest.source_patient_info,
        reference_ids: rest.reference_ids,
        title: o.name.clone(),
        comments: o.description.clone(),
        uri: rest.uri,
        online: rest.online,
        extra: rest.extra,
    })
}

/// The optional half of an entry.
struct DocumentEntryRest {
    size: Option<u64>,
    hash: Option<String>,
    source_patient_id: Option<String>,
    online: bool,
    repository_unique_id: Option<RepositoryUniqueId>,
    creation_time: Option<Dtm>,
    service_start_time: Option<Dtm>,
    service_stop_time: Option<Dtm>,
    legal_authenticator: Option<Xcn>,
    event_codes: Vec<Code>,
    authors: Vec<Author>,
    home_community_id: Option<HomeCommunityId>,
    uri: Option<String>,
    source_patient_info: Vec<String>,
    reference_ids: Vec<String>,
    extra: ExtraMetadata,
    logical_id: Option<LogicalId>,
    version: u32,
}

impl DocumentEntryRest {
    fn read(r: &mut Reader<'_, '_>) -> Self {
        let size = size(r);
        let hash = r.slot("hash");
        let is_sha1 = |h: &String| h.len() == 40 && h.bytes().all(|b| b.is_ascii_hexdigit());
        if !hash.as_ref().is_none_or(is_sha1) {
            r.wrong("hash", "is not a SHA-1 in 40 hexadecimal digits");
        }
        let mut rest = Self {
            size,
            hash,
            source_patient_id: r.slot("sourcePatientId"),
            online: r.slot_text("documentAvailability").as_deref() != Some(OFFLINE),
            repository_unique_id: r.slot_parsed("repositoryUniqueId"),
            creation_time: r.slot_parsed("creationTime"),
            service_start_time: r.slot_parsed("serviceStartTime"),
            service_stop_time: r.slot_parsed("serviceStopTime"),
            legal_authenticator: r.slot_parsed("legalAuthenticator"),
            event_codes: r.codes("eventCodeList", DE_EVENT),
            authors: r.authors(DE_AUTHOR),
            home_community_id: r.home(),
            uri: r.uri(),
            source_patient_info: r.slot_values("sourcePatientInfo"),
            reference_ids: r.slot_values(REFERENCE_ID_LIST),
            extra: r.extra(&DE_SLOTS, &DE_SCHEMES),
            logical_id: None,
            version: 0,
        };
        (rest.logical_id, rest.version) = r.lineage();
        r.check_slots();
        rest
    }
}

fn size(r: &mut Reader<'_, '_>) -> Option<u64> {
    let size = r.slot("size")?.parse::<u64>();
    if size.is_err() {
        r.wrong("size", "is not a whole number of bytes");
    }
    size.ok()
}

fn submission_set(o: &RegistryObject, errors: &mut RegistryErrors) -> Option<SubmissionSet> {
    let mut r = Reader::new(o, SS_LIMITED, errors);
    let entry_uuid = r.object_id();
    let patient_id = r.identifier("patientId", SS_PATIENT_ID);
    let unique_id = r.identifier("uniqueId", SS_UNIQUE_ID);
    let source_id = r.identifier("sourceId", SS_SOURCE_ID);
    let submission_time = r.slot_parsed("submissionTime");
    if submission_time.is_none() && r.slot_text("submissionTime").is_none() {
        r.missing("submissionTime");
    }
    let content_type_code = r.code("contentTypeCode", SS_CONTENT_TYPE);
    let authors = r.authors(SS_AUTHOR);
    let home_community_id = r.home();
    let intended_recipients = r.slot_values("intendedRecipient");
    let extra = r.extra(&["submissionTime", "intendedRecipient"], &[SS_AUTHOR, SS_CONTENT_TYPE]);
    r.check_slots();
    Some(SubmissionSet {
        entry_uuid: entry_uuid?,
        availability_status: status(o),
        patient_id: patient_id?,
        unique_id: unique_id?,
        source_id: source_id?,
        submission_time: submission_time?,
        content_type_code: content_type_code?,
        authors,
        intended_recipients,
        title: o.name.clone(),
        comments: o.description.clone(),
        home_community_id,
        extra,
    })
}

fn folder(o: &RegistryObject, errors: &mut RegistryErrors) -> Option<Folder> {
    let mut r = Reader::new(o, FOLDER_LIMITED, errors);
    let entry_uuid = r.object_id();
    let patient_id = r.identifier("patientId", FOLDER_PATIENT_ID);
    let unique_id = r.identifier("uniqueId", FOLDER_UNIQUE_ID);
    let codes = r.codes("codeList", FOLDER_CODE);
    if codes.is_empty() && !r.limited {
        r.missing("codeList");
    }
    if o.name.is_empty() && !r.limited {
        r.missing("title");
    }
    let last_update_time = r.slot_parsed("lastUpdateTime");
    let home_community_id = r.home();
    let (logical_id, version) = r.lineage();
    let extra = r.extra(&["lastUpdateTime"], &[FOLDER_CODE]);
    r.check_slots();
    Some(Folder {
        entry_uuid: entry_uuid?,
        logical_id,
        version,
        availability_status: status(o),
        patient_id: patient_id?,
        unique_id: unique_id?,
        codes,
        last_update_time,
        title: o.name.clone(),
        comments: o.description.clone(),
        home_community_id,
        extra,
    })
}

fn association(o: &RegistryObject, errors: &mut RegistryErrors) -> Option<Association> {
    let mut r = Reader::new(o, "", errors);
    let kind = o.association_type.as_deref().and_then(AssociationType::from_urn);
    if kind.is_none() {
        r.wrong("associationType", "is missing or not one of XDS");
    }
    let source = r.attribute("sourceObject", o.source.as_deref());
    let target = r.attribute("targetObject", o.target.as_deref());
    let submission_set_status = match r.slot_text("SubmissionSetStatus").as_deref() {
        Some("Original") => Some(SubmissionSetStatus::Original),
        Some("Reference") => Some(SubmissionSetStatus::Reference),
        Some(_) => {
            r.wrong("SubmissionSetStatus", "is neither Original nor Reference");
            None
        }
        None => None,
    };
    let mut documentation = r.codes("association documentation", ASSOCIATION_DOCUMENTATION);
    if documentation.len() > 1 {
        r.wrong("association documentation", "is there more than once");
    }
    if !documentation.is_empty() && kind == Some(AssociationType::HasMember) {
        r.wrong("association documentation", "is not allowed on HasMember");
    }
    let extra = r.extra(&["SubmissionSetStatus"], &[ASSOCIATION_DOCUMENTATION]);
    // An association may come without an id: the registry gives it one.
    let symbol =
        || ObjectId::Symbol(format!("association of {}", o.target.as_deref().unwrap_or("")));
    let entry_uuid = if o.id.is_empty() { Some(symbol()) } else { r.object_id() };
    Some(Association {
        entry_uuid: entry_uuid?,
        association_type: kind?,
        source: source?,
        target: target?,
        availability_status: status(o),
        submission_set_status,
        documentation: documentation.pop(),
        extra,
    })
}

fn status(o: &RegistryObject) -> AvailabilityStatus {
    o.status.as_deref().and_then(AvailabilityStatus::from_urn).unwrap_or_default()
}

fn refuse<T>(errors: &mut RegistryErrors, what: &str) -> Option<T> {
    errors.push(RegistryError::error(ErrorCode::XDSRegistryMetadataError, what));
    None
}

const DE_SLOTS: [&str; 13] = [
    "creationTime",
    "documentAvailability",
    "hash",
    "languageCode",
    "legalAuthenticator",
    REFERENCE_ID_LIST,
    "repositoryUniqueId",
    "serviceStartTime",
    "serviceStopTime",
    "size",
    "sourcePatientId",
    "sourcePatientInfo",
    "URI",
];
const DE_SCHEMES: [&str; 8] = [
    DE_AUTHOR,
    DE_CLASS,
    DE_CONFIDENTIALITY,
    DE_EVENT,
    DE_FORMAT,
    DE_FACILITY,
    DE_PRACTICE,
    DE_TYPE,
];
