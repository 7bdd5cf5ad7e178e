use aws_lc_rs::digest::{SHA256, digest};
use carerecord_clinical::{AuthorHeader, Coding, DocumentHeader, Kind, Relation};
use carerecord_model::{
    Association, AssociationType, Author, AvailabilityStatus, Clock, Code, DocumentEntry,
    DocumentEntryType, Dtm, EntryUuid, ExtraMetadata, LocalizedString, NhsNumber, NumberStatus,
    ObjectId, Oid, OrganisationCode, PatientId, SourceId, Submission, SubmissionSet,
    SubmissionSetStatus, SystemClock, UniqueId, Xcn, Xon, escape,
};
use uuid::Uuid;

use super::{CodeMaps, Source};

/// What the options give.
pub struct Given {
    /// For documents whose header has no NHS Number.
    pub patient: Option<NhsNumber>,
    /// Who publishes.
    pub organisation: OrganisationCode,
    /// Its name.
    pub organisation_name: String,
    /// The type, whatever the header says.
    pub type_code: Option<Code>,
    /// When the document was made, for those whose header does not say.
    pub created: Option<Dtm>,
    /// The title, for documents whose header has none.
    pub title: Option<String>,
    /// The document that this one replaces, whatever the header says.
    pub replaces: Option<UniqueId>,
}

impl Given {
    /// Only who publishes, and for whom.
    pub fn new(
        patient: Option<NhsNumber>,
        organisation: OrganisationCode,
        organisation_name: String,
    ) -> Self {
        Self {
            patient,
            organisation,
            organisation_name,
            type_code: None,
            created: None,
            title: None,
            replaces: None,
        }
    }
}

/// A submission ready to be sent, with one document.
pub struct Prepared {
    /// The submission.
    pub submission: Submission,
    /// What the document is, in words.
    pub kind: &'static str,
    /// The document that it replaces, when header or option say so.
    pub replaces: Option<UniqueId>,
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
    let unique_id = header.and_then(DocumentHeader::unique_id);
    let unique_id = unique_id.and_then(|id| id.parse().ok()).unwrap_or_else(|| content_id(source));
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
        notes,
    })
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

    /// The same under an id made from the bytes.
    pub fn with_content_id(&self, source: &Source) -> Submission {
        let mut submission = self.submission.clone();
        for entry in &mut submission.document_entries {
            entry.unique_id = content_id(source);
            let source = &submission.submission_set.source_id;
            submission.submission_set.unique_id = set_id(&entry.unique_id, source);
        }
        submission
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

/// A document that is being read.
struct Reading<'a> {
    header: Option<&'a DocumentHeader>,
    kind: &'a Kind,
    source: &'a Source,
    given: &'a Given,
    codes: &'a CodeMaps,
}

impl Reading<'_> {
    fn type_code(&self, notes: &mut Vec<&'static str>) -> Code {
        let own = self.header.and_then(|h| h.types.iter().find_map(code));
        self.given.type_code.clone().or(own).unwrap_or_else(|| {
            notes.push("its type is not known; --type gives one");
            self.codes.defaults.type_code.clone()
        })
    }

    /// A date is never invented: a file without one of its own has that of its last change.
    fn creation_time(&self, notes: &mut Vec<&'static str>) -> Result<Dtm, String> {
        let own = self.header.and_then(|h| h.creation_time.clone());
        if let Some(time) = own.or_else(|| self.given.created.clone()) {
            return Ok(time);
        }
        let modified = self.source.modified().cloned();
        let time = modified.ok_or("nothing says when it was made; give that with --created")?;
        notes.push("dated by its file's last change; --created gives a date");
        Ok(time)
    }

    fn title(&self) -> Option<String> {
        self.header.and_then(|h| h.title.clone()).or_else(|| self.given.title.clone())
    }
}

