//! From slots to typed queries.

use carerecord_model::{
    AssociationType, DocumentFilter, ErrorCode, FindDocuments, FindDocumentsForMultiplePatients,
    FindFolders, FindFoldersForMultiplePatients, FindSubmissionSets, FolderFilter, Get, GetAll,
    GetDocuments, HomeCommunityId, QueryId, StoredQuery, TransactionError,
};

use super::AdhocQueryRequest;
use super::parameters::{Parameters, malformed, missing, parse_one};

pub(super) fn stored_query(request: &AdhocQueryRequest) -> Result<StoredQuery, TransactionError> {
    let p = Parameters { slots: &request.slots };
    let home: Option<HomeCommunityId> = request
        .home
        .as_deref()
        .filter(|h| !h.is_empty())
        .map(|h| parse_one("@home", h))
        .transpose()?;
    let entry = ["$XDSDocumentEntryEntryUUID", "$XDSDocumentEntryUniqueId"];
    let get = |names: &[&str], single: bool| get(&p, names, single, home.clone());
    Ok(match request.id.0.as_str() {
        QueryId::FIND_DOCUMENTS => find_documents(&p, false)?,
        QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID => find_documents(&p, true)?,
        QueryId::FIND_SUBMISSION_SETS => find_submission_sets(&p)?,
        QueryId::FIND_FOLDERS => StoredQuery::FindFolders(Box::new(FindFolders {
            patient_id: p.required("$XDSFolderPatientId")?,
            filter: folder_filter(&p)?,
        })),
        QueryId::GET_ALL => get_all(&p)?,
        QueryId::GET_DOCUMENTS => StoredQuery::GetDocuments(GetDocuments {
            entries: p.objects(&[entry[0], entry[1], "$XDSDocumentEntryLogicalID"], false)?,
            home_community_id: home,
            level: p.level()?,
        }),
        QueryId::GET_FOLDERS => StoredQuery::GetFolders(get(
            &["$XDSFolderEntryUUID", "$XDSFolderUniqueId", "$XDSFolderLogicalID"],
            false,
        )?),
        QueryId::GET_ASSOCIATIONS => StoredQuery::GetAssociations(get(&["$uuid"], false)?),
        QueryId::GET_DOCUMENTS_AND_ASSOCIATIONS => {
            StoredQuery::GetDocumentsAndAssociations(get(&entry, false)?)
        }
        QueryId::GET_SUBMISSION_SETS => StoredQuery::GetSubmissionSets(get(&["$uuid"], false)?),
        QueryId::GET_SUBMISSION_SET_AND_CONTENTS => StoredQuery::GetSubmissionSetAndContents(get(
            &["$XDSSubmissionSetEntryUUID", "$XDSSubmissionSetUniqueId"],
            true,
        )?),
        QueryId::GET_FOLDER_AND_CONTENTS => StoredQuery::GetFolderAndContents(get(
            &["$XDSFolderEntryUUID", "$XDSFolderUniqueId"],
            true,
        )?),
        QueryId::GET_FOLDERS_FOR_DOCUMENT => StoredQuery::GetFoldersForDocument(get(&entry, true)?),
        QueryId::GET_RELATED_DOCUMENTS => related(&p, get(&entry, true)?)?,
        QueryId::FIND_DOCUMENTS_FOR_MULTIPLE_PATIENTS => documents_of_many(&p, false)?,
        QueryId::FIND_DOCUMENTS_BY_REFERENCE_ID_FOR_MULTIPLE_PATIENTS => {
            documents_of_many(&p, true)?
        }
        QueryId::FIND_FOLDERS_FOR_MULTIPLE_PATIENTS => folders_of_many(&p)?,
        _ => {
            return Err(TransactionError::one(
                ErrorCode::XDSUnknownStoredQuery,
                format!("the query {} is not supported", request.id.0),
            ));
        }
    })
}

fn find_documents(p: &Parameters<'_>, by_reference: bool) -> Result<StoredQuery, TransactionError> {
    let patient_id = p.required("$XDSDocumentEntryPatientId")?;
    let filter = document_filter(p, by_reference)?;
    Ok(StoredQuery::FindDocuments(Box::new(FindDocuments { patient_id, filter })))
}

