//! From meaning to syntax, for requests and answers.

use carerecord_model::{
    Association, Author, Code, DocumentEntry, ExtraMetadata, Folder, Slot, SubmissionSet,
};

use super::object::{Classification, ExternalIdentifier, ObjectKind, RegistryObject};
use super::scheme::*;

/// A DocumentEntry as ExtrinsicObject.
pub fn document_entry(e: &DocumentEntry) -> RegistryObject {
    let mut o = RegistryObject::new(ObjectKind::ExtrinsicObject, e.entry_uuid.to_string());
    o.object_type = Some(e.entry_type.urn().to_owned());
    o.mime_type = Some(e.mime_type.as_str().to_owned());
    o.home = e.home_community_id.as_ref().map(ToString::to_string);
    o.lid = e.logical_id.map(|l| l.to_string());
    registered(&mut o, e.version, e.availability_status.urn());
    let dtm = |t: &Option<carerecord_model::Dtm>| t.as_ref().map(ToString::to_string);
    o.one("creationTime", dtm(&e.creation_time));
    if !e.online {
        o.one("documentAvailability", Some(OFFLINE.to_owned()));
    }
    o.one("hash", e.hash.clone());
    o.one("languageCode", Some(e.language_code.clone()).filter(|l| !l.is_empty()));
    o.one("legalAuthenticator", e.legal_authenticator.as_ref().map(|x| x.as_str().to_owned()));
    o.many(REFERENCE_ID_LIST, &e.reference_ids);
    o.one("repositoryUniqueId", e.repository_unique_id.as_ref().map(ToString::to_string));
    o.one("serviceStartTime", dtm(&e.service_start_time));
    o.one("serviceStopTime", dtm(&e.service_stop_time));
    o.one("size", e.size.map(|s| s.to_string()));
    o.one("sourcePatientId", e.source_patient_id.clone());
    o.many("sourcePatientInfo", &e.source_patient_info);
    o.many("URI", &split_uri(e.uri.as_deref()));
    o.name.clone_from(&e.title);
    o.description.clone_from(&e.comments);
    o.classifications.extend(e.authors.iter().map(|a| author(DE_AUTHOR, a)));
    let mut codes = vec![(DE_CLASS, &e.class_code)];
    codes.extend(e.confidentiality_codes.iter().map(|c| (DE_CONFIDENTIALITY, c)));
    codes.extend(e.event_codes.iter().map(|c| (DE_EVENT, c)));
    codes.extend([
        (DE_FORMAT, &e.format_code),
        (DE_FACILITY, &e.healthcare_facility_type_code),
        (DE_PRACTICE, &e.practice_setting_code),
        (DE_TYPE, &e.type_code),
    ]);
    codes.retain(|(_, c)| !c.is_absent());
    o.classifications.extend(codes.into_iter().map(|(scheme, c)| code(scheme, c)));
    o.classifications.extend(e.extra.limited.then(|| label(DE_LIMITED)));
    o.identifier(DE_PATIENT_ID, "XDSDocumentEntry.patientId", e.patient_id.to_cx());
    o.identifier(DE_UNIQUE_ID, "XDSDocumentEntry.uniqueId", e.unique_id.to_string());
    extra(&mut o, &e.extra);
    o
}

/// A SubmissionSet as RegistryPackage.
pub fn submission_set(s: &SubmissionSet) -> RegistryObject {
    let mut o = RegistryObject::new(ObjectKind::RegistryPackage, s.entry_uuid.to_string());
    o.object_type = Some(PACKAGE_TYPE.to_owned());
    o.home = s.home_community_id.as_ref().map(ToString::to_string);
    if s.entry_uuid.uuid().is_some() {
        o.status = Some(s.availability_status.urn().to_owned());
    }
    o.many("intendedRecipient", &s.intended_recipients);
    o.one("submissionTime", Some(s.submission_time.to_string()));
    o.name.clone_from(&s.title);
    o.description.clone_from(&s.comments);
    o.classifications.push(label(SS_NODE));
    o.classifications.extend(s.authors.iter().map(|a| author(SS_AUTHOR, a)));
    if !s.content_type_code.is_absent() {
        o.classifications.push(code(SS_CONTENT_TYPE, &s.content_type_code));
    }
    o.classifications.extend(s.extra.limited.then(|| label(SS_LIMITED)));
    o.identifier(SS_PATIENT_ID, "XDSSubmissionSet.patientId", s.patient_id.to_cx());
    o.identifier(SS_SOURCE_ID, "XDSSubmissionSet.sourceId", s.source_id.to_string());
    o.identifier(SS_UNIQUE_ID, "XDSSubmissionSet.uniqueId", s.unique_id.to_string());
    extra(&mut o, &s.extra);
    o
}

