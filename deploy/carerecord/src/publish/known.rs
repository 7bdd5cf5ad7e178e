//! What is registered already: documents that are to be replaced, and that are there under the same
//! id.

use std::sync::Arc;

use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntry, DocumentRegistry, EntryRef, GetDocuments,
    PortError, StoredQuery, UniqueId,
};

use super::courier::{Attempt, Courier, Tries, Unanswered};
use super::{Prepared, Source};
use crate::peer::RegistryClient;

impl Courier {
    /// Looks up the document that is to be replaced; says what came of it, or why the document
    /// cannot go without it.
    pub(super) async fn find_replaced(
        &self,
        prepared: &mut Prepared,
        replaced: &UniqueId,
        tries: &mut Tries,
    ) -> Result<Result<String, String>, Unanswered> {
        let entries = self
            .persist(tries, async || {
                let asked = entries(&self.registry, replaced);
                let why = match tokio::time::timeout(self.silence, asked).await {
                    Ok(Ok(found)) => return Attempt::Done(found),
                    Ok(Err(error)) => error,
                    Err(_) => PortError::Late,
                };
                let words =
                    format!("the registry (--registry) could not be asked for {replaced}: {why}");
                match why {
                    PortError::Transaction(_) => Attempt::Never(words),
                    PortError::Unavailable(_)
                    | PortError::Refused { .. }
                    | PortError::Late
                    | PortError::Protocol(_) => Attempt::Again(words, None),
                }
            })
            .await?;
        let current =
            |e: &&Arc<DocumentEntry>| e.availability_status == AvailabilityStatus::Approved;
        // One that is replaced already is named all the same: a repeat gets the same answer, and
        // anything else is for the registry to refuse.
        let entry = entries.iter().find(current).or(entries.first());
        Ok(match entry.and_then(|e| e.uuid()) {
            Some(uuid) => {
                prepared.replace(uuid);
                Ok(format!("replaces {replaced}"))
            }
            None if prepared.must_replace => Err(format!("{replaced} is not registered")),
            None => Ok(format!("{replaced}, which it replaces, is not registered")),
        })
    }
}

async fn entries(
    registry: &RegistryClient,
    id: &UniqueId,
) -> Result<Vec<Arc<DocumentEntry>>, PortError> {
    let ids = EntryRef::UniqueIds(vec![id.clone()]);
    let query = StoredQuery::GetDocuments(GetDocuments::of(ids));
    Ok(registry.stored_query(&query).await?.document_entries)
}

/// What the registry has under a document's id.
pub(super) enum Known {
    /// The very same.
    Same,
    /// The same document, with these attributes other than ours.
    Differs(Vec<&'static str>),
    Nothing,
    /// It could not be asked.
    Silent,
}

impl Known {
    pub async fn ask(registry: &RegistryClient, prepared: &Prepared, source: &Source) -> Self {
        let Some(ours) = prepared.submission.document_entries.first() else { return Self::Nothing };
        let Ok(found) = entries(registry, &ours.unique_id).await else { return Self::Silent };
        let current =
            |e: &&Arc<DocumentEntry>| e.availability_status == AvailabilityStatus::Approved;
        let Some(theirs) = found.iter().find(current).or(found.first()) else {
            return Self::Nothing;
        };
        let mut others = differences(ours, theirs);
        let sha1 = source.sha1().await.ok();
        let hash = theirs.hash.as_deref();
        if !hash.zip(sha1).is_some_and(|(theirs, ours)| theirs.eq_ignore_ascii_case(&ours)) {
            others.push("hash");
        }
        let replaces =
            |a: &carerecord_model::Association| a.association_type == AssociationType::Replace;
        if prepared.submission.associations.iter().any(replaces) {
            others.push("the document that it replaces");
        }
        if others.is_empty() { Self::Same } else { Self::Differs(others) }
    }

