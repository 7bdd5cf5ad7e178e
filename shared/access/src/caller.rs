use std::fmt;

use carerecord_model::{NhsNumber, OrganisationCode};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Citizen, Override, Proofing};

/// Who asks: a person who has signed in, or a system.
#[derive(Clone, Debug, PartialEq)]
pub enum Caller {
    /// A member of staff who has signed in.
    User(Box<UserCaller>),
    /// A system, known by its certificate, its token, or the listener it came in by.
    System(SystemCaller),
    /// A citizen who has signed in: about their own record, or that of somebody in their care.
    Citizen(Box<CitizenCaller>),
}

impl Caller {
    /// The organisation for which the caller acts: the recipient of what is released.
    pub fn organisation(&self) -> &OrganisationCode {
        match self {
            Self::User(user) => &user.organisation,
            Self::System(system) => &system.organisation,
            Self::Citizen(citizen) => &citizen.organisation,
        }
    }

    /// The job role, by which the rules know a person. Systems and citizens have none.
    pub fn role(&self) -> Option<&str> {
        match self {
            Self::User(user) => Some(&user.role),
            Self::System(_) | Self::Citizen(_) => None,
        }
    }

    /// An id for the audit record: the user's or the system's.
    pub fn id(&self) -> &str {
        match self {
            Self::User(user) => &user.user_id,
            Self::System(system) => &system.name,
            Self::Citizen(citizen) => &citizen.user_id,
        }
    }

    /// Whether the caller is a system with this right, or a person who works through one. For its
    /// users no system decides itself: about a person who is named, the decision is taken here.
    pub fn has_right(&self, right: Right) -> bool {
        match self {
            Self::User(user) => {
                right != Right::Delegate
                    && user.asserted.as_ref().is_some_and(|a| a.system.rights.contains(&right))
            }
            Self::System(system) => system.rights.contains(&right),
            Self::Citizen(_) => false,
        }
    }

    /// What the caller says that the record is opened for, where the message itself cannot say it.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Citizen(_) => Purpose::PatientAccess,
            Self::User(_) | Self::System(_) => {
                self.asserted().and_then(|a| a.purpose).unwrap_or_default()
            }
        }
    }

    /// What was asserted of a person who came by a system.
    pub fn asserted(&self) -> Option<&Asserted> {
        match self {
            Self::User(user) => user.asserted.as_deref(),
            Self::System(_) | Self::Citizen(_) => None,
        }
    }
}

/// A signed-in person acting in one role for one organisation. `spec`: CIS2 claims.
#[derive(Clone, Debug, PartialEq)]
pub struct UserCaller {
    /// The identity provider's id of the person.
    pub user_id: String,
    /// The name for people.
    pub name: String,
    /// The organisation of the selected role.
    pub organisation: OrganisationCode,
    /// The selected job role, e.g. `R8000`.
    pub role: String,
    /// The id of the selected role profile.
    pub role_profile_id: String,
    /// Activity codes of the selected role.
    pub activities: Vec<String>,
    /// How surely the person is who they say.
    pub assurance: Assurance,
    /// The client through which the person works.
    pub client_id: String,
    /// The session at the identity provider, where it tells.
    pub session_id: Option<String>,
    /// What an assertion says beside, of a person who came by one (IHE XUA) and not by signing in.
    pub asserted: Option<Box<Asserted>>,
}

/// A citizen who has signed in. NHS: 3.8.
#[derive(Clone, Debug, PartialEq)]
pub struct CitizenCaller {
    /// The identity provider's id of the person, which is not their NHS Number.
    pub user_id: String,
    /// The name for people.
    pub name: String,
    /// The organisation that offers records to citizens here.
    pub organisation: OrganisationCode,
    /// Whose number it is; `None` of one who has not shown it.
    pub number: Option<NhsNumber>,
    /// How surely they are who they say.
    pub proofing: Proofing,
    /// The client through which they work.
    pub client_id: String,
    /// The session at the identity provider, where it tells.
    pub session_id: Option<String>,
    /// What is known of whose record they ask for.
    pub about: Option<CitizenSubject>,
}

/// Whose record a citizen asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CitizenSubject {
    /// Who.
    pub patient: NhsNumber,
    /// When they were born; what is not known opens nothing.
    pub born: Option<Date>,
}

impl CitizenCaller {
    /// The citizen; `None` of one who has not shown whose number is theirs.
    pub fn citizen(&self) -> Option<Citizen> {
        Some(Citizen { number: self.number?, proofing: self.proofing })
    }

    /// When the person was born whose record is asked for.
    pub(crate) fn born(&self, patient: NhsNumber) -> Option<Date> {
        self.about.filter(|about| about.patient == patient)?.born
    }
}

