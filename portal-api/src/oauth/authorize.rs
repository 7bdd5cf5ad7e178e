//! What an app asks a person for: RFC 6749 (4.1.1), RFC 7636, RFC 9700; SMART App Launch 2, standalone
//! launch.

use carerecord_access::UserCaller;
use carerecord_service::SignIn;
use jiff::Timestamp;
use url::Url;

use super::app::App;
use super::client::Client;
use super::error::OAuthFailure;
use super::form::OAuthForm;
use super::grants::{CODE_LIFE, Granted, GrantedPerson, is_challenge};
use super::{OAuth, Scopes};

/// A request that may be put to a person.
pub(super) struct Asked<'c> {
    pub client: &'c Client,
    pub app: &'c App,
    pub redirect_uri: String,
    pub state: String,
    /// Within what the app may have.
    pub scopes: Scopes,
    pub challenge: String,
}

impl Asked<'_> {
    /// What a person grants by saying yes, before it is known about whom.
    pub fn grant(&self, user: &UserCaller, sign_in: &SignIn, now: Timestamp) -> Granted {
        Granted {
            client_id: self.client.id.clone(),
            redirect_uri: self.redirect_uri.clone(),
            challenge: self.challenge.clone(),
            scope: self.scopes.to_string(),
            purpose: self.client.purposes.first().copied().unwrap_or_default(),
            patient: None,
            person: GrantedPerson::new(user, sign_in),
            code_until: now + CODE_LIFE,
        }
    }
}

/// Why a person is not asked, or nothing is granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AuthorizeError {
    #[error("the request repeats a parameter, or is not one of OAuth")]
    Malformed,
    #[error("client_id is not that of an app that is known here")]
    UnknownApp,
    #[error("redirect_uri is not one of those that the app is registered with, letter by letter")]
    RedirectUri,
    #[error("response_type must be code")]
    ResponseType,
    #[error("response_mode must be query, where it is said")]
    ResponseMode,
    #[error("request objects are not taken")]
    RequestObject,
    #[error("state is needed, with 1 to 512 characters")]
    State,
    #[error("code_challenge is needed, with the code_challenge_method S256 (PKCE)")]
    Challenge,
    #[error("aud must be the FHIR API of this portal")]
    Audience,
    #[error("nothing of what was asked for can be granted to this app")]
    Scope,
    #[error("the person has not agreed")]
    Denied,
    #[error("too many requests: wait a moment")]
    TooMany,
    #[error("the service failed; it has been recorded")]
    Internal,
}

impl AuthorizeError {
    /// Each of them, for the documentation.
    pub const ALL: [Self; 13] = [
        Self::Malformed,
        Self::UnknownApp,
        Self::RedirectUri,
        Self::ResponseType,
        Self::ResponseMode,
        Self::RequestObject,
        Self::State,
        Self::Challenge,
        Self::Audience,
        Self::Scope,
        Self::Denied,
        Self::TooMany,
        Self::Internal,
    ];

    /// RFC 6749: 4.1.2.1.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed
            | Self::RedirectUri
            | Self::ResponseMode
            | Self::State
            | Self::Challenge
            | Self::Audience => "invalid_request",
            Self::UnknownApp => "unauthorized_client",
            Self::ResponseType => "unsupported_response_type",
            Self::RequestObject => "request_not_supported",
            Self::Scope => "invalid_scope",
            Self::Denied => "access_denied",
            Self::TooMany => "temporarily_unavailable",
            Self::Internal => "server_error",
        }
    }
}

/// An error, and where the app is told of it: nowhere before it is known who asks.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct NotAsked {
    pub error: AuthorizeError,
    pub back: Option<String>,
}

impl From<AuthorizeError> for NotAsked {
    fn from(error: AuthorizeError) -> Self {
        Self { error, back: None }
    }
}

impl OAuth {
    /// Judges what an app has sent the browser with.
    pub(super) fn asked(&self, query: &str) -> Result<Asked<'_>, NotAsked> {
        let form = OAuthForm::parse(query).map_err(|_: OAuthFailure| AuthorizeError::Malformed)?;
        let client = form.get("client_id").and_then(|id| self.client(id));
        let known = client.and_then(|client| Some((client, client.app.as_ref()?)));
        let (client, app) = known.ok_or(AuthorizeError::UnknownApp)?;
        let redirect_uri = form.get("redirect_uri").filter(|uri| app.has(uri));
        let redirect_uri = redirect_uri.ok_or(AuthorizeError::RedirectUri)?;
        // From here on the app is told.
        let sent = form.get("state").filter(|state| state.len() <= MAX_STATE);
        let judged = self.judge_asked(&form, client);
        let judged = judged.and_then(|scopes| Ok((scopes, sent.ok_or(AuthorizeError::State)?)));
        match judged {
            Ok((scopes, state)) => Ok(Asked {
                client,
                app,
                redirect_uri: redirect_uri.to_owned(),
                state: state.to_owned(),
                scopes,
                challenge: form.get("code_challenge").unwrap_or_default().to_owned(),
            }),
            Err(error) => Err(NotAsked { error, back: self.told(redirect_uri, sent, error) }),
        }
    }

    fn judge_asked(&self, form: &OAuthForm, client: &Client) -> Result<Scopes, AuthorizeError> {
        if form.get("request").or(form.get("request_uri")).is_some() {
            return Err(AuthorizeError::RequestObject);
        }
        if form.get("response_type") != Some("code") {
            return Err(AuthorizeError::ResponseType);
        }
        if form.get("response_mode").is_some_and(|mode| mode != "query") {
            return Err(AuthorizeError::ResponseMode);
        }
        let challenged = form.get("code_challenge").is_some_and(is_challenge);
        // Without a method it is plain, which who sees the request could answer.
        if !challenged || form.get("code_challenge_method") != Some("S256") {
            return Err(AuthorizeError::Challenge);
        }
        let ours = |url: &str| url.trim_end_matches('/') == self.0.audience;
        let resource = form.get("resource").is_none_or(ours);
        if !form.get("aud").is_some_and(ours) || !resource {
            return Err(AuthorizeError::Audience);
        }
        let scopes = client.scopes.grant(&Scopes::parse(form.get("scope").unwrap_or_default()));
        if scopes.is_empty() { Err(AuthorizeError::Scope) } else { Ok(scopes) }
    }

    /// Where the browser goes with a code.
    pub(super) fn granted(&self, asked: &Asked<'_>, code: &str) -> Option<String> {
        let answer = [("code", code), ("state", asked.state.as_str())];
        self.back(&asked.redirect_uri, &answer)
    }

    /// Where the browser goes without one.
    pub(super) fn not_granted(&self, asked: &Asked<'_>, error: AuthorizeError) -> NotAsked {
        NotAsked { error, back: self.told(&asked.redirect_uri, Some(&asked.state), error) }
    }

    fn told(
        &self,
        redirect_uri: &str,
        state: Option<&str>,
        error: AuthorizeError,
    ) -> Option<String> {
        let words = error.to_string();
        let mut answer = vec![("error", error.code()), ("error_description", words.as_str())];
        answer.extend(state.map(|state| ("state", state)));
        self.back(redirect_uri, &answer)
    }

    /// An address of the app's with an answer, which says whose it is. RFC 9207.
    fn back(&self, redirect_uri: &str, answer: &[(&str, &str)]) -> Option<String> {
        let mut url = Url::parse(redirect_uri).ok()?;
        url.query_pairs_mut().extend_pairs(answer).append_pair("iss", self.issuer());
        Some(url.into())
    }
}

const MAX_STATE: usize = 512;
