//! What an assertion says of a person, in the words of the access rules.

use carerecord_access::{Asserted, AssertedPatient, Assurance, Purpose, SystemCaller, UserCaller};
use carerecord_codec::saml::{Assertion, AttributeValue, Coded, SamlError, name};
use carerecord_model::{OrganisationCode, PatientId};

use super::config::XuaConfig;
use super::trust::Issuer;

/// The caller that an assertion speaks of, who comes by `system`.
///
/// # Errors
/// `Organisation` when it cannot be told for whom the person acts, or the issuer may not say so.
pub(super) fn person(
    config: &XuaConfig,
    issuer: &Issuer,
    assertion: &Assertion,
    system: SystemCaller,
) -> Result<UserCaller, SamlError> {
    let organisation = organisation(config, issuer, assertion)?;
    let text = |of: &'static str| assertion.texts(of).next().map(str::to_owned);
    let texts = |of: &'static str| assertion.texts(of).map(str::to_owned);
    let name = text(name::SUBJECT_ID).filter(|name| name.len() <= MAX_NAME);
    let class = assertion.authn_context.as_deref();
    Ok(UserCaller {
        user_id: assertion.subject.value.clone(),
        name: name.unwrap_or_else(|| assertion.subject.value.clone()),
        organisation,
        role: role(config, assertion),
        role_profile_id: String::new(),
        activities: Vec::new(),
        assurance: class.map_or(Assurance::Aal1, |class| assurance(config, class)),
        client_id: system.name.clone(),
        session_id: None,
        asserted: Some(Box::new(Asserted {
            issuer: assertion.issuer.clone(),
            assertion_id: assertion.id.clone(),
            alias: assertion.subject.alias.clone(),
            purpose: purpose(config, assertion),
            patient: patient(assertion),
            organisation_name: text(name::ORGANIZATION),
            home_community_id: text(name::HOME_COMMUNITY_ID),
            identifiers: identifiers(assertion),
            consent: texts(name::CONSENT_DOCUMENT).chain(texts(name::CONSENT_POLICY)).collect(),
            opened: None,
            system,
        })),
    })
}

/// The one organisation that is named, and that the issuer may speak for.
fn organisation(
    config: &XuaConfig,
    issuer: &Issuer,
    assertion: &Assertion,
) -> Result<OrganisationCode, SamlError> {
    let mut named = assertion.values(name::ORGANIZATION_ID);
    let Some(first) = named.next() else {
        return issuer.only_organisation().cloned().ok_or(SamlError::Organisation);
    };
    let code = |value: &AttributeValue| match value {
        AttributeValue::Text(id) => {
            config.organisation.get(id).cloned().or_else(|| ods_code(id)?.parse().ok())
        }
        AttributeValue::Instance(id) if ODS_ROOTS.contains(&id.root.as_str()) => {
            id.extension.parse().ok()
        }
        AttributeValue::Instance(_) | AttributeValue::Coded(_) | AttributeValue::Other => None,
    };
    let organisation = code(first).ok_or(SamlError::Organisation)?;
    // Whoever acts for two acts for none: nobody here can say which one.
    let one = named.all(|value| code(value).as_ref() == Some(&organisation));
    let may = one && issuer.may_speak_for(&organisation);
    if may { Ok(organisation) } else { Err(SamlError::Organisation) }
}

/// The ODS code in a URI: our own system, and HL7 v3 identifiers as `urn:hl7ii:root:extension`.
fn ods_code(id: &str) -> Option<&str> {
    if let Some(code) = id.strip_prefix(ODS_SYSTEM) {
        return Some(code);
    }
    let (root, extension) = id.strip_prefix("urn:hl7ii:")?.split_once(':')?;
    ODS_ROOTS.contains(&root).then_some(extension)
}

/// The one role that the rules may know. Of others the code is kept with its system, so that it is
/// nobody's here; of several nobody can say which one counts.
fn role(config: &XuaConfig, assertion: &Assertion) -> String {
    let mut known: Vec<String> = Vec::new();
    let mut unknown = String::new();
    for value in assertion.values(name::ROLE) {
        let AttributeValue::Coded(coded) = value else { continue };
        if coded.element != "Role" {
            continue;
        }
        match known_role(config, coded) {
            Some(role) if known.contains(&role) => {}
            Some(role) => known.push(role),
            None if unknown.is_empty() => unknown = format!("{}|{}", coded.system, coded.code),
            None => {}
        }
    }
    match known.as_slice() {
        [only] => only.clone(),
        [] => unknown,
        several => several.join(" or "),
    }
}

