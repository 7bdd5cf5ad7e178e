use carerecord_xml::{ElementRef, NodeRef};

use super::figures::Figures;
use super::safe::HtmlWriter;

/// Writes the narrative of CDA or the XHTML of FHIR by an allow-list: known elements become tags
/// of ours, unknown ones give their content only, and what can run or load is left out whole.
pub(crate) struct Narrative<'w, 'n> {
    html: &'w mut HtmlWriter,
    figures: &'w mut Figures<'n>,
    in_head: bool,
}

impl<'w, 'n> Narrative<'w, 'n> {
    pub(crate) fn new(html: &'w mut HtmlWriter, figures: &'w mut Figures<'n>) -> Self {
        Self { html, figures, in_head: false }
    }

    /// Writes what is inside an element. The tree's depth limits the recursion.
    pub(crate) fn inside(&mut self, element: ElementRef<'_>) {
        let structural = STRUCTURAL.contains(&element.local());
        for node in element.nodes() {
            if self.html.is_cut() {
                return;
            }
            match node {
                NodeRef::Text(text) if structural && text.trim().is_empty() => {}
                NodeRef::Text(text) => self.html.text(text),
                NodeRef::Element(child) => self.element(child, element.local()),
            }
        }
    }

    fn element(&mut self, element: ElementRef<'_>, parent: &str) {
        match element.local() {
            "br" => self.html.void("br"),
            "hr" => self.html.void("hr"),
            "content" | "span" => self.content(element),
            "td" => self.cell("td", element),
            "th" => self.cell("th", element),
            "thead" => {
                self.in_head = true;
                self.wrapped("thead", None, element);
                self.in_head = false;
            }
            "list" => {
                let ordered = element.attr("listType") == Some("ordered");
                self.wrapped(if ordered { "ol" } else { "ul" }, None, element);
            }
            "caption" => match parent {
                "table" => self.wrapped("caption", None, element),
                "list" => self.wrapped("li", Some("cr-caption"), element),
                _ => self.wrapped("strong", Some("cr-caption"), element),
            },
            "linkHtml" | "a" => self.link(element),
            "renderMultiMedia" => self.media(element),
            "img" => {
                let source = element.attr("src").unwrap_or_default();
                let words = element.attr("alt").unwrap_or_default();
                self.figures.image(self.html, source, words);
            }
            name => match ALLOWED.iter().find(|(local, _, _)| *local == name) {
                Some((_, tag, class)) => self.wrapped(tag, *class, element),
                None if LEFT_OUT.contains(&name) => self.html.leave_out(),
                None => self.inside(element),
            },
        }
    }

    fn wrapped(&mut self, tag: &'static str, class: Option<&'static str>, element: ElementRef<'_>) {
        match class {
            Some(class) => self.html.open(tag, &[("class", class)]),
            None => self.html.open(tag, &[]),
        }
        self.inside(element);
        self.html.close();
    }

    /// Style codes that carry meaning; deleted text stays visible as deleted.
    fn content(&mut self, element: ElementRef<'_>) {
        let mut open = 0;
        let codes = element.attr("styleCode").unwrap_or_default();
        for (code, tag) in STYLES {
            if codes.split_whitespace().any(|c| c.eq_ignore_ascii_case(code)) {
                self.html.open(tag, &[]);
                open += 1;
            }
        }
        match element.attr("revised") {
            Some("delete") => {
                self.html.open("del", &[]);
                open += 1;
            }
            Some("insert") => {
                self.html.open("ins", &[]);
                open += 1;
            }
            Some(_) | None => {}
        }
        self.inside(element);
        for _ in 0..open {
            self.html.close();
        }
    }

    fn cell(&mut self, tag: &'static str, element: ElementRef<'_>) {
        let span = |name: &str, most: u32| {
            let value: u32 = element.attr(name)?.trim().parse().ok()?;
            (value > 1).then(|| value.min(most).to_string())
        };
        let columns = span("colspan", MAX_COLUMNS);
        let rows = span("rowspan", MAX_ROWS);
        let mut attributes = Vec::new();
        if let Some(columns) = &columns {
            attributes.push(("colspan", columns.as_str()));
        }
        if let Some(rows) = &rows {
            attributes.push(("rowspan", rows.as_str()));
        }
        if tag == "th" && self.in_head {
            attributes.push(("scope", "col"));
        }
        self.html.open(tag, &attributes);
        self.inside(element);
        self.html.close();
    }

    /// Only web addresses become links. An anchor would lead nowhere: there are no ids.
    fn link(&mut self, element: ElementRef<'_>) {
        let Some(href) = element.attr("href").map(str::trim).filter(|h| is_web_address(h)) else {
            return self.inside(element);
        };
        self.html.open_link(href);
        if element.text().trim().is_empty() {
            self.html.text(href);
        }
        self.inside(element);
        self.html.close();
    }

    fn media(&mut self, element: ElementRef<'_>) {
        let ids = element.attr("referencedObject").unwrap_or_default();
        for id in ids.split_whitespace().take(MAX_OBJECTS) {
            self.figures.object(self.html, id);
        }
        self.inside(element);
    }
}

pub(super) fn is_web_address(href: &str) -> bool {
    let lower = href.get(..8).unwrap_or_default().to_ascii_lowercase();
    let scheme = lower == "https://" || lower.starts_with("http://");
    let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '<' | '>' | '\\');
    scheme && href.len() <= 2048 && !href.chars().any(odd)
}

/// Elements whose direct content is only other elements.
const STRUCTURAL: [&str; 8] = ["table", "thead", "tbody", "tfoot", "tr", "list", "ul", "ol"];

const STYLES: [(&str, &str); 4] =
    [("Bold", "strong"), ("Italics", "em"), ("Underline", "u"), ("Emphasis", "em")];

/// Element of the narrative, tag of ours, class of ours.
pub(super) const ALLOWED: [(&str, &str, Option<&str>); 36] = [
    ("paragraph", "p", None),
    ("item", "li", None),
    ("table", "table", Some("cr-table")),
    ("tbody", "tbody", None),
    ("tfoot", "tfoot", None),
    ("tr", "tr", None),
    ("sub", "sub", None),
    ("sup", "sup", None),
    ("footnote", "p", Some("cr-footnote")),
    ("footnoteRef", "sup", Some("cr-footnote")),
    ("p", "p", None),
    ("div", "div", None),
    ("ul", "ul", None),
    ("ol", "ol", None),
    ("li", "li", None),
    ("dl", "dl", None),
    ("dt", "dt", None),
    ("dd", "dd", None),
    ("b", "strong", None),
    ("strong", "strong", None),
    ("i", "em", None),
    ("em", "em", None),
    ("u", "u", None),
    ("del", "del", None),
    ("s", "del", None),
    ("ins", "ins", None),
    ("pre", "pre", Some("cr-pre")),
    ("code", "code", None),
    ("blockquote", "blockquote", None),
    ("small", "small", None),
    ("h1", "p", Some("cr-heading")),
    ("h2", "p", Some("cr-heading")),
    ("h3", "p", Some("cr-heading")),
    ("h4", "p", Some("cr-heading")),
    ("h5", "p", Some("cr-heading")),
    ("h6", "p", Some("cr-heading")),
];

/// Elements whose content is no text for people.
pub(super) const LEFT_OUT: [&str; 18] = [
    "script", "style", "svg", "math", "iframe", "frame", "object", "embed", "applet", "template",
    "noscript", "head", "link", "meta", "base", "video", "audio", "canvas",
];

const MAX_COLUMNS: u32 = 100;
const MAX_ROWS: u32 = 1000;
const MAX_OBJECTS: usize = 20;
