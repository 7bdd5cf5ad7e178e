//! FHIR R4 as far as we speak it: what the portal API answers and takes, and how it maps to XDS
//! metadata (MHD). Resources are JSON values built in one place each; what comes in is read
//! strictly.

#![warn(missing_docs)]

mod bundle;
mod capability;
mod code_system;
mod consent;
mod contained;
mod context;
mod data_element;
mod document_reference;
mod echo;
mod episode_of_care;
mod format;
mod identifier;
mod list;
mod nested;
mod note;

mod outcome;
mod patient;
mod patient_match;
mod provide;
mod search;
mod snippet;
mod subset;
mod time;
mod tree;
mod value_set;
mod xml;

pub use bundle::{Done, Entry, add_link, searchset, transaction_response};
pub use capability::capability_statement;
pub use code_system::{oid_of_system, system_of_scheme};
pub use consent::{ConsentError, consent_resource, parse_consent};
pub use context::{
    DECISION, RELATED_BY, Reason, SUBMISSION, add_decision, add_related_by, add_submission,
};
pub use data_element::{
    ELEMENT_NEGATED, ELEMENT_RELATION, ELEMENT_SOURCE, ElementProvenance, ElementRelation,
    ElementRelationKind, ElementSource, ElementView, PROVENANCE_POLICY, data_element,
    element_provenance,
};
pub use document_reference::{Holder, Related, document_reference};
pub use episode_of_care::{
    EpisodeError, RELATIONSHIP_KIND, episode_of_care, parse_episode_of_care,
};
pub use format::Format;
pub use identifier::{authority_of_system, document_identifier, patient_id, patient_identifier};
pub use list::{folder_list, submission_set_list};
pub use nested::nested_bundles;
pub use outcome::{
    CONSENT, DECISION_RULE, Issue, LOG_STATE, OVERRIDE, RELATIONSHIP, SOURCE_STATE, SourceState,
    asking_offered, claim_offered, consent_recording_offered, log_issue, outcome,
    override_in_force, override_offered, problem_issue, refusal_issue, registry_error_over_http,
    registry_failure, source_issue, submission_failure, submission_warnings,
};
pub use patient::{NHS_NUMBER_SYSTEM, found_patient_resource, gender_code, patient_resource};
pub use patient_match::{MatchGrade, MatchRequest, graded};
pub use provide::{
    FhirDocuments, Known, KnownFolder, Place, Problem, ProvideBundle, Provided, ProvidedDocument,
    SimplifiedPublish,
};
pub use search::{
    AuditCode, AuditEventSearch, CARED_FOR_PARAMETERS, CONSENT_PARAMETERS, CONSENT_STATUS,
    CONTRACT_PARAMETERS, DocumentReferenceMatches, DocumentReferenceSearch, EPISODE_PARAMETERS,
    EPISODE_STATUS, ElementSearch, Include, ListCode, ListSearch, PROVENANCE_PARAMETERS,
    PeopleSearch, SearchError, SearchParameter, SearchParameters, Shown, Sort, SortBy, Times,
    Token, Values, check_reviewed, check_search, codes, count_only, identifier_number,
    names_patient, one_value, only_known, pairs, patient_number, reference_id, values,
};
pub use snippet::{SEARCH_STATE, SNIPPET, add_snippets, coverage_issues, element_coverage_issues};
pub use subset::only_elements;
pub use time::{add_times, date_time, dtm_bound};
pub use tree::{Object, Tree};
pub use value_set::{ValueSet, ValueSetError, parse_value_set};
pub use xml::{FhirXmlError, from_xml, from_xml_with_unknown, to_xml};
