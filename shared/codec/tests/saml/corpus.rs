//! Assertions of real systems. Of most the signer is not known; what is wrong with their form is.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_codec::saml::{
    AttributeValue, Demands, SamlError, SecurityHeader, SubjectMethod, TrustedKeys, name, verify,
};
use carerecord_testkit::saml::{security, with_header};
use carerecord_testkit::{corpus, envelope, files};
use jiff::{SignedDuration, Timestamp};

use super::{SKEW, TRUSTED, now};

/// What is wrong with each, when its issuer is believed with a key that is not its own.
const VERDICTS: [(&str, SamlError); 11] = [
    // Its signature value was taken out of the example, and it is RSA with SHA-1.
    ("ipf/commons/ihe/xacml20/xua-assertion.xml", SamlError::Algorithm),
    // RSA and digest with SHA-1.
    ("ipf/platform-camel/ihe/xds/saml2-assertion-for-xua.xml", SamlError::Algorithm),
    // Another assertion stands in each as evidence.
    ("connect/testing_saml/complete_saml.xml", SamlError::SecondAssertion),
    ("connect/testing_saml/saml_missingValues.xml", SamlError::SecondAssertion),
    ("connect/testing_saml/saml_header_diff_order.xml", SamlError::SecondAssertion),
    (
        "connect/gov/hhs/fha/nhinc/callback/cxf/authFrameworkAssertion.xml",
        SamlError::SecondAssertion,
    ),
    // Templates that are filled in and signed later.
    ("dk-ehdsi/NCP/test-tool/templates/xca/hcp.xml", SamlError::Unsigned),
    ("dk-ehdsi/NCP/test-tool/templates/xcpd/hcp.xml", SamlError::Unsigned),
    ("dk-ehdsi/NCP/test-tool/templates/xca/trc.xml", SamlError::Unsigned),
    // The person and the treatment relationship, an assertion each.
    ("dk-ehdsi/testing-shared/openncp_soap_header.xml", SamlError::SecondAssertion),
    ("dk-ehdsi/authentication/openncp_soap_header.xml", SamlError::SecondAssertion),
];

#[test]
fn every_file_is_judged_as_it_ought_to_be() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("saml");
    let mut judged = 0;
    for file in files(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        let relative = file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        let verdict = judge(&text);
        let expected = VERDICTS.iter().find(|(name, _)| *name == relative);
        println!("{relative}: {verdict:?}");
        match expected {
            Some((_, expected)) => {
                assert_eq!(verdict, Err(*expected), "{relative}");
                judged += 1;
            }
            // Messages without a header, and whatever else there is: nothing that is not signed by
            // somebody known is ever taken.
            None => assert!(verdict.is_err(), "{relative}"),
        }
    }
    assert_eq!(judged, VERDICTS.len(), "a file of the table is gone");
}

/// Some were signed by a real system, and the certificate that they name is the one to believe.
/// Whoever put them where they were found has indented the signature; that is taken back.
#[test]
fn signatures_of_real_systems_are_right() {
    let Some(corpus) = corpus() else { return };
    let mut right = 0;
    for file in files(&corpus.join("saml")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for assertion in pieces(&text) {
            let signed_well = assertion.contains("#rsa-sha256\"");
            let Some(certificate) = certificate(assertion).filter(|_| signed_well) else {
                continue;
            };
            let indented = verified(assertion, &certificate);
            assert_eq!(indented.err(), Some(SamlError::SignatureInvalid), "{}", file.display());
            let assertion = &without_indent(assertion);
            if verified(assertion, &certificate).is_ok() {
                check_real(&file, assertion, &certificate);
                right += 1;
            }
        }
    }
    assert!(right >= 2, "only {right} of the corpus could be checked");
}

