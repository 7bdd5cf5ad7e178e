//! A signed assertion that stands where it is not read, and a forged one where it is; and things that
//! are there twice.

use carerecord_codec::saml::SamlError::*;
use carerecord_testkit::envelope;
use carerecord_testkit::saml::{BEARER, security, with_header};

use super::{Variant, changed, evil, resigned, signed_by, split, variant};
use crate::{ID, STRANGER, TRUSTED, claims};

/// The eight ways of XSW, as far as they go with an assertion alone, and some more.
pub fn wrapped() -> Vec<Variant> {
    let good = TRUSTED.sign(&claims());
    let (signature, bare) = split(&good);
    let other = "_00000000-evil-4a10-8f1c-6d5b27efa797";
    let evil_one = evil(other);
    let object = |inside: &str| {
        let end = "</ds:Signature>";
        signature.replacen(end, &format!("<ds:Object>{inside}</ds:Object>{end}"), 1)
    };
    let advice = format!("</saml2:Conditions><saml2:Advice>{good}</saml2:Advice>");
    let data = format!(
        "<saml2:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
         <saml2:SubjectConfirmationData>{good}</saml2:SubjectConfirmationData>\
         </saml2:SubjectConfirmation>"
    );
    let outside = |header: &str, body: &str| {
        let envelope = envelope("urn:a", &format!("<x xmlns=\"urn:u\">{body}</x>"));
        with_header(&with_header(&envelope, &security(&signed_by(&evil_one, &signature))), header)
    };
    let unsigned_and_body = {
        let envelope = envelope("urn:a", &format!("<x xmlns=\"urn:u\">{good}</x>"));
        with_header(&envelope, &security(&evil_one))
    };
    let same_id_and_body = {
        let envelope = envelope("urn:a", &format!("<x xmlns=\"urn:u\">{bare}</x>"));
        with_header(&envelope, &security(&signed_by(&evil(ID), &signature)))
    };
    vec![
        variant("1: a forged one before it", format!("{evil_one}{good}"), SecondAssertion),
        variant("2: a forged one behind it", format!("{good}{evil_one}"), SecondAssertion),
        variant(
            "3: it inside the forged one",
            evil_one.replacen("</saml2:Conditions>", &advice, 1),
            SecondAssertion,
        ),
        variant(
            "4: it in the forged one's subject",
            evil_one.replacen(BEARER, &data, 1),
            SecondAssertion,
        ),
        variant(
            "5: it in an Object of its signature",
            signed_by(&evil_one, &object(&bare)),
            SecondAssertion,
        ),
        variant(
            "6: it in an Object, both with one id",
            signed_by(&evil(ID), &object(&bare)),
            RepeatedId,
        ),
        Variant {
            name: "7: it in another header",
            message: outside(&format!("<h xmlns=\"urn:u\">{bare}</h>"), ""),
            why: SignatureForm,
        },
        Variant { name: "8: it in the body", message: unsigned_and_body, why: Unsigned },
        Variant {
            name: "9: it in the body with the same id",
            message: same_id_and_body,
            why: RepeatedId,
        },
        Variant {
            name: "10: its signature on the forged one",
            message: outside("", ""),
            why: SignatureForm,
        },
        variant(
            "11: it in an element of its own",
            format!("<w xmlns=\"urn:u\">{good}</w>{evil_one}"),
            OtherToken,
        ),
        variant(
            "12: its signature beside the forged one",
            format!("{evil_one}{signature}"),
            Unsigned,
        ),
        variant(
            "13: the forged one in an extension",
            good.replacen(
                "</saml2:Conditions>",
                &format!("</saml2:Conditions><saml2:Advice>{evil_one}</saml2:Advice>"),
                1,
            ),
            SecondAssertion,
        ),
        variant(
            "14: its signature further down",
            bare.replacen("</saml2:Subject>", &format!("</saml2:Subject>{signature}"), 1),
            Structure,
        ),
        variant(
            "15: its signature in the subject",
            bare.replacen(BEARER, &format!("{BEARER}{signature}"), 1),
            ForeignSignature,
        ),
    ]
}

pub fn twice() -> Vec<Variant> {
    let good = TRUSTED.sign(&claims());
    let (signature, _) = split(&good);
    let two = signed_by(&good, &signature);
    let header = security(&good);
    let envelope = envelope("urn:a", "<x xmlns=\"urn:u\"/>");
    let two_headers = with_header(&with_header(&envelope, &header), &header);
    let xml_id = format!("<saml2:Subject xml:id=\"{ID}\">");
    let wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
    let stamp = format!(
        "<u:Timestamp xmlns:u=\"{wsu}\"><u:Expires>2020-01-01T00:00:00Z</u:Expires></u:Timestamp>"
    );
    vec![
        variant("two signatures", two, ForeignSignature),
        variant("the same assertion twice", format!("{good}{good}"), RepeatedId),
        variant(
            "a signature of the message",
            format!("{good}{}", split(&STRANGER.sign(&claims())).0),
            ForeignSignature,
        ),
        Variant { name: "two headers", message: two_headers, why: SeveralHeaders },
        changed(
            "the id again",
            "<saml2:Subject>",
            &format!("<saml2:Subject Id=\"{ID}\">"),
            RepeatedId,
        ),
        changed("the id again, by XML's own name", "<saml2:Subject>", &xml_id, RepeatedId),
        resigned(
            "another id of the assertion",
            " Version=",
            " x:ID=\"_b\" xmlns:x=\"urn:u\" Version=",
            Structure,
        ),
        variant("a message that has expired", format!("{stamp}{good}"), Expired),
        variant("two timestamps", format!("{stamp}{stamp}{good}"), Structure),
    ]
}
