use std::io::Write as _;

use super::*;

#[test]
fn text_of_every_kind_is_read() {
    let cda = "<ClinicalDocument xmlns='urn:hl7-org:v3'><title>Discharge</title><component>\
        <structuredBody><component><section><title>Diagnoses</title><text>Known \
        <content>asthma</content> &amp; eczema</text></section></component></structuredBody>\
        </component></ClinicalDocument>";
    let fhir = r#"{"resourceType":"Bundle","type":"document","entry":[{"resource":{
        "resourceType":"Composition","title":"Summary","section":[{"title":"Plan","text":{
        "div":"<div xmlns='http://www.w3.org/1999/xhtml'>Review in <b>May</b></div>"}}]}}]}"#;
    let html = "<!DOCTYPE html><html><script>var hidden</script><p>Seen in clinic</p>";
    for (bytes, headings, text) in [
        (cda.as_bytes(), "Discharge\nDiagnoses", "Known asthma & eczema"),
        (fhir.as_bytes(), "Summary\nPlan", "Review in May"),
        (html.as_bytes(), "", "Seen in clinic"),
        (b"Caf\xe9 visit", "", "Café visit"),
        (b"Pulse 64/min.\n", "", "Pulse 64/min."),
        (RTF, "", "Known “asthma” – café £5\nNext\tline 1"),
        (&pdf("Known asthma", false), "", "Known asthma"),
        (&pdf("Known asthma", true), "", "Known asthma"),
    ] {
        let extracted = extract(bytes, soon()).unwrap();

        assert_eq!(extracted.headings, headings);
        assert_eq!(extracted.text.trim(), text);
    }
}

#[test]
fn what_has_no_text_says_why() {
    let encrypted = [&pdf("x", false)[..], b"trailer << /Encrypt 9 0 R >>"].concat();
    let of = |bytes: &[u8]| extract(bytes, soon()).err().unwrap();

    assert_eq!(of(&encrypted), Unreadable::Encrypted);
    assert_eq!(of(b"%PDF-1.4 nothing"), Unreadable::Broken("a PDF"));
    assert_eq!(of(&pdf("", false)), Unreadable::NoText("a PDF"));
    assert_eq!(of(b"\x89PNG\r\n\x1a\n...."), Unreadable::Kind("an image"));
    assert_eq!(of(b"\0\x01"), Unreadable::Kind("a file of unknown format"));
    let broken = of(b"<ClinicalDocument xmlns='urn:hl7-org:v3'><a>");
    assert_eq!(broken, Unreadable::Broken("a CDA document"));
    assert_eq!(
        extract(b"%PDF-1.4 1 0 obj << >> endobj", Deadline::after(Duration::ZERO)).err(),
        Some(Unreadable::TooSlow)
    );
}

#[test]
fn a_pdf_inside_a_document_is_read() {
    use base64::Engine as _;
    let file = base64::engine::general_purpose::STANDARD.encode(pdf("Echo: normal", true));
    let cda = format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><title>Report</title><component><nonXMLBody>\
         <text mediaType='application/pdf' representation='B64'>{file}</text></nonXMLBody>\
         </component></ClinicalDocument>"
    );

    assert!(extract(cda.as_bytes(), soon()).unwrap().text.contains("Echo: normal"));
}

#[test]
fn words_of_a_pdf_are_told_apart_by_their_places() {
    let content = "BT /F1 10 Tf 1 0 0 1 50 700 Tm (Known) Tj 30 0 Td (asthma) Tj \
        0 -12 Td [(ec) -20 (zema) -300 (since)] TJ T* (2009) ' \
        1 0 0 1 50 600 Tm (A) Tj 1 0 0 1 56 600 Tm (B) Tj ET";

    let text = extract(&pdf_of(content.as_bytes(), false), soon()).unwrap().text;

    assert_eq!(text.trim(), "Known asthma\neczema since 2009\nAB", "{text}");
}

#[test]
fn a_bomb_in_a_pdf_is_not_unpacked_beyond_its_bounds() {
    let bomb = pdf_of(&vec![b' '; 200 << 20], true);
    let started = std::time::Instant::now();

    let _ = extract(&bomb, soon());

    assert!(started.elapsed() < Duration::from_secs(9));
}

#[test]
fn hostile_bytes_neither_panic_nor_hang() {
    let good: Vec<Vec<u8>> = vec![pdf("Known asthma", false), pdf("x", true), RTF.to_vec()];
    let mut random = 12345u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) as usize
    };
    for bytes in &good {
        for end in 0..bytes.len() {
            let _ = extract(&bytes[..end], soon());
        }
        for _ in 0..2_000 {
            let mut changed = bytes.clone();
            for _ in 0..1 + next() % 8 {
                let at = next() % changed.len();
                changed[at] = [b'<', b'>', b'(', b'/', b'[', b'\\', b'{', 0xff, b'9'][next() % 9];
            }
            let _ = extract(&changed, soon());
        }
    }
    for deep in ["[", "<<", "(", "{\\rtf1 {", "<< /A "] {
        let bytes = format!("%PDF-1.4 1 0 obj {}", deep.repeat(50_000));
        let _ = extract(bytes.as_bytes(), soon());
        let _ = rtf_text(deep.repeat(50_000).as_bytes(), MAX_TEXT);
    }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

fn pdf(text: &str, packed: bool) -> Vec<u8> {
    pdf_of(format!("BT /F1 12 Tf 72 720 Td ({text}) Tj ET").as_bytes(), packed)
}

/// One page with this content.
fn pdf_of(content: &[u8], packed: bool) -> Vec<u8> {
    let (filter, stream) = if packed {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(content).unwrap();
        ("/Filter /FlateDecode ", zlib.finish().unwrap())
    } else {
        ("", content.to_vec())
    };
    let head = format!(
        "%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n\
         2 0 obj << /Type /Pages /Kids [3 0 R] /Resources << /Font << /F1 4 0 R >> >> >> endobj\n\
         3 0 obj << /Type /Page /Parent 2 0 R /Contents 5 0 R >> endobj\n\
         4 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj\n\
         5 0 obj << {filter}/Length {} >>\nstream\n",
        stream.len()
    );
    [head.as_bytes(), &stream, b"\nendstream endobj\n"].concat()
}

const RTF: &[u8] = b"{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}{\\*\\generator X;}Known \\ldblquote \
asthma\\rdblquote  \\endash  caf\\'e9 \\u163?5\\par Next\\tab line\\~1}";
