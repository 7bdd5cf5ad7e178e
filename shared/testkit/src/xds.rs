use std::collections::HashMap;

use bytes::Bytes;
use carerecord_codec::mtom::{MtomReader, cid_of_href};
use carerecord_codec::{ContentType, SubmittedObjects};
use carerecord_model::Submission;
use carerecord_xml::{Limits, Tree, to_utf8};
use futures_util::{StreamExt, stream};

use crate::Letter;
use crate::letter::CONTENT_TYPE;

/// A person without documents at the start.
pub const PATIENT: &str = "9990001146";

/// A caller by SOAP at one address.
#[derive(Clone)]
pub struct Xds {
    http: reqwest::Client,
    url: String,
    /// One more header of each message.
    header: String,
    /// One more HTTP header: for whom is asked.
    delegation: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The HTTP status.
    pub status: u16,
    /// The Content-Type header.
    pub content_type: String,
    /// The SOAP envelope, or whatever came in its place.
    pub envelope: String,
    /// The parts behind the envelope, by Content-ID.
    pub parts: HashMap<String, Bytes>,
}

/// An answer to ITI-43.
pub struct Retrieved {
    /// The answer as it came.
    pub exchange: Exchange,
    /// What was given, by uniqueId.
    pub documents: HashMap<String, Bytes>,
}

impl Xds {
    /// A caller of this address.
    pub fn new(url: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, url, header: String::new(), delegation: None }
    }

    /// The same by this HTTP client.
    #[must_use]
    pub fn by(self, http: reqwest::Client) -> Self {
        Self { http, ..self }
    }

    /// The same with a Security header in each message of ITI-18, 41, 42, 43 and 86.
    #[must_use]
    pub fn with_security(mut self, content: &str) -> Self {
        self.header = crate::saml::security(content);
        self
    }

    /// The same with a statement in each request for whom it is.
    #[must_use]
    pub fn on_behalf(self, delegation: &str) -> Self {
        Self { delegation: Some(delegation.to_owned()), ..self }
    }

    /// The message with the header, before the end of the first headers in it.
    fn secured(&self, message: impl Into<Bytes>) -> Bytes {
        let message = message.into();
        let end = b"</s:Header>";
        let at = message.windows(end.len()).position(|w| w == end).unwrap();
        [&message[..at], self.header.as_bytes(), &message[at..]].concat().into()
    }

    /// Sends anything.
    ///
    /// # Errors
    /// When the answer does not come, or not whole.
    pub async fn send(
        &self,
        content_type: &str,
        body: impl Into<reqwest::Body>,
    ) -> Result<Exchange, reqwest::Error> {
        let mut request = self.http.post(&self.url).header("content-type", content_type);
        if let Some(delegation) = &self.delegation {
            request = request.header("carerecord-delegation", delegation);
        }
        let response = request.body(body).send().await?;
        let status = response.status().as_u16();
        let header = response.headers().get("content-type");
        let content_type = header.map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
        let bytes = response.bytes().await?;
        let (envelope, parts) = open(&content_type, bytes).await;
        Ok(Exchange { status, content_type, envelope, parts })
    }

    /// ITI-41 of one document.
    ///
    /// # Errors
    /// As `send`.
    pub async fn publish(&self, letter: &Letter) -> Result<Exchange, reqwest::Error> {
        self.send(CONTENT_TYPE, self.secured(letter.message())).await
    }

    /// ITI-41 whose body comes in pieces.
    ///
    /// # Errors
    /// As `send`.
    pub async fn publish_stream(&self, body: reqwest::Body) -> Result<Exchange, reqwest::Error> {
        self.send(CONTENT_TYPE, body).await
    }

    /// ITI-42.
    ///
    /// # Errors
    /// As `send`.
    pub async fn register(&self, submission: &Submission) -> Result<Exchange, reqwest::Error> {
        self.send(SOAP, self.secured(register_message(submission))).await
    }

    /// ITI-43.
    ///
    /// # Errors
    /// As `send`.
    pub async fn retrieve(
        &self,
        repository: &str,
        unique_ids: &[&str],
    ) -> Result<Retrieved, reqwest::Error> {
        let message = self.secured(mtom(&retrieve_request(repository, unique_ids)));
        let exchange = self.send(CONTENT_TYPE, message).await?;
        let multipart = exchange.content_type.starts_with("multipart/related");
        assert!(multipart, "a request in MTOM is answered in MTOM: {}", exchange.content_type);
        let tree = exchange.tree();
        let mut documents = HashMap::new();
        for response in tree.root().descendants().filter(|e| e.local() == "DocumentResponse") {
            let id = response.child("DocumentUniqueId").unwrap().text();
            let include = response.descendants().find(|e| e.local() == "Include");
            let include = include.unwrap_or_else(|| panic!("no Include: {}", exchange.envelope));
            let (raw, decoded) = cid_of_href(include.attr("href").unwrap()).unwrap();
            let part = exchange.parts.get(&raw).or_else(|| exchange.parts.get(&decoded));
            documents.insert(id, part.expect("the part that is named").clone());
        }
        Ok(Retrieved { exchange, documents })
    }

    /// ITI-86.
    ///
    /// # Errors
    /// As `send`.
    pub async fn remove(
        &self,
        repository: &str,
        unique_ids: &[&str],
    ) -> Result<Exchange, reqwest::Error> {
        self.send(SOAP, self.secured(remove_request(repository, unique_ids))).await
    }

    /// ITI-43 of one document that is not kept: how many bytes came, envelope included.
    pub async fn retrieve_length(&self, repository: &str, unique_id: &str) -> usize {
        self.retrieve_lengths(repository, &[unique_id]).await
    }

    /// The same for an answer of several documents.
    pub async fn retrieve_lengths(&self, repository: &str, unique_ids: &[&str]) -> usize {
        let request = retrieve_request(repository, unique_ids);
        let request = self.http.post(&self.url).header("content-type", SOAP).body(request);
        let mut bytes = request.send().await.unwrap().bytes_stream();
        let mut received = 0;
        while let Some(chunk) = bytes.next().await {
            received += chunk.unwrap().len();
        }
        received
    }

    /// ITI-18, any query: its id, `LeafClass` or `ObjectRef`, and its parameters as they stand.
    ///
    /// # Errors
    /// As `send`.
    pub async fn stored_query(
        &self,
        id: &str,
        return_type: &str,
        parameters: &[(&str, String)],
    ) -> Result<Exchange, reqwest::Error> {
        self.send(SOAP, self.secured(query_message(id, return_type, parameters))).await
    }

    /// ITI-18 FindDocuments of what is approved; the uniqueIds, sorted.
    ///
    /// # Errors
    /// As `send`.
    pub async fn find_documents(
        &self,
        patient: &str,
    ) -> Result<(Exchange, Vec<String>), reqwest::Error> {
        let parameters = [
            ("$XDSDocumentEntryPatientId", patient_id(patient)),
            ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
        ];
        let exchange = self.stored_query(FIND_DOCUMENTS, "LeafClass", &parameters).await?;
        let tree = exchange.tree();
        let identifiers = tree.root().descendants().filter(|e| {
            e.local() == "ExternalIdentifier" && e.attr("identificationScheme") == Some(UNIQUE_ID)
        });
        let mut ids: Vec<String> =
            identifiers.map(|e| e.attr("value").unwrap_or_default().to_owned()).collect();
        ids.sort();
        Ok((exchange, ids))
    }
}

