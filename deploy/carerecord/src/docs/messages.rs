//! The page of messages: every transaction, and examples that a test sends.

use std::fmt::Write as _;

use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers};
use carerecord_codec::{AdhocQueryResponse, RegistryResponse};
use carerecord_model::{ErrorCode, TransactionError};
use carerecord_xml::Encode;

/// The page, as Markdown.
pub(super) fn page() -> String {
    let mut out = String::from(
        "# Messages\n\nEvery transaction that is spoken here. What becomes of metadata and which \
         rules hold is in [rules](rules.md) and [publishing](publish.md); the addresses are in \
         [endpoints](endpoints.md).\n\n## Over SOAP\n\nSOAP 1.2 with WS-Addressing, by `POST`. The action stands \
         in the content type or in `wsa:Action`. Documents come inline (base64) or by MTOM/XOP. Answers go back \
         in the HTTP response.\n\n| transaction | door | action |\n|---|---|---|\n",
    );
    for (name, door, action) in SOAP {
        let _ = writeln!(out, "| {name} | `{door}` | `{action}` |");
    }
    out.push_str("\n## Over FHIR\n\n| transaction | at |\n|---|---|\n");
    for (name, place) in FHIR {
        let _ = writeln!(out, "| {name} | `{place}` |");
    }
    out.push_str(
        "\n## Over MLLP\n\nThe patient identity feed by HL7 v2 (ITI-8). Which messages are taken, and what becomes \
         of them, is in [patients](patients.md). They are read in UTF-8 or as MSH-18 says; each has an \
         acknowledgement.\n\n\
         ## Not there yet\n\nCross-community access (XCA), notifications (DSUB, FHIR \
         Subscription).\n\n## Examples\n\nThe files are in `docs/examples`; the tests send them to a running \
         Care Record.\n",
    );
    for (title, language, text) in EXAMPLES {
        let _ = write!(out, "\n### {title}\n\n```{language}\n{}\n```\n", text.trim_end());
    }
    for (title, text) in answers() {
        let _ = write!(out, "\n### {title}\n\n```xml\n{text}\n```\n");
    }
    out
}

/// Answers as the doors write them.
fn answers() -> Vec<(&'static str, String)> {
    let refused = || {
        let what = "XDSDocumentEntry.typeCode: 1 is not in the affinity domain";
        TransactionError::one(ErrorCode::XDSRegistryMetadataError, what)
    };
    let published = action::PROVIDE_AND_REGISTER_RESPONSE;
    vec![
        ("ITI-41: it is published", envelope(published, &RegistryResponse::success(Vec::new()))),
        ("ITI-41: it is refused", envelope(published, &RegistryResponse::failure(refused()))),
        (
            "ITI-18: the query is refused",
            envelope(
                action::STORED_QUERY_RESPONSE,
                &AdhocQueryResponse::failure(TransactionError::one(
                    ErrorCode::XDSStoredQueryMissingParam,
                    "$XDSDocumentEntryStatus is missing",
                )),
            ),
        ),
    ]
}

/// One element a line, for people to read.
fn envelope(action: &str, body: &impl Encode) -> String {
    let headers = Headers {
        action: action.to_owned(),
        message_id: Some("urn:uuid:0c0ffee0-0000-4000-8000-0000000000c1".to_owned()),
        relates_to: Some("urn:uuid:0c0ffee0-0000-4000-8000-0000000000b1".to_owned()),
    };
    let bytes = soap::write(&headers, |xml| body.encode(xml)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace("><", ">\n<")
}

const REGISTRY: &str = "/xds/registry";
const NODE: &str = "/xds/repository";
const SOAP: [(&str, &str, &str); 11] = [
    ("ITI-41 Provide and Register Document Set-b", NODE, action::PROVIDE_AND_REGISTER),
    ("ITI-43 Retrieve Document Set", NODE, action::RETRIEVE),
    ("ITI-86 Remove Documents", NODE, action::REMOVE_DOCUMENTS),
    ("ITI-18 Registry Stored Query", REGISTRY, action::STORED_QUERY),
    ("ITI-51 Multi-Patient Stored Query", REGISTRY, action::MULTI_PATIENT_QUERY),
    ("ITI-42 Register Document Set-b", REGISTRY, action::REGISTER),
    ("ITI-61 Register On-Demand Document Entry", REGISTRY, action::REGISTER_ON_DEMAND),
    ("ITI-57 Update Document Set", REGISTRY, action::UPDATE),
    ("ITI-92 Restricted Update Document Set", REGISTRY, action::RESTRICTED_UPDATE),
    ("ITI-62 Remove Metadata", REGISTRY, action::REMOVE_METADATA),
    ("ITI-44 Patient Identity Feed HL7 v3", "/xds/identity", "urn:hl7-org:v3:PRPA_IN201301UV02 …"),
];
const FHIR: [(&str, &str); 16] = [
    ("ITI-65 Provide Document Bundle (MHD)", "POST /fhir"),
    ("ITI-66 Find Document Lists", "GET /fhir/List"),
    ("ITI-67 Find Document References", "GET /fhir/DocumentReference"),
    ("ITI-68 Retrieve Document", "GET /fhir/Binary/{id}"),
    ("ITI-71 Get Access Token (IUA)", "POST /oauth/token"),
    ("ITI-78 Patient Demographics Query (PDQm)", "GET /fhir/Patient"),
    ("ITI-119 Patient Demographics Match (PDQm)", "POST /fhir/Patient/$match"),
    ("ITI-81 Retrieve ATNA Audit Event", "GET /fhir/AuditEvent"),
    ("ITI-83 Patient Identifier Cross-reference (PIXm)", "GET /fhir/Patient/$ihe-pix"),
    ("ITI-102 Introspect Token (IUA)", "POST /oauth/introspect"),
    ("ITI-103 Authorization Server Metadata (IUA)", "GET /.well-known/oauth-authorization-server"),
    ("ITI-105 Simplified Publish (MHD)", "POST /fhir/DocumentReference"),
    ("ITI-106 Generate Metadata (MHD)", "POST /fhir/DocumentReference/$generate-metadata"),
    ("PCC-44 Mobile Query Existing Data (QEDm)", "GET /fhir/AllergyIntolerance …"),
    ("Consent of patients", "/fhir/Consent"),
    ("Relationships with patients", "/fhir/EpisodeOfCare"),
];
const EXAMPLES: [(&str, &str, &str); 6] = [
    ("ITI-65: publish by FHIR", "json", include_str!("../../../../docs/examples/provide.json")),
    ("ITI-119: who may it be", "json", include_str!("../../../../docs/examples/match.json")),
    ("ITI-41: publish by SOAP", "xml", include_str!("../../../../docs/examples/iti41.xml")),
    ("ITI-18: find by SOAP", "xml", include_str!("../../../../docs/examples/iti18.xml")),
    ("ITI-43: retrieve by SOAP", "xml", include_str!("../../../../docs/examples/iti43.xml")),
    (
        "ITI-44: one number becomes another",
        "xml",
        include_str!("../../../../docs/examples/iti44.xml"),
    ),
];
