use carerecord_access::ConsentRecord;
use carerecord_fhir::{
    DocumentReferenceSearch, Format, ListSearch, MatchRequest, PeopleSearch, consent_resource,
    identifier_number, only_known, pairs, parse_consent, parse_value_set, to_xml,
};
use carerecord_xml::{Limits, Tree, XmlErrorKind};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

/// Resources as they are sent: a Consent that is read says the same when it is written and read
/// again; anything that is JSON has an XML form that is XML, or none.
pub(super) fn json(bytes: &[u8]) {
    let _ = parse_value_set(bytes);
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let _ = MatchRequest::read(&value);
    if let Some(record) = consent(&value) {
        let again = consent(&consent_resource(&record));
        let provision = again.map(|record| record.provision);
        assert_eq!(provision, Some(record.provision), "a Consent changes on its way");
    }
    if let Ok(xml) = to_xml(&value) {
        let text = String::from_utf8_lossy(&xml);
        let read = Tree::read(&text, Limits::document());
        let limited = read.as_ref().is_err_and(|e| matches!(e.kind, XmlErrorKind::Limit(..)));
        assert!(read.is_ok() || limited, "a resource that is no XML: {text}");
    }
}

fn consent(value: &Value) -> Option<ConsentRecord> {
    let organisation = "ZEX01".parse().ok()?;
    parse_consent(value, Uuid::nil(), Timestamp::UNIX_EPOCH, "somebody", &organisation).ok()
}

pub(super) fn xml(bytes: &[u8]) {
    let _ = parse_value_set(bytes);
}

/// Query strings and forms.
pub(super) fn search(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pairs = pairs(&text);
    for strict in [false, true] {
        if let Ok(search) = DocumentReferenceSearch::parse(&pairs, strict) {
            let _ = search.find_documents();
        }
        let _ = ListSearch::parse(&pairs, strict);
        if let Ok(search) = PeopleSearch::parse(&pairs, strict) {
            let _ = search.identified().count();
        }
    }
    let _ = only_known(&pairs, &["status"]);
    for (_, value) in pairs.iter().take(20) {
        let _ = identifier_number(value);
        let _ = Format::negotiate(Some(value), Some(value));
    }
}
