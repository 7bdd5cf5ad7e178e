//! Honest signatures on what does not hold here, now, or for the peer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_codec::saml::SamlError::*;
use carerecord_testkit::saml::{BEARER, holder_of_key};

use super::{Variant, claiming, resigned};
use crate::{AUDIENCE, STRANGER, claims, now};

pub fn times() -> Vec<Variant> {
    let end = claims();
    let end =
        (end.issued + jiff::SignedDuration::from_secs(end.ends)).strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let ends = format!(" NotOnOrAfter=\"{end}\"");
    vec![
        claiming("expired", |c| (c.begins, c.ends) = (-300, -60), Expired),
        claiming("expired long ago", |c| (c.begins, c.ends) = (-900, -600), Expired),
        claiming("not valid yet", |c| (c.begins, c.ends) = (70, 300), NotYetValid),
        claiming(
            "issued in the future",
            |c| c.issued = now() + jiff::SignedDuration::from_secs(90),
            NotYetValid,
        ),
        claiming("valid for a day", |c| c.ends = 86_400, TooLong),
        resigned("valid for ever", &ends, "", TooLong),
        resigned("an end that is no time", &ends, " NotOnOrAfter=\"tomorrow\"", Value),
    ]
}

pub fn audiences() -> Vec<Variant> {
    let ours = format!(
        "<saml2:AudienceRestriction><saml2:Audience>{AUDIENCE}</saml2:Audience>\
         </saml2:AudienceRestriction>"
    );
    let others = ours.replace(AUDIENCE, "urn:other");
    let unknown = "<saml2:Condition xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                   xsi:type=\"q\"/>";
    vec![
        claiming("for somebody else", |c| c.audience = "urn:oid:2.999.826.2".into(), Audience),
        claiming("for somebody like us", |c| c.audience = format!("{AUDIENCE}.1"), Audience),
        resigned("for nobody in particular", &ours, "", Audience),
        resigned("for us and for others", &ours, &format!("{ours}{others}"), Audience),
        claiming(
            "under a condition that nobody knows",
            |c| c.conditions = unknown.into(),
            UnknownCondition,
        ),
    ]
}

pub fn confirmations() -> Vec<Variant> {
    let stranger = STANDARD.encode(&STRANGER.certificate_der);
    let key = holder_of_key(&format!(
        "<ds:X509Data><ds:X509Certificate>{stranger}</ds:X509Certificate></ds:X509Data>"
    ));
    let bearer = |data: &str| {
        BEARER.replace(
            "/>",
            &format!("><saml2:SubjectConfirmationData {data}/></saml2:SubjectConfirmation>"),
        )
    };
    let vouched = BEARER.replace("bearer", "sender-vouches");
    let unknown = BEARER.replace("bearer", "artifact");
    let over = bearer("NotOnOrAfter=\"2020-01-01T00:00:00Z\"");
    let elsewhere = bearer("Recipient=\"https://other.example/xds\"");
    vec![
        claiming("not confirmed", |c| c.confirmation = String::new(), Confirmation),
        claiming("vouched for by the sender", |c| c.confirmation = vouched, Confirmation),
        claiming("confirmed in an unknown way", |c| c.confirmation = unknown, Confirmation),
        claiming("confirmed until long ago", |c| c.confirmation = over, Confirmation),
        claiming("confirmed to another recipient", |c| c.confirmation = elsewhere, Confirmation),
        claiming(
            "by the holder of a key, who does not show",
            |c| c.confirmation = key,
            Confirmation,
        ),
    ]
}
