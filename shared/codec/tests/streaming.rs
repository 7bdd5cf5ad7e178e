//! A large part passes through in memory that does not grow with it, and is not copied.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use carerecord_codec::ContentType;
use carerecord_codec::mtom::{Attachment, MtomReader, write_mtom};
use futures_util::{Stream, StreamExt, stream};

/// Bytes that count themselves while they live.
struct Counted {
    bytes: Vec<u8>,
    live: Arc<AtomicUsize>,
}

impl Counted {
    fn chunk(bytes: Vec<u8>, live: &Arc<AtomicUsize>) -> Bytes {
        live.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(Self { bytes, live: live.clone() })
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

const CHUNK: usize = 64 << 10;
const CHUNKS: usize = 1600;

#[tokio::test]
async fn a_hundred_mebibytes_pass_through_in_flat_memory() {
    let live = Arc::new(AtomicUsize::new(0));
    let message = message(&live);
    let total = message.length.unwrap();
    let content_type = ContentType::parse(&message.content_type).unwrap();
    let mut reader = MtomReader::new(&content_type, message.body).unwrap();

    reader.root_part(1000).await.unwrap().unwrap();
    reader.next_part().await.unwrap().unwrap();
    let (mut size, mut highest, mut pieces) = (0, 0, 0);
    while let Some(chunk) = reader.chunk().await.unwrap() {
        size += chunk.len();
        pieces += 1;
        highest = highest.max(live.load(Ordering::Relaxed));
    }

    assert_eq!(size, CHUNK * CHUNKS);
    assert!(total > size as u64);
    // The chunk in hand, and the next one.
    assert!(highest <= 2 * CHUNK, "{highest} bytes were held");
    assert!(pieces < 2 * CHUNKS, "cut into {pieces} pieces");
    assert!(reader.next_part().await.unwrap().is_none());
}

#[tokio::test]
async fn content_is_passed_on_without_copying() {
    let live = Arc::new(AtomicUsize::new(0));
    let content = Counted::chunk(vec![b'x'; CHUNK], &live);
    let place = content.as_ptr();
    let whole = [Bytes::from_static(b"--B\r\n\r\n"), content, Bytes::from_static(b"\r\n--B--")];
    let content_type = ContentType::parse("multipart/related; boundary=B").unwrap();
    let mut reader =
        MtomReader::new(&content_type, stream::iter(whole.map(Ok::<_, Infallible>))).unwrap();

    reader.next_part().await.unwrap();
    let chunk = reader.chunk().await.unwrap().unwrap();

    assert_eq!(chunk.as_ptr(), place);
}

/// An envelope and one part of 100 MiB, with line ends and dashes in it.
fn message(live: &Arc<AtomicUsize>) -> carerecord_codec::mtom::MtomMessage<Infallible> {
    let attachment = Attachment {
        content_id: "document".into(),
        content_type: "application/pdf".into(),
        size: Some((CHUNK * CHUNKS) as u64),
        body: Box::pin(content(live.clone())),
    };
    write_mtom("uuid-of-no-consequence", None, b"<x/>".to_vec(), vec![attachment])
}

fn content(live: Arc<AtomicUsize>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::iter(0..CHUNKS).map(move |n| {
        let mut bytes = vec![n as u8; CHUNK];
        bytes[CHUNK / 2..CHUNK / 2 + 10].copy_from_slice(b"\r\n--uuid-x");
        if n % 3 == 0 {
            bytes[CHUNK - 8..].copy_from_slice(b"x\r\n--uui");
        }
        Ok(Counted::chunk(bytes, &live))
    })
}
