//! Assertions as they come, honest and forged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accepted;
mod corpus;
mod forged;
mod holder;
mod xmlsec;

use std::sync::LazyLock;

use carerecord_codec::saml::{
    Assertion, Demands, SamlError, SecurityHeader, SubjectMethod, TrustedKeys, verify,
};
use carerecord_testkit::envelope;
use carerecord_testkit::saml::{Claims, Provider, security, with_header};
use jiff::{SignedDuration, Timestamp};

const ISSUER: &str = "https://sts.example";
const AUDIENCE: &str = "urn:oid:2.999.826.1";
const ID: &str = "_96189571-c72c-4a10-8f1c-6d5b27efa797";
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Whom everybody here believes.
static TRUSTED: LazyLock<Provider> = LazyLock::new(|| Provider::new(ISSUER));
/// Somebody who says that they were the same.
static STRANGER: LazyLock<Provider> = LazyLock::new(|| Provider::new(ISSUER));

fn now() -> Timestamp {
    "2026-01-14T10:22:31Z".parse().unwrap()
}

fn claims() -> Claims {
    Claims::new(ID, AUDIENCE, now())
}

/// A message with this in its Security header.
fn message(content: &str) -> String {
    with_header(&envelope("urn:a", "<x xmlns=\"urn:u\"/>"), &security(content))
}

/// What is made of a message, with a certificate of the peer or without one.
fn judge_for(
    message: &str,
    provider: &Provider,
    certificate: Option<&[u8]>,
) -> Result<Assertion, SamlError> {
    let keys = TrustedKeys::new([provider.certificate_der.as_slice()]).unwrap();
    let header = SecurityHeader::find(message)?.ok_or(SamlError::Missing)?;
    let trusted = |issuer: &str| (issuer == ISSUER).then_some((&keys, false));
    let assertion = verify(&header, now(), SKEW, trusted)?.ok_or(SamlError::Missing)?;
    let demands = Demands {
        audiences: &[AUDIENCE.to_owned()],
        skew: SKEW,
        max_lifetime: SignedDuration::from_hours(1),
        methods: &[SubjectMethod::Bearer, SubjectMethod::HolderOfKey],
        certificate,
    };
    assertion.check(now(), &demands)?;
    Ok(assertion)
}

fn judge(message: &str) -> Result<Assertion, SamlError> {
    judge_for(message, &TRUSTED, None)
}
