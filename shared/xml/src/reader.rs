use std::borrow::Cow;
use std::sync::Arc;

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};

use crate::characters::{allowed, find_forbidden};
use crate::error::{attribute_words, parser_words};
use crate::name::{Attribute, check_name};
use crate::{Limits, Start, XmlError, XmlErrorKind};

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
    path: Vec<Arc<str>>,
    namespaces: Vec<Arc<str>>,
    elements: u64,
    end_offset: u64,
}

impl<'a> XmlReader<'a> {
    /// Reads `text`, which `to_utf8` gives.
    ///
    /// # Errors
    /// When the text is too long or has a character that XML does not allow.
    pub fn new(text: &'a str, limits: Limits) -> Result<Self, XmlError> {
        let error = |kind, offset| XmlError { kind, offset, path: String::new() };
        if text.len() as u64 > limits.max_bytes {
            return Err(error(XmlErrorKind::Limit("bytes", limits.max_bytes), 0));
        }
        // Once for the whole text: names, comments and instructions are covered as well.
        if let Some(at) = find_forbidden(text) {
            return Err(error(XmlErrorKind::ControlCharacter, at as u64));
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

    /// Reads the current element to its end and gives where it stands in the text, from the `<` of
    /// `start`, whose tag has just been read, to behind its closing tag.
    ///
    /// # Errors
    /// As `skip`.
    pub fn span(&mut self, start: &Start) -> Result<std::ops::Range<usize>, XmlError> {
        self.skip()?;
        Ok(start.offset as usize..self.end_offset as usize)
    }

    /// The error for a child that may not be here.
    pub fn unexpected(&self, child: &Start) -> XmlError {
        self.error(XmlErrorKind::UnexpectedElement(child.local.to_string()))
    }

    /// An error at the current place.
    pub fn error(&self, kind: XmlErrorKind) -> XmlError {
        let hidden = self.path.len().saturating_sub(MAX_PATH);
        let mut path = if hidden > 0 { "/..".to_owned() } else { String::new() };
        for name in &self.path[hidden..] {
            path.push('/');
            path.push_str(name);
        }
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
                    let text = text.xml10_content();
                    // White space before and behind the root is no text of anything. A section or
                    // a reference out there is an error even when it gives white space.
                    if self.path.is_empty() && text.trim_ascii().is_empty() {
                        continue;
                    }
                    return Ok(Some(Token::Text(text)));
                }
                Event::CData(text) => return Ok(Some(Token::Text(text.xml10_content()))),
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
        let (ns, local) = self.resolve(tag.name(), true)?;
        let local: Arc<str> = Arc::from(local);
        self.path.push(local.clone());
        let attributes = self.attributes(tag)?;
        Ok(Start { ns, local, attributes, offset })
    }

    fn attributes(&mut self, tag: &BytesStart<'_>) -> Result<Vec<Attribute>, XmlError> {
        let mut found: Vec<Attribute> = Vec::new();
        for (count, attribute) in tag.attributes().enumerate() {
            if count >= self.limits.max_attributes {
                return Err(self.limit("attributes", self.limits.max_attributes));
            }
            let attribute = attribute
                .map_err(|e| self.error(XmlErrorKind::NotWellFormed(attribute_words(&e))))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let (ns, local) = self.resolve(attribute.key, false)?;
            // Two prefixes can mean one namespace, which the parser does not look at.
            if !ns.is_empty() && Attribute::find(&found, &ns, local).is_some() {
                let what = "an attribute is there twice";
                return Err(self.error(XmlErrorKind::NotWellFormed(what.into())));
            }
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|_| self.error(XmlErrorKind::Entity))?
                .into_owned();
            // The text itself was checked; a reference can still make such a character.
            if find_forbidden(&value).is_some() {
                return Err(self.error(XmlErrorKind::ControlCharacter));
            }
            found.push(Attribute { ns, local: local.to_owned(), value });
        }
        Ok(found)
    }

