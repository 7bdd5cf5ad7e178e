//! What a session keeps of whoever has signed in.

use carerecord_model::{IdSource, NhsNumber};
use carerecord_service::SignIn;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::api::{MinePerson, Source};
use crate::pages::filter::Filter;
use crate::pages::patient::Face;
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

pub(crate) const MAX_PATIENTS: usize = 8;
