//! Puts a pack together: each part as far as the asker may see it, and what could not be had, named.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use carerecord_access::{AuditReach, Caller, RecordView, Refused};
use carerecord_audit::{AuditEvent, AuditOutcome, AuditQuestion, DocumentRef};
use carerecord_fhir::{SourceState, consent_resource};
use carerecord_model::NhsNumber;
use carerecord_service::AuditDraft;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::io;
use tokio_util::sync::CancellationToken;

use super::contents::{Accesses, Contents, Index, Note};
use super::manifest::{MANIFEST, Manifest, SIGNATURE};
use super::state::Given;
use super::zip::Zip;
use super::{AccessPacks, Job, Made, Stage};
use crate::Portal;
use crate::error::FhirError;
use crate::looking::{LogState, Turned};
use crate::opened::Opened;

/// Why a pack was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackError {
    #[error(transparent)]
    NotAnswered(#[from] FhirError),
    #[error("the folder of packs failed: {0}")]
    Folder(#[from] io::Error),
    #[error("the page of a pack cannot be made: {0}")]
    Page(#[from] askama::Error),
    #[error("what is in a pack cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the key of the log cannot be used: {0}")]
    Key(String),
    #[error("the record of it could not be stored")]
    NotRecorded,
    #[error(
        "all packs together take as much room as they may, or it does not fit in what one may take"
    )]
    NoRoom,
}

impl From<Refused> for PackError {
    fn from(refused: Refused) -> Self {
        Self::NotAnswered(refused.into())
    }
}

/// A pack on its way.
pub(super) struct Filling<'a> {
    pub portal: &'a Portal,
    pub packs: &'a AccessPacks,
    pub job: &'a Job,
    /// The record of the making.
    pub audit: &'a AuditDraft,
    pub reach: AuditReach,
    pub opened: Opened,
    pub zip: Zip,
    pub contents: Contents,
    /// The documents whose bytes are in it.
    pub given: Vec<DocumentRef>,
    /// What was kept out, for the record alone.
    pub withheld: usize,
    /// Under which facts it is made.
    facts: Given,
}

impl Portal {
    /// Makes a pack, unless it is removed meanwhile or the process ends.
    pub(super) async fn make_pack(
        &self,
        packs: &AccessPacks,
        job: Job,
        draining: &CancellationToken,
    ) {
        let id = job.pack.id;
        let audit = AuditDraft::detached(self.pack_event(&job));
        tokio::select! {
            biased;
            () = job.progress.stop.cancelled() => {}
            () = draining.cancelled() => {}
            () = audit.noting(job.request(), self.make_and_keep(packs, &job, &audit)) => {}
        }
        // Of what was broken off as well.
        if let Err(error) = self.record_sent(packs, &audit).await {
            tracing::error!(%error, pack = %id, "messages for an access pack are not recorded");
        }
        packs.making(|making| making.remove(&id));
        if job.progress.stop.is_cancelled()
            && let Err(error) = packs.0.store.remove(id).await
        {
            tracing::warn!(%error, pack = %id, "what is left of an access pack stays");
        }
    }

    /// Stores the records of what was sent for a pack so far.
    pub(super) async fn record_sent(
        &self,
        packs: &AccessPacks,
        audit: &AuditDraft,
    ) -> Result<(), PackError> {
        let sent = audit.sent_records(self.ids.as_ref(), self.clock.now());
        let stored = try_join_all(sent.into_iter().map(|event| packs.0.log.append(event))).await;
        stored.map(drop).map_err(|_| PackError::NotRecorded)
    }

    async fn make_and_keep(&self, packs: &AccessPacks, job: &Job, audit: &AuditDraft) {
        let mut pack = job.pack.clone();
        pack.stage = match self.make(packs, job, audit).await {
            Ok(made) => Stage::Ready(made),
            Err(error) => {
                tracing::warn!(%error, pack = %pack.id, "an access pack could not be made");
                Stage::Failed
            }
        };
        pack.expires_at = packs.expiry(self.clock.now());
        if let Err(error) = packs.0.store.keep(&pack).await {
            tracing::error!(%error, pack = %pack.id, "what became of an access pack is not kept");
        }
    }

