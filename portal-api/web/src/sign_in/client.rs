//! The OpenID Connect client, with what ID tokens say of the provider's session.

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, StandardErrorResponse, StandardTokenResponse,
};
use serde::{Deserialize, Serialize};

/// OpenID Connect Back-Channel Logout 1.0, 2.1.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct SessionClaims {
    #[serde(default)]
    pub(super) sid: Option<String>,
}

impl AdditionalClaims for SessionClaims {}

/// What the token endpoint of a provider answers.
pub(super) type Answer = AnswerWith<SessionClaims, EmptyExtraTokenFields>;

/// A client of a provider that has been discovered.
pub(super) type Client = ClientOf<SessionClaims, Answer, EndpointMaybeSet, EndpointMaybeSet>;

/// What a token endpoint answers: an ID token with such claims, and such fields beside it.
pub(crate) type AnswerWith<Claims, Fields> = StandardTokenResponse<
    IdTokenFields<
        Claims,
        Fields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// A client with such answers, and what is known of its endpoints for tokens and about the person.
pub(crate) type ClientOf<Claims, Answer, Token, Person> = openidconnect::Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Answer,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
    Person,
>;
