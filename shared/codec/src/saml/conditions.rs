use jiff::{SignedDuration, Timestamp};

use super::assertion::time;
use super::dom::Element;
use super::{Assertion, Confirmation, HolderKey, SAML, SamlError};

/// When and for whom an assertion holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Conditions {
    /// From then on.
    pub not_before: Option<Timestamp>,
    /// Until then.
    pub not_on_or_after: Option<Timestamp>,
    /// For whom: one of each list must be the reader.
    pub audiences: Vec<Vec<String>>,
    /// Whether it may be used once only.
    pub one_time_use: bool,
}

/// How the subject is confirmed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SubjectMethod {
    /// Whoever has it.
    Bearer,
    /// Whoever holds a key that it names.
    HolderOfKey,
    /// Whoever is trusted to say whose it is.
    SenderVouches,
}

impl SubjectMethod {
    fn of(uri: &str) -> Option<Self> {
        match uri.strip_prefix("urn:oasis:names:tc:SAML:2.0:cm:")? {
            "bearer" => Some(Self::Bearer),
            "holder-of-key" => Some(Self::HolderOfKey),
            "sender-vouches" => Some(Self::SenderVouches),
            _ => None,
        }
    }
}

/// What the reader demands of an assertion.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'a> {
    /// The names that the reader goes by.
    pub audiences: &'a [String],
    /// How far clocks may differ.
    pub skew: SignedDuration,
    /// How long an assertion may hold, from its issue.
    pub max_lifetime: SignedDuration,
    /// The ways of confirmation that are taken.
    pub methods: &'a [SubjectMethod],
    /// The certificate, in DER, with which the peer has proved itself on this connection.
    pub certificate: Option<&'a [u8]>,
}

impl Conditions {
    pub(super) fn read(element: Option<Element<'_>>) -> Result<Self, SamlError> {
        let mut read = Self::default();
        let Some(element) = element else { return Ok(read) };
        read.not_before = element.attr("NotBefore").map(time).transpose()?;
        read.not_on_or_after = element.attr("NotOnOrAfter").map(time).transpose()?;
        for condition in element.children() {
            match (condition.ns(), condition.local()) {
                (SAML, "AudienceRestriction") => {
                    let mut audiences = Vec::new();
                    for audience in condition.children() {
                        if !audience.is(SAML, "Audience") {
                            return Err(SamlError::Structure);
                        }
                        audiences.push(audience.text()?);
                    }
                    read.audiences.push(audiences);
                }
                (SAML, "OneTimeUse") => read.one_time_use = true,
                // It is about assertions made on the ground of this one.
                (SAML, "ProxyRestriction") => {}
                _ => return Err(SamlError::UnknownCondition),
            }
        }
        Ok(read)
    }
}

impl Assertion {
    /// Checks that the assertion holds now, here, and for the peer. ITI TF-2: 3.40.4.1.3.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, now: Timestamp, demands: &Demands<'_>) -> Result<(), SamlError> {
        self.check_time(now, demands)?;
        let ours = |list: &Vec<String>| list.iter().any(|a| demands.audiences.contains(a));
        if self.conditions.audiences.is_empty() || !self.conditions.audiences.iter().all(ours) {
            return Err(SamlError::Audience);
        }
        let mut confirmed = self.confirmations.iter();
        if confirmed.any(|confirmation| self.holds(confirmation, now, demands)) {
            return Ok(());
        }
        Err(SamlError::Confirmation)
    }

    /// The keys of which one must be shown to be held.
    pub(super) fn holder_keys(&self) -> Vec<HolderKey> {
        let by_key =
            |c: &&Confirmation| SubjectMethod::of(&c.method) == Some(SubjectMethod::HolderOfKey);
        self.confirmations.iter().filter(by_key).flat_map(|c| c.keys.clone()).collect()
    }

    fn check_time(&self, now: Timestamp, demands: &Demands<'_>) -> Result<(), SamlError> {
        let end = self.conditions.not_on_or_after.ok_or(SamlError::TooLong)?;
        let begin = self.conditions.not_before.map_or(self.issued, |b| b.max(self.issued));
        if begin > now + demands.skew {
            return Err(SamlError::NotYetValid);
        }
        if end <= now - demands.skew {
            return Err(SamlError::Expired);
        }
        let begin = self.conditions.not_before.map_or(self.issued, |b| b.min(self.issued));
        if end.duration_since(begin) > demands.max_lifetime {
            return Err(SamlError::TooLong);
        }
        Ok(())
    }

    fn holds(&self, confirmation: &Confirmation, now: Timestamp, demands: &Demands<'_>) -> bool {
        let method = SubjectMethod::of(&confirmation.method);
        let proved = match method.filter(|m| demands.methods.contains(m)) {
            Some(SubjectMethod::Bearer | SubjectMethod::SenderVouches) => true,
            Some(SubjectMethod::HolderOfKey) => self.is_held(confirmation, demands.certificate),
            None => false,
        };
        let begun = confirmation.not_before.is_none_or(|t| t <= now + demands.skew);
        let goes_on = confirmation.not_on_or_after.is_none_or(|t| t > now - demands.skew);
        let here = confirmation.recipient.as_ref().is_none_or(|r| demands.audiences.contains(r));
        proved && begun && goes_on && here
    }

    /// Whether the peer has shown that it holds a key of the confirmation: on its connection, or,
    /// where it has no certificate there, by signing the message.
    fn is_held(&self, confirmation: &Confirmation, certificate: Option<&[u8]>) -> bool {
        match certificate {
            Some(peer) => confirmation.keys.iter().any(|key| key.is_of(peer)),
            None => self.message_key.as_ref().is_some_and(|key| confirmation.keys.contains(key)),
        }
    }
}
