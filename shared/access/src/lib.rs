//! Who may see what, and why.
//!
//! Every channel asks here: the registry before it lists, a node before it hands out bytes, the
//! portal before it answers. Nothing that names a patient's document leaves a role except as
//! [`Released`], which only this crate can make, and which carries its [`Decision`].
//!
//! The order of the decision, and the one place where it stands, is `decide.rs`.

#![warn(missing_docs)]

mod agreement;
mod caller;
mod citizen;
mod citizen_inquiry;
mod consent_model;
mod consent_record;
mod decide;
mod decision;
mod example;
mod example_words;
mod facts;
mod inquiry;
mod location;
mod looking;
mod overrides;
mod policy;
mod record_view;
mod register;
mod relationship;
mod relationship_rules;
mod release;
mod sensitivity;

pub use agreement::{AgreementStatus, Flow, Party, SharingAgreement};
pub use caller::{
    Asserted, AssertedPatient, Assurance, Caller, Purpose, Right, SystemCaller, UserCaller,
};
pub use citizen::{Citizen, CitizenGrant, CitizenGrantKind, Proofing, ProxyBasis};
pub use citizen_inquiry::{CitizenAnswers, CitizenInquiry};
pub use consent_model::{Basis, ConsentModel};
pub use consent_record::{ConsentRecord, ConsentStatus, Grain, Provision};
pub use decision::{Decision, Obligation, Outcome, Rule};
pub use example::{Described, Example, Judged, Said, Who};
pub use facts::{
    CitizenGrantStore, CitizenGrants, ConsentRecords, ConsentStore, ConsentStoreError,
    FactsUnavailable, RelationshipStore, Relationships,
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
