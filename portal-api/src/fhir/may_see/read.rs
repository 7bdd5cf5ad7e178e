//! The parameters of `$may-see`. One that is not known is refused: an answer without it would be to
//! another question.

use std::str::FromStr;

use carerecord_access::{
    Assurance, Caller, Citizen, ConsentRecord, Proofing, Purpose, Relationship, Right,
    SystemCaller, UserCaller,
};
use carerecord_fhir::{NHS_NUMBER_SYSTEM, identifier_number, parse_consent, parse_episode_of_care};
use carerecord_model::{EntryUuid, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use jiff::civil::{Date, time};
use jiff::tz::TimeZone;
use serde_json::Value;
use uuid::Uuid;

use crate::Portal;
use crate::error::FhirError;
use crate::fhir::Session;

/// What is asked.
pub(super) struct Asked {
    pub patient: NhsNumber,
    /// At most `MOST_DOCUMENTS`.
    pub documents: Vec<EntryUuid>,
    pub purpose: Purpose,
    /// `None` where somebody asks of themselves, now, as things are.
    pub others: Option<Others>,
    /// Where the question is about a citizen: who, and when.
    pub citizen: Option<(Citizen, Timestamp)>,
}

/// Another caller, another time, other facts.
pub(super) struct Others {
    pub about: Caller,
    pub at: Timestamp,
    pub supposed: Vec<ConsentRecord>,
    pub related: Vec<Relationship>,
    pub lifted: Vec<Uuid>,
}

impl Asked {
    pub(super) fn read(
        resource: &Value,
        session: &Session,
        portal: &Portal,
    ) -> Result<Self, FhirError> {
        if resource["resourceType"] != "Parameters" {
            return Err(wrong("send a Parameters resource"));
        }
        let all = resource["parameter"].as_array().map_or(&[][..], Vec::as_slice);
        let parameters = Parameters(all);
        parameters.only_known()?;
        let patient = parameters.one("patient", "valueIdentifier")?;
        let patient = patient.filter(|p| p["system"] == NHS_NUMBER_SYSTEM);
        let patient = patient.and_then(|p| p["value"].as_str());
        let patient = patient.ok_or_else(|| wrong("patient: an Identifier with an NHS Number"))?;
        let patient = identifier_number(&format!("{NHS_NUMBER_SYSTEM}|{patient}"))?;
        let mut documents = Vec::new();
        for id in parameters.ids("document", MOST_DOCUMENTS)? {
            if !documents.contains(&EntryUuid::new(id)) {
                documents.push(EntryUuid::new(id));
            }
        }
        let citizen = parameters.citizen(portal.clock.now())?;
        let others = match citizen {
            Some(_) => None,
            None => parameters.others(session, portal)?,
        };
        let purpose = match parameters.code("purpose")? {
            Some(code) => {
                Purpose::from_code(code).ok_or_else(|| wrong("purpose: not one that is known"))?
            }
            None if citizen.is_some() => Purpose::PatientAccess,
            None if others.is_some() => Purpose::DirectCare,
            None => session.purpose,
        };
        Ok(Self { patient, documents, purpose, others, citizen })
    }
}

/// The parameters that were sent.
struct Parameters<'a>(&'a [Value]);

impl<'a> Parameters<'a> {
    fn only_known(&self) -> Result<(), FhirError> {
        let known = |p: &Value| p["name"].as_str().is_some_and(|name| KNOWN.contains(&name));
        if self.0.iter().all(known) {
            return Ok(());
        }
        Err(FhirError::Body(format!("the parameters are {}", KNOWN.join(", "))))
    }

    fn named(&self, name: &'static str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |p| p["name"] == name)
    }

