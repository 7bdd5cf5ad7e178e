use crate::{
    AssociationType, AvailabilityStatus, DocumentEntry, DocumentEntryType, EntryUuid,
    HomeCommunityId, LogicalId, PatientId, UniqueId,
};

use super::filter::{CodeFilter, MetadataLevel, Scope, type_asked_for};

/// Which entries a query returns beside the objects that it names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContentFilter {
    /// Empty means stable only.
    pub entry_types: Vec<DocumentEntryType>,
    /// formatCode
    pub format_code: CodeFilter,
    /// confidentialityCode
    pub confidentiality_codes: CodeFilter,
}

impl ContentFilter {
    /// Whether an entry passes.
    pub fn matches(&self, entry: &DocumentEntry) -> bool {
        type_asked_for(&self.entry_types, entry.entry_type)
            && self.format_code.matches([&entry.format_code])
            && self.confidentiality_codes.matches(&entry.confidentiality_codes)
    }
}

/// What a Get query names its objects by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryRef {
    /// By entryUUID.
    Uuids(Vec<EntryUuid>),
    /// By uniqueId.
    UniqueIds(Vec<UniqueId>),
    /// By logical id: every version.
    LogicalIds(Vec<LogicalId>),
}

/// The parameters of GetDocuments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GetDocuments {
    /// Which entries.
    pub entries: EntryRef,
    /// The community asked, when told.
    pub home_community_id: Option<HomeCommunityId>,
    /// Which versions are seen.
    pub level: MetadataLevel,
}

impl GetDocuments {
    /// Whichever of these entries are current.
    pub fn of(entries: EntryRef) -> Self {
        Self { entries, home_community_id: None, level: MetadataLevel::One }
    }
}

/// The parameters of GetAll. ITI TF-2: 3.18.4.1.2.3.7.4.
#[derive(Clone, Debug, PartialEq)]
pub struct GetAll {
    /// The patient.
    pub patient_id: PatientId,
    /// Statuses of entries; at least one.
    pub document_entry_status: Vec<AvailabilityStatus>,
    /// Statuses of SubmissionSets; at least one.
    pub submission_set_status: Vec<AvailabilityStatus>,
    /// Statuses of folders; at least one.
    pub folder_status: Vec<AvailabilityStatus>,
    /// Which entries.
    pub content: ContentFilter,
    /// Which versions and associations are seen.
    pub scope: Scope,
}

impl GetAll {
    /// Everything of a patient, of any status and type.
    pub fn of(patient_id: PatientId) -> Self {
        let any = vec![AvailabilityStatus::Approved, AvailabilityStatus::Deprecated];
        Self {
            patient_id,
            document_entry_status: any.clone(),
            submission_set_status: any.clone(),
            folder_status: any,
            content: ContentFilter {
                entry_types: vec![DocumentEntryType::Stable, DocumentEntryType::OnDemand],
                ..ContentFilter::default()
            },
            scope: Scope::default(),
        }
    }

    /// Whether an entry of this patient passes the filters.
    pub fn matches_entry(&self, entry: &DocumentEntry) -> bool {
        self.document_entry_status.contains(&entry.availability_status)
            && self.content.matches(entry)
    }
}

/// The parameters of the other queries by id. What a query does not take is at its default.
#[derive(Clone, Debug, PartialEq)]
pub struct Get {
    /// The objects named.
    pub objects: EntryRef,
    /// Which entries come with them.
    pub content: ContentFilter,
    /// `$AssociationTypes` of GetRelatedDocuments.
    pub association_types: Vec<AssociationType>,
    /// Which versions and associations are seen.
    pub scope: Scope,
    /// The community asked, when told.
    pub home_community_id: Option<HomeCommunityId>,
}