fn document_filter(
    p: &Parameters<'_>,
    by_reference: bool,
) -> Result<DocumentFilter, TransactionError> {
    let reference_ids =
        if by_reference { p.groups("$XDSDocumentEntryReferenceIdList")? } else { Vec::new() };
    if by_reference && reference_ids.concat().is_empty() {
        return Err(missing("$XDSDocumentEntryReferenceIdList"));
    }
    Ok(DocumentFilter {
        status: p.statuses("$XDSDocumentEntryStatus")?,
        entry_types: p.types()?,
        class_code: p.any_code("$XDSDocumentEntryClassCode")?,
        type_code: p.any_code("$XDSDocumentEntryTypeCode")?,
        practice_setting_code: p.any_code("$XDSDocumentEntryPracticeSettingCode")?,
        healthcare_facility_type_code: p.any_code("$XDSDocumentEntryHealthcareFacilityTypeCode")?,
        event_codes: p.codes("$XDSDocumentEntryEventCodeList")?,
        confidentiality_codes: p.codes("$XDSDocumentEntryConfidentialityCode")?,
        format_code: p.any_code("$XDSDocumentEntryFormatCode")?,
        creation_time: p.range("$XDSDocumentEntryCreationTime")?,
        service_start_time: p.range("$XDSDocumentEntryServiceStartTime")?,
        service_stop_time: p.range("$XDSDocumentEntryServiceStopTime")?,
        author_person: p.list("$XDSDocumentEntryAuthorPerson")?,
        reference_ids,
        online: p.online()?,
        level: p.level()?,
    })
}

fn find_submission_sets(p: &Parameters<'_>) -> Result<StoredQuery, TransactionError> {
    Ok(StoredQuery::FindSubmissionSets(Box::new(FindSubmissionSets {
        patient_id: p.required("$XDSSubmissionSetPatientId")?,
        status: p.statuses("$XDSSubmissionSetStatus")?,
        source_ids: p.list("$XDSSubmissionSetSourceId")?,
        submission_time: p.range("$XDSSubmissionSetSubmissionTime")?,
        author_person: p.list("$XDSSubmissionSetAuthorPerson")?,
        content_type_code: p.any_code("$XDSSubmissionSetContentType")?,
    })))
}

fn folder_filter(p: &Parameters<'_>) -> Result<FolderFilter, TransactionError> {
    Ok(FolderFilter {
        status: p.statuses("$XDSFolderStatus")?,
        last_update_time: p.range("$XDSFolderLastUpdateTime")?,
        codes: p.codes("$XDSFolderCodeList")?,
        level: p.level()?,
    })
}

fn get_all(p: &Parameters<'_>) -> Result<StoredQuery, TransactionError> {
    Ok(StoredQuery::GetAll(Box::new(GetAll {
        patient_id: p.required("$patientId")?,
        document_entry_status: p.statuses("$XDSDocumentEntryStatus")?,
        submission_set_status: p.statuses("$XDSSubmissionSetStatus")?,
        folder_status: p.statuses("$XDSFolderStatus")?,
        content: p.content()?,
        scope: p.scope()?,
    })))
}

fn get(
    p: &Parameters<'_>,
    names: &[&str],
    single: bool,
    home_community_id: Option<HomeCommunityId>,
) -> Result<Box<Get>, TransactionError> {
    Ok(Box::new(Get {
        objects: p.objects(names, single)?,
        content: p.content()?,
        association_types: Vec::new(),
        scope: p.scope()?,
        home_community_id,
    }))
}

fn related(p: &Parameters<'_>, mut get: Box<Get>) -> Result<StoredQuery, TransactionError> {
    let name = "$AssociationTypes";
    let asked = p.list(name)?;
    if asked.is_empty() {
        return Err(missing(name));
    }
    for urn in &asked {
        get.association_types.push(AssociationType::from_urn(urn).ok_or_else(|| malformed(name))?);
    }
    Ok(StoredQuery::GetRelatedDocuments(get))
}

fn documents_of_many(
    p: &Parameters<'_>,
    by_reference: bool,
) -> Result<StoredQuery, TransactionError> {
    let patient_ids = p.patients("$XDSDocumentEntryPatientId")?;
    let filter = document_filter(p, by_reference)?;
    let narrow = !patient_ids.is_empty()
        || !filter.class_code.0.is_empty()
        || !filter.event_codes.0.is_empty()
        || !filter.healthcare_facility_type_code.0.is_empty()
        || !filter.reference_ids.is_empty();
    if !narrow {
        return Err(missing(
            "$XDSDocumentEntryPatientId, ClassCode, EventCodeList or HealthcareFacilityTypeCode",
        ));
    }
    let query = FindDocumentsForMultiplePatients { patient_ids, filter };
    Ok(StoredQuery::FindDocumentsForMultiplePatients(Box::new(query)))
}

fn folders_of_many(p: &Parameters<'_>) -> Result<StoredQuery, TransactionError> {
    let patient_ids = p.patients("$XDSFolderPatientId")?;
    let filter = folder_filter(p)?;
    if patient_ids.is_empty() && filter.codes.0.is_empty() {
        return Err(missing("$XDSFolderPatientId or $XDSFolderCodeList"));
    }
    let query = FindFoldersForMultiplePatients { patient_ids, filter };
    Ok(StoredQuery::FindFoldersForMultiplePatients(Box::new(query)))
}
