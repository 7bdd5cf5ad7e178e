//! Codes that are asked for, with the modifiers that they take.

use carerecord_model::Code;

use super::SearchError;
use super::token::{Token, tokens};

/// One repetition of a parameter about codes.
#[derive(Clone, Debug)]
pub(super) enum CodeTest {
    /// Any of these.
    Any(Vec<Token>),
    /// `:not`: none of these, nor any at all where there is none.
    Not(Vec<Token>),
    /// `:missing`
    Missing(Missing),
}

/// `:missing=true` or `false`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Missing(bool);

impl Missing {
    pub(super) fn parse(name: &str, value: &str) -> Result<Self, SearchError> {
        match value {
            "true" => Ok(Self(true)),
            "false" => Ok(Self(false)),
            _ => Err(SearchError::malformed(name)),
        }
    }

    /// Whether something that is there, or is not, is asked for.
    pub(super) fn fits(self, is_there: bool) -> bool {
        self.0 != is_there
    }
}

impl CodeTest {
    pub(super) fn parse(
        name: &str,
        modifier: Option<&str>,
        value: &str,
    ) -> Result<Self, SearchError> {
        match modifier {
            None => Ok(Self::Any(tokens(name, value)?)),
            Some("not") => Ok(Self::Not(tokens(name, value)?)),
            Some("missing") => Ok(Self::Missing(Missing::parse(name, value)?)),
            Some(_) => Err(SearchError::unsupported(name)),
        }
    }

    pub(super) fn matches<'a>(&self, codes: impl IntoIterator<Item = &'a Code>) -> bool {
        let mut codes = codes.into_iter().filter(|code| !code.is_absent());
        match self {
            Self::Any(any) => codes.any(|code| any.iter().any(|token| token.matches(code))),
            Self::Not(none) => !codes.any(|code| none.iter().any(|token| token.matches(code))),
            Self::Missing(missing) => missing.fits(codes.next().is_some()),
        }
    }
}

/// The name and the modifier of a parameter.
pub(super) fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once(':').map_or((name, None), |(name, modifier)| (name, Some(modifier)))
}
