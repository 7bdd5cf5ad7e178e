use std::borrow::Cow;
use std::collections::HashMap;

use carerecord_xml::{Limits, Tree};
use serde_json::Value;

use super::narrative::Narrative;
use super::safe::HtmlWriter;
use super::{Attachment, Rendered};
use crate::fhir::{Bundle, first, items, resource_type, text};
use crate::header::{clean, fhir_codings};

/// Shows the sections of a FHIR document.
pub(super) fn render(bundle: &Value, out: &mut Rendered) {
    let bundle = match Bundle::new(bundle) {
        Ok(bundle) => bundle,
        Err(error) => return out.note(&format!("The document cannot be shown: {error}.")),
    };
    out.title = text(bundle.composition, "title").and_then(clean);
    sections(&bundle, bundle.composition, 0, out);
    attachments(&bundle, out);
    if out.sections.is_empty() && out.attachments.is_empty() {
        out.note("The document has no sections.");
    }
}

/// JSON and XML are both limited in depth, so the recursion is too.
fn sections(bundle: &Bundle<'_>, parent: &Value, depth: usize, out: &mut Rendered) {
    for section in items(parent, "section") {
        let title = text(section, "title").and_then(clean);
        let code = fhir_codings(section, "code").into_iter().next();
        let div = first(section, "text").and_then(|t| text(t, "div"));
        let tree =
            div.map(|div| Tree::read(&without_html_entities(div), Limits::document().lenient()));
        if matches!(tree, Some(Err(_))) {
            out.note("The text of a section is not well-formed and is shown as it stands.");
        }
        out.add(title, code, depth, |html| match (&tree, div) {
            (Some(Ok(tree)), _) => Narrative::new(html, &HashMap::new()).inside(tree.root()),
            (Some(Err(_)), Some(div)) => html.element("pre", "cr-pre", div),
            (Some(Err(_)) | None, _) => entries(bundle, section, html),
        });
        sections(bundle, section, depth + 1, out);
    }
}

/// A section without text: what its entries are.
fn entries(bundle: &Bundle<'_>, section: &Value, html: &mut HtmlWriter) {
    if let Some(reason) = first(section, "emptyReason") {
        let coded = fhir_codings(section, "emptyReason").into_iter().find_map(|c| c.display);
        let words = text(reason, "text").map(str::to_owned).or(coded).unwrap_or_default();
        html.element("p", "cr-empty", &format!("Nothing is recorded. {words}"));
    }
    if first(section, "entry").is_none() {
        return;
    }
    html.open("ul", &[("class", "cr-entries")]);
    for reference in items(section, "entry").take(MAX_ENTRIES) {
        let words = match bundle.resolve(bundle.composition, reference) {
            Some(resource) => {
                let name = label(bundle, resource).unwrap_or_else(|| "no description".to_owned());
                format!("{}: {name}", words_of(resource_type(resource)))
            }
            None => {
                let display = text(reference, "display").and_then(clean);
                display.unwrap_or_else(|| "An entry that is not in the document".to_owned())
            }
        };
        html.open("li", &[]);
        html.text(&words);
        html.close();
    }
    html.close();
}

fn label<'v>(bundle: &Bundle<'v>, resource: &'v Value) -> Option<String> {
    let medication = first(resource, "medicationReference");
    let medication = medication.and_then(|m| bundle.resolve(resource, m));
    let named = LABELS.iter().map(|name| (resource, *name));
    let named = named.chain(medication.map(|m| (m, "code")));
    for (resource, name) in named {
        let Some(concept) = first(resource, name) else { continue };
        let coded = fhir_codings(resource, name).into_iter().find_map(|c| c.display);
        if let Some(words) = text(concept, "text").and_then(clean).or(coded) {
            return Some(words);
        }
    }
    None
}

/// `AllergyIntolerance` as `Allergy intolerance`.
fn words_of(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars().filter(char::is_ascii_alphabetic).take(64) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
            words.push(c.to_ascii_lowercase());
        } else {
            words.push(c);
        }
    }
    words
}

fn attachments(bundle: &Bundle<'_>, out: &mut Rendered) {
    for resource in bundle.resources() {
        if resource_type(resource) == "Binary" {
            attach(resource, "Binary", out);
        }
        let inside = ["presentedForm", "content"].into_iter().flat_map(|n| items(resource, n));
        for content in inside.filter(|c| c.is_object()) {
            attach(first(content, "attachment").unwrap_or(content), "File", out);
        }
    }
}

/// `Attachment`, or `Binary`, whose data is `content` in STU3.
fn attach(attachment: &Value, otherwise: &str, out: &mut Rendered) {
    let data = text(attachment, "data").or_else(|| text(attachment, "content"));
    let Some(data) = data else { return };
    let title = text(attachment, "title").and_then(clean);
    let title = title.unwrap_or_else(|| otherwise.to_owned());
    let mime = text(attachment, "contentType").unwrap_or_default();
    out.attach(Attachment::from_base64(title, mime, data));
}

/// XHTML in JSON is sent with the entities of HTML, which XML does not have.
fn without_html_entities(div: &str) -> Cow<'_, str> {
    if !ENTITIES.iter().any(|(name, _)| div.contains(name)) {
        return Cow::Borrowed(div);
    }
    let all = ENTITIES.iter().fold(div.to_owned(), |div, (name, text)| div.replace(name, text));
    Cow::Owned(all)
}

const ENTITIES: [(&str, &str); 16] = [
    ("&nbsp;", "\u{a0}"),
    ("&deg;", "°"),
    ("&micro;", "µ"),
    ("&plusmn;", "±"),
    ("&le;", "≤"),
    ("&ge;", "≥"),
    ("&times;", "×"),
    ("&ndash;", "–"),
    ("&mdash;", "—"),
    ("&lsquo;", "‘"),
    ("&rsquo;", "’"),
    ("&ldquo;", "“"),
    ("&rdquo;", "”"),
    ("&bull;", "•"),
    ("&hellip;", "…"),
    ("&pound;", "£"),
];

/// Where a resource says what it is about, the most telling first.
const LABELS: [&str; 6] =
    ["code", "medicationCodeableConcept", "vaccineCode", "type", "category", "serviceType"];

const MAX_ENTRIES: usize = 500;
