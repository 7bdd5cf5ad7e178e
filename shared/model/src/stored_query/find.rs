use crate::{
    AvailabilityStatus, DocumentEntry, DocumentEntryType, Dtm, Folder, PatientId, SubmissionSet,
};

use super::filter::{CodeFilter, DtmRange, MetadataLevel, like, type_asked_for};

/// The filters of FindDocuments. ITI TF-2: 3.18.4.1.2.3.7.1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentFilter {
    /// At least one.
    pub status: Vec<AvailabilityStatus>,
    /// Empty means stable only.
    pub entry_types: Vec<DocumentEntryType>,
    /// classCode
    pub class_code: CodeFilter,
    /// typeCode
    pub type_code: CodeFilter,
    /// practiceSettingCode
    pub practice_setting_code: CodeFilter,
    /// healthcareFacilityTypeCode
    pub healthcare_facility_type_code: CodeFilter,
    /// eventCodeList
    pub event_codes: CodeFilter,
    /// confidentialityCode
    pub confidentiality_codes: CodeFilter,
    /// formatCode
    pub format_code: CodeFilter,
    /// creationTime
    pub creation_time: DtmRange,
    /// serviceStartTime
    pub service_start_time: DtmRange,
    /// serviceStopTime
    pub service_stop_time: DtmRange,
    /// SQL LIKE patterns over authorPerson, any of them.
    pub author_person: Vec<String>,
    /// LIKE patterns over referenceIdList: OR within a group, AND between groups.
    pub reference_ids: Vec<Vec<String>>,
    /// documentAvailability: only online, only offline, or either.
    pub online: Option<bool>,
    /// Which versions are seen.
    pub level: MetadataLevel,
}

impl DocumentFilter {
    /// Whether an entry passes every filter.
    ///
    /// An entry that lacks a service time is not excluded by a range on it, as the standard says;
    /// an on-demand entry is never excluded by a creation time. ITI TF-2: 3.18.4.1.2.3.7.1.
    pub fn matches(&self, entry: &DocumentEntry) -> bool {
        let one = std::iter::once;
        let within =
            |range: &DtmRange, value: Option<&Dtm>| value.is_none_or(|v| range.contains(v));
        self.status.contains(&entry.availability_status)
            && type_asked_for(&self.entry_types, entry.entry_type)
            && self.class_code.matches(one(&entry.class_code))
            && self.type_code.matches(one(&entry.type_code))
            && self.practice_setting_code.matches(one(&entry.practice_setting_code))
            && self.healthcare_facility_type_code.matches(one(&entry.healthcare_facility_type_code))
            && self.format_code.matches(one(&entry.format_code))
            && self.event_codes.matches(&entry.event_codes)
            && self.confidentiality_codes.matches(&entry.confidentiality_codes)
            && within(&self.creation_time, entry.creation_time.as_ref())
            && within(&self.service_start_time, entry.service_start_time.as_ref())
            && within(&self.service_stop_time, entry.service_stop_time.as_ref())
            && self.matches_availability(entry)
            && self.matches_author(entry)
            && self.matches_references(entry)
    }

    fn matches_author(&self, entry: &DocumentEntry) -> bool {
        let mut persons = entry.authors.iter().filter_map(|a| a.person.as_ref());
        self.author_person.is_empty()
            || persons.any(|p| self.author_person.iter().any(|pattern| like(pattern, p.as_str())))
    }

    fn matches_references(&self, entry: &DocumentEntry) -> bool {
        self.reference_ids.iter().all(|group| {
            entry.reference_ids.iter().any(|id| group.iter().any(|pattern| like(pattern, id)))
        })
    }

    fn matches_availability(&self, entry: &DocumentEntry) -> bool {
        self.online.is_none_or(|online| online == entry.online)
    }
}

/// The parameters of FindDocuments, and of FindDocumentsByReferenceId when there are reference ids.
#[derive(Clone, Debug, PartialEq)]
pub struct FindDocuments {
    /// The patient.
    pub patient_id: PatientId,
    /// What the entries must be like.
    pub filter: DocumentFilter,
}

impl FindDocuments {
    /// Every stable, approved entry of a patient.
    pub fn approved(patient_id: PatientId) -> Self {
        let status = vec![AvailabilityStatus::Approved];
        Self { patient_id, filter: DocumentFilter { status, ..DocumentFilter::default() } }
    }
}

/// The parameters of FindDocumentsForMultiplePatients. ITI TF-2: 3.51.
#[derive(Clone, Debug, PartialEq)]
pub struct FindDocumentsForMultiplePatients {
    /// The patients; empty means whoever passes the filters.
    pub patient_ids: Vec<PatientId>,
    /// What the entries must be like.
    pub filter: DocumentFilter,
}

/// The parameters of FindSubmissionSets. ITI TF-2: 3.18.4.1.2.3.7.2.
#[derive(Clone, Debug, PartialEq)]
pub struct FindSubmissionSets {
    /// The patient.
    pub patient_id: PatientId,
    /// At least one.
    pub status: Vec<AvailabilityStatus>,
    /// sourceId, any of them.
    pub source_ids: Vec<String>,
    /// submissionTime
    pub submission_time: DtmRange,
    /// SQL LIKE patterns over authorPerson, any of them.
    pub author_person: Vec<String>,
    /// contentTypeCode
    pub content_type_code: CodeFilter,
}

impl FindSubmissionSets {
    /// Whether a SubmissionSet passes the filters.
    pub fn matches(&self, set: &SubmissionSet) -> bool {
        let mut persons = set.authors.iter().filter_map(|a| a.person.as_ref());
        self.status.contains(&set.availability_status)
            && (self.source_ids.is_empty()
                || self.source_ids.iter().any(|s| s == set.source_id.as_str()))
            && (self.submission_time.is_open()
                || self.submission_time.contains(&set.submission_time))
            && self.content_type_code.matches([&set.content_type_code])
            && (self.author_person.is_empty()
                || persons.any(|p| self.author_person.iter().any(|a| like(a, p.as_str()))))
    }
}

/// The filters of FindFolders. ITI TF-2: 3.18.4.1.2.3.7.3.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderFilter {
    /// At least one.
    pub status: Vec<AvailabilityStatus>,
    /// lastUpdateTime
    pub last_update_time: DtmRange,
    /// codeList
    pub codes: CodeFilter,
    /// Which versions are seen.
    pub level: MetadataLevel,
}

impl FolderFilter {
    /// Whether a folder passes the filters.
    pub fn matches(&self, folder: &Folder) -> bool {
        let updated = &folder.last_update_time;
        self.status.contains(&folder.availability_status)
            && (self.last_update_time.is_open()
                || updated.as_ref().is_some_and(|t| self.last_update_time.contains(t)))
            && self.codes.matches(&folder.codes)
    }
}

/// The parameters of FindFolders.
#[derive(Clone, Debug, PartialEq)]
pub struct FindFolders {
    /// The patient.
    pub patient_id: PatientId,
    /// What the folders must be like.
    pub filter: FolderFilter,
}

/// The parameters of FindFoldersForMultiplePatients. ITI TF-2: 3.51.
#[derive(Clone, Debug, PartialEq)]
pub struct FindFoldersForMultiplePatients {
    /// The patients; empty means whoever passes the filters.
    pub patient_ids: Vec<PatientId>,
    /// What the folders must be like.
    pub filter: FolderFilter,
}
