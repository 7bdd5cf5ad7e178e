use carerecord_model::{DocumentRequest, RepositoryUniqueId, UniqueId};
use carerecord_xml::{Decode, Encode, EncodeError, Start, XmlError, XmlReader, XmlWriter};

use crate::RegistryResponse;
use crate::name::{XDS, rmd, xds};
use crate::provide_and_register::{ContentRef, read_content, write_include};

/// The request of ITI-43. ITI TF-2: 3.43.4.1.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RetrieveDocumentSetRequest {
    /// At least one.
    pub documents: Vec<DocumentRequest>,
}

/// The request of ITI-86: documents to remove from this repository. ITI TF-2: 3.86.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RemoveDocumentsRequest {
    /// At least one.
    pub documents: Vec<DocumentRequest>,
}

/// The answer of ITI-43, without the bytes. ITI TF-2: 3.43.4.2.2.
#[derive(Clone, Debug, PartialEq)]
pub struct RetrieveDocumentSetResponse {
    /// Status and errors.
    pub response: RegistryResponse,
    /// The documents that are given.
    pub documents: Vec<DocumentResponse>,
}

/// One document of the answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentResponse {
    /// What was asked for, echoed.
    pub request: DocumentRequest,
    /// Where bytes that were made on demand can be had again, when they are kept.
    pub new_repository_unique_id: Option<RepositoryUniqueId>,
    /// The id of bytes that were made on demand.
    pub new_document_unique_id: Option<UniqueId>,
    /// The type as registered, verbatim.
    pub mime_type: String,
    /// Where the bytes are.
    pub content: ContentRef,
}

impl Decode for RetrieveDocumentSetRequest {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(xds("RetrieveDocumentSetRequest")) {
            return Err(xml.unexpected(start));
        }
        Ok(Self { documents: read_requests(xml)? })
    }
}

impl Decode for RemoveDocumentsRequest {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(rmd("RemoveDocumentsRequest")) {
            return Err(xml.unexpected(start));
        }
        Ok(Self { documents: read_requests(xml)? })
    }
}

fn read_requests(xml: &mut XmlReader<'_>) -> Result<Vec<DocumentRequest>, XmlError> {
    let mut documents = Vec::new();
    while let Some(child) = xml.next_child()? {
        if !child.is(xds("DocumentRequest")) {
            return Err(xml.unexpected(&child));
        }
        if documents.len() >= MAX_DOCUMENTS {
            return Err(xml.invalid("more documents are named than one request may"));
        }
        let fields = Fields::read(xml)?;
        documents.push(fields.request(xml)?);
    }
    if documents.is_empty() {
        return Err(xml.invalid("no document is named"));
    }
    Ok(documents)
}

impl Encode for RetrieveDocumentSetRequest {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        xml.element("xds:RetrieveDocumentSetRequest", &[("xmlns:xds", XDS)], |xml| {
            self.documents.iter().try_for_each(|d| {
                xml.element("xds:DocumentRequest", &[], |xml| write_request(d, xml))
            })
        })
    }
}

impl Decode for RetrieveDocumentSetResponse {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(xds("RetrieveDocumentSetResponse")) {
            return Err(xml.unexpected(start));
        }
        let mut response = None;
        let mut documents = Vec::new();
        while let Some(child) = xml.next_child()? {
            if child.is(xds("DocumentResponse")) {
                let mut fields = Fields::read(xml)?;
                let content = fields.content.take();
                let content = content.ok_or_else(|| xml.invalid("a document is missing"))?;
                let id = |text: Option<String>| text.filter(|t| !t.is_empty());
                let (repository, document) =
                    (id(fields.new_repository.take()), id(fields.new_document.take()));
                documents.push(DocumentResponse {
                    new_repository_unique_id: repository
                        .map(|r| r.parse())
                        .transpose()
                        .map_err(|e| xml.invalid(format!("NewRepositoryUniqueId: {e}")))?,
                    new_document_unique_id: document
                        .map(|d| d.parse())
                        .transpose()
                        .map_err(|e| xml.invalid(format!("NewDocumentUniqueId: {e}")))?,
                    request: fields.request(xml)?,
                    mime_type: fields.mime_type,
                    content,
                });
            } else {
                response = Some(RegistryResponse::decode(&child, xml)?);
            }
        }
        let missing = || xml.invalid("the RegistryResponse is missing");
        Ok(Self { response: response.ok_or_else(missing)?, documents })
    }
}

