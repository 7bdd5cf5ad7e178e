use carerecord_model::Code;

use super::{SearchError, alternatives, unescaped};
use crate::oid_of_system;

/// A token of a search: `system|code`, `|code`, `code` or `system|`.
#[derive(Clone, Eq, PartialEq)]
pub struct Token {
    /// `None` is any system, empty is no system.
    system: Option<String>,
    code: Option<String>,
}

impl Token {
    /// Whether a code is meant.
    pub fn matches(&self, code: &Code) -> bool {
        self.code.as_ref().is_none_or(|c| *c == code.code)
            && self.system.as_ref().is_none_or(|s| {
                if s.is_empty() {
                    code.scheme.is_empty()
                } else {
                    oid_of_system(s).contains(&code.scheme)
                }
            })
    }

    /// Whether an identifier is meant, given as FHIR has it.
    pub(super) fn matches_identifier(&self, system: Option<&str>, value: &str) -> bool {
        self.code.as_ref().is_none_or(|c| c == value)
            && self.system.as_ref().is_none_or(|s| s == system.unwrap_or(""))
    }

    /// The system, when the token has one; empty is no system.
    pub(super) fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// The code alone, when the token has one.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Code and coding scheme for a stored query; `None` when XDS has no way to ask it.
    pub(super) fn schemes(&self) -> Option<Vec<(String, String)>> {
        let (code, system) = (self.code.as_ref()?, self.system.as_ref()?);
        let schemes = oid_of_system(system);
        Some(schemes.into_iter().map(|scheme| (code.clone(), scheme)).collect())
    }

    fn parse(text: &str) -> Self {
        let code = |s: &str| Some(unescaped(s)).filter(|s| !s.is_empty());
        match split_at_bar(text) {
            Some((system, rest)) => Self { system: Some(unescaped(system)), code: code(rest) },
            None => Self { system: None, code: code(text) },
        }
    }
}

/// A token can hold a patient's identifier.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(redacted)")
    }
}

/// Each inner list is one repetition of the parameter: OR inside, AND between.
pub(super) type Tokens = Vec<Vec<Token>>;

/// The alternatives of one parameter.
pub(super) fn tokens(name: &str, value: &str) -> Result<Vec<Token>, SearchError> {
    let all: Vec<Token> = alternatives(name, value)?.iter().map(|t| Token::parse(t)).collect();
    let says_nothing =
        |t: &Token| t.code.is_none() && t.system.as_deref().is_none_or(str::is_empty);
    if all.iter().any(says_nothing) { Err(SearchError::malformed(name)) } else { Ok(all) }
}

/// At the first bar that no backslash stands before.
fn split_at_bar(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let at = text.bytes().position(|b| {
        let bar = b == b'|' && !escaped;
        escaped = b == b'\\' && !escaped;
        bar
    })?;
    Some((&text[..at], &text[at + 1..]))
}