    fn one(&self, name: &'static str, member: &str) -> Result<Option<&'a Value>, FhirError> {
        let mut all = self.named(name);
        let Some(first) = all.next() else { return Ok(None) };
        match (first.get(member), all.next()) {
            (Some(value), None) => Ok(Some(value)),
            _ => Err(FhirError::Body(format!("{name}: one, as {member}"))),
        }
    }

    fn code(&self, name: &'static str) -> Result<Option<&'a str>, FhirError> {
        let Some(value) = self.one(name, "valueCode")? else { return Ok(None) };
        let code = value.as_str().filter(|code| !code.is_empty() && code.len() <= 64);
        code.map(Some).ok_or_else(|| FhirError::Body(format!("{name}: a code")))
    }

    fn ids(&self, name: &'static str, most: usize) -> Result<Vec<Uuid>, FhirError> {
        let all: Option<Vec<Uuid>> = self
            .named(name)
            .map(|p| p["valueId"].as_str().and_then(|id| Uuid::try_parse(id).ok()))
            .collect();
        let all = all.ok_or_else(|| FhirError::Body(format!("{name}: an id, as valueId")))?;
        if all.len() > most {
            return Err(FhirError::Body(format!("{name}: at most {most}")));
        }
        Ok(all)
    }

    /// A citizen with an NHS Number; `proofing` P9 unless given. They ask as things are or will be.
    fn citizen(&self, now: Timestamp) -> Result<Option<(Citizen, Timestamp)>, FhirError> {
        let proofing = self.code("proofing")?;
        let Some(citizen) = self.one("citizen", "valueIdentifier")? else {
            return match proofing {
                Some(_) => Err(wrong("proofing: with citizen")),
                None => Ok(None),
            };
        };
        let others = ["organisation", "role", "assurance", "suppose", "lifted"];
        if others.iter().any(|name| self.0.iter().any(|p| p["name"] == *name)) {
            return Err(wrong("citizen: with patient, document, proofing and at only"));
        }
        let number = citizen["value"].as_str().filter(|_| citizen["system"] == NHS_NUMBER_SYSTEM);
        let number = number.ok_or_else(|| wrong("citizen: an Identifier with an NHS Number"))?;
        let number = identifier_number(&format!("{NHS_NUMBER_SYSTEM}|{number}"))?;
        let proofing = Proofing::from_code(proofing.unwrap_or("P9"));
        let proofing = proofing.ok_or_else(|| wrong("proofing: P0, P5 or P9"))?;
        let at = self.at(now)?.unwrap_or(now);
        Ok(Some((Citizen { number, proofing }, at)))
    }

    fn others(&self, session: &Session, portal: &Portal) -> Result<Option<Others>, FhirError> {
        let now = portal.clock.now();
        let about = self.about(portal)?;
        let at = self.at(now)?;
        let (supposed, related) = self.supposed(session, portal, now)?;
        let lifted = self.ids("lifted", MOST_FACTS)?;
        let as_it_is = supposed.is_empty() && related.is_empty() && lifted.is_empty();
        if about.is_none() && at.is_none() && as_it_is {
            return Ok(None);
        }
        let about = about.unwrap_or_else(|| session.caller.clone());
        Ok(Some(Others { about, at: at.unwrap_or(now), supposed, related, lifted }))
    }

    /// The caller that is asked about: a person in a role, or a system of the organisation.
    fn about(&self, portal: &Portal) -> Result<Option<Caller>, FhirError> {
        let role = self.code("role")?;
        let assurance = self.code("assurance")?;
        let Some(organisation) = self.one("organisation", "valueIdentifier")? else {
            if role.is_some() || assurance.is_some() {
                return Err(wrong("role: with organisation"));
            }
            return Ok(None);
        };
        let code = organisation["value"].as_str().filter(|_| organisation["system"] == ODS);
        let code = code.and_then(|code| OrganisationCode::from_str(code).ok());
        let organisation =
            code.ok_or_else(|| wrong("organisation: an Identifier with an ODS code"))?;
        let Some(role) = role else {
            return Ok(Some(Caller::System(SystemCaller {
                name: "asked about".to_owned(),
                organisation,
                rights: vec![Right::Query, Right::Retrieve],
                known_by: "inquiry",
            })));
        };
        let assurance = match assurance {
            None => portal.access.policy().minimum_assurance(),
            Some("AAL1") => Assurance::Aal1,
            Some("AAL2") => Assurance::Aal2,
            Some("AAL3") => Assurance::Aal3,
            Some(_) => return Err(wrong("assurance: AAL1, AAL2 or AAL3")),
        };
        Ok(Some(Caller::User(Box::new(UserCaller {
            user_id: "asked about".to_owned(),
            name: String::new(),
            organisation,
            role: role.to_owned(),
            role_profile_id: String::new(),
            activities: Vec::new(),
            assurance,
            client_id: String::new(),
            session_id: None,
            asserted: None,
        }))))
    }

    /// A day is meant as its noon. What has been is not asked for: what was said then has other
    /// versions now.
    fn at(&self, now: Timestamp) -> Result<Option<Timestamp>, FhirError> {
        let wrong =
            || FhirError::Body("at: a day (valueDate) or time (valueDateTime) to come".into());
        let Some(sent) = self.named("at").next() else { return Ok(None) };
        if self.named("at").nth(1).is_some() {
            return Err(wrong());
        }
        let at = if let Some(day) = sent["valueDate"].as_str() {
            let day: Date = day.parse().map_err(|_| wrong())?;
            let noon = day.to_datetime(time(12, 0, 0, 0)).to_zoned(TimeZone::UTC);
            let noon = noon.map_err(|_| wrong())?.timestamp();
            let today = now.to_zoned(TimeZone::UTC).date();
            if day == today { now } else { noon }
        } else {
            let instant = sent["valueDateTime"].as_str().or(sent["valueInstant"].as_str());
            instant.and_then(|t| t.parse().ok()).ok_or_else(wrong)?
        };
        if at < now { Err(wrong()) } else { Ok(Some(at)) }
    }

    /// Consents, and EpisodesOfCare: claims too, of the person asked about.
    fn supposed(
        &self,
        session: &Session,
        portal: &Portal,
        now: Timestamp,
    ) -> Result<(Vec<ConsentRecord>, Vec<Relationship>), FhirError> {
        let all: Vec<&Value> = self.named("suppose").map(|p| &p["resource"]).collect();
        if all.len() > MOST_FACTS {
            return Err(FhirError::Body(format!("suppose: at most {MOST_FACTS}")));
        }
        let organisation = session.caller.organisation();
        let (mut said, mut related) = (Vec::new(), Vec::new());
        for resource in all {
            let (id, by) = (portal.ids.random(), session.caller.id());
            if resource["resourceType"] == "EpisodeOfCare" {
                let read = parse_episode_of_care(resource, id, now, by, "supposition");
                related.push(read.map_err(|e| FhirError::Body(format!("suppose: {e}")))?);
            } else {
                said.push(parse_consent(resource, id, now, by, organisation)?);
            }
        }
        Ok((said, related))
    }
}

fn wrong(what: &str) -> FhirError {
    FhirError::Body(what.to_owned())
}

const KNOWN: [&str; 11] = [
    "patient",
    "document",
    "purpose",
    "organisation",
    "role",
    "assurance",
    "at",
    "suppose",
    "lifted",
    "citizen",
    "proofing",
];
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const MOST_DOCUMENTS: usize = 50;
const MOST_FACTS: usize = 20;
