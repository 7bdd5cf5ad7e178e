//! MTOM/XOP: a SOAP envelope and the binary parts it names, in one MIME multipart message.
//! Both directions stream: never more than one chunk of a part is held.

mod reader;
mod writer;

pub use reader::{MtomError, MtomReader, PartHeaders};
pub use writer::{Attachment, MtomMessage, mtom_content_type, write_mtom};

/// The Content-ID that a `xop:Include` names: only `cid:` of this message, never another scheme.
/// Gives the text as it stands and percent-decoded; a part may be named either way.
pub fn cid_of_href(href: &str) -> Option<(String, String)> {
    let cid = href.strip_prefix("cid:")?;
    Some((cid.to_owned(), percent_decode(cid)))
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_parts_of_this_message_can_be_named() {
        assert_eq!(cid_of_href("file:///etc/passwd"), None);
        assert_eq!(cid_of_href("http://evil/"), None);
        let (raw, decoded) = cid_of_href("cid:1.a@urn%3Aihe%3Aiti").unwrap();
        assert_eq!((raw.as_str(), decoded.as_str()), ("1.a@urn%3Aihe%3Aiti", "1.a@urn:ihe:iti"));
    }
}
