use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// Why a text is not the identifier it should be. Never carries the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing was given.
    #[error("the identifier is empty")]
    Empty,
    /// Longer than the standard or the store allows.
    #[error("the identifier is longer than {0} characters")]
    TooLong(usize),
    /// Not dotted decimal, or a component has a leading zero.
    #[error("the identifier is not an OID")]
    NotAnOid,
    /// `urn:oid:` is missing.
    #[error("the identifier does not begin with urn:oid:")]
    MissingUrnOid,
    /// Not `urn:uuid:` and a UUID.
    #[error("the identifier is not of the form urn:uuid:<UUID>")]
    NotAUuid,
    /// Characters other than letters and digits, or a wrong length.
    #[error("the organisation code is not 3 to 12 letters and digits")]
    NotAnOrganisation,
    /// A control character.
    #[error("the identifier has a control character")]
    Control,
}

/// Declares a newtype over text that serialises as that text.
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::text::from_text(deserializer)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// Declares a newtype over a bare OID of at most 64 characters.
macro_rules! oid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        text_newtype!($(#[$doc])* $name);

        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(s: &str) -> Result<Self, IdentifierError> {
                s.parse::<Oid>().map(|oid| Self(oid.0))
            }
        }
    };
}

text_newtype!(
    /// An ISO object identifier in dotted decimal, at most 128 characters. ITI TF-3: 4.2.3.1.
    Oid
);

impl FromStr for Oid {
    type Err = IdentifierError;

    fn from_str(s: &str) -> Result<Self, IdentifierError> {
        if s.len() > MAX_OID {
            return Err(IdentifierError::TooLong(MAX_OID));
        }
        let mut arcs = s.split('.');
        let root = arcs.next().is_some_and(|arc| matches!(arc, "0" | "1" | "2"));
        let mut count = 0;
        for arc in arcs {
            let digits = !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit());
            if !digits || (arc.len() > 1 && arc.starts_with('0')) {
                return Err(IdentifierError::NotAnOid);
            }
            count += 1;
        }
        if !root || count == 0 {
            return Err(IdentifierError::NotAnOid);
        }
        Ok(Self(s.to_owned()))
    }
}

impl Oid {
    /// The OID of a UUID under the arc 2.25, for identifiers of our own making.
    pub fn from_uuid(id: Uuid) -> Self {
        Self(format!("2.25.{}", id.as_u128()))
    }
}

oid_newtype!(
    /// Names a repository; the repository itself puts it into every entry. ITI TF-3: 4.2.3.2.18.
    RepositoryUniqueId
);
oid_newtype!(
    /// Names the system that sent a SubmissionSet. ITI TF-3: 4.2.3.3.9.
    SourceId
);

/// A repository node is named by its repositoryUniqueId everywhere.
pub type NodeId = RepositoryUniqueId;

text_newtype!(
    /// Identifies a community, e.g. `urn:oid:1.2.3.4`. ITI TF-3: 4.2.3.2.
    HomeCommunityId
);

impl FromStr for HomeCommunityId {
    type Err = IdentifierError;

    fn from_str(s: &str) -> Result<Self, IdentifierError> {
        let oid = s.strip_prefix("urn:oid:").ok_or(IdentifierError::MissingUrnOid)?;
        oid.parse::<Oid>()?;
        Ok(Self(s.to_owned()))
    }
}

text_newtype!(
    /// The globally unique id of a document, SubmissionSet or Folder: an OID, a UUID, `root^ext`
    /// or another string of at most 256 characters. Case-sensitive, never normalised.
    /// ITI TF-3: 4.2.3.2.26.
    UniqueId
);

impl FromStr for UniqueId {
    type Err = IdentifierError;

    fn from_str(s: &str) -> Result<Self, IdentifierError> {
        if s.is_empty() {
            return Err(IdentifierError::Empty);
        }
        if s.chars().count() > MAX_UNIQUE_ID {
            return Err(IdentifierError::TooLong(MAX_UNIQUE_ID));
        }
        if s.chars().any(char::is_control) {
            return Err(IdentifierError::Control);
        }
        Ok(Self(s.to_owned()))
    }
}