impl Exchange {
    /// The envelope as a tree.
    pub fn tree(&self) -> Tree {
        Tree::read(&self.envelope, Limits::document())
            .unwrap_or_else(|e| panic!("{e}: HTTP {}: {}", self.status, self.envelope))
    }

    /// Whether it is a registry response that says Success.
    pub fn is_success(&self) -> bool {
        self.status == 200 && self.registry_status().is_some_and(|s| s.ends_with(":Success"))
    }

    /// The status of the registry response; `None` when there is none.
    pub fn registry_status(&self) -> Option<String> {
        let tree = Tree::read(&self.envelope, Limits::document()).ok()?;
        let status = tree.root().descendants().find_map(|e| e.attr("status"))?;
        Some(status.to_owned())
    }

    /// The codes of the registry errors.
    pub fn error_codes(&self) -> Vec<String> {
        let tree = self.tree();
        let errors = tree.root().descendants().filter(|e| e.local() == "RegistryError");
        errors.map(|e| e.attr("errorCode").unwrap_or_default().to_owned()).collect()
    }

    /// The subcode of a SOAP fault.
    pub fn fault_subcode(&self) -> Option<String> {
        let tree = Tree::read(&self.envelope, Limits::document()).ok()?;
        let fault = tree.root().descendants().find(|e| e.is(ENVELOPE, "Fault"))?;
        fault.at(&["Code", "Subcode", "Value"]).map(carerecord_xml::ElementRef::text)
    }

    /// The reason of a SOAP fault.
    pub fn fault(&self) -> Option<String> {
        let tree = Tree::read(&self.envelope, Limits::document()).ok()?;
        let fault = tree.root().descendants().find(|e| e.is(ENVELOPE, "Fault"))?;
        Some(
            fault.at(&["Reason", "Text"]).map(carerecord_xml::ElementRef::text).unwrap_or_default(),
        )
    }
}

/// The value of a patient parameter.
pub fn patient_id(number: &str) -> String {
    format!("'{number}^^^&2.16.840.1.113883.2.1.4.1&ISO'")
}