    /// Puts the pack where it is fetched from, when the record of it is durable.
    async fn make(
        &self,
        packs: &AccessPacks,
        job: &Job,
        audit: &AuditDraft,
    ) -> Result<Made, PackError> {
        let room = packs.reserve(job.pack.id).await?;
        let filled = match &room {
            Some(room) => self.fill_in_patience(packs, job, audit, room.most).await,
            None => Err(PackError::NoRoom),
        };
        let made_at = self.clock.now();
        let outcome = match &filled {
            Ok(_) => AuditOutcome::Success,
            Err(PackError::NotAnswered(FhirError::Refused(refused))) => {
                audit.decision(&refused.decision);
                AuditOutcome::Refused
            }
            Err(_) => AuditOutcome::Failed,
        };
        let took = made_at.duration_since(job.pack.asked_at).as_millis();
        let event = AuditEvent {
            recorded_at: made_at,
            // Nobody was answered.
            status: 0,
            duration_ms: u64::try_from(took).unwrap_or_default(),
            ..audit.to_commit(outcome)
        };
        packs.0.log.append(event).await.map_err(|_| PackError::NotRecorded)?;
        let made = Made { made_at, ..filled? };
        packs.0.store.complete(job.pack.id).await?;
        Ok(made)
    }

    fn pack_event(&self, job: &Job) -> AuditEvent {
        let id = self.ids.ordered();
        let mut event = AuditEvent::incoming(id, self.clock.now(), "portal", "job");
        "access pack made".clone_into(&mut event.interaction);
        event.subject = Some(job.pack.patient);
        event.actor = Some((&job.caller).into());
        event.purpose = Some(job.purpose.code().to_owned());
        event.listed = vec![format!("access-pack {}", job.pack.id)];
        event.request_id.clone_from(&job.request_id);
        event
    }

    /// Nobody waits for an answer here: a registry that is late is asked again.
    async fn fill_in_patience(
        &self,
        packs: &AccessPacks,
        job: &Job,
        audit: &AuditDraft,
        most: u64,
    ) -> Result<Made, PackError> {
        for seconds in PAUSES {
            let filled = self.fill(packs, job, audit, most).await;
            if !matches!(filled, Err(PackError::NotAnswered(FhirError::Registry(_)))) {
                return filled;
            }
            job.progress.say("The registry did not answer, and is asked again");
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
        self.fill(packs, job, audit, most).await
    }

    async fn fill(
        &self,
        packs: &AccessPacks,
        job: &Job,
        audit: &AuditDraft,
        most: u64,
    ) -> Result<Made, PackError> {
        let opened = self.open(&job.caller, job.purpose, job.pack.patient).await?;
        audit.fill(|event| event.subject = Some(opened.number));
        let reach = self.pack_reach(&job.caller, &opened)?;
        audit.decision(&reach.decision());
        let zip = packs.0.store.begin(job.pack.id, most).await?;
        let mut filling = Filling {
            portal: self,
            packs,
            job,
            audit,
            reach,
            opened,
            zip,
            contents: Contents::default(),
            given: Vec::new(),
            withheld: 0,
            facts: Given::default(),
        };
        filling.scope().await?;
        filling.documents().await?;
        filling.choices().await?;
        filling.accesses().await?;
        audit.fill(|event| {
            event.documents.clone_from(&filling.given);
            event.withheld = filling.withheld;
        });
        job.progress.say("Signing");
        filling.finish().await
    }

    /// How much of the record of accesses may stand in a pack of this caller's; a refusal where they
    /// may have none made about the person.
    pub(crate) fn pack_reach(
        &self,
        caller: &Caller,
        opened: &Opened,
    ) -> Result<AuditReach, Refused> {
        match caller {
            Caller::Citizen(_) => {
                self.access.may_citizens_make_access_packs()?;
                opened.view.accesses()
            }
            Caller::User(_) | Caller::System(_) => self.access.may_make_access_packs(caller),
        }
    }

    /// Whether what was said about sharing may stand in a pack of this reader's.
    pub(super) fn may_have_choices(&self, view: &RecordView) -> Result<(), Refused> {
        match view.caller() {
            Caller::Citizen(_) => view.release_own_choices(()).map(drop),
            caller @ (Caller::User(_) | Caller::System(_)) => {
                self.access.may_record_consent(caller)
            }
        }
    }
}

impl Filling<'_> {
    /// Whose pack it is, and what it is a part of.
    async fn scope(&mut self) -> Result<(), PackError> {
        let (numbers, _) = self.portal.numbers_of(self.opened.number).await?;
        self.contents.numbers = numbers.iter().map(NhsNumber::grouped).collect();
        let (extent, masked) = (self.reach.extent(), self.opened.view.masks_locations());
        self.facts = Given { numbers, extent, masked, ..Given::default() };
        let policy = self.portal.access.policy();
        if let Some(own) = self.reach.only_organisation() {
            let name = policy.organisation_name(own);
            self.note(format!(
                "It has the documents that {name} keeps, and what was done with them or by its \
                 people. Other organisations answer for the rest."
            ));
        }
        if self.opened.view.masks_locations() {
            self.note("Where the person is cared for is not told.");
        }
        self.note(
            "Documents that are kept out of the shared record, or marked above what the asker may \
             see, are not named.",
        );
        Ok(())
    }

