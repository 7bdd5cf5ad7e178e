use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Cx, CxError, NHS_NUMBER_OID, NhsNumber, Oid};

/// The patient of an object: identifier and assigning authority. ITI TF-3: 4.2.3.2.16.
///
/// Patient data: `Debug` is redacted; the wire form is the explicit `to_cx`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String")]
pub struct PatientId(Cx);

impl PatientId {
    /// The patient with this NHS Number.
    pub fn from_nhs_number(number: NhsNumber) -> Self {
        let authority: Oid = NHS_NUMBER_OID.parse().expect("the constant is an OID");
        Self(Cx { id: number.digits(), authority })
    }

    /// The identifier without its authority.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Who assigned the identifier.
    pub fn authority(&self) -> &Oid {
        &self.0.authority
    }

    /// The NHS Number, when the authority is the NHS's and the number is valid.
    pub fn nhs_number(&self) -> Option<NhsNumber> {
        (self.0.authority.as_str() == NHS_NUMBER_OID).then(|| self.0.id.parse().ok()).flatten()
    }

    /// The wire form, `9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO`.
    pub fn to_cx(&self) -> String {
        self.0.to_wire()
    }
}

impl FromStr for PatientId {
    type Err = CxError;

    fn from_str(s: &str) -> Result<Self, CxError> {
        Cx::parse(s).map(Self)
    }
}

impl<'de> Deserialize<'de> for PatientId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_text(deserializer)
    }
}

impl From<PatientId> for String {
    fn from(id: PatientId) -> String {
        id.to_cx()
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientId(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nhs_number_both_ways() {
        let id: PatientId = "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO".parse().unwrap();

        let number = id.nhs_number().unwrap();

        assert_eq!(PatientId::from_nhs_number(number), id);
        assert!(!format!("{id:?}").contains("999"));
    }
}
