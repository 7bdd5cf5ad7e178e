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
}

fn default_max_document_bytes() -> u64 {
    4 << 30
}
