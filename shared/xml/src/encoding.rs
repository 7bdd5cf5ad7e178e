use std::borrow::Cow;

use encoding_rs::{Encoding, ISO_8859_15, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{XmlError, XmlErrorKind};

/// Gives the UTF-8 text of XML bytes: by byte order mark, else by the encoding declared, else UTF-8.
/// A mark at the front is taken off. The encodings are UTF-8, UTF-16 and the Western ones of one
/// byte: US-ASCII, ISO-8859-1 and -15, windows-1252.
///
/// # Errors
/// When the bytes are not in that encoding, or it is none of these.
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
            if encoding == UTF_16BE || encoding == UTF_16LE {
                return decode(UTF_8, bytes);
            }
            // Stateful encodings hide markup from whoever looks at the bytes.
            if ![UTF_8, WINDOWS_1252, ISO_8859_15].contains(&encoding) {
                return Err(unknown(label));
            }
            decode(encoding, bytes)
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
    // The label stands in error texts, and anything can stand where it should be.
    let label: String = label.iter().take(40).map(|b| char::from(*b)).collect();
    let plain = label.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
    let label = if plain { label } else { "declared".to_owned() };
    XmlError { kind: XmlErrorKind::Encoding(label), offset: 0, path: String::new() }
}

const MAX_DECLARATION: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_encodings_are_followed() {
        let declared = |label: &str, content: &[u8]| {
            let head = format!("<?xml version=\"1.0\" encoding='{label}'?><a>");
            let bytes = [head.as_bytes(), content, b"</a>"].concat();
            let text = to_utf8(&bytes).unwrap().into_owned();
            text[head.len()..text.len() - 4].to_owned()
        };

        assert_eq!(declared("ISO-8859-1", b"\xe9"), "é");
        assert_eq!(declared("windows-1252", b"\x80"), "€");
        assert_eq!(declared("US-ASCII", b"e"), "e");
        assert_eq!(declared("utf-8", "é".as_bytes()), "é");
        // Written by programs that turn a text into bytes after they wrote its declaration.
        assert_eq!(declared("UTF-16", "é".as_bytes()), "é");
    }

    #[test]
    fn byte_order_marks_and_wide_characters_are_seen() {
        let wide = |text: &str, to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(to_bytes).collect()
        };

        assert_eq!(to_utf8(&wide("\u{feff}<a>é</a>", u16::to_le_bytes)).unwrap(), "<a>é</a>");
        assert_eq!(to_utf8(&wide("\u{feff}<a>é</a>", u16::to_be_bytes)).unwrap(), "<a>é</a>");
        assert_eq!(to_utf8(&wide("<a>é</a>", u16::to_le_bytes)).unwrap(), "<a>é</a>");
        assert_eq!(to_utf8(&wide("<a>é</a>", u16::to_be_bytes)).unwrap(), "<a>é</a>");
        assert_eq!(to_utf8(b"\xef\xbb\xbf<a/>").unwrap(), "<a/>");
    }

    #[test]
    fn wrong_bytes_and_strange_encodings_are_refused() {
        let label = |label: &str| {
            let xml = format!("<?xml version='1.0' encoding='{label}'?><a/>");
            to_utf8(xml.as_bytes()).map(std::borrow::Cow::into_owned)
        };

        assert!(to_utf8(b"<a>\xe9</a>").is_err());
        assert!(to_utf8(b"<a>\xc0\xaf</a>").is_err(), "overlong");
        assert!(to_utf8(b"\xff\xfe<\0a\0>\0\x00\xd8").is_err(), "lone surrogate");
        for strange in ["EBCDIC-X", "UTF-7", "ISO-2022-JP", "x-user-defined"] {
            assert_eq!(label(strange).unwrap_err().kind, XmlErrorKind::Encoding(strange.into()));
        }
        assert!(!label("Jane Doe\n").unwrap_err().to_string().contains("Jane"));
    }
}
