//! Who may see what, and why.
//!
//! Every channel asks here: the registry before it lists, a node before it hands out bytes, the
//! portal before it answers. Nothing that names a patient's document leaves a role except as
//! [`Released`], which only this crate can make, and which carries its [`Decision`].
//!
//! The order of the decision is `policy/order.cedar`, and by it `decide.rs`, which the doors use.

#![warn(missing_docs)]

mod access_pack;
mod agreement;
mod caller;
mod citizen;
mod citizen_inquiry;
mod consent_model;
mod consent_record;
mod decide;
mod decision;
mod engine;
#[cfg(test)]
mod engine_case_policies;
#[cfg(test)]
mod engine_cases;
mod engine_decide;
mod engine_facts;
mod engine_terms;
mod example;
mod example_words;
mod facts;
mod inquiry;
mod location;
mod looking;
mod overrides;
mod policy;
mod programme;
mod record_view;
mod register;
mod relationship;
mod relationship_rules;
mod release;
mod sensitivity;
mod terms;
mod terms_document;

pub use agreement::{AgreementStatus, Flow, Party, SharingAgreement};
pub use caller::{
    Asserted, AssertedPatient, Assurance, Caller, CitizenCaller, CitizenSubject, Purpose, Right,
    SystemCaller, UserCaller,
};
pub use citizen::{Citizen, CitizenGrant, CitizenGrantKind, Proofing, ProxyBasis};
pub use citizen_inquiry::{CitizenAnswers, CitizenInquiry};
pub use consent_model::{Basis, ConsentModel};
pub use consent_record::{ConsentRecord, ConsentStatus, Contact, ContactKind, Grain, Provision};
pub use decision::{Decision, Obligation, Outcome, Rule};
pub use engine::{EngineError, EngineFault, PolicyEngine, Ruling};
pub use example::{Described, Example, Judged, Said, Who};
pub use facts::{
    CaredFor, CaredForQuestion, CitizenGrantStore, CitizenGrants, ConsentRecords, ConsentStore,
    ConsentStoreError, FactsUnavailable, PatientFacts, PatientRecord, PatientRecords,
    RelationshipStore, Relationships,
};
pub use inquiry::{Answers, Inquiry};
pub use location::WITHHELD_ORGANISATION;
pub use looking::{AccessFacts, AccessRecord, AuditReach};
pub use overrides::{BreakGlassRules, Override, OverrideReason, Overrides};
pub use policy::{Organisation, Policy, PolicyError, RoleRule, SystemRule};
pub use record_view::RecordView;
pub use register::{FlowQuestion, Sharing};
pub use relationship::{Carer, Relationship, RelationshipKind, RelationshipStatus};
pub use relationship_rules::{ClaimRules, RelationshipRule};
pub use release::{AccessDecisions, Refused, Released, Withheld};
pub use sensitivity::SensitivityRule;
pub use terms::{Span, Term, TermPurpose, Terms};
