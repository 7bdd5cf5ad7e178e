use carerecord_clinical::{Coding, DocumentHeader, Kind};
use carerecord_model::{
    AvailabilityStatus, Code, DocumentEntry, DocumentEntryType, Dtm, ExtraMetadata,
    LocalizedString, NhsNumber, ObjectId, Oid, PatientId, UniqueId, escape,
};

use super::people::{authors, patient_info, person};
use super::{CodeMaps, Given, Source};

/// A document that is being read.
pub(super) struct Reading<'a> {
    pub header: Option<&'a DocumentHeader>,
    pub kind: &'a Kind,
    pub source: &'a Source,
    pub given: &'a Given,
    pub codes: &'a CodeMaps,
}

impl Reading<'_> {
    fn type_code(&self, notes: &mut Vec<&'static str>) -> Code {
        let own = self.header.and_then(|h| h.types.iter().find_map(code));
        self.given.type_code.clone().or(own).unwrap_or_else(|| {
            notes.push("its type is not known; --type gives one");
            self.codes.defaults.type_code.clone()
        })
    }

    /// A date is never invented: a file without one of its own has that of its last change.
    fn creation_time(&self, notes: &mut Vec<&'static str>) -> Result<Dtm, String> {
        let own = self.header.and_then(|h| h.creation_time.clone());
        if let Some(time) = own.or_else(|| self.given.created.clone()) {
            return Ok(time);
        }
        let modified = self.source.modified().cloned();
        let time = modified.ok_or("nothing says when it was made; give that with --created")?;
        notes.push("dated by its file's last change; --created gives a date");
        Ok(time)
    }

    fn title(&self) -> Option<String> {
        self.header.and_then(|h| h.title.clone()).or_else(|| self.given.title.clone())
    }
    fn class_code(&self, type_code: &Code) -> Code {
        let own = self.header.and_then(|h| h.categories.iter().find_map(code));
        own.unwrap_or_else(|| self.codes.class_of(&type_code.code))
    }

    fn confidentiality(&self) -> Code {
        let default = &self.codes.defaults.confidentiality;
        self.header
            .and_then(|h| h.confidentiality.as_ref())
            .filter(|c| ["U", "L", "M", "N", "R", "V"].contains(&c.code.as_str()))
            .map_or_else(
                || default.clone(),
                |c| Code::new(c.code.clone(), default.scheme.clone(), label(&c.code)),
            )
    }

    fn format_code(&self) -> Code {
        let any = "urn:ihe:iti:xds:2017:mimeTypeSufficient";
        self.header.and_then(|h| h.formats.first()).map_or_else(
            || Code::new(any, "1.3.6.1.4.1.19376.1.2.3", "MIME type sufficient"),
            |f| Code::new(f.clone(), "urn:carerecord:format", f.clone()),
        )
    }

    /// The code of the header, or the default of the maps.
    fn code_or(&self, own: impl Fn(&DocumentHeader) -> Option<&Coding>, default: &Code) -> Code {
        self.header.and_then(own).and_then(code).unwrap_or_else(|| default.clone())
    }

    /// The number that the source has for the patient, else the NHS Number.
    fn source_patient_id(&self, patient: NhsNumber) -> String {
        let local = self.header.and_then(|h| h.patient.as_ref()).and_then(|p| p.local_ids.first());
        let local = local.filter(|id| id.root.parse::<Oid>().is_ok()).and_then(|id| {
            let number = id.extension.as_ref()?;
            Some(format!("{}^^^&{}&ISO", escape(number), id.root))
        });
        local.unwrap_or_else(|| PatientId::from_nhs_number(patient).to_cx())
    }
}

/// The metadata of the document.
pub(super) fn entry(
    reading: &Reading<'_>,
    patient: NhsNumber,
    unique_id: UniqueId,
    notes: &mut Vec<&'static str>,
) -> Result<DocumentEntry, String> {
    let Reading { header, kind, given, codes, .. } = *reading;
    let d = &codes.defaults;
    let type_code = reading.type_code(notes);
    let title =
        reading.title().map(|t| LocalizedString::new(t.chars().take(128).collect::<String>()));
    Ok(DocumentEntry {
        entry_uuid: ObjectId::Symbol("Document01".to_owned()),
        logical_id: None,
        version: 0,
        entry_type: DocumentEntryType::Stable,
        availability_status: AvailabilityStatus::Approved,
        patient_id: PatientId::from_nhs_number(patient),
        unique_id,
        repository_unique_id: None,
        home_community_id: None,
        mime_type: kind.mime_type().parse().map_err(|_| "no MIME type".to_owned())?,
        hash: None,
        size: None,
        creation_time: Some(reading.creation_time(notes)?),
        service_start_time: header.and_then(|h| h.service_start.clone()),
        service_stop_time: header.and_then(ordered_stop),
        language_code: header
            .and_then(|h| h.language.clone())
            .unwrap_or_else(|| d.language.clone()),
        class_code: reading.class_code(&type_code),
        type_code,
        format_code: reading.format_code(),
        healthcare_facility_type_code: reading.code_or(|h| h.facility_type.as_ref(), &d.facility),
        practice_setting_code: reading.code_or(|h| h.practice_setting.as_ref(), &d.practice),
        confidentiality_codes: vec![reading.confidentiality()],
        event_codes: header
            .map(|h| h.event_codes.iter().filter_map(code).collect())
            .unwrap_or_default(),
        authors: authors(header, given),
        legal_authenticator: header.and_then(|h| h.legal_authenticator.as_ref()).and_then(person),
        source_patient_id: Some(reading.source_patient_id(patient)),
        source_patient_info: patient_info(header),
        reference_ids: Vec::new(),
        title: title.into_iter().collect(),
        comments: Vec::new(),
        uri: None,
        online: true,
        extra: ExtraMetadata::default(),
    })
}

/// A stop before the start is left out rather than refused: the header is not ours to mend.
fn ordered_stop(h: &DocumentHeader) -> Option<Dtm> {
    let stop = h.service_stop.clone()?;
    match &h.service_start {
        Some(start) if *start > stop => None,
        Some(_) | None => Some(stop),
    }
}

fn code(coding: &Coding) -> Option<Code> {
    let scheme = coding.system.as_deref().map(|s| match s {
        "http://snomed.info/sct" => "2.16.840.1.113883.6.96",
        "http://loinc.org" => "2.16.840.1.113883.6.1",
        other => other.strip_prefix("urn:oid:").unwrap_or(other),
    })?;
    let code = coding.code.trim();
    let display = coding.display.clone().unwrap_or_else(|| code.to_owned());
    let there = !code.is_empty() && !scheme.is_empty() && !display.trim().is_empty();
    there.then(|| Code::new(code, scheme, display))
}

fn label(code: &str) -> &'static str {
    match code {
        "R" => "restricted",
        "V" => "very restricted",
        "U" => "unrestricted",
        "L" => "low",
        "M" => "moderate",
        _ => "normal",
    }
}
