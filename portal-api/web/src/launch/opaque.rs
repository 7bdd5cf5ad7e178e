//! Launches that have nothing but an id in the address: who is signed in at their provider goes on without
//! being asked anything, and what the launch is about is asked of the launching system, which signs it
//! as it signs any other. NHS: 7, B.

use std::time::Duration;

use axum::response::Response;
use carerecord_service::AuditDraft;
use carerecord_service::signing::{ClientKey, Watched};
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use url::Url;
use uuid::Uuid;

use super::context::{MAX_BYTES, Taken};
use super::launcher::{Launcher, LauncherConfig};
use super::{LaunchContext, LaunchError, Pending, assertion, note_once, once, open, refused};
use crate::api::encoded;
use crate::config::{WebConfig, check_outgoing};
use crate::portal::Portal;
use crate::problem::Problem;
use crate::session;
use crate::sign_in;
use crate::sign_in::checks::bounded_to;

/// A launch whose context has not been asked for: of which system, and its id there.
#[derive(Deserialize, Serialize)]
pub(crate) struct Opaque {
    pub(super) launcher: String,
    pub(super) launch: String,
}

/// Where a launching system is asked for contexts, and as whom.
pub(super) struct Contexts {
    url: Url,
    client_id: String,
    key: Watched<ClientKey>,
    http: reqwest::Client,
    /// For the answer, whole.
    deadline: Duration,
}

/// Sends the browser to the sign-in provider, which is to answer at once; who is signed in here already
/// goes on to the record. Before that the launching system is asked nothing.
pub(super) async fn begin(
    portal: &Portal,
    session: Session,
    draft: &AuditDraft,
    opaque: Opaque,
) -> Result<Response, Problem> {
    draft.fill(|event| NAME.clone_into(&mut event.interaction));
    let (launcher, _) = opaque.asked_of(portal).map_err(|error| refused(draft, error))?;
    if session::remember(&session, portal).await?.is_some() {
        let context = opaque.resolve(portal, draft).await?;
        return open::go_to(portal, session, context).await;
    }
    let provider = portal.providers.find(&launcher.config.sign_in).ok_or(Problem::NotFound)?;
    session::launch_pending(&session, Some(&Pending::Opaque(opaque))).await?;
    sign_in::silently_at(portal, &session, provider).await
}

impl Opaque {
    /// What the launch is about, once.
    pub(crate) async fn resolve(
        &self,
        portal: &Portal,
        draft: &AuditDraft,
    ) -> Result<LaunchContext, Problem> {
        draft.fill(|event| NAME.clone_into(&mut event.interaction));
        let told = self.ask(portal).await.map_err(|error| refused(draft, error))?;
        let context = once(portal, draft, told).await?;
        // The system may sign it anew each time that it is asked.
        let until = portal.clock.now() + REMEMBERED;
        let namespace = format!("{} context_url", self.launcher);
        note_once(portal, draft, (&namespace, &self.launch, until)).await?;
        Ok(context)
    }

    async fn ask(&self, portal: &Portal) -> Result<Taken, LaunchError> {
        let (launcher, contexts) = self.asked_of(portal)?;
        let signed = contexts.ask(&self.launch, portal.ids.random(), portal.clock.now()).await?;
        // The answer may have taken a while.
        let now = portal.clock.now();
        let told = portal.launchers.read(&signed, &portal.config.public_url, now)?;
        match told.0.launcher == launcher.config.id {
            true => Ok(told),
            false => Err(LaunchError::OtherLauncher),
        }
    }

    fn asked_of<'p>(
        &self,
        portal: &'p Portal,
    ) -> Result<(&'p Launcher, &'p Contexts), LaunchError> {
        let launcher = portal.launchers.find(&self.launcher);
        let launcher = launcher.ok_or(LaunchError::UnknownLauncher)?;
        Ok((launcher, launcher.contexts.as_ref().ok_or(LaunchError::NotAsked)?))
    }
}

impl Contexts {
    /// As a launcher is configured, with its key; `None` where it is not asked.
    pub(super) fn of(
        config: &LauncherConfig,
        web: &WebConfig,
        http: &reqwest::Client,
        now: Timestamp,
    ) -> Result<Option<Self>, String> {
        let (url, client_id, key) = match (
            &config.context_url,
            &config.client_id,
            &config.client_key,
        ) {
            (None, None, None) => return Ok(None),
            (Some(url), Some(client_id), Some(key)) => (url, client_id, key),
            _ => return Err("context_url needs client_id and client_key, and they it".to_owned()),
        };
        check_outgoing(url).map_err(|what| format!("context_url {what}"))?;
        if client_id.is_empty() {
            return Err("client_id is empty".to_owned());
        }
        let key = Watched::open(&web.base.join(key), ClientKey::read, now);
        Ok(Some(Self {
            url: url.clone(),
            client_id: client_id.clone(),
            key: key.map_err(|error| error.to_string())?,
            http: http.clone(),
            deadline: Duration::from_millis(web.deadline_ms),
        }))
    }

    /// What the system has signed of a launch.
    async fn ask(&self, launch: &str, id: Uuid, now: Timestamp) -> Result<String, LaunchError> {
        let told = (self.client_id.as_str(), self.url.as_str());
        let assertion = assertion::signed(&self.key, told, (id, now));
        let assertion = assertion.map_err(|_| LaunchError::Assertion)?;
        let form = [
            ("client_assertion_type", assertion::KIND),
            ("client_assertion", &assertion),
            ("launch", launch),
        ];
        let request = self
            .http
            .post(self.url.clone())
            .timeout(self.deadline)
            .header(ACCEPT, "application/jwt")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded(&form));
        let (answer, _sent) = carerecord_service::send(("http", "launch context"), request).await;
        let answer = answer.map_err(|_| LaunchError::Away)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(LaunchError::NotKnown),
            // Also where it would lead elsewhere: nobody else is asked.
            _ => return Err(LaunchError::NotGiven),
        }
        let answer = bounded_to(answer, MAX_BYTES).await.map_err(|_| LaunchError::Broken)?;
        let signed = String::from_utf8(answer.into_body()).map_err(|_| LaunchError::Malformed)?;
        Ok(signed.trim().to_owned())
    }
}

/// In the record.
const NAME: &str = "launch by an id";
/// For how long an id is not taken again.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
