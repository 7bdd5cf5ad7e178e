use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_codec::saml::SamlError;
use carerecord_testkit::saml::{BEARER, Provider, holder_of_key};

use super::{ID, TRUSTED, claims, judge, judge_for, message};

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

/// A message whose sender shows by a signature that they hold the key.
struct Signed {
    holder: Provider,
    assertion: String,
}

impl Signed {
    fn new() -> Self {
        let holder = Provider::new("holder");
        let mut claims = claims();
        claims.confirmation = holder_of_key(&certificate_of(&holder));
        Self { assertion: TRUSTED.sign(&claims), holder }
    }

    /// A message before it is signed by `signer` over the elements of these ids.
    fn template(&self, signer: &Provider, ids: &[&str]) -> String {
        let security = format!("{STAMP}{}{}", signer.message_signature(ids), self.assertion);
        let body = format!("<s:Body xmlns:u=\"{WSU}\" u:Id=\"body\">");
        message(&security).replacen("<s:Body>", &body, 1)
    }

    fn message(&self, ids: &[&str]) -> String {
        self.holder.sign_template(&self.template(&self.holder, ids))
    }
}

#[test]
fn who_signs_the_message_holds_the_key() {
    let signed = Signed::new();
    let (message, thief) = (signed.message(&["stamp", "body"]), Provider::new("thief"));

    let accepted = judge(&message);
    assert_eq!(accepted.map(|a| a.id), Ok(ID.to_owned()));
    // What the connection shows comes first.
    let other = judge_for(&message, &TRUSTED, Some(&thief.certificate_der));
    assert_eq!(other.err(), Some(SamlError::Confirmation));
}

#[test]
fn signatures_of_messages_that_show_nothing() {
    let signed = Signed::new();
    let good = signed.message(&["stamp", "body"]);
    let thief = Provider::new("thief");
    let stolen = thief.sign_template(&signed.template(&thief, &["stamp", "body"]));
    let content = "<x xmlns=\"urn:u\"/>";
    let evil = "<evil xmlns=\"urn:u\"/>";
    let at = good.find("<s:Body").unwrap();
    let (headers, body) = good.split_at(at);
    let signed_body = body.trim_end_matches("</s:Envelope>");
    let hidden = format!("<h xmlns=\"urn:h\">{signed_body}</h></s:Header>");
    let headers = headers.replacen("</s:Header>", &hidden, 1);
    let two = format!("{headers}{}", body.replace(content, evil));
    let moved = format!("{headers}{}", body.replace(content, evil).replace("\"body\"", "\"b\""));
    let endless = signed.template(&signed.holder, &["stamp", "body"]);
    let endless = endless.replace("<u:Expires>2026-01-14T10:27:31Z</u:Expires>", "");
    for (what, message) in [
        ("another body", good.replace(content, evil)),
        ("another timestamp", good.replace("10:27:31Z", "10:28:31Z")),
        ("another's signature", stolen),
        ("not over the body", signed.message(&["stamp"])),
        ("not over the timestamp", signed.message(&["body"])),
        ("over nothing", signed.message(&[])),
        ("two bodies of one id", two),
        ("the body elsewhere", moved),
        ("no end", signed.holder.sign_template(&endless)),
        (
            "canonical with comments",
            good.replacen(
                "xml-exc-c14n#\"/></ds:Transforms>",
                "xml-exc-c14n#WithComments\"/></ds:Transforms>",
                1,
            ),
        ),
    ] {
        assert_eq!(judge(&message).err(), Some(SamlError::MessageSignature), "{what}: {message}");
    }
}

#[test]
fn a_signature_of_a_message_without_a_holder_is_nobody_s() {
    let bearer = Signed { assertion: TRUSTED.sign(&claims()), holder: Provider::new("holder") };
    let twice = Signed::new();
    let twice = twice.message(&["stamp", "body"]);
    let signature = twice.find("<ds:Signature").unwrap()..twice.find("</ds:Signature>").unwrap();
    let again =
        format!("{}</ds:Signature>{}", &twice[signature.clone()], &twice[signature.start..]);
    let twice = format!("{}{again}", &twice[..signature.start]);

    let refused = judge(&bearer.message(&["stamp", "body"]));
    assert_eq!(refused.err(), Some(SamlError::ForeignSignature));
    assert_eq!(judge(&twice).err(), Some(SamlError::ForeignSignature));
}

const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const STAMP: &str = "<u:Timestamp xmlns:u=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-\
                     wssecurity-utility-1.0.xsd\" u:Id=\"stamp\"><u:Created>2026-01-14T10:22:31Z\
                     </u:Created><u:Expires>2026-01-14T10:27:31Z</u:Expires></u:Timestamp>";
