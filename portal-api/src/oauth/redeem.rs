//! From a code to the access token of a person, for an app. RFC 6749: 4.1.3.

use std::net::IpAddr;

use carerecord_access::{Caller, SystemCaller};
use carerecord_service::AuditDraft;
use serde_json::{Value, json};

use super::OAuth;
use super::client::Client;
use super::error::{AssertionError, OAuthFailure};
use super::form::OAuthForm;
use super::grants::Shown;
use super::issue::system;
use super::limits::Key;
use super::token::{MOST_FAILURES, claimed};

impl OAuth {
    pub(super) async fn redeem(
        &self,
        form: &OAuthForm,
        peer: Option<IpAddr>,
        draft: &AuditDraft,
    ) -> Result<Value, OAuthFailure> {
        let client = self.app(form, peer, draft).await?;
        let now = self.0.clock.now();
        let need = |name: &str| form.get(name).ok_or(OAuthFailure::Request);
        let shown = Shown {
            client_id: &client.id,
            redirect_uri: need("redirect_uri")?,
            verifier: need("code_verifier")?,
        };
        self.must_be_ours(form)?;
        let taken = self.0.grants.take(need("code")?, now).await.map_err(|error| {
            tracing::error!(%error, "the portal's database failed");
            OAuthFailure::Internal
        })?;
        let judged = taken.and_then(|(id, granted)| {
            draft.fill(|event| event.listed = vec![format!("token {id}")]);
            granted.judge(&shown, now).map(|()| (id, granted))
        });
        let (id, granted) = judged.inspect_err(|_| {
            let failures = Key::Failures(peer, client.id.clone());
            self.0.limits.count(failures, MOST_FAILURES, now);
        })?;
        let (token, given) = self.issue_for(client, &granted, id)?;
        draft.caller(&granted.caller(client, self.issuer(), &given.jti));
        draft.fill(|event| {
            event.purpose = Some(granted.purpose.code().to_owned());
            event.subject = granted.patient.as_ref().map(|patient| patient.number);
            event.listed.push(format!("scope {}", given.scope));
        });
        let mut answer = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.seconds(),
            "scope": given.scope,
        });
        if let Some(patient) = &granted.patient {
            answer["patient"] = patient.id.clone().into();
        }
        Ok(answer)
    }

    /// The app that shows a code. One with keys shows who it is by them; of a public one the code and
    /// its verifier have to show it.
    async fn app(
        &self,
        form: &OAuthForm,
        peer: Option<IpAddr>,
        draft: &AuditDraft,
    ) -> Result<&Client, OAuthFailure> {
        let now = self.0.clock.now();
        let client = if form.get("client_assertion").is_some() {
            self.known(form, peer, draft).await?.0
        } else {
            let named: String =
                form.get("client_id").unwrap_or_default().chars().take(64).collect();
            draft.fill(|event| event.actor = Some(claimed(&named)));
            let failures = self.failures(peer, &named);
            if self.0.limits.is_over(&failures, MOST_FAILURES, now) {
                return Err(OAuthFailure::TooMany);
            }
            let failed = |error: AssertionError| {
                self.0.limits.count(failures.clone(), MOST_FAILURES, now);
                OAuthFailure::Client(error)
            };
            let client =
                self.client(&named).ok_or_else(|| failed(AssertionError::UnknownClient))?;
            if !client.is_public() {
                return Err(failed(AssertionError::Missing));
            }
            let public = SystemCaller { known_by: "client_id", ..system(client) };
            draft.caller(&Caller::System(public));
            client
        };
        if client.app.is_none() {
            return Err(OAuthFailure::NotForClient);
        }
        // Anybody can name a public client: what others send in its name is counted apart.
        let key = match client.is_public() {
            true => Key::Public(peer, client.id.clone()),
            false => Key::Client(client.id.clone()),
        };
        if !self.0.limits.count(key, client.requests_per_minute, now) {
            return Err(OAuthFailure::TooMany);
        }
        Ok(client)
    }
}
