//! Signatures over something else, or made in another way than is allowed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_codec::saml::SamlError::*;

use super::{Variant, changed, resigned, variant};
use crate::{ID, STRANGER, claims};

pub fn references() -> Vec<Variant> {
    const C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
    let reference = format!("<ds:Reference URI=\"#{ID}\">");
    let transform =
        |algorithm: &str| format!("<ds:Transforms><ds:Transform Algorithm=\"{algorithm}\"/>");
    let to = |uri: &str| format!("<ds:Reference URI=\"{uri}\">");
    let first = "<ds:Transforms>";
    let enveloped =
        "<ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/>";
    let method = format!("<ds:CanonicalizationMethod Algorithm=\"{C14N}\"/>");
    let canonical = |uri: &str| format!("<ds:CanonicalizationMethod Algorithm=\"{uri}\"/>");
    let second = "<ds:Reference URI=\"#_b\"><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/\
                  xmlenc#sha256\"/><ds:DigestValue>x</ds:DigestValue></ds:Reference></ds:SignedInfo>";
    vec![
        changed("a reference to another id", &reference, &to("#_b"), SignatureForm),
        changed("a reference to the whole message", &reference, &to(""), SignatureForm),
        changed("a reference elsewhere", &reference, &to("http://evil.example/a"), SignatureForm),
        changed("a reference to an attachment", &reference, &to("cid:part1"), SignatureForm),
        changed(
            "a reference by XPointer",
            &reference,
            &to(&format!("#xpointer(id('{ID}'))")),
            SignatureForm,
        ),
        changed("no reference", &reference, "<ds:Reference>", SignatureForm),
        changed("a second reference", "</ds:SignedInfo>", second, SignatureForm),
        changed(
            "a transform by XPath",
            first,
            &transform("http://www.w3.org/TR/1999/REC-xpath-19991116"),
            SignatureForm,
        ),
        changed(
            "a transform by XSLT",
            first,
            &transform("http://www.w3.org/TR/1999/REC-xslt-19991116"),
            SignatureForm,
        ),
        changed(
            "a transform to base64",
            first,
            &transform("http://www.w3.org/2000/09/xmldsig#base64"),
            SignatureForm,
        ),
        changed("not enveloped", enveloped, "", SignatureForm),
        changed("enveloped twice", enveloped, &format!("{enveloped}{enveloped}"), SignatureForm),
        resigned(
            "canonical with comments",
            &method,
            &canonical(&format!("{C14N}WithComments")),
            SignatureForm,
        ),
        resigned(
            "inclusive canonical form",
            &method,
            &canonical("http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
            SignatureForm,
        ),
        changed("no canonical form", &method, "", SignatureForm),
        changed(
            "two things signed",
            "<ds:SignedInfo>",
            "<ds:SignedInfo/><ds:SignedInfo>",
            SignatureForm,
        ),
    ]
}

pub fn algorithms() -> Vec<Variant> {
    let rsa = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
    let sha256 = "http://www.w3.org/2001/04/xmlenc#sha256";
    let method = format!("<ds:SignatureMethod Algorithm=\"{rsa}\"/>");
    let short = format!(
        "<ds:SignatureMethod Algorithm=\"{rsa}\"><ds:HMACOutputLength>8</ds:HMACOutputLength>\
         </ds:SignatureMethod>"
    );
    let digest = |algorithm: &str| format!("<ds:DigestMethod Algorithm=\"{algorithm}\"/>");
    vec![
        changed(
            "HMAC with the public key",
            rsa,
            "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
            Algorithm,
        ),
        changed("HMAC with SHA-1", rsa, "http://www.w3.org/2000/09/xmldsig#hmac-sha1", Algorithm),
        changed("a short HMAC", &method, &short, Algorithm),
        changed("RSA with SHA-1", rsa, "http://www.w3.org/2000/09/xmldsig#rsa-sha1", Algorithm),
        resigned(
            "a digest by SHA-1",
            &digest(sha256),
            &digest("http://www.w3.org/2000/09/xmldsig#sha1"),
            Algorithm,
        ),
        changed(
            "a digest by MD5",
            &digest(sha256),
            &digest("http://www.w3.org/2001/04/xmldsig-more#md5"),
            Algorithm,
        ),
        changed("DSA", rsa, "http://www.w3.org/2000/09/xmldsig#dsa-sha1", Algorithm),
        changed(
            "ECDSA with a key of RSA",
            "xmldsig-more#rsa-sha256",
            "xmldsig-more#ecdsa-sha256",
            SignatureInvalid,
        ),
        changed("an algorithm that nobody knows", rsa, "urn:none", Algorithm),
        changed("no algorithm", rsa, "", Algorithm),
    ]
}

pub fn hints() -> Vec<Variant> {
    let certificate = STANDARD.encode(&STRANGER.certificate_der);
    let end = "</ds:SignatureValue>";
    let with = |info: &str| format!("{end}<ds:KeyInfo>{info}</ds:KeyInfo>");
    let own = format!(
        "<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>"
    );
    let strange = STRANGER.sign(&claims());
    let retrieval = "<ds:RetrievalMethod URI=\"http://evil.example/key\"/>";
    vec![
        variant(
            "the forger's own certificate",
            strange.replacen(end, &with(&own), 1),
            SignatureInvalid,
        ),
        changed("a key to be fetched", end, &with(retrieval), SignatureForm),
        changed("two hints to the key", end, &format!("{}<ds:KeyInfo/>", with("")), SignatureForm),
        changed("an object in the signature", end, &format!("{end}<ds:Object/>"), SignatureForm),
        changed(
            "a signature value in pieces",
            "<ds:SignatureValue>",
            "<ds:SignatureValue><b xmlns=\"urn:u\"/>",
            SignatureForm,
        ),
    ]
}