impl Encode for RetrieveDocumentSetResponse {
    fn encode<W: std::io::Write>(&self, xml: &mut XmlWriter<W>) -> Result<(), EncodeError> {
        xml.element("xds:RetrieveDocumentSetResponse", &[("xmlns:xds", XDS)], |xml| {
            self.response.encode(xml)?;
            self.documents.iter().try_for_each(|d| {
                xml.element("xds:DocumentResponse", &[], |xml| {
                    write_request(&d.request, xml)?;
                    if let Some(repository) = &d.new_repository_unique_id {
                        xml.text("xds:NewRepositoryUniqueId", repository.as_str())?;
                    }
                    if let Some(document) = &d.new_document_unique_id {
                        xml.text("xds:NewDocumentUniqueId", document.as_str())?;
                    }
                    xml.text("xds:mimeType", &d.mime_type)?;
                    xml.element("xds:Document", &[], |xml| match &d.content {
                        ContentRef::Include(cid) => write_include(cid, xml),
                        ContentRef::Inline(bytes) => {
                            use base64::Engine as _;
                            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                            xml.characters(&text)
                        }
                    })
                })
            })
        })
    }
}

#[derive(Default)]
struct Fields {
    home: Option<String>,
    repository: String,
    document: String,
    new_repository: Option<String>,
    new_document: Option<String>,
    mime_type: String,
    content: Option<ContentRef>,
}

impl Fields {
    fn read(xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        let mut fields = Self::default();
        while let Some(child) = xml.next_child()? {
            match child.local() {
                _ if child.ns() != XDS => return Err(xml.unexpected(&child)),
                "HomeCommunityId" => fields.home = Some(xml.text()?.trim().to_owned()),
                "RepositoryUniqueId" => xml.text()?.trim().clone_into(&mut fields.repository),
                "DocumentUniqueId" => xml.text()?.trim().clone_into(&mut fields.document),
                "NewRepositoryUniqueId" => {
                    fields.new_repository = Some(xml.text()?.trim().to_owned());
                }
                "NewDocumentUniqueId" => {
                    fields.new_document = Some(xml.text()?.trim().to_owned());
                }
                "mimeType" => fields.mime_type = xml.text()?,
                "Document" => fields.content = Some(read_content(xml)?),
                _ => xml.skip()?,
            }
        }
        Ok(fields)
    }

    fn request(&self, xml: &XmlReader<'_>) -> Result<DocumentRequest, XmlError> {
        let home = self.home.as_deref().filter(|h| !h.is_empty());
        let home = home
            .map(str::parse)
            .transpose()
            .map_err(|e| xml.invalid(format!("HomeCommunityId: {e}")))?;
        Ok(DocumentRequest {
            home_community_id: home,
            repository_unique_id: self
                .repository
                .parse()
                .map_err(|e| xml.invalid(format!("RepositoryUniqueId: {e}")))?,
            document_unique_id: self
                .document
                .parse::<UniqueId>()
                .map_err(|e| xml.invalid(format!("DocumentUniqueId: {e}")))?,
        })
    }
}

fn write_request<W: std::io::Write>(
    d: &DocumentRequest,
    xml: &mut XmlWriter<W>,
) -> Result<(), EncodeError> {
    if let Some(home) = &d.home_community_id {
        xml.text("xds:HomeCommunityId", home.as_str())?;
    }
    xml.text("xds:RepositoryUniqueId", d.repository_unique_id.as_str())?;
    xml.text("xds:DocumentUniqueId", d.document_unique_id.as_str())
}

const MAX_DOCUMENTS: usize = 1000;
