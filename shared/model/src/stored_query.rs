use crate::{
    Association, AvailabilityStatus, Code, DocumentEntry, DocumentEntryType, Dtm, EntryUuid,
    Folder, HomeCommunityId, PatientId, SubmissionSet, UniqueId,
};

/// The id of a stored query, `urn:uuid:…` in lower case. ITI TF-2: 3.18.4.1.2.4.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct QueryId(pub String);

impl QueryId {
    /// FindDocuments
    pub const FIND_DOCUMENTS: &'static str = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d";
    /// GetAll
    pub const GET_ALL: &'static str = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3";
    /// GetDocuments
    pub const GET_DOCUMENTS: &'static str = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4";
}

/// What a query returns. ITI TF-2: 3.18.4.1.2.6.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReturnType {
    /// Whole objects.
    #[default]
    LeafClass,
    /// Only their ids.
    ObjectRef,
}

/// Codes of one query parameter: OR within a group, AND between groups. Empty matches everything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CodeFilter(pub Vec<Vec<(String, String)>>);

impl CodeFilter {
    /// Whether the codes of an attribute pass: each group is met by one of them at least.
    pub fn matches<'a, I>(&self, codes: I) -> bool
    where
        I: IntoIterator<Item = &'a Code>,
        I::IntoIter: Clone,
    {
        let codes = codes.into_iter();
        self.0.iter().all(|group| codes.clone().any(|code| in_group(group, code)))
    }
}

/// A half-open range of times, `from <= value < to`; either bound can be missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DtmRange {
    /// The first time inside.
    pub from: Option<Dtm>,
    /// The first time outside.
    pub to: Option<Dtm>,
}

impl DtmRange {
    /// Whether nothing is asked.
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }

    /// Whether a value lies inside; times are compared by the earliest instant they can mean.
    pub fn contains(&self, value: &Dtm) -> bool {
        let value = value.earliest();
        self.from.as_ref().is_none_or(|from| from.earliest() <= value)
            && self.to.as_ref().is_none_or(|to| value < to.earliest())
    }
}

/// The parameters of FindDocuments. ITI TF-2: 3.18.4.1.2.3.7.1.
#[derive(Clone, Debug, PartialEq)]
pub struct FindDocuments {
    /// The patient.
    pub patient_id: PatientId,
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
}

impl FindDocuments {
    /// Every stable, approved entry of a patient.
    pub fn approved(patient_id: PatientId) -> Self {
        Self {
            patient_id,
            status: vec![AvailabilityStatus::Approved],
            entry_types: Vec::new(),
            class_code: CodeFilter::default(),
            type_code: CodeFilter::default(),
            practice_setting_code: CodeFilter::default(),
            healthcare_facility_type_code: CodeFilter::default(),
            event_codes: CodeFilter::default(),
            confidentiality_codes: CodeFilter::default(),
            format_code: CodeFilter::default(),
            creation_time: DtmRange::default(),
            service_start_time: DtmRange::default(),
            service_stop_time: DtmRange::default(),
            author_person: Vec::new(),
            reference_ids: Vec::new(),
        }
    }

    /// Whether an entry of this patient passes every filter but the patient.
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
}

/// What GetDocuments names its entries by. ITI TF-2: 3.18.4.1.2.3.7.5.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EntryRef {
    /// By entryUUID.
    Uuids(Vec<EntryUuid>),
    /// By uniqueId.
    UniqueIds(Vec<UniqueId>),
}

/// The parameters of GetDocuments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GetDocuments {
    /// Which entries.
    pub entries: EntryRef,
    /// The community asked, when told.
    pub home_community_id: Option<HomeCommunityId>,
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
    /// Empty means stable only.
    pub entry_types: Vec<DocumentEntryType>,
    /// formatCode
    pub format_code: CodeFilter,
    /// confidentialityCode
    pub confidentiality_codes: CodeFilter,
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
            entry_types: vec![DocumentEntryType::Stable, DocumentEntryType::OnDemand],
            format_code: CodeFilter::default(),
            confidentiality_codes: CodeFilter::default(),
        }
    }

    /// Whether an entry of this patient passes the filters.
    pub fn matches_entry(&self, entry: &DocumentEntry) -> bool {
        self.document_entry_status.contains(&entry.availability_status)
            && type_asked_for(&self.entry_types, entry.entry_type)
            && self.format_code.matches([&entry.format_code])
            && self.confidentiality_codes.matches(&entry.confidentiality_codes)
    }
}

/// A stored query with typed parameters. ITI TF-2: 3.18.4.1.2.3.7.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredQuery {
    /// Entries of a patient.
    FindDocuments(Box<FindDocuments>),
    /// Everything of a patient, with the associations that touch it.
    GetAll(Box<GetAll>),
    /// Entries by id.
    GetDocuments(GetDocuments),
}

/// What a query found. The order is the registry's: newest creation first, then by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundObjects {
    /// Entries.
    pub document_entries: Vec<DocumentEntry>,
    /// SubmissionSets.
    pub submission_sets: Vec<SubmissionSet>,
    /// Folders.
    pub folders: Vec<Folder>,
    /// Associations.
    pub associations: Vec<Association>,
}

/// Whether a type is asked for; naming none means stable.
fn type_asked_for(asked: &[DocumentEntryType], entry_type: DocumentEntryType) -> bool {
    if asked.is_empty() {
        return entry_type == DocumentEntryType::Stable;
    }
    asked.contains(&entry_type)
}

fn in_group(group: &[(String, String)], code: &Code) -> bool {
    group.iter().any(|(c, scheme)| code.code == *c && code.scheme == *scheme)
}

/// SQL LIKE over the whole text: `%` is any run, `_` one character; no escape. Case-sensitive.
fn like(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: behind the last `%`, one character further in the text.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(c) if *c == '_' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after, from)) = retry else { return false };
                retry = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_matches_the_whole_text() {
        assert!(like("%Ford%", "^Ford^Sherry^^^"));
        assert!(like("_Ford^Sherry%", "^Ford^Sherry^^^"));
        assert!(!like("Ford%", "^Ford^Sherry^^^"));
        assert!(like("%", ""));
        assert!(like("a%b%c", "a123b456b7c"));
        assert!(!like("a%b%c", "a123b456b7"));
    }

    #[test]
    fn upper_bound_is_exclusive() {
        let dtm = |s: &str| s.parse::<Dtm>().unwrap();
        let range = DtmRange { from: Some(dtm("20041124")), to: Some(dtm("20041224")) };

        assert!(!range.contains(&dtm("20041224")));
        assert!(range.contains(&dtm("20041124")));
    }

    #[test]
    fn groups_of_codes_are_anded() {
        let pair = |c: &str| (c.to_owned(), "s".to_owned());
        let filter = CodeFilter(vec![vec![pair("A"), pair("B")], vec![pair("C")]]);
        let codes = [Code::new("B", "s", ""), Code::new("C", "s", "")];

        assert!(filter.matches(codes.iter()));
        assert!(!filter.matches(codes[..1].iter()));
        assert!(CodeFilter::default().matches([].iter()));
    }
}
