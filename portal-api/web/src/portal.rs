use std::sync::Arc;

use axum::extract::State;
use carerecord_model::{Clock, IdSource};
use carerecord_service::EndedSignIns;
use jiff::tz::TimeZone;

use crate::api::{ApiClient, Asker};
use crate::config::WebConfig;
use crate::launch::{Ehrs, Launchers, Tickets};
use crate::looks::Looks;
use crate::problem::Problem;
use crate::session::{Caller, Person, SignedIn, Turns, keep_now, remember};
use crate::sign_in::Providers;

/// What every handler shares.
pub(crate) struct Portal {
    pub(crate) config: WebConfig,
    pub(crate) api: ApiClient,
    pub(crate) providers: Providers,
    pub(crate) launchers: Launchers,
    pub(crate) ehrs: Ehrs,
    pub(crate) tickets: Tickets,
    pub(crate) sign_outs: Arc<dyn EndedSignIns>,
    pub(crate) looks: Looks,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// The time zone of what pages show.
    pub(crate) zone: TimeZone,
    /// Taken to change what a session holds.
    pub(crate) turns: Turns,
}

pub(crate) type SharedPortal = State<Arc<Portal>>;

impl Portal {
    /// The time in seconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    /// An absolute address of the portal.
    pub(crate) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.config.public_url.as_str().trim_end_matches('/'))
    }

    /// A text of 244 random bits.
    pub(crate) fn unguessable(&self) -> String {
        format!("{}{}", self.ids.random().simple(), self.ids.random().simple())
    }

    /// Changes what is kept of a person and writes it at once.
    ///
    /// Other tabs of the same person may have changed it since this request began, so it is read
    /// again first. Ends in [`Problem::SignedOut`] if the session is over by then.
    pub(crate) async fn change<T>(
        &self,
        person: &mut Person,
        change: impl FnOnce(&mut SignedIn) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let id = person.session.id().ok_or(Problem::Broken)?;
        let _turn = self.turns.of(id).await;
        self.read_again(person).await?;
        let changed = change(&mut person.data)?;
        keep_now(&person.session, &person.data).await?;
        Ok(changed)
    }

    /// Renews an access token that ends soon.
    ///
    /// A refresh token is good once, so requests of one session must not renew at the same time:
    /// they do it one after the other, and look again at what the session holds by then.
    pub(crate) async fn freshen(&self, person: &mut Person) -> Result<(), Problem> {
        if person.data.access_expires_at - self.now() > RENEW_SECONDS {
            return Ok(());
        }
        let id = person.session.id().ok_or(Problem::Broken)?;
        let _turn = self.turns.of(id).await;
        self.read_again(person).await?;
        if person.data.access_expires_at - self.now() > RENEW_SECONDS {
            return Ok(());
        }
        let Some(refresh_token) = &person.data.refresh_token else {
            return Err(self.end(person).await);
        };
        let provider = self.providers.of(&person.data);
        let Ok(tokens) = provider.renew(refresh_token, self.clock.now()).await else {
            return Err(self.end(person).await);
        };
        person.data.access_token = tokens.access_token;
        person.data.access_expires_at = tokens.access_expires_at;
        person.data.refresh_token = tokens.refresh_token.or(person.data.refresh_token.take());
        keep_now(&person.session, &person.data).await
    }

    async fn read_again(&self, person: &mut Person) -> Result<(), Problem> {
        person.session.load().await.map_err(|_| Problem::Broken)?;
        let held = remember(&person.session, self).await?;
        person.data = held.ok_or(Problem::SignedOut { had_one: true })?;
        Ok(())
    }

    async fn end(&self, person: &Person) -> Problem {
        match crate::session::forget(&person.session).await {
            Ok(()) => Problem::SignedOut { had_one: true },
            Err(problem) => problem,
        }
    }
}

impl Caller {
    /// The caller as the API gets to know them.
    pub(crate) fn asker(&self) -> Asker<'_> {
        self.asker_for(None)
    }

    /// The same, for a purpose that was asked.
    pub(crate) fn asker_for<'a>(&'a self, purpose: Option<&'a str>) -> Asker<'a> {
        Asker {
            token: &self.0.data.access_token,
            role: self.0.data.acting_as.as_deref(),
            purpose,
            request_id: self.0.request_id,
        }
    }

    /// The ODS code and the name of the organisation that the person acts for.
    pub(crate) fn organisation(&self) -> Option<(String, String)> {
        let role = self.0.role().filter(|role| !role.ods.is_empty())?;
        Some((role.ods.clone(), role.organisation.clone()))
    }
}

const RENEW_SECONDS: i64 = 60;