    pub(super) fn note(&mut self, words: impl Into<String>) {
        self.contents.notes.push(Note::plain(words));
    }

    pub(super) fn missing(&mut self, words: impl Into<String>, missing: &'static str) {
        self.contents.notes.push(Note { words: words.into(), missing: Some(missing) });
    }

    /// What was said about sharing, for those who may read that.
    async fn choices(&mut self) -> Result<(), PackError> {
        if self.portal.may_have_choices(&self.opened.view).is_err() {
            self.note("What was said about sharing is not for the asker to read.");
            return Ok(());
        }
        let records = self.portal.consents.consent_records(self.opened.number).await;
        let records = records.map_err(FhirError::from)?;
        let caller = self.opened.view.caller();
        let released = match caller {
            Caller::Citizen(_) => self.opened.view.release_own_choices(records)?,
            Caller::User(_) | Caller::System(_) => {
                self.portal.access.release_consent(caller, records)?
            }
        };
        let all: Vec<_> = released.value().iter().map(consent_resource).collect();
        let file = json(&all)?;
        if !self.zip.has_room(file.len() as u64, FOR_LISTS) {
            self.missing(
                "What was said about sharing had no room in the pack.",
                "Sharing choices are missing.",
            );
            return Ok(());
        }
        self.zip.file("sharing-choices.json", &file).await?;
        self.contents.choices = Some(all.len());
        self.facts.choices = true;
        Ok(())
    }

