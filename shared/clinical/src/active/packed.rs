//! Objects of a PDF that stand packed in streams of others. ISO 32000-1: 7.5.7.

use std::cell::LazyCell;
use std::io::Read;

use flate2::read::ZlibDecoder;

use super::names;
use super::object::{Dictionary, Odd, Token, stream_dictionary};

/// Whether `is_active` is so of packed objects, or of any that cannot be read: those are packed in a
/// way that no writer needs, encrypted, broken, or too many.
///
/// The file's own index of them may lie, so every `obj` is looked at.
pub(super) fn any(bytes: &[u8], is_active: impl Fn(&[u8]) -> bool) -> bool {
    let is_encrypted = LazyCell::new(|| names(bytes, &[b"Encrypt"]));
    let mut left = Left { syntax: 4 * bytes.len(), unpacked: MAX_UNPACKED };
    let starts = bytes.windows(3).enumerate().filter(|(_, word)| *word == b"obj");
    for (at, _) in starts.filter(|(at, _)| !bytes[..*at].ends_with(b"end")) {
        let found = stream_dictionary(bytes, at + 3, KEYS, &mut left.syntax);
        let (dictionary, data) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(Odd) => return true,
        };
        if !holds_objects(&dictionary) {
            continue;
        }
        match unpacked(&dictionary, &bytes[data..], left.unpacked) {
            Some(objects) if !*is_encrypted && !is_active(&objects) => {
                left.unpacked -= objects.len();
            }
            Some(_) | None => return true,
        }
    }
    false
}

/// What may still be looked at, in bytes.
struct Left {
    syntax: usize,
    unpacked: usize,
}

/// Not every viewer asks for the type.
fn holds_objects(dictionary: &Dictionary) -> bool {
    let is_type = |value: &[Token]| value.contains(&Token::Name(b"ObjStm".to_vec()));
    dictionary.iter().any(|(key, value)| key == b"First" || (key == b"Type" && is_type(value)))
}

/// The objects, with where each begins before them; nothing where they are not packed, since then
/// they have been seen. `None` if they cannot be read.
fn unpacked(dictionary: &Dictionary, data: &[u8], most: usize) -> Option<Vec<u8>> {
    let has = |key: &[u8]| dictionary.iter().filter(|(k, _)| k == key).count();
    // Parameters change what comes out, data may be elsewhere, and viewers know short names.
    if [b"DecodeParms".as_slice(), b"DP", b"F"].iter().any(|key| has(key) > 0) {
        return None;
    }
    let filter = match has(b"Filter") {
        0 => return Some(Vec::new()),
        1 => dictionary.iter().find(|(key, _)| key == b"Filter")?.1.as_slice(),
        _ => return None,
    };
    let ([filter] | [Token::Mark(b"["), filter, Token::Mark(b"]")]) = filter else { return None };
    if ![b"FlateDecode".as_slice(), b"Fl"].iter().any(|name| filter.is_name(name)) {
        return None;
    }
    let mut objects = Vec::new();
    ZlibDecoder::new(data).take(most as u64 + 1).read_to_end(&mut objects).ok()?;
    (objects.len() <= most).then_some(objects)
}