text_newtype!(
    /// An organisation's ODS code: 3 to 12 letters and digits, upper case.
    OrganisationCode
);

impl FromStr for OrganisationCode {
    type Err = IdentifierError;

    fn from_str(s: &str) -> Result<Self, IdentifierError> {
        let s = s.trim();
        let fits = (3..=12).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits {
            return Err(IdentifierError::NotAnOrganisation);
        }
        Ok(Self(s.to_ascii_uppercase()))
    }
}

/// Declares a newtype over a UUID whose wire form is `urn:uuid:` and lower case.
macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare UUID.
            pub fn uuid(&self) -> Uuid {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;

            fn from_str(s: &str) -> Result<Self, IdentifierError> {
                let text = s.strip_prefix("urn:uuid:").ok_or(IdentifierError::NotAUuid)?;
                // The other forms that the uuid crate reads (braces, no hyphens) are not XDS.
                if text.len() != 36 {
                    return Err(IdentifierError::NotAUuid);
                }
                Uuid::parse_str(text).map(Self).map_err(|_| IdentifierError::NotAUuid)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "urn:uuid:{}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

uuid_newtype!(
    /// Identifies one version of one metadata object in the registry. ITI TF-3: 4.2.3.2.10.
    EntryUuid
);
uuid_newtype!(
    /// Identifies a metadata object over all its versions. Equals the first version's `EntryUuid`.
    LogicalId
);

/// An object's `@id` in a message: a real UUID, or a symbol that only this message knows.
/// ITI TF-3: 4.2.1.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum ObjectId {
    /// `urn:uuid:…`, lower case.
    Uuid(EntryUuid),
    /// Any other text: to be replaced by a fresh UUID when the object is registered.
    Symbol(String),
}

impl ObjectId {
    /// The UUID, when it is one.
    pub fn uuid(&self) -> Option<EntryUuid> {
        match self {
            Self::Uuid(id) => Some(*id),
            Self::Symbol(_) => None,
        }
    }
}

impl FromStr for ObjectId {
    type Err = IdentifierError;

    /// # Errors
    /// Empty, over 256 characters, or `urn:uuid:` followed by something that is no UUID.
    fn from_str(s: &str) -> Result<Self, IdentifierError> {
        if s.starts_with("urn:uuid:") {
            return s.parse().map(Self::Uuid);
        }
        if s.is_empty() {
            return Err(IdentifierError::Empty);
        }
        if s.len() > MAX_UNIQUE_ID {
            return Err(IdentifierError::TooLong(MAX_UNIQUE_ID));
        }
        Ok(Self::Symbol(s.to_owned()))
    }
}

impl From<EntryUuid> for ObjectId {
    fn from(id: EntryUuid) -> Self {
        Self::Uuid(id)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(id) => id.fmt(f),
            Self::Symbol(symbol) => f.write_str(symbol),
        }
    }
}

/// The standard says 64; real OIDs of documents (2.25 and a UUID below another arc) run longer.
const MAX_OID: usize = 128;
const MAX_UNIQUE_ID: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids() {
        assert!("2.999.30.1".parse::<Oid>().is_ok());
        for bad in ["", "2", "3.1", "2.01", "2..1", "2.a", "2.1."] {
            assert_eq!(bad.parse::<Oid>(), Err(IdentifierError::NotAnOid), "{bad}");
        }
    }

    #[test]
    fn uuids_are_lower_cased_and_strict() {
        let id: EntryUuid = "urn:uuid:AAAAAAAA-0000-4000-8000-000000000001".parse().unwrap();

        assert_eq!(id.to_string(), "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001");
        assert!("aaaaaaaa-0000-4000-8000-000000000001".parse::<EntryUuid>().is_err());
        assert!("urn:uuid:aaaaaaaa000040008000000000000001".parse::<EntryUuid>().is_err());
    }

    #[test]
    fn symbols_are_told_from_uuids() {
        assert_eq!("Document01".parse(), Ok(ObjectId::Symbol("Document01".into())));
        assert_eq!("urn:uuid:oops".parse::<ObjectId>(), Err(IdentifierError::NotAUuid));
    }
}
