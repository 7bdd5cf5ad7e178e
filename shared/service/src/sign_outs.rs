//! Sign-ins that have ended before their sessions and access tokens would.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::AuditDraft;

/// A person's sign-in at a provider, as a session or an access token tells of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignIn {
    /// The provider.
    pub issuer: String,
    /// The provider's id of the person.
    pub subject: String,
    /// The provider's id of its session, where it tells: `sid`.
    pub session_id: Option<String>,
    /// When it began, by the provider's clock.
    pub since: Timestamp,
}

/// What a provider, or the person, has ended. OpenID Connect Back-Channel Logout 1.0, 2.4.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SignedOut {
    /// One session.
    Session {
        /// The provider.
        issuer: String,
        /// Its id of the session.
        session_id: String,
    },
    /// Every session of a person that began until then.
    Person {
        /// The provider.
        issuer: String,
        /// Its id of the person.
        subject: String,
        /// The last instant.
        until: Timestamp,
    },
}

/// What has become of a message that ends sign-ins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// They have ended.
    Now,
    /// The message had come before; nothing was changed.
    Replayed,
}

/// The store could not be asked. Whoever asks must go on as if the sign-in had ended.
#[derive(Debug, thiserror::Error)]
#[error("it cannot be told which sign-ins have ended: {0}")]
pub struct SignOutsUnavailable(pub String);

/// Where it is kept which sign-ins have ended, for every copy of every role that takes them.
#[async_trait]
pub trait EndedSignIns: std::fmt::Debug + Send + Sync + 'static {
    /// Whether a sign-in has ended.
    ///
    /// # Errors
    /// When the store could not be asked.
    async fn has_ended(&self, sign_in: &SignIn) -> Result<bool, SignOutsUnavailable>;
}

/// The same, by which they end.
#[async_trait]
pub trait SignOuts: EndedSignIns {
    /// Ends sign-ins, and what was opened in them by overrides, and records it; in force everywhere
    /// and durable when it returns. `message_id` is the `jti` of the provider's message, which is
    /// good once.
    ///
    /// # Errors
    /// When the store could not be asked: nothing was changed.
    async fn end(
        &self,
        what: SignedOut,
        message_id: Option<String>,
        draft: &AuditDraft,
    ) -> Result<Ended, SignOutsUnavailable>;
}

/// How long it is kept what has ended. Neither sessions nor access tokens are taken for longer.
pub const LONGEST_SIGN_IN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
