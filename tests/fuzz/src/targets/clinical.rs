use carerecord_clinical::{DocumentHeader, Kind, payload, pdf_is_active, plain_text, render};
use carerecord_repository::fuzz;

/// What is shown of a document has no way to run anything, whatever the document.
pub(super) fn document(bytes: &[u8]) {
    let kind = Kind::sniff(bytes);
    if let Ok(header) = DocumentHeader::read_as(bytes, &kind) {
        let _ = (header.unique_id(), header.replaces().count());
    }
    let _ = payload(bytes);
    let _ = plain_text(bytes, &kind);
    let rendered = render(bytes, &kind);
    for section in &rendered.sections {
        is_harmless(section.html.as_str());
    }
}

/// Tags and attributes are those that the writer has; what came from the document stands in texts
/// and in quoted values, escaped.
fn is_harmless(html: &str) {
    for tag in html.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        let bad = ["script", "iframe", "object", "embed", "img", "svg", "math", "style", "link"];
        assert!(!bad.contains(&name.as_str()), "<{name}>");
        // Outside of quotes there is nothing but names of attributes.
        let bare: String = tag.split('"').step_by(2).collect::<String>().to_ascii_lowercase();
        for attribute in bare.split_ascii_whitespace() {
            assert!(!attribute.starts_with("on"), "{attribute}");
            assert!(!attribute.starts_with("style"), "{attribute}");
        }
        let values = tag.split('"').skip(1).step_by(2);
        for value in values {
            let value = value.trim_start().to_ascii_lowercase();
            assert!(!value.starts_with("javascript:") && !value.starts_with("data:"), "{value}");
        }
    }
}

/// Nothing that stands before a script hides it, packed or not.
pub(super) fn pdf(bytes: &[u8]) {
    let _ = pdf_is_active(bytes);
    for script in [b"<</S/JavaScript>>".as_slice(), PACKED_SCRIPT] {
        assert!(pdf_is_active(&[bytes, b"\n", script].concat()), "a script is not seen");
    }
}

/// Words for searches: of anything, in bounds.
pub(super) fn text(bytes: &[u8]) {
    assert!(fuzz::text(bytes).unwrap_or_default() <= MOST, "more text than is kept");
}

const PACKED_SCRIPT: &[u8] = include_bytes!("../../seeds/pdf/packed-script.pdf");
const MOST: usize = (1 << 20) + (64 << 10);
