use std::collections::HashMap;

use carerecord_xml::ElementRef;

use super::figures::{Figures, Object};
use super::narrative::Narrative;
use super::{Attachment, Rendered};
use crate::Kind;
use crate::entries::cda::Texts;
use crate::header::{cda_coding, clean};

/// Shows the body of a `ClinicalDocument`.
pub(super) fn render(document: ElementRef<'_>, out: &mut Rendered) {
    out.title = document.child("title").and_then(|t| clean(&t.text()));
    let objects = objects(document, out);
    let texts = Texts::of(document);
    for component in document.all("component") {
        if let Some(body) = component.child("nonXMLBody") {
            non_xml_body(body, out);
        }
        if let Some(body) = component.child("structuredBody") {
            sections(body, 0, &objects, &texts, out);
        }
    }
    if out.sections.is_empty() && out.attachments.is_empty() && out.notes.is_empty() {
        out.note("The document has no body.");
    }
}

fn sections(
    parent: ElementRef<'_>,
    depth: usize,
    objects: &HashMap<String, Object>,
    texts: &Texts<'_>,
    out: &mut Rendered,
) {
    for section in parent.all("component").flat_map(|c| c.all("section")) {
        let title = section.child("title").and_then(|t| clean(&t.text()));
        let code = section.child("code").and_then(cda_coding);
        let collected = texts.entries(section, out.entries_left);
        let figures = Figures::new(objects, out.attachments.len(), out.room());
        out.add(title, code, depth, figures, |html, figures| match section.child("text") {
            Some(text) => Narrative::new(html, figures).inside(text),
            None => collected.list(html),
        });
        out.add_entries(collected);
        sections(section, depth + 1, objects, texts, out);
    }
}

/// Takes the objects of the entries out as attachments; gives what stands for each by its ID.
fn objects(document: ElementRef<'_>, out: &mut Rendered) -> HashMap<String, Object> {
    let mut found = HashMap::new();
    for object in document.descendants().filter(|e| e.local() == "observationMedia") {
        let Some(value) = object.child("value") else { continue };
        let mime = value.attr("mediaType").unwrap_or_default();
        let is = if value.attr("representation") == Some("B64") {
            let title = format!("Object in the text ({})", clean(mime).unwrap_or_default());
            match out.attach(Attachment::from_base64(title, mime, &value.text())) {
                Some(n) => Object::File(n),
                None => Object::Missing("an object that cannot be decoded"),
            }
        } else {
            out.note("An object of the text is in another file, which is not part of it.");
            Object::Missing("an object in another file")
        };
        if let Some(id) = object.attr("ID")
            && found.len() < MAX_OBJECTS
        {
            found.insert(id.to_owned(), is);
        }
    }
    found
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

/// Pictures in the text are numbered before the file itself.
fn show(bytes: &[u8], out: &mut Rendered) {
    out.add_file(bytes, &Kind::sniff(bytes));
}

const MAX_OBJECTS: usize = 1000;
