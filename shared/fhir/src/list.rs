use carerecord_model::{AvailabilityStatus, Code, EntryUuid, Folder, SubmissionSet};
use serde_json::{Value, json};

use crate::date_time;
use crate::document_reference::{concept, identifier, subject_of, unique_id};

/// A SubmissionSet as List, with the members that are shown. MHD 7.2.
pub fn submission_set_list(set: &SubmissionSet, members: &[EntryUuid]) -> Value {
    let mut list = base("submissionset", &set.entry_uuid.to_string(), members);
    list["extension"] = json!([
        designation(&set.content_type_code),
        {"url": SOURCE_ID, "valueIdentifier": {
            "system": "urn:ietf:rfc:3986", "value": format!("urn:oid:{}", set.source_id),
        }},
    ]);
    finish(&mut list, &set.patient_id, &set.unique_id, set.availability_status);
    list["date"] = date_time(&set.submission_time).into();
    if let Some(title) = set.title.first() {
        list["title"] = title.value.as_str().into();
    }
    if let Some(comment) = set.comments.first() {
        list["note"] = json!([{"text": comment.value}]);
    }
    let author = set.authors.first();
    let name = author.and_then(|a| {
        let person = a.person.as_ref().map(carerecord_model::Xcn::display_name);
        person.or_else(|| a.institutions.first().map(carerecord_model::Xon::name))
    });
    if let Some(name) = name {
        list["source"] = json!({"display": name});
    }
    list
}

/// A Folder as List, with the members that are shown. MHD 7.3.
pub fn folder_list(folder: &Folder, members: &[EntryUuid]) -> Value {
    let mut list = base("folder", &folder.entry_uuid.to_string(), members);
    list["extension"] = folder.codes.iter().map(designation).collect();
    finish(&mut list, &folder.patient_id, &folder.unique_id, folder.availability_status);
    if let Some(time) = &folder.last_update_time {
        list["date"] = date_time(time).into();
    }
    if let Some(title) = folder.title.first() {
        list["title"] = title.value.as_str().into();
    }
    if let Some(comment) = folder.comments.first() {
        list["note"] = json!([{"text": comment.value}]);
    }
    list
}

fn base(code: &str, entry_uuid: &str, members: &[EntryUuid]) -> Value {
    let mut list = json!({
        "resourceType": "List",
        "id": entry_uuid.trim_start_matches("urn:uuid:"),
        "mode": "working",
        "code": {"coding": [{"system": LIST_TYPES, "code": code}]},
        "identifier": [identifier(
            "official", "entryUUID", ("urn:ietf:rfc:3986".into(), entry_uuid.to_owned()),
        )],
    });
    if !members.is_empty() {
        let item = |m: &EntryUuid| json!({"item": {"reference": format!("DocumentReference/{}", m.uuid())}});
        list["entry"] = members.iter().map(item).collect();
    }
    list
}

fn finish(
    list: &mut Value,
    patient: &carerecord_model::PatientId,
    id: &carerecord_model::UniqueId,
    status: AvailabilityStatus,
) {
    list["subject"] = subject_of(patient);
    list["status"] = match status {
        AvailabilityStatus::Approved => "current",
        AvailabilityStatus::Deprecated => "retired",
    }
    .into();
    if let Some(all) = list["identifier"].as_array_mut() {
        all.push(identifier("usual", "uniqueId", unique_id(id)));
    }
}

fn designation(code: &Code) -> Value {
    json!({"url": DESIGNATION, "valueCodeableConcept": concept(code)})
}

const LIST_TYPES: &str = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes";
const DESIGNATION: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType";
const SOURCE_ID: &str = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId";
