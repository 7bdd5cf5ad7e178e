/// Why XML was refused, and where. The path has element names only: never content.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind} at byte {offset}{}", if path.is_empty() { String::new() } else { format!(" in {path}") })]
pub struct XmlError {
    /// What is wrong.
    pub kind: XmlErrorKind,
    /// Where, in bytes of the UTF-8 text.
    pub offset: u64,
    /// The elements around it, `/Envelope/Body`.
    pub path: String,
}

/// What can be wrong with XML.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum XmlErrorKind {
    /// Not well-formed.
    #[error("not well-formed XML ({0})")]
    NotWellFormed(String),
    /// A document type declaration: never needed, always refused.
    #[error("a document type declaration is not allowed")]
    DocumentType,
    /// An entity other than the five that XML defines.
    #[error("an entity reference is not allowed")]
    Entity,
    /// A namespace prefix that nothing declares.
    #[error("the namespace prefix {0:?} is not declared")]
    UndeclaredPrefix(String),
    /// A limit was passed.
    #[error("the limit of {1} {0} is passed")]
    Limit(&'static str, u64),
    /// A character that XML does not allow.
    #[error("a control character is not allowed")]
    ControlCharacter,
    /// The bytes are not in the declared or any known encoding.
    #[error("the text is not in the encoding {0}")]
    Encoding(String),
    /// There is no element.
    #[error("there is no XML element")]
    Empty,
    /// An element that must be there is not.
    #[error("the element {0} is missing")]
    MissingElement(&'static str),
    /// An attribute that must be there is not.
    #[error("the attribute {0} is missing")]
    MissingAttribute(&'static str),
    /// An element that must not be there is.
    #[error("the element {0} is not expected")]
    UnexpectedElement(String),
    /// Text where only elements may be.
    #[error("text is not expected")]
    UnexpectedText,
    /// A value that does not have the form it must have; says which, never the value.
    #[error("{0}")]
    Value(String),
}

/// Why XML could not be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The sink failed.
    #[error("writing failed")]
    Io(#[from] std::io::Error),
    /// The text has a character that XML 1.0 cannot hold.
    #[error("the text has a character that XML cannot hold")]
    ControlCharacter,
}

/// In our own words, since the parser's texts can carry names and content of the input.
pub(crate) fn parser_words(error: &quick_xml::Error) -> String {
    use quick_xml::Error as E;
    match error {
        E::Syntax(_) => "a tag, comment or section is not closed".into(),
        E::IllFormed(quick_xml::errors::IllFormedError::MismatchedEndTag { .. }) => {
            "an end tag does not match its start tag".into()
        }
        E::IllFormed(_) => "tags do not nest".into(),
        E::Namespace(_) => "a namespace declaration is wrong or there are too many".into(),
        E::InvalidAttr(e) => attribute_words(e),
        E::Escape(_) => "a reference is wrong".into(),
        E::Encoding(_) => "the text is not UTF-8".into(),
        E::Io(_) => "the text cannot be read".into(),
    }
}

/// As `parser_words`, for attributes.
pub(crate) fn attribute_words(error: &quick_xml::events::attributes::AttrError) -> String {
    use quick_xml::events::attributes::AttrError as E;
    match error {
        E::Duplicated(..) => "an attribute is there twice".into(),
        E::ExpectedEq(_) | E::ExpectedValue(_) | E::UnquotedValue(_) | E::ExpectedQuote(..) => {
            "an attribute is not of the form name=\"value\"".into()
        }
    }
}
