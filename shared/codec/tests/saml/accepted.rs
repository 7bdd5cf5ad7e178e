use carerecord_codec::saml::{AttributeValue, name};
use carerecord_testkit::envelope;
use carerecord_testkit::saml::{Provider, security, with_header};

use super::{ID, ISSUER, TRUSTED, claims, judge, judge_for, message};

#[test]
fn what_an_honest_assertion_says_is_read() {
    let patient = "9990001006^^^&amp;2.16.840.1.113883.2.1.4.1&amp;ISO";
    let claims = claims().with(name::RESOURCE_ID, patient);

    let assertion = judge(&message(&TRUSTED.sign(&claims))).unwrap();

    assert_eq!((assertion.id.as_str(), assertion.issuer.as_str()), (ID, ISSUER));
    assert_eq!(assertion.subject.value, "555021935107");
    assert_eq!(assertion.subject.alias.as_deref(), Some("portal"));
    assert_eq!(assertion.texts(name::SUBJECT_ID).collect::<Vec<_>>(), ["Ada Okafor"]);
    let patient: Vec<_> = assertion.texts(name::RESOURCE_ID).collect();
    assert_eq!(patient, ["9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO"]);
    let role = assertion.values(name::ROLE).next();
    let Some(AttributeValue::Coded(role)) = role else { panic!("a coded role") };
    assert_eq!((role.code.as_str(), role.system.as_str()), ("R8000", "1.2.826.0.1285.0.2.1.104"));
    assert!(!format!("{assertion:?}").contains("Okafor"), "nobody is printed");
}

#[test]
fn keys_on_an_elliptic_curve_sign_as_well() {
    let provider = Provider::on_p256(ISSUER);

    let signed = message(&provider.sign(&claims()));

    assert!(judge_for(&signed, &provider, None).is_ok());
    assert!(judge(&signed).is_err(), "not with another key");
}

/// Canonical form takes what is written otherwise for the same.
#[test]
fn other_ways_of_writing_the_same_are_the_same() {
    let signed = TRUSTED.sign(&claims());
    let swapped = signed.replacen(&format!("ID=\"{ID}\""), "", 1).replacen(
        "Version=\"2.0\"",
        &format!("Version='2.0'  ID='{ID}'"),
        1,
    );
    for (what, written) in [
        ("the order of attributes, and their quotes", swapped),
        ("a reference to a character", signed.replace("Ada Okafor", "Ada Ok&#97;for")),
        (
            "a namespace that nobody uses",
            signed.replacen("<saml2:Subject>", "<saml2:Subject xmlns:q=\"urn:q\">", 1),
        ),
        (
            "an element without content",
            signed.replace(":bearer\"/>", ":bearer\"></saml2:SubjectConfirmation>"),
        ),
        ("white space in a tag", signed.replace("<saml2:Subject>", "<saml2:Subject\n >")),
    ] {
        assert_ne!(written, signed, "{what}");
        assert!(judge(&message(&written)).is_ok(), "{what}");
    }
}

#[test]
fn namespaces_of_the_message_around_it_do_not_matter() {
    let signed = TRUSTED.sign(&claims());
    // What the assertion declares itself is declared further out, where its own is taken away.
    let outer = "xmlns:saml2=\"urn:oasis:names:tc:SAML:2.0:assertion\"";
    let moved = signed.replacen(&format!(" {outer}"), "", 1);
    assert_ne!(moved, signed);
    let envelope = envelope("urn:a", "<x xmlns=\"urn:u\"/>");
    let header = security(&moved).replacen(
        "<wsse:Security",
        &format!("<wsse:Security xmlns=\"urn:odd\" {outer}"),
        1,
    );

    assert!(judge(&with_header(&envelope, &header)).is_ok());
}

#[test]
fn times_are_taken_with_the_clocks_differing_a_little() {
    let mut late = claims();
    (late.begins, late.ends) = (-400, -59);
    let mut early = claims();
    (early.begins, early.ends) = (58, 300);

    assert!(judge(&message(&TRUSTED.sign(&late))).is_ok());
    assert!(judge(&message(&TRUSTED.sign(&early))).is_ok());
}

#[test]
fn without_an_assertion_there_is_none() {
    let stamp = "<wsu:Timestamp xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-\
                 wssecurity-utility-1.0.xsd\"><wsu:Created>2026-01-01T00:00:00Z</wsu:Created>\
                 </wsu:Timestamp>";

    let none = judge(&message(stamp)).unwrap_err();

    assert_eq!(none, carerecord_codec::saml::SamlError::Missing);
}
