//! FHIR R4 as far as we speak it: what the portal API answers and takes, and how it maps to XDS
//! metadata (MHD). Resources are JSON values built in one place each; what comes in is read
//! strictly.

#![warn(missing_docs)]

mod bundle;
mod capability;
mod code_system;
mod consent;
mod contained;
mod document_reference;
mod echo;
mod episode_of_care;
mod format;
mod identifier;
mod list;
mod note;
mod object;
mod outcome;
mod patient;
mod patient_match;
mod provide;
mod search;
mod snippet;
mod time;
mod value_set;
mod xml;

pub use bundle::{Done, Entry, searchset, transaction_response};
pub use capability::capability_statement;
pub use code_system::{oid_of_system, system_of_scheme};
pub use consent::{ConsentError, consent_resource, parse_consent};
pub use document_reference::{Related, document_reference};
pub use episode_of_care::{
    EpisodeError, RELATIONSHIP_KIND, episode_of_care, parse_episode_of_care,
};
pub use format::Format;
pub use identifier::{authority_of_system, patient_id, patient_identifier};
pub use list::{folder_list, submission_set_list};
pub use outcome::{
    DECISION_RULE, Issue, LOG_STATE, OVERRIDE, RELATIONSHIP, SOURCE_STATE, SourceState,
    claim_offered, log_issue, outcome, override_in_force, override_offered, problem_issue,
    refusal_issue, registry_failure, source_issue, submission_failure, submission_warnings,
};
pub use patient::{NHS_NUMBER_SYSTEM, found_patient_resource, patient_resource};
pub use patient_match::{MatchGrade, MatchRequest, graded};
pub use provide::{Known, KnownFolder, Place, Problem, ProvideBundle, Provided, ProvidedDocument};
pub use search::{
    AuditCode, AuditEventSearch, DocumentReferenceSearch, ListCode, ListSearch, PeopleSearch,
    SearchError, Token, count_only, identifier_number, only_known, pairs,
};
pub use snippet::{SEARCH_STATE, SNIPPET, add_snippets, coverage_issues};
pub use time::{date_time, dtm_bound};
pub use value_set::{ValueSet, ValueSetError, parse_value_set};
pub use xml::{FhirXmlError, from_xml, to_xml};
