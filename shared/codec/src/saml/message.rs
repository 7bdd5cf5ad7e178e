//! The signature of a message, by which its sender shows that they hold the key of the assertion.
//! SAML Token Profile 1.1: 3.5.1.

use bergshamra_dsig::VerifyResult;
use carerecord_xml::{Limits, XmlReader};
use uppsala::{Document, NodeId};

use super::dom::Element;
use super::keys::context_of;
use super::signature::{check_digest, check_key_info, check_signature_method};
use super::structure::{check_exclusive, exactly};
use super::{DSIG, HolderKey, SAML, SamlError, WSU};
use crate::name::{SOAP, WSSE};

/// Of `keys` the one with which the message that carries the assertion is signed, body and timestamp
/// at least.
///
/// # Errors
/// `MessageSignature`.
pub(super) fn signed_with(
    message: &str,
    assertion: &str,
    keys: &[HolderKey],
) -> Result<HolderKey, SamlError> {
    let no = SamlError::MessageSignature;
    if message.len() > MAX_MESSAGE {
        return Err(no);
    }
    // The reader with the limits goes first: so far it has seen the headers only.
    let mut xml = XmlReader::new(message, Limits::metadata()).map_err(|_| no)?;
    xml.root().and_then(|_| xml.skip()).and_then(|()| xml.finish()).map_err(|_| no)?;
    let parser = uppsala::Parser::new().with_forbid_dtd(true).with_max_depth(MAX_DEPTH);
    let doc = parser.parse(message).map_err(|_| no)?;
    let parts = Parts::of(&doc, assertion).ok_or(no)?;
    check_form(parts.signature).map_err(|_| no)?;
    let holds = |key: &&HolderKey| key.spki().is_some_and(|spki| parts.is_signed(&spki));
    keys.iter().find(holds).cloned().ok_or(no)
}

/// What of a message is signed, and the signature, all found by where they stand.
struct Parts<'d> {
    doc: &'d Document<'d>,
    body: NodeId,
    timestamp: NodeId,
    signature: Element<'d>,
}

impl<'d> Parts<'d> {
    fn of(doc: &'d Document<'d>, assertion: &str) -> Option<Self> {
        let envelope = doc.document_element().and_then(|id| Element::at(doc, id))?;
        let header = only(envelope, SOAP, "Header")?;
        let body = only(envelope, SOAP, "Body")?;
        let ours = |e: &Element<'d>| {
            e.is(WSSE, "Security")
                && e.children().any(|c| c.is(SAML, "Assertion") && c.attr("ID") == Some(assertion))
        };
        let security = header.children().find(ours)?;
        let timestamp = only(security, WSU, "Timestamp")?;
        // Without an end it could be sent again for ever.
        timestamp.child(WSU, "Expires")?;
        let signature = only(security, DSIG, "Signature")?;
        Some(Self { doc, body: body.id, timestamp: timestamp.id, signature })
    }

    /// Whether the key has signed body and timestamp.
    fn is_signed(&self, spki: &[u8]) -> bool {
        let Ok(key) = bergshamra_keys::loader::load_spki_der(spki) else { return false };
        let mut context = context_of(key);
        // The body stands elsewhere than beside the signature; it is compared below.
        context.strict_verification = false;
        let Ok(all) = bergshamra_dsig::verify::verify_all_document(&context, self.doc) else {
            return false;
        };
        all.into_iter().any(|result| match result {
            VerifyResult::Valid { signature_node, references, .. } => {
                let signed = |part| references.iter().any(|r| r.resolved_node == Some(part));
                signature_node == self.signature.id
                    && references.iter().all(|r| r.digest_verified && r.resolved_node.is_some())
                    && signed(self.body)
                    && signed(self.timestamp)
            }
            VerifyResult::Invalid { .. } => false,
        })
    }
}

fn only<'d>(parent: Element<'d>, ns: &str, local: &str) -> Option<Element<'d>> {
    let mut found = parent.children().filter(|c| c.is(ns, local));
    found.next().filter(|_| found.next().is_none())
}

/// References to parts of the message, each in exclusive canonical form and nothing else.
fn check_form(signature: Element<'_>) -> Result<(), SamlError> {
    check_key_info(signature)?;
    let signed_info = signature.children().next().filter(|c| c.is(DSIG, "SignedInfo"));
    let mut children = signed_info.ok_or(SamlError::SignatureForm)?.children();
    let mut next =
        |name: &str| children.next().filter(|c| c.is(DSIG, name)).ok_or(SamlError::SignatureForm);
    check_exclusive(next("CanonicalizationMethod")?)?;
    check_signature_method(next("SignatureMethod")?, false)?;
    let mut references = 0;
    for reference in children {
        references += 1;
        let local = reference.attr("URI").is_some_and(|uri| uri.starts_with('#'));
        if references > MAX_REFERENCES || !local || !reference.is(DSIG, "Reference") {
            return Err(SamlError::SignatureForm);
        }
        let names = ["Transforms", "DigestMethod", "DigestValue"];
        let [transforms, digest, _] = exactly(reference, names)?;
        let [exclusive] = exactly(transforms, ["Transform"])?;
        check_exclusive(exclusive)?;
        check_digest(digest, false)?;
    }
    Ok(())
}

/// Registrations of hundreds of documents stay below this.
const MAX_MESSAGE: usize = 4 << 20;
const MAX_DEPTH: u32 = 128;
const MAX_REFERENCES: usize = 16;
