use std::sync::Arc;

use axum::extract::FromRequestParts;
use carerecord_service::RequestId;
use http::header::COOKIE as COOKIE_HEADER;
use http::request::Parts;
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use uuid::Uuid;

use super::COOKIE;
use super::kept::{CurrentPatient, Death, Role, SignedIn};
use super::store::VERSION;
use crate::portal::Portal;
use crate::problem::Problem;

/// A person who is signed in, and may have yet to choose a role. The session is in force and its
/// inactivity timer has been set back.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) data: SignedIn,
    pub(crate) request_id: Uuid,
}

/// A person who acts in a role, with an access token that the API will take.
pub(crate) struct Caller(pub(crate) Person);

impl Person {
    /// Of a session that has been read.
    pub(crate) fn of(session: Session, data: SignedIn, request_id: Uuid) -> Self {
        Self { session, data, request_id }
    }

    /// Whether the person stays with the patient of a launch.
    pub(crate) fn is_locked(&self) -> bool {
        self.data.launch.as_ref().is_some_and(|launch| launch.locked)
    }

    /// Whether a page is not for somebody who stays with the patient of a launch.
    pub(crate) fn is_locked_out(&self, path: &str) -> bool {
        // Who has yet to choose a role must.
        let may_choose = path == "/role" && self.must_choose();
        let is_below = |page: &&str| {
            path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.is_locked() && !may_choose && OF_OTHERS.iter().any(is_below)
    }

    /// The role acted in.
    pub(crate) fn role(&self) -> Option<&Role> {
        let id = self.data.acting_as.as_ref()?;
        self.data.roles.iter().find(|role| role.id == *id)
    }

    /// The roles that may be chosen: in a launch those at its organisation.
    pub(crate) fn roles_to_choose(&self) -> Vec<&Role> {
        let launch = self.data.launch.as_ref();
        let fits = |role: &&Role| launch.is_none_or(|launch| launch.organisation == role.ods);
        self.data.roles.iter().filter(fits).collect()
    }

    /// Whether the person must choose first. Never chosen for them, unless a launch leaves one only.
    pub(crate) fn must_choose(&self) -> bool {
        self.role().is_none() && self.data.roles.len() > 1
    }

    /// Checks the token of a form against the session's, in constant time.
    pub(crate) fn check(&self, token: &str) -> Result<(), Problem> {
        let same: bool = self.data.csrf.as_bytes().ct_eq(token.as_bytes()).into();
        if same { Ok(()) } else { Err(Problem::Forged) }
    }

    /// The patient of a handle, to show something of the record: who has died is told of first.
    pub(crate) fn patient(&self, handle: Uuid) -> Result<&CurrentPatient, Problem> {
        let patient = self.held(handle)?;
        if patient.death == Death::ToTell { Err(Problem::Died(handle)) } else { Ok(patient) }
    }

    /// The patient of a handle, where nothing of the record is shown.
    pub(crate) fn held(&self, handle: Uuid) -> Result<&CurrentPatient, Problem> {
        let found = self.data.patients.iter().find(|patient| patient.handle == handle);
        found.ok_or(Problem::NotFound)
    }
}

impl FromRequestParts<Arc<Portal>> for Person {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &Arc<Portal>,
    ) -> Result<Self, Self::Rejection> {
        let session = parts.extensions.get::<Session>().cloned().ok_or(Problem::Broken)?;
        let data = remember(&session, portal).await?;
        let Some(data) = data else {
            let cookies = parts.headers.get_all(COOKIE_HEADER);
            let had_one = cookies
                .iter()
                .any(|value| value.to_str().is_ok_and(|cookies| cookies.contains(COOKIE)));
            return Err(Problem::SignedOut { had_one });
        };
        let request_id = parts
            .extensions
            .get::<RequestId>()
            .map_or_else(|| portal.ids.random(), |request_id| request_id.0);
        let mut person = Self { session, data, request_id };
        if person.is_locked_out(parts.uri.path()) {
            return Err(Problem::Locked);
        }
        let now = portal.now();
        if now - person.data.last_seen >= TOUCH_SECONDS {
            let touch = |data: &mut SignedIn| {
                data.last_seen = now;
                Ok(())
            };
            portal.change(&mut person, touch).await?;
        }
        Ok(person)
    }
}

impl FromRequestParts<Arc<Portal>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &Arc<Portal>,
    ) -> Result<Self, Self::Rejection> {
        let mut person = Person::from_request_parts(parts, portal).await?;
        if person.must_choose() {
            return Err(Problem::RoleNeeded);
        }
        portal.freshen(&mut person).await?;
        Ok(Self(person))
    }
}

/// What the session holds of a signed-in person, if it is in force still.
pub(crate) async fn remember(
    session: &Session,
    portal: &Portal,
) -> Result<Option<SignedIn>, Problem> {
    let Some(data): Option<SignedIn> = session.get(PERSON).await.map_err(|e| broken(&e))? else {
        return Ok(None);
    };
    let now = portal.now();
    let idle = i64::from(portal.config.session_idle_minutes) * 60;
    let longest = i64::from(portal.config.session_hours) * 3600;
    let late = now - data.last_seen >= idle || now - data.signed_in_at >= longest;
    if late || has_ended(portal, &data).await? {
        session.flush().await.map_err(|e| broken(&e))?;
        return Ok(None);
    }
    Ok(Some(data))
}

/// Whether the provider, or the person elsewhere, has ended the sign-in.
async fn has_ended(portal: &Portal, data: &SignedIn) -> Result<bool, Problem> {
    let Some(sign_in) = data.sign_in.clone() else { return Ok(true) };
    portal.sign_outs.has_ended(&sign_in.into()).await.map_err(|_| Problem::Broken)
}

/// Writes what is kept of a person, when the answer is made.
pub(crate) async fn keep(session: &Session, data: &SignedIn) -> Result<(), Problem> {
    session.insert(PERSON, data).await.map_err(|e| broken(&e))
}

/// Writes what is kept of a person at once, over what other requests have read.
pub(crate) async fn keep_now(session: &Session, data: &SignedIn) -> Result<(), Problem> {
    let version: u64 = session.get(VERSION).await.map_err(|e| broken(&e))?.unwrap_or_default();
    session.insert(VERSION, version + 1).await.map_err(|e| broken(&e))?;
    keep(session, data).await?;
    session.save().await.map_err(|e| broken(&e))
}

/// Ends the session: its row is deleted at once.
pub(crate) async fn forget(session: &Session) -> Result<(), Problem> {
    if session.id().is_none() {
        session.clear().await;
        return Ok(());
    }
    session.flush().await.map_err(|e| broken(&e))
}

pub(super) fn broken(error: &tower_sessions::session::Error) -> Problem {
    // Its text names the store's trouble, never what a session holds.
    tracing::error!(%error, "the session store failed");
    Problem::Broken
}

const PERSON: &str = "person";
/// Pages about other patients, or other roles.
const OF_OTHERS: [&str; 14] = [
    "/oauth/consent/patient",
    "/search",
    "/team",
    "/patient/find",
    "/people",
    "/role",
    "/alerts",
    "/looked",
    "/reports",
    "/feeds",
    "/usage",
    "/agreements",
    "/access-packs",
    "/mine",
];
/// The timer is set back at most this often, so that reading a page writes nothing.
const TOUCH_SECONDS: i64 = 30;
