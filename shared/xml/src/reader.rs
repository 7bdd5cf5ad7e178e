use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

use crate::{Limits, XmlError, XmlErrorKind};

/// A name of a vocabulary, for comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Name {
    /// The namespace URI; empty for none.
    pub ns: &'static str,
    /// The local name.
    pub local: &'static str,
}

impl Name {
    /// A name in a namespace.
    pub const fn new(ns: &'static str, local: &'static str) -> Self {
        Self { ns, local }
    }
}

/// An opening tag: name and attributes, unescaped.
#[derive(Clone, Debug)]
pub struct Start {
    ns: Arc<str>,
    local: String,
    attributes: Vec<Attribute>,
    offset: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub ns: Arc<str>,
    pub local: String,
    pub value: String,
}

impl Start {
    /// Whether this is the element of that name.
    pub fn is(&self, name: Name) -> bool {
        *self.ns == *name.ns && self.local == name.local
    }

    /// The namespace URI; empty for none.
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// The local name.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The attribute of no namespace.
    pub fn attr(&self, local: &str) -> Option<&str> {
        self.attr_ns("", local)
    }

    /// The attribute of a namespace.
    pub fn attr_ns(&self, ns: &str, local: &str) -> Option<&str> {
        let mut all = self.attributes.iter();
        all.find(|a| *a.ns == *ns && a.local == local).map(|a| a.value.as_str())
    }

    /// The attribute of no namespace, which must be there.
    ///
    /// # Errors
    /// `MissingAttribute`.
    pub fn required(&self, local: &'static str) -> Result<&str, XmlError> {
        self.attr(local).ok_or_else(|| XmlError {
            kind: XmlErrorKind::MissingAttribute(local),
            offset: self.offset,
            path: self.local.clone(),
        })
    }

    /// Where the tag begins, in bytes of the text.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn into_parts(self) -> (Arc<str>, String, Vec<Attribute>, u64) {
        (self.ns, self.local, self.attributes, self.offset)
    }
}

/// What comes next inside an element.
pub(crate) enum Token<'a> {
    Start(Start),
    Text(Cow<'a, str>),
    End,
}

/// Pulls elements out of a text, under limits.
pub struct XmlReader<'a> {
    reader: NsReader<&'a [u8]>,
    limits: Limits,
    path: Vec<String>,
    namespaces: Vec<Arc<str>>,
    elements: u64,
    end_offset: u64,
}

impl<'a> XmlReader<'a> {
    /// Reads `text`, which `to_utf8` gives.
    ///
    /// # Errors
    /// When the text is too long.
    pub fn new(text: &'a str, limits: Limits) -> Result<Self, XmlError> {
        if text.len() as u64 > limits.max_bytes {
            let kind = XmlErrorKind::Limit("bytes", limits.max_bytes);
            return Err(XmlError { kind, offset: 0, path: String::new() });
        }
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.resolver_mut().set_max_namespace_bindings(limits.max_namespaces);
        Ok(Self {
            reader,
            limits,
            path: Vec::new(),
            namespaces: vec![Arc::from("")],
            elements: 0,
            end_offset: 0,
        })
    }

    /// The root element.
    ///
    /// # Errors
    /// When there is none, or text stands before it.
    pub fn root(&mut self) -> Result<Start, XmlError> {
        match self.token()? {
            Some(Token::Start(start)) => Ok(start),
            Some(Token::Text(_)) => Err(self.error(XmlErrorKind::UnexpectedText)),
            Some(Token::End) | None => Err(self.error(XmlErrorKind::Empty)),
        }
    }

    /// Calls `each` for every child element up to the end of the current one. `each` must read the
    /// child to its end. White space between children is skipped; other text is an error.
    ///
    /// # Errors
    /// What `each` returns, and what the XML itself deserves.
    pub fn children<F>(&mut self, mut each: F) -> Result<(), XmlError>
    where
        F: FnMut(&Start, &mut Self) -> Result<(), XmlError>,
    {
        while let Some(child) = self.next_child()? {
            each(&child, self)?;
        }
        Ok(())
    }

    /// The next child element of the current one; `None` at the current one's end. The child must
    /// be read to its end before the next call.
    ///
    /// # Errors
    /// As `children`.
    pub fn next_child(&mut self) -> Result<Option<Start>, XmlError> {
        loop {
            match self.token()? {
                Some(Token::Start(start)) => return Ok(Some(start)),
                Some(Token::Text(text)) if text.trim_ascii().is_empty() => {}
                Some(Token::Text(_)) => return Err(self.error(XmlErrorKind::UnexpectedText)),
                Some(Token::End) | None => return Ok(None),
            }
        }
    }

