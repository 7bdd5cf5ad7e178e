use carerecord_model::{EntryUuid, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Rule, Span, Terms};

/// What a person has said about their record: an objection or a permission. Kept for ever; lifting
/// it makes a new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsentRecord {
    /// The record's id, the FHIR Consent's logical id.
    pub id: Uuid,
    /// Counted from 1.
    pub version: u32,
    /// Whose record it is about.
    pub patient: NhsNumber,
    /// Whether it is in force.
    pub status: ConsentStatus,
    /// What it says.
    pub provision: Provision,
    /// Who decided, in words fit for the clinician, e.g. `the patient`.
    pub set_by: String,
    /// The organisation that recorded it.
    pub organisation: OrganisationCode,
    /// When the person decided: "since when".
    pub since: Timestamp,
    /// The last instant it holds; `None` is without end.
    pub until: Option<Timestamp>,
    /// The policy it was set under.
    pub policy_uri: Option<String>,
    /// When this version was recorded.
    pub recorded_at: Timestamp,
    /// Who recorded this version, for the audit.
    pub recorded_by: String,
}

impl ConsentRecord {
    /// Whether it is in force at `now`.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.status == ConsentStatus::Active
            && self.since <= now
            && self.until.is_none_or(|until| now <= until)
    }
}

/// Whether a consent record is in force.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentStatus {
    /// In force.
    Active,
    /// Lifted or withdrawn.
    Inactive,
    /// Recorded by mistake.
    EnteredInError,
}

/// What a consent record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provision {
    /// Do not share what the grain names.
    Objection(Grain),
    /// Share with this organisation, or with all when none is named: what an explicit consent
    /// model asks for.
    Permission {
        /// To whom; `None` is every organisation of the agreement.
        recipient: Option<OrganisationCode>,
    },
    /// Anything else: several limits together, or exceptions.
    Terms(Box<Terms>),
}

/// How much an objection covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grain {
    /// Everything.
    WholeRecord,
    /// Everything that comes from this organisation.
    Source(OrganisationCode),
    /// This document, in this version.
    Document(EntryUuid),
    /// Documents of this class.
    Class {
        /// The class code.
        code: String,
        /// Its coding scheme; `None` matches any: sources write one code system in several ways, and
        /// an objection holds whichever way it is written.
        scheme: Option<String>,
        /// Where `scheme` is none, those that are meant: a yes is to these alone. None are where no
        /// code system was named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        schemes: Vec<String>,
    },
    /// Everything, towards this organisation.
    Recipient(OrganisationCode),
    /// Documents with this confidentiality code or a higher one: `U`, `L`, `M`, `N`, `R` or `V`.
    Label(String),
    /// Documents with this handling tag, e.g. `PSY`, or with one that is a part of what it means.
    Tag(String),
    /// Documents written in this time, or about care in it.
    Authored(Span),
    /// Documents that name this contact with care.
    Related(Contact),
}

impl Grain {
    /// The rule that an objection to it tells.
    pub(crate) fn rule(&self) -> Rule {
        match self {
            Self::WholeRecord => Rule::ObjectionWholeRecord,
            Self::Recipient(_) => Rule::ObjectionRecipient,
            Self::Source(_) => Rule::ObjectionSource,
            Self::Document(_) => Rule::ObjectionDocument,
            Self::Class { .. } => Rule::ObjectionClass,
            Self::Label(_) | Self::Tag(_) => Rule::ObjectionLabel,
            Self::Authored(_) => Rule::ObjectionPeriod,
            Self::Related(_) => Rule::ObjectionRelated,
        }
    }
}

/// What documents can be a part of, as they name it in their referenceIdList. ITI TF-3: 4.2.3.2.28.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Of which kind.
    pub kind: ContactKind,
    /// Its identifier, as its source knows it.
    pub id: String,
    /// The OID, or else URI, of what the identifier is unique in; `None` for one that is unique by
    /// itself.
    pub scheme: Option<String>,
    /// All that mean the same, where they are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
}

impl Contact {
    /// What the identifier can be unique in.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = Option<&str>> {
        std::iter::once(self.scheme.as_deref()).chain(self.schemes.iter().map(|s| Some(s.as_str())))
    }
}

/// A kind of contact. PCF: `provision.data` with meaning `related`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactKind {
    /// One that metadata name as such.
    Encounter,
    /// A plan of care.
    CarePlan,
    /// An episode of care.
    EpisodeOfCare,
}