const KEYS: &[&[u8]] = &[b"Type", b"First", b"Filter", b"F", b"DecodeParms", b"DP"];
/// Of all together.
const MAX_UNPACKED: usize = 32 << 20;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use crate::pdf_is_active;

    const SCRIPT: &str = "7 0 <</S/JavaScript/JS(app.alert(1))>>";
    const STILL: &str = "7 0 <</Type/Font/BaseFont/Helvetica>>";

    #[test]
    fn actions_are_seen_in_packed_objects() {
        let usual = "/Type/ObjStm/N 1/First 4/Filter/FlateDecode";
        for head in [
            usual,
            "/Type /Obj#53tm /N 1 /First 4 /Filter [ /FlateDecode ]",
            "/N 1/First 4/Filter/Fl",
            "/Type/ObjStm/N 1/F#69rst 4/Filter/#46lateDecode/Extends 3 0 R",
            "/X<</Y[1 0 R(\\)>>)<3e3e>]>>%>>\n/Type/ObjStm/N 1/First 4/Filter/FlateDecode",
            "/X 1 endobj 6 0 obj << /N 1/First 4/Filter/FlateDecode",
        ] {
            assert!(pdf_is_active(&pdf(head, &packed(SCRIPT))), "{head}");
            assert!(!pdf_is_active(&pdf(head, &packed(STILL))), "{head}");
        }
        let launch = packed("7 0 <</S /L#61unch /F(cmd)>>");
        assert!(pdf_is_active(&pdf(usual, &launch)));
        assert!(
            !pdf_is_active(&pdf("/Length 40/Filter/FlateDecode", &packed(SCRIPT))),
            "no object"
        );
        let spaced =
            [b"%PDF-1.7\n5 0 obj %c\n<<".as_slice(), usual.as_bytes(), b">>%c\nstream \r\n"];
        assert!(pdf_is_active(&[&spaced.concat()[..], &packed(SCRIPT)].concat()));
    }

    #[test]
    fn packed_objects_that_cannot_be_read_are_taken_as_active() {
        let still = packed(STILL);
        for head in [
            "/Type/ObjStm/N 1/First 4/Filter/LZWDecode",
            "/Type/ObjStm/N 1/First 4/Filter[/FlateDecode/FlateDecode]",
            "/Type/ObjStm/N 1/First 4/Filter 9 0 R",
            "/Type/ObjStm/N 1/First 4/Filter[/FlateDecode 9 0 R]",
            "/Type/ObjStm/N 1/First 4/Filter/FlateDecode/Filter/FlateDecode",
            "/Type/ObjStm/N 1/First 4/Filter/FlateDecode/DecodeParms<</Predictor 12>>",
            "/Type/ObjStm/N 1/First 4/F/FlateDecode",
            "/X >> /N 1/First 4/Filter/LZWDecode",
            "/X[ >> ]/N 1/First 4/Filter/LZWDecode",
        ] {
            assert!(pdf_is_active(&pdf(head, &still)), "{head}");
        }
        let usual = "/Type/ObjStm/N 1/First 4/Filter/FlateDecode";
        assert!(pdf_is_active(&pdf(usual, &still[..still.len() - 6])), "broken off");
        assert!(pdf_is_active(&pdf(usual, STILL.as_bytes())), "not packed");
        let encrypted = [pdf(usual, &still), b"trailer<</Encrypt 9 0 R>>".to_vec()].concat();
        assert!(pdf_is_active(&encrypted));
        let bomb = packed(&" ".repeat(super::MAX_UNPACKED));
        assert!(bomb.len() < 1 << 20 && pdf_is_active(&pdf(usual, &bomb)));
        let half = pdf(usual, &packed(&" ".repeat(super::MAX_UNPACKED / 2 - 1000)));
        assert!(!pdf_is_active(&half) && pdf_is_active(&half.repeat(3)), "together");
    }

    #[test]
    fn hostile_syntax_ends() {
        for piece in ["1 0 obj<<", "1 0 obj<</A[", "1 0 obj<</A(", "obj<<%", "obj<</A<", "obj"] {
            let _ = pdf_is_active(piece.repeat(50_000).as_bytes());
        }
        let whole = pdf("/Type/ObjStm/N 1/First 4/Filter/FlateDecode", &packed(SCRIPT));
        for end in 0..whole.len() {
            let _ = pdf_is_active(&whole[..end]);
        }
    }

    /// A PDF with this stream.
    fn pdf(head: &str, data: &[u8]) -> Vec<u8> {
        let head = format!("%PDF-1.7\n5 0 obj<<{head}/Length {}>>stream\r\n", data.len());
        [head.as_bytes(), data, b"\nendstream endobj\n"].concat()
    }

    /// Of so few bytes nothing would be packed.
    fn packed(objects: &str) -> Vec<u8> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        let more = "8 0 <</Type/Font/BaseFont/Helvetica-Bold>>".repeat(20);
        zlib.write_all([objects, &more].concat().as_bytes()).unwrap();
        let packed = zlib.finish().unwrap();
        assert!(!crate::active::names(&packed, crate::active::ACTIONS), "not packed");
        packed
    }
}