    /// The namespace and local name of a name. Few namespaces stand on many elements, so each is
    /// held once. Only elements are in the namespace of `xmlns`.
    fn resolve<'n>(
        &mut self,
        name: QName<'n>,
        element: bool,
    ) -> Result<(Arc<str>, &'n str), XmlError> {
        check_name(name.into_inner()).map_err(|kind| self.error(kind))?;
        let (namespace, local) = self.reader.resolver().resolve(name, element);
        let ns = match namespace {
            ResolveResult::Bound(ns) => intern(&mut self.namespaces, ns.into_inner()),
            ResolveResult::Unbound => intern(&mut self.namespaces, ""),
            ResolveResult::Unknown(prefix) => {
                let ns = self.undeclared(prefix)?;
                intern(&mut self.namespaces, &ns)
            }
        };
        Ok((ns, local.into_inner()))
    }

    fn undeclared(&self, prefix: String) -> Result<String, XmlError> {
        if !self.limits.lenient_prefixes {
            return Err(self.error(XmlErrorKind::UndeclaredPrefix(prefix)));
        }
        if prefix == "xsi" {
            return Ok(XSI.to_owned());
        }
        Ok(format!("urn:undeclared:{prefix}"))
    }

    fn reference(&self, reference: &BytesRef<'_>) -> Result<Cow<'a, str>, XmlError> {
        if !reference.is_char_ref() {
            return match &**reference {
                "lt" => Ok("<".into()),
                "gt" => Ok(">".into()),
                "amp" => Ok("&".into()),
                "apos" => Ok("'".into()),
                "quot" => Ok("\"".into()),
                _ => Err(self.error(XmlErrorKind::Entity)),
            };
        }
        match reference.resolve_char_ref() {
            Ok(Some(c)) if allowed(c) => Ok(c.to_string().into()),
            Ok(Some(_)) => Err(self.error(XmlErrorKind::ControlCharacter)),
            Ok(None) | Err(_) => Err(self.error(XmlErrorKind::Entity)),
        }
    }

    fn limit(&self, what: &'static str, limit: usize) -> XmlError {
        self.error(XmlErrorKind::Limit(what, limit as u64))
    }

    fn not_well_formed(&self, error: &quick_xml::Error) -> XmlError {
        let mut e = self.error(XmlErrorKind::NotWellFormed(parser_words(error)));
        e.offset = self.reader.error_position();
        e
    }
}

fn intern(known: &mut Vec<Arc<str>>, ns: &str) -> Arc<str> {
    if let Some(known) = known.iter().find(|n| ***n == *ns) {
        return known.clone();
    }
    let ns: Arc<str> = Arc::from(ns);
    // Past this many, hostile input gains nothing by inventing more.
    if known.len() < MAX_INTERNED {
        known.push(ns.clone());
    }
    ns
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const MAX_INTERNED: usize = 64;
/// Names that an error's path shows: the innermost.
const MAX_PATH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    fn read_all(text: &str) -> Result<(), XmlError> {
        let mut xml = XmlReader::new(text, Limits::metadata())?;
        xml.root()?;
        xml.skip()?;
        xml.finish()
    }

    #[test]
    fn names_are_compared_by_namespace_not_prefix() {
        let text = "<x:a xmlns:x='urn:1'><b xmlns='urn:2'/><x:c xmlns:x='urn:3'/><x:d/></x:a>";
        let mut xml = XmlReader::new(text, Limits::metadata()).unwrap();
        let mut seen = Vec::new();

        assert!(xml.root().unwrap().is(Name::new("urn:1", "a")));
        xml.children(|child, xml| {
            seen.push(format!("{} {}", child.ns(), child.local()));
            xml.skip()
        })
        .unwrap();

        assert_eq!(seen, ["urn:2 b", "urn:3 c", "urn:1 d"]);
    }

    #[test]
    fn text_comes_whole_from_its_pieces() {
        let text = "<a>x &amp; <![CDATA[<y>]]><!-- no --><?no?>&#x41;\r\nz\r</a>";
        let mut xml = XmlReader::new(text, Limits::metadata()).unwrap();

        xml.root().unwrap();

        assert_eq!(xml.text().unwrap(), "x & <y>A\nz\n");
        xml.finish().unwrap();
    }

    #[test]
    fn errors_say_where_but_not_what() {
        let error = read_all("<a><b>secret</c></a>").unwrap_err();

        assert_eq!(error.path, "/a/b");
        assert!(!error.to_string().contains("secret"));
        assert!(error.to_string().contains("at byte"), "{error}");
    }

    #[test]
    fn an_element_can_be_cut_out() {
        let text = "<a> <b c='1'>x<d/></b> </a>";
        let mut xml = XmlReader::new(text, Limits::metadata()).unwrap();

        xml.root().unwrap();
        let b = xml.next_child().unwrap().unwrap();
        let span = xml.span(&b).unwrap();

        assert_eq!(&text[span], "<b c='1'>x<d/></b>");
        assert!(xml.next_child().unwrap().is_none());
        xml.finish().unwrap();
    }
}
