//! Without a signature, with another's, changed after it, cut up, or something else by name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_codec::saml::SamlError::*;
use carerecord_testkit::saml::Provider;

use super::{Variant, changed, resigned, split, variant};
use crate::{AUDIENCE, ISSUER, STRANGER, TRUSTED, claims, message};

pub fn changed_or_unsigned() -> Vec<Variant> {
    let (_, unsigned) = split(&TRUSTED.sign(&claims()));
    let doctype = message(&TRUSTED.sign(&claims()));
    let doctype = format!("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{doctype}");
    let zeros = format!("<ds:SignatureValue>{}</ds:SignatureValue>", STANDARD.encode([0u8; 256]));
    let signed = TRUSTED.sign(&claims());
    let (from, to) = (signed.find("<ds:SignatureValue>"), signed.find("</ds:SignatureValue>"));
    let value = &signed[from.unwrap()..to.unwrap() + "</ds:SignatureValue>".len()];
    vec![
        variant("unsigned", unsigned, Unsigned),
        variant("signed with another key", STRANGER.sign(&claims()), SignatureInvalid),
        changed("another user", "555021935107", "555021935108", SignatureInvalid),
        changed("another role", "code=\"R8000\"", "code=\"R5105\"", SignatureInvalid),
        changed("another audience", AUDIENCE, "urn:oid:2.999.826.2", SignatureInvalid),
        changed("white space added", "</saml2:Subject>", " </saml2:Subject>", SignatureInvalid),
        changed(
            "conditions taken away",
            "<saml2:Conditions ",
            "<saml2:Advice/><saml2:Conditions ",
            Structure,
        ),
        changed("an entity", "Ada Okafor", "&xxe;", Malformed),
        Variant { name: "a document type", message: doctype, why: Missing },
        changed("a signature of nothing", value, &zeros, SignatureInvalid),
        changed("an empty signature", value, "<ds:SignatureValue/>", SignatureInvalid),
        changed(
            "a signature that is no base64",
            value,
            "<ds:SignatureValue>*</ds:SignatureValue>",
            SignatureInvalid,
        ),
        variant(
            "an issuer that nobody knows",
            Provider::new("https://other.example").sign(&claims()),
            UnknownIssuer,
        ),
        changed("an issuer with a space in it", ISSUER, "https://sts.exam ple", UnknownIssuer),
        resigned("SAML 2.1", "Version=\"2.0\"", "Version=\"2.1\"", Structure),
    ]
}

/// Text that canonical form puts together and a reader may not.
pub fn cut_up() -> Vec<Variant> {
    vec![
        changed("a comment in the name", "555021935107", "555021<!-- x -->935107", Comment),
        changed("a comment behind the name", "555021935107", "555021935107<!---->.evil", Comment),
        changed("a comment in an attribute", "Ada Okafor", "Ada<!--x--> Okafor", Comment),
        changed("an instruction in the name", "555021935107", "555021<?x?>935107", Comment),
        changed("a section in the name", "555021935107", "<![CDATA[555021]]>935107", Comment),
        changed(
            "a comment between elements",
            "</saml2:Subject>",
            "</saml2:Subject><!-- x -->",
            Comment,
        ),
        resigned(
            "an element in the name",
            "555021935107",
            "<b xmlns=\"urn:u\">5550</b>21935107",
            Value,
        ),
        resigned("text between elements", "</saml2:Subject>", "</saml2:Subject>x", Structure),
    ]
}

pub fn names() -> Vec<Variant> {
    let good = TRUSTED.sign(&claims());
    let like = good.replace("SAML:2.0:assertion", "SAML:2.0:Assertion");
    let old = good.replace("SAML:2.0:assertion", "SAML:1.0:assertion");
    let ds = "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"";
    let user = "<wsse:UsernameToken><wsse:Username>a</wsse:Username></wsse:UsernameToken>";
    vec![
        variant("a namespace that looks like it", like, OtherToken),
        variant("SAML 1.1", old, OtherToken),
        variant(
            "no namespace",
            good.replacen("<saml2:Assertion", "<saml2:Assertion xmlns:saml2=\"\"", 1),
            Malformed,
        ),
        resigned(
            "a namespace that is no URI",
            "<saml2:Subject>",
            "<saml2:Subject xmlns:q=\"../x\">",
            Structure,
        ),
        variant("a name and a password", user, OtherToken),
        variant(
            "encrypted",
            "<saml2:EncryptedAssertion xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>",
            OtherToken,
        ),
        changed(
            "the signature in another namespace",
            ds,
            "xmlns:ds=\"http://www.w3.org/2000/09/xmldsig\"",
            Structure,
        ),
        resigned(
            "the user in another namespace",
            "<saml2:NameID SPProvidedID=\"portal\">555021935107</saml2:NameID>",
            "<NameID xmlns=\"urn:u\">555021935107</NameID>",
            Structure,
        ),
        resigned(
            "two users",
            "<saml2:NameID ",
            "<saml2:NameID>999999999999</saml2:NameID><saml2:NameID ",
            Value,
        ),
        resigned(
            "an element that the schema has not",
            "<saml2:AuthnStatement",
            "<saml2:Other/><saml2:AuthnStatement",
            Structure,
        ),
        resigned(
            "no user",
            "<saml2:NameID SPProvidedID=\"portal\">555021935107</saml2:NameID>",
            "",
            Structure,
        ),
    ]
}
