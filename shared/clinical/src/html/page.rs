//! A page of HTML, whatever it holds, in our own words: each tag of the page opens one of ours or
//! nothing, and what is open is closed by us. So a browser sees only what [`HtmlWriter`] wrote, and
//! it does not matter whether it would have read the page as we did.

use super::figures::Figures;
use super::narrative::{ALLOWED, LEFT_OUT, is_web_address};
use super::safe::HtmlWriter;

/// Writes the page. Takes time in proportion to its length.
pub(super) fn write(page: &str, html: &mut HtmlWriter, figures: &mut Figures<'_>) {
    let mut writer = PageWriter { html, figures, open: Vec::new() };
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        if writer.html.is_cut() {
            break;
        }
        writer.text(&rest[..at]);
        rest = writer.tag(&rest[at..]);
    }
    writer.text(rest);
    writer.close_to(0);
}

struct PageWriter<'w, 'f> {
    html: &'w mut HtmlWriter,
    figures: &'w mut Figures<'f>,
    /// The elements of the page that have a tag of ours open, outermost first.
    open: Vec<String>,
}

impl PageWriter<'_, '_> {
    fn text(&mut self, text: &str) {
        let structural = self.open.last().is_some_and(|o| BETWEEN.contains(&o.as_str()));
        if !(structural && text.trim().is_empty()) {
            self.html.text(&decoded(text));
        }
    }

    /// Writes the tag, comment or unread element that `page` begins with, and gives what follows.
    fn tag<'p>(&mut self, page: &'p str) -> &'p str {
        if let Some(comment) = page.strip_prefix("<!--") {
            return comment.split_once("-->").map_or("", |(_, rest)| rest);
        }
        let inside = &page[1..];
        let closes = inside.starts_with('/');
        let named = inside.trim_start_matches('/');
        if !named.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '!' | '?')) {
            self.html.text("<");
            return inside;
        }
        let Some((tag, rest)) = split_tag(named) else { return "" };
        let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
        let (name, attributes) = (tag[..end].to_ascii_lowercase(), &tag[end..]);
        if closes {
            if let Some(at) = self.open.iter().rposition(|open| *open == name) {
                self.close_to(at);
            }
            return rest;
        }
        // A head need not be closed: what is in it that is not read has tags of its own.
        let left_out = LEFT_OUT.contains(&name.as_str()) && name != "head";
        if left_out || UNREAD.contains(&name.as_str()) {
            if !QUIET.contains(&name.as_str()) {
                self.html.leave_out();
            }
            return if VOID.contains(&name.as_str()) { rest } else { behind(&name, rest) };
        }
        self.element(name, attributes);
        rest
    }

    fn element(&mut self, name: String, attributes: &str) {
        self.close_before(&name);
        match name.as_str() {
            "br" => return self.html.void("br"),
            "hr" => return self.html.void("hr"),
            "img" => return self.image(attributes),
            "a" => return self.link(attributes),
            _ => {}
        }
        let known = TAGS.iter().find(|tag| **tag == name).map(|tag| (*tag, None));
        let known = known.or_else(|| {
            let found = ALLOWED.iter().find(|(local, _, _)| *local == name && is_html(local));
            found.map(|(_, tag, class)| (*tag, *class))
        });
        // Whatever nests deeper is written without tags of its own.
        let Some((tag, class)) = known.filter(|_| self.open.len() < MAX_DEPTH) else { return };
        let spans = spans(tag, attributes);
        let mut all: Vec<(&'static str, &str)> =
            spans.iter().map(|(name, n)| (*name, n.as_str())).collect();
        all.extend(class.map(|class| ("class", class)));
        self.html.open(tag, &all);
        self.open.push(name);
    }

    fn image(&mut self, attributes: &str) {
        let words = attribute(attributes, "alt").unwrap_or_default();
        let source = attribute(attributes, "src").unwrap_or_default();
        self.figures.image(self.html, &source, &words);
    }

    fn link(&mut self, attributes: &str) {
        let href = attribute(attributes, "href").unwrap_or_default();
        let href = href.trim();
        if is_web_address(href) && self.open.len() < MAX_DEPTH {
            self.html.open_link(href);
            self.open.push("a".to_owned());
        }
    }

    /// What the start of an element ends without saying so. HTML 13.1.2.4.
    fn close_before(&mut self, name: &str) {
        let ends: &[&str] = match name {
            "li" => &["li"],
            "dt" | "dd" => &["dt", "dd"],
            "td" | "th" => &["td", "th"],
            "tr" => &["tr"],
            "thead" | "tbody" | "tfoot" => &["thead", "tbody", "tfoot", "caption"],
            "a" => &["a"],
            _ if BLOCKS.contains(&name) => &["p", "h1", "h2", "h3", "h4", "h5", "h6"],
            _ => &[],
        };
        // Only within the list or table that it stands in.
        let bound = self.open.iter().rposition(|o| BOUNDS.contains(&o.as_str()));
        let from = match name {
            "tr" | "thead" | "tbody" | "tfoot" => {
                self.open.iter().rposition(|o| o == "table").map_or(0, |at| at + 1)
            }
            "td" | "th" => self.open.iter().rposition(|o| o == "tr").map_or(0, |at| at + 1),
            _ => bound.map_or(0, |at| at + 1),
        };
        let within = self.open.iter().skip(from).position(|o| ends.contains(&o.as_str()));
        if let Some(at) = within {
            self.close_to(from + at);
        }
    }

    /// Closes what is open from the `from`th on.
    fn close_to(&mut self, from: usize) {
        while self.open.len() > from {
            self.open.pop();
            self.html.close();
        }
    }
}

