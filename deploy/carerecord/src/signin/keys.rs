use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the signing key {} cannot be read or written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever reads the file can make tokens.
    #[error("the signing key {} can be read by others: chmod 600 it", file.display())]
    ReadByOthers {
        /// The file.
        file: PathBuf,
    },
    /// The file is not a key of ours.
    #[error("{} is not a signing key: remove it and a new one is made", file.display())]
    NotAKey {
        /// The file.
        file: PathBuf,
    },
    /// The cryptography library failed.
    #[error("no signing key could be made")]
    Generate,
}

/// A token that is not ours, or not good any more. Says no more than that, on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the token is not valid")]
pub(super) struct InvalidToken;

/// What a token is for; stands in its header, so that one kind cannot pass for the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TokenKind {
    /// Who signed in. OpenID Connect Core 1.0, 2.
    Id,
    /// What may be asked of the API. RFC 9068.
    Access,
    /// That a session is over. OpenID Connect Back-Channel Logout 1.0.
    Logout,
}

impl TokenKind {
    fn typ(self) -> &'static str {
        match self {
            Self::Id => "JWT",
            Self::Access => "at+jwt",
            Self::Logout => "logout+jwt",
        }
    }
}

/// The one key this provider signs with: ECDSA on P-256 with SHA-256 (`ES256`).
pub(super) struct SigningKey {
    key_id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    public: JwkSet,
}

impl SigningKey {
    /// Reads the key, or makes one in a file that only its owner can read.
    pub(super) fn load_or_create(file: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { file: file.to_owned(), source };
        let bytes = match File::open(file) {
            Ok(opened) => {
                let mode = opened.metadata().map_err(failed)?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(KeyError::ReadByOthers { file: file.to_owned() });
                }
                let mut bytes = Vec::new();
                opened.take(MAX_KEY_BYTES).read_to_end(&mut bytes).map_err(failed)?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let bytes = generate()?;
                write(file, &bytes).map_err(failed)?;
                bytes
            }
            Err(error) => return Err(failed(error)),
        };
        Self::from_pkcs8(&bytes).ok_or_else(|| KeyError::NotAKey { file: file.to_owned() })
    }

    fn from_pkcs8(bytes: &[u8]) -> Option<Self> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).ok()?;
        let signing = EncodingKey::from_ec_der(bytes);
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::ES256).ok()?;
        let key_id = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
        jwk.common.key_id = Some(key_id.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { key_id, signing, verifying, public: JwkSet { keys: vec![jwk] } })
    }

    /// What others check our tokens with.
    pub(super) fn public_set(&self) -> &JwkSet {
        &self.public
    }

    /// Signs claims as a compact token.
    pub(super) fn sign<T: Serialize>(
        &self,
        kind: TokenKind,
        claims: &T,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.typ().to_owned());
        header.kid = Some(self.key_id.clone());
        jsonwebtoken::encode(&header, claims, &self.signing)
    }

    /// Checks signature and kind of a token, and nothing else: time, issuer and audience are for
    /// the caller, who owns the clock.
    pub(super) fn verify<T: DeserializeOwned>(
        &self,
        kind: TokenKind,
        token: &str,
    ) -> Result<T, InvalidToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(InvalidToken);
        }
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let token = jsonwebtoken::decode::<T>(token, &self.verifying, &validation)
            .map_err(|_| InvalidToken)?;
        if token.header.typ.as_deref() != Some(kind.typ()) {
            return Err(InvalidToken);
        }
        Ok(token.claims)
    }
}

fn generate() -> Result<Vec<u8>, KeyError> {
    let pair =
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeyError::Generate)?;
    Ok(pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?.as_ref().to_vec())
}

/// Writes beside and renames, so that a crash leaves no half key to trip over.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("new");
    if let Err(error) = fs::remove_file(&beside)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&beside, file)
}

const MAX_KEY_BYTES: u64 = 4096;
const MAX_TOKEN_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_key_outlasts_a_restart_and_is_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signin.key");

        let first = SigningKey::load_or_create(&file).unwrap();
        let second = SigningKey::load_or_create(&file).unwrap();

        let token = first.sign(TokenKind::Access, &json!({ "sub": "1" })).unwrap();
        let claims: Value = second.verify(TokenKind::Access, &token).unwrap();
        assert_eq!(claims, json!({ "sub": "1" }));
        assert_eq!(first.public_set().keys[0].common.key_id, Some(second.key_id));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn one_kind_of_token_does_not_pass_for_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("signin.key")).unwrap();

        let token = key.sign(TokenKind::Id, &json!({ "sub": "1" })).unwrap();

        assert_eq!(key.verify::<Value>(TokenKind::Access, &token), Err(InvalidToken));
    }

    #[test]
    fn tokens_of_another_key_or_of_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ours = SigningKey::load_or_create(&folder.path().join("ours")).unwrap();
        let theirs = SigningKey::load_or_create(&folder.path().join("theirs")).unwrap();
        let foreign = theirs.sign(TokenKind::Access, &json!({ "sub": "1" })).unwrap();
        // {"alg":"none","typ":"at+jwt"} . {"sub":"1"} .
        let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.eyJzdWIiOiIxIn0.";

        for token in [foreign.as_str(), unsigned, "", "a.b.c"] {
            assert_eq!(ours.verify::<Value>(TokenKind::Access, token), Err(InvalidToken));
        }
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signin.key");
        fs::write(&file, b"not a key").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let open = SigningKey::load_or_create(&file).err();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let broken = SigningKey::load_or_create(&file).err();

        assert!(matches!(open, Some(KeyError::ReadByOthers { .. })));
        assert!(matches!(broken, Some(KeyError::NotAKey { .. })));
    }
}
