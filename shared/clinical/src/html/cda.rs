use std::collections::HashMap;

use carerecord_xml::ElementRef;

use super::narrative::Narrative;
use super::{Attachment, Rendered};
use crate::Kind;
use crate::header::{cda_coding, clean};
use crate::text::html_to_text;

/// Shows the body of a `ClinicalDocument`.
pub(super) fn render(document: ElementRef<'_>, out: &mut Rendered) {
    out.title = document.child("title").and_then(|t| clean(&t.text()));
    let media = media(document, out);
    for component in document.all("component") {
        if let Some(body) = component.child("nonXMLBody") {
            non_xml_body(body, out);
        }
        if let Some(body) = component.child("structuredBody") {
            sections(body, 0, &media, out);
        }
    }
    if out.sections.is_empty() && out.attachments.is_empty() && out.notes.is_empty() {
        out.note("The document has no body.");
    }
}

fn sections(
    parent: ElementRef<'_>,
    depth: usize,
    media: &HashMap<String, String>,
    out: &mut Rendered,
) {
    for section in parent.all("component").flat_map(|c| c.all("section")) {
        let title = section.child("title").and_then(|t| clean(&t.text()));
        let code = section.child("code").and_then(cda_coding);
        out.add(title, code, depth, |html| {
            if let Some(text) = section.child("text") {
                Narrative::new(html, media).inside(text);
            }
        });
        sections(section, depth + 1, media, out);
    }
}

/// Takes the objects of the entries out as attachments; gives what stands for each by its ID.
fn media(document: ElementRef<'_>, out: &mut Rendered) -> HashMap<String, String> {
    let mut words = HashMap::new();
    for object in document.descendants().filter(|e| e.local() == "observationMedia") {
        let Some(value) = object.child("value") else { continue };
        let mime = value.attr("mediaType").unwrap_or_default();
        let said = if value.attr("representation") == Some("B64") {
            let title = format!("Object in the text ({})", clean(mime).unwrap_or_default());
            out.attach(Attachment::from_base64(title, mime, &value.text()))
        } else {
            out.note("An object of the text is in another file, which is not part of it.");
            Some("an object in another file".to_owned())
        };
        if let (Some(id), Some(said)) = (object.attr("ID"), said) {
            words.insert(id.to_owned(), said);
        }
    }
    words
}

/// A body that is one file: shown when it is text, and always attached.
fn non_xml_body(body: ElementRef<'_>, out: &mut Rendered) {
    let Some(text) = body.child("text") else { return };
    let mime = text.attr("mediaType").unwrap_or_default();
    if text.child("reference").is_some() {
        out.note("The text of the document is in another file, which is not part of it.");
        return;
    }
    if text.attr("representation") != Some("B64") {
        return show(text.text().as_bytes(), out);
    }
    let title = format!("Text of the document ({})", clean(mime).unwrap_or_default());
    let attachment = Attachment::from_base64(title, mime, &text.text());
    if let Some(attachment) = &attachment {
        show(&attachment.bytes, out);
    }
    out.attach(attachment);
}

fn show(bytes: &[u8], out: &mut Rendered) {
    let kind = Kind::sniff(bytes);
    let text = String::from_utf8_lossy(bytes);
    if kind == Kind::PlainText {
        out.add_text("Text", &text);
    } else if kind == Kind::Html {
        out.add_text("Text", &html_to_text(&text));
        out.note("The text of the document is a page and shown as text only.");
    }
}
