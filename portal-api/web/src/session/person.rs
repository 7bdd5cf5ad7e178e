use std::sync::Arc;

use axum::extract::FromRequestParts;
use carerecord_model::NhsNumber;
use carerecord_service::{RequestId, SignIn};
use http::header::COOKIE as COOKIE_HEADER;
use http::request::Parts;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use uuid::Uuid;

use super::COOKIE;
use super::store::VERSION;
use crate::pages::filter::Filter;
use crate::portal::Portal;
use crate::problem::Problem;

/// What is kept between sending a browser to the sign-in provider and its return.
#[derive(Deserialize, Serialize)]
pub(crate) struct SignInStarted {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// At which provider; the first one unless told.
    #[serde(default)]
    pub(crate) provider: String,
    pub(crate) started_at: i64,
}

/// What is kept of a person who signed in. No formatter prints it: it holds tokens and the
/// patients looked at.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct SignedIn {
    /// Goes into every form and must come back.
    pub(crate) csrf: String,
    pub(crate) access_token: String,
    pub(crate) access_expires_at: i64,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: String,
    /// The sign-in at the provider; sessions of before this was kept have none, and end.
    #[serde(default)]
    pub(crate) sign_in: Option<SignInKept>,
    pub(crate) signed_in_at: i64,
    pub(crate) last_seen: i64,
    /// The name as people say it.
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    /// The `person_roleid` of the role acted in; none until chosen.
    pub(crate) acting_as: Option<String>,
    /// The patients looked at, newest first.
    pub(crate) patients: Vec<CurrentPatient>,
}

/// [`SignIn`] as it is kept.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct SignInKept {
    pub(crate) issuer: String,
    subject: String,
    session_id: Option<String>,
    since: Timestamp,
}

impl From<SignIn> for SignInKept {
    fn from(sign_in: SignIn) -> Self {
        let SignIn { issuer, subject, session_id, since } = sign_in;
        Self { issuer, subject, session_id, since }
    }
}

impl From<SignInKept> for SignIn {
    fn from(kept: SignInKept) -> Self {
        let SignInKept { issuer, subject, session_id, since } = kept;
        Self { issuer, subject, session_id, since }
    }
}

/// A role that a person may act in.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Role {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) organisation: String,
    /// The job role's code, e.g. `R8000`.
    #[serde(default)]
    pub(crate) code: String,
}

/// A patient under a handle that says nothing.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct CurrentPatient {
    pub(crate) handle: Uuid,
    pub(crate) nhs_number: NhsNumber,
    pub(crate) filter: Filter,
    /// The documents of the list as last shown, for next and previous.
    pub(crate) order: Vec<Uuid>,
}

/// A person who is signed in, and may have yet to choose a role. The session is in force and its
/// inactivity timer has been set back.
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) data: SignedIn,
    pub(crate) request_id: Uuid,
}

/// A person who acts in a role, with an access token that the API will take.
pub(crate) struct Caller(pub(crate) Person);

impl Person {
    /// The role acted in.
    pub(crate) fn role(&self) -> Option<&Role> {
        let id = self.data.acting_as.as_ref()?;
        self.data.roles.iter().find(|role| role.id == *id)
    }

    /// Whether the person must choose first. Never chosen for them.
    pub(crate) fn must_choose(&self) -> bool {
        self.role().is_none() && self.data.roles.len() > 1
    }

    /// Checks the token of a form against the session's, in constant time.
    pub(crate) fn check(&self, token: &str) -> Result<(), Problem> {
        let same: bool = self.data.csrf.as_bytes().ct_eq(token.as_bytes()).into();
        if same { Ok(()) } else { Err(Problem::Forged) }
    }

    /// The patient of a handle.
    pub(crate) fn patient(&self, handle: Uuid) -> Result<&CurrentPatient, Problem> {
        let found = self.data.patients.iter().find(|patient| patient.handle == handle);
        found.ok_or(Problem::NotFound)
    }
}

impl SignedIn {
    /// The patient of a handle, to change what is kept of them.
    pub(crate) fn patient_mut(&mut self, handle: Uuid) -> Result<&mut CurrentPatient, Problem> {
        let found = self.patients.iter_mut().find(|patient| patient.handle == handle);
        found.ok_or(Problem::NotFound)
    }

    /// Makes a patient the newest of those looked at, and gives the handle.
    pub(crate) fn turn_to(&mut self, nhs_number: NhsNumber, fresh: Uuid) -> Uuid {
        let patients = &mut self.patients;
        let at = patients.iter().position(|patient| patient.nhs_number == nhs_number);
        let patient = match at {
            Some(at) => patients.remove(at),
            None => CurrentPatient {
                handle: fresh,
                nhs_number,
                filter: Filter::default(),
                order: Vec::new(),
            },
        };
        let handle = patient.handle;
        patients.insert(0, patient);
        patients.truncate(MAX_PATIENTS);
        handle
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

/// Notes that a sign-in is under way, or takes that note away.
pub(crate) async fn started(
    session: &Session,
    begun: Option<&SignInStarted>,
) -> Result<Option<SignInStarted>, Problem> {
    match begun {
        Some(begun) => {
            session.insert(STARTED, begun).await.map_err(|e| broken(&e))?;
            Ok(None)
        }
        None => session.remove(STARTED).await.map_err(|e| broken(&e)),
    }
}

/// Ends the session: its row is deleted at once.
pub(crate) async fn forget(session: &Session) -> Result<(), Problem> {
    if session.id().is_none() {
        session.clear().await;
        return Ok(());
    }
    session.flush().await.map_err(|e| broken(&e))
}

fn broken(error: &tower_sessions::session::Error) -> Problem {
    // Its text names the store's trouble, never what a session holds.
    tracing::error!(%error, "the session store failed");
    Problem::Broken
}

const PERSON: &str = "person";
const STARTED: &str = "started";
/// The timer is set back at most this often, so that reading a page writes nothing.
const TOUCH_SECONDS: i64 = 30;
const MAX_PATIENTS: usize = 8;
