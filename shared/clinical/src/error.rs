use carerecord_xml::XmlError;

/// Why the header of a document could not be read, in words a person can act on. Never carries
/// content of the document beyond names of elements.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HeaderError {
    /// The XML was refused; says why and where.
    #[error("{0}")]
    Xml(#[from] XmlError),
    /// The JSON was refused; says where.
    #[error("not well-formed JSON at line {line}, column {column}")]
    Json {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An envelope that holds something else.
    #[error("no ClinicalDocument in the envelope")]
    NoClinicalDocument,
    /// A `ClinicalDocument` without the namespace of CDA.
    #[error("ClinicalDocument is not in the namespace urn:hl7-org:v3")]
    Namespace,
    /// A bundle of another type than `document`.
    #[error("bundle is a {0}, not a document")]
    NotADocumentBundle(&'static str),
    /// A document bundle must begin with its Composition.
    #[error("the bundle's first entry is not a Composition")]
    NoComposition,
    /// A document bundle has one Composition.
    #[error("the bundle has more than one Composition")]
    TwoCompositions,
    /// A format that has no header.
    #[error("{0} has no header to read")]
    NoHeader(&'static str),
    /// More bytes than are looked at.
    #[error("the document is larger than the {0} bytes that are read")]
    TooLarge(usize),
    /// More values than are held in memory at a time.
    #[error("the document has more than the {0} values that are read")]
    TooMany(usize),
}

impl From<serde_json::Error> for HeaderError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json { line: error.line(), column: error.column() }
    }
}
