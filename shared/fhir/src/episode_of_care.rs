//! FHIR EpisodeOfCare: that an organisation, or a person of it, is responsible for a patient. What is
//! not understood is refused. NHS: 3.7.

use carerecord_access::{Carer, Relationship, RelationshipKind, RelationshipStatus};
use carerecord_model::{NhsNumber, OrganisationCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::code_system::ODS;
use crate::consent::instants;
use crate::echo::safe_name;
use crate::patient::NHS_NUMBER_SYSTEM;
use crate::tree::Object;

/// Why an EpisodeOfCare is refused. Names the element, never its value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("EpisodeOfCare.{0}")]
pub struct EpisodeError(String);

/// The system of kinds of relationship, in `type`.
pub const RELATIONSHIP_KIND: &str = "urn:carerecord:relationship-kind";

/// Reads an EpisodeOfCare as the first version of a relationship. Id, recorder, setter and recording
/// time are the server's.
///
/// # Errors
/// Names the element.
pub fn parse_episode_of_care(
    episode: &Value,
    id: Uuid,
    now: Timestamp,
    recorded_by: &str,
    set_by: &str,
) -> Result<Relationship, EpisodeError> {
    let wrong = |what: &str| EpisodeError(what.to_owned());
    let object = episode.as_object().filter(|_| episode["resourceType"] == "EpisodeOfCare");
    let object = object.ok_or_else(|| wrong("resourceType is EpisodeOfCare"))?;
    if let Some(other) = object.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(EpisodeError(format!("{} is not supported here", safe_name(other))));
    }
    let status = match episode["status"].as_str() {
        Some("active" | "planned" | "finished") => RelationshipStatus::Active,
        Some("entered-in-error") => RelationshipStatus::EnteredInError,
        _ => return Err(wrong("status is active, planned, finished or entered-in-error")),
    };
    let (start, until) = instants(object.get("period"))
        .ok_or_else(|| wrong("period is not of a form that is understood here"))?;
    if episode["status"] == "finished" && until.is_none_or(|until| until > now) {
        return Err(wrong("period.end is needed, and past, where status is finished"));
    }
    let kind = kind(&episode["type"]).ok_or_else(|| wrong(KINDS))?;
    if kind == RelationshipKind::Grant && until.is_none() {
        return Err(wrong("period.end is needed for a grant"));
    }
    let organisation = identifier(&episode["managingOrganization"], ODS)
        .and_then(|code| code.parse::<OrganisationCode>().ok())
        .ok_or_else(|| wrong("managingOrganization.identifier is an ODS code"))?;
    let with = match episode.get("careManager") {
        None => Carer::Organisation(organisation),
        Some(person) => {
            let user_id = identifier(person, USER).filter(|id| id.len() <= 64);
            let user_id = user_id.ok_or_else(|| wrong("careManager.identifier is a user id"))?;
            Carer::Person { organisation, user_id: user_id.to_owned() }
        }
    };
    let patient = identifier(&episode["patient"], NHS_NUMBER_SYSTEM)
        .and_then(|number| number.parse::<NhsNumber>().ok())
        .ok_or_else(|| wrong("patient.identifier is an NHS Number"))?;
    Ok(Relationship {
        id,
        version: 1,
        patient,
        with,
        kind,
        status,
        since: start.unwrap_or_else(|| until.map_or(now, |until| until.min(now))),
        until,
        set_by: set_by.to_owned(),
        source: "FHIR".to_owned(),
        evidence: None,
        reason: None,
        recorded_at: now,
        recorded_by: recorded_by.to_owned(),
    })
}

/// A relationship as EpisodeOfCare, as it stands at `now`. What a claim gives as its reason, and what
/// a source knows it by, stay behind.
pub fn episode_of_care(relationship: &Relationship, now: Timestamp) -> Value {
    let r = relationship;
    let status = match r.status {
        RelationshipStatus::EnteredInError => "entered-in-error",
        RelationshipStatus::Active if r.since > now => "planned",
        RelationshipStatus::Active if r.until.is_some_and(|until| until < now) => "finished",
        RelationshipStatus::Active => "active",
    };
    let by = |system: &str, value: &str| json!({"identifier": {"system": system, "value": value}});
    let manager = match &r.with {
        Carer::Organisation(_) => None,
        Carer::Person { user_id, .. } => Some(by(USER, user_id)),
    };
    let until = r.until.map(|until| Value::from(until.to_string()));
    let period = Object::new().with("start", r.since.to_string()).with("end", until);
    Object::resource("EpisodeOfCare", r.id.to_string())
        .with(
            "meta",
            json!({"versionId": r.version.to_string(), "lastUpdated": r.recorded_at.to_string()}),
        )
        .with(
            "extension",
            json!([
                {"url": "urn:carerecord:set-by", "valueString": r.set_by},
                {"url": "urn:carerecord:source", "valueString": r.source},
            ]),
        )
        .with("status", status)
        .with("type", json!([{"coding": [{"system": RELATIONSHIP_KIND, "code": r.kind.code()}]}]))
        .with("patient", by(NHS_NUMBER_SYSTEM, &r.patient.digits()))
        .with("managingOrganization", by(ODS, r.with.organisation().as_str()))
        .with("period", period)
        .with("careManager", manager)
        .into()
}

