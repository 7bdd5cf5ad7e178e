use serde::Deserialize;

/// The `[portal]` section, as far as the API goes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalConfig {
    /// Where clients reach the FHIR API, e.g. `http://127.0.0.1:8080/fhir`.
    pub base_url: String,
    /// The sign-in provider: `iss` of its tokens.
    pub issuer: String,
    /// What access tokens must be for: their `aud`.
    #[serde(default = "default_audience")]
    pub audience: String,
    /// The ids that more clients than the web portal have at the sign-in provider. Its logout tokens
    /// for them are taken.
    #[serde(default)]
    pub sign_in_clients: Vec<String>,
    /// How long one source may take before the answer goes without it.
    #[serde(default = "default_deadline_ms")]
    pub source_deadline_ms: u64,
    /// The longest transaction that is taken, documents in base64 included.
    #[serde(default = "default_max_bundle_bytes")]
    pub max_bundle_bytes: usize,
}

fn default_max_bundle_bytes() -> usize {
    16 << 20
}

fn default_audience() -> String {
    "carerecord-api".to_owned()
}

fn default_deadline_ms() -> u64 {
    2_000
}
