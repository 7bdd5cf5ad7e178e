//! Where things stand: checked before any key is looked at.

use std::collections::HashSet;

use uppsala::{Document, NodeKind};

use super::dom::Element;
use super::{DSIG, EXCLUSIVE_C14N, SAML, SamlError, WSU, XSI};
use crate::name::WSSE;

/// What a Security header holds.
pub(super) struct Found<'d> {
    pub assertion: Element<'d>,
    /// The assertion's own signature.
    pub signature: Element<'d>,
    /// Whether the message is signed as well, by whoever sends it.
    pub message_is_signed: bool,
}

/// The assertion of a Security header with its own signature; `None` when there is no token at all.
pub(super) fn assertion<'d>(doc: &'d Document<'d>) -> Result<Option<Found<'d>>, SamlError> {
    let security = security(doc)?;
    check_ids(security)?;
    let (mut assertion, mut message_is_signed) = (None, false);
    for child in security.children() {
        match (child.ns(), child.local()) {
            (SAML, "Assertion") => {
                if assertion.replace(child).is_some() {
                    return Err(SamlError::SecondAssertion);
                }
            }
            (WSU, "Timestamp") => {}
            (DSIG, "Signature") if !message_is_signed => message_is_signed = true,
            (DSIG, "Signature") => return Err(SamlError::ForeignSignature),
            _ => return Err(SamlError::OtherToken),
        }
    }
    let Some(assertion) = assertion else {
        let signed = security.descendants().any(|e| e.is(DSIG, "Signature"));
        return if signed { Err(SamlError::ForeignSignature) } else { Ok(None) };
    };
    let others = security.descendants().filter(|e| is_assertion(*e)).count();
    if others != 1 {
        return Err(SamlError::SecondAssertion);
    }
    check_assertion(assertion)?;
    let signature = own_signature(security, assertion)?;
    Ok(Some(Found { assertion, signature, message_is_signed }))
}

/// The Timestamp of the header, when there is one.
pub(super) fn timestamp<'d>(doc: &'d Document<'d>) -> Result<Option<Element<'d>>, SamlError> {
    let security = security(doc)?;
    let mut found = security.children().filter(|c| c.is(WSU, "Timestamp"));
    let first = found.next();
    if found.next().is_some() { Err(SamlError::Structure) } else { Ok(first) }
}

/// `/Envelope/Header/Security`, which is all that the document has.
fn security<'d>(doc: &'d Document<'d>) -> Result<Element<'d>, SamlError> {
    let envelope = doc.document_element().and_then(|id| Element::at(doc, id));
    let header = envelope.and_then(|e| e.children().next());
    let security = header.and_then(|h| h.children().next());
    security.filter(|s| s.is(WSSE, "Security")).ok_or(SamlError::Malformed)
}

/// SAML 1.1 and whatever else calls itself one count too.
fn is_assertion(element: Element<'_>) -> bool {
    matches!(element.local(), "Assertion" | "EncryptedAssertion")
}

/// Whatever a verifier anywhere might take for an id. The signature's reference is resolved by these.
fn check_ids(security: Element<'_>) -> Result<(), SamlError> {
    let mut seen = HashSet::new();
    for element in std::iter::once(security).chain(security.descendants()) {
        for (_, name, value) in element.attributes() {
            let is_id = name.eq_ignore_ascii_case("id") || name == "AssertionID";
            if is_id && !seen.insert(value) {
                return Err(SamlError::RepeatedId);
            }
        }
    }
    Ok(())
}

/// The children of an assertion in the order of the schema, and no text cut up by what
/// canonicalisation drops.
fn check_assertion(assertion: Element<'_>) -> Result<(), SamlError> {
    let cut = assertion.nodes().any(|id| {
        !matches!(
            assertion.doc.node_kind(id),
            Some(NodeKind::Element(_) | NodeKind::Text(_) | NodeKind::Attribute(..))
        )
    });
    if cut {
        return Err(SamlError::Comment);
    }
    // Canonicalisers fail on relative namespaces, each in its own way.
    let all = std::iter::once(assertion).chain(assertion.descendants());
    if !all.flat_map(Element::namespaces).all(|ns| ns.is_empty() || ns.contains(':')) {
        return Err(SamlError::Structure);
    }
    let known = |(ns, name, _): (&str, &str, &str)| {
        ns == XSI || ns.is_empty() && matches!(name, "ID" | "IssueInstant" | "Version")
    };
    if !assertion.attributes().all(known) || assertion.attr("Version") != Some("2.0") {
        return Err(SamlError::Structure);
    }
    let mut last = 0;
    for child in assertion.children() {
        let place = match (child.ns(), child.local()) {
            (SAML, "Issuer") => 1,
            (DSIG, "Signature") => 2,
            (SAML, "Subject") => 3,
            (SAML, "Conditions") => 4,
            (SAML, "Advice") => 5,
            (SAML, "AuthnStatement" | "AttributeStatement" | "AuthzDecisionStatement") => 6,
            _ => return Err(SamlError::Structure),
        };
        // The first is the issuer; only statements may be there more than once.
        if place < last || (place == last && place != 6) || (last == 0 && place != 1) {
            let signature = place == 2 && last == 2;
            return Err(if signature { SamlError::ForeignSignature } else { SamlError::Structure });
        }
        last = place;
    }
    if assertion.only_elements() { Ok(()) } else { Err(SamlError::Structure) }
}

/// The one signature of the header beside that of the message, a child of the assertion.
fn own_signature<'d>(
    security: Element<'d>,
    assertion: Element<'d>,
) -> Result<Element<'d>, SamlError> {
    let parent = |e: &Element<'d>| e.doc.parent(e.id);
    let signatures = security.descendants().filter(|e| e.is(DSIG, "Signature"));
    let mut all = signatures.filter(|e| parent(e) != Some(security.id));
    let signature = all.next().ok_or(SamlError::Unsigned)?;
    if parent(&signature) != Some(assertion.id) || all.next().is_some() {
        return Err(SamlError::ForeignSignature);
    }
    Ok(signature)
}

/// Checks that an element has exactly these children, in this order, and no text between them.
pub(super) fn exactly<'d, const N: usize>(
    parent: Element<'d>,
    names: [&str; N],
) -> Result<[Element<'d>; N], SamlError> {
    let all: Vec<Element<'d>> = parent.children().collect();
    let found: [Element<'d>; N] = all.try_into().map_err(|_| SamlError::SignatureForm)?;
    let right = found.iter().zip(names).all(|(child, name)| child.is(DSIG, name));
    if right && parent.only_elements() { Ok(found) } else { Err(SamlError::SignatureForm) }
}

/// Checks a method of exclusive canonicalisation: nothing in it but the list of prefixes.
pub(super) fn check_exclusive(method: Element<'_>) -> Result<(), SamlError> {
    if method.attr("Algorithm") != Some(EXCLUSIVE_C14N) {
        return Err(SamlError::SignatureForm);
    }
    let mut children = method.children();
    let list = children.next();
    let is_list = |e: Element<'_>| {
        e.is(EXCLUSIVE_C14N, "InclusiveNamespaces")
            && e.attr("PrefixList").is_some_and(|list| list.len() <= MAX_PREFIXES)
            && e.children().next().is_none()
    };
    let right = list.is_none_or(is_list) && children.next().is_none() && method.only_elements();
    if right { Ok(()) } else { Err(SamlError::SignatureForm) }
}

const MAX_PREFIXES: usize = 256;