/// The one kind that is named.
fn kind(types: &Value) -> Option<RelationshipKind> {
    let types = types.as_array()?;
    let codings = types.iter().flat_map(|t| t["coding"].as_array().into_iter().flatten());
    let mut kinds = codings.filter(|c| c["system"] == RELATIONSHIP_KIND);
    let kind = kinds.next()?["code"].as_str().and_then(RelationshipKind::from_code)?;
    kinds.next().is_none().then_some(kind)
}

fn identifier<'v>(reference: &'v Value, system: &str) -> Option<&'v str> {
    let identifier: &Map<String, Value> = reference["identifier"].as_object()?;
    let value = identifier.get("value")?.as_str().filter(|value| !value.is_empty())?;
    (identifier.get("system")? == system).then_some(value)
}

const USER: &str = "https://fhir.nhs.uk/Id/sds-user-id";
const KINDS: &str = "type is one of urn:carerecord:relationship-kind: registration, encounter, \
    referral, caseload, grant, claim";
const KNOWN: [&str; 11] = [
    "resourceType",
    "id",
    "meta",
    "text",
    "extension",
    "status",
    "type",
    "patient",
    "managingOrganization",
    "period",
    "careManager",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{from_xml_with_unknown, to_xml};

    #[test]
    fn every_kind_survives_the_way_there_and_back() {
        for kind in RelationshipKind::ALL {
            for manager in [None, Some("555021935107")] {
                let mut sent = episode(kind.code());
                if let Some(id) = manager {
                    sent["careManager"] = json!({"identifier": {"system": USER, "value": id}});
                }
                let read = parse(&sent).unwrap();

                let written = episode_of_care(&read, now());
                let in_xml = to_xml(&written).unwrap();
                let from_xml = from_xml_with_unknown(&in_xml, in_xml.len()).unwrap();

                assert_eq!(parse(&written).unwrap(), read, "{kind:?}");
                assert_eq!(parse(&from_xml).unwrap(), read, "{kind:?}, in XML");
                assert_eq!(read.kind, kind);
            }
        }
    }

    #[test]
    fn its_state_is_that_of_now() {
        let at = |time: &str| {
            let read = parse(&episode("referral")).unwrap();
            episode_of_care(&read, time.parse().unwrap())["status"].as_str().unwrap().to_owned()
        };
        assert_eq!(at("2026-10-31T23:59:59Z"), "planned");
        assert_eq!(at("2026-11-01T00:00:00Z"), "active");
        assert_eq!(at("2026-12-31T23:59:59Z"), "active");
        assert_eq!(at("2027-01-01T00:00:00Z"), "finished");
        let mut wrong = episode("referral");
        wrong["status"] = "entered-in-error".into();
        let read = parse(&wrong).unwrap();
        assert_eq!(episode_of_care(&read, now())["status"], "entered-in-error");
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        let cases: [(&str, Value, &str); 9] = [
            ("status", "onhold".into(), "status"),
            ("status", "finished".into(), "period.end"),
            ("type", json!([]), "type"),
            (
                "type",
                json!([{"coding": [{"system": RELATIONSHIP_KIND, "code": "friend"}]}]),
                "type",
            ),
            (
                "patient",
                json!({"identifier": {"system": NHS_NUMBER_SYSTEM, "value": "1"}}),
                "patient",
            ),
            (
                "managingOrganization",
                json!({"reference": "Organization/1"}),
                "managingOrganization",
            ),
            ("careManager", json!({"display": "Dr A"}), "careManager"),
            ("period", json!({"start": "2026-12-01", "end": "2026-11-01"}), "period"),
            ("team", json!([{"display": "9990001006"}]), "team is not supported"),
        ];
        for (element, value, why) in cases {
            let mut sent = episode("referral");
            sent[element] = value;
            let error = parse(&sent).unwrap_err().to_string();
            assert!(error.contains(why), "{element}: {error}");
            assert!(!error.contains("9990001006"), "{error}");
        }
        let mut grant = episode("grant");
        grant["period"] = json!({"start": "2026-11-01"});
        assert!(parse(&grant).unwrap_err().to_string().contains("period.end"));
    }

    fn parse(episode: &Value) -> Result<Relationship, EpisodeError> {
        parse_episode_of_care(episode, Uuid::from_u128(7), now(), "epr", "the hospital")
    }

    fn now() -> Timestamp {
        "2026-11-25T12:00:00Z".parse().unwrap()
    }

    fn episode(kind: &str) -> Value {
        json!({
            "resourceType": "EpisodeOfCare",
            "status": "active",
            "type": [{"coding": [{"system": RELATIONSHIP_KIND, "code": kind}]}],
            "patient": {"identifier": {"system": NHS_NUMBER_SYSTEM, "value": "9990001006"}},
            "managingOrganization": {"identifier": {"system": ODS, "value": "ZEX02"}},
            "period": {"start": "2026-11-01", "end": "2026-12-31"},
        })
    }
}
