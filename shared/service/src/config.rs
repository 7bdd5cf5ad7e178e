//! Reading configuration: TOML files into typed sections, and secrets from files of their own.
//!
//! A section is a struct that derives `Deserialize` with `deny_unknown_fields` and has a
//! `validate()`. Durations and sizes are plain integers whose key ends in the unit: `_ms`,
//! `_seconds`, `_bytes`. A secret is a key that ends in `_file`, of the type [`SecretFile`].

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is longer than any configuration is.
    #[error("{} is longer than {most_bytes} bytes", file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
        /// The limit.
        most_bytes: u64,
    },
    /// The file is not UTF-8.
    #[error("{} is not UTF-8 text", file.display())]
    NotText {
        /// The file.
        file: PathBuf,
    },
    /// The file is not TOML, or has a key that is unknown, missing or of the wrong type.
    #[error("{}, line {line}{}: {problem}", file.display(), in_key(key))]
    Toml {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its section, e.g. `registry.listener.port`, if it can be told.
        key: Option<String>,
        /// What is wrong with it.
        problem: String,
    },
    /// A secret's file has nothing in it.
    #[error("{} holds no secret", file.display())]
    NoSecret {
        /// The file.
        file: PathBuf,
    },
}

/// Reads a TOML file of at most 1 MiB.
///
/// # Errors
/// Names the file, the line and the key that is wrong.
pub fn read_toml<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let text = read_text(file, MAX_CONFIG_BYTES)?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, key) = place(&text, at);
        ConfigError::Toml {
            file: file.to_owned(),
            line,
            key,
            problem: error.message().trim_end().to_owned(),
        }
    })
}

/// The path of a file that holds one secret, as it stands in the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// Names a file.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self(file.into())
    }

    /// Reads the secret, without the white space around it. A relative path is taken from `base`,
    /// the folder of the configuration file.
    ///
    /// # Errors
    /// When the file cannot be read, is empty, or is longer than 64 KiB.
    pub fn read(&self, base: &Path) -> Result<Secret, ConfigError> {
        let file = base.join(&self.0);
        let text = read_text(&file, MAX_SECRET_BYTES)?;
        let secret = text.trim();
        if secret.is_empty() {
            return Err(ConfigError::NoSecret { file });
        }
        Ok(Secret(secret.to_owned()))
    }
}

/// A secret, which no formatter prints.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A secret from elsewhere than a file.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

fn read_text(file: &Path, most_bytes: u64) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(failed)?;
    opened.take(most_bytes + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most_bytes {
        return Err(ConfigError::TooLong { file: file.to_owned(), most_bytes });
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::NotText { file: file.to_owned() })
}

/// The line at a byte, from 1, and the key that line sets, with its section.
fn place(text: &str, at: usize) -> (usize, Option<String>) {
    let before = text.get(..at).unwrap_or(text);
    let number = before.matches('\n').count();
    let mut section = "";
    let mut lines = text.lines();
    for line in lines.by_ref().take(number) {
        section = section_of(line).unwrap_or(section);
    }
    let line = lines.next().unwrap_or_default();
    if let Some(section) = section_of(line) {
        return (number + 1, Some(section.to_owned()));
    }
    let key = line.split_once('=').map(|(key, _)| match section {
        "" => key.trim().to_owned(),
        _ => format!("{section}.{}", key.trim()),
    });
    (number + 1, key)
}

fn section_of(line: &str) -> Option<&str> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let inner = inner.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(inner);
    Some(inner.trim())
}

fn in_key(key: &Option<String>) -> String {
    key.as_ref().map_or_else(String::new, |key| format!(", {key}"))
}

const MAX_CONFIG_BYTES: u64 = 1 << 20;
const MAX_SECRET_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Example {
        name: String,
        node: Node,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Node {
        port: u16,
        token_file: Option<SecretFile>,
    }

    #[test]
    fn a_file_becomes_a_section() {
        let (_folder, file) = written(b"name = 'a'\n[node]\nport = 1\ntoken_file = 'token'\n");

        let example: Example = read_toml(&file).unwrap();

        assert_eq!(example.node.token_file, Some(SecretFile::new("token")));
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let cases: [(&[u8], &str); 5] = [
            (b"name = 'a'\n[node]\nport = 1\nprot = 2\n", ", line 4, node.prot: unknown field"),
            (b"name = 'a'\n\n[node]\nport = 'x'\n", ", line 4, node.port: invalid type"),
            (b"name = 'a'\n[node] # first\n", ", line 2, node: missing field `port`"),
            (b"name = 'a'\nname = 'b'\n", ", line 2, name: duplicate key"),
            (b"name = \n", ", line 1, name: "),
        ];
        for (text, expected) in cases {
            let (_folder, file) = written(text);

            let error = read_toml::<Example>(&file).unwrap_err().to_string();

            assert!(error.starts_with(&file.display().to_string()), "{error}");
            assert!(error.contains(expected), "{error} should contain {expected}");
        }
    }

    #[test]
    fn files_that_are_no_configuration_are_refused() {
        let (folder, long) = written(&vec![b'#'; 2 << 20]);
        assert!(matches!(read_toml::<Example>(&long), Err(ConfigError::TooLong { .. })));

        let (_folder, bytes) = written(&[0xff, 0xfe]);
        assert!(matches!(read_toml::<Example>(&bytes), Err(ConfigError::NotText { .. })));

        let missing = folder.path().join("missing.toml");
        assert!(matches!(read_toml::<Example>(&missing), Err(ConfigError::Read { .. })));
    }

    #[test]
    fn a_secret_is_trimmed_and_never_printed() {
        let (folder, file) = written(b"  correct horse \n");
        let relative = SecretFile::new(file.file_name().unwrap());

        let secret = relative.read(folder.path()).unwrap();

        assert_eq!(secret.expose(), "correct horse");
        assert!(!format!("{secret:?}").contains("horse"));
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let (folder, file) = written(b" \n");

        let error = SecretFile::new(file).read(folder.path()).unwrap_err();

        assert!(matches!(error, ConfigError::NoSecret { .. }));
    }

    fn written(text: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("example.toml");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }
}
