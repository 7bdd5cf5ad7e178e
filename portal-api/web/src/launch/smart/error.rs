use crate::problem::LaunchFailure;

/// Why a SMART launch does not go on. For the record; nothing of what was sent is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum SmartError {
    #[error("the record system is not known")]
    UnknownSystem,
    #[error("the record system cannot be asked")]
    Away,
    #[error("the SMART configuration or the keys of the record system cannot be read")]
    Configuration,
    #[error("the record system does not offer launches with PKCE (S256)")]
    NotOffered,
    #[error("an address in the SMART configuration is not safe")]
    Address,
    #[error("the client assertion could not be signed")]
    Assertion,
    #[error("no launch is under way in this browser")]
    NotBegun,
    #[error("the state is not that of the launch in this browser")]
    State,
    #[error("the way back came too late")]
    Late,
    #[error("the way back has been taken before")]
    Replayed,
    #[error("the code is of another issuer")]
    Issuer,
    #[error("the record system gave no code")]
    Declined,
    #[error("the code was not exchanged")]
    Code,
    #[error("the ID token did not pass the checks")]
    IdToken,
    #[error("the ID token does not say who the person is")]
    Person,
    #[error("the launch has no patient")]
    NoPatient,
    #[error("the patient was not given, or is another one than asked for")]
    Patient,
    #[error("the patient has no NHS Number in the record system, or more than one")]
    NhsNumber,
    #[error("the patient has no family name or date of birth in the record system")]
    Demographics,
}

impl SmartError {
    /// Whether it is the record system that failed.
    pub(super) fn is_theirs(self) -> bool {
        LaunchFailure::from(self) == LaunchFailure::Away
    }
}

impl From<SmartError> for LaunchFailure {
    fn from(error: SmartError) -> Self {
        match error {
            SmartError::Away
            | SmartError::Configuration
            | SmartError::NotOffered
            | SmartError::Address
            | SmartError::Assertion
            | SmartError::Patient => Self::Away,
            SmartError::NotBegun | SmartError::Late | SmartError::Replayed => Self::Ended,
            SmartError::NhsNumber | SmartError::Demographics => Self::NotIdentified,
            SmartError::UnknownSystem
            | SmartError::State
            | SmartError::Issuer
            | SmartError::Declined
            | SmartError::Code
            | SmartError::IdToken
            | SmartError::Person
            | SmartError::NoPatient => Self::NotTaken,
        }
    }
}
