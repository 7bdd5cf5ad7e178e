/// The FHIR system of an XDS coding scheme: a known URI, `urn:oid:` and the OID, or the name as it
/// is.
pub fn system_of_scheme(scheme: &str) -> String {
    let known = SYSTEMS.iter().find(|(oid, _)| *oid == scheme);
    match known {
        Some((_, uri)) => (*uri).to_owned(),
        None if scheme.parse::<carerecord_model::Oid>().is_ok() => format!("urn:oid:{scheme}"),
        None => scheme.to_owned(),
    }
}

/// Every XDS coding scheme that a FHIR system can stand for.
pub fn oid_of_system(system: &str) -> Vec<String> {
    let mut all: Vec<String> = SYSTEMS
        .iter()
        .filter(|(_, uri)| *uri == system)
        .map(|(oid, _)| (*oid).to_owned())
        .collect();
    all.push(system.strip_prefix("urn:oid:").unwrap_or(system).to_owned());
    all
}

/// Schemes with the URI that FHIR has for them. Of several schemes for one URI the first is ours.
const SYSTEMS: [(&str, &str); 12] = [
    ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
    ("2.16.840.1.113883.2.1.3.2.4.15", "http://snomed.info/sct"),
    ("2.16.840.1.113883.6.1", "http://loinc.org"),
    ("2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("2.16.840.1.113883.1.11.16926", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("2.16.840.1.113883.5.4", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("1.3.6.1.4.1.19376.1.2.3", "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"),
    ("2.16.840.1.113883.2.1.4.1", "https://fhir.nhs.uk/Id/nhs-number"),
    ("2.16.840.1.113883.2.1.3.2.4.19.1", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ("2.16.840.1.113883.2.1.3.2.4.19.2", "https://fhir.nhs.uk/Id/ods-site-code"),
    ("1.2.826.0.1285.0.2.0.65", "https://fhir.nhs.uk/Id/sds-user-id"),
    ("1.2.826.0.1285.0.2.0.67", "https://fhir.nhs.uk/Id/sds-role-profile-id"),
];
