//! ITI-44: the feed as HL7 v3 over SOAP. ITI TF-2: 3.44.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_audit::AuditOutcome;
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_model::{Dtm, Gender};
use carerecord_service::AuditDraft;
use carerecord_xml::{ElementRef, Limits, Tree, XmlWriter, to_utf8};
use jiff::civil::Date;

use super::described::Death;
use super::{Described, Identifier, IdentityEvent, Known};
use crate::router::Door;
use crate::store::FeedError;

/// The interactions of the feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Interaction {
    Added,
    Revised,
    DuplicatesResolved,
}

impl Interaction {
    fn of(action: &str) -> Option<Self> {
        match action {
            "urn:hl7-org:v3:PRPA_IN201301UV02" => Some(Self::Added),
            "urn:hl7-org:v3:PRPA_IN201302UV02" => Some(Self::Revised),
            "urn:hl7-org:v3:PRPA_IN201304UV02" => Some(Self::DuplicatesResolved),
            _ => None,
        }
    }
}

/// Answers `POST /xds/identity`.
pub(crate) async fn identity(State(door): State<Door>, draft: AuditDraft, body: Bytes) -> Response {
    draft.caller(&door.caller);
    draft.fill(|e| e.interaction = "ITI-44".to_owned());
    let text = match to_utf8(&body) {
        Ok(text) => text,
        Err(error) => return fault(&door, &draft, &error.into(), &Headers::default()),
    };
    let read = soap::read(&text, |headers, _, xml| {
        let interaction = Interaction::of(&headers.action).ok_or(SoapError::ActionNotSupported)?;
        xml.skip()?;
        Ok(interaction)
    });
    let (headers, interaction) = match read {
        Ok(read) => read,
        Err((error, headers)) => return fault(&door, &draft, &error, &headers),
    };
    draft.fill(|e| e.message_id.clone_from(&headers.message_id));
    let tree = match Tree::read(&text, Limits::metadata()) {
        Ok(tree) => tree,
        Err(error) => return fault(&door, &draft, &error.into(), &headers),
    };
    let done = match event(tree.root(), interaction) {
        Ok(event) => door.registry.identity_feed(&door.caller, event, &draft).await,
        Err(error) => Err(error),
    };
    let wrong = match &done {
        Ok(()) => None,
        Err(error) => {
            draft.outcome(match error {
                FeedError::Wrong(_) => AuditOutcome::Rejected,
                FeedError::Refused => AuditOutcome::Refused,
                FeedError::Store(e) => {
                    tracing::error!(error = %e, "an identity event was not stored");
                    AuditOutcome::Failed
                }
            });
            Some(error.to_string())
        }
    };
    acknowledge(&door, &draft, &headers, tree.root(), wrong.as_deref())
}

fn event(root: ElementRef<'_>, interaction: Interaction) -> Result<IdentityEvent, FeedError> {
    let registration = root
        .descendants()
        .find(|e| e.is(HL7, "registrationEvent"))
        .ok_or(FeedError::Wrong("the registrationEvent is missing"))?;
    let patient = registration
        .at(&["subject1", "patient"])
        .ok_or(FeedError::Wrong("the patient is missing"))?;
    let own = identifiers(patient)?;
    if interaction == Interaction::DuplicatesResolved {
        let prior = registration
            .at(&["replacementOf", "priorRegistration", "subject1", "priorRegisteredRole"])
            .ok_or(FeedError::Wrong("the prior registration is missing"))?;
        let subsumed = identifiers(prior)?.into_iter().next();
        let subsumed = subsumed.ok_or(FeedError::Wrong("the subsumed identifier is missing"))?;
        let surviving = own.into_iter().next();
        let surviving = surviving.ok_or(FeedError::Wrong("the surviving identifier is missing"))?;
        return Ok(IdentityEvent::Merge { surviving, subsumed });
    }
    if own.iter().all(|i| i.nhs_number().is_none()) {
        return Ok(IdentityEvent::Nothing);
    }
    let person = patient.child("patientPerson").map(described).unwrap_or_default();
    Ok(IdentityEvent::Known(Box::new(Known { identifiers: own, person })))
}

