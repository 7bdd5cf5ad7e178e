//! Parameters of searches that are answered from a list: any value of each repetition will do.

use super::SearchError;
use super::patient::is_patient;

/// A parameter's values: those of each repetition.
pub type Values<'p> = Vec<Vec<&'p str>>;

/// A value set, by its system.
#[derive(Clone, Copy, Debug)]
pub struct Codes {
    system: &'static str,
    codes: &'static [&'static str],
}

/// `Consent.status`. FHIR R4.
pub const CONSENT_STATUS: Codes = Codes {
    system: "http://hl7.org/fhir/consent-state-codes",
    codes: &["draft", "proposed", "active", "rejected", "inactive", "entered-in-error"],
};
/// `EpisodeOfCare.status`. FHIR R4.
pub const EPISODE_STATUS: Codes = Codes {
    system: "http://hl7.org/fhir/episode-of-care-status",
    codes: &[
        "planned",
        "waitlist",
        "active",
        "onhold",
        "finished",
        "cancelled",
        "entered-in-error",
    ],
};

/// The values of a parameter, without blanks around them.
///
/// # Errors
/// `Malformed` for one that is blank.
pub fn values<'p>(pairs: &'p [(String, String)], name: &str) -> Result<Values<'p>, SearchError> {
    let own = pairs.iter().filter(|(of, _)| of == name);
    let all: Values<'p> = own.map(|(_, any)| any.split(',').map(str::trim).collect()).collect();
    let has_blank = all.iter().flatten().any(|value| value.is_empty());
    if has_blank { Err(SearchError::malformed(name)) } else { Ok(all) }
}

/// The codes that a parameter asks for.
///
/// # Errors
/// `Malformed` for what the value set has not got, by its system or without one.
pub fn codes<'p>(
    pairs: &'p [(String, String)],
    name: &str,
    set: Codes,
) -> Result<Values<'p>, SearchError> {
    let mut all = values(pairs, name)?;
    for token in all.iter_mut().flatten() {
        let (system, code) = token.split_once('|').unwrap_or((set.system, token));
        if system != set.system || !set.codes.contains(&code) {
            return Err(SearchError::malformed(name));
        }
        *token = code;
    }
    Ok(all)
}

/// The one value of a parameter that has several names: what is asked twice asks for what is both,
/// nothing, and surely a mistake.
///
/// # Errors
/// `Malformed` for two values.
pub fn one_value<'p>(
    pairs: &'p [(String, String)],
    names: &[&str],
) -> Result<Option<(&'p str, &'p str)>, SearchError> {
    let mut all = pairs.iter().filter(|(name, _)| names.contains(&name.as_str()));
    let Some((name, value)) = all.next() else { return Ok(None) };
    match all.find(|(_, other)| other != value) {
        Some((name, _)) => Err(SearchError::malformed(name)),
        None => Ok(Some((name, value))),
    }
}

/// The id of a reference, with or without its type.
///
/// # Errors
/// `Malformed` for a reference to something else than one of `types`.
pub fn reference_id<'v>(
    name: &str,
    reference: &'v str,
    types: &[&str],
) -> Result<&'v str, SearchError> {
    let (kind, id) = reference.split_once('/').unwrap_or((types[0], reference));
    let is_id = !id.trim().is_empty() && !id.contains('/');
    if is_id && types.contains(&kind) { Ok(id) } else { Err(SearchError::malformed(name)) }
}

/// Whether a search says whom it is about.
pub fn names_patient(pairs: &[(String, String)]) -> bool {
    pairs.iter().any(|(name, _)| is_patient(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs;

    #[test]
    fn codes_are_those_of_the_value_set() {
        let system = CONSENT_STATUS.system;
        for (text, expected) in [
            ("", Some(vec![])),
            ("status=active", Some(vec![vec!["active"]])),
            ("status=inactive,%20active%20", Some(vec![vec!["inactive", "active"]])),
            ("status=SYSTEM|active&status=draft", Some(vec![vec!["active"], vec!["draft"]])),
            ("status=", None),
            ("status=%20", None),
            ("status=active,", None),
            ("status=activ", None),
            ("status=Active", None),
            ("status=onhold", None),
            ("status=|active", None),
            ("status=SYSTEM|", None),
            ("status=http://hl7.org/fhir/episode-of-care-status|active", None),
        ] {
            let pairs = pairs(&text.replace("SYSTEM", system));
            assert_eq!(codes(&pairs, "status", CONSENT_STATUS).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_reference_is_to_what_it_may_be() {
        for (reference, id) in [
            ("ZEX01", Some("ZEX01")),
            ("Organization/ZEX01", Some("ZEX01")),
            ("Patient/ZEX01", None),
            ("Organization/", None),
            ("", None),
            ("https://elsewhere.example/fhir/Organization/ZEX01", None),
        ] {
            let found = reference_id("organization", reference, &["Organization"]);
            assert_eq!(found.ok(), id, "{reference}");
        }
    }
}
