use carerecord_model::{OrganisationCode, RepositoryUniqueId};
use serde::Deserialize;

/// The section of a repository node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryConfig {
    /// The node's own id, which it puts into every entry.
    pub repository_unique_id: RepositoryUniqueId,
    /// The organisation that runs the node.
    pub organisation: OrganisationCode,
    /// The longest document taken, in bytes; 4 GiB unless given.
    #[serde(default = "default_max_document_bytes")]
    pub max_document_bytes: u64,
    /// What becomes of a submission while the registry cannot be reached.
    #[serde(default)]
    pub when_registry_is_away: WhenAway,
    /// For how many days the bytes of a removed document are kept, while nobody is given them; 7
    /// unless given.
    #[serde(default = "default_grace_days")]
    pub grace_days: u16,
    /// For how many days a submission that the registry refuses is kept, so that it can be tried again
    /// when the reason is mended; 0, which keeps nothing, unless given.
    #[serde(default)]
    pub keep_refused_days: u16,
}

/// What a node does with a submission that cannot be registered now.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum WhenAway {
    /// It says so at once, and the source sends it again later.
    #[default]
    Refuse,
    /// It keeps the submission, answers with a warning, and registers it later in the order of
    /// arrival.
    Keep,
}

fn default_grace_days() -> u16 {
    7
}

fn default_max_document_bytes() -> u64 {
    4 << 30
}
