use super::dom::Element;
use super::{HL7, SAML, SamlError};

/// Names of the attributes that IHE XUA speaks of. ITI TF-2: 3.40.4.1.2.
pub mod name {
    /// The person's name in plain text.
    pub const SUBJECT_ID: &str = "urn:oasis:names:tc:xspa:1.0:subject:subject-id";
    /// The organisation's name in plain text.
    pub const ORGANIZATION: &str = "urn:oasis:names:tc:xspa:1.0:subject:organization";
    /// The organisation's id, a URI.
    pub const ORGANIZATION_ID: &str = "urn:oasis:names:tc:xspa:1.0:subject:organization-id";
    /// The requester's community.
    pub const HOME_COMMUNITY_ID: &str = "urn:ihe:iti:xca:2010:homeCommunityId";
    /// A provider id of old.
    pub const NPI: &str = "urn:oasis:names:tc:xspa:1.0:subject:npi";
    /// A provider id with its root.
    pub const PROVIDER_IDENTIFIER: &str = "urn:ihe:iti:xua:2017:subject:provider-identifier";
    /// The job role.
    pub const ROLE: &str = "urn:oasis:names:tc:xacml:2.0:subject:role";
    /// What for.
    pub const PURPOSE_OF_USE: &str = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse";
    /// The patient.
    pub const RESOURCE_ID: &str = "urn:oasis:names:tc:xacml:2.0:resource:resource-id";
    /// The consent document.
    pub const CONSENT_DOCUMENT: &str = "urn:ihe:iti:bppc:2007:docid";
    /// The policy that the patient has consented to.
    pub const CONSENT_POLICY: &str = "urn:ihe:iti:xua:2012:acp";
}

/// An attribute and its values. The same name may come several times, with values that add up.
#[derive(Clone, Eq, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// What it says.
    pub values: Vec<AttributeValue>,
}

/// A value of an attribute.
#[derive(Clone, Eq, PartialEq)]
pub enum AttributeValue {
    /// Plain text, on one line.
    Text(String),
    /// A code: `<Role>`, `<PurposeOfUse>` and their like.
    Coded(Coded),
    /// An identifier with its root.
    Instance(Instance),
    /// Something that is not known here.
    Other,
}

/// An HL7 v3 `CE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coded {
    /// The element's name: `Role`.
    pub element: String,
    /// The code.
    pub code: String,
    /// The OID of its code system; empty when there is none.
    pub system: String,
}

/// An HL7 v3 `II`.
#[derive(Clone, Eq, PartialEq)]
pub struct Instance {
    /// The OID of whoever gave the id.
    pub root: String,
    /// The id.
    pub extension: String,
}

/// Adds the attributes of one statement.
pub(super) fn read_attributes(
    statement: Element<'_>,
    all: &mut Vec<Attribute>,
) -> Result<(), SamlError> {
    for attribute in statement.children() {
        if !attribute.is(SAML, "Attribute") {
            return Err(SamlError::Structure);
        }
        let name = attribute.attr("Name").ok_or(SamlError::Structure)?.to_owned();
        let mut values = Vec::new();
        for value in attribute.children() {
            if !value.is(SAML, "AttributeValue") {
                return Err(SamlError::Structure);
            }
            values.push(read_value(value)?);
        }
        all.push(Attribute { name, values });
    }
    Ok(())
}

fn read_value(value: Element<'_>) -> Result<AttributeValue, SamlError> {
    let mut children = value.children();
    let Some(child) = children.next() else { return value.line().map(AttributeValue::Text) };
    if child.ns() != HL7 || children.next().is_some() || !value.only_elements() {
        return Ok(AttributeValue::Other);
    }
    let attr = |name: &str| child.attr(name).unwrap_or_default().trim().to_owned();
    if child.attr("root").is_some() {
        let (root, extension) = (attr("root"), attr("extension"));
        return Ok(AttributeValue::Instance(Instance { root, extension }));
    }
    let (code, system) = (attr("code"), attr("codeSystem"));
    if code.is_empty() {
        return Ok(AttributeValue::Other);
    }
    Ok(AttributeValue::Coded(Coded { element: child.local().to_owned(), code, system }))
}

impl super::Assertion {
    /// Every value of the attributes of a name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a AttributeValue> {
        self.attributes.iter().filter(move |a| a.name == name).flat_map(|a| &a.values)
    }

    /// Those that are plain text and not empty.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name).filter_map(|value| match value {
            AttributeValue::Text(text) if !text.is_empty() => Some(text.as_str()),
            AttributeValue::Text(_)
            | AttributeValue::Coded(_)
            | AttributeValue::Instance(_)
            | AttributeValue::Other => None,
        })
    }
}