/// What a verified assertion says of a person and their request, and the system that brought it.
#[derive(Clone, Debug, PartialEq)]
pub struct Asserted {
    /// Who vouches for the person.
    pub issuer: String,
    /// The assertion's id.
    pub assertion_id: String,
    /// The name by which the system knows the person.
    pub alias: Option<String>,
    /// What for; `None` when it is said in words that are not known here, or in several.
    pub purpose: Option<Purpose>,
    /// Of whom alone it speaks.
    pub patient: AssertedPatient,
    /// The name of the organisation, for people.
    pub organisation_name: Option<String>,
    /// The community that the person belongs to.
    pub home_community_id: Option<String>,
    /// Professional identifiers, each as `id` or `root|id`.
    pub identifiers: Vec<String>,
    /// The consent document and the policies on which the person relies.
    pub consent: Vec<String>,
    /// What the person has opened of the patient's record, where the issuer keeps that.
    pub opened: Option<Override>,
    /// The system that sent the message: it may do no more for its users than for itself.
    pub system: SystemCaller,
}

/// The patient that an assertion is about. ITI TF-2: 3.40.4.1.2.1, `resource-id`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AssertedPatient {
    /// It says none: about any.
    Any,
    /// About this one only.
    Only(NhsNumber),
    /// About somebody who cannot be told.
    Unknown,
}

impl AssertedPatient {
    /// Whether this patient can be meant; `None` is one who cannot be told.
    pub fn is(self, patient: Option<NhsNumber>) -> bool {
        match self {
            Self::Any => true,
            Self::Only(number) => patient == Some(number),
            Self::Unknown => false,
        }
    }
}

impl Asserted {
    /// The person as audit records of other systems name them: `alias<user@issuer>`. ITI TF-2:
    /// 3.20.
    pub fn user_name(&self, user_id: &str) -> String {
        format!("{}<{user_id}@{}>", self.alias.as_deref().unwrap_or_default(), self.issuer)
    }
}

/// A system and what it may do.
#[derive(Clone, Debug, PartialEq)]
pub struct SystemCaller {
    /// What the system is called in configuration and audit.
    pub name: String,
    /// The organisation that runs it.
    pub organisation: OrganisationCode,
    /// What it may do.
    pub rights: Vec<Right>,
    /// How it was recognised, for the audit record: `listener`, `token`.
    pub known_by: &'static str,
}

/// What a system may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Publish and register documents.
    Publish,
    /// Query the registry, through the decision for its own organisation.
    Query,
    /// Retrieve documents, through the decision for its own organisation.
    Retrieve,
    /// Change and remove metadata that is registered, and documents: a Document Administrator.
    Administer,
    /// Receive what it asks for unfiltered, since it takes the decision for its users itself:
    /// a portal or a node of this deployment. Give it to no one else.
    Delegate,
}

/// Authenticator assurance level of a sign-in.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Assurance {
    /// A password, or not known.
    #[default]
    Aal1,
    /// Two factors.
    Aal2,
    /// Hardware-backed.
    Aal3,
}

impl Assurance {
    /// Reads the level out of an `acr` or assurance claim, e.g. `AAL3_ANY` or `3`.
    pub fn from_claim(claim: &str) -> Self {
        let level = claim.strip_prefix("AAL").unwrap_or(claim);
        match level.as_bytes().first() {
            Some(b'3') => Self::Aal3,
            Some(b'2') => Self::Aal2,
            _ => Self::Aal1,
        }
    }
}

/// What the record is opened for.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Care of this patient.
    #[default]
    DirectCare,
    /// The patient's own view.
    PatientAccess,
    /// Review of accesses.
    Audit,
    /// A subject access request.
    SubjectAccess,
    /// A duty in law.
    Legal,
    /// Help with a fault.
    ServiceDesk,
}

impl Purpose {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::DirectCare,
        Self::PatientAccess,
        Self::Audit,
        Self::SubjectAccess,
        Self::Legal,
        Self::ServiceDesk,
    ];

    /// The code in configuration, agreements and headers.
    pub fn code(self) -> &'static str {
        match self {
            Self::DirectCare => "direct-care",
            Self::PatientAccess => "patient-access",
            Self::Audit => "audit",
            Self::SubjectAccess => "subject-access",
            Self::Legal => "legal",
            Self::ServiceDesk => "service-desk",
        }
    }

    /// Reads our code, the handbook's, or HL7's ActReason; `None` for any other.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "direct-care" | "directcare" | "TREAT" => Some(Self::DirectCare),
            "patient-access" | "patientaccess" | "PATRQT" => Some(Self::PatientAccess),
            "audit" => Some(Self::Audit),
            "subject-access" | "sar" => Some(Self::SubjectAccess),
            "legal" => Some(Self::Legal),
            "service-desk" => Some(Self::ServiceDesk),
            _ => None,
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assurance_of_unknown_claims_is_the_lowest() {
        assert_eq!(Assurance::from_claim("AAL3_ANY"), Assurance::Aal3);
        assert_eq!(Assurance::from_claim("AAL2_OR_AAL3_ANY"), Assurance::Aal2);
        assert_eq!(Assurance::from_claim("2"), Assurance::Aal2);
        assert_eq!(Assurance::from_claim("gold"), Assurance::Aal1);
    }
}
