use std::path::PathBuf;

use carerecord_model::{
    AffinityDomain, Clock as _, Code, CodeAttribute, DocumentEntry, Dtm, ListedAttribute,
    SystemClock,
};

use super::{Cells, CodeMaps, Given, Prepared, Source, prepare};

/// Makes submissions, and finds what is wrong with them before anything is sent.
pub struct Check {
    codes: CodeMaps,
    options: Given,
    /// The codes that documents may have, when they are checked here.
    domain: Option<AffinityDomain>,
}

impl Check {
    /// # Errors
    /// When a file of the affinity domain's codes cannot be used.
    pub fn new(codes: CodeMaps, options: Given, domain: &[PathBuf]) -> anyhow::Result<Self> {
        let domain = match domain {
            [] => None,
            files => Some(crate::codes::domain(files)?),
        };
        Ok(Self { codes, options, domain })
    }

    /// The submission of a document.
    ///
    /// # Errors
    /// Why it cannot be published, for a person to act on.
    pub fn prepare(&self, source: &Source, cells: &Cells) -> Result<Prepared, String> {
        let given = cells.over(&self.options, &self.codes)?;
        let prepared = prepare(source, &given, &self.codes)?;
        let entry = prepared.submission.document_entries.first();
        if let Some((domain, entry)) = self.domain.as_ref().zip(entry) {
            let now = Dtm::from_timestamp(SystemClock.now());
            let others = others(entry, domain, &now);
            if !others.is_empty() {
                let all = others.join(", ");
                return Err(format!("not a code of the affinity domain: {all}"));
            }
        }
        Ok(prepared)
    }
}

/// The codes that the domain lists the attribute of, but not them.
fn others(entry: &DocumentEntry, domain: &AffinityDomain, now: &Dtm) -> Vec<String> {
    let single = [
        (CodeAttribute::ClassCode, &entry.class_code),
        (CodeAttribute::TypeCode, &entry.type_code),
        (CodeAttribute::FormatCode, &entry.format_code),
        (CodeAttribute::HealthcareFacilityTypeCode, &entry.healthcare_facility_type_code),
        (CodeAttribute::PracticeSettingCode, &entry.practice_setting_code),
    ];
    let of = |attribute, code: &Code| {
        (ListedAttribute::Code(attribute), code.code.clone(), code.scheme.clone())
    };
    let confidentiality =
        entry.confidentiality_codes.iter().map(|c| of(CodeAttribute::ConfidentialityCode, c));
    let events = entry.event_codes.iter().map(|c| of(CodeAttribute::EventCodeList, c));
    let mime_type = entry.mime_type.essence();
    single
        .into_iter()
        .map(|(attribute, code)| of(attribute, code))
        .chain(confidentiality)
        .chain(events)
        .chain([(ListedAttribute::MimeType, mime_type, String::new())])
        .filter(|(attribute, code, scheme)| {
            domain.lists(*attribute) && !domain.has(*attribute, code, scheme, now)
        })
        .map(|(attribute, code, _)| format!("{attribute} {code}"))
        .collect()
}
