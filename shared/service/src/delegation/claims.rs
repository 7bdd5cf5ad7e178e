//! What a delegation says, on the wire.

use carerecord_access::{
    Asserted, AssertedPatient, Assurance, Caller, CitizenCaller, CitizenSubject, Override,
    OverrideReason, Proofing, Purpose, Right, SystemCaller, UserCaller,
};
use carerecord_model::{NhsNumber, OrganisationCode};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Asker, Delegate};

/// The claims. RFC 7519: 4.
#[derive(Deserialize, Serialize)]
pub(super) struct Claims {
    /// The portal.
    pub iss: String,
    /// The node, by its repositoryUniqueId.
    pub aud: String,
    pub jti: String,
    pub iat: i64,
    pub exp: i64,
    /// Who asks, by their id.
    pub sub: String,
    pub asker: AskerClaim,
    pub purpose: Purpose,
    /// NHS Number; none of the portal's own questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<NhsNumber>,
    /// SHA-256 of the sorted uniqueIds, each with a line feed behind it, in base64url.
    pub documents_sha256: String,
    /// The rule by which the portal lets it be.
    pub rule: String,
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub opened: Option<OverrideClaim>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub(super) enum AskerClaim {
    User {
        name: String,
        organisation: OrganisationCode,
        role: String,
        role_profile_id: String,
        activities: Vec<String>,
        assurance: Assurance,
        client_id: String,
        session_id: Option<String>,
    },
    System {
        organisation: OrganisationCode,
    },
    /// About the patient of the claims.
    Citizen {
        name: String,
        organisation: OrganisationCode,
        nhs_number: NhsNumber,
        proofing: Proofing,
        client_id: String,
        session_id: Option<String>,
        /// When the patient was born, as the patient index has it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        born: Option<Date>,
    },
    /// The portal itself, about nobody: to learn whether the node can be asked.
    Portal,
}

#[derive(Deserialize, Serialize)]
pub(super) struct OverrideClaim {
    id: Uuid,
    reason: OverrideReason,
    since: Timestamp,
    until: Timestamp,
}

impl AskerClaim {
    /// The claim with `sub`.
    pub fn of(caller: Option<&Caller>) -> (String, Self) {
        match caller {
            None => ("portal".to_owned(), Self::Portal),
            Some(Caller::Citizen(citizen)) => match citizen.number {
                Some(nhs_number) => (
                    citizen.user_id.clone(),
                    Self::Citizen {
                        name: citizen.name.clone(),
                        organisation: citizen.organisation.clone(),
                        nhs_number,
                        proofing: citizen.proofing,
                        client_id: citizen.client_id.clone(),
                        session_id: citizen.session_id.clone(),
                        born: citizen.about.and_then(|about| about.born),
                    },
                ),
                // Nobody whom a node would give anything to.
                None => (citizen.user_id.clone(), Self::Portal),
            },
            Some(Caller::System(system)) => {
                (system.name.clone(), Self::System { organisation: system.organisation.clone() })
            }
            Some(Caller::User(user)) => (
                user.user_id.clone(),
                Self::User {
                    name: user.name.clone(),
                    organisation: user.organisation.clone(),
                    role: user.role.clone(),
                    role_profile_id: user.role_profile_id.clone(),
                    activities: user.activities.clone(),
                    assurance: user.assurance,
                    client_id: user.client_id.clone(),
                    session_id: user.session_id.clone(),
                },
            ),
        }
    }
}

impl OverrideClaim {
    pub fn of(opened: &Override) -> Self {
        let Override { id, reason, since, until, .. } = *opened;
        Self { id, reason, since, until }
    }
}

impl Claims {
    /// Who asks, for a node that `system` has brought this to. `None` when it contradicts itself.
    pub fn asker(self, system: &SystemCaller) -> Option<Asker> {
        let patient = self.patient;
        let about = patient.map_or(AssertedPatient::Unknown, AssertedPatient::Only);
        let purpose = self.purpose;
        let caller = match self.asker {
            AskerClaim::Portal if patient.is_some() => return None,
            AskerClaim::Portal => {
                Caller::System(SystemCaller { rights: vec![Right::Retrieve], ..system.clone() })
            }
            AskerClaim::System { organisation } => Caller::System(SystemCaller {
                name: self.sub,
                organisation,
                rights: vec![Right::Query, Right::Retrieve],
                known_by: "delegation",
            }),
            AskerClaim::Citizen {
                name,
                organisation,
                nhs_number,
                proofing,
                client_id,
                session_id,
                born,
            } => Caller::Citizen(Box::new(CitizenCaller {
                user_id: self.sub,
                name,
                organisation,
                number: Some(nhs_number),
                proofing,
                client_id,
                session_id,
                about: Some(CitizenSubject { patient: patient?, born }),
            })),
            AskerClaim::User {
                name,
                organisation,
                role,
                role_profile_id,
                activities,
                assurance,
                client_id,
                session_id,
            } => {
                let opened = match self.opened {
                    None => None,
                    Some(opened) => Some(Override {
                        patient: patient?,
                        user_id: self.sub.clone(),
                        role_profile_id: role_profile_id.clone(),
                        session_id: session_id.clone(),
                        id: opened.id,
                        reason: opened.reason,
                        since: opened.since,
                        until: opened.until,
                    }),
                };
                Caller::User(Box::new(UserCaller {
                    user_id: self.sub,
                    name,
                    organisation,
                    role,
                    role_profile_id,
                    activities,
                    assurance,
                    client_id,
                    session_id,
                    asserted: Some(Box::new(Asserted {
                        issuer: self.iss,
                        assertion_id: self.jti,
                        alias: None,
                        purpose: Some(purpose),
                        patient: about,
                        organisation_name: None,
                        home_community_id: None,
                        identifiers: Vec::new(),
                        consent: Vec::new(),
                        opened,
                        system: system.clone(),
                    })),
                }))
            }
        };
        Some(Asker { caller, purpose, about, statement: None })
    }
}

impl Delegate {
    /// Of the portal's own question whether a node can be asked.
    pub fn portal() -> Self {
        Self {
            caller: None,
            purpose: Purpose::default(),
            patient: None,
            rule: "probe".to_owned(),
            opened: None,
        }
    }
}