fn entry(
    reading: &Reading<'_>,
    patient: NhsNumber,
    unique_id: UniqueId,
    notes: &mut Vec<&'static str>,
) -> Result<DocumentEntry, String> {
    let Reading { header, kind, given, codes, .. } = *reading;
    let d = &codes.defaults;
    let type_code = reading.type_code(notes);
    let class_code = header
        .and_then(|h| h.categories.iter().find_map(code))
        .unwrap_or_else(|| codes.class_of(&type_code.code));
    let confidentiality = header
        .and_then(|h| h.confidentiality.as_ref())
        .filter(|c| ["U", "L", "M", "N", "R", "V"].contains(&c.code.as_str()))
        .map_or_else(
            || d.confidentiality.clone(),
            |c| Code::new(c.code.clone(), d.confidentiality.scheme.clone(), label(&c.code)),
        );
    let format = header.and_then(|h| h.formats.first()).map_or_else(
        || {
            let any = "urn:ihe:iti:xds:2017:mimeTypeSufficient";
            Code::new(any, "1.3.6.1.4.1.19376.1.2.3", "MIME type sufficient")
        },
        |f| Code::new(f.clone(), "urn:carerecord:format", f.clone()),
    );
    let local = header.and_then(|h| h.patient.as_ref()).and_then(|p| p.local_ids.first());
    let local = local.filter(|id| id.root.parse::<Oid>().is_ok());
    let source_patient_id = local.and_then(|id| {
        let number = id.extension.as_ref()?;
        Some(format!("{}^^^&{}&ISO", escape(number), id.root))
    });
    Ok(DocumentEntry {
        entry_uuid: ObjectId::Symbol("Document01".to_owned()),
        logical_id: None,
        version: 0,
        entry_type: DocumentEntryType::Stable,
        availability_status: AvailabilityStatus::Approved,
        patient_id: PatientId::from_nhs_number(patient),
        unique_id,
        repository_unique_id: None,
        home_community_id: None,
        mime_type: kind.mime_type().parse().map_err(|_| "no MIME type".to_owned())?,
        hash: None,
        size: None,
        creation_time: Some(reading.creation_time(notes)?),
        service_start_time: header.and_then(|h| h.service_start.clone()),
        service_stop_time: header.and_then(ordered_stop),
        language_code: header
            .and_then(|h| h.language.clone())
            .unwrap_or_else(|| d.language.clone()),
        class_code,
        type_code,
        format_code: format,
        healthcare_facility_type_code: header
            .and_then(|h| h.facility_type.as_ref())
            .and_then(code)
            .unwrap_or_else(|| d.facility.clone()),
        practice_setting_code: header
            .and_then(|h| h.practice_setting.as_ref())
            .and_then(code)
            .unwrap_or_else(|| d.practice.clone()),
        confidentiality_codes: vec![confidentiality],
        event_codes: header
            .map(|h| h.event_codes.iter().filter_map(code).collect())
            .unwrap_or_default(),
        authors: authors(header, given),
        legal_authenticator: header.and_then(|h| h.legal_authenticator.as_ref()).and_then(person),
        source_patient_id: Some(
            source_patient_id.unwrap_or_else(|| PatientId::from_nhs_number(patient).to_cx()),
        ),
        source_patient_info: patient_info(header),
        reference_ids: Vec::new(),
        title: reading
            .title()
            .map(|t| LocalizedString::new(t.chars().take(128).collect::<String>()))
            .into_iter()
            .collect(),
        comments: Vec::new(),
        uri: None,
        online: true,
        extra: ExtraMetadata::default(),
    })
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
        authors: vec![organisation_author(given)],
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

fn authors(header: Option<&DocumentHeader>, given: &Given) -> Vec<Author> {
    let mut all: Vec<Author> =
        header.map(|h| h.authors.iter().filter_map(author).collect()).unwrap_or_default();
    if all.iter().all(|a| a.institutions.is_empty()) {
        all.push(organisation_author(given));
    }
    all
}

fn author(a: &AuthorHeader) -> Option<Author> {
    let organisation = a.organisation.as_ref();
    let institution = organisation.and_then(|o| {
        let name = escape(o.name.as_deref()?);
        let text = match o.ods_code() {
            Some(code) => format!("{name}^^^^^&{ODS}&ISO^^^^{}", escape(code)),
            None => name,
        };
        text.parse().ok()
    });
    let author = Author {
        person: person(a),
        institutions: institution.into_iter().collect(),
        roles: a.role.as_ref().and_then(|r| r.display.clone()).into_iter().collect(),
        specialties: Vec::new(),
        telecommunications: Vec::new(),
    };
    (author.person.is_some() || !author.institutions.is_empty()).then_some(author)
}

fn person(a: &AuthorHeader) -> Option<Xcn> {
    let p = a.person.as_ref()?;
    let part = |s: &Option<String>| s.as_deref().map(escape).unwrap_or_default();
    let given = p.given.first().map(|g| escape(g)).unwrap_or_default();
    format!("^{}^{given}^^{}^{}", part(&p.family), part(&p.suffix), part(&p.prefix)).parse().ok()
}

fn organisation_author(given: &Given) -> Author {
    let text =
        format!("{}^^^^^&{ODS}&ISO^^^^{}", escape(&given.organisation_name), given.organisation);
    let institution: Option<Xon> = text.parse().ok();
    Author { institutions: institution.into_iter().collect(), ..Author::default() }
}

fn patient_info(header: Option<&DocumentHeader>) -> Vec<String> {
    let Some(patient) = header.and_then(|h| h.patient.as_ref()) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(name) = &patient.name {
        let family = name.family.as_deref().map(escape).unwrap_or_default();
        let given = name.given.first().map(|g| escape(g)).unwrap_or_default();
        let prefix = name.prefix.as_deref().map(escape).unwrap_or_default();
        lines.push(format!("PID-5|{family}^{given}^^^{prefix}"));
    }
    if let Some(born) = &patient.birth_date {
        lines.push(format!("PID-7|{born}"));
    }
    let gender = match patient.gender {
        Some(carerecord_model::Gender::Female) => Some("F"),
        Some(carerecord_model::Gender::Male) => Some("M"),
        Some(carerecord_model::Gender::Other) => Some("O"),
        Some(carerecord_model::Gender::Unknown) | None => None,
    };
    lines.extend(gender.map(|g| format!("PID-8|{g}")));
    lines
}

/// A stop before the start is left out rather than refused: the header is not ours to mend.
fn ordered_stop(h: &DocumentHeader) -> Option<Dtm> {
    let stop = h.service_stop.clone()?;
    match &h.service_start {
        Some(start) if *start > stop => None,
        Some(_) | None => Some(stop),
    }
}

fn code(coding: &Coding) -> Option<Code> {
    let scheme = coding.system.as_deref().map(|s| match s {
        "http://snomed.info/sct" => "2.16.840.1.113883.6.96",
        "http://loinc.org" => "2.16.840.1.113883.6.1",
        other => other.strip_prefix("urn:oid:").unwrap_or(other),
    })?;
    let code = coding.code.trim();
    let display = coding.display.clone().unwrap_or_else(|| code.to_owned());
    let there = !code.is_empty() && !scheme.is_empty() && !display.trim().is_empty();
    there.then(|| Code::new(code, scheme, display))
}

fn label(code: &str) -> &'static str {
    match code {
        "R" => "restricted",
        "V" => "very restricted",
        "U" => "unrestricted",
        "L" => "low",
        "M" => "moderate",
        _ => "normal",
    }
}

/// An id made from bytes: the same bytes, the same id.
fn content_id(source: &Source) -> UniqueId {
    half_oid(source.sha256()).as_str().parse().expect("an OID is a uniqueId")
}

/// One submission for each document of each source.
fn set_id(document: &UniqueId, source: &SourceId) -> UniqueId {
    let text = format!("submission of {document} by {source}");
    oid_of(text.as_bytes()).as_str().parse().expect("an OID is a uniqueId")
}

fn source_id(organisation: &OrganisationCode) -> SourceId {
    let text = format!("source {organisation}");
    oid_of(text.as_bytes()).as_str().parse().expect("an OID is a sourceId")
}

fn oid_of(bytes: &[u8]) -> Oid {
    half_oid(digest(&SHA256, bytes).as_ref())
}

fn half_oid(hash: &[u8]) -> Oid {
    let mut half = [0u8; 16];
    half.copy_from_slice(&hash[..16]);
    Oid::from_uuid(Uuid::from_bytes(half))
}

const NO_PATIENT: &str = "no NHS Number is known for it; give one with --patient";
const ODS: &str = "2.16.840.1.113883.2.1.3.2.4.19.1";
