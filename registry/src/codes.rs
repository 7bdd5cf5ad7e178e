//! Whether the codes of a submission are those of the affinity domain. ITI TF-2: 3.42.4.1.3.3.

use std::collections::{BTreeMap, BTreeSet};

use carerecord_model::{
    AffinityDomain, Code, CodeAttribute, Dtm, ErrorCode, ListedAttribute, ObjectId, RegistryError,
    RegistryErrors, Submission,
};
use jiff::Timestamp;

/// The codes of the affinity domain, and of which attributes they are enforced.
///
/// An attribute that the domain does not list is neither checked nor counted.
#[derive(Clone, Debug, Default)]
pub struct CodeRules {
    domain: AffinityDomain,
    enforced: BTreeSet<ListedAttribute>,
}

/// The domain has no codes of an attribute, yet they are to be enforced.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is enforced, but no file has codes for it")]
pub struct NothingToEnforce(pub ListedAttribute);

impl CodeRules {
    /// Rules that refuse other codes of the attributes `enforced`, and count those of all others.
    ///
    /// # Errors
    /// When the domain lists nothing for an attribute that is enforced: every submission would be
    /// refused.
    pub fn new(
        domain: AffinityDomain,
        enforced: BTreeSet<ListedAttribute>,
    ) -> Result<Self, NothingToEnforce> {
        match enforced.iter().find(|attribute| !domain.lists(**attribute)) {
            Some(attribute) => Err(NothingToEnforce(*attribute)),
            None => Ok(Self { domain, enforced }),
        }
    }

    /// What a submission has that the domain has not now. The time is ours: what the submission
    /// says of its own time would let a source choose the rules.
    pub(crate) fn check(&self, s: &Submission, now: Timestamp) -> Findings {
        let mut found = Findings::default();
        let at = &Dtm::from_timestamp(now);
        each_value(s, |id, attribute, code, scheme| {
            if !self.domain.lists(attribute) || self.domain.has(attribute, code, scheme, at) {
                return;
            }
            if self.enforced.contains(&attribute) {
                found.errors.push(refusal(id, attribute, code, scheme));
            } else {
                let key = (attribute.name(), shortened(code), shortened(scheme));
                *found.unmapped.entry(key).or_default() += 1;
            }
        });
        found
    }
}

/// Codes that the affinity domain has not.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Of attributes that are enforced.
    pub errors: RegistryErrors,
    /// Of the others.
    pub unmapped: UnmappedCodes,
}

/// How often each attribute, code and scheme is used.
pub(crate) type UnmappedCodes = BTreeMap<(&'static str, String, String), i64>;

/// Calls `each` with the object's id, the attribute, the value and its scheme.
fn each_value(s: &Submission, mut each: impl FnMut(&ObjectId, ListedAttribute, &str, &str)) {
    let mut code = |id: &ObjectId, attribute, c: &Code| {
        if !c.is_absent() {
            each(id, ListedAttribute::Code(attribute), &c.code, &c.scheme);
        }
    };
    let set = &s.submission_set;
    code(&set.entry_uuid, CodeAttribute::ContentTypeCode, &set.content_type_code);
    for e in &s.document_entries {
        let single = [
            (CodeAttribute::ClassCode, &e.class_code),
            (CodeAttribute::TypeCode, &e.type_code),
            (CodeAttribute::FormatCode, &e.format_code),
            (CodeAttribute::HealthcareFacilityTypeCode, &e.healthcare_facility_type_code),
            (CodeAttribute::PracticeSettingCode, &e.practice_setting_code),
        ];
        let confidentiality =
            e.confidentiality_codes.iter().map(|c| (CodeAttribute::ConfidentialityCode, c));
        let events = e.event_codes.iter().map(|c| (CodeAttribute::EventCodeList, c));
        for (attribute, c) in single.into_iter().chain(confidentiality).chain(events) {
            code(&e.entry_uuid, attribute, c);
        }
    }
    for f in &s.folders {
        f.codes.iter().for_each(|c| code(&f.entry_uuid, CodeAttribute::FolderCodeList, c));
    }
    for a in &s.associations {
        if let Some(c) = &a.documentation {
            code(&a.entry_uuid, CodeAttribute::AssociationDocumentation, c);
        }
    }
    for e in &s.document_entries {
        each(&e.entry_uuid, ListedAttribute::MimeType, &e.mime_type.essence(), "");
    }
}

fn refusal(id: &ObjectId, attribute: ListedAttribute, code: &str, scheme: &str) -> RegistryError {
    let of = if scheme.is_empty() { String::new() } else { format!(" of the scheme {scheme}") };
    let what = format!("{id}: {attribute} {code}{of} is not a code of this affinity domain");
    RegistryError::error(ErrorCode::XDSRegistryMetadataError, what).at(id.to_string())
}

/// The beginning, which fits into a key of the database. Nobody's code is this long.
fn shortened(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}

const MOST_CHARS: usize = 200;
