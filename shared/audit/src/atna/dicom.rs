use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carerecord_xml::{EncodeError, XmlWriter};

use super::kind::Kind;
use super::{client, host, is_person, outcome, reason};
use crate::{AuditActor, AuditEvent, AuditOutcome};

type Xml = XmlWriter<Vec<u8>>;

/// The AuditMessage of a record. DICOM PS3.15, A.5; ITI TF-2: 3.20. `site` names the enterprise,
/// `process` the process that recorded.
///
/// # Errors
/// None that a record can bring about: what XML cannot hold is replaced.
pub fn audit_message(event: &AuditEvent, site: &str, process: u32) -> Result<Vec<u8>, EncodeError> {
    let kind = Kind::of(event);
    let mut xml = XmlWriter::new(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>".to_vec());
    xml.element("AuditMessage", &[], |xml| {
        event_identification(xml, event, kind)?;
        participants(xml, event, kind, process)?;
        let (source, site) = (clean(&event.recorder), clean(site));
        let mut attributes = vec![("AuditSourceID", source.as_str())];
        if !site.is_empty() {
            attributes.push(("AuditEnterpriseSiteID", site.as_str()));
        }
        xml.element("AuditSourceIdentification", &attributes, |xml| {
            code(xml, "AuditSourceTypeCode", ["4", "DCM", "Application Server Process"])
        })?;
        objects(xml, event, kind)
    })?;
    Ok(xml.into_inner())
}

/// Whether the record is one of ordinary work, and no warning. ITI TF-2: 3.20.4.1.2.
pub fn is_normal(event: &AuditEvent) -> bool {
    event.outcome == AuditOutcome::Success
}

fn event_identification(xml: &mut Xml, event: &AuditEvent, kind: Kind) -> Result<(), EncodeError> {
    let at = event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    let attributes = [
        ("EventActionCode", kind.action),
        ("EventDateTime", at.as_str()),
        ("EventOutcomeIndicator", outcome(event.outcome)),
    ];
    xml.element("EventIdentification", &attributes, |xml| {
        code(xml, "EventID", [kind.event.0, "DCM", kind.event.1])?;
        match (kind.code(event), kind.transaction) {
            (Some(id), Some(name)) => code(xml, "EventTypeCode", [id, "IHE Transactions", name])?,
            _ => {
                let interaction = event.interaction.as_str();
                code(xml, "EventTypeCode", [interaction, OURS, interaction])?;
            }
        }
        let decided = event.decision.as_ref().map(|d| format!("{} by {}", d.outcome, d.rule));
        let said: Vec<&str> =
            event.error.as_deref().into_iter().chain(decided.as_deref()).collect();
        if !said.is_empty() {
            xml.text("EventOutcomeDescription", &clean(&said.join("; ")))?;
        }
        match event.purpose.as_deref() {
            Some(purpose) => match reason(purpose) {
                Some(known) => code(xml, "PurposeOfUse", [known, ACT_REASON, purpose]),
                None => code(xml, "PurposeOfUse", [purpose, OURS, purpose]),
            },
            None => Ok(()),
        }
    })
}

fn participants(
    xml: &mut Xml,
    event: &AuditEvent,
    kind: Kind,
    process: u32,
) -> Result<(), EncodeError> {
    let came_in = event.direction == "in";
    let (peer_role, own_role) =
        if kind.gives == came_in { (DESTINATION, SOURCE) } else { (SOURCE, DESTINATION) };
    let (client, requests) = (clean(client(event)), if came_in { "true" } else { "false" });
    let mut attributes = vec![("UserID", client.as_str()), ("UserIsRequestor", requests)];
    let address = event.peer.as_deref().map(|peer| clean(host(peer)));
    if let Some(address) = &address {
        attributes.push(("NetworkAccessPointID", address));
        attributes.push(("NetworkAccessPointTypeCode", "2"));
    }
    xml.element("ActiveParticipant", &attributes, |xml| code(xml, "RoleIDCode", peer_role))?;
    if let Some(person) = event.actor.as_ref().filter(|a| is_person(a)) {
        person_acted(xml, person)?;
    }
    let (recorder, process) = (clean(&event.recorder), process.to_string());
    let attributes = [
        ("UserID", recorder.as_str()),
        ("AlternativeUserID", process.as_str()),
        ("UserIsRequestor", if came_in { "false" } else { "true" }),
    ];
    xml.element("ActiveParticipant", &attributes, |xml| code(xml, "RoleIDCode", own_role))
}

fn person_acted(xml: &mut Xml, person: &AuditActor) -> Result<(), EncodeError> {
    // ITI TF-2: 3.40.4.2: who came by an assertion is named with its issuer.
    let name = person.user_name.as_deref().or(person.name.as_deref());
    let (id, name) = (clean(&person.id), name.map(clean));
    let mut attributes = vec![("UserID", id.as_str()), ("UserIsRequestor", "true")];
    if let Some(name) = &name {
        attributes.push(("UserName", name));
    }
    match person.role.as_deref() {
        Some(role) => xml.element("ActiveParticipant", &attributes, |xml| {
            code(xml, "RoleIDCode", [role, OURS, role])
        }),
        None => xml.empty("ActiveParticipant", &attributes),
    }
}

fn objects(xml: &mut Xml, event: &AuditEvent, kind: Kind) -> Result<(), EncodeError> {
    if let Some(subject) = event.subject {
        let id = format!("{:010}^^^&2.16.840.1.113883.2.1.4.1&ISO", subject.as_i64());
        object(xml, &id, ("1", "1"), ["2", "RFC-3881", "Patient Number"], None, &[])?;
    }
    if let (Some(query), Some(name)) =
        (event.interaction.split_once(' ').map(|(_, query)| query), kind.transaction)
        && matches!(kind.code(event), Some("ITI-18" | "ITI-51"))
    {
        let id = kind.code(event).unwrap_or_default();
        object(xml, query, ("2", "24"), [id, "IHE Transactions", name], Some(query), &[])?;
    }
    for document in &event.documents {
        let hash: Vec<(&str, &str)> = document.hash.iter().map(|h| ("SHA-1", h.as_str())).collect();
        object(xml, &document.id, ("2", "3"), ["9", "RFC-3881", "Report Number"], None, &hash)?;
    }
    Ok(())
}

/// An object: its id, its type with its role, what kind of id it is, name and details.
fn object(
    xml: &mut Xml,
    id: &str,
    (type_code, role): (&str, &str),
    id_type: [&str; 3],
    name: Option<&str>,
    details: &[(&str, &str)],
) -> Result<(), EncodeError> {
    let id = clean(id);
    let attributes = [
        ("ParticipantObjectID", id.as_str()),
        ("ParticipantObjectTypeCode", type_code),
        ("ParticipantObjectTypeCodeRole", role),
    ];
    xml.element("ParticipantObjectIdentification", &attributes, |xml| {
        code(xml, "ParticipantObjectIDTypeCode", id_type)?;
        if let Some(name) = name {
            xml.text("ParticipantObjectName", &clean(name))?;
        }
        for (kind, value) in details {
            let value = BASE64.encode(value);
            xml.empty("ParticipantObjectDetail", &[("type", kind), ("value", &value)])?;
        }
        Ok(())
    })
}

/// A coded element: code, code system, and name.
fn code(xml: &mut Xml, element: &str, [code, system, name]: [&str; 3]) -> Result<(), EncodeError> {
    let (code, name) = (clean(code), clean(name));
    let attributes =
        [("csd-code", code.as_str()), ("codeSystemName", system), ("originalText", name.as_str())];
    xml.empty(element, &attributes)
}

/// What XML cannot hold is replaced: a record is sent whatever a client put into it.
fn clean(text: &str) -> String {
    let is_bad = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars().map(|c| if is_bad(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

const SOURCE: [&str; 3] = ["110153", "DCM", "Source Role ID"];
const DESTINATION: [&str; 3] = ["110152", "DCM", "Destination Role ID"];
/// HL7's ActReason.
const ACT_REASON: &str = "2.16.840.1.113883.5.8";
/// What has a code in none of the standard's systems.
const OURS: &str = "carerecord";

#[cfg(test)]
mod tests {
    use carerecord_xml::{Limits, Tree};

    use super::*;
    use crate::testing::event;
    use crate::{AuditDecision, DocumentRef};

    fn written(event: &AuditEvent) -> String {
        String::from_utf8(audit_message(event, "ICB-99", 42).unwrap()).unwrap()
    }

    #[test]
    fn who_came_by_an_assertion_is_named_with_its_issuer() {
        let mut event = event(3);
        let actor = event.actor.as_mut().unwrap();
        actor.user_name = Some("portal<555021935107@https://sts.example>".to_owned());

        let named = written(&event);

        let name = "UserName=\"portal&lt;555021935107@https://sts.example&gt;\"";
        assert!(named.contains(name), "{named}");
    }

    #[test]
    fn a_stored_query_reads_as_in_the_standard() {
        let mut event = event(3);
        event.interaction = "ITI-18 urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d".to_owned();
        event.recorder = "registry".to_owned();
        event.peer = Some("[::1]:4711".to_owned());
        event.purpose = Some("direct-care".to_owned());

        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>\
            <EventIdentification EventActionCode=\"E\" EventDateTime=\"2027-01-15T08:00:00.030Z\" \
            EventOutcomeIndicator=\"0\">\
            <EventID csd-code=\"110112\" codeSystemName=\"DCM\" originalText=\"Query\"/>\
            <EventTypeCode csd-code=\"ITI-18\" codeSystemName=\"IHE Transactions\" \
            originalText=\"Registry Stored Query\"/>\
            <PurposeOfUse csd-code=\"TREAT\" codeSystemName=\"2.16.840.1.113883.5.8\" \
            originalText=\"direct-care\"/></EventIdentification>\
            <ActiveParticipant UserID=\"unknown\" UserIsRequestor=\"true\" \
            NetworkAccessPointID=\"::1\" NetworkAccessPointTypeCode=\"2\">\
            <RoleIDCode csd-code=\"110153\" codeSystemName=\"DCM\" originalText=\"Source Role ID\"/>\
            </ActiveParticipant>\
            <ActiveParticipant UserID=\"user 3\" UserIsRequestor=\"true\" \
            UserName=\"O'Neill &quot;Zoë&quot;\"/>\
            <ActiveParticipant UserID=\"registry\" AlternativeUserID=\"42\" UserIsRequestor=\"false\">\
            <RoleIDCode csd-code=\"110152\" codeSystemName=\"DCM\" \
            originalText=\"Destination Role ID\"/></ActiveParticipant>\
            <AuditSourceIdentification AuditSourceID=\"registry\" AuditEnterpriseSiteID=\"ICB-99\">\
            <AuditSourceTypeCode csd-code=\"4\" codeSystemName=\"DCM\" \
            originalText=\"Application Server Process\"/></AuditSourceIdentification>\
            <ParticipantObjectIdentification \
            ParticipantObjectID=\"9990001006^^^&amp;2.16.840.1.113883.2.1.4.1&amp;ISO\" \
            ParticipantObjectTypeCode=\"1\" ParticipantObjectTypeCodeRole=\"1\">\
            <ParticipantObjectIDTypeCode csd-code=\"2\" codeSystemName=\"RFC-3881\" \
            originalText=\"Patient Number\"/></ParticipantObjectIdentification>\
            <ParticipantObjectIdentification \
            ParticipantObjectID=\"urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d\" \
            ParticipantObjectTypeCode=\"2\" ParticipantObjectTypeCodeRole=\"24\">\
            <ParticipantObjectIDTypeCode csd-code=\"ITI-18\" codeSystemName=\"IHE Transactions\" \
            originalText=\"Registry Stored Query\"/>\
            <ParticipantObjectName>urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d\
            </ParticipantObjectName></ParticipantObjectIdentification></AuditMessage>";
        assert_eq!(written(&event), expected);
    }

    #[test]
    fn whoever_gives_is_the_source() {
        let mut event = event(3);
        event.interaction = "ITI-43".to_owned();
        event.documents = vec![DocumentRef { id: "2.999.1".to_owned(), hash: Some("ab".into()) }];
        event.outcome = AuditOutcome::Refused;
        event.decision = Some(AuditDecision {
            outcome: "deny".to_owned(),
            rule: "objection".to_owned(),
            set_by: None,
            since: None,
            basis: Vec::new(),
        });

        let text = written(&event);

        let (peer, own) = text.split_once("AlternativeUserID").unwrap();
        assert!(peer.contains("110152") && own.contains("110153"), "{text}");
        for part in [
            "csd-code=\"110106\"",
            "EventActionCode=\"R\"",
            "EventOutcomeIndicator=\"8\"",
            "<EventOutcomeDescription>deny by objection</EventOutcomeDescription>",
            "ParticipantObjectID=\"2.999.1\"",
            "<ParticipantObjectDetail type=\"SHA-1\" value=\"YWI=\"/>",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn whatever_a_client_sent_is_well_formed() {
        let mut event = event(3);
        for evil in ["\u{0}\u{1b}", "</AuditMessage>\n<109>1", "\u{ffff}\"'&", "]]>"] {
            event.interaction = evil.to_owned();
            event.purpose = Some(evil.to_owned());
            event.error = Some(evil.to_owned());
            event.recorder = evil.to_owned();

            let text = written(&event);

            let tree = Tree::read(&text, Limits::metadata()).unwrap();
            assert!(tree.root().child("EventIdentification").is_some(), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
    }
}