/// The ids of a role and of its person, NHS Numbers first.
fn identifiers(role: ElementRef<'_>) -> Result<Vec<Identifier>, FeedError> {
    let others = role.child("patientPerson").into_iter().flat_map(|p| p.all("asOtherIDs"));
    let ids = role.all("id").chain(others.flat_map(|o| o.all("id")));
    let mut all = Vec::new();
    for id in ids {
        let (root, extension) = (id.attr("root"), id.attr("extension"));
        if let (Some(root), Some(extension)) = (root, extension) {
            all.extend(Identifier::new(extension, root)?);
        }
    }
    all.sort_by_key(|i| i.nhs_number().is_none());
    Ok(all)
}

fn described(person: ElementRef<'_>) -> Described {
    let name = person.child("name");
    let part = |local: &str| {
        let text = name.and_then(|n| n.child(local)).map(|e| e.text().trim().to_owned());
        text.filter(|t| !t.is_empty())
    };
    let code = |local: &str| person.child(local).and_then(|e| e.attr("code"));
    let time = |local: &str| {
        let value = person.child(local).and_then(|e| e.attr("value"))?;
        Date::strptime("%Y%m%d", value.get(..8)?).ok()
    };
    let given = name.into_iter().flat_map(|n| n.all("given"));
    Described {
        family_name: part("family"),
        given_names: given.map(|g| g.text().trim().to_owned()).filter(|g| !g.is_empty()).collect(),
        prefix: part("prefix"),
        birth_date: time("birthTime"),
        death: time("deceasedTime").map(Death::On),
        gender: match code("administrativeGenderCode") {
            Some("F") => Some(Gender::Female),
            Some("M") => Some(Gender::Male),
            Some("UN") => Some(Gender::Other),
            Some(_) | None => None,
        },
        restricted: None,
    }
}

/// MCCI_IN000002UV01: sender and receiver turned round, CA or CE. ITI TF-2: 3.44.4.1.3.
fn acknowledge(
    door: &Door,
    draft: &AuditDraft,
    request: &Headers,
    root: ElementRef<'_>,
    wrong: Option<&str>,
) -> Response {
    let message = root.descendants().find(|e| e.ns() == HL7);
    let ids = |path: &[&str]| {
        let id = message.and_then(|m| m.at(path));
        let attr = |name: &str| id.and_then(|e| e.attr(name)).unwrap_or_default().to_owned();
        (attr("root"), attr("extension"))
    };
    let (sender, receiver) = (ids(&["receiver", "device", "id"]), ids(&["sender", "device", "id"]));
    let acknowledged = ids(&["id"]);
    let headers = Headers {
        action: ACKNOWLEDGED.to_owned(),
        message_id: Some(format!("urn:uuid:{}", door.ids.random())),
        relates_to: request.message_id.clone(),
    };
    let own_id = door.ids.random().to_string();
    let now = Dtm::from_timestamp(door.registry.now()).to_string();
    let written = soap::write(&headers, |xml: &mut XmlWriter<Vec<u8>>| {
        let id = |xml: &mut XmlWriter<Vec<u8>>, (root, extension): &(String, String)| {
            let mut attributes = vec![("root", root.as_str())];
            if !extension.is_empty() {
                attributes.push(("extension", extension));
            }
            xml.empty("id", &attributes)
        };
        let root = [("xmlns", HL7), ("ITSVersion", "XML_1.0")];
        xml.element("MCCI_IN000002UV01", &root, |xml| {
            xml.empty("id", &[("root", &own_id)])?;
            xml.empty("creationTime", &[("value", &now)])?;
            let interaction = [("root", INTERACTIONS), ("extension", "MCCI_IN000002UV01")];
            xml.empty("interactionId", &interaction)?;
            xml.empty("processingCode", &[("code", "P")])?;
            xml.empty("processingModeCode", &[("code", "T")])?;
            xml.empty("acceptAckCode", &[("code", "NE")])?;
            for (name, kind, device) in [("receiver", "RCV", &receiver), ("sender", "SND", &sender)]
            {
                xml.element(name, &[("typeCode", kind)], |xml| {
                    let class = [("classCode", "DEV"), ("determinerCode", "INSTANCE")];
                    xml.element("device", &class, |xml| id(xml, device))
                })?;
            }
            xml.element("acknowledgement", &[], |xml| {
                xml.empty("typeCode", &[("code", if wrong.is_none() { "CA" } else { "CE" })])?;
                xml.element("targetMessage", &[], |xml| id(xml, &acknowledged))?;
                match wrong {
                    Some(text) => {
                        xml.element("acknowledgementDetail", &[("typeCode", "E")], |xml| {
                            xml.text("text", text)
                        })
                    }
                    None => Ok(()),
                }
            })
        })
    });
    match written {
        Ok(bytes) => {
            let content_type =
                format!("application/soap+xml; charset=UTF-8; action=\"{ACKNOWLEDGED}\"");
            ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            fault(door, draft, &SoapError::Internal, request)
        }
    }
}

