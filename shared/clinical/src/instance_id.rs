use aws_lc_rs::digest;
use serde::Serialize;

/// An identifier with its namespace: a CDA `II`, or a FHIR Identifier.
///
/// `Debug` is redacted: the identifier of a patient is one of these.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct InstanceId {
    /// The CDA root as it stands, or the FHIR system with `urn:oid:` taken off.
    pub root: String,
    /// The CDA extension or FHIR value. `None` when the root alone identifies.
    pub extension: Option<String>,
    /// Who assigned it, when the document names them; `ODS:SYSTEM` in ITK.
    pub assigning_authority_name: Option<String>,
}

impl InstanceId {
    /// The identifier in the form of an XDS uniqueId. ITI TF-3: 4.2.3.2.26.
    ///
    /// An OID root gives `root` or `root^extension`. A UUID, as the root of CDA or the value of
    /// FHIR, gives `urn:uuid:` and lower case. Everything else (a FHIR system that is a URL, or
    /// more than 128 characters) gives `2.25.` and the first 128 bits of the SHA-256 of
    /// `root^extension` as a decimal number: the same input always gives the same OID.
    pub fn unique_id(&self) -> String {
        let root = self.root.trim();
        let extension = self.extension.as_deref().map(str::trim).filter(|e| !e.is_empty());
        let plain = match extension {
            None if is_oid(root) => root.to_owned(),
            None => match uuid(root) {
                Some(uuid) => format!("urn:uuid:{uuid}"),
                None => return hashed(root),
            },
            Some(value) if is_oid(root) => format!("{root}^{value}"),
            Some(value) => match (uuid(root), uuid(value)) {
                (None, Some(value)) => format!("urn:uuid:{value}"),
                (Some(root), _) => format!("urn:uuid:{root}^{value}"),
                (None, None) => match value.strip_prefix("urn:oid:").filter(|v| is_oid(v)) {
                    Some(oid) => oid.to_owned(),
                    None => return hashed(&format!("{root}^{value}")),
                },
            },
        };
        if plain.len() > MAX_LENGTH || plain.chars().any(char::is_control) {
            return hashed(&plain);
        }
        plain
    }
}

impl std::fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstanceId(redacted)")
    }
}

fn hashed(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let number = hash.as_ref().iter().take(16).fold(0u128, |n, b| (n << 8) | u128::from(*b));
    format!("2.25.{number}")
}

/// Whether the text is an OID: digits in arcs, at least two of them.
pub(crate) fn is_oid(text: &str) -> bool {
    let arc = |a: &str| !a.is_empty() && a.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 128 && text.contains('.') && text.split('.').all(arc)
}

/// The UUID in lower case and without `urn:uuid:`.
fn uuid(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix("urn:uuid:").unwrap_or(&lower);
    let groups: Vec<&str> = bare.split('-').collect();
    let lengths = groups.iter().map(|g| g.len()).eq([8, 4, 4, 4, 12]);
    let hex = groups.iter().all(|g| g.bytes().all(|b| b.is_ascii_hexdigit()));
    (lengths && hex).then(|| bare.to_owned())
}

const MAX_LENGTH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_unique_id() {
        let id = |root: &str, extension: Option<&str>| {
            let extension = extension.map(str::to_owned);
            InstanceId { root: root.into(), extension, ..InstanceId::default() }.unique_id()
        };
        let upper = "A709A442-3CF4-476E-8377-376500E829C9";
        let urn = "urn:uuid:a709a442-3cf4-476e-8377-376500e829c9";

        assert_eq!(id("1.2.3", None), "1.2.3");
        assert_eq!(id("1.2.3", Some("A 1")), "1.2.3^A 1");
        assert_eq!(id(upper, None), urn);
        assert_eq!(id("urn:ietf:rfc:3986", Some(urn)), urn);
        assert_eq!(id("urn:ietf:rfc:3986", Some("urn:oid:1.2.3")), "1.2.3");
        assert_eq!(id("https://x.example/id", Some(upper)), urn);
        let long = id("1.2.3", Some(&"x".repeat(500)));
        assert!(long.starts_with("2.25.") && long.len() <= 44, "{long}");
        assert_eq!(long, id("1.2.3", Some(&"x".repeat(500))));
        assert_ne!(long, id("https://x.example/id", Some("doc-1")));
    }
}
