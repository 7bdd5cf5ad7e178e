//! Names of code systems for people.

use crate::Coding;

/// A code with the name of its system, e.g. `38341003 (SNOMED CT)`.
pub(crate) fn coded(coding: &Coding) -> String {
    let system = coding.system.as_deref().unwrap_or_default();
    match SYSTEMS.iter().find(|(id, _)| *id == system) {
        Some((_, name)) => format!("{} ({name})", coding.code),
        None if system.is_empty() => coding.code.clone(),
        None => format!("{} ({system})", coding.code),
    }
}

/// OIDs and URIs of systems that documents use, with the names that people know them by.
const SYSTEMS: [(&str, &str); 38] = [
    ("http://snomed.info/sct", "SNOMED CT"),
    ("2.16.840.1.113883.6.96", "SNOMED CT"),
    ("2.16.840.1.113883.2.1.3.2.4.15", "SNOMED CT"),
    ("http://loinc.org", "LOINC"),
    ("2.16.840.1.113883.6.1", "LOINC"),
    ("https://dmd.nhs.uk", "dm+d"),
    ("http://read.info/readv2", "Read 2"),
    ("2.16.840.1.113883.2.1.6.2", "Read 2"),
    ("http://read.info/ctv3", "CTV3"),
    ("2.16.840.1.113883.2.1.3.2.4.14", "CTV3"),
    ("http://hl7.org/fhir/sid/icd-10", "ICD-10"),
    ("http://hl7.org/fhir/sid/icd-10-uk", "ICD-10"),
    ("2.16.840.1.113883.6.3", "ICD-10"),
    ("http://hl7.org/fhir/sid/icd-10-cm", "ICD-10-CM"),
    ("2.16.840.1.113883.6.90", "ICD-10-CM"),
    ("http://hl7.org/fhir/sid/icd-9-cm", "ICD-9-CM"),
    ("2.16.840.1.113883.6.103", "ICD-9-CM"),
    ("2.16.840.1.113883.6.104", "ICD-9-CM"),
    ("1.3.6.1.4.1.12559.11.10.1.3.1.44.2", "ICD-10"),
    ("https://fhir.hl7.org.uk/Id/opcs-4", "OPCS-4"),
    ("http://www.nlm.nih.gov/research/umls/rxnorm", "RxNorm"),
    ("2.16.840.1.113883.6.88", "RxNorm"),
    ("http://www.whocc.no/atc", "ATC"),
    ("2.16.840.1.113883.6.73", "ATC"),
    ("http://hl7.org/fhir/sid/cvx", "CVX"),
    ("2.16.840.1.113883.12.292", "CVX"),
    ("http://hl7.org/fhir/sid/ndc", "NDC"),
    ("2.16.840.1.113883.6.69", "NDC"),
    ("http://fdasis.nlm.nih.gov", "UNII"),
    ("2.16.840.1.113883.4.9", "UNII"),
    ("http://www.ama-assn.org/go/cpt", "CPT"),
    ("2.16.840.1.113883.6.12", "CPT"),
    ("2.16.840.1.113883.3.26.1.1", "NCI Thesaurus"),
    ("0.4.0.127.0.16.1.1.2.1", "EDQM"),
    ("2.16.840.1.113883.5.4", "HL7 ActCode"),
    ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HL7 ActCode"),
    ("2.16.840.1.113883.5.6", "HL7 ActClass"),
    ("2.16.840.1.113883.5.83", "HL7 interpretation"),
];
