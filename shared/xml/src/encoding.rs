use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::{XmlError, XmlErrorKind};

/// Gives the UTF-8 text of XML bytes: by byte order mark, else by the encoding declared, else UTF-8.
/// A mark at the front is taken off.
///
/// # Errors
/// When the bytes are not in that encoding, or the encoding is not known.
pub fn to_utf8(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return decode(encoding, &bytes[length..]);
    }
    if bytes.starts_with(&[0, b'<', 0]) {
        return decode(UTF_16BE, bytes);
    }
    if bytes.starts_with(&[b'<', 0]) {
        return decode(UTF_16LE, bytes);
    }
    match declared(bytes) {
        Some(label) => {
            let encoding = Encoding::for_label(label).ok_or_else(|| unknown(label))?;
            // A declaration that could be read byte by byte is not in UTF-16, whatever it says.
            let wide = encoding == UTF_16BE || encoding == UTF_16LE;
            decode(if wide { UTF_8 } else { encoding }, bytes)
        }
        None => decode(UTF_8, bytes),
    }
}

/// The encoding of the XML declaration, when there is one.
fn declared(bytes: &[u8]) -> Option<&[u8]> {
    let start = bytes.iter().position(|b| !b.is_ascii_whitespace())?;
    let head = &bytes[start..];
    let head = head.strip_prefix(b"<?xml")?;
    let end = head.windows(2).take(MAX_DECLARATION).position(|w| w == b"?>")?;
    let head = &head[..end];
    let at = head.windows(8).position(|w| w == b"encoding")?;
    let rest = &head[at + 8..];
    let quote = rest.iter().position(|b| matches!(b, b'"' | b'\''))?;
    let value = &rest[quote + 1..];
    let close = value.iter().position(|b| *b == rest[quote])?;
    Some(&value[..close])
}

fn decode<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Result<Cow<'a, str>, XmlError> {
    let error = || XmlError {
        kind: XmlErrorKind::Encoding(encoding.name().to_owned()),
        offset: std::str::from_utf8(bytes).err().map_or(0, |e| e.valid_up_to() as u64),
        path: String::new(),
    };
    encoding.decode_without_bom_handling_and_without_replacement(bytes).ok_or_else(error)
}

fn unknown(label: &[u8]) -> XmlError {
    let label = String::from_utf8_lossy(&label[..label.len().min(40)]).into_owned();
    XmlError { kind: XmlErrorKind::Encoding(label), offset: 0, path: String::new() }
}

const MAX_DECLARATION: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_encodings_are_followed() {
        let latin = b"<?xml version=\"1.0\" encoding='ISO-8859-1'?><a>\xe9</a>";
        let utf16: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();

        assert!(to_utf8(latin).unwrap().ends_with("<a>é</a>"));
        assert_eq!(to_utf8(&utf16).unwrap(), "<a>é</a>");
        assert_eq!(to_utf8(b"\xef\xbb\xbf<a/>").unwrap(), "<a/>");
    }

    #[test]
    fn wrong_bytes_are_refused() {
        assert!(to_utf8(b"<a>\xe9</a>").is_err());
        assert!(to_utf8(b"<?xml version='1.0' encoding='EBCDIC-X'?><a/>").is_err());
    }
}