fn fault(door: &Door, draft: &AuditDraft, error: &SoapError, request: &Headers) -> Response {
    draft.fill(|e| e.error = Some(error.to_string()));
    let status =
        StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let id = format!("urn:uuid:{}", door.ids.random());
    let body = error.to_envelope(&id, request.message_id.as_deref());
    (status, [(header::CONTENT_TYPE, "application/soap+xml; charset=UTF-8")], body).into_response()
}

const HL7: &str = "urn:hl7-org:v3";
const ACKNOWLEDGED: &str = "urn:hl7-org:v3:MCCI_IN000002UV01";
const INTERACTIONS: &str = "2.16.840.1.113883.1.6";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, interaction: Interaction) -> Result<IdentityEvent, FeedError> {
        let text = format!(
            "<m xmlns=\"urn:hl7-org:v3\"><controlActProcess><subject>\
            <registrationEvent>{body}</registrationEvent></subject></controlActProcess></m>"
        );
        event(Tree::read(&text, Limits::metadata()).unwrap().root(), interaction)
    }

    const OID: &str = carerecord_model::NHS_NUMBER_OID;

    #[test]
    fn added_people_are_read() {
        let body = format!(
            "<subject1><patient><id root=\"{OID}\" extension=\"9990001006\"/>\
             <id root=\"2.999.1\" extension=\"H7\"/><patientPerson><name><given>Ada</given>\
             <family>Okafor</family></name><administrativeGenderCode code=\"F\"/>\
             <birthTime value=\"19450714\"/></patientPerson></patient></subject1>"
        );
        let Ok(IdentityEvent::Known(known)) = read(&body, Interaction::Added) else {
            panic!("not known")
        };
        assert_eq!(known.identifiers.len(), 2);
        assert_eq!(known.person.family_name.as_deref(), Some("Okafor"));
        assert_eq!(known.person.gender, Some(Gender::Female));
    }

    #[test]
    fn resolved_duplicates_are_merges() {
        let body = format!(
            "<subject1><patient><id root=\"{OID}\" extension=\"9990001006\"/></patient></subject1>\
             <replacementOf><priorRegistration><subject1><priorRegisteredRole>\
             <id root=\"{OID}\" extension=\"9990001014\"/></priorRegisteredRole></subject1>\
             </priorRegistration></replacementOf>"
        );
        let found = read(&body, Interaction::DuplicatesResolved);
        assert!(matches!(found, Ok(IdentityEvent::Merge { .. })));
        assert!(read("", Interaction::Added).is_err());
    }
}
