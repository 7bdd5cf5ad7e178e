//! Submissions that a registry takes.

use carerecord_model::{
    Association, AssociationType, Author, AvailabilityStatus, Code, DocumentEntry,
    DocumentEntryType, ExtraMetadata, Folder, LocalizedString, ObjectId, PatientId, Submission,
    SubmissionSet, SubmissionSetStatus,
};

/// The patient of what is built here, unless told otherwise.
pub const PATIENT: &str = "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO";
/// Another patient.
pub const OTHER_PATIENT: &str = "9990001014^^^&2.16.840.1.113883.2.1.4.1&ISO";

/// Gives out ids that differ from each other within one test.
#[derive(Debug, Default)]
pub struct Builder {
    next: u32,
    patient: Option<String>,
}

impl Builder {
    /// Submissions for another patient.
    pub fn of(patient: &str) -> Self {
        // Ids of two builders must not meet.
        let next = patient.bytes().fold(1000u32, |n, b| n.wrapping_mul(31).wrapping_add(b.into()));
        Self { next: next % 1_000_000 * 1000, patient: Some(patient.to_owned()) }
    }

    fn patient(&self) -> PatientId {
        self.patient.as_deref().unwrap_or(PATIENT).parse().expect("the constant is a CX")
    }

    fn id(&mut self) -> String {
        self.next += 1;
        format!("1.2.42.20.{}", self.next)
    }

    /// A SubmissionSet without members.
    pub fn empty(&mut self) -> Submission {
        let submission_set = SubmissionSet {
            entry_uuid: ObjectId::Symbol("set".into()),
            availability_status: AvailabilityStatus::Approved,
            patient_id: self.patient(),
            unique_id: self.id().parse().expect("it is an OID"),
            source_id: "1.2.42.7".parse().expect("it is an OID"),
            submission_time: "20260102030405".parse().expect("it is a time"),
            content_type_code: Code::new("content", "2.999.9", "Content"),
            authors: Vec::new(),
            intended_recipients: Vec::new(),
            title: Vec::new(),
            comments: Vec::new(),
            home_community_id: None,
            extra: ExtraMetadata::default(),
        };
        Submission {
            submission_set,
            document_entries: Vec::new(),
            folders: Vec::new(),
            associations: Vec::new(),
        }
    }

    /// A SubmissionSet with one new document.
    pub fn document(&mut self) -> Submission {
        let mut submission = self.empty();
        self.add_document(&mut submission);
        submission
    }

    /// Adds a document; returns its symbol.
    pub fn add_document(&mut self, s: &mut Submission) -> ObjectId {
        let entry = self.entry();
        let id = entry.entry_uuid.clone();
        s.document_entries.push(entry);
        let mut member = self.association(AssociationType::HasMember, &set(s), &id);
        member.submission_set_status = Some(SubmissionSetStatus::Original);
        s.associations.push(member);
        id
    }

    /// Adds a folder; returns its symbol.
    pub fn add_folder(&mut self, s: &mut Submission) -> ObjectId {
        let folder = self.folder();
        let id = folder.entry_uuid.clone();
        s.folders.push(folder);
        let member = self.association(AssociationType::HasMember, &set(s), &id);
        s.associations.push(member);
        id
    }

    /// Puts a document into a folder, as ITI-42 wants it.
    pub fn add_to_folder(&mut self, s: &mut Submission, folder: &ObjectId, document: &ObjectId) {
        let member = self.association(AssociationType::HasMember, folder, document);
        let id = member.entry_uuid.clone();
        s.associations.push(member);
        let of_set = self.association(AssociationType::HasMember, &set(s), &id);
        s.associations.push(of_set);
    }

    /// Relates two documents.
    pub fn relate(
        &mut self,
        s: &mut Submission,
        kind: AssociationType,
        source: &ObjectId,
        target: &ObjectId,
    ) {
        let association = self.association(kind, source, target);
        s.associations.push(association);
    }

    /// An association with a symbol of its own.
    pub fn association(
        &mut self,
        association_type: AssociationType,
        source: &ObjectId,
        target: &ObjectId,
    ) -> Association {
        Association {
            entry_uuid: ObjectId::Symbol(self.id()),
            association_type,
            source: source.clone(),
            target: target.clone(),
            availability_status: AvailabilityStatus::Approved,
            submission_set_status: None,
            documentation: None,
            extra: ExtraMetadata::default(),
        }
    }

    /// A folder.
    pub fn folder(&mut self) -> Folder {
        Folder {
            entry_uuid: ObjectId::Symbol(self.id()),
            logical_id: None,
            version: 0,
            availability_status: AvailabilityStatus::Approved,
            patient_id: self.patient(),
            unique_id: self.id().parse().expect("it is an OID"),
            codes: vec![Code::new("folder", "2.999.9", "Folder")],
            last_update_time: None,
            title: vec![LocalizedString::new("Folder")],
            comments: Vec::new(),
            home_community_id: None,
            extra: ExtraMetadata::default(),
        }
    }

    /// A stable entry.
    pub fn entry(&mut self) -> DocumentEntry {
        let code = |c: &str| Code::new(c, "2.999.9", c);
        DocumentEntry {
            entry_uuid: ObjectId::Symbol(self.id()),
            logical_id: None,
            version: 0,
            entry_type: DocumentEntryType::Stable,
            availability_status: AvailabilityStatus::Approved,
            patient_id: self.patient(),
            unique_id: self.id().parse().expect("it is an OID"),
            repository_unique_id: Some("2.999.30.1".parse().expect("it is an OID")),
            home_community_id: None,
            mime_type: "text/plain".parse().expect("it is a type"),
            hash: Some(format!("{:040x}", self.next)),
            size: Some(41),
            creation_time: Some("20240311093000".parse().expect("it is a time")),
            service_start_time: None,
            service_stop_time: None,
            language_code: "en-GB".into(),
            class_code: code("class"),
            type_code: code("type"),
            format_code: code("format"),
            healthcare_facility_type_code: code("facility"),
            practice_setting_code: code("practice"),
            confidentiality_codes: vec![Code::new("N", "2.16.840.1.113883.5.25", "normal")],
            event_codes: Vec::new(),
            authors: vec![Author {
                person: Some("77123^Okafor^Ngozi".parse().expect("it is an XCN")),
                institutions: Vec::new(),
                roles: Vec::new(),
                specialties: Vec::new(),
                telecommunications: Vec::new(),
            }],
            legal_authenticator: None,
            source_patient_id: Some("MRN-88^^^&2.999.10.2&ISO".into()),
            source_patient_info: Vec::new(),
            reference_ids: Vec::new(),
            title: vec![LocalizedString::new("Letter")],
            comments: Vec::new(),
            uri: None,
            online: true,
            extra: ExtraMetadata::default(),
        }
    }
}

fn set(s: &Submission) -> ObjectId {
    s.submission_set.entry_uuid.clone()
}
