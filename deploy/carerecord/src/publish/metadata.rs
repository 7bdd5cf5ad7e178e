use carerecord_clinical::{DocumentHeader, Kind, Relation};
use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, Clock, DocumentEntry, Dtm, EntryUuid,
    ExtraMetadata, NhsNumber, NumberStatus, ObjectId, Submission, SubmissionSet,
    SubmissionSetStatus, SystemClock, UniqueId,
};

use super::entry::{Reading, entry};
use super::ids::{content_id, replacement_id, set_id, source_id};
use super::people::organisation_author;
use super::{CodeMaps, Given, Source};

/// A submission ready to be sent, with one document.
pub struct Prepared {
    /// The submission.
    pub submission: Submission,
    /// What the document is, in words.
    pub kind: &'static str,
    /// The document that it replaces, when header or option say so.
    pub replaces: Option<UniqueId>,
    /// Whether it must, since that was given; a header may name a document that is not there.
    pub must_replace: bool,
    /// Whether the document's id is its header's.
    pub id_of_header: bool,
    /// What was not known and how it was filled in, for the line of outcome.
    pub notes: Vec<&'static str>,
}

/// Makes the metadata of a document.
///
/// # Errors
/// Why it cannot be published, for a person to act on.
pub fn prepare(source: &Source, given: &Given, codes: &CodeMaps) -> Result<Prepared, String> {
    let bytes = source.head();
    if bytes.is_empty() {
        return Err("the file is empty".to_owned());
    }
    // What cannot be read to its end cannot be told apart: it is not taken for plain text.
    if !source.is_whole() && matches!(source.first_character(), Some(b'<' | b'{')) {
        let size = source.size() >> 20;
        return Err(format!("{size} MiB is more than a document with a header may have"));
    }
    let kind = Kind::sniff(bytes);
    let header = if kind.has_header() {
        Some(DocumentHeader::read_as(bytes, &kind).map_err(|e| e.to_string())?)
    } else if publishable(&kind) {
        None
    } else {
        // Reading it as a document says what is wrong with it.
        let why = DocumentHeader::read(bytes).err().map(|e| e.to_string());
        return Err(why.unwrap_or_else(|| format!("{} is not published", kind.words())));
    };
    let header = header.as_ref();
    let patient = patient(header, given)?;
    let (unique_id, id_of_header) = unique_id(header, source, given);
    let mut notes = Vec::new();
    let entry = entry(
        &Reading { header, kind: &kind, source, given, codes },
        patient,
        unique_id,
        &mut notes,
    )?;
    Ok(Prepared {
        submission: submission(entry, given),
        kind: kind.words(),
        replaces: given.replaces.clone().or_else(|| header.and_then(replaced)),
        must_replace: given.replaces.is_some(),
        id_of_header,
        notes,
    })
}

/// The id that is given, else the header's, else one made from the bytes; and whether it is the
/// header's.
fn unique_id(header: Option<&DocumentHeader>, source: &Source, given: &Given) -> (UniqueId, bool) {
    if let Some(id) = &given.unique_id {
        return (id.clone(), false);
    }
    let own = header.and_then(DocumentHeader::unique_id).and_then(|id| id.parse().ok());
    match (own, &given.replaces) {
        // What is replaced keeps its id.
        (Some(id), replaced) if replaced.as_ref() != Some(&id) => (id, true),
        (_, Some(replaced)) => (replacement_id(source, replaced), false),
        (_, None) => (content_id(source), false),
    }
}

/// The one document that a header says it replaces.
fn replaced(header: &DocumentHeader) -> Option<UniqueId> {
    let mut all = header.related.iter().filter(|r| r.relation == Relation::Replaces);
    let first = all.next()?;
    first.id.unique_id().parse().ok().filter(|_| all.next().is_none())
}

impl Prepared {
    /// The document's id.
    pub fn unique_id(&self) -> String {
        let entry = self.submission.document_entries.first();
        entry.map(|e| e.unique_id.to_string()).unwrap_or_default()
    }

    /// Lets the document replace a registered one.
    pub fn replace(&mut self, registered: EntryUuid) {
        let Some(entry) = self.submission.document_entries.first() else { return };
        let source = entry.entry_uuid.clone();
        let target = ObjectId::Uuid(registered);
        self.submission.associations.push(Association {
            entry_uuid: ObjectId::Symbol("Replacement01".to_owned()),
            association_type: AssociationType::Replace,
            source,
            target,
            availability_status: AvailabilityStatus::Approved,
            submission_set_status: None,
            documentation: None,
            extra: ExtraMetadata::default(),
        });
    }

    /// Gives it an id made from the bytes.
    pub fn take_content_id(&mut self, source: &Source) {
        self.id_of_header = false;
        let set = &mut self.submission.submission_set;
        for entry in &mut self.submission.document_entries {
            entry.unique_id = content_id(source);
            set.unique_id = set_id(&entry.unique_id, &set.source_id);
        }
    }
}

fn publishable(kind: &Kind) -> bool {
    match kind {
        Kind::Pdf | Kind::Image(_) | Kind::Html | Kind::Rtf | Kind::PlainText => true,
        Kind::Cda
        | Kind::ItkEnvelope
        | Kind::FhirBundle { .. }
        | Kind::FhirResource { .. }
        | Kind::Xml
        | Kind::Unknown => false,
    }
}

fn patient(header: Option<&DocumentHeader>, given: &Given) -> Result<NhsNumber, String> {
    let Some(header) = header else {
        return given.patient.ok_or_else(|| NO_PATIENT.to_owned());
    };
    if header.patient_count > 1 {
        return Err("the header names more than one patient".to_owned());
    }
    let found = header.patient.as_ref();
    if found.is_some_and(|p| p.nhs_number_conflict) {
        return Err("the header has two different NHS Numbers".to_owned());
    }
    match found.and_then(|p| p.nhs_number.as_ref()) {
        Some(n) if n.status == NumberStatus::Verified => Ok(n.number),
        Some(_) if given.patient.is_none() => {
            Err("the NHS Number in the header is not verified; give it with --patient".to_owned())
        }
        _ => given.patient.ok_or_else(|| NO_PATIENT.to_owned()),
    }
}

fn submission(entry: DocumentEntry, given: &Given) -> Submission {
    let source = source_id(&given.organisation);
    let set = SubmissionSet {
        entry_uuid: ObjectId::Symbol("SubmissionSet01".to_owned()),
        availability_status: AvailabilityStatus::Approved,
        patient_id: entry.patient_id.clone(),
        unique_id: set_id(&entry.unique_id, &source),
        source_id: source,
        submission_time: entry
            .creation_time
            .clone()
            .unwrap_or_else(|| Dtm::from_timestamp(SystemClock.now())),
        content_type_code: entry.type_code.clone(),
        authors: vec![organisation_author(&given.organisation, &given.organisation_name)],
        intended_recipients: Vec::new(),
        title: Vec::new(),
        comments: Vec::new(),
        home_community_id: None,
        extra: ExtraMetadata::default(),
    };
    let member = Association {
        entry_uuid: ObjectId::Symbol("Member01".to_owned()),
        association_type: AssociationType::HasMember,
        source: set.entry_uuid.clone(),
        target: entry.entry_uuid.clone(),
        availability_status: AvailabilityStatus::Approved,
        submission_set_status: Some(SubmissionSetStatus::Original),
        documentation: None,
        extra: ExtraMetadata::default(),
    };
    Submission {
        submission_set: set,
        document_entries: vec![entry],
        folders: Vec::new(),
        associations: vec![member],
    }
}

const NO_PATIENT: &str = "no NHS Number is known for it; give one with --patient";
