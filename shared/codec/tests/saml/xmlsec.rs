//! What xmlsec1 says of the same: it is another implementation of canonical form and signatures.

use std::path::Path;
use std::process::Command;

use carerecord_codec::saml::{SamlError, SecurityHeader, TrustedKeys, verify};
use carerecord_testkit::must_not_skip;
use carerecord_testkit::saml::Provider;

use super::forged::variants;
use super::{ISSUER, SKEW, TRUSTED, claims, judge, judge_for, message, now};

const SIGNATURE: &str = "//*[local-name()='Security']/*[local-name()='Assertion']\
                         /*[local-name()='Signature']";
const ID_ATTRIBUTE: &str = "urn:oasis:names:tc:SAML:2.0:assertion:Assertion";

fn is_installed() -> bool {
    let there = Command::new("xmlsec1").arg("--version").output().is_ok();
    if !there {
        must_not_skip("xmlsec1 is not installed (Debian: xmlsec1)");
    }
    there
}

fn says_valid(folder: &Path, provider: &Provider, message: &str) -> bool {
    let (key, file) = (folder.join("certificate.pem"), folder.join("message.xml"));
    std::fs::write(&key, &provider.certificate_pem).unwrap();
    std::fs::write(&file, message).unwrap();
    let mut command = Command::new("xmlsec1");
    command.args(["--verify", "--id-attr:ID", ID_ATTRIBUTE, "--node-xpath", SIGNATURE]);
    command.arg("--pubkey-cert-pem").arg(key).arg(file);
    command.output().unwrap().status.success()
}

#[test]
fn what_we_sign_xmlsec_takes() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for provider in [&*TRUSTED, &Provider::on_p256(ISSUER)] {
        let signed = message(&provider.sign(&claims()));

        assert!(judge_for(&signed, provider, None).is_ok());
        assert!(says_valid(folder.path(), provider, &signed), "{}", provider.algorithm);
    }
}

#[test]
fn what_xmlsec_signs_we_take() {
    if !is_installed() {
        return;
    }
    for value in ["Ada Okafor", "Ægir &amp; Þóra\t&lt;&#13;>", "A &quot;B&quot; 'C'"] {
        let name = "urn:oasis:names:tc:xspa:1.0:subject:subject-id";

        let signed = signed_by_xmlsec(&TRUSTED.template(&claims().with(name, value)));

        assert!(judge(&message(&signed)).is_ok(), "{value}");
    }
}

#[test]
fn sha1_is_taken_only_from_whom_it_is_expected() {
    if !is_installed() {
        return;
    }
    let mut claims = claims();
    claims.digest = "http://www.w3.org/2000/09/xmldsig#sha1";
    let template = TRUSTED.template(&claims);
    let template =
        template.replace(TRUSTED.algorithm, "http://www.w3.org/2000/09/xmldsig#rsa-sha1");
    let message = message(&signed_by_xmlsec(&template));
    let keys = TrustedKeys::new([TRUSTED.certificate_der.as_slice()]).unwrap();
    let header = SecurityHeader::find(&message).unwrap().unwrap();
    let verified = |sha1| verify(&header, now(), SKEW, |_| Some((&keys, sha1))).err();

    assert_eq!(verified(false), Some(SamlError::Algorithm));
    assert_eq!(verified(true), None);
}

fn signed_by_xmlsec(template: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (key, file) = (folder.path().join("key.pem"), folder.path().join("template.xml"));
    std::fs::write(&key, &TRUSTED.key_pem).unwrap();
    std::fs::write(&file, template).unwrap();
    let mut command = Command::new("xmlsec1");
    command.args(["--sign", "--id-attr:ID", ID_ATTRIBUTE, "--privkey-pem"]).arg(&key).arg(&file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let signed = String::from_utf8(output.stdout).unwrap();
    signed.split_once("?>").unwrap().1.trim().to_owned()
}

/// A signature that we find wrong xmlsec1 finds wrong; whatever else we refuse, it may take.
#[test]
fn no_signature_is_right_here_and_wrong_there() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for variant in variants() {
        let ours = judge(&variant.message).err();
        if ours == Some(SamlError::SignatureInvalid) || ours.is_none() {
            let theirs = says_valid(folder.path(), &TRUSTED, &variant.message);
            assert_eq!(theirs, ours.is_none(), "{}", variant.name);
            compared += 1;
        }
    }
    assert!(compared >= 8, "only {compared} came as far as the signature");
}
