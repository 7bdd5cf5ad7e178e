use base64::Engine as _;
use bytes::Bytes;

/// A document to publish, with metadata of its own. The rest is a template that is legal as it
/// stands.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whose; an NHS Number.
    pub patient: String,
    /// The document's uniqueId; the submission's is made from it.
    pub unique_id: String,
    /// e.g. `text/plain`.
    pub mime_type: String,
    /// The class code, in SNOMED CT.
    pub class: String,
    /// What people call it.
    pub title: String,
    /// The document.
    pub bytes: Bytes,
}

impl Letter {
    /// A short text, told apart by its number.
    pub fn text(patient: &str, number: u32) -> Self {
        Self {
            patient: patient.to_owned(),
            unique_id: format!("2.999.826.9.1.{number}"),
            mime_type: "text/plain".to_owned(),
            class: "823651000000106".to_owned(),
            title: format!("Letter {number}"),
            bytes: Bytes::from(format!("Letter {number}: pulse {}/min.\n", 60 + number % 40)),
        }
    }

    /// The parts of a message that publishes it, for a body that streams the document between
    /// them. The boundary is `B`.
    pub fn frame(&self) -> (String, &'static str) {
        let head = format!(
            "--B\r\nContent-Type: application/xop+xml; charset=UTF-8; \
             type=\"application/soap+xml\"\r\nContent-ID: <r@x>\r\n\r\n{}\r\n--B\r\n\
             Content-Type: {}\r\nContent-ID: <d@x>\r\n\r\n",
            self.envelope(),
            self.mime_type
        );
        (head, "\r\n--B--\r\n")
    }

    /// The whole MTOM message.
    pub fn message(&self) -> Bytes {
        let (head, tail) = self.frame();
        [head.as_bytes(), &self.bytes, tail.as_bytes()].concat().into()
    }

    /// The same of one that replaces a document, by its entryUUID as `urn:uuid:…`.
    pub fn replacing(&self, target: &str) -> Bytes {
        let message = String::from_utf8(self.message().to_vec()).expect("it is text");
        let before = "<rim:Association";
        let replaces = format!(
            "<rim:Association id=\"replaces\" sourceObject=\"D\" targetObject=\"{target}\" \
             associationType=\"urn:ihe:iti:2007:AssociationType:RPLC\"/>{before}"
        );
        message.replacen(before, &replaces, 1).into()
    }

    /// The same under an entryUUID of the sender's.
    pub fn under(&self, id: &str) -> Bytes {
        let message = String::from_utf8(self.message().to_vec()).expect("it is text");
        message.replace("\"D\"", &format!("\"{id}\"")).into()
    }

    fn envelope(&self) -> String {
        TEMPLATE
            .replace("{patient}", &self.patient)
            .replace("{unique_id}", &self.unique_id)
            .replace("{mime_type}", &self.mime_type)
            .replace("{class}", &self.class)
            .replace("{title}", &self.title)
    }
}

/// As FHIR writes it: base64 of the digest.
pub fn sha1_base64(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    base64::engine::general_purpose::STANDARD.encode(digest)
}

/// The content type of `Letter::message`.
pub const CONTENT_TYPE: &str = "multipart/related; boundary=\"B\"; \
    type=\"application/xop+xml\"; start=\"<r@x>\"; start-info=\"application/soap+xml\"";

const TEMPLATE: &str = include_str!("iti41.xml");
