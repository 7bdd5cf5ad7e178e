use std::str::FromStr;

use carerecord_model::{
    Dtm, EntryUuid, HomeCommunityId, MimeType, NhsNumber, ObjectId, Oid, OrganisationCode,
    PatientId, UniqueId, Xcn,
};

#[path = "../../../../deploy/carerecord/src/publish/csv.rs"]
mod csv;

/// The claims of an access token, and tokens of a provider: nobody is believed without a signature.
pub(super) fn token(bytes: &[u8]) {
    let _ = carerecord_portal_api::fuzz::claims(bytes);
    let text = String::from_utf8_lossy(bytes);
    assert!(!carerecord_portal_api::fuzz::logout_token(&text), "a logout token without its key");
}

/// Rows come in the order of lines, and end.
pub(super) fn manifest(bytes: &[u8]) {
    let mut reader = csv::CsvReader::new(bytes);
    let mut last = 0;
    while let Ok(Some(row)) = reader.next_row() {
        assert!(row.line > last, "rows go back");
        last = row.line;
        if let Ok(fields) = &row.fields {
            let length: usize = fields.iter().map(String::len).sum();
            assert!(length <= bytes.len(), "fields out of nothing");
        }
    }
}

/// What is read of an identifier and written again names the same.
pub(super) fn identifier(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(100) {
        again::<Oid>(line);
        again::<HomeCommunityId>(line);
        again::<UniqueId>(line);
        again::<ObjectId>(line);
        again::<EntryUuid>(line);
        again::<Dtm>(line);
        again::<MimeType>(line);
        again::<OrganisationCode>(line);
        let _ = NhsNumber::from_str(line);
        if let Ok(id) = PatientId::from_str(line) {
            assert_eq!(PatientId::from_str(&id.to_cx()).ok(), Some(id));
        }
        if let Ok(person) = Xcn::from_str(line) {
            let _ = (person.display_name(), person.component(1));
        }
    }
}

fn again<T: FromStr + ToString + PartialEq>(text: &str) {
    if let Ok(value) = T::from_str(text) {
        let written = value.to_string();
        assert!(T::from_str(&written).is_ok_and(|v| v == value), "{text:?} becomes {written:?}");
    }
}
