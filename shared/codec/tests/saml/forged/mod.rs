//! Forgeries, each refused for the reason that it ought to be refused for.

mod content;
mod signature;
mod validity;
mod wrapped;

use carerecord_codec::saml::{SamlError, SecurityHeader, TrustedKeys, verify};
use carerecord_testkit::saml::Claims;

use super::{SKEW, TRUSTED, claims, judge, message};

/// A forgery and why it is refused.
pub struct Variant {
    pub name: &'static str,
    pub message: String,
    pub why: SamlError,
}

#[test]
fn every_forgery_is_refused_for_its_reason() {
    let all = variants();
    assert!(all.len() >= 30);
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|v| match judge(&v.message) {
            Ok(_) => Some(format!("{}: accepted", v.name)),
            Err(why) if why == v.why => None,
            Err(why) => Some(format!("{}: {why}, expected {}", v.name, v.why)),
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn certificates_that_have_run_out_sign_nothing() {
    let der = &TRUSTED.certificate_der;
    let keys = TrustedKeys::new([der.as_slice()]).unwrap();
    let message = message(&TRUSTED.sign(&claims()));
    let header = SecurityHeader::find(&message).unwrap().unwrap();
    let then = "4200-01-01T00:00:00Z".parse().unwrap();

    let verified = verify(&header, then, SKEW, |_| Some((&keys, false)));

    assert_eq!(verified.err(), Some(SamlError::NoValidKey));
    assert!(TrustedKeys::new([&b"no certificate"[..]]).is_err());
}

proptest::proptest! {
    /// However a message is damaged: what is still accepted says what was signed.
    #[test]
    fn nothing_but_what_was_signed_is_read(at in 0.0f64..1.0, cut in 0usize..12, put in "[a-zA-Z0-9<>/=\"'&;:# -]{0,12}") {
        let honest = message(&TRUSTED.sign(&claims()));
        let from = (at * honest.len() as f64) as usize;
        let to = (from + cut).min(honest.len());
        let damaged = format!("{}{put}{}", &honest[..from], &honest[to..]);

        if let Ok(read) = judge(&damaged) {
            let honest = judge(&honest).unwrap();
            proptest::prop_assert!(read.subject == honest.subject);
            proptest::prop_assert!(read.attributes == honest.attributes);
            proptest::prop_assert!(read.conditions == honest.conditions);
        }
    }
}

pub fn variants() -> Vec<Variant> {
    let groups = [
        content::changed_or_unsigned(),
        content::cut_up(),
        content::names(),
        wrapped::wrapped(),
        wrapped::twice(),
        signature::references(),
        signature::algorithms(),
        signature::hints(),
        validity::times(),
        validity::audiences(),
        validity::confirmations(),
    ];
    groups.into_iter().flatten().collect()
}

fn variant(name: &'static str, content: impl AsRef<str>, why: SamlError) -> Variant {
    Variant { name, message: message(content.as_ref()), why }
}

/// A part of the honest assertion replaced, after it was signed.
fn changed(name: &'static str, from: &str, to: &str, why: SamlError) -> Variant {
    let signed = TRUSTED.sign(&claims());
    assert!(signed.contains(from), "{name}: there is no {from}");
    variant(name, signed.replacen(from, to, 1), why)
}

/// A part of the template replaced, and then signed: the signature itself is right.
fn resigned(name: &'static str, from: &str, to: &str, why: SamlError) -> Variant {
    let template = TRUSTED.template(&claims());
    assert!(template.contains(from), "{name}: there is no {from}");
    variant(name, TRUSTED.sign_template(&template.replacen(from, to, 1)), why)
}

fn claiming(name: &'static str, change: impl FnOnce(&mut Claims), why: SamlError) -> Variant {
    let mut claims = claims();
    change(&mut claims);
    variant(name, TRUSTED.sign(&claims), why)
}

/// The element `Signature` of a signed assertion, and the assertion without it.
fn split(signed: &str) -> (String, String) {
    let from = signed.find("<ds:Signature").unwrap();
    let to = signed.find("</ds:Signature>").unwrap() + "</ds:Signature>".len();
    (signed[from..to].to_owned(), [&signed[..from], &signed[to..]].concat())
}

/// What the attacker would like to be believed: another user.
fn evil(id: &str) -> String {
    let mut claims = claims();
    (claims.id, claims.name_id) = (id.to_owned(), "999999999999".to_owned());
    let (_, unsigned) = split(&TRUSTED.template(&claims));
    unsigned
}

/// Puts something behind the issuer, where the signature stands.
fn signed_by(assertion: &str, signature: &str) -> String {
    assertion.replacen("</saml2:Issuer>", &format!("</saml2:Issuer>{signature}"), 1)
}
