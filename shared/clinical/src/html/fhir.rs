use std::borrow::Cow;

use carerecord_xml::{Limits, Tree};
use serde_json::Value;

use super::figures::Figures;
use super::narrative::Narrative;
use super::safe::HtmlWriter;
use super::{Attachment, Rendered};
use crate::entries::fhir::entries;
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
        let collected = entries(bundle, section, out.entries_left);
        let figures = Figures::alone(out.attachments.len(), out.room());
        out.add(title, code, depth, figures, |html, figures| match (&tree, div) {
            (Some(Ok(tree)), _) => Narrative::new(html, figures).inside(tree.root()),
            (Some(Err(_)), Some(div)) => html.element("pre", "cr-pre", div),
            (Some(Err(_)) | None, _) => {
                why_empty(section, html);
                collected.list(html);
            }
        });
        out.add_entries(collected);
        sections(bundle, section, depth + 1, out);
    }
}

/// Why a section without text has nothing.
fn why_empty(section: &Value, html: &mut HtmlWriter) {
    let Some(reason) = first(section, "emptyReason") else { return };
    let coded = fhir_codings(section, "emptyReason").into_iter().find_map(|c| c.display);
    let words = text(reason, "text").map(str::to_owned).or(coded).unwrap_or_default();
    html.element("p", "cr-empty", &format!("Nothing is recorded. {words}"));
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
