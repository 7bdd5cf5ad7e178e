use jiff::{SignedDuration, Timestamp};
use uppsala::Document;

use super::attributes::{Attribute, read_attributes};
use super::conditions::Conditions;
use super::confirmation::{Confirmation, read_confirmation};
use super::dom::Element;
use super::{
    HolderKey, SAML, SamlError, SecurityHeader, TrustedKeys, WSU, message, signature, structure,
};

/// An assertion whose issuer has signed it. Whether it holds here and now says [`Self::check`].
pub struct Assertion {
    /// Its id, unique with the issuer.
    pub id: String,
    /// Who made it: the entity id of the X-Assertion Provider.
    pub issuer: String,
    /// When it was made.
    pub issued: Timestamp,
    /// Who it is about.
    pub subject: NameId,
    /// How whoever presents it is known to be the subject; any one of them will do.
    pub confirmations: Vec<Confirmation>,
    /// When and for whom it holds.
    pub conditions: Conditions,
    /// How the subject has signed in: `urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI`. The last
    /// one, when there are several.
    pub authn_context: Option<String>,
    /// What it says of the subject, in the order of all statements.
    pub attributes: Vec<Attribute>,
    /// Of the keys that it names for its holder the one with which the message is signed.
    pub message_key: Option<HolderKey>,
}

/// Shows no person.
impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Assertion");
        shown.field("id", &self.id).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// The subject, as the issuer names it.
#[derive(Clone, Eq, PartialEq)]
pub struct NameId {
    /// The name, unique with the issuer.
    pub value: String,
    /// The name that the service provider has given the subject: `alias<user@issuer>` in ATNA.
    pub alias: Option<String>,
}

/// Reads the assertion of a header, when there is one, and checks that one of the `keys` of its
/// issuer has signed exactly it; `None` of `keys` is an issuer that is not trusted. The flag with the
/// keys says whether SHA-1 is taken from this issuer.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify<'k>(
    header: &SecurityHeader<'_>,
    now: Timestamp,
    skew: SignedDuration,
    keys: impl Fn(&str) -> Option<(&'k TrustedKeys, bool)>,
) -> Result<Option<Assertion>, SamlError> {
    let parser = uppsala::Parser::new().with_forbid_dtd(true).with_max_depth(MAX_DEPTH);
    let doc = parser.parse(&header.xml).map_err(|_| SamlError::Malformed)?;
    let found = structure::assertion(&doc)?;
    check_timestamp(&doc, now, skew)?;
    let Some(found) = found else { return Ok(None) };
    let (assertion, signature) = (found.assertion, found.signature);
    let issuer = assertion.child(SAML, "Issuer").ok_or(SamlError::Structure)?.text()?;
    let (keys, sha1) = keys(&issuer).ok_or(SamlError::UnknownIssuer)?;
    signature::check_form(assertion, signature, sha1)?;
    signature::check_value(&doc, assertion, signature, keys, now)?;
    let mut read = read(assertion, issuer)?;
    if found.message_is_signed {
        // Nothing but the assertion says whose that signature might be.
        let keys = read.holder_keys();
        if keys.is_empty() {
            return Err(SamlError::ForeignSignature);
        }
        read.message_key = Some(message::signed_with(header.message, &read.id, &keys)?);
    }
    Ok(Some(read))
}

/// What the sender says of its own message.
fn check_timestamp(
    doc: &Document<'_>,
    now: Timestamp,
    skew: SignedDuration,
) -> Result<(), SamlError> {
    let Some(stamp) = structure::timestamp(doc)? else { return Ok(()) };
    if let Some(created) = stamp.child(WSU, "Created")
        && time(&created.text()?)? > now + skew
    {
        return Err(SamlError::NotYetValid);
    }
    match stamp.child(WSU, "Expires") {
        Some(expires) if time(&expires.text()?)? <= now - skew => Err(SamlError::Expired),
        Some(_) | None => Ok(()),
    }
}

fn read(assertion: Element<'_>, issuer: String) -> Result<Assertion, SamlError> {
    let subject = assertion.child(SAML, "Subject").ok_or(SamlError::Structure)?;
    let mut confirmations = Vec::new();
    let mut attributes = Vec::new();
    let mut authn_context = None;
    for child in subject.children().filter(|c| c.is(SAML, "SubjectConfirmation")) {
        confirmations.push(read_confirmation(child)?);
    }
    for child in assertion.children() {
        if child.is(SAML, "AttributeStatement") {
            read_attributes(child, &mut attributes)?;
        } else if child.is(SAML, "AuthnStatement") {
            let context = child.child(SAML, "AuthnContext");
            let class = context.and_then(|c| c.child(SAML, "AuthnContextClassRef"));
            authn_context = class.map(Element::text).transpose()?.or(authn_context);
        }
    }
    Ok(Assertion {
        id: assertion.attr("ID").ok_or(SamlError::Structure)?.to_owned(),
        issued: time(assertion.attr("IssueInstant").ok_or(SamlError::Structure)?)?,
        issuer,
        subject: name_id(subject)?,
        confirmations,
        conditions: Conditions::read(assertion.child(SAML, "Conditions"))?,
        authn_context,
        attributes,
        message_key: None,
    })
}

fn name_id(subject: Element<'_>) -> Result<NameId, SamlError> {
    let mut all = subject.children().filter(|c| c.is(SAML, "NameID"));
    let name = all.next().ok_or(SamlError::Structure)?;
    let value = name.text()?;
    if value.is_empty() || value.len() > MAX_NAME || all.next().is_some() {
        return Err(SamlError::Value);
    }
    let alias = name.attr("SPProvidedID").filter(|alias| alias.len() <= MAX_NAME);
    Ok(NameId { value, alias: alias.map(str::to_owned) })
}

/// An `xs:dateTime` with a zone.
pub(super) fn time(text: &str) -> Result<Timestamp, SamlError> {
    let text = text.trim();
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b"-:.TZ+".contains(&b));
    if !plain || text.len() > MAX_TIME || !text.contains('T') {
        return Err(SamlError::Value);
    }
    text.parse().map_err(|_| SamlError::Value)
}

const MAX_DEPTH: u32 = 40;
const MAX_NAME: usize = 1024;
const MAX_TIME: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_zone_and_nothing_else() {
        assert!(time(" 2026-01-14T10:22:31.120Z ").is_ok());
        assert!(time("2026-01-14T10:22:31+01:00").is_ok());
        for bad in ["2026-01-14T10:22:31", "2026-01-14", "", "2026-01-14T10:22:31Z[UTC]", "now"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
