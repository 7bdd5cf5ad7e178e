//! The form of the signature, and the signature itself.

use bergshamra_dsig::VerifyResult;
use jiff::Timestamp;
use uppsala::Document;

use super::dom::Element;
use super::keys::TrustedKeys;
use super::structure::{check_exclusive, exactly};
use super::{DSIG, DSIG_11, ENVELOPED, SamlError};
use crate::name::WSSE;

/// Checks that the signature is made in the one way that is allowed: one reference to the
/// assertion it stands in, enveloped, in exclusive canonical form.
pub(super) fn check_form(
    assertion: Element<'_>,
    signature: Element<'_>,
    sha1: bool,
) -> Result<(), SamlError> {
    check_key_info(signature)?;
    let mut children = signature.children();
    let signed_info = children.next().filter(|c| c.is(DSIG, "SignedInfo"));
    let value = children.next().filter(|c| c.is(DSIG, "SignatureValue"));
    let (Some(signed_info), Some(value)) = (signed_info, value) else {
        return Err(SamlError::SignatureForm);
    };
    value.text().map_err(|_| SamlError::SignatureForm)?;
    let names = ["CanonicalizationMethod", "SignatureMethod", "Reference"];
    let [canonical, method, reference] = exactly(signed_info, names)?;
    check_exclusive(canonical)?;
    check_signature_method(method, sha1)?;
    let id = assertion.attr("ID").filter(|id| is_id(id)).ok_or(SamlError::Structure)?;
    let uri = reference.attr("URI").and_then(|uri| uri.strip_prefix('#'));
    let only_uri = reference.attributes().all(|(ns, name, _)| ns.is_empty() && name == "URI");
    if uri != Some(id) || !only_uri {
        return Err(SamlError::SignatureForm);
    }
    let names = ["Transforms", "DigestMethod", "DigestValue"];
    let [transforms, digest, value] = exactly(reference, names)?;
    let [enveloped, exclusive] = exactly(transforms, ["Transform", "Transform"])?;
    if enveloped.attr("Algorithm") != Some(ENVELOPED) || enveloped.children().next().is_some() {
        return Err(SamlError::SignatureForm);
    }
    check_exclusive(exclusive)?;
    check_digest(digest, sha1)?;
    value.text().map_err(|_| SamlError::SignatureForm)?;
    Ok(())
}

/// Nothing else than the two values and a hint to the key, which may not lead elsewhere.
pub(super) fn check_key_info(signature: Element<'_>) -> Result<(), SamlError> {
    let mut rest = signature.children().skip(2);
    let key_info = rest.next();
    let allowed = |info: Element<'_>| {
        info.is(DSIG, "KeyInfo")
            && info.children().all(|c| {
                matches!(
                    (c.ns(), c.local()),
                    (DSIG, "KeyName" | "KeyValue" | "X509Data")
                        | (DSIG_11, "DEREncodedKeyValue")
                        | (WSSE, "SecurityTokenReference")
                )
            })
    };
    let right = key_info.is_none_or(allowed) && rest.next().is_none();
    if right && signature.only_elements() { Ok(()) } else { Err(SamlError::SignatureForm) }
}

pub(super) fn check_signature_method(method: Element<'_>, sha1: bool) -> Result<(), SamlError> {
    check_algorithm(method, &SIGNATURES, &SIGNATURES_SHA1, sha1)
}

pub(super) fn check_digest(method: Element<'_>, sha1: bool) -> Result<(), SamlError> {
    check_algorithm(method, &DIGESTS, &DIGESTS_SHA1, sha1)
}

/// An algorithm of the list, without parameters.
fn check_algorithm(
    method: Element<'_>,
    allowed: &[&str],
    old: &[&str],
    sha1: bool,
) -> Result<(), SamlError> {
    let algorithm = method.attr("Algorithm").unwrap_or_default();
    let known = allowed.contains(&algorithm) || sha1 && old.contains(&algorithm);
    if known && method.children().next().is_none() { Ok(()) } else { Err(SamlError::Algorithm) }
}

fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// Checks that one of the keys that are valid now has made the signature, over exactly the
/// assertion. `check_form` comes first.
pub(super) fn check_value(
    doc: &Document<'_>,
    assertion: Element<'_>,
    signature: Element<'_>,
    keys: &TrustedKeys,
    now: Timestamp,
) -> Result<(), SamlError> {
    let mut any = false;
    for context in keys.valid_at(now) {
        any = true;
        // An error is a signature that cannot be checked with this key: not a yes. The signature of
        // the message may stand in the header too; here it does not count.
        let all = bergshamra_dsig::verify::verify_all_document(context, doc).unwrap_or_default();
        let right = all.iter().any(|result| match result {
            VerifyResult::Valid { signature_node, references, .. } => {
                let [reference] = references.as_slice() else { return false };
                *signature_node == signature.id
                    && reference.resolved_node == Some(assertion.id)
                    && reference.digest_verified
            }
            VerifyResult::Invalid { .. } => false,
        });
        if right {
            return Ok(());
        }
    }
    Err(if any { SamlError::SignatureInvalid } else { SamlError::NoValidKey })
}

const SIGNATURES: [&str; 9] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
const SIGNATURES_SHA1: [&str; 1] = ["http://www.w3.org/2000/09/xmldsig#rsa-sha1"];
const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
const DIGESTS_SHA1: [&str; 1] = ["http://www.w3.org/2000/09/xmldsig#sha1"];
const MAX_ID: usize = 256;
