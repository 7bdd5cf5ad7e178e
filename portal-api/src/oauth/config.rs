use std::path::PathBuf;

use carerecord_access::Purpose;
use carerecord_model::OrganisationCode;
use serde::Deserialize;

/// The `[portal.oauth]` section. Paths are taken from the folder of the configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthConfig {
    /// The key that access tokens are signed with (PKCS#8 in PEM).
    pub key: PathBuf,
    /// The public keys by which tokens are believed, that one and those before it (a JWK set).
    pub keys: PathBuf,
    /// How long access tokens are good for.
    #[serde(default = "seconds")]
    pub access_token_seconds: u32,
    /// The systems, and the apps of people.
    #[serde(default, rename = "client")]
    pub clients: Vec<ClientConfig>,
}

/// A `[[portal.oauth.client]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// Its client_id: what it is called in access rules and the audit record.
    pub id: String,
    /// The organisation that it acts for.
    pub organisation: OrganisationCode,
    /// That organisation's name, for tokens.
    pub organisation_name: Option<String>,
    /// What people call an app.
    pub name: Option<String>,
    /// Where an app has people sent back to: with one it is an app that people sign in for, and no
    /// system. Each is compared letter by letter.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The public keys that it signs its assertions with; an app without is a public client.
    pub keys: Option<ClientKeysConfig>,
    /// What it may ask for at most: SMART scopes such as `system/DocumentReference.rs`, or
    /// `system/DocumentReference.c` to publish; of an app `launch/patient`, `patient/*.rs`,
    /// `user/*.rs` and the like.
    pub scopes: Vec<String>,
    /// What for; the first one where it says nothing, which apps never do.
    #[serde(default = "purposes")]
    pub purposes: Vec<Purpose>,
    /// Whether it is a resource server, that may ask what a token is worth.
    #[serde(default)]
    pub may_introspect: bool,
    /// How often it may ask for tokens.
    #[serde(default = "per_minute")]
    pub requests_per_minute: u32,
}

/// The public keys of a client.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ClientKeysConfig {
    /// A file with a JWK set, read again when it changes.
    File(PathBuf),
    /// A JWK set.
    Inline(serde_json::Value),
}

fn seconds() -> u32 {
    300
}

fn purposes() -> Vec<Purpose> {
    vec![Purpose::DirectCare]
}

fn per_minute() -> u32 {
    60
}
