use crate::{IdentifierError, Oid};

/// Why an HL7 v2 datatype in a metadata value is wrong. Never carries the value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Hl7Error {
    /// A component that must be there is empty.
    #[error("component {0} is missing")]
    MissingComponent(usize),
    /// A component that must be empty is not.
    #[error("component {0} must be empty")]
    UnexpectedComponent(usize),
    /// The assigning authority is not `&OID&ISO`.
    #[error("the assigning authority is not of the form &OID&ISO")]
    AssigningAuthority,
}

/// Why a CX value is wrong.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CxError {
    /// The shape `ID^^^&OID&ISO` is not kept.
    #[error(transparent)]
    Shape(#[from] Hl7Error),
    /// The assigning authority is not an OID.
    #[error(transparent)]
    Oid(#[from] IdentifierError),
}

/// An identifier with its assigning authority, `ID^^^&OID&ISO`. ITI TF-3: 4.2.3.1.7.
///
/// Patient data: `Debug` is redacted by the types that hold it.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Cx {
    /// The identifier itself, unescaped and not empty.
    pub id: String,
    /// Who assigned it.
    pub authority: Oid,
}

impl Cx {
    /// Reads `ID^^^&OID&ISO`; trailing separators are of no meaning.
    ///
    /// # Errors
    /// `CxError` names the component that is wrong.
    pub fn parse(s: &str) -> Result<Self, CxError> {
        let parts = components(s, '^');
        let part = |n: usize| parts.get(n - 1).copied().unwrap_or("");
        if part(1).is_empty() {
            return Err(Hl7Error::MissingComponent(1).into());
        }
        if let Some(n) = (2..=parts.len()).find(|n| *n != 4 && !part(*n).is_empty()) {
            return Err(Hl7Error::UnexpectedComponent(n).into());
        }
        let authority = components(part(4), '&');
        match authority.as_slice() {
            ["", oid, "ISO"] => Ok(Self { id: unescape(part(1)), authority: oid.parse()? }),
            _ => Err(Hl7Error::AssigningAuthority.into()),
        }
    }

    /// The wire form, `ID^^^&OID&ISO`.
    pub fn to_wire(&self) -> String {
        format!("{}^^^&{}&ISO", escape(&self.id), self.authority)
    }
}

/// Splits at `separator`, after trimming trailing separators. Components stay escaped.
pub fn components(s: &str, separator: char) -> Vec<&str> {
    s.trim_end_matches(separator).split(separator).collect()
}

/// Undoes the HL7 v2 escapes `\F\ \S\ \T\ \R\ \E\`; other text is left as it is.
pub fn unescape(s: &str) -> String {
    if !s.contains('\\') {
        return s.to_owned();
    }
    let mut out = String::with_capacity(s.len());
    let mut rest = s;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at..];
        let code = ESCAPES.iter().find(|(code, _)| tail.starts_with(code));
        match code {
            Some((code, c)) => {
                out.push(*c);
                rest = &tail[code.len()..];
            }
            None => {
                out.push('\\');
                rest = &tail[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Escapes the HL7 v2 separators in a component.
pub fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match ESCAPES.iter().find(|(_, plain)| *plain == c) {
            Some((code, _)) => out.push_str(code),
            None => out.push(c),
        }
    }
    out
}

const ESCAPES: [(&str, char); 5] =
    [("\\F\\", '|'), ("\\S\\", '^'), ("\\T\\", '&'), ("\\R\\", '~'), ("\\E\\", '\\')];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cx_keeps_the_shape() {
        let cx = Cx::parse("P-1001^^^&2.999.10.1&ISO").unwrap();

        assert_eq!(cx.id, "P-1001");
        assert_eq!(cx.to_wire(), "P-1001^^^&2.999.10.1&ISO");
        assert!(Cx::parse("P-1001^^^&2.999.10.1&ISO^^^").is_ok());
    }

    #[test]
    fn cx_refuses_other_shapes() {
        for bad in [
            "",
            "^^^&2.999&ISO",
            "A^B^^&2.999&ISO",
            "A^^^NS&2.999&ISO",
            "A^^^&2.999&DNS",
            "A^^^&x&ISO",
            "A^^^&2.999&ISO^PI",
            "A",
        ] {
            assert!(Cx::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn escape_is_undone(s in ".*") {
            prop_assert_eq!(unescape(&escape(&s)), s);
        }
    }
}