    /// What is so, and what a person can do.
    pub fn words(&self, prepared: &Prepared) -> String {
        let id = prepared.unique_id();
        match self {
            Self::Same => "it is there already".to_owned(),
            Self::Differs(what) if what.contains(&PATIENT) => {
                format!("{id} is registered for another patient: find out whose it is first")
            }
            Self::Differs(what) => format!(
                "{id} is there already with other metadata ({}); leave it, or put this one in its \
                 place with --replaces {id} (in a manifest, the column \"replaces\")",
                what.join(", ")
            ),
            Self::Nothing => format!("the registry shows no document {id}; its id is taken"),
            Self::Silent => format!(
                "the registry (--registry) could not be asked what differs; if {id} is there with \
                 other metadata, --replaces {id} puts this one in its place"
            ),
        }
    }
}

/// The attributes that differ, of those that a source sets.
fn differences(ours: &DocumentEntry, theirs: &DocumentEntry) -> Vec<&'static str> {
    let [a, b] = [ours, theirs];
    let title = |e: &DocumentEntry| e.title.iter().map(|t| t.value.clone()).collect::<Vec<_>>();
    [
        (PATIENT, a.patient_id != b.patient_id),
        ("creationTime", a.creation_time != b.creation_time),
        ("title", title(a) != title(b)),
        ("typeCode", a.type_code != b.type_code),
        ("classCode", a.class_code != b.class_code),
        ("formatCode", a.format_code != b.format_code),
        ("mimeType", a.mime_type != b.mime_type),
        ("languageCode", a.language_code != b.language_code),
        ("confidentialityCode", a.confidentiality_codes != b.confidentiality_codes),
        ("eventCodeList", a.event_codes != b.event_codes),
        (
            "healthcareFacilityTypeCode",
            a.healthcare_facility_type_code != b.healthcare_facility_type_code,
        ),
        ("practiceSettingCode", a.practice_setting_code != b.practice_setting_code),
        ("serviceStartTime", a.service_start_time != b.service_start_time),
        ("serviceStopTime", a.service_stop_time != b.service_stop_time),
        ("author", a.authors != b.authors),
        ("legalAuthenticator", a.legal_authenticator != b.legal_authenticator),
        ("sourcePatientId", a.source_patient_id != b.source_patient_id),
        ("sourcePatientInfo", a.source_patient_info != b.source_patient_info),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

const PATIENT: &str = "patientId";

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{CodeMaps, Given, prepare};
    use super::*;

    fn prepared(title: &str, patient: &str) -> Prepared {
        let organisation = "ZEX01".parse().unwrap();
        let patient = Some(patient.parse().unwrap());
        let mut given = Given::new(patient, organisation, "Royal Example Hospital".into());
        (given.title, given.created) = (Some(title.into()), Some("2024".parse().unwrap()));
        let source = Source::of(Bytes::from_static(b"Seen at home."));
        prepare(&source, &given, &CodeMaps::load(None).unwrap()).unwrap()
    }

    fn between(ours: &Prepared, theirs: &Prepared) -> Vec<&'static str> {
        let entry = |p: &Prepared| p.submission.document_entries[0].clone();
        let mut theirs = entry(theirs);
        // What the repository adds is no difference.
        (theirs.size, theirs.hash) = (Some(13), Some("00".repeat(20)));
        differences(&entry(ours), &theirs)
    }

    #[test]
    fn what_differs_is_told_by_name_and_never_by_value() {
        let ours = prepared("Visit", "9990001006");

        assert!(between(&ours, &prepared("Visit", "9990001006")).is_empty());
        let titled = between(&ours, &prepared("Secret", "9990001006"));
        assert_eq!(titled, ["title"]);
        let words = Known::Differs(titled).words(&ours);
        assert!(words.contains(&format!("--replaces {}", ours.unique_id())), "{words}");
        assert!(!words.contains("Secret") && !words.contains("Visit"), "{words}");
        let whose = between(&ours, &prepared("Visit", "9990001022"));
        assert!(whose.contains(&PATIENT), "{whose:?}");
        let words = Known::Differs(whose).words(&ours);
        assert!(words.contains("another patient") && !words.contains("--replaces"), "{words}");
    }
}
