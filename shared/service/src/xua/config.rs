use std::collections::BTreeMap;
use std::path::PathBuf;

use carerecord_access::{Assurance, Purpose};
use carerecord_codec::saml::SubjectMethod;
use carerecord_model::OrganisationCode;
use serde::Deserialize;

/// What a door makes of assertions.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum XuaMode {
    /// They are not read. A sender who says that they must be understood is refused.
    #[default]
    Off,
    /// A message may carry one; without it the caller is the system.
    Accepted,
    /// Every SOAP message carries one.
    Required,
}

/// The `[xua]` section: whose assertions are believed, and what their words mean here.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XuaConfig {
    /// The names that this deployment goes by: an assertion must be meant for one of them.
    pub audiences: Vec<String>,
    /// How far the clocks of issuers may differ.
    #[serde(default = "skew")]
    pub skew_seconds: u32,
    /// How long an assertion may hold.
    #[serde(default = "lifetime")]
    pub max_lifetime_seconds: u32,
    /// Who may use an assertion again.
    #[serde(default)]
    pub reuse: Reuse,
    /// Whose assertions are believed.
    pub issuer: Vec<IssuerConfig>,
    /// Job roles in the words of issuers.
    #[serde(default)]
    pub role: Vec<RoleMapping>,
    /// Purposes in the words of issuers, beside HL7's.
    #[serde(default)]
    pub purpose: Vec<PurposeMapping>,
    /// Organisations in the words of issuers, beside ODS codes: `organization-id` to ODS code.
    #[serde(default)]
    pub organisation: BTreeMap<String, OrganisationCode>,
    /// How strong a sign-in is, by `AuthnContextClassRef`, beside those of SAML and CIS2.
    #[serde(default)]
    pub assurance: BTreeMap<String, Assurance>,
}

/// Who may use an assertion again before it ends. One that says `OneTimeUse` is used once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    /// The peer that used it first: by its certificate, else by its address.
    #[default]
    SamePeer,
    /// Nobody.
    Never,
}

/// An issuer of assertions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// Its entity id, as `Issuer` has it.
    pub name: String,
    /// Files with the certificates of the keys that it signs with, in PEM. They are read again when
    /// they change.
    pub certificates: Vec<PathBuf>,
    /// The organisations that it may speak for.
    #[serde(default)]
    pub organisations: Vec<OrganisationCode>,
    /// Whether it may speak for every organisation.
    #[serde(default)]
    pub any_organisation: bool,
    /// How the person may be confirmed.
    #[serde(default = "confirmations")]
    pub confirmation: Vec<Confirmed>,
    /// Whether SHA-1 is taken from it.
    #[serde(default)]
    pub sha1: bool,
}

/// How the subject is confirmed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmed {
    /// Whoever has the assertion.
    Bearer,
    /// Whoever has the certificate that it names.
    HolderOfKey,
    /// The system says whose it is.
    SenderVouches,
}

impl From<Confirmed> for SubjectMethod {
    fn from(confirmed: Confirmed) -> Self {
        match confirmed {
            Confirmed::Bearer => Self::Bearer,
            Confirmed::HolderOfKey => Self::HolderOfKey,
            Confirmed::SenderVouches => Self::SenderVouches,
        }
    }
}

/// A job role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleMapping {
    /// The OID of the code system.
    pub system: String,
    /// The code.
    pub code: String,
    /// The role that the access rules know.
    pub role: String,
}

/// A purpose.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurposeMapping {
    /// The OID of the code system.
    pub system: String,
    /// The code.
    pub code: String,
    /// What it means.
    pub purpose: Purpose,
}

fn skew() -> u32 {
    60
}

fn lifetime() -> u32 {
    3600
}

fn confirmations() -> Vec<Confirmed> {
    vec![Confirmed::Bearer, Confirmed::HolderOfKey]
}
