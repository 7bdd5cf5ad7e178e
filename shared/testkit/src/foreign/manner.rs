/// How it answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Manner {
    /// As most do.
    #[default]
    Plain,
    /// A boundary of all characters that one may have, quoted; text before and after the message;
    /// padding behind delimiters.
    OddBoundary,
    /// Other prefixes, default namespaces, CDATA, comments.
    OtherPrefixes,
    /// Headers that nobody asked for, some of them for somebody else.
    ExtraHeaders,
    /// Part headers in other letters, and folded.
    FoldedHeaders,
    /// The document first, and the envelope, which the header names, behind it.
    RootLast,
    /// A Content-ID that is escaped in the reference to it.
    EscapedCid,
    /// The document in base64.
    Base64,
    /// The document inside of the envelope, and no MTOM.
    Inline,
    /// Documents that nobody asked for, before the one that is wanted.
    MoreThanAsked,
    /// A warning beside the document.
    Warns,
    /// A few bytes at a time.
    Drips,
    /// It says that the document is of another community.
    OtherCommunity,

    /// Other bytes of the same length.
    OtherBytes,
    /// More bytes than are registered.
    Longer,
    /// Fewer bytes than are registered.
    Shorter,
    /// Another document, under its own id.
    OtherDocument,
    /// A message that breaks off in the document.
    CutOff,
    /// A message without its last boundary.
    NoEnd,
    /// An envelope that names a part that is not there.
    MissingPart,
    /// An envelope that names an address of its own network.
    IncludeElsewhere,
    /// The page of a proxy that all is well.
    Page,
    /// XML that is no SOAP message.
    OtherXml,
    /// Entities that grow.
    Entities,
    /// It takes the question and says nothing.
    Hang,
    /// A SOAP fault that names the patient.
    Fault,
    /// HTTP 503.
    Unavailable,
    /// Somewhere else.
    Redirect,
    /// XDSRepositoryBusy.
    Busy,
    /// It says that it is another repository.
    OtherRepository,
}

impl Manner {
    /// The ways of one that is odd, and right.
    pub const ODD: [Self; 13] = [
        Self::Plain,
        Self::OddBoundary,
        Self::OtherPrefixes,
        Self::ExtraHeaders,
        Self::FoldedHeaders,
        Self::RootLast,
        Self::EscapedCid,
        Self::Base64,
        Self::Inline,
        Self::MoreThanAsked,
        Self::Warns,
        Self::Drips,
        Self::OtherCommunity,
    ];
    /// The ways of one that gives something other than the document.
    pub const LYING: [Self; 11] = [
        Self::OtherBytes,
        Self::Longer,
        Self::Shorter,
        Self::OtherDocument,
        Self::NoEnd,
        Self::MissingPart,
        Self::IncludeElsewhere,
        Self::Page,
        Self::OtherXml,
        Self::Entities,
        Self::CutOff,
    ];
}
