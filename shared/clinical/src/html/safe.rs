use std::fmt;

use serde::Serialize;

/// HTML that is safe to put into a page: only this crate makes it, tag by tag from fixed names,
/// with every text escaped. It has no ids, styles, scripts, images or event handlers, and of
/// classes only our own, which begin with `cr-`. Its links lead to web addresses, and to
/// `#file-N`, where the Nth file of the document is to be shown.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct SafeHtml(String);

impl SafeHtml {
    /// The HTML.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SafeHtml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafeHtml({} bytes)", self.0.len())
    }
}

/// Writes HTML within a budget of bytes. Tags and attribute names are fixed in the source.
pub(crate) struct HtmlWriter {
    out: String,
    budget: usize,
    open: Vec<&'static str>,
    cut: bool,
    left_out: bool,
}

impl HtmlWriter {
    pub(crate) fn new(budget: usize) -> Self {
        Self { out: String::new(), budget, open: Vec::new(), cut: budget == 0, left_out: false }
    }

    /// Whether the budget is spent: nothing more is written.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Remembers that something was left out, which the reader must be told.
    pub(crate) fn leave_out(&mut self) {
        self.left_out = true;
    }

    /// Whether something was left out.
    pub(crate) fn has_left_out(&self) -> bool {
        self.left_out
    }

    /// Opens a tag. `close` must follow, also when the budget is spent.
    pub(crate) fn open(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        self.tag(tag, attributes);
        // One that did not fit is not closed either.
        self.open.push(if self.cut { "" } else { tag });
    }

    /// Opens a link to a web address, which `close` ends.
    pub(crate) fn open_link(&mut self, href: &str) {
        let attributes = [
            ("href", href),
            ("rel", "noopener noreferrer nofollow"),
            ("referrerpolicy", "no-referrer"),
            ("class", "cr-link"),
        ];
        self.open("a", &attributes);
    }

    /// Closes the tag opened last.
    pub(crate) fn close(&mut self) {
        let tag = self.open.pop().unwrap_or_default();
        if !tag.is_empty() {
            self.out.extend(["</", tag, ">"]);
        }
    }

    /// Writes a tag that has no end.
    pub(crate) fn void(&mut self, tag: &'static str) {
        self.tag(tag, &[]);
    }

    /// Writes an element with text.
    pub(crate) fn element(&mut self, tag: &'static str, class: &'static str, text: &str) {
        self.open(tag, &[("class", class)]);
        self.text(text);
        self.close();
    }

    /// Writes text, escaped; what does not fit is dropped, and then nothing more is written.
    pub(crate) fn text(&mut self, text: &str) {
        for c in text.chars() {
            if self.cut || self.out.len() >= self.budget {
                self.cut = true;
                return;
            }
            escape(&mut self.out, c);
        }
    }

    /// The HTML, and what is left of the budget.
    pub(crate) fn finish(mut self) -> (SafeHtml, usize) {
        while !self.open.is_empty() {
            self.close();
        }
        let left = if self.cut { 0 } else { self.budget.saturating_sub(self.out.len()) };
        if self.cut {
            self.out.push_str(CUT);
        }
        (SafeHtml(self.out), left)
    }

    fn tag(&mut self, tag: &'static str, attributes: &[(&'static str, &str)]) {
        if self.cut || self.out.len() >= self.budget {
            self.cut = true;
            return;
        }
        self.out.extend(["<", tag]);
        for (name, value) in attributes {
            self.out.extend([" ", name, "=\""]);
            value.chars().for_each(|c| escape(&mut self.out, c));
            self.out.push('"');
        }
        self.out.push('>');
    }
}

/// Characters that turn the writing direction are left out: they can make a text read otherwise
/// than it is.
fn escape(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        '\t' | '\n' => out.push(c),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
        c if c.is_control() => {}
        c => out.push(c),
    }
}

const CUT: &str = "<p class=\"cr-cut\">The document is too long to show: the text is cut here. \
    Open the original to read all of it.</p>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_visibly_and_closed() {
        let mut html = HtmlWriter::new(40);
        html.open("p", &[("class", "a\"b")]);
        html.open("strong", &[]);
        html.text(&"<x>".repeat(50));
        html.open("em", &[]);
        html.close();
        let (html, left) = html.finish();

        assert_eq!(left, 0);
        assert!(html.as_str().starts_with("<p class=\"a&quot;b\"><strong>&lt;x&gt;"));
        assert!(html.as_str().contains("</strong></p><p class=\"cr-cut\">"));
    }
}
