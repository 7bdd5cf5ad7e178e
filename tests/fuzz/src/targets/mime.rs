use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use carerecord_codec::mtom::{MtomReader, cid_of_href};
use carerecord_codec::{ContentType, safe_content_type};
use futures_util::stream;

/// The first line is the Content-Type, the rest the body: the same parts come out however the body
/// is cut.
pub(super) fn mtom(bytes: &[u8]) {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).trim().to_owned();
    let Some(content_type) = ContentType::parse(&head) else { return };
    let body = Bytes::copy_from_slice(&bytes[(end + 1).min(bytes.len())..]);
    let whole = parts(&content_type, &body, usize::MAX);
    for size in [1, 7, 4096] {
        // One byte at a time only of what is short.
        if size > 1 || body.len() < 8 << 10 {
            assert_eq!(parts(&content_type, &body, size), whole, "cut in {size}");
        }
    }
}

type Parts = (Vec<(Option<String>, Bytes)>, bool);

/// The parts, and whether the message ended as it should.
fn parts(content_type: &ContentType, body: &Bytes, size: usize) -> Parts {
    let mut chunks = Vec::new();
    let mut rest = body.clone();
    while !rest.is_empty() {
        chunks.push(Ok::<_, Infallible>(rest.split_to(size.min(rest.len()))));
    }
    block_on(async {
        let mut found = Vec::new();
        let Ok(mut reader) = MtomReader::new(content_type, stream::iter(chunks)) else {
            return (found, false);
        };
        loop {
            match reader.next_part().await {
                Ok(Some(headers)) => match reader.whole_part(MAX_PART).await {
                    Ok(bytes) => found.push((headers.content_id, bytes)),
                    Err(_) => return (found, false),
                },
                Ok(None) => return (found, true),
                Err(_) => return (found, false),
            }
        }
    })
}

/// What is read from memory never waits.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
}

pub(super) fn content_type(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(parsed) = ContentType::parse(&text) {
        let _ = (parsed.is_multipart(), parsed.parameter("boundary"), parsed.parameter("start"));
    }
    let safe = safe_content_type(&text);
    assert!(!safe.bytes().any(|b| b < b' '), "a header with a line end");
    let _ = cid_of_href(&text);
}

const MAX_PART: usize = 1 << 20;