async fn open(content_type: &str, bytes: Bytes) -> (String, HashMap<String, Bytes>) {
    let text = |bytes: &[u8]| to_utf8(bytes).map(std::borrow::Cow::into_owned).unwrap_or_default();
    let Some(parsed) = ContentType::parse(content_type).filter(ContentType::is_multipart) else {
        return (text(&bytes), HashMap::new());
    };
    let source = stream::iter([Ok::<_, std::convert::Infallible>(bytes)]);
    let mut reader = MtomReader::new(&parsed, source).unwrap();
    reader.next_part().await.unwrap().expect("a root part");
    let envelope = text(&reader.whole_part(MAX_PART).await.unwrap());
    let mut parts = HashMap::new();
    while let Some(headers) = reader.next_part().await.unwrap() {
        let bytes = reader.whole_part(MAX_PART).await.unwrap();
        parts.insert(headers.content_id.unwrap_or_default(), bytes);
    }
    (envelope, parts)
}

/// The message of ITI-42.
pub fn register_message(submission: &Submission) -> String {
    let body = carerecord_xml::encode(&SubmittedObjects(submission)).unwrap();
    let body = String::from_utf8(body).unwrap();
    // The declaration of a document has no place inside another.
    let root = body.find("<lcm:").unwrap();
    envelope("urn:ihe:iti:2007:RegisterDocumentSet-b", &body[root..])
}

fn remove_request(repository: &str, unique_ids: &[&str]) -> String {
    let requests = document_requests(repository, unique_ids);
    let body = format!(
        "<rmd:RemoveDocumentsRequest xmlns:rmd=\"urn:ihe:iti:rmd:2017\" \
         xmlns:xds=\"urn:ihe:iti:xds-b:2007\">{requests}</rmd:RemoveDocumentsRequest>"
    );
    envelope("urn:ihe:iti:2017:RemoveDocuments", &body)
}

fn document_requests(repository: &str, unique_ids: &[&str]) -> String {
    unique_ids
        .iter()
        .map(|id| {
            format!(
                "<xds:DocumentRequest><xds:RepositoryUniqueId>{repository}</xds:RepositoryUniqueId>\
                 <xds:DocumentUniqueId>{id}</xds:DocumentUniqueId></xds:DocumentRequest>"
            )
        })
        .collect()
}

fn retrieve_request(repository: &str, unique_ids: &[&str]) -> String {
    let requests = document_requests(repository, unique_ids);
    envelope(
        "urn:ihe:iti:2007:RetrieveDocumentSet",
        &format!(
            "<xds:RetrieveDocumentSetRequest xmlns:xds=\"urn:ihe:iti:xds-b:2007\">{requests}\
             </xds:RetrieveDocumentSetRequest>"
        ),
    )
}

/// An envelope as the only part of a message.
fn mtom(envelope: &str) -> String {
    format!(
        "--B\r\nContent-Type: application/xop+xml; charset=UTF-8; \
         type=\"application/soap+xml\"\r\nContent-ID: <r@x>\r\n\r\n{envelope}\r\n--B--\r\n"
    )
}

/// The message of ITI-18.
pub fn query_message(id: &str, return_type: &str, parameters: &[(&str, String)]) -> String {
    let slots: String = parameters
        .iter()
        .map(|(name, value)| {
            format!(
                "<rim:Slot name=\"{name}\"><rim:ValueList><rim:Value>{}</rim:Value>\
                 </rim:ValueList></rim:Slot>",
                value.replace('&', "&amp;")
            )
        })
        .collect();
    envelope(
        "urn:ihe:iti:2007:RegistryStoredQuery",
        &format!(
            "<query:AdhocQueryRequest xmlns:query=\"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0\" \
             xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\">\
             <query:ResponseOption returnComposedObjects=\"true\" returnType=\"{return_type}\"/>\
             <rim:AdhocQuery id=\"{id}\">{slots}</rim:AdhocQuery></query:AdhocQueryRequest>"
        ),
    )
}

/// An envelope by hand: what is in it can be anything.
pub fn envelope(action: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{ENVELOPE}\" xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
         <s:Header><wsa:Action s:mustUnderstand=\"1\">{action}</wsa:Action>\
         <wsa:MessageID>urn:uuid:0a2d3c60-0000-4000-8000-000000000002</wsa:MessageID></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>"
    )
}

const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";
/// The Content-Type of an envelope.
pub const SOAP: &str = "application/soap+xml; charset=UTF-8";
const UNIQUE_ID: &str = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab";
const FIND_DOCUMENTS: &str = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d";
/// The value of a status parameter.
pub const APPROVED: &str = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')";
const MAX_PART: usize = 256 << 20;
