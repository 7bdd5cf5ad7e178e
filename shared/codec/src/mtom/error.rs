use super::reader::MAX_PARTS;

/// Why a multipart message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MtomError {
    /// No boundary is given, or it is not one.
    #[error("the multipart boundary is missing or wrong")]
    Boundary,
    /// The message ends before its last boundary.
    #[error("the multipart message ends before its closing boundary")]
    Incomplete,
    /// A part's headers are too long or not headers.
    #[error("the headers of a part are wrong or too long")]
    Headers,
    /// Too many parts.
    #[error("the message has more than {MAX_PARTS} parts")]
    TooManyParts,
    /// The root part is longer than metadata may be.
    #[error("the SOAP envelope is longer than {0} bytes")]
    RootTooLong(usize),
    /// A part is in a transfer encoding that is broken or unknown.
    #[error("the transfer encoding of a part is wrong or not known")]
    TransferEncoding,
    /// The connection broke; the text is the source's own, and not for the peer.
    #[error("the message could not be received")]
    Source(String),
}