    /// The text of the current element, read to its end. A child element is an error.
    ///
    /// # Errors
    /// As said.
    pub fn text(&mut self) -> Result<String, XmlError> {
        self.text_or(|child, xml| Err(xml.unexpected(child)))
    }

    /// The text of the current element, read to its end; `each` is called for child elements and
    /// must read them to their end.
    ///
    /// # Errors
    /// What `each` returns, and what the XML itself deserves.
    pub fn text_or<F>(&mut self, mut each: F) -> Result<String, XmlError>
    where
        F: FnMut(&Start, &mut Self) -> Result<(), XmlError>,
    {
        let mut all = String::new();
        loop {
            match self.token()? {
                Some(Token::Text(text)) => {
                    if all.len() + text.len() > self.limits.max_text_bytes {
                        return Err(self.limit("bytes of text", self.limits.max_text_bytes));
                    }
                    all.push_str(&text);
                }
                Some(Token::Start(child)) => each(&child, self)?,
                Some(Token::End) | None => return Ok(all),
            }
        }
    }

    /// Reads the current element to its end and forgets it.
    ///
    /// # Errors
    /// When the XML is not well-formed or passes a limit.
    pub fn skip(&mut self) -> Result<(), XmlError> {
        let mut open = 1usize;
        while open > 0 {
            match self.token()? {
                Some(Token::Start(_)) => open += 1,
                Some(Token::Text(_)) => {}
                Some(Token::End) => open -= 1,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// The error for a child that may not be here.
    pub fn unexpected(&self, child: &Start) -> XmlError {
        self.error(XmlErrorKind::UnexpectedElement(child.local.clone()))
    }

    /// An error at the current place.
    pub fn error(&self, kind: XmlErrorKind) -> XmlError {
        let path = self.path.iter().map(|name| format!("/{name}")).collect();
        XmlError { kind, offset: self.reader.buffer_position(), path }
    }

    /// The error for a value of the wrong form. `what` must not carry the value.
    pub fn invalid(&self, what: impl Into<String>) -> XmlError {
        self.error(XmlErrorKind::Value(what.into()))
    }

    /// Where the element that was read last ends, in bytes of the text.
    pub fn end_offset(&self) -> u64 {
        self.end_offset
    }

    /// Checks that nothing but white space follows the root.
    ///
    /// # Errors
    /// When something does.
    pub fn finish(&mut self) -> Result<(), XmlError> {
        match self.token()? {
            None => Ok(()),
            Some(Token::Text(text)) if text.trim_ascii().is_empty() => self.finish(),
            Some(Token::Text(_)) => Err(self.error(XmlErrorKind::UnexpectedText)),
            Some(Token::Start(start)) => Err(self.unexpected(&start)),
            Some(Token::End) => Err(self.error(XmlErrorKind::NotWellFormed("end tag".into()))),
        }
    }

    /// The next piece; `None` at the end of the text.
    pub(crate) fn token(&mut self) -> Result<Option<Token<'a>>, XmlError> {
        loop {
            let offset = self.reader.buffer_position();
            let event = self.reader.read_event().map_err(|e| self.not_well_formed(&e))?;
            match event {
                Event::Start(tag) | Event::Empty(tag) => {
                    return self.start(&tag, offset).map(|s| Some(Token::Start(s)));
                }
                Event::End(_) => {
                    self.path.pop();
                    self.end_offset = self.reader.buffer_position();
                    return Ok(Some(Token::End));
                }
                Event::Text(text) => {
                    let text = text.into_inner();
                    self.check_characters(&text)?;
                    if self.path.is_empty() && text.trim_ascii().is_empty() {
                        continue;
                    }
                    return Ok(Some(Token::Text(text)));
                }
                Event::CData(text) => {
                    let text = text.into_inner();
                    self.check_characters(&text)?;
                    return Ok(Some(Token::Text(text)));
                }
                Event::GeneralRef(reference) => {
                    return self.reference(&reference).map(|c| Some(Token::Text(c)));
                }
                Event::DocType(_) => return Err(self.error(XmlErrorKind::DocumentType)),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if self.path.is_empty() => return Ok(None),
                Event::Eof => {
                    let what = "the text ends inside an element";
                    return Err(self.error(XmlErrorKind::NotWellFormed(what.into())));
                }
            }
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>, offset: u64) -> Result<Start, XmlError> {
        self.elements += 1;
        if self.elements > self.limits.max_elements {
            return Err(self.error(XmlErrorKind::Limit("elements", self.limits.max_elements)));
        }
        if self.path.len() >= self.limits.max_depth {
            return Err(self.limit("nested elements", self.limits.max_depth));
        }
        if tag.len() > self.limits.max_tag_bytes {
            return Err(self.limit("bytes of a tag", self.limits.max_tag_bytes));
        }
        let (namespace, local) = self.reader.resolver().resolve_element(tag.name());
        let local = local.into_inner().to_owned();
        let ns = match namespace {
            ResolveResult::Bound(ns) => ns.0.to_owned(),
            ResolveResult::Unbound => String::new(),
            ResolveResult::Unknown(prefix) => self.undeclared(prefix)?,
        };
        let ns = self.intern(&ns);
        self.path.push(local.clone());
        let attributes = self.attributes(tag)?;
        Ok(Start { ns, local, attributes, offset })
    }

    fn attributes(&mut self, tag: &BytesStart<'_>) -> Result<Vec<Attribute>, XmlError> {
        let mut found = Vec::new();
        for attribute in tag.attributes() {
            let attribute =
                attribute.map_err(|e| self.error(XmlErrorKind::NotWellFormed(attr_error(&e))))?;
            if found.len() >= self.limits.max_attributes {
                return Err(self.limit("attributes", self.limits.max_attributes));
            }
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (namespace, local) = self.reader.resolver().resolve_attribute(attribute.key);
            let local = local.into_inner().to_owned();
            let ns = match namespace {
                ResolveResult::Bound(ns) => ns.0.to_owned(),
                ResolveResult::Unbound => String::new(),
                ResolveResult::Unknown(prefix) => self.undeclared(prefix)?,
            };
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|_| self.error(XmlErrorKind::Entity))?
                .into_owned();
            self.check_characters(&value)?;
            let ns = self.intern(&ns);
            found.push(Attribute { ns, local, value });
        }
        Ok(found)
    }

    fn undeclared(&self, prefix: String) -> Result<String, XmlError> {
        if self.limits.lenient_prefixes {
            return Ok(format!("urn:undeclared:{prefix}"));
        }
        Err(self.error(XmlErrorKind::UndeclaredPrefix(prefix)))
    }

    /// Few namespaces stand on many elements: each is held once.
    fn intern(&mut self, ns: &str) -> Arc<str> {
        if let Some(known) = self.namespaces.iter().find(|n| ***n == *ns) {
            return known.clone();
        }
        let ns: Arc<str> = Arc::from(ns);
        // Past this many, hostile input gains nothing by inventing more.
        if self.namespaces.len() < 64 {
            self.namespaces.push(ns.clone());
        }
        ns
    }

    fn reference(&self, reference: &BytesRef<'_>) -> Result<Cow<'a, str>, XmlError> {
        let character = if reference.is_char_ref() {
            reference.resolve_char_ref().map_err(|_| self.error(XmlErrorKind::Entity))?
        } else {
            match &**reference {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "apos" => Some('\''),
                "quot" => Some('"'),
                _ => None,
            }
        };
        let character = character.ok_or_else(|| self.error(XmlErrorKind::Entity))?;
        if !allowed(character) {
            return Err(self.error(XmlErrorKind::ControlCharacter));
        }
        Ok(Cow::Owned(character.to_string()))
    }

    fn check_characters(&self, text: &str) -> Result<(), XmlError> {
        if text.len() > self.limits.max_text_bytes {
            return Err(self.limit("bytes of text", self.limits.max_text_bytes));
        }
        // Control characters are single bytes below 0x20; U+FFFE and U+FFFF are rare enough to
        // look for one by one only where their first byte stands.
        let suspect = text.bytes().any(|b| (b < 0x20 && !matches!(b, 9 | 10 | 13)) || b == 0xef);
        if suspect && !text.chars().all(allowed) {
            return Err(self.error(XmlErrorKind::ControlCharacter));
        }
        Ok(())
    }

    fn limit(&self, what: &'static str, limit: usize) -> XmlError {
        self.error(XmlErrorKind::Limit(what, limit as u64))
    }

    fn not_well_formed(&self, error: &quick_xml::Error) -> XmlError {
        let mut e = self.error(XmlErrorKind::NotWellFormed(describe(error)));
        e.offset = self.reader.error_position();
        e
    }
}

/// Whether XML 1.0 allows the character.
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// In our own words, since the parser's texts can carry names and content of the input.
fn describe(error: &quick_xml::Error) -> String {
    use quick_xml::Error as E;
    match error {
        E::Syntax(_) => "a tag, comment or section is not closed".into(),
        E::IllFormed(quick_xml::errors::IllFormedError::MismatchedEndTag { .. }) => {
            "an end tag does not match its start tag".into()
        }
        E::IllFormed(_) => "tags do not nest".into(),
        E::Namespace(_) => "a namespace declaration is wrong or there are too many".into(),
        E::InvalidAttr(e) => attr_error(e),
        E::Escape(_) => "a reference is wrong".into(),
        E::Encoding(_) => "the text is not UTF-8".into(),
        E::Io(_) => "the text cannot be read".into(),
    }
}

fn attr_error(error: &quick_xml::events::attributes::AttrError) -> String {
    use quick_xml::events::attributes::AttrError as E;
    match error {
        E::Duplicated(..) => "an attribute is there twice".into(),
        E::ExpectedEq(_) | E::ExpectedValue(_) | E::UnquotedValue(_) | E::ExpectedQuote(..) => {
            "an attribute is not of the form name=\"value\"".into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(text: &str) -> Result<(), XmlError> {
        let mut xml = XmlReader::new(text, Limits::metadata())?;
        xml.root()?;
        xml.skip()?;
        xml.finish()
    }

    fn kind(text: &str) -> XmlErrorKind {
        read_all(text).unwrap_err().kind
    }

    #[test]
    fn document_types_and_entities_are_refused() {
        let xxe = "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>";

        assert_eq!(kind(xxe), XmlErrorKind::DocumentType);
        assert_eq!(kind("<a>&x;</a>"), XmlErrorKind::Entity);
        assert_eq!(kind("<a b='&x;'/>"), XmlErrorKind::Entity);
        assert_eq!(kind("<a>&#1;</a>"), XmlErrorKind::ControlCharacter);
        assert_eq!(kind("<a>\u{1}</a>"), XmlErrorKind::ControlCharacter);
    }

    #[test]
    fn limits_hold() {
        let deep = "<a>".repeat(200);
        let attributes: String = (0..40_000).map(|n| format!(" a{n}='1'")).collect();
        let namespaces: String = (0..100).map(|n| format!(" xmlns:n{n}='u'")).collect();

        assert!(matches!(kind(&deep), XmlErrorKind::Limit("nested elements", _)));
        assert!(matches!(kind(&format!("<a{attributes}/>")), XmlErrorKind::Limit(..)));
        assert!(read_all(&format!("<a{namespaces}/>")).is_err());
    }

    #[test]
    fn names_are_compared_by_namespace_not_prefix() {
        let text = "<x:a xmlns:x='urn:1'><b xmlns='urn:2'/><x:c xmlns:x='urn:3'/></x:a>";
        let mut xml = XmlReader::new(text, Limits::metadata()).unwrap();
        let mut seen = Vec::new();

        assert!(xml.root().unwrap().is(Name::new("urn:1", "a")));
        xml.children(|child, xml| {
            seen.push((child.ns().to_owned(), child.local().to_owned()));
            xml.skip()
        })
        .unwrap();

        assert_eq!(seen, [("urn:2".into(), "b".into()), ("urn:3".into(), "c".into())]);
    }

    #[test]
    fn text_comes_whole_from_its_pieces() {
        let text = "<a>x &amp; <![CDATA[<y>]]><!-- no -->&#x41;</a>";
        let mut xml = XmlReader::new(text, Limits::metadata()).unwrap();

        xml.root().unwrap();

        assert_eq!(xml.text().unwrap(), "x & <y>A");
        xml.finish().unwrap();
    }

    #[test]
    fn errors_say_where_but_not_what() {
        let error = read_all("<a><b>secret</c></a>").unwrap_err();

        assert!(!error.to_string().contains("secret"));
        assert!(error.to_string().contains("at byte"), "{error}");
        assert_eq!(kind("<a><x:b/></a>"), XmlErrorKind::UndeclaredPrefix("x".into()));
    }

    proptest! {
        #[test]
        fn no_input_panics(text in "(<|>|/|a|b|\"|'|=|&|;|!|\\[|\\]|-|\\?| |:|\\PC){0,60}") {
            let _ = read_all(&text);
        }
    }
}
