use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::hl7::{Hl7Error, components, unescape};

/// An author with what belongs to that author. ITI TF-3: 4.2.3.2.1.
///
/// At least one of person, institution and telecommunication is there.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Author {
    /// The person or device.
    pub person: Option<Xcn>,
    /// The organisations, in the order given.
    #[serde(default)]
    pub institutions: Vec<Xon>,
    /// Roles: free text or `code^^^&scheme&ISO`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Specialties: free text or `code^^^&scheme&ISO`.
    #[serde(default)]
    pub specialties: Vec<String>,
    /// Ways to reach the author.
    #[serde(default)]
    pub telecommunications: Vec<Xtn>,
}

/// Declares a newtype over an HL7 v2 value that is kept exactly as it came.
macro_rules! hl7_newtype {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(into = "String")]
        pub struct $name(String);

        impl $name {
            /// The value exactly as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Component `n`, counted from 1, unescaped; empty when absent.
            pub fn component(&self, n: usize) -> String {
                let mut components = self.0.split('^');
                components.nth(n - 1).map(unescape).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = Hl7Error;

            fn from_str(s: &str) -> Result<Self, Hl7Error> {
                $check(s)?;
                Ok(Self(s.to_owned()))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::from_text(deserializer)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    };
}

hl7_newtype!(
    /// A person, `ID^Family^Given^Middle^Suffix^Prefix^Degree^^&OID&ISO`. ITI TF-3: 4.2.3.1.7.
    Xcn,
    person
);
hl7_newtype!(
    /// An organisation, `Name^^^^^&OID&ISO^^^^Id`. ITI TF-3: 4.2.3.1.7.
    Xon,
    organisation
);
hl7_newtype!(
    /// A telephone number or e-mail address. ITI TF-3: 4.2.3.1.7.
    Xtn,
    telecommunication
);

impl Xcn {
    /// A name for people, `Dr Ada Okafor`; the id when there is no name.
    pub fn display_name(&self) -> String {
        let parts = components(&self.0, '^');
        let part = |n: usize| unescape(parts.get(n - 1).copied().unwrap_or_default());
        let mut name = part(6);
        for more in [3, 4, 2, 5].map(part).iter().filter(|more| !more.is_empty()) {
            if !name.is_empty() {
                name.push(' ');
            }
            name.push_str(more);
        }
        if name.is_empty() { part(1) } else { name }
    }
}

impl Xon {
    /// The organisation's name.
    pub fn name(&self) -> String {
        self.component(1)
    }

    /// The organisation's identifier within its authority, e.g. an ODS code.
    pub fn id(&self) -> Option<String> {
        Some(self.component(10)).filter(|id| !id.is_empty())
    }

    /// The OID of the authority that gave the identifier.
    pub fn authority(&self) -> Option<String> {
        let authority = self.0.split('^').nth(5)?;
        authority.split('&').nth(1).map(str::to_owned).filter(|oid| !oid.is_empty())
    }
}

fn person(s: &str) -> Result<(), Hl7Error> {
    let parts = components(s, '^');
    let has = |n: usize| parts.get(n - 1).is_some_and(|p| !p.trim().is_empty());
    if has(1) || has(2) { Ok(()) } else { Err(Hl7Error::MissingComponent(2)) }
}

fn organisation(s: &str) -> Result<(), Hl7Error> {
    let parts = components(s, '^');
    if parts.first().is_none_or(|p| p.trim().is_empty()) {
        return Err(Hl7Error::MissingComponent(1));
    }
    let id = parts.get(9).copied().unwrap_or("");
    let authority = parts.get(5).copied().unwrap_or("");
    if !id.is_empty() && id.parse::<crate::Oid>().is_err() && authority.is_empty() {
        return Err(Hl7Error::AssigningAuthority);
    }
    Ok(())
}

fn telecommunication(s: &str) -> Result<(), Hl7Error> {
    // Real peers send a bare number or address as often as the full form: any text will do.
    if components(s, '^').iter().all(|p| p.trim().is_empty()) {
        return Err(Hl7Error::MissingComponent(3));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisation_parts() {
        let xon: Xon = "Royal Example Hospital^^^^^&2.16.840.1.113883.2.1.3.2.4.19.1&ISO^^^^ZEX01"
            .parse()
            .unwrap();

        assert_eq!(xon.name(), "Royal Example Hospital");
        assert_eq!(xon.id().as_deref(), Some("ZEX01"));
        assert_eq!(xon.authority().as_deref(), Some("2.16.840.1.113883.2.1.3.2.4.19.1"));
    }

    #[test]
    fn person_needs_id_or_family_name() {
        assert!("^Okafor^Ngozi".parse::<Xcn>().is_ok());
        assert!("77123".parse::<Xcn>().is_ok());
        assert!("^^Ngozi".parse::<Xcn>().is_err());
        let full: Xcn = "77123^Okafor^Ngozi^^^Dr.^^^&2.999.10.9&ISO".parse().unwrap();
        assert_eq!(full.display_name(), "Dr. Ngozi Okafor");
    }

    #[test]
    fn id_without_authority_is_refused() {
        assert!("Hospital^^^^^^^^^17".parse::<Xon>().is_err());
        assert!("Hospital^^^^^^^^^2.999.50.1".parse::<Xon>().is_ok());
    }
}
