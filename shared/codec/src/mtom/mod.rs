//! MTOM/XOP: a SOAP envelope and the binary parts it names, in one MIME multipart message.
//! Both directions stream: never more than one chunk of a part is held.

mod decoder;
mod error;
mod part;
mod reader;
mod writer;

pub use error::MtomError;
pub use part::PartHeaders;
pub use reader::MtomReader;
pub use writer::{Attachment, ByteStream, MtomMessage, mtom_content_type, write_mtom};

/// The Content-ID that a `xop:Include` names: only `cid:` of this message, never another scheme.
/// Gives the text as it stands and percent-decoded; a part may be named either way.
pub fn cid_of_href(href: &str) -> Option<(String, String)> {
    let (scheme, cid) = href.trim().split_once(':')?;
    scheme.eq_ignore_ascii_case("cid").then(|| (cid.to_owned(), percent_decode(cid)))
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let escaped = match behind {
            [high, low, ..] if *first == b'%' => decoder::hex_byte(*high, *low),
            _ => None,
        };
        out.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_of_this_message_can_be_named() {
        assert_eq!(cid_of_href("file:///etc/passwd"), None);
        assert_eq!(cid_of_href("http://evil/?cid:a"), None);
        assert_eq!(cid_of_href("a"), None);
        let (raw, decoded) = cid_of_href("cid:1.a@urn%3Aihe%3Aiti").unwrap();
        assert_eq!((raw.as_str(), decoded.as_str()), ("1.a@urn%3Aihe%3Aiti", "1.a@urn:ihe:iti"));
        assert_eq!(percent_decode("100%&%+1%é%4"), "100%&%+1%é%4");
    }
}
