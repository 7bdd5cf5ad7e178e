use carerecord_model::{Dtm, Gender};
use carerecord_xml::ElementRef;

use super::{
    AuthorHeader, Coding, DocumentHeader, MAX_REPEATS, Organisation, PatientHeader, Person,
    RelatedDocument, Relation, clean,
};
use crate::InstanceId;
use crate::kind::ITK;
use crate::time::from_hl7;

/// Reads the header of a `ClinicalDocument`; `root` is the envelope, or the document itself.
/// Elements of other namespaces (`npfitlc:*`, `sdtc:*`) are passed over.
pub(crate) fn header(root: ElementRef<'_>, document: ElementRef<'_>) -> DocumentHeader {
    let mut header = DocumentHeader {
        id: document.child("id").and_then(instance_id),
        set_id: document.child("setId").and_then(instance_id),
        version: document.child("versionNumber").and_then(|v| value(v, "value")),
        related: related(document),
        types: document.child("code").map(codings).unwrap_or_default(),
        title: document.child("title").and_then(|t| clean(&t.text())),
        creation_time: document.child("effectiveTime").and_then(time),
        language: document.child("languageCode").and_then(|l| value(l, "code")),
        confidentiality: document.child("confidentialityCode").and_then(confidentiality),
        patient: document.at(&["recordTarget", "patientRole"]).map(patient),
        patient_count: document.all("recordTarget").count(),
        custodian: document
            .at(&["custodian", "assignedCustodian", "representedCustodianOrganization"])
            .map(organisation),
        legal_authenticator: document
            .at(&["legalAuthenticator", "assignedEntity"])
            .map(|e| author(e, "assignedPerson")),
        formats: formats(root, document),
        consent_given: consent_given(document),
        ..DocumentHeader::empty()
    };
    let authors = document.all("author").filter_map(|a| a.child("assignedAuthor"));
    header.authors = authors.take(MAX_REPEATS).map(|a| author(a, "assignedPerson")).collect();
    service(document, &mut header);
    header
}

fn related(document: ElementRef<'_>) -> Vec<RelatedDocument> {
    let mut all = Vec::new();
    for related in document.all("relatedDocument") {
        let relation = match related.attr("typeCode") {
            Some("RPLC") => Relation::Replaces,
            Some("APND") => Relation::Appends,
            Some("XFRM") => Relation::Transforms,
            Some(_) | None => continue,
        };
        let parent = related.child("parentDocument");
        let ids = parent.into_iter().flat_map(|p| p.all("id")).filter_map(instance_id);
        all.extend(ids.map(|id| RelatedDocument { relation, id }));
    }
    all.truncate(MAX_REPEATS);
    all
}

fn patient(role: ElementRef<'_>) -> PatientHeader {
    let mut patient = PatientHeader::default();
    for id in role.all("id").filter_map(instance_id) {
        patient.add_id(id, None);
    }
    let Some(person) = role.child("patient") else { return patient };
    patient.name = name(person);
    patient.birth_date = person.child("birthTime").and_then(time);
    patient.gender =
        person.child("administrativeGenderCode").and_then(|g| g.attr("code")).and_then(gender);
    patient
}

/// The UK codes, and those of HL7.
fn gender(code: &str) -> Option<Gender> {
    match code.trim() {
        "1" | "M" => Some(Gender::Male),
        "2" | "F" => Some(Gender::Female),
        "9" | "UN" => Some(Gender::Other),
        "0" | "U" | "UNK" => Some(Gender::Unknown),
        _ => None,
    }
}

fn author(entity: ElementRef<'_>, person: &str) -> AuthorHeader {
    let device = entity.child("assignedAuthoringDevice");
    let device_name = device
        .and_then(|d| d.child("softwareName").or_else(|| d.child("manufacturerModelName")))
        .and_then(|d| clean(&d.text()).or_else(|| value(d, "displayName")))
        .map(|name| Person { family: Some(name), ..Person::default() });
    let telecoms = entity.all("telecom").filter_map(|t| value(t, "value"));
    AuthorHeader {
        ids: entity.all("id").filter_map(instance_id).take(MAX_REPEATS).collect(),
        person: entity.child(person).and_then(name).or(device_name),
        role: entity.child("code").and_then(coding),
        organisation: entity.child("representedOrganization").map(organisation),
        telecoms: telecoms.take(MAX_REPEATS).collect(),
    }
}

fn organisation(element: ElementRef<'_>) -> Organisation {
    Organisation {
        name: element.child("name").and_then(|n| clean(&n.text())),
        ids: element.all("id").filter_map(instance_id).take(MAX_REPEATS).collect(),
    }
}