/// Whether a name of [`ALLOWED`] is one of HTML, and not of the narrative of CDA.
fn is_html(local: &str) -> bool {
    !matches!(local, "paragraph" | "item" | "footnote" | "footnoteRef")
}

/// What stands between a tag's brackets, and what follows. A bracket within quotes does not count.
fn split_tag(tag: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some((&tag[..at], &tag[at + 1..])),
            // Only a value is quoted: a stray quote must not swallow the page.
            (None, b'"' | b'\'') if tag[..at].trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            (None | Some(_), _) => {}
        }
    }
    tag.split_once('>')
}

/// What follows an element whose content is not read.
fn behind<'p>(name: &str, rest: &'p str) -> &'p str {
    let closing = format!("</{name}");
    let ends = rest.match_indices('<').find(|(at, _)| {
        let tag = rest.get(*at..at + closing.len());
        tag.is_some_and(|tag| tag.eq_ignore_ascii_case(&closing))
    });
    let Some((at, _)) = ends else { return "" };
    rest[at..].split_once('>').map_or("", |(_, rest)| rest)
}

/// The value of an attribute, its references resolved.
fn attribute(attributes: &str, wanted: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/'))?;
        let (name, behind) = rest.split_at(end);
        let after = behind.trim_start();
        let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
            // Without a value; what is no name is passed over.
            rest = if name.is_empty() { behind.get(1..)? } else { behind };
            continue;
        };
        let (value, behind) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
            _ => {
                value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len()))
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(decoded(value));
        }
        rest = behind;
    }
}

fn spans(tag: &str, attributes: &str) -> Vec<(&'static str, String)> {
    if !matches!(tag, "td" | "th") {
        return Vec::new();
    }
    let span = |name: &'static str, most: u32| {
        let value: u32 = attribute(attributes, name)?.trim().parse().ok()?;
        (value > 1).then(|| (name, value.min(most).to_string()))
    };
    [span("colspan", 100), span("rowspan", 1000)].into_iter().flatten().collect()
}

