use std::borrow::Cow;

use carerecord_model::{Code, Oid};

use crate::tree::{Object, Tree};

/// The FHIR system of an XDS coding scheme: a known URI, `urn:oid:` and the OID, or the name as it
/// is.
pub fn system_of_scheme(scheme: &str) -> Cow<'_, str> {
    let known = SYSTEMS.iter().find(|(oid, _)| *oid == scheme);
    match known {
        Some((_, uri)) => (*uri).into(),
        None if scheme.parse::<Oid>().is_ok() => format!("urn:oid:{scheme}").into(),
        None => scheme.into(),
    }
}

/// Every XDS coding scheme that a FHIR system can stand for; at least one.
pub fn oid_of_system(system: &str) -> Vec<String> {
    let mut all: Vec<String> = SYSTEMS
        .iter()
        .filter(|(_, uri)| *uri == system)
        .map(|(oid, _)| (*oid).to_owned())
        .collect();
    let bare = system.strip_prefix("urn:oid:").unwrap_or(system);
    // `urn:oid:` and a known OID stands for all that its URI stands for.
    if let Some((_, uri)) = SYSTEMS.iter().find(|(oid, _)| *oid == bare) {
        all.extend(SYSTEMS.iter().filter(|(_, u)| u == uri).map(|(oid, _)| (*oid).to_owned()));
        all.push((*uri).to_owned());
    } else {
        all.push(bare.to_owned());
    }
    all
}

/// A code as CodeableConcept with one coding. MHD 7.5.
///
/// Nothing for a code that limited metadata leave out.
pub(crate) fn concept(code: &Code) -> Tree<'_> {
    if code.is_absent() {
        return Tree::NULL;
    }
    Object::new().with("coding", vec![coding(code)]).into()
}

/// A code as Coding.
pub(crate) fn coding(code: &Code) -> Tree<'_> {
    if code.is_absent() {
        return Tree::NULL;
    }
    Object::new()
        .with("system", system_of_scheme(&code.scheme))
        .with("code", code.code.as_str())
        .with("display", code.display.as_str())
        .into()
}

/// Where a value is itself a URI, such as `urn:oid:…`.
pub(crate) const URI: &str = "urn:ietf:rfc:3986";
/// ODS codes of organisations.
pub(crate) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Schemes with the URI that FHIR has for them. Of several schemes for one URI the first is ours.
const SYSTEMS: [(&str, &str); 20] = [
    ("2.16.840.1.113883.6.96", "http://snomed.info/sct"),
    ("2.16.840.1.113883.2.1.3.2.4.15", "http://snomed.info/sct"),
    ("2.16.840.1.113883.6.1", "http://loinc.org"),
    ("2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("2.16.840.1.113883.5.1008", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"),
    ("2.16.840.1.113883.1.11.16926", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"),
    ("2.16.840.1.113883.5.4", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
    ("2.16.840.1.113883.5.8", "http://terminology.hl7.org/CodeSystem/v3-ActReason"),
    ("1.3.6.1.4.1.19376.1.2.3", "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"),
    ("2.16.840.1.113883.2.1.4.1", "https://fhir.nhs.uk/Id/nhs-number"),
    ("2.16.840.1.113883.2.1.3.2.4.19.1", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ("1.2.826.0.1285.0.1.10", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ("2.16.840.1.113883.2.1.4.3", "https://fhir.nhs.uk/Id/ods-organization-code"),
    ("2.16.840.1.113883.2.1.3.2.4.19.2", "https://fhir.nhs.uk/Id/ods-site-code"),
    ("1.2.826.0.1285.0.2.0.65", "https://fhir.nhs.uk/Id/sds-user-id"),
    ("1.2.826.0.1285.0.2.0.67", "https://fhir.nhs.uk/Id/sds-role-profile-id"),
    ("1.2.826.0.1285.0.2.0.107", "https://fhir.nhs.uk/Id/nhsSpineASID"),
    ("1.2.826.0.1285.0.2.1.104", "https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName"),
    ("2.16.840.1.113883.6.3", "http://hl7.org/fhir/sid/icd-10"),
    ("1.2.840.10008.2.16.4", "http://dicom.nema.org/resources/ontology/DCM"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_system_stands_for_all_its_schemes() {
        let snomed = oid_of_system("http://snomed.info/sct");

        assert!(snomed.contains(&"2.16.840.1.113883.6.96".to_owned()));
        assert!(snomed.contains(&"2.16.840.1.113883.2.1.3.2.4.15".to_owned()));
        assert!(oid_of_system("urn:oid:2.16.840.1.113883.6.96").contains(&snomed[1]));
        assert_eq!(oid_of_system("urn:oid:2.999.1"), ["2.999.1"]);
    }

    #[test]
    fn every_scheme_comes_back_from_its_system() {
        for (scheme, _) in SYSTEMS {
            assert!(oid_of_system(&system_of_scheme(scheme)).contains(&scheme.to_owned()));
        }
        for scheme in ["2.999.7", "England-NRLFormatCode", "urn:nhs-itk:profile"] {
            assert!(oid_of_system(&system_of_scheme(scheme)).contains(&scheme.to_owned()));
        }
    }
}