    /// Who looked, from every log, page by page.
    async fn accesses(&mut self) -> Result<(), PackError> {
        let now = self.portal.clock.now();
        // Clocks of other processes may be ahead.
        let until = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
        let since = Timestamp::UNIX_EPOCH;
        let mut question = AuditQuestion::between(since, until, PAGE);
        question.subjects = vec![self.opened.number];
        let mut file = self.zip.entry("accesses.jsonl").await?;
        let mut logs = Logs::default();
        let mut turned: Option<Turned> = None;
        'pages: loop {
            self.job.progress.say(format!("Accesses: {} read", self.contents.accesses.count));
            let looked = self.portal.look(&self.reach, question.clone(), turned.as_ref()).await?;
            self.portal.record_sent(self.packs, self.audit).await?;
            looked.logs.iter().for_each(|log| logs.note(log));
            for found in &looked.found {
                let event = found.record.value();
                // Which log it is in tells a place as well.
                let hidden = event.recorder == NOT_TOLD;
                let log = if hidden { NOT_TOLD } else { found.log.as_str() };
                let mut line = serde_json::to_vec(&Accesses::line(log, event))?;
                line.push(b'\n');
                if !self.zip.has_room(line.len() as u64, FOR_LISTS) {
                    let count = self.contents.accesses.count;
                    let words = format!("The pack has room for {count} accesses, the newest ones.");
                    self.missing(words, "Accesses are missing.");
                    break 'pages;
                }
                self.zip.write(&mut file, &line).await?;
                self.contents.accesses.note(event, self.portal.access.policy());
            }
            let Some(places) = looked.next else { break };
            let (parameters, strict, total, missing) = (String::new(), false, None, Vec::new());
            turned = Some(Turned { parameters, strict, since, until, places, total, missing });
        }
        self.zip.end(file).await?;
        self.contents.notes.extend(logs.notes());
        Ok(())
    }

    async fn finish(mut self) -> Result<Made, PackError> {
        let list = json(&self.contents.documents)?;
        if self.zip.has_room(list.len() as u64, FOR_INDEX) {
            self.zip.file("documents.json", &list).await?;
        } else {
            self.missing("documents.json had no room in the pack.", "Documents are missing.");
        }
        let now = self.portal.clock.now();
        let index = self.index(now)?;
        self.zip.file("index.html", index.as_bytes()).await?;
        let key = (self.packs.0.key)().map_err(PackError::Key)?;
        let (manifest, signature) = Manifest::new(now, self.zip.hashes()).sign(&key)?;
        self.zip.file(MANIFEST, &manifest).await?;
        self.zip.file(SIGNATURE, signature.as_bytes()).await?;
        let documents = &self.contents.documents;
        let given = documents.iter().map(|d| (d.entry_uuid.clone(), d.file.is_some())).collect();
        let notes = self.contents.notes.iter().filter(|note| note.missing.is_some());
        Ok(Made {
            made_at: now,
            documents: documents.len(),
            contents: self.given.len(),
            accesses: self.contents.accesses.count,
            refused: self.contents.accesses.refused.len(),
            missing: notes.map(|note| note.words.clone()).collect(),
            size: self.zip.finish().await?,
            given: Given { documents: given, ..self.facts },
        })
    }

    /// The page that says what is in the pack; without its tables where they have no room.
    fn index(&mut self, now: Timestamp) -> Result<String, PackError> {
        let made = now.strftime("%-d %B %Y %H:%M UTC").to_string();
        for brief in [false, true] {
            if brief {
                self.missing("The tables of this page had no room.", "index.html is not whole.");
            }
            let number = self.opened.number.grouped();
            let made = made.clone();
            let page = Index { number, made, contents: &self.contents, brief }.render()?;
            if self.zip.has_room(page.len() as u64, u64::MAX) {
                return Ok(page);
            }
        }
        Err(PackError::NoRoom)
    }
}

/// What became of each log, over all pages.
#[derive(Default)]
struct Logs(BTreeMap<String, Option<String>>);

impl Logs {
    fn note(&mut self, log: &LogState) {
        let failed = match log.state {
            SourceState::Answered if log.unreadable > 0 => {
                let n = log.unreadable;
                Some(format!("{n} of its records were changed and cannot be read"))
            }
            SourceState::Answered if log.behind > 0 => {
                Some(format!("{} of its records were not looked at yet", log.behind))
            }
            SourceState::Answered => None,
            SourceState::NotConnected => {
                Some("cannot be searched from here: ask who keeps it".to_owned())
            }
            SourceState::Late
            | SourceState::Down
            | SourceState::Refused
            | SourceState::Garbage
            | SourceState::Paused => Some("could not be searched".to_owned()),
        };
        let known = self.0.entry(log.name.clone()).or_default();
        if failed.is_some() {
            *known = failed;
        }
    }

    fn notes(&self) -> impl Iterator<Item = Note> {
        self.0.iter().map(|(name, failed)| Note::log(name, failed.as_deref()))
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// In the place of what the reader must not know.
const NOT_TOLD: &str = "withheld";
/// One part in so many of the room is kept for what comes after the accesses, and after documents.json.
const FOR_LISTS: u64 = 8;
const FOR_INDEX: u64 = 16;
/// Before the registry is asked again, in seconds.
const PAUSES: [u64; 3] = [1, 5, 20];
/// Records that are asked for at once.
const PAGE: u32 = 500;
