use std::sync::Arc;

use crate::{XmlError, XmlErrorKind};

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
    pub(crate) ns: Arc<str>,
    pub(crate) local: Arc<str>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) offset: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub ns: Arc<str>,
    pub local: String,
    pub value: String,
}

impl Attribute {
    /// The value of the attribute of that name among `all`.
    pub(crate) fn find<'s>(all: &'s [Self], ns: &str, local: &str) -> Option<&'s str> {
        all.iter().find(|a| a.local == local && *a.ns == *ns).map(|a| a.value.as_str())
    }
}

impl Start {
    /// Whether this is the element of that name.
    pub fn is(&self, name: Name) -> bool {
        *self.ns == *name.ns && *self.local == *name.local
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
        Attribute::find(&self.attributes, ns, local)
    }

    /// All attributes as namespace URI and local name; declarations of namespaces are none.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|a| (&*a.ns, a.local.as_str()))
    }

    /// The attribute of no namespace, which must be there.
    ///
    /// # Errors
    /// `MissingAttribute`.
    pub fn required(&self, local: &'static str) -> Result<&str, XmlError> {
        self.attr(local).ok_or_else(|| XmlError {
            kind: XmlErrorKind::MissingAttribute(local),
            offset: self.offset,
            path: self.local.to_string(),
        })
    }

    /// Where the tag begins, in bytes of the text.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// Checks the form of a name with or without a prefix. The parser takes any bytes for a name, and
/// names stand in error texts, so what is no name must not get that far.
pub(crate) fn check_name(name: &str) -> Result<(), XmlErrorKind> {
    if name.len() > MAX_NAME {
        return Err(XmlErrorKind::Limit("bytes of a name", MAX_NAME as u64));
    }
    let well_formed = match name.split_once(':') {
        Some((prefix, local)) => is_plain_name(prefix) && is_plain_name(local),
        None => is_plain_name(name),
    };
    if well_formed { Ok(()) } else { Err(XmlErrorKind::NotWellFormed("a name is no name".into())) }
}

/// Precise for ASCII; beyond it, anything that is not white space or a control character.
fn is_plain_name(name: &str) -> bool {
    let inside = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '-' | '.')
            || !c.is_ascii() && !c.is_whitespace() && !c.is_control()
    };
    let digit_or_mark = |c: char| c.is_ascii_digit() || matches!(c, '-' | '.');
    name.chars().next().is_some_and(|c| !digit_or_mark(c)) && name.chars().all(inside)
}

/// No vocabulary that is spoken here has names of even half this length.
const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_looks_like_them() {
        for good in ["a", "rim:Slot", "_x", "a-1.b", "größe"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", ":a", "a:", "a:b:c", "1a", "-a", "a\"b", "a<b", "a\u{85}b", "a\u{a0}b"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        assert!(check_name(&"a".repeat(257)).is_err());
    }
}
