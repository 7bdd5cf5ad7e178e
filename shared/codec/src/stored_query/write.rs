//! From typed queries to slots.

use carerecord_model::{
    AssociationType, AvailabilityStatus, CodeFilter, ContentFilter, DocumentEntryType,
    DocumentFilter, DtmRange, EntryRef, FindSubmissionSets, FolderFilter, Get, GetAll,
    HomeCommunityId, MetadataLevel, PatientId, QueryId, Scope, Slot, StoredQuery,
};

type Written = (&'static str, Option<String>, Vec<Slot>);

pub(super) fn stored_query(query: &StoredQuery) -> Written {
    let home = |h: &Option<HomeCommunityId>| h.as_ref().map(ToString::to_string);
    let get = |id, prefix, g: &Get| (id, home(&g.home_community_id), get_slots(prefix, g));
    match query {
        StoredQuery::FindDocuments(q) => {
            let id = if q.filter.reference_ids.is_empty() {
                QueryId::FIND_DOCUMENTS
            } else {
                QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID
            };
            let patient =
                patients("$XDSDocumentEntryPatientId", std::slice::from_ref(&q.patient_id));
            (id, None, [patient, document_slots(&q.filter)].concat())
        }
        StoredQuery::FindSubmissionSets(q) => {
            (QueryId::FIND_SUBMISSION_SETS, None, submission_set_slots(q))
        }
        StoredQuery::FindFolders(q) => {
            let patient = patients("$XDSFolderPatientId", std::slice::from_ref(&q.patient_id));
            (QueryId::FIND_FOLDERS, None, [patient, folder_slots(&q.filter)].concat())
        }
        StoredQuery::GetAll(q) => (QueryId::GET_ALL, None, get_all_slots(q)),
        StoredQuery::GetDocuments(q) => {
            let mut slots = vec![object_slot("$XDSDocumentEntry", &q.entries)];
            slots.extend(level_slot(q.level));
            (QueryId::GET_DOCUMENTS, home(&q.home_community_id), slots)
        }
        StoredQuery::GetFolders(g) => get(QueryId::GET_FOLDERS, "$XDSFolder", g),
        StoredQuery::GetAssociations(g) => get(QueryId::GET_ASSOCIATIONS, "$uuid", g),
        StoredQuery::GetDocumentsAndAssociations(g) => {
            get(QueryId::GET_DOCUMENTS_AND_ASSOCIATIONS, "$XDSDocumentEntry", g)
        }
        StoredQuery::GetSubmissionSets(g) => get(QueryId::GET_SUBMISSION_SETS, "$uuid", g),
        StoredQuery::GetSubmissionSetAndContents(g) => {
            get(QueryId::GET_SUBMISSION_SET_AND_CONTENTS, "$XDSSubmissionSet", g)
        }
        StoredQuery::GetFolderAndContents(g) => {
            get(QueryId::GET_FOLDER_AND_CONTENTS, "$XDSFolder", g)
        }
        StoredQuery::GetFoldersForDocument(g) => {
            get(QueryId::GET_FOLDERS_FOR_DOCUMENT, "$XDSDocumentEntry", g)
        }
        StoredQuery::GetRelatedDocuments(g) => {
            get(QueryId::GET_RELATED_DOCUMENTS, "$XDSDocumentEntry", g)
        }
        StoredQuery::FindDocumentsForMultiplePatients(q) => {
            let id = if q.filter.reference_ids.is_empty() {
                QueryId::FIND_DOCUMENTS_FOR_MULTIPLE_PATIENTS
            } else {
                QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID_FOR_MULTIPLE_PATIENTS
            };
            let of = patient_list("$XDSDocumentEntryPatientId", &q.patient_ids);
            (id, None, [of, document_slots(&q.filter)].concat())
        }
        StoredQuery::FindFoldersForMultiplePatients(q) => {
            let of = patient_list("$XDSFolderPatientId", &q.patient_ids);
            let id = QueryId::FIND_FOLDERS_FOR_MULTIPLE_PATIENTS;
            (id, None, [of, folder_slots(&q.filter)].concat())
        }
    }
}

fn document_slots(q: &DocumentFilter) -> Vec<Slot> {
    let mut slots = vec![status_slot("$XDSDocumentEntryStatus", &q.status)];
    slots.extend(type_slot(&q.entry_types));
    let codes = [
        ("$XDSDocumentEntryClassCode", &q.class_code),
        ("$XDSDocumentEntryTypeCode", &q.type_code),
        ("$XDSDocumentEntryPracticeSettingCode", &q.practice_setting_code),
        ("$XDSDocumentEntryHealthcareFacilityTypeCode", &q.healthcare_facility_type_code),
        ("$XDSDocumentEntryEventCodeList", &q.event_codes),
        ("$XDSDocumentEntryConfidentialityCode", &q.confidentiality_codes),
        ("$XDSDocumentEntryFormatCode", &q.format_code),
    ];
    slots.extend(codes.into_iter().flat_map(|(name, filter)| code_slots(name, filter)));
    slots.extend(range_slots("$XDSDocumentEntryCreationTime", &q.creation_time));
    slots.extend(range_slots("$XDSDocumentEntryServiceStartTime", &q.service_start_time));
    slots.extend(range_slots("$XDSDocumentEntryServiceStopTime", &q.service_stop_time));
    slots.extend(text_slot("$XDSDocumentEntryAuthorPerson", &q.author_person));
    let groups = q.reference_ids.iter();
    slots.extend(groups.map(|g| slot("$XDSDocumentEntryReferenceIdList", list(g))));
    slots.extend(q.online.map(|online| {
        let kind = if online { "Online" } else { "Offline" };
        let urn = format!("urn:ihe:iti:2010:DocumentAvailability:{kind}");
        slot("$XDSDocumentEntryDocumentAvailability", list(&[urn]))
    }));
    slots.extend(level_slot(q.level));
    slots
}

fn submission_set_slots(q: &FindSubmissionSets) -> Vec<Slot> {
    let mut slots = patients("$XDSSubmissionSetPatientId", std::slice::from_ref(&q.patient_id));
    slots.push(status_slot("$XDSSubmissionSetStatus", &q.status));
    slots.extend(text_slot("$XDSSubmissionSetSourceId", &q.source_ids));
    slots.extend(range_slots("$XDSSubmissionSetSubmissionTime", &q.submission_time));
    slots.extend(text_slot("$XDSSubmissionSetAuthorPerson", &q.author_person));
    slots.extend(code_slots("$XDSSubmissionSetContentType", &q.content_type_code));
    slots
}

fn folder_slots(q: &FolderFilter) -> Vec<Slot> {
    let mut slots = vec![status_slot("$XDSFolderStatus", &q.status)];
    slots.extend(range_slots("$XDSFolderLastUpdateTime", &q.last_update_time));
    slots.extend(code_slots("$XDSFolderCodeList", &q.codes));
    slots.extend(level_slot(q.level));
    slots
}

fn get_all_slots(q: &GetAll) -> Vec<Slot> {
    let mut slots = patients("$patientId", std::slice::from_ref(&q.patient_id));
    slots.push(status_slot("$XDSDocumentEntryStatus", &q.document_entry_status));
    slots.push(status_slot("$XDSSubmissionSetStatus", &q.submission_set_status));
    slots.push(status_slot("$XDSFolderStatus", &q.folder_status));
    slots.extend(content_slots(&q.content));
    slots.extend(scope_slots(&q.scope));
    slots
}

fn get_slots(prefix: &str, g: &Get) -> Vec<Slot> {
    let mut slots = vec![object_slot(prefix, &g.objects)];
    let types: Vec<String> =
        g.association_types.iter().map(|t: &AssociationType| t.urn().to_owned()).collect();
    slots.extend(text_slot("$AssociationTypes", &types));
    slots.extend(content_slots(&g.content));
    slots.extend(scope_slots(&g.scope));
    slots
}

fn content_slots(c: &ContentFilter) -> Vec<Slot> {
    let mut slots: Vec<Slot> = type_slot(&c.entry_types).into_iter().collect();
    slots.extend(code_slots("$XDSDocumentEntryFormatCode", &c.format_code));
    slots.extend(code_slots("$XDSDocumentEntryConfidentialityCode", &c.confidentiality_codes));
    slots
}

fn scope_slots(scope: &Scope) -> Vec<Slot> {
    let mut slots: Vec<Slot> = level_slot(scope.level).into_iter().collect();
    if !scope.association_status.is_empty() {
        slots.push(status_slot("$XDSAssociationStatus", &scope.association_status));
    }
    slots
}

fn level_slot(level: MetadataLevel) -> Option<Slot> {
    (level == MetadataLevel::Two).then(|| slot("$MetadataLevel", "2".to_owned()))
}

fn object_slot(prefix: &str, objects: &EntryRef) -> Slot {
    let name = |suffix: &str| match prefix {
        "$uuid" => prefix.to_owned(),
        _ => format!("{prefix}{suffix}"),
    };
    match objects {
        EntryRef::Uuids(ids) => slot(&name("EntryUUID"), list(&texts(ids))),
        EntryRef::UniqueIds(ids) => slot(&name("UniqueId"), list(&texts(ids))),
        EntryRef::LogicalIds(ids) => slot(&name("LogicalID"), list(&texts(ids))),
    }
}

fn patients(name: &str, ids: &[PatientId]) -> Vec<Slot> {
    ids.iter().map(|id| slot(name, quote(&id.to_cx()))).collect()
}

fn patient_list(name: &str, ids: &[PatientId]) -> Vec<Slot> {
    text_slot(name, &ids.iter().map(PatientId::to_cx).collect::<Vec<_>>()).into_iter().collect()
}

fn range_slots(name: &str, range: &DtmRange) -> Vec<Slot> {
    let bound = |end: &str, time: &Option<carerecord_model::Dtm>| {
        time.as_ref().map(|t| slot(&format!("{name}{end}"), t.to_string()))
    };
    [bound("From", &range.from), bound("To", &range.to)].into_iter().flatten().collect()
}

fn text_slot(name: &str, values: &[String]) -> Option<Slot> {
    (!values.is_empty()).then(|| slot(name, list(values)))
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

pub(super) fn slot(name: &str, value: String) -> Slot {
    Slot { name: name.to_owned(), values: vec![value] }
}

fn status_slot(name: &str, statuses: &[AvailabilityStatus]) -> Slot {
    let urns: Vec<String> = statuses.iter().map(|s| s.urn().to_owned()).collect();
    slot(name, list(&urns))
}

fn type_slot(types: &[DocumentEntryType]) -> Option<Slot> {
    let urns: Vec<String> = types.iter().map(|t| t.urn().to_owned()).collect();
    (!urns.is_empty()).then(|| slot("$XDSDocumentEntryType", list(&urns)))
}

fn code_slots(name: &str, filter: &CodeFilter) -> Vec<Slot> {
    let text = |(code, scheme): &(String, String)| format!("{code}^^{scheme}");
    let groups = filter.0.iter();
    groups.map(|g| slot(name, list(&g.iter().map(text).collect::<Vec<_>>()))).collect()
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn list(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|t| quote(t)).collect();
    format!("({})", quoted.join(","))
}
