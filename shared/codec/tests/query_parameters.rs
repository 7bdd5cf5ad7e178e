//! How the parameters of a stored query are written, and what is said of those that are wrong.
//! ITI TF-2: 3.18.4.1.2.3.5, 3.18.4.1.3.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use carerecord_codec::AdhocQueryRequest;
use carerecord_model::{ErrorCode, FindDocuments, QueryId, Slot, StoredQuery};

const PATIENT: &str = "'9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO'";
const APPROVED: &str = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')";

fn ask(id: &str, slots: &[(&str, &[&str])]) -> Result<StoredQuery, ErrorCode> {
    let slot = |(name, values): &(&str, &[&str])| Slot {
        name: (*name).to_owned(),
        values: values.iter().map(|v| (*v).to_owned()).collect(),
    };
    let request = AdhocQueryRequest {
        return_type: Some("LeafClass".into()),
        id: QueryId(id.into()),
        home: None,
        slots: slots.iter().map(slot).collect(),
    };
    request.stored_query().map_err(|error| error.0[0].code.clone())
}

/// FindDocuments with one or more further parameters.
fn find(more: &[(&str, &[&str])]) -> Result<FindDocuments, ErrorCode> {
    let mut slots: Vec<(&str, &[&str])> =
        vec![("$XDSDocumentEntryPatientId", &[PATIENT]), ("$XDSDocumentEntryStatus", &[APPROVED])];
    slots.extend(more);
    let query = ask(QueryId::FIND_DOCUMENTS, &slots)?;
    let StoredQuery::FindDocuments(find) = query else { panic!("{query:?}") };
    Ok(*find)
}

const CLASS: &str = "$XDSDocumentEntryClassCode";
const EVENT: &str = "$XDSDocumentEntryEventCodeList";

fn codes(groups: &[&[&str]]) -> Vec<Vec<(String, String)>> {
    let code = |c: &&str| ((*c).to_owned(), "1.2".to_owned());
    groups.iter().map(|g| g.iter().map(code).collect()).collect()
}

#[test]
fn q2_values_of_one_slot_are_one_list() {
    let split = find(&[(CLASS, &["('a^^1.2','b^^1.2')", "( 'c^^1.2' )"])]).unwrap();

    assert_eq!(split.filter.class_code.0, codes(&[&["a", "b", "c"]]));
}

#[test]
fn q2_a_repeated_slot_is_a_further_condition_of_attributes_with_many_values() {
    let twice: [(&str, &[&str]); 2] = [(EVENT, &["('a^^1.2')"]), (EVENT, &["('b^^1.2')"])];
    assert_eq!(find(&twice).unwrap().filter.event_codes.0, codes(&[&["a"], &["b"]]));

    let twice: [(&str, &[&str]); 2] = [(CLASS, &["('a^^1.2')"]), (CLASS, &["('b^^1.2')"])];
    assert_eq!(find(&twice).unwrap().filter.class_code.0, codes(&[&["a", "b"]]));
}

#[test]
fn q2_numbers_and_times_may_be_quoted_and_lists_bare() {
    let from = "$XDSDocumentEntryCreationTimeFrom";
    let plain = find(&[(from, &["20040101"]), ("$MetadataLevel", &["2"])]).unwrap();
    let quoted = find(&[(from, &["'20040101'"]), ("$MetadataLevel", &["'2'"])]).unwrap();
    assert_eq!(plain, quoted);

    let bare = find(&[(CLASS, &["'a^^1.2'"])]).unwrap();
    assert_eq!(bare.filter.class_code.0, codes(&[&["a"]]));
}

#[test]
fn q2_parameters_that_nobody_knows_are_ignored() {
    let obsolete = find(&[("$XDSDocumentEntryClassCodeScheme", &["('x')"])]).unwrap();

    assert_eq!(obsolete, find(&[]).unwrap());
}

#[test]
fn q2_names_of_parameters_are_case_sensitive() {
    let found = ask(QueryId::GET_ALL, &[("$PatientId", &[PATIENT])]);

    assert_eq!(found, Err(ErrorCode::XDSStoredQueryMissingParam));
}

#[test]
fn q2_a_code_needs_its_scheme() {
    for value in ["'REPORTS'", "('REPORTS^^')", "('a^^1.2','b^^')", "('^^1.2')"] {
        assert_eq!(find(&[(CLASS, &[value])]), Err(ErrorCode::XDSRegistryError), "{value}");
    }
}

#[test]
fn q9_what_does_not_close_or_is_no_time_is_malformed() {
    for value in ["('a^^1.2'", "('a^^1.2", "('a^^1.2' 'b^^1.2')", "'a^^1.2"] {
        assert_eq!(find(&[(CLASS, &[value])]), Err(ErrorCode::XDSRegistryError), "{value}");
    }
    let time = find(&[("$XDSDocumentEntryCreationTimeFrom", &["yesterday"])]);
    assert_eq!(time, Err(ErrorCode::XDSRegistryError));
}

#[test]
fn q9_one_value_is_one_value() {
    let two = format!("({PATIENT},{PATIENT})");
    let slots: [(&str, &[&str]); 2] =
        [("$XDSDocumentEntryPatientId", &[&two]), ("$XDSDocumentEntryStatus", &[APPROVED])];

    assert_eq!(ask(QueryId::FIND_DOCUMENTS, &slots), Err(ErrorCode::XDSStoredQueryParamNumber));
}

#[test]
fn q6_statuses_that_nobody_knows_are_as_if_missing() {
    let status = |value: &str| {
        let slots: [(&str, &[&str]); 2] =
            [("$XDSDocumentEntryPatientId", &[PATIENT]), ("$XDSDocumentEntryStatus", &[value])];
        ask(QueryId::FIND_DOCUMENTS, &slots)
    };

    assert_eq!(status("('urn:x:Approved')"), Err(ErrorCode::XDSStoredQueryMissingParam));
    let some = format!("('urn:x', {}", &APPROVED[1..]);
    assert!(status(&some).is_ok());
    // The standard's own samples have this one.
    assert!(status("('urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Approved')").is_ok());
}

#[test]
fn q4_objects_are_named_in_one_way() {
    let uuid: (&str, &[&str]) =
        ("$XDSDocumentEntryEntryUUID", &["('urn:uuid:aaaaaaaa-0000-4000-8000-000000000001')"]);
    let unique: (&str, &[&str]) = ("$XDSDocumentEntryUniqueId", &["('1.2.3')"]);
    let get = |slots: &[(&str, &[&str])]| ask(QueryId::GET_DOCUMENTS, slots);

    assert!(get(&[uuid]).is_ok() && get(&[unique]).is_ok());
    assert_eq!(get(&[uuid, unique]), Err(ErrorCode::XDSStoredQueryParamNumber));
    assert_eq!(get(&[]), Err(ErrorCode::XDSStoredQueryMissingParam));
}

#[test]
fn q9_a_query_that_nobody_knows_is_said_so() {
    let unknown = ask("urn:uuid:00000000-0000-4000-8000-000000000000", &[]);

    assert_eq!(unknown, Err(ErrorCode::XDSUnknownStoredQuery));
}
