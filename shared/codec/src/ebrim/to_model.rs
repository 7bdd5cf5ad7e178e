//! From syntax to meaning. Every problem of an object is reported, not just the first, as an
//! `XDSRegistryMetadataError` that names object and attribute.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use carerecord_model::{
    Association, AssociationType, Author, AvailabilityStatus, Code, DocumentEntry,
    DocumentEntryType, Dtm, ErrorCode, ExtraClassification, ExtraMetadata, Folder, FoundObjects,
    ObjectId, RegistryError, RegistryErrors, Slot, Submission, SubmissionSet, SubmissionSetStatus,
    TransactionError,
};

use super::object::{Classification, ObjectKind, RegistryObject};
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
            document_entries: all.document_entries,
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
        return Ok(FoundObjects { submission_sets: sets, ..all });
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

fn read_all(sorted: &Sorted, errors: &mut RegistryErrors) -> FoundObjects {
    FoundObjects {
        document_entries: each(&sorted.entries, errors, document_entry),
        submission_sets: Vec::new(),
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
    let size: Option<String> = r.slot("size");
    let size = size.and_then(|s| match s.parse::<u64>() {
        Ok(n) => Some(n),
        Err(_) => {
            r.wrong("size", "is not a whole number of bytes");
            None
        }
    });
    let hash: Option<String> = r.slot("hash");
    if hash.as_ref().is_some_and(|h| h.len() != 40 || !h.bytes().all(|b| b.is_ascii_hexdigit())) {
        r.wrong("hash", "is not a SHA-1 in 40 hexadecimal digits");
    }
    let source_patient_id: Option<String> = r.slot("sourcePatientId");
    let online = r.slot_text("documentAvailability").as_deref() != Some(OFFLINE);
    let rest = DocumentEntryRest {
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
    };
    let (logical_id, version) = r.lineage();
    r.check_slots();
    Some(DocumentEntry {
        entry_uuid: entry_uuid?,
        logical_id,
        version,
        entry_type: entry_type?,
        availability_status: status(o),
        patient_id: patient_id?,
        unique_id: unique_id?,
        repository_unique_id: rest.repository_unique_id,
        home_community_id: rest.home_community_id,
        mime_type: mime_type?,
        hash,
        size,
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
        source_patient_id,
        source_patient_info: rest.source_patient_info,
        reference_ids: rest.reference_ids,
        title: o.name.clone(),
        comments: o.description.clone(),
        uri: rest.uri,
        online,
        extra: rest.extra,
    })
}

/// The optional half of an entry: keeps the reading above on one screen.
struct DocumentEntryRest {
    repository_unique_id: Option<carerecord_model::RepositoryUniqueId>,
    creation_time: Option<Dtm>,
    service_start_time: Option<Dtm>,
    service_stop_time: Option<Dtm>,
    legal_authenticator: Option<carerecord_model::Xcn>,
    event_codes: Vec<Code>,
    authors: Vec<Author>,
    home_community_id: Option<carerecord_model::HomeCommunityId>,
    uri: Option<String>,
    source_patient_info: Vec<String>,
    reference_ids: Vec<String>,
    extra: ExtraMetadata,
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

/// Reads the attributes of one object and collects what is wrong with them.
struct Reader<'o, 'e> {
    object: &'o RegistryObject,
    /// Whether the label of limited metadata stands on it: then codes may be absent.
    limited: bool,
    errors: &'e mut RegistryErrors,
}

impl<'o, 'e> Reader<'o, 'e> {
    fn new(object: &'o RegistryObject, label: &str, errors: &'e mut RegistryErrors) -> Self {
        let mut labels = object.classifications.iter().filter_map(|c| c.node.as_deref());
        Self { object, limited: labels.any(|l| l == label), errors }
    }

    fn wrong(&mut self, attribute: &str, what: &str) {
        wrong(self.errors, self.object, attribute, what);
    }

    fn missing(&mut self, attribute: &str) {
        self.wrong(attribute, "is missing");
    }

    fn attribute<T: FromStr>(&mut self, name: &str, value: Option<&str>) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        match value.map(str::trim).filter(|v| !v.is_empty()) {
            None => {
                self.missing(name);
                None
            }
            Some(value) => match value.parse() {
                Ok(parsed) => Some(parsed),
                Err(error) => {
                    self.wrong(name, &format!("is wrong: {error}"));
                    None
                }
            },
        }
    }

    fn object_id(&mut self) -> Option<ObjectId> {
        self.attribute("id", Some(self.object.id.as_str()))
    }

    fn identifier<T: FromStr>(&mut self, name: &str, scheme: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let all = &self.object.external_identifiers;
        let mut of_scheme = all.iter().filter(|i| i.scheme == scheme);
        let first = of_scheme.next();
        if of_scheme.next().is_some() {
            self.wrong(name, "is there more than once");
        }
        self.attribute(name, first.map(|i| i.value.as_str()))
    }

    fn slot_text(&self, name: &str) -> Option<String> {
        let slot = self.object.slots.iter().find(|s| s.name == name)?;
        slot.values.first().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// The one value of a slot.
    fn slot(&mut self, name: &str) -> Option<String> {
        let values = self.object.slots.iter().find(|s| s.name == name).map(|s| s.values.len());
        if values.is_some_and(|n| n > 1) {
            self.wrong(name, "has more than one value");
        }
        self.slot_text(name)
    }

    fn slot_required(&mut self, name: &str) -> Option<String> {
        let value = self.slot(name);
        if value.is_none() && self.limited {
            return Some(String::new());
        }
        if value.is_none() {
            self.missing(name);
        }
        value
    }

    fn slot_parsed<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let value = self.slot(name)?;
        self.attribute(name, Some(&value))
    }

    fn slot_values(&self, name: &str) -> Vec<String> {
        let slot = self.object.slots.iter().find(|s| s.name == name);
        slot.map(|s| s.values.clone()).unwrap_or_default()
    }

    fn home(&mut self) -> Option<carerecord_model::HomeCommunityId> {
        let home = self.object.home.as_deref().filter(|h| !h.is_empty())?;
        self.attribute("home", Some(home))
    }

    /// A URI may come split as `1|http://…`, `2|rest`.
    fn uri(&self) -> Option<String> {
        let values = self.slot_values("URI");
        let mut pieces: Vec<(u32, &str)> = values
            .iter()
            .filter_map(|v| {
                let (n, text) = v.split_once('|')?;
                Some((n.parse().ok()?, text))
            })
            .collect();
        if pieces.len() == values.len() && !pieces.is_empty() {
            pieces.sort_by_key(|(n, _)| *n);
            return Some(pieces.iter().map(|(_, text)| *text).collect());
        }
        values.into_iter().next()
    }

    fn classifications(&self, scheme: &'o str) -> impl Iterator<Item = &'o Classification> {
        let all = self.object.classifications.iter();
        all.filter(move |c| c.scheme.as_deref() == Some(scheme))
    }

    fn codes(&mut self, name: &str, scheme: &'o str) -> Vec<Code> {
        let found: Vec<_> = self.classifications(scheme).collect();
        found.into_iter().filter_map(|c| self.one_code(name, c)).collect()
    }

    fn code(&mut self, name: &str, scheme: &'o str) -> Option<Code> {
        if self.classifications(scheme).next().is_none() {
            if self.limited {
                return Some(Code::absent());
            }
            self.missing(name);
            return None;
        }
        if self.classifications(scheme).count() > 1 {
            self.wrong(name, "is there more than once");
        }
        self.codes(name, scheme).into_iter().next()
    }

    fn one_code(&mut self, name: &str, c: &Classification) -> Option<Code> {
        let coding = c.slots.iter().find(|s| s.name == "codingScheme");
        let values = coding.map(|s| s.values.as_slice()).unwrap_or_default();
        let [scheme] = values else {
            self.wrong(name, "needs exactly one codingScheme");
            return None;
        };
        if c.code.trim().is_empty() {
            self.wrong(name, "has an empty code");
            return None;
        }
        let Some(display) = c.name.first() else {
            self.wrong(name, "has no display name");
            return None;
        };
        Some(Code::new(c.code.trim(), scheme.trim(), display.value.clone()))
    }

    fn authors(&mut self, scheme: &'o str) -> Vec<Author> {
        let found: Vec<_> = self.classifications(scheme).collect();
        found.into_iter().filter_map(|c| self.author(c)).collect()
    }

    fn author(&mut self, c: &Classification) -> Option<Author> {
        let values = |name: &str| -> Vec<String> {
            let slot = c.slots.iter().find(|s| s.name == name);
            let values = slot.map(|s| s.values.clone()).unwrap_or_default();
            values.into_iter().filter(|v| !v.trim().is_empty()).collect()
        };
        let persons = values("authorPerson");
        if persons.len() > 1 {
            self.wrong("authorPerson", "has more than one value");
        }
        let author = Author {
            person: persons.first().and_then(|p| self.attribute("authorPerson", Some(p))),
            institutions: self.parsed("authorInstitution", &values("authorInstitution")),
            roles: values("authorRole"),
            specialties: values("authorSpecialty"),
            telecommunications: self
                .parsed("authorTelecommunication", &values("authorTelecommunication")),
        };
        let empty = author.person.is_none()
            && author.institutions.is_empty()
            && author.telecommunications.is_empty();
        if empty {
            self.wrong("author", "names neither person nor institution nor telecommunication");
            return None;
        }
        Some(author)
    }

    fn parsed<T: FromStr>(&mut self, name: &str, values: &[String]) -> Vec<T>
    where
        T::Err: std::fmt::Display,
    {
        values.iter().filter_map(|v| self.attribute(name, Some(v))).collect()
    }

    fn lineage(&mut self) -> (Option<carerecord_model::LogicalId>, u32) {
        let lid = self.object.lid.as_deref().filter(|l| !l.is_empty());
        let logical = lid.and_then(|l| self.attribute("lid", Some(l)));
        let version = self.object.version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        (logical, version)
    }

    fn check_slots(&mut self) {
        let mut names = HashSet::new();
        let twice = self.object.slots.iter().any(|s| !names.insert(s.name.as_str()));
        if twice {
            self.wrong("slot", "of one name is there more than once");
        }
    }

    /// What is left when everything that XDS defines is taken away.
    fn extra(&mut self, slots: &[&str], schemes: &[&str]) -> ExtraMetadata {
        let strange = |s: &&Slot| !slots.contains(&s.name.as_str());
        let slots = self.object.slots.iter().filter(strange).cloned().collect();
        let mut classifications = Vec::new();
        let all: Vec<_> = self.object.classifications.iter().collect();
        for c in all {
            let Some(scheme) = c.scheme.as_deref() else { continue };
            if schemes.contains(&scheme) {
                continue;
            }
            if let Some(code) = self.one_code("classification", c) {
                classifications.push(ExtraClassification { scheme: scheme.to_owned(), code });
            }
        }
        ExtraMetadata { slots, classifications, limited: self.limited }
    }
}

fn wrong(errors: &mut RegistryErrors, object: &RegistryObject, attribute: &str, what: &str) {
    let id = if object.id.is_empty() { "an object without id" } else { object.id.as_str() };
    errors.push(
        RegistryError::error(
            ErrorCode::XDSRegistryMetadataError,
            format!("{id}: {attribute} {what}"),
        )
        .at(id),
    );
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
