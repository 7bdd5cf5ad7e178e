//! The bytes of documents: passed on as far as they can be the document.

use super::*;

#[tokio::test]
async fn bytes_go_out_only_as_far_as_they_can_be_the_document() {
    let long: Vec<u8> = (0..400_000u32).map(|n| n as u8).collect();
    let chunks = |bytes: &[u8]| bytes.chunks(60_000).map(Bytes::copy_from_slice).collect();
    let right = document(chunks(&long));
    let mut wrong = long.clone();
    wrong[399_999] ^= 1;

    let whole = read(begun(right, expected(&long)).await).await;
    let hash = read(begun(document(chunks(&wrong)), expected(&long)).await).await;
    let more = read(begun(document(chunks(&[&long[..], b"!"].concat())), expected(&long)).await);
    let less = read(begun(document(chunks(&long[..399_999])), expected(&long)).await);

    assert_eq!(whole, (long.clone(), None));
    for (bytes, error) in [hash, more.await, less.await] {
        assert!(error.unwrap().contains("the document is"));
        assert!(bytes.len() < long.len(), "the end is held back");
        assert_eq!(bytes, long[..bytes.len()]);
    }
}

#[tokio::test]
async fn a_short_document_that_is_another_is_refused_before_anything_goes_out() {
    let other = document(vec![Bytes::from_static(b"pulse 64"), Bytes::from_static(b"/min")]);
    let empty = document(Vec::new());
    let unknown = Expected { size: None, hash: None };

    for document in [other, empty] {
        let refused = begun(document, expected(b"pulse 63/min")).await.err().unwrap();
        assert!(!refused.of_endpoint, "others of it may be well");
        assert!(matches!(refused.error, PortError::Protocol(_)));
    }
    let on_demand = begun(document(vec![Bytes::from_static(b"made now")]), unknown).await;
    assert_eq!(read(on_demand).await, (b"made now".to_vec(), None));
}

#[tokio::test]
async fn a_document_that_drips_has_begun() {
    let drops = stream::unfold(0, |n| async move {
        tokio::time::sleep(Duration::from_millis(40)).await;
        (n < 20).then(|| (Ok(Bytes::from_static(b"drop")), n + 1))
    });
    let slow = RetrievedDocument { body: Box::pin(drops), ..document(Vec::new()) };

    let begun_at = Instant::now();
    let begun = begun(slow, expected(&b"drop".repeat(20))).await;
    let took = begun_at.elapsed();

    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(read(begun).await, (b"drop".repeat(20), None));
}

async fn read(document: Result<RetrievedDocument, Failure>) -> (Vec<u8>, Option<String>) {
    let mut bytes = Vec::new();
    let mut body = match document {
        Ok(document) => document.body,
        Err(failure) => return (bytes, Some(failure.error.to_string())),
    };
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => return (bytes, Some(error.to_string())),
        }
    }
    (bytes, None)
}

pub(super) fn document(chunks: Vec<Bytes>) -> RetrievedDocument {
    RetrievedDocument {
        mime_type: "text/plain".parse().unwrap(),
        size: None,
        hash: None,
        body: Box::pin(stream::iter(chunks.into_iter().map(Ok))),
        range: None,
    }
}

fn expected(bytes: &[u8]) -> Expected {
    let sha1 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let hash = sha1.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    Expected { size: Some(bytes.len() as u64), hash: Some(hash) }
}