fn check_real(file: &Path, assertion: &str, certificate: &[u8]) {
    let file = file.display();
    let keys = TrustedKeys::new([certificate]).unwrap();
    let issued = assertion.split("IssueInstant=\"").nth(1).unwrap().split('"').next().unwrap();
    let then: Timestamp = issued.parse().unwrap();
    let message = with_header(&envelope("urn:a", "<x xmlns=\"urn:u\"/>"), &security(assertion));
    let header = SecurityHeader::find(&message).unwrap().unwrap();
    let trusted = |_: &str| Some((&keys, false));

    let read = verify(&header, then, SKEW, trusted).unwrap().unwrap();

    assert_eq!(read.subject.value, "house@ehdsi.eu", "{file}");
    let purpose = read.values(name::PURPOSE_OF_USE).next();
    let treatment = matches!(purpose, Some(AttributeValue::Coded(c)) if c.code == "TREATMENT");
    assert!(treatment, "{file}");
    let audiences = ["urn:ehdsi:assertions.audience:x-border".to_owned()];
    let demands = |methods| Demands {
        audiences: &audiences,
        skew: SKEW,
        max_lifetime: SignedDuration::from_hours(4),
        methods,
        certificate: None,
    };
    let vouched = [SubjectMethod::SenderVouches];
    assert_eq!(read.check(then, &demands(&vouched)), Ok(()), "{file}");
    let bearer = [SubjectMethod::Bearer];
    assert_eq!(read.check(then, &demands(&bearer)), Err(SamlError::Confirmation), "{file}");
    let later = then + SignedDuration::from_hours(5);
    let expired = read.check(later, &demands(&vouched));
    assert_eq!(expired, Err(SamlError::Expired), "{file}");

    let forged = message.replacen("house@ehdsi.eu", "hause@ehdsi.eu", 1);
    let header = SecurityHeader::find(&forged).unwrap().unwrap();
    let forged = verify(&header, then, SKEW, trusted);
    assert_eq!(forged.err(), Some(SamlError::SignatureInvalid), "{file}");
}

fn verified(assertion: &str, certificate: &[u8]) -> Result<(), SamlError> {
    let keys = TrustedKeys::new([certificate]).unwrap();
    let message = with_header(&envelope("urn:a", "<x xmlns=\"urn:u\"/>"), &security(assertion));
    let header = SecurityHeader::find(&message)?.unwrap();
    let then = assertion.split("IssueInstant=\"").nth(1).unwrap().split('"').next().unwrap();
    verify(&header, then.parse().unwrap(), SKEW, |_| Some((&keys, false))).map(|_| ())
}

fn without_indent(assertion: &str) -> String {
    let (before, rest) = assertion.split_once("<ds:SignedInfo>").unwrap();
    let (info, after) = rest.split_once("</ds:SignedInfo>").unwrap();
    let lines: Vec<&str> = info.split('\n').map(str::trim_start).collect();
    format!("{before}<ds:SignedInfo>{}</ds:SignedInfo>{after}", lines.join("\n"))
}

fn judge(text: &str) -> Result<(), SamlError> {
    let keys = TrustedKeys::new([TRUSTED.certificate_der.as_slice()]).unwrap();
    let message = as_message(text);
    let header = SecurityHeader::find(&message)?.ok_or(SamlError::Missing)?;
    let read = verify(&header, now(), SKEW, |_| Some((&keys, false)))?;
    read.map(|_| ()).ok_or(SamlError::Missing)
}

/// The message that a file is a part of.
fn as_message(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}').trim();
    let root = element_start(text);
    let envelope = envelope("urn:a", "<x xmlns=\"urn:u\"/>");
    let local = root.split([' ', '>', '\n']).next().unwrap_or_default();
    match local.rsplit(':').next().unwrap_or_default().trim_start_matches('<') {
        "Assertion" => with_header(&envelope, &security(root)),
        "Security" => with_header(&envelope, root),
        "Header" => {
            let soap = "http://www.w3.org/2003/05/soap-envelope";
            format!("<e:Envelope xmlns:e=\"{soap}\">{root}<e:Body><x/></e:Body></e:Envelope>")
        }
        _ => text.to_owned(),
    }
}

/// The text from its first element on.
fn element_start(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else {
            return rest;
        };
        rest = rest.split_once(end).map_or("", |(_, rest)| rest);
    }
}

/// Every assertion of a text that carries a signature.
fn pieces(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (open, close) = ("<saml2:Assertion", "</saml2:Assertion>");
    let mut rest = text;
    while let Some(from) = rest.find(open) {
        let Some(to) = rest[from..].find(close) else { break };
        found.push(&rest[from..from + to + close.len()]);
        rest = &rest[from + to + close.len()..];
    }
    found
}

fn certificate(assertion: &str) -> Option<Vec<u8>> {
    let text = assertion.split("X509Certificate>").nth(1)?.split('<').next()?;
    let text: String = text.split_whitespace().collect();
    STANDARD.decode(text).ok()
}
