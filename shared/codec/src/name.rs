//! Names of the vocabularies, and the actions of the transactions.

use carerecord_xml::Name;

/// SOAP 1.2
pub const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
/// SOAP 1.1, only to refuse it.
pub const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
/// WS-Addressing 1.0
pub const WSA: &str = "http://www.w3.org/2005/08/addressing";
/// WS-Security
pub const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
/// ebRS lifecycle manager
pub const LCM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0";
/// ebRIM
pub const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";
/// ebRS
pub const RS: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0";
/// ebRS query
pub const QUERY: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0";
/// XDS.b
pub const XDS: &str = "urn:ihe:iti:xds-b:2007";
/// Remove Metadata and Documents
pub const RMD: &str = "urn:ihe:iti:rmd:2017";
/// XOP
pub const XOP: &str = "http://www.w3.org/2004/08/xop/include";
/// XML itself
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// An element of ebRIM.
pub const fn rim(local: &'static str) -> Name {
    Name::new(RIM, local)
}

/// An element of ebRS.
pub const fn rs(local: &'static str) -> Name {
    Name::new(RS, local)
}

/// An element of the ebRS query vocabulary.
pub const fn query(local: &'static str) -> Name {
    Name::new(QUERY, local)
}

/// An element of the ebRS lifecycle vocabulary.
pub const fn lcm(local: &'static str) -> Name {
    Name::new(LCM, local)
}

/// An element of XDS.b.
pub const fn xds(local: &'static str) -> Name {
    Name::new(XDS, local)
}

/// An element of Remove Metadata and Documents.
pub const fn rmd(local: &'static str) -> Name {
    Name::new(RMD, local)
}

/// Actions of the transactions that we speak. ITI TF-2.
pub mod action {
    /// ITI-41
    pub const PROVIDE_AND_REGISTER: &str = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b";
    /// ITI-41, answer
    pub const PROVIDE_AND_REGISTER_RESPONSE: &str =
        "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse";
    /// ITI-42
    pub const REGISTER: &str = "urn:ihe:iti:2007:RegisterDocumentSet-b";
    /// ITI-42, answer
    pub const REGISTER_RESPONSE: &str = "urn:ihe:iti:2007:RegisterDocumentSet-bResponse";
    /// ITI-18
    pub const STORED_QUERY: &str = "urn:ihe:iti:2007:RegistryStoredQuery";
    /// ITI-18, answer
    pub const STORED_QUERY_RESPONSE: &str = "urn:ihe:iti:2007:RegistryStoredQueryResponse";
    /// ITI-51
    pub const MULTI_PATIENT_QUERY: &str = "urn:ihe:iti:2009:MultiPatientStoredQuery";
    /// ITI-51, answer
    pub const MULTI_PATIENT_QUERY_RESPONSE: &str =
        "urn:ihe:iti:2009:MultiPatientStoredQueryResponse";
    /// ITI-57
    pub const UPDATE: &str = "urn:ihe:iti:2010:UpdateDocumentSet";
    /// ITI-57, answer
    pub const UPDATE_RESPONSE: &str = "urn:ihe:iti:2010:UpdateDocumentSetResponse";
    /// ITI-61
    pub const REGISTER_ON_DEMAND: &str = "urn:ihe:iti:2010:RegisterOnDemandDocumentEntry";
    /// ITI-61, answer
    pub const REGISTER_ON_DEMAND_RESPONSE: &str =
        "urn:ihe:iti:2010:RegisterOnDemandDocumentEntryResponse";
    /// ITI-62
    pub const REMOVE_METADATA: &str = "urn:ihe:iti:2010:DeleteDocumentSet";
    /// ITI-62, answer
    pub const REMOVE_METADATA_RESPONSE: &str = "urn:ihe:iti:2010:DeleteDocumentSetResponse";
    /// ITI-86
    pub const REMOVE_DOCUMENTS: &str = "urn:ihe:iti:2017:RemoveDocuments";
    /// ITI-86, answer
    pub const REMOVE_DOCUMENTS_RESPONSE: &str = "urn:ihe:iti:2017:RemoveDocumentsResponse";
    /// ITI-92
    pub const RESTRICTED_UPDATE: &str = "urn:ihe:iti:2018:RestrictedUpdateDocumentSet";
    /// ITI-92, answer
    pub const RESTRICTED_UPDATE_RESPONSE: &str =
        "urn:ihe:iti:2018:RestrictedUpdateDocumentSetResponse";
    /// ITI-43
    pub const RETRIEVE: &str = "urn:ihe:iti:2007:RetrieveDocumentSet";
    /// ITI-43, answer
    pub const RETRIEVE_RESPONSE: &str = "urn:ihe:iti:2007:RetrieveDocumentSetResponse";
}
