use carerecord_codec::saml::{SecurityHeader, verify};
use carerecord_codec::soap::{self, SoapError, Understood};
use carerecord_codec::{
    AdhocQueryRequest, AdhocQueryResponse, CodesFile, ProvideAndRegisterDocumentSetRequest,
    RegistryResponse, RemoveDocumentsRequest, RemoveObjectsRequest, RetrieveDocumentSetRequest,
    RetrieveDocumentSetResponse, SubmitObjectsRequest, ebrim,
};
use carerecord_xml::{
    Decode, Encode, Limits, Tree, XmlErrorKind, XmlReader, decode, encode, to_utf8,
};
use jiff::{SignedDuration, Timestamp};

/// The reader and the tree agree about what is well formed.
pub(super) fn xml(bytes: &[u8]) {
    let Ok(text) = to_utf8(bytes) else { return };
    for limits in [Limits::metadata(), Limits::document()] {
        let read = XmlReader::new(&text, limits).and_then(|mut xml| {
            xml.root()?;
            xml.skip()?;
            xml.finish()
        });
        let tree = Tree::read(&text, limits);
        // The tree counts what it keeps; it takes nothing that the reader does not.
        assert!(read.is_ok() || tree.is_err(), "the tree takes what the reader refuses");
        if let Ok(tree) = tree {
            let words: usize = tree.root().descendants().map(|e| e.text().len()).take(50).sum();
            assert!(words <= text.len() * 50, "text out of nothing");
        }
    }
}

pub(super) fn envelope(bytes: &[u8]) {
    let Ok(text) = to_utf8(bytes) else { return };
    let _ = soap::headers(&text);
    for security in [false, true] {
        let understood = Understood { security, ..Understood::default() };
        let read = soap::read_with(understood, &text, |_, _, xml| {
            xml.skip()?;
            Ok::<_, SoapError>(())
        });
        if let Err((error, headers)) = read {
            let answer = error.to_envelope("urn:uuid:x", headers.message_id.as_deref());
            // Whatever is sent, the fault that answers it is well formed, and quotes little.
            assert!(answer.len() < 64 << 10, "a long fault");
            let text = String::from_utf8_lossy(&answer);
            assert!(Tree::read(&text, Limits::metadata()).is_ok(), "a fault that is no XML");
        }
    }
}

/// What is read can be written, and says the same again.
fn round<T: Decode + Encode + PartialEq + std::fmt::Debug>(bytes: &[u8]) -> Option<T> {
    let value: T = decode(bytes).ok()?;
    again(&value);
    Some(value)
}

fn again<T: Decode + Encode + PartialEq + std::fmt::Debug>(value: &T) {
    // A text may have what XML cannot hold only where it was not read from XML.
    let Ok(written) = encode(value) else { panic!("what was read cannot be written") };
    match decode::<T>(&written) {
        Ok(again) => assert_eq!(again, *value, "encoding loses information"),
        // Escapes make it longer than it came.
        Err(error) if matches!(error.kind, XmlErrorKind::Limit(..)) => {}
        Err(error) => panic!("what was written is refused: {error}"),
    }
}

pub(super) fn submission(bytes: &[u8]) {
    let Some(request) = round::<SubmitObjectsRequest>(bytes) else { return };
    if let Ok(submission) = ebrim::submission(request.objects) {
        let again = SubmitObjectsRequest::new(&submission);
        let read = ebrim::submission(again.objects);
        assert_eq!(read.ok(), Some(submission), "metadata changes on its way");
    }
}

pub(super) fn query(bytes: &[u8]) {
    let Ok(mut request) = decode::<AdhocQueryRequest>(bytes) else { return };
    let _ = request.return_type();
    // What is not said is written out.
    request.return_type.get_or_insert_with(|| "LeafClass".to_owned());
    again(&request);
    if let Ok(query) = request.stored_query() {
        let again = AdhocQueryRequest::new(&query).stored_query();
        assert_eq!(again.ok(), Some(query), "a query changes on its way");
    }
}

pub(super) fn query_answer(bytes: &[u8]) {
    if let Some(answer) = round::<AdhocQueryResponse>(bytes) {
        let _ = answer.into_found();
    }
    if let Some(answer) = round::<RegistryResponse>(bytes) {
        let _ = answer.into_result();
    }
}

pub(super) fn repository(bytes: &[u8]) {
    let _ = decode::<ProvideAndRegisterDocumentSetRequest>(bytes);
    let _ = decode::<RetrieveDocumentSetResponse>(bytes);
    let _ = decode::<RetrieveDocumentSetRequest>(bytes);
    let _ = decode::<RemoveDocumentsRequest>(bytes);
    let _ = decode::<RemoveObjectsRequest>(bytes);
}

/// Nobody is trusted: whatever is sent, nobody is believed.
pub(super) fn saml(bytes: &[u8]) {
    let Ok(text) = to_utf8(bytes) else { return };
    let Ok(Some(header)) = SecurityHeader::find(&text) else { return };
    let (now, skew) = (Timestamp::UNIX_EPOCH, SignedDuration::from_secs(60));
    let verified = verify(&header, now, skew, |_| None);
    assert!(!matches!(verified, Ok(Some(_))), "an assertion of a stranger is believed");
}

pub(super) fn codes(bytes: &[u8]) {
    let _ = decode::<CodesFile>(bytes);
    let _ = carerecord_fhir::parse_value_set(bytes);
}
