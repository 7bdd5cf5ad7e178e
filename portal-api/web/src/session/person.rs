use std::sync::Arc;

use axum::extract::FromRequestParts;
use carerecord_model::{IdSource, NhsNumber};
use carerecord_service::{RequestId, SignIn};
use http::header::COOKIE as COOKIE_HEADER;
use http::request::Parts;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use uuid::Uuid;

use super::COOKIE;
use super::store::VERSION;
use crate::api::MinePerson;
use crate::api::Source;
use crate::pages::filter::Filter;
use crate::pages::patient::Face;
use crate::portal::Portal;
use crate::problem::Problem;

/// What is kept between sending a browser to the sign-in provider, or to the authorization server of a
/// launching system, and its return.
#[derive(Deserialize, Serialize)]
pub(crate) struct SignInStarted {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// At which provider, the first one unless told; of a launch the address that it came from.
    #[serde(default)]
    pub(crate) provider: String,
    pub(crate) started_at: i64,
    /// Whether the provider was to answer without showing a page.
    #[serde(default)]
    pub(crate) silent: bool,
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
    /// The patients looked at, newest first; of a citizen the people whose records they may see.
    pub(crate) patients: Vec<CurrentPatient>,
    /// Whether a citizen has signed in.
    #[serde(default)]
    pub(crate) citizen: bool,
    /// What has opened the session in context.
    #[serde(default)]
    pub(crate) launch: Option<Launched>,
}

/// A launch that a session is in.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Launched {
    /// What people call the system.
    pub(crate) launcher: String,
    pub(crate) nhs_number: NhsNumber,
    /// As the system has them, to compare.
    pub(crate) family_name: String,
    pub(crate) birth_date: Date,
    /// For which organisation the person acts.
    pub(crate) organisation: String,
    /// Where to go back to.
    pub(crate) return_url: Option<String>,
    /// Whether the person stays with this patient.
    pub(crate) locked: bool,
    pub(crate) slim_banner: bool,
    /// The patient, once opened.
    pub(crate) handle: Option<Uuid>,
}

/// [`SignIn`] as it is kept.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct SignInKept {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    session_id: Option<String>,
    since: Timestamp,
}

impl SignInKept {
    /// Whether it is this person's, at this provider.
    pub(crate) fn is(&self, issuer: &str, subject: &str) -> bool {
        self.issuer == issuer && self.subject == subject
    }
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
    /// The organisation's ODS code.
    #[serde(default)]
    pub(crate) ods: String,
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
    /// Whether the filter was set in this session.
    #[serde(default)]
    pub(crate) filter_set: bool,
    /// The documents of the list as last shown, for next and previous.
    pub(crate) order: Vec<Uuid>,
    /// Who it is, where a citizen looks: they cannot look people up.
    #[serde(default)]
    pub(crate) person: Option<KnownPerson>,
    /// How the person chose to see the documents.
    #[serde(default)]
    pub(crate) face: Option<Face>,
    /// What became of asking the sources, and when.
    #[serde(default)]
    pub(crate) asked: Option<SourcesAsked>,
    /// What the person had seen of it before this session.
    #[serde(default)]
    pub(crate) before: Option<SeenBefore>,
    /// Until when the person has opened what is closed, as the API last told.
    #[serde(default)]
    pub(crate) opened_until: Option<Timestamp>,
    /// Whether the person is to be told first that the patient has died.
    #[serde(default)]
    pub(crate) death: Death,
}

/// What a person has been told of a patient's death.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Death {
    /// None is known.
    #[default]
    NotKnown,
    /// It has to be told before the record is shown.
    ToTell,
    /// The person knows, and has gone on.
    Told,
}

impl Death {
    /// It has to be told, unless it has been.
    pub(crate) fn becomes_known(&mut self) {
        if *self == Self::NotKnown {
            *self = Self::ToTell;
        }
    }
}

impl CurrentPatient {
    /// One of whom nothing is kept yet.
    fn new(handle: Uuid, nhs_number: NhsNumber) -> Self {
        Self {
            handle,
            nhs_number,
            filter: Filter::default(),
            filter_set: false,
            order: Vec::new(),
            person: None,
            face: None,
            asked: None,
            before: None,
            opened_until: None,
            death: Death::default(),
        }
    }
}

/// What a citizen is told of somebody whose record they may see.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct KnownPerson {
    /// Whether it is the citizen.
    pub(crate) own: bool,
    pub(crate) given: Vec<String>,
    pub(crate) family: Option<String>,
    pub(crate) born: Option<Date>,
    pub(crate) gender: Option<String>,
}

/// What became of asking the sources of a record.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct SourcesAsked {
    /// Seconds.
    pub(crate) at: i64,
    pub(crate) sources: Vec<Source>,
}

impl SourcesAsked {
    /// Takes what a source has said since.
    pub(crate) fn take(&mut self, answer: Source) {
        if let Some(held) = self.sources.iter_mut().find(|held| held.id == answer.id) {
            // What it sends is not told without its documents.
            let latest = held.latest.take();
            *held = answer;
            held.latest = held.latest.take().or(latest);
        }
    }
}

/// What is new to a person in a record, all through a session.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct SeenBefore {
    /// When the person looked before this session, in seconds; none if that is not known.
    pub(crate) last: Option<i64>,
    /// What was not in the list then, the newest first: at most 500.
    pub(crate) fresh: Vec<Uuid>,
    /// Whether there is more.
    pub(crate) more: bool,
}

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

impl SignedIn {
    /// Where somebody begins who has signed in.
    pub(crate) fn first_page(&self) -> &'static str {
        match &self.launch {
            Some(launch) if launch.locked || launch.handle.is_none() => "/launch/patient",
            Some(_) | None if self.citizen => "/mine",
            Some(_) | None => "/search",
        }
    }

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
            None => CurrentPatient::new(fresh, nhs_number),
        };
        let handle = patient.handle;
        patients.insert(0, patient);
        patients.truncate(MAX_PATIENTS);
        handle
    }
}

impl SignedIn {
    /// Keeps whose records a citizen may see, and forgets everybody else.
    pub(crate) fn keep_people(&mut self, people: Vec<MinePerson>, ids: &dyn IdSource) {
        let mut before = std::mem::take(&mut self.patients);
        let kept = people.into_iter().map(|person| {
            let known = KnownPerson {
                own: person.own,
                given: person.given,
                family: person.family,
                born: person.born,
                gender: person.gender,
            };
            let at = before.iter().position(|p| p.nhs_number == person.nhs_number);
            let mut patient = match at {
                Some(at) => before.swap_remove(at),
                None => CurrentPatient::new(ids.random(), person.nhs_number),
            };
            patient.person = Some(known);
            patient
        });
        self.patients = kept.collect();
    }
}

impl KnownPerson {
    /// The name as people say it.
    pub(crate) fn name(&self) -> String {
        let name = self.given.iter().chain(&self.family).map(String::as_str);
        let name = name.collect::<Vec<_>>().join(" ");
        if name.is_empty() { "Name not known".to_owned() } else { name }
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
pub(crate) const MAX_PATIENTS: usize = 8;
