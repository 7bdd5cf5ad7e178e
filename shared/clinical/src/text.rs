use crate::html::{Attachment, render};
use crate::kind::Kind;

/// The words of a document, for an index.
#[derive(Clone, Default)]
pub struct PlainText {
    /// Title and section headings, in order.
    pub headings: Vec<String>,
    /// The text without headings: a line for every block.
    pub text: String,
    /// Files inside it, whose words are not among these unless they are plain text.
    pub attachments: Vec<Attachment>,
    /// Why parts are missing, in plain sentences.
    pub notes: Vec<String>,
}

/// Gives the words of a CDA, FHIR, HTML or plain text document; nothing for other kinds.
/// At most about 8 MiB.
pub fn plain_text(bytes: &[u8], kind: &Kind) -> PlainText {
    let rendered = render(bytes, kind);
    let mut plain = PlainText::default();
    plain.headings.extend(rendered.title);
    for section in rendered.sections {
        let text = html_to_text(section.html.as_str());
        plain.headings.push(section.title);
        if !text.is_empty() {
            plain.text.push_str(&text);
            plain.text.push('\n');
        }
    }
    plain.attachments = rendered.attachments;
    plain.notes = rendered.notes;
    plain
}

/// The text of HTML, well-formed or not: without tags, comments, scripts and styles. Takes time in
/// proportion to the length.
pub(crate) fn html_to_text(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        add(&mut out, &rest[..at]);
        rest = after_tag(&rest[at..], &mut out);
    }
    add(&mut out, rest);
    let lines = out.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What follows the tag, comment or unread element that `html` begins with.
fn after_tag<'h>(html: &'h str, out: &mut String) -> &'h str {
    if let Some(comment) = html.strip_prefix("<!--") {
        return comment.split_once("-->").map_or("", |(_, rest)| rest);
    }
    let inside = &html[1..];
    let mark = |c: char| !c.is_ascii_alphanumeric() && c != '/' && c != '!' && c != '?';
    let name = inside.split(mark).next().unwrap_or_default();
    if name.is_empty() {
        out.push('<');
        return inside;
    }
    let name = name.to_ascii_lowercase();
    let Some((_, rest)) = inside.split_once('>') else { return "" };
    if name == "script" || name == "style" {
        let closing = format!("</{name}");
        let ends = rest.match_indices('<').find(|(at, _)| {
            let tag = rest.get(*at..at + closing.len());
            tag.is_some_and(|tag| tag.eq_ignore_ascii_case(&closing))
        });
        return ends.map_or("", |(at, _)| &rest[at..]);
    }
    let bare = name.trim_matches('/');
    out.push_str(match bare {
        "td" | "th" => " ",
        _ if INLINE.contains(&bare) => "",
        _ => "\n",
    });
    rest
}

fn add(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match ENTITIES.iter().find(|(name, _)| rest.starts_with(name)) {
            Some((name, c)) => {
                out.push_str(c);
                rest = &rest[name.len()..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

const INLINE: [&str; 14] = [
    "a", "b", "strong", "i", "em", "u", "span", "sub", "sup", "small", "code", "del", "ins", "font",
];

const ENTITIES: [(&str, &str); 7] = [
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&#39;", "'"),
    ("&apos;", "'"),
    ("&nbsp;", " "),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_markup() {
        let html = "<html><style>p{}</style><p>A &lt; <b>B</b>&amp;C<br>two<!-- x -->\
            <SCRIPT>alert(1)</scRipt><td>1<td>2 3 < 4 <a href='";

        assert_eq!(html_to_text(html), "A < B&C\ntwo\n1 2 3 < 4");
    }
}
