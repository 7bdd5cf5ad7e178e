//! The character set of a message. HL7 v2.3.1: 2.24.1.18.

use std::borrow::Cow;

use encoding_rs::{Encoding, WINDOWS_1252, mem};

/// The text of a message. Never fails: bytes that have no place in the set become U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match part_of_8859(&declared(bytes)) {
        // What the web calls ISO 8859-1 is Windows-1252: other signs from 0x80 to 0x9F.
        Some(1) => return mem::decode_latin1(bytes),
        Some(part) => {
            if let Some(set) = Encoding::for_label(format!("iso-8859-{part}").as_bytes()) {
                return set.decode_without_bom_handling(bytes).0;
            }
        }
        None => {}
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// The first repetition of MSH-18: the set of everything that does not switch to another one.
fn declared(bytes: &[u8]) -> String {
    let head = bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
    let separator = head.get(3).copied().unwrap_or(b'|');
    let charset = head.split(|b| *b == separator).nth(17).unwrap_or_default();
    let repetition = head.get(5).copied().unwrap_or(b'~');
    let first = charset.split(|b| *b == repetition).next().unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}

/// The part that `8859/1` names, as `ISO-8859-1` and `ISO8859_1` do.
fn part_of_8859(charset: &str) -> Option<u8> {
    let (_, part) = charset.split_once("8859")?;
    part.trim_start_matches(['/', '-', '_', ' ']).trim_end().parse().ok()
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(charset: &str, name: &[u8]) -> String {
        let mut message = format!("MSH|^~\\&|P|T|R|S|2026||ADT^A08|1|P|2.3.1||||||{charset}\rPID|");
        let start = message.len();
        let mut bytes = std::mem::take(&mut message).into_bytes();
        bytes.extend(name);
        decode(&bytes).chars().skip(start).collect()
    }

    #[test]
    fn a_part_of_iso_8859_is_read_as_itself() {
        for charset in ["8859/1", "ISO-8859-1", "ISO8859_1 ", "8859/1~UNICODE UTF-8"] {
            assert_eq!(read(charset, b"M\xfcller\x85\x96"), "M\u{fc}ller\u{85}\u{96}", "{charset}");
            assert_eq!(read(charset, "\u{fc}".as_bytes()), "\u{c3}\u{bc}", "{charset}");
        }
        assert_eq!(read("8859/15", b"\xa4"), "\u{20ac}");
        assert_eq!(read("8859/2", b"\xb3"), "\u{142}");
    }

    #[test]
    fn another_set_is_utf_8_or_windows_1252() {
        for charset in ["", "UNICODE UTF-8", "ASCII", "8859/99", "8859"] {
            assert_eq!(read(charset, "M\u{fc}ller".as_bytes()), "M\u{fc}ller", "{charset}");
            assert_eq!(read(charset, b"M\xfcller \x96"), "M\u{fc}ller \u{2013}", "{charset}");
        }
        assert_eq!(decode(b"\xef\xbb\xbfMSH|"), "MSH|");
    }
}