/// The legal name when one is marked, else the first.
fn name(person: ElementRef<'_>) -> Option<Person> {
    let legal = person.all("name").find(|n| n.attr("use") == Some("L"));
    let name = legal.or_else(|| person.child("name"))?;
    let part = |part: &str| {
        let all: Vec<_> = name.all(part).filter_map(|p| clean(&p.text())).collect();
        (!all.is_empty()).then(|| all.join(" "))
    };
    let mut found = Person {
        family: part("family"),
        given: name.all("given").filter_map(|p| clean(&p.text())).take(MAX_REPEATS).collect(),
        prefix: part("prefix"),
        suffix: part("suffix"),
    };
    if found == Person::default() {
        found.family = clean(&name.text());
    }
    found.or_none()
}

fn service(document: ElementRef<'_>, header: &mut DocumentHeader) {
    let events = document.all("documentationOf").filter_map(|d| d.child("serviceEvent"));
    let encounter = document.at(&["componentOf", "encompassingEncounter"]);
    let encounter_time = encounter.and_then(|e| e.child("effectiveTime"));
    for event in events {
        if let Some(code) = event.child("code").and_then(coding)
            && header.event_codes.len() < MAX_REPEATS
        {
            header.event_codes.push(code);
        }
        if let Some(period) = event.child("effectiveTime") {
            set_period(period, header);
        }
    }
    if let Some(period) = encounter_time {
        set_period(period, header);
    }
    let facility = encounter.and_then(|e| e.at(&["location", "healthCareFacility"]));
    header.facility_type = facility.and_then(|f| f.child("code")).and_then(coding);
    header.practice_setting = facility
        .and_then(|f| f.at(&["serviceProviderOrganization", "standardIndustryClassCode"]))
        .and_then(coding);
}

/// The first period that has a time counts.
fn set_period(period: ElementRef<'_>, header: &mut DocumentHeader) {
    if header.service_start.is_some() || header.service_stop.is_some() {
        return;
    }
    header.service_start = period.child("low").and_then(time).or_else(|| time(period));
    header.service_stop = period.child("high").and_then(time);
}

fn formats(root: ElementRef<'_>, document: ElementRef<'_>) -> Vec<String> {
    let items = root.descendants().take(MAX_ENVELOPE_ELEMENTS);
    let profiles =
        items.filter(|e| e.is(ITK, "manifestitem")).filter_map(|e| value(e, "profileid"));
    let templates =
        document.all("templateId").filter_map(instance_id).map(|id| match id.extension {
            Some(extension) => format!("{}^{extension}", id.root),
            None => id.root,
        });
    let message = document.children().find(|e| e.is(NPFIT, "messageType"));
    let message = message.and_then(|e| value(e, "extension"));
    profiles.chain(templates).chain(message).take(MAX_REPEATS).collect()
}

fn consent_given(document: ElementRef<'_>) -> bool {
    let consents = document.all("authorization").filter_map(|a| a.at(&["consent", "code"]));
    consents.filter_map(|c| c.attr("code")).any(|code| code == CONSENT_GIVEN)
}

/// The value set's OID is sent in place of the code system's.
fn confidentiality(element: ElementRef<'_>) -> Option<Coding> {
    let mut coding = coding(element)?;
    if coding.system.as_deref() == Some("2.16.840.1.113883.1.11.16926") {
        coding.system = Some("2.16.840.1.113883.5.25".to_owned());
    }
    Some(coding)
}

fn codings(element: ElementRef<'_>) -> Vec<Coding> {
    let translations = element.all("translation").filter_map(coding);
    coding(element).into_iter().chain(translations).take(MAX_REPEATS).collect()
}

/// A code of CDA. Also reads section codes for the view.
pub(crate) fn coding(element: ElementRef<'_>) -> Option<Coding> {
    let code = value(element, "code")?;
    let display = value(element, "displayName")
        .or_else(|| element.child("originalText").and_then(|t| clean(&t.text())));
    Some(Coding { code, system: value(element, "codeSystem"), display })
}

fn instance_id(element: ElementRef<'_>) -> Option<InstanceId> {
    Some(InstanceId {
        root: value(element, "root")?,
        extension: value(element, "extension"),
        assigning_authority_name: value(element, "assigningAuthorityName"),
    })
}

fn time(element: ElementRef<'_>) -> Option<Dtm> {
    element.attr("value").and_then(from_hl7)
}

fn value(element: ElementRef<'_>, attribute: &str) -> Option<String> {
    element.attr(attribute).and_then(clean)
}

const NPFIT: &str = "NPFIT:HL7:Localisation";
const CONSENT_GIVEN: &str = "425691002";
/// The header of an envelope stands at its front.
const MAX_ENVELOPE_ELEMENTS: usize = 1000;
