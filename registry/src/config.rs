use carerecord_model::NumberPolicy;
use serde::Deserialize;

/// The `[registry]` section.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// What to do with a valid NHS Number that the patient index does not have.
    pub unknown_patients: UnknownPatients,
    /// Which ranges of NHS Numbers are taken: `live`, `test` or `any`.
    pub number_policy: NumberPolicy,
    /// Whether objects labelled as of limited metadata are taken, with the codes that they have.
    pub limited_metadata: bool,
}

/// What to do with a patient whom nobody has told of.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownPatients {
    /// Refuse the submission with `XDSUnknownPatientId`.
    #[default]
    Reject,
    /// Take it, and note the person as the source describes them.
    Accept,
}
