use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use carerecord_model::Submission;
use carerecord_xml::{Decode, Encode, EncodeError, Name, Start, XmlError, XmlReader, XmlWriter};

use crate::name::{XDS, XOP, lcm, xds};
use crate::{SubmitObjectsRequest, SubmittedObjects};

/// The body of ITI-41. ITI TF-2: 3.41.4.1.2.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvideAndRegisterDocumentSetRequest {
    /// The metadata.
    pub submit: SubmitObjectsRequest,
    /// The documents, in order.
    pub documents: Vec<DocumentContent>,
}

/// A `xds:Document`.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentContent {
    /// The `@id` of its entry, as written in this message.
    pub id: String,
    /// Where the bytes are.
    pub content: ContentRef,
}

/// Where the bytes of a document are.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentRef {
    /// In the message itself, decoded.
    Inline(Bytes),
    /// In the part that this `href` of a `xop:Include` names.
    Include(String),
}

impl Decode for ProvideAndRegisterDocumentSetRequest {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(xds("ProvideAndRegisterDocumentSetRequest")) {
            return Err(xml.unexpected(start));
        }
        let mut submit = None;
        let mut documents = Vec::new();
        while let Some(child) = xml.next_child()? {
            if child.is(lcm("SubmitObjectsRequest")) {
                submit = Some(SubmitObjectsRequest::decode(&child, xml)?);
            } else if child.is(xds("Document")) {
                let id = child.attr("id").unwrap_or("").to_owned();
                documents.push(DocumentContent { id, content: read_content(xml)? });
            } else {
                return Err(xml.unexpected(&child));
            }
        }
        let missing = || xml.invalid("the SubmitObjectsRequest is missing");
        Ok(Self { submit: submit.ok_or_else(missing)?, documents })
    }
}

/// Writes the body for documents that are sent as parts; `content_ids` go with `documents`.
///
/// # Errors
/// As `XmlWriter`.
pub fn write_provide_and_register<W: std::io::Write>(
    submission: &Submission,
    documents: &[(String, String)],
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    let root = "xds:ProvideAndRegisterDocumentSetRequest";
    xml.element(root, &[("xmlns:xds", XDS)], |xml| {
        SubmittedObjects(submission).encode(xml)?;
        documents.iter().try_for_each(|(id, content_id)| {
            xml.element("xds:Document", &[("id", id)], |xml| write_include(content_id, xml))
        })
    })
}

/// Reads base64 text or one `xop:Include`, to the end of the element.
pub(crate) fn read_content(xml: &mut XmlReader<'_>) -> Result<ContentRef, XmlError> {
    let mut include = None;
    let text = xml.text_or(|child, xml| {
        if !child.is(Name::new(XOP, "Include")) || include.is_some() {
            return Err(xml.unexpected(child));
        }
        include = Some(child.required("href")?.to_owned());
        xml.skip()
    })?;
    if let Some(href) = include {
        if !text.trim().is_empty() {
            return Err(xml.invalid("a document has both text and an Include"));
        }
        return Ok(ContentRef::Include(href));
    }
    let mut packed = text.into_bytes();
    packed.retain(|b| !b.is_ascii_whitespace());
    let bytes = STANDARD.decode(packed).map_err(|_| xml.invalid("a document is not base64"))?;
    Ok(ContentRef::Inline(bytes.into()))
}

pub(crate) fn write_include<W: std::io::Write>(
    content_id: &str,
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    xml.empty("xop:Include", &[("xmlns:xop", XOP), ("href", &format!("cid:{content_id}"))])
}