/// A Folder as RegistryPackage.
pub fn folder(f: &Folder) -> RegistryObject {
    let mut o = RegistryObject::new(ObjectKind::RegistryPackage, f.entry_uuid.to_string());
    o.object_type = Some(PACKAGE_TYPE.to_owned());
    o.home = f.home_community_id.as_ref().map(ToString::to_string);
    o.lid = f.logical_id.map(|l| l.to_string());
    registered(&mut o, f.version, f.availability_status.urn());
    o.one("lastUpdateTime", f.last_update_time.as_ref().map(ToString::to_string));
    o.name.clone_from(&f.title);
    o.description.clone_from(&f.comments);
    o.classifications.push(label(FOLDER_NODE));
    o.classifications.extend(f.codes.iter().map(|c| code(FOLDER_CODE, c)));
    o.classifications.extend(f.extra.limited.then(|| label(FOLDER_LIMITED)));
    o.identifier(FOLDER_PATIENT_ID, "XDSFolder.patientId", f.patient_id.to_cx());
    o.identifier(FOLDER_UNIQUE_ID, "XDSFolder.uniqueId", f.unique_id.to_string());
    extra(&mut o, &f.extra);
    o
}

/// An Association.
pub fn association(a: &Association) -> RegistryObject {
    let mut o = RegistryObject::new(ObjectKind::Association, a.entry_uuid.to_string());
    o.object_type = Some(ASSOCIATION_TYPE.to_owned());
    if a.entry_uuid.uuid().is_some() {
        o.status = Some(a.availability_status.urn().to_owned());
    }
    o.association_type = Some(a.association_type.urn().to_owned());
    o.source = Some(a.source.to_string());
    o.target = Some(a.target.to_string());
    o.one("SubmissionSetStatus", a.submission_set_status.map(|s| s.as_str().to_owned()));
    o.classifications.extend(a.documentation.as_ref().map(|c| code(ASSOCIATION_DOCUMENTATION, c)));
    extra(&mut o, &a.extra);
    o
}

/// What only registered objects carry.
fn registered(o: &mut RegistryObject, version: u32, status: &str) {
    if version > 0 {
        o.version = Some(version.to_string());
        o.status = Some(status.to_owned());
    }
}

fn extra(o: &mut RegistryObject, extra: &ExtraMetadata) {
    o.slots.extend(extra.slots.iter().cloned());
    o.classifications.extend(extra.classifications.iter().map(|c| code(&c.scheme, &c.code)));
}

fn code(scheme: &str, c: &Code) -> Classification {
    Classification {
        scheme: Some(scheme.to_owned()),
        node: None,
        code: c.code.clone(),
        slots: vec![Slot { name: "codingScheme".into(), values: vec![c.scheme.clone()] }],
        name: vec![carerecord_model::LocalizedString::new(c.display.clone())],
    }
}

fn label(node: &str) -> Classification {
    Classification { node: Some(node.to_owned()), ..Classification::default() }
}

fn author(scheme: &str, a: &Author) -> Classification {
    let mut slots = Vec::new();
    let mut slot = |name: &str, values: Vec<String>| {
        if !values.is_empty() {
            slots.push(Slot { name: name.into(), values });
        }
    };
    slot("authorPerson", a.person.iter().map(|p| p.as_str().to_owned()).collect());
    slot("authorInstitution", a.institutions.iter().map(|i| i.as_str().to_owned()).collect());
    slot("authorRole", a.roles.clone());
    slot("authorSpecialty", a.specialties.clone());
    slot(
        "authorTelecommunication",
        a.telecommunications.iter().map(|t| t.as_str().to_owned()).collect(),
    );
    Classification {
        scheme: Some(scheme.to_owned()),
        node: None,
        code: String::new(),
        slots,
        name: Vec::new(),
    }
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

impl RegistryObject {
    fn one(&mut self, name: &str, value: Option<String>) {
        self.slots.extend(value.map(|v| Slot { name: name.to_owned(), values: vec![v] }));
    }

    fn many(&mut self, name: &str, values: &[String]) {
        if !values.is_empty() {
            self.slots.push(Slot { name: name.to_owned(), values: values.to_vec() });
        }
    }

    fn identifier(&mut self, scheme: &str, name: &str, value: String) {
        self.external_identifiers.push(ExternalIdentifier {
            scheme: scheme.to_owned(),
            value,
            name: name.to_owned(),
        });
    }
}

const MAX_VALUE: usize = 256;
const PACKAGE_TYPE: &str =
    "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage";
const ASSOCIATION_TYPE: &str =
    "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association";
