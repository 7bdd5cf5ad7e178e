//! What is registered already: documents that are to be replaced, that are there under the same id,
//! and submissions that the node had before.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntry, DocumentRegistry, EntryRef, GetDocuments,
    PortError, StoredQuery, UniqueId,
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

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
        let current = |e: &&DocumentEntry| e.availability_status == AvailabilityStatus::Approved;
        // One that is replaced already is named all the same: a repeat gets the same answer, and
        // anything else is for the registry to refuse.
        let entry = entries.iter().find(current).or(entries.first());
        Ok(match entry.and_then(DocumentEntry::uuid) {
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
) -> Result<Vec<DocumentEntry>, PortError> {
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
        let current = |e: &&DocumentEntry| e.availability_status == AvailabilityStatus::Approved;
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

/// Asks the node whether it had a submission before. Not of each, which would cost a new back-fill
/// as much again: of the first ones, and of more as long as some were there.
pub struct Lookups {
    http: reqwest::Client,
    /// Where submissions are looked up, when the node's address says so.
    base: Option<reqwest::Url>,
    left: AtomicU32,
}

impl Lookups {
    /// At the door of this ITI-41 address.
    pub fn new(http: reqwest::Client, node: &str) -> Self {
        let base = reqwest::Url::parse(node).ok();
        let base = base.and_then(|url| url.join("/submissions/").ok());
        Self { http, base, left: AtomicU32::new(SOME) }
    }

    /// Whether the node had a submission before its first attempt of this run. Not known is no.
    pub async fn was_there(&self, id: &str, begun: Instant) -> bool {
        let count = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_err() {
            return false;
        }
        let Some((received, now)) = self.received(id).await else {
            // A node that does not tell once is not asked again.
            self.left.store(0, Ordering::Relaxed);
            return false;
        };
        // By the node's own clock, which tells seconds.
        let age = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
        let was_there = now.checked_sub(age).is_ok_and(|begun| received < begun);
        if was_there {
            self.left.store(SOME, Ordering::Relaxed);
        }
        was_there
    }

    /// When a submission was received, and the node's time.
    async fn received(&self, id: &str) -> Option<(Timestamp, Timestamp)> {
        let url = self.base.as_ref()?.join(id).ok()?;
        let response = self.http.get(url).timeout(PATIENCE).send().await.ok()?;
        let response = response.error_for_status().ok()?;
        let date = response.headers().get(reqwest::header::DATE)?.to_str().ok()?;
        let now = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        let state: State = response.json().await.ok()?;
        Some((state.received_at, now))
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    received_at: Timestamp,
}

const PATIENT: &str = "patientId";
const SOME: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(5);
