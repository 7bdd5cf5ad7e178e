//! The documents of a pack: it is decided about all of them before anything is told of how many there
//! are, and then those that are released are put in.

use std::collections::BTreeMap;
use std::sync::Arc;

use carerecord_access::{Refused, Rule};
use carerecord_audit::DocumentRef;
use carerecord_clinical::file_ending;
use carerecord_model::DocumentEntry;
use futures_util::StreamExt;

use super::contents::Document as Known;
use super::gather::{Filling, PackError};
use crate::service::Document;

impl Filling<'_> {
    /// Puts in what the asker may know of documents, and their bytes as far as they may read them.
    pub(super) async fn documents(&mut self) -> Result<(), PackError> {
        self.job.progress.say("Asking the registry");
        let (view, number) = (&self.opened.view, self.opened.number);
        let found = self.portal.everything_for(view, self.job.purpose, number).await?;
        let released = self.released(found.document_entries);
        let (all, mut lost) = (released.len(), BTreeMap::new());
        for (n, (entry, mut document)) in released.into_iter().enumerate() {
            self.job.progress.say(format!("Documents: {n} of {all}"));
            if let Some(why) = self.bytes(entry, &mut document).await? {
                *lost.entry(why).or_insert(0usize) += 1;
            }
            self.portal.record_sent(self.packs, self.audit).await?;
            self.contents.documents.push(document);
        }
        for (why, count) in lost {
            let of =
                if count == 1 { "1 document".to_owned() } else { format!("{count} documents") };
            self.missing(format!("{of} {why}."), "Documents are missing.");
        }
        Ok(())
    }

    /// Those that the asker may know of: as the registry has them, for the decision about their bytes,
    /// and what is told of them.
    fn released(&mut self, found: Vec<Arc<DocumentEntry>>) -> Vec<(Arc<DocumentEntry>, Known)> {
        let (mut released, mut told) = (Vec::new(), Vec::new());
        for entry in found {
            match self.opened.view.release_to_pack(&self.reach, entry.clone()) {
                Ok(known) => released.push((entry, self.known(known.value()))),
                Err(refused) => {
                    self.withheld += 1;
                    let words = refused.decision.rule.explanation();
                    if refused.may_be_told && !told.contains(&words) {
                        told.push(words);
                    }
                }
            }
        }
        for words in told {
            self.note(format!("Documents are left out. {words}"));
        }
        released
    }

    fn known(&self, entry: &DocumentEntry) -> Known {
        let mut known = Known::of(entry, self.portal.access.policy());
        if self.opened.view.masks_locations() {
            "Not told".clone_into(&mut known.keeper);
            known.repository.clear();
        }
        known
    }

    /// Puts the bytes of a document into the pack, as far as the asker may read it. Returns what became
    /// of it where they should be there.
    async fn bytes(
        &mut self,
        entry: Arc<DocumentEntry>,
        known: &mut Known,
    ) -> Result<Option<String>, PackError> {
        let document = Document::released(&self.opened.view, self.job.purpose, entry);
        let document = match document {
            Ok(document) => document,
            Err(refused) => {
                known.not_included = Some(not_given(&refused));
                return Ok(None);
            }
        };
        let size = known.size.unwrap_or_default();
        if !self.zip.has_place() || !self.zip.has_room(size, FOR_THE_REST) {
            known.not_included = Some(FULL.to_owned());
            return Ok(Some(LEFT_OUT.to_owned()));
        }
        let Ok(content) = self.portal.content(&document, None).await else {
            known.not_included = Some(NOT_HAD.to_owned());
            return Ok(Some(self.not_had(&document)));
        };
        let place = self.given.len() + 1;
        let name =
            format!("document-{place:05}.{}", file_ending(document.value().mime_type.as_str()));
        let mut file = self.zip.entry(&name).await?;
        let mut body = content.body;
        while let Some(chunk) = body.next().await {
            let Ok(chunk) = chunk else {
                self.zip.leave_out(file);
                known.not_included = Some(NOT_HAD.to_owned());
                return Ok(Some(self.not_had(&document)));
            };
            if !self.zip.has_room(chunk.len() as u64, FOR_THE_REST) {
                self.zip.leave_out(file);
                known.not_included = Some(FULL.to_owned());
                return Ok(Some(LEFT_OUT.to_owned()));
            }
            self.zip.write(&mut file, &chunk).await?;
        }
        self.zip.end(file).await?;
        self.given.push(DocumentRef {
            id: document.value().unique_id.to_string(),
            hash: document.value().hash.clone(),
        });
        known.file = Some(name);
        Ok(None)
    }

    /// That a source did not give a document, as far as its name may be told.
    fn not_had(&self, document: &Document) -> String {
        let node = document.value().repository_unique_id.as_ref();
        let members = self.portal.federation.members();
        let member = members.iter().find(|member| Some(&member.id) == node);
        let member = member.filter(|_| !document.masked);
        let source =
            member.map_or("a source that is not named here", |member| member.name.as_str());
        format!("of {source} could not be had")
    }
}

/// Why a document's bytes are not in the pack, which is named in it.
fn not_given(refused: &Refused) -> String {
    let ask = "Ask the organisation that keeps it.";
    let rule = refused.decision.rule;
    if refused.may_be_told && rule != Rule::NoAgreement {
        return format!("{ask} {}", rule.explanation());
    }
    ask.to_owned()
}

const NOT_HAD: &str = "The source did not give it. Ask for the pack again, or ask the organisation \
    that keeps it.";
const FULL: &str = "The pack is full. Ask the organisation that keeps it.";
const LEFT_OUT: &str = "had no room in the pack";
/// One part in so many of the room is kept for what comes after the documents.
const FOR_THE_REST: u64 = 4;
