//! Messages of real systems and of the standard's examples are read, however they are cut.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use carerecord_codec::mtom::{MtomReader, cid_of_href};
use carerecord_codec::name::{XOP, action};
use carerecord_codec::{ContentType, ProvideAndRegisterDocumentSetRequest, soap};
use carerecord_testkit::{corpus, files};
use carerecord_xml::{Decode, Limits, Tree, to_utf8};
use futures_util::stream;

type Parts = Vec<(Option<String>, Bytes)>;

#[tokio::test]
async fn multipart_messages_are_read_however_they_are_cut() {
    let Some(corpus) = corpus() else { return };
    let messages = multipart_messages(&corpus);
    assert!(messages.len() >= 2, "the corpus holds raw messages");

    for (path, content_type, body) in messages {
        let whole = read(&content_type, &body, body.len()).await.expect(&path);
        check_envelope(&path, &whole);

        for cut in (1..200).chain([1000, 4096]) {
            assert_eq!(
                read(&content_type, &body, cut).await.expect(&path),
                whole,
                "{path} by {cut}"
            );
        }
        for at in 0..body.len() {
            let split = read_split(&content_type, &body, at).await.expect(&path);
            assert_eq!(split, whole, "{path} split at {at}");
        }
        println!("{path}: {} parts", whole.len());
    }
}

#[test]
fn example_messages_are_read() {
    let Some(corpus) = corpus() else { return };
    let mut envelopes = 0;
    for path in examples(&corpus, "xml") {
        let bytes = std::fs::read(&path).unwrap();
        let text = to_utf8(&bytes).unwrap();
        let path = path.display().to_string();
        let tree = Tree::read(&text, Limits::metadata()).expect(&path);
        if tree.root().local() == "Envelope" {
            soap::read(&text, |_, _, xml| Ok(xml.skip()?)).expect(&path);
            envelopes += 1;
        }
    }

    assert!(envelopes >= 3, "{envelopes} envelopes");
}

#[test]
fn every_xml_file_of_the_corpus_is_read_or_refused_with_a_reason() {
    let Some(corpus) = corpus() else { return };
    let (mut read, mut refused) = (0, 0);
    for path in files(&corpus.join("xds")).into_iter().filter(|p| has_extension(p, "xml")) {
        let bytes = std::fs::read(&path).unwrap();
        let tree = to_utf8(&bytes).and_then(|text| Tree::read(&text, Limits::document()));
        match tree {
            Ok(_) => read += 1,
            Err(error) => {
                refused += 1;
                println!("{}: {error}", path.display());
            }
        }
    }

    println!("{read} read, {refused} refused");
    assert!(read > 500 && refused < 10, "{read} read, {refused} refused");
}

/// The envelope in the root part is SOAP, and its Includes name parts: but for one dump, whose
/// Content-IDs have lost their domain on the way into the corpus.
fn check_envelope(path: &str, parts: &Parts) {
    let text = to_utf8(&parts[0].1).expect(path);
    let includes = Tree::read(&text, Limits::metadata()).expect(path);
    for include in includes.root().descendants().filter(|e| e.is(XOP, "Include")) {
        let (raw, decoded) = cid_of_href(include.attr("href").unwrap_or_default()).expect(path);
        let named =
            |id: &Option<String>| id.as_ref().is_some_and(|id| *id == raw || *id == decoded);
        let there = parts.iter().any(|(id, _)| named(id));
        assert_eq!(there, !path.ends_with("sample_mtom_message.txt"), "{path}: the part {raw}");
    }
    let (headers, ()) = soap::read(&text, |headers, start, xml| {
        if headers.action != action::PROVIDE_AND_REGISTER {
            return Ok(xml.skip()?);
        }
        let request = ProvideAndRegisterDocumentSetRequest::decode(start, xml)?;
        assert!(!request.documents.is_empty(), "{path}");
        Ok(())
    })
    .expect(path);
    assert!(headers.action.starts_with("urn:ihe:iti:2007:"), "{path}: {}", headers.action);
}

async fn read(content_type: &ContentType, body: &[u8], cut: usize) -> Result<Parts, String> {
    read_chunks(content_type, body.chunks(cut.max(1)).map(Bytes::copy_from_slice).collect()).await
}

async fn read_split(content_type: &ContentType, body: &[u8], at: usize) -> Result<Parts, String> {
    let (head, tail) = body.split_at(at);
    let chunks = vec![Bytes::copy_from_slice(head), Bytes::copy_from_slice(tail)];
    read_chunks(content_type, chunks).await
}

async fn read_chunks(content_type: &ContentType, chunks: Vec<Bytes>) -> Result<Parts, String> {
    let source = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
    let mut reader = MtomReader::new(content_type, source).map_err(|e| e.to_string())?;
    let root = reader.root_part(1 << 20).await.map_err(|e| e.to_string())?;
    let mut parts: Parts = root.into_iter().map(|(headers, c)| (headers.content_id, c)).collect();
    while let Some(headers) = reader.next_part().await.map_err(|e| e.to_string())? {
        let content = reader.whole_part(1 << 20).await.map_err(|e| e.to_string())?;
        parts.push((headers.content_id, content));
    }
    Ok(parts)
}

/// Every file that is a message in several parts: where it is, its type and its body.
fn multipart_messages(corpus: &Path) -> Vec<(String, ContentType, Vec<u8>)> {
    let raw = ["xds/nist-raw", "xds/nist-testkit/tests/PnrXop"].map(|f| files(&corpus.join(f)));
    let all = raw.into_iter().flatten().filter(|p| has_extension(p, "txt"));
    let mut found = Vec::new();
    for path in all.chain(examples(corpus, "http")) {
        let bytes = std::fs::read(&path).expect("the corpus can be read");
        let read = bare_body(&bytes).or_else(|| http_message(&bytes));
        if let Some((content_type, body)) = read.filter(|(_, body)| !body.is_empty()) {
            found.push((path.display().to_string(), content_type, body.to_vec()));
        }
    }
    found
}

/// A body without its HTTP headers: its first line tells the boundary.
fn bare_body(bytes: &[u8]) -> Option<(ContentType, &[u8])> {
    let line = bytes.strip_prefix(b"--")?.split(|b| *b == b'\n').next()?;
    let boundary = String::from_utf8_lossy(line);
    let header = format!("multipart/related; boundary=\"{}\"", boundary.trim());
    Some((ContentType::parse(&header)?, bytes))
}

fn http_message(bytes: &[u8]) -> Option<(ContentType, &[u8])> {
    let (head, body) = split_head(bytes)?;
    let head = String::from_utf8_lossy(head);
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
    let content_type = ContentType::parse(value)?;
    content_type.is_multipart().then_some((content_type, body))
}

fn split_head(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let ends = [&b"\r\n\r\n"[..], b"\n\n", b"\n \n"];
    let find =
        |end: &[u8]| message.windows(end.len()).position(|w| w == end).map(|at| (at, end.len()));
    let (at, length) = ends.into_iter().filter_map(find).min()?;
    Some((&message[..at], &message[at + length..]))
}

/// The worked examples that stand beside the corpus.
fn examples(corpus: &Path, extension: &str) -> Vec<PathBuf> {
    let Some(folder) = carerecord_testkit::examples(corpus) else { return Vec::new() };
    files(&folder).into_iter().filter(|p| has_extension(p, extension)).collect()
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}
