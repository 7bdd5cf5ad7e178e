use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_codec::saml::SamlError;
use carerecord_testkit::saml::{BEARER, Provider, holder_of_key};

use super::{TRUSTED, claims, judge, judge_for, message};

fn certificate_of(peer: &Provider) -> String {
    let certificate = STANDARD.encode(&peer.certificate_der);
    format!("<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>")
}

#[test]
fn the_holder_of_the_key_is_who_has_the_certificate() {
    let (peer, thief) = (Provider::new("peer"), Provider::new("thief"));
    let mut claims = claims();
    claims.confirmation = holder_of_key(&certificate_of(&peer));
    let signed = message(&TRUSTED.sign(&claims));

    assert!(judge_for(&signed, &TRUSTED, Some(&peer.certificate_der)).is_ok());
    let stolen = judge_for(&signed, &TRUSTED, Some(&thief.certificate_der));
    assert_eq!(stolen.err(), Some(SamlError::Confirmation));
    assert_eq!(judge(&signed).err(), Some(SamlError::Confirmation), "nothing shows who holds it");
}

#[test]
fn a_key_alone_is_compared_with_that_of_the_certificate() {
    let (peer, thief) = (Provider::new("peer"), Provider::new("thief"));
    // The SubjectPublicKey ends with the modulus, its tag, and the exponent 65537.
    let der = &peer.certificate_der;
    let exponent = [0x02, 0x03, 0x01, 0x00, 0x01];
    let end = der.windows(5).position(|w| w == exponent).unwrap();
    let modulus = STANDARD.encode(&der[end - 256..end]);
    let mut claims = claims();
    claims.confirmation = holder_of_key(&format!(
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{modulus}</ds:Modulus>\
         <ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"
    ));
    let signed = message(&TRUSTED.sign(&claims));

    assert!(judge_for(&signed, &TRUSTED, Some(&peer.certificate_der)).is_ok());
    assert!(judge_for(&signed, &TRUSTED, Some(&thief.certificate_der)).is_err());
}

#[test]
fn one_confirmation_of_several_will_do() {
    let mut claims = claims();
    claims.confirmation = holder_of_key("<ds:KeyName>k</ds:KeyName>") + BEARER;

    assert!(judge(&message(&TRUSTED.sign(&claims))).is_ok());
}