/// Text with its references resolved: those that letters use, and all numbers.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.bytes().take(MAX_REFERENCE).position(|b| b == b';');
        let found = end.and_then(|end| Some((character(rest.get(..end)?)?, end)));
        match found {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

fn character(reference: &str) -> Option<char> {
    if let Some(number) = reference.strip_prefix('#') {
        let number = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return number.ok().and_then(char::from_u32);
    }
    REFERENCES.iter().find(|(name, _)| *name == reference).map(|(_, c)| *c)
}

/// Tags of ours that the narrative of CDA writes by other means.
const TAGS: [&str; 5] = ["thead", "td", "th", "caption", "span"];

/// Left out without a word: nobody would have read them.
const QUIET: [&str; 7] = ["meta", "link", "base", "style", "title", "noscript", "template"];

/// Elements whose content is no text for people, beside those of a narrative.
const UNREAD: [&str; 6] = ["title", "textarea", "select", "button", "xmp", "plaintext"];

/// Elements without content: the tag alone is left out.
const VOID: [&str; 5] = ["link", "meta", "base", "embed", "frame"];

/// Elements that a paragraph cannot hold.
const BLOCKS: [&str; 20] = [
    "p",
    "div",
    "ul",
    "ol",
    "dl",
    "table",
    "pre",
    "blockquote",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "section",
    "article",
    "header",
    "footer",
    "form",
];

/// Elements beyond which nothing is closed by what starts inside them.
const BOUNDS: [&str; 6] = ["ul", "ol", "dl", "table", "td", "th"];

/// Elements between whose children white space has no meaning.
const BETWEEN: [&str; 7] = ["table", "thead", "tbody", "tfoot", "tr", "ul", "ol"];

/// Elements of ours open at one time.
const MAX_DEPTH: usize = 100;

/// Bytes of the longest reference that is looked for.
const MAX_REFERENCE: usize = 12;

const REFERENCES: [(&str, char); 27] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("deg", '°'),
    ("micro", 'µ'),
    ("plusmn", '±'),
    ("le", '≤'),
    ("ge", '≥'),
    ("times", '×'),
    ("frac12", '½'),
    ("frac14", '¼'),
    ("sup2", '²'),
    ("sup3", '³'),
    ("ndash", '–'),
    ("mdash", '—'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
    ("bull", '•'),
    ("hellip", '…'),
    ("pound", '£'),
    ("euro", '€'),
    ("eacute", 'é'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_keeps_its_shape() {
        let page = "<!DOCTYPE html><html><head><title>Not shown</title><style>p{}</style></head>\
            <body bgcolor=red><h2>Clinic</h2><p>Seen <b>today</b>.<p>BP 120/80 &deg; &#x2264; 3\
            <table border=1><tr><th>Drug<th>Dose<tr><td colspan=2>None</table>\
            <ul><li>one<li>two<ul><li>inner</ul></ul></body></html>";

        assert_eq!(
            shown(page),
            "<p class=\"cr-heading\">Clinic</p><p>Seen <strong>today</strong>.</p>\
             <p>BP 120/80 ° ≤ 3</p><table class=\"cr-table\"><tr><th>Drug</th><th>Dose</th></tr>\
             <tr><td colspan=\"2\">None</td></tr></table>\
             <ul><li>one</li><li>two<ul><li>inner</li></ul></li></ul>"
        );
    }

    #[test]
    fn nothing_that_runs_or_loads_comes_through() {
        let cases = [
            ("<script>alert(1)</script>kept", "kept"),
            ("<scr<script>ipt>1</script>kept", "ipt&gt;1kept"),
            ("<img src=x onerror=alert(1)>kept", "kept"),
            ("<a href='javascript:alert(1)'>kept</a>", "kept"),
            ("<a href=\"java&#x73;cript:alert(1)\">kept</a>", "kept"),
            ("<svg onload=alert(1)><script>x</script></svg>kept", "kept"),
            ("<p title='><script>alert(1)</script>'>kept", "<p>kept</p>"),
            ("<div style=\"background:url(https://evil.example)\">kept</div>", "<div>kept</div>"),
            ("<iframe srcdoc='<script>1</script>'></iframe>kept", "kept"),
            ("<form action=//evil.example><input name=a>kept</form>", "kept"),
            ("<meta http-equiv=refresh content='0;url=//evil.example'>kept", "kept"),
            ("</div></main><p>kept", "<p>kept</p>"),
            ("<table><td><p></table></td>kept", "kept"),
            ("&lt;script&gt;kept", "&lt;script&gt;kept"),
            ("<b onclick", ""),
            ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ];
        for (page, html) in cases {
            assert!(shown(page).ends_with(html), "{page}: {}", shown(page));
            assert!(!shown(page).contains("alert"), "{page}: {}", shown(page));
        }
    }

    #[test]
    fn depth_is_bounded_and_all_is_closed() {
        let html = shown(&"<div><blockquote>".repeat(50_000));

        assert_eq!(html.matches("<div>").count(), html.matches("</div>").count());
        assert!(html.matches("<div>").count() <= MAX_DEPTH);
    }

    fn shown(page: &str) -> String {
        let mut html = HtmlWriter::new(1 << 20);
        write(page, &mut html, &mut Figures::none());
        html.finish().0.as_str().to_owned()
    }
}
