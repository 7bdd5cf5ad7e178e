use carerecord_model::{
    Author, AvailabilityStatus, Code, EntryUuid, Folder, LocalizedString, ObjectId, SubmissionSet,
    Xcn, Xon, components,
};
use serde_json::{Value, json};

use crate::code_system::{URI, concept};
use crate::contained::Contained;
use crate::date_time;
use crate::document_reference::community;
use crate::identifier::{identifier, subject, unique_id};
use crate::tree::Object;

/// A SubmissionSet as List, with the documents in it that are shown. MHD 7.2.
pub fn submission_set_list(set: &SubmissionSet, members: &[EntryUuid]) -> Value {
    let mut contained = Contained::new();
    let source = set.authors.first().and_then(|a| source(a, &mut contained));
    let recipients: Vec<Value> = set
        .intended_recipients
        .iter()
        .enumerate()
        .filter_map(|(n, r)| recipient(r, n, &mut contained))
        .collect();
    let of_type = Some(&set.content_type_code).filter(|c| !c.is_absent());
    let mut extensions: Vec<Value> = of_type.map(designation).into_iter().collect();
    extensions.push(json!({"url": extension("ihe-sourceId"), "valueIdentifier": {
        "system": URI, "value": format!("urn:oid:{}", set.source_id),
    }}));
    extensions.extend(recipients);
    extensions.extend(community(set.home_community_id.as_ref()).map(Value::from));
    list(&set.entry_uuid, "SubmissionSet")
        .with("contained", contained.into_list())
        .with("extension", extensions)
        .with("identifier", identifiers(&set.entry_uuid, &set.unique_id))
        .with("status", status(set.availability_status))
        .with("title", first(&set.title))
        .with("code", code("submissionset"))
        .with("subject", subject(&set.patient_id))
        .with("date", date_time(&set.submission_time))
        .with("source", source)
        .with("note", note(&set.comments))
        .with("entry", entries(members))
        .into()
}

/// A Folder as List, with the documents in it that are shown. MHD 7.3.
pub fn folder_list(folder: &Folder, members: &[EntryUuid]) -> Value {
    let mut extensions: Vec<Value> = folder.codes.iter().map(designation).collect();
    extensions.extend(community(folder.home_community_id.as_ref()).map(Value::from));
    list(&folder.entry_uuid, "Folder")
        .with("extension", extensions)
        .with("identifier", identifiers(&folder.entry_uuid, &folder.unique_id))
        .with("status", status(folder.availability_status))
        .with("title", first(&folder.title))
        .with("code", code("folder"))
        .with("subject", subject(&folder.patient_id))
        .with("date", folder.last_update_time.as_ref().map(date_time))
        .with("note", note(&folder.comments))
        .with("entry", entries(members))
        .into()
}

fn list(id: &ObjectId, profile: &str) -> Object<'static> {
    let id = id.uuid().map(|u| u.uuid().to_string()).unwrap_or_default();
    let profile = extension(&format!("IHE.MHD.Comprehensive.{profile}"));
    Object::resource("List", id).with("meta", json!({"profile": [profile]})).with("mode", "working")
}

/// The submitter: the person, who brings the organisation along, or the organisation.
fn source<'a>(author: &'a Author, contained: &mut Contained<'a>) -> Option<Object<'a>> {
    let organisation =
        author.institutions.first().map(|o| contained.organisation(o, "source-organization"));
    let Some(person) = &author.person else { return organisation };
    let mut source = contained.person(person, "source");
    if let Some(organisation) = organisation {
        let url = extension("ihe-authorOrg");
        source.set("extension", json!([{"url": url, "valueReference": organisation}]));
    }
    Some(source)
}

/// `XON|XCN|XTN`: the person, else the organisation. An address alone names nobody.
fn recipient(text: &str, n: usize, contained: &mut Contained<'_>) -> Option<Value> {
    let parts = components(text, '|');
    let part = |n: usize| parts.get(n).copied().unwrap_or("");
    let person: Option<Xcn> = part(1).parse().ok();
    let organisation: Option<Xon> = part(0).parse().ok();
    let reference = match (person, organisation) {
        (Some(person), _) => contained.person(&person, &format!("recipient-{n}")),
        (None, Some(o)) => contained.organisation(&o, &format!("recipient-{n}")),
        (None, None) => return None,
    };
    Some(json!({"url": extension("ihe-intendedRecipient"), "valueReference": reference}))
}

fn identifiers(id: &ObjectId, unique: &carerecord_model::UniqueId) -> Value {
    json!([
        identifier("official", "entryUUID", (URI.into(), id.to_string().into())),
        identifier("usual", "uniqueId", unique_id(unique)),
    ])
}

/// R4 has no `superseded` for lists. MHD 6.2.
fn status(status: AvailabilityStatus) -> &'static str {
    match status {
        AvailabilityStatus::Approved => "current",
        AvailabilityStatus::Deprecated => "retired",
    }
}

fn code(code: &str) -> Value {
    json!({"coding": [{"system": LIST_TYPES, "code": code}]})
}

fn first(texts: &[LocalizedString]) -> Option<&str> {
    texts.first().map(|t| t.value.as_str())
}

fn note(comments: &[LocalizedString]) -> Option<Value> {
    first(comments).filter(|c| !c.trim().is_empty()).map(|text| json!([{"text": text}]))
}

fn entries(members: &[EntryUuid]) -> Vec<Value> {
    let reference = |m: &EntryUuid| format!("DocumentReference/{}", m.uuid());
    members.iter().map(|m| json!({"item": {"reference": reference(m)}})).collect()
}

fn designation(code: &Code) -> Value {
    json!({"url": extension("ihe-designationType"), "valueCodeableConcept": concept(code)})
}

fn extension(name: &str) -> String {
    format!("https://profiles.ihe.net/ITI/MHD/StructureDefinition/{name}")
}

const LIST_TYPES: &str = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes";
