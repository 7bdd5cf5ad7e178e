use std::io::Write;

use crate::characters::is_no_character;
use crate::{Encode, EncodeError};

/// Writes XML. Names carry their prefix (`rim:Slot`), which the root element declares; texts and
/// attribute values are always escaped.
pub struct XmlWriter<W> {
    sink: W,
}

impl<W: Write> XmlWriter<W> {
    /// Writes to a sink; no XML declaration is written.
    pub fn new(sink: W) -> Self {
        Self { sink }
    }

    /// Writes an element with content.
    ///
    /// # Errors
    /// What `content` returns, or when the sink fails.
    pub fn element<F>(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        content: F,
    ) -> Result<(), EncodeError>
    where
        F: FnOnce(&mut Self) -> Result<(), EncodeError>,
    {
        self.open(name, attributes)?;
        self.sink.write_all(b">")?;
        content(self)?;
        self.close(name)
    }

    /// Writes an element without content.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<(), EncodeError> {
        self.open(name, attributes)?;
        self.sink.write_all(b"/>")?;
        Ok(())
    }

    /// Writes an element that holds a text.
    ///
    /// # Errors
    /// When the sink fails, or the text cannot stand in XML.
    pub fn text(&mut self, name: &str, value: &str) -> Result<(), EncodeError> {
        self.element(name, &[], |xml| xml.characters(value))
    }

    /// Writes a text, escaped.
    ///
    /// # Errors
    /// As `text`.
    pub fn characters(&mut self, value: &str) -> Result<(), EncodeError> {
        self.escaped(value, false)
    }

    /// Writes the value of an attribute, escaped, between quotation marks that stand in `raw`.
    ///
    /// # Errors
    /// As `text`.
    pub fn attribute_value(&mut self, value: &str) -> Result<(), EncodeError> {
        self.escaped(value, true)
    }

    /// Writes bytes that are XML already: a fragment that was read and checked before.
    ///
    /// # Errors
    /// When the sink fails.
    pub fn raw(&mut self, fragment: &[u8]) -> Result<(), EncodeError> {
        self.sink.write_all(fragment)?;
        Ok(())
    }

    /// The sink, to look at.
    pub fn sink(&self) -> &W {
        &self.sink
    }

    /// The sink.
    pub fn into_inner(self) -> W {
        self.sink
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<(), EncodeError> {
        self.sink.write_all(b"<")?;
        self.sink.write_all(name.as_bytes())?;
        for (key, value) in attributes {
            self.sink.write_all(b" ")?;
            self.sink.write_all(key.as_bytes())?;
            self.sink.write_all(b"=\"")?;
            self.escaped(value, true)?;
            self.sink.write_all(b"\"")?;
        }
        Ok(())
    }

    fn close(&mut self, name: &str) -> Result<(), EncodeError> {
        self.sink.write_all(b"</")?;
        self.sink.write_all(name.as_bytes())?;
        self.sink.write_all(b">")?;
        Ok(())
    }

    fn escaped(&mut self, value: &str, attribute: bool) -> Result<(), EncodeError> {
        let bytes = value.as_bytes();
        let mut from = 0;
        // Nearly all text needs nothing done: one look at each byte.
        while let Some(step) = find_special(&bytes[from..]) {
            let at = from + step;
            let escape: &[u8] = match bytes[at] {
                b'<' => b"&lt;",
                b'>' => b"&gt;",
                b'&' => b"&amp;",
                b'"' if attribute => b"&quot;",
                // A parser would turn these into spaces or newlines.
                b'\r' => b"&#13;",
                b'\n' if attribute => b"&#10;",
                b'\t' if attribute => b"&#9;",
                0xef if is_no_character(&bytes[at..]) => return Err(EncodeError::ControlCharacter),
                b'"' | b'\n' | b'\t' | 0xef => &bytes[at..=at],
                _ => return Err(EncodeError::ControlCharacter),
            };
            self.sink.write_all(&bytes[from..at])?;
            self.sink.write_all(escape)?;
            from = at + 1;
        }
        self.sink.write_all(&bytes[from..])?;
        Ok(())
    }
}

/// Where the first byte is that may need something done. Sixteen bytes are looked at together, in a
/// form that compilers turn into few instructions.
fn find_special(bytes: &[u8]) -> Option<usize> {
    let special = |b: &u8| SPECIAL[usize::from(*b)];
    let (blocks, rest) = bytes.as_chunks::<16>();
    let all = blocks.len() * 16;
    for (n, block) in blocks.iter().enumerate() {
        let found = block.iter().fold(false, |found, b| {
            found
                | (*b < 0x20)
                | (*b == b'<')
                | (*b == b'>')
                | (*b == b'&')
                | (*b == b'"')
                | (*b == 0xef)
        });
        if found {
            return block.iter().position(special).map(|at| n * 16 + at);
        }
    }
    rest.iter().position(special).map(|at| all + at)
}

/// Bytes that may need something done: controls, markup, quotes, and the first of U+FFFE.
static SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut control = 0;
    while control < 0x20 {
        special[control] = true;
        control += 1;
    }
    special[b'<' as usize] = true;
    special[b'>' as usize] = true;
    special[b'&' as usize] = true;
    special[b'"' as usize] = true;
    special[0xef] = true;
    special
};

/// Writes a value into bytes.
///
/// # Errors
/// When a text cannot stand in XML.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, EncodeError> {
    let mut xml = XmlWriter::new(Vec::new());
    value.encode(&mut xml)?;
    Ok(xml.into_inner())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Limits, XmlReader};

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            text in "\\PC*[\r\n\t<>&\"']*\\PC*",
            value in "\\PC*[\r\n\t<>&\"']*",
        ) {
            let mut xml = XmlWriter::new(Vec::new());
            xml.element("a", &[("b", &value)], |xml| xml.characters(&text)).unwrap();
            let bytes = String::from_utf8(xml.into_inner()).unwrap();

            let mut back = XmlReader::new(&bytes, Limits::metadata()).unwrap();
            let start = back.root().unwrap();
            prop_assert_eq!(start.attr("b"), Some(value.as_str()));
            prop_assert_eq!(back.text().unwrap(), text);
        }
    }

    #[test]
    fn control_characters_are_refused() {
        let mut xml = XmlWriter::new(Vec::new());

        assert!(xml.text("a", "\u{0}").is_err());
    }
}
