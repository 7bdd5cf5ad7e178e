use std::net::SocketAddr;

use carerecord_audit::{AuditEvent, AuditOutcome};
use carerecord_codec::hl7v2::{AckCode, Message, acknowledgement, refusal};
use carerecord_model::Dtm;
use carerecord_service::{AuditDraft, TooMany};

use super::Door;
use crate::identity::hl7v2::{Unfit, event};
use crate::store::FeedError;

impl Door {
    /// The acknowledgement of one message; its audit record is durable before this returns.
    pub(super) async fn answer(&self, bytes: &[u8], peer: SocketAddr) -> String {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => return self.refuse(peer, bytes.len(), &error.to_string()).await,
        };
        let draft = self.draft(peer, bytes.len());
        let (kind, trigger) = message.event();
        draft.fill(|e| {
            if kind == "ADT" && is_trigger(&trigger) {
                e.interaction = format!("ITI-8 {trigger}");
            }
            e.message_id = Some(bounded(&message.control_id()));
        });
        let done = match event(&message) {
            Ok(event) => self.registry.identity_feed(&self.caller, event, &draft).await,
            Err(Unfit::Content(error)) => Err(error),
            Err(Unfit::Kind) => {
                draft.outcome(AuditOutcome::Rejected);
                let what = "this kind of message is not taken here";
                return self.acknowledge(&message, &draft, AckCode::Reject, Some(what)).await;
            }
        };
        match done {
            Ok(()) => self.acknowledge(&message, &draft, AckCode::Accept, None).await,
            Err(error) => {
                let (code, outcome) = match &error {
                    FeedError::Wrong(_) => (AckCode::Error, AuditOutcome::Rejected),
                    FeedError::Refused => (AckCode::Reject, AuditOutcome::Refused),
                    FeedError::Store(e) => {
                        tracing::error!(error = %e, "an identity event was not stored");
                        (AckCode::Reject, AuditOutcome::Failed)
                    }
                };
                draft.outcome(outcome);
                let what = error.to_string();
                draft.fill(|e| e.error = Some(code.as_str().to_owned()));
                self.acknowledge(&message, &draft, code, Some(&what)).await
            }
        }
    }

    async fn acknowledge(
        &self,
        message: &Message,
        draft: &AuditDraft,
        code: AckCode,
        text: Option<&str>,
    ) -> String {
        let (now, id) = self.stamp();
        if self.trail.append_draft(draft).await.is_err() {
            let what = "the service cannot record messages just now, so it takes none";
            return acknowledgement(message, AckCode::Reject, Some(what), &now, &id);
        }
        acknowledgement(message, code, text, &now, &id)
    }

    pub(super) async fn refuse(&self, peer: SocketAddr, length: usize, what: &str) -> String {
        let draft = self.draft(peer, length);
        draft.outcome(AuditOutcome::Rejected);
        draft.fill(|e| e.error = Some(AckCode::Reject.as_str().to_owned()));
        let (now, id) = self.stamp();
        match self.trail.append_draft(&draft).await {
            Ok(()) => refusal(what, &now, &id),
            Err(_) => refusal("the service cannot record messages just now", &now, &id),
        }
    }

    /// Refuses a connection of a client that has too many.
    pub(super) async fn too_many(&self, peer: SocketAddr, too_many: TooMany) -> String {
        let what = "too many connections at once; close one, and connect again";
        let (now, id) = self.stamp();
        if too_many.is_recorded() {
            let draft = self.draft(peer, 0);
            draft.outcome(AuditOutcome::Refused);
            let why = format!("too many connections of this client, refusal {}", too_many.refused);
            tracing::warn!(%peer, "{why}");
            draft.fill(|e| e.error = Some(why));
            if self.trail.append_draft(&draft).await.is_err() {
                return refusal("the service cannot record messages just now", &now, &id);
            }
        }
        refusal(what, &now, &id)
    }

    /// Records bytes that are no message, how many and from where: what they are may be of a
    /// patient. `false` when that cannot be made durable.
    pub(super) async fn note(&self, peer: SocketAddr, length: usize, what: &str) -> bool {
        let draft = self.draft(peer, length);
        draft.outcome(AuditOutcome::Rejected);
        draft.fill(|e| e.error = Some(what.to_owned()));
        tracing::warn!(%peer, bytes = length, "{what}");
        self.trail.append_draft(&draft).await.is_ok()
    }

    fn draft(&self, peer: SocketAddr, length: usize) -> AuditDraft {
        let (ids, clock) = (&self.trail.ids, &self.trail.clock);
        let mut event =
            AuditEvent::incoming(ids.ordered(), clock.now(), &self.trail.recorder, "mllp");
        event.interaction = "ITI-8".to_owned();
        event.request = "MLLP".to_owned();
        event.peer = Some(peer.to_string());
        event.request_bytes = Some(length as u64);
        let draft = AuditDraft::detached(event);
        draft.caller(&self.caller);
        draft
    }

    fn stamp(&self) -> (String, String) {
        let now = Dtm::from_timestamp(self.trail.clock.now());
        (now.to_string(), self.trail.ids.random().simple().to_string()[..20].to_owned())
    }
}

fn is_trigger(text: &str) -> bool {
    text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A control id, as long as one is: what stands in its place can be anything.
fn bounded(control_id: &str) -> String {
    control_id.chars().filter(|c| !c.is_control()).take(MAX_CONTROL_ID).collect()
}

const MAX_CONTROL_ID: usize = 64;
