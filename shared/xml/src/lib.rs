//! The one place that reads and writes XML.
//!
//! [`XmlReader`] pulls elements out of bytes under stated [`Limits`] and refuses what no message or
//! document needs: document types, foreign entities, control characters, deep nesting, floods of
//! attributes. [`Tree`] holds a whole clinical document, read through the same reader.
//! [`XmlWriter`] escapes everything.

#![warn(missing_docs)]

mod characters;
mod encoding;
mod error;
mod limits;
mod name;
mod reader;
mod tree;
mod writer;

pub use encoding::to_utf8;
pub use error::{EncodeError, XmlError, XmlErrorKind};
pub use limits::Limits;
pub use name::{Name, Start};
pub use reader::XmlReader;
pub use tree::{ElementRef, NodeRef, Tree};
pub use writer::{XmlWriter, encode};

/// Reads a value from its element.
pub trait Decode: Sized {
    /// Reads the content of `start`, whose opening tag has just been read, up to its end.
    ///
    /// # Errors
    /// `XmlError` with path and byte offset.
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError>;
}

/// Writes a value as its element.
pub trait Encode {
    /// Writes the element.
    ///
    /// # Errors
    /// When the sink fails, or a text has a character that XML cannot hold.
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError>;
}

/// Reads a value from a whole message whose root is the value's element.
///
/// # Errors
/// As `Decode::decode`, and when anything but white space follows the root.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T, XmlError> {
    let text = to_utf8(bytes)?;
    let mut xml = XmlReader::new(&text, Limits::metadata())?;
    let root = xml.root()?;
    let value = T::decode(&root, &mut xml)?;
    xml.finish()?;
    Ok(value)
}
