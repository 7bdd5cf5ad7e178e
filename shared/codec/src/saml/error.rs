use crate::soap::SecurityFault;

/// Why an assertion is not accepted: for the audit record. A peer sees only the [`SecurityFault`],
/// so that nobody learns from the answer how far a forgery got.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SamlError {
    /// The header is not well-formed, too long, or nested too deep.
    Malformed,
    /// There are several Security headers for us.
    SeveralHeaders,
    /// There is no assertion, and one is required.
    Missing,
    /// The header has a token of another kind.
    OtherToken,
    /// There is a second assertion, beside or inside the first.
    SecondAssertion,
    /// There is a second signature, or one that does not stand where the assertion's own stands.
    ForeignSignature,
    /// The signature of the message does not hold, or not over all that it must.
    MessageSignature,
    /// An id is there twice.
    RepeatedId,
    /// A comment, processing instruction or CDATA section in the assertion.
    Comment,
    /// The assertion's elements are not those of the schema.
    Structure,
    /// The assertion is not signed.
    Unsigned,
    /// The signature is made in a way that is not allowed.
    SignatureForm,
    /// An algorithm that is not allowed.
    Algorithm,
    /// The issuer is not one that is trusted here.
    UnknownIssuer,
    /// The issuer has no certificate that is valid now.
    NoValidKey,
    /// Nobody who is trusted has signed this.
    SignatureInvalid,
    /// A value does not have the form it must have.
    Value,
    /// Issued in the future, or not valid yet.
    NotYetValid,
    /// Not valid any more.
    Expired,
    /// It says no time at which it ends, or one that is too far away.
    TooLong,
    /// Not meant for us, or it does not say for whom.
    Audience,
    /// A condition that is not known, so that nobody can say whether it is met.
    UnknownCondition,
    /// No confirmation of the subject that is allowed holds.
    Confirmation,
    /// It was used before, and may not be again, or by another peer.
    Replayed,
    /// Too many assertions are remembered to remember another.
    MemoryFull,
    /// The issuer may not speak for the organisation.
    Organisation,
}

impl SamlError {
    /// The word in the audit record.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::SeveralHeaders => "several-security-headers",
            Self::Missing => "missing",
            Self::OtherToken => "other-token",
            Self::SecondAssertion => "second-assertion",
            Self::ForeignSignature => "foreign-signature",
            Self::MessageSignature => "message-signature",
            Self::RepeatedId => "repeated-id",
            Self::Comment => "comment",
            Self::Structure => "structure",
            Self::Unsigned => "unsigned",
            Self::SignatureForm => "signature-form",
            Self::Algorithm => "algorithm",
            Self::UnknownIssuer => "unknown-issuer",
            Self::NoValidKey => "no-valid-key",
            Self::SignatureInvalid => "signature-invalid",
            Self::Value => "value",
            Self::NotYetValid => "not-yet-valid",
            Self::Expired => "expired",
            Self::TooLong => "too-long-valid",
            Self::Audience => "audience",
            Self::UnknownCondition => "unknown-condition",
            Self::Confirmation => "confirmation",
            Self::Replayed => "replayed",
            Self::MemoryFull => "memory-full",
            Self::Organisation => "organisation",
        }
    }

    /// What the peer is told. WS-Security 1.1: 12.
    pub fn fault(self) -> SecurityFault {
        match self {
            Self::Malformed | Self::SeveralHeaders | Self::RepeatedId => {
                SecurityFault::InvalidSecurity
            }
            Self::Missing => SecurityFault::SecurityTokenUnavailable,
            Self::OtherToken => SecurityFault::UnsupportedSecurityToken,
            Self::SecondAssertion
            | Self::Comment
            | Self::Structure
            | Self::Value
            | Self::TooLong
            | Self::UnknownCondition => SecurityFault::InvalidSecurityToken,
            Self::ForeignSignature
            | Self::MessageSignature
            | Self::Unsigned
            | Self::SignatureForm
            | Self::Algorithm
            | Self::NoValidKey
            | Self::SignatureInvalid => SecurityFault::FailedCheck,
            Self::Expired => SecurityFault::MessageExpired,
            Self::UnknownIssuer
            | Self::NotYetValid
            | Self::Audience
            | Self::Confirmation
            | Self::Replayed
            | Self::MemoryFull
            | Self::Organisation => SecurityFault::FailedAuthentication,
        }
    }
}

impl std::fmt::Display for SamlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.fault().code(), self.code())
    }
}

impl std::error::Error for SamlError {}