fn known_role(config: &XuaConfig, coded: &Coded) -> Option<String> {
    let mapped = config.role.iter().find(|m| m.system == coded.system && m.code == coded.code);
    if let Some(mapped) = mapped {
        return Some(mapped.role.clone());
    }
    let own = JOB_ROLES.contains(&coded.system.as_str());
    // `S8000:G8000:R8000`: the last part is the role.
    own.then(|| coded.code.rsplit(':').next().unwrap_or_default().to_owned())
}

/// The purpose; that of direct care where none is said, `None` where it is not known here or several
/// are said.
fn purpose(config: &XuaConfig, assertion: &Assertion) -> Option<Purpose> {
    let mut all = assertion.values(name::PURPOSE_OF_USE).map(|value| match value {
        AttributeValue::Coded(coded) => known_purpose(config, coded),
        AttributeValue::Text(_) | AttributeValue::Instance(_) | AttributeValue::Other => None,
    });
    let Some(first) = all.next() else { return Some(Purpose::DirectCare) };
    first.filter(|first| all.all(|other| other == Some(*first)))
}

fn known_purpose(config: &XuaConfig, coded: &Coded) -> Option<Purpose> {
    let mapped = config.purpose.iter().find(|m| m.system == coded.system && m.code == coded.code);
    let own = || {
        PURPOSES.contains(&coded.system.as_str()).then(|| Purpose::from_code(&coded.code)).flatten()
    };
    mapped.map(|m| m.purpose).or_else(own)
}

/// How strong the sign-in was, as far as SAML's own classes and CIS2's levels tell.
fn assurance(config: &XuaConfig, class: &str) -> Assurance {
    if let Some(level) = config.assurance.get(class) {
        return *level;
    }
    match class.strip_prefix("urn:oasis:names:tc:SAML:2.0:ac:classes:") {
        Some("SmartcardPKI") => Assurance::Aal3,
        Some("MobileTwoFactorContract" | "TimeSyncToken") => Assurance::Aal2,
        Some(_) => Assurance::Aal1,
        None if class.starts_with("AAL") => Assurance::from_claim(class),
        None => Assurance::Aal1,
    }
}

/// The patient; one who has no NHS Number here is nobody's.
fn patient(assertion: &Assertion) -> AssertedPatient {
    let number = |value: &AttributeValue| match value {
        AttributeValue::Text(id) => id.parse::<PatientId>().ok().and_then(|id| id.nhs_number()),
        AttributeValue::Coded(_) | AttributeValue::Instance(_) | AttributeValue::Other => None,
    };
    let mut all = assertion.values(name::RESOURCE_ID).map(number);
    match all.next() {
        None => AssertedPatient::Any,
        Some(Some(first)) if all.all(|other| other == Some(first)) => AssertedPatient::Only(first),
        Some(_) => AssertedPatient::Unknown,
    }
}

fn identifiers(assertion: &Assertion) -> Vec<String> {
    let provider = assertion.values(name::PROVIDER_IDENTIFIER).filter_map(|value| match value {
        AttributeValue::Instance(id) => Some(format!("{}|{}", id.root, id.extension)),
        AttributeValue::Text(_) | AttributeValue::Coded(_) | AttributeValue::Other => None,
    });
    assertion.texts(name::NPI).map(str::to_owned).chain(provider).take(MAX_IDENTIFIERS).collect()
}

const ODS_SYSTEM: &str = "https://fhir.nhs.uk/Id/ods-organization-code/";
/// ODS codes in CDA, in Spine messages, and of old.
const ODS_ROOTS: [&str; 3] =
    ["2.16.840.1.113883.2.1.3.2.4.19.1", "1.2.826.0.1285.0.1.10", "2.16.840.1.113883.2.1.4.3"];
/// SDS job roles.
const JOB_ROLES: [&str; 2] =
    ["1.2.826.0.1285.0.2.1.104", "https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName"];
/// HL7 ActReason, and the value set of it for purposes of use.
const PURPOSES: [&str; 3] = [
    "2.16.840.1.113883.5.8",
    "2.16.840.1.113883.1.11.20448",
    "http://terminology.hl7.org/CodeSystem/v3-ActReason",
];
const MAX_NAME: usize = 256;
const MAX_IDENTIFIERS: usize = 16;
