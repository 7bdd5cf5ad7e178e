//! The MLLP listener: one message, one acknowledgement, each with its audit record.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use carerecord_access::Caller;
use carerecord_audit::{AuditEvent, AuditOutcome};
use carerecord_codec::hl7v2::{
    AckCode, Framed, Message, MllpDecoder, acknowledgement, frame, refusal,
};
use carerecord_model::Dtm;
use carerecord_service::{AuditDraft, AuditTrail, Lifecycle};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::hl7v2::{Unfit, event};
use crate::Registry;
use crate::store::FeedError;

/// `listen` of the `[registry.feed]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpConfig {
    /// Address and port. Only loopback: the protocol has no encryption of its own.
    pub address: SocketAddr,
    /// The longest message; 1 MiB unless given.
    #[serde(default = "default_max_message_bytes")]
    pub max_message_bytes: usize,
    /// How long a connection may be silent; an hour unless given.
    #[serde(default = "default_idle_seconds")]
    pub idle_seconds: u64,
    /// The most connections at once; 64 unless given.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
}

fn default_max_message_bytes() -> usize {
    1 << 20
}

fn default_idle_seconds() -> u64 {
    3600
}

fn default_max_connections() -> usize {
    64
}

/// What a connection needs.
struct Door {
    registry: Registry,
    caller: Caller,
    trail: AuditTrail,
    config: MllpConfig,
}

/// Listens for ADT messages until the process drains; returns where.
///
/// # Errors
/// When the address is not loopback or cannot be bound.
pub async fn serve_mllp(
    config: MllpConfig,
    registry: Registry,
    caller: Caller,
    trail: AuditTrail,
    lifecycle: &Lifecycle,
) -> std::io::Result<SocketAddr> {
    if !config.address.ip().is_loopback() {
        let what = "without TLS the MLLP listener may only bind a loopback address";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    }
    let listener = TcpListener::bind(config.address).await?;
    let address = listener.local_addr()?;
    let draining = lifecycle.draining();
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let door = Arc::new(Door { registry, caller, trail, config });
    let inner = lifecycle.clone();
    lifecycle.spawn("mllp", async move {
        loop {
            let permit = tokio::select! {
                () = draining.cancelled() => return,
                permit = connections.clone().acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = draining.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (Ok(permit), Ok((stream, peer))) = (permit, accepted) else { continue };
            let (door, draining) = (door.clone(), draining.clone());
            inner.spawn("mllp connection", async move {
                let talk = door.talk(stream, peer);
                tokio::select! {
                    () = draining.cancelled() => {}
                    () = talk => {}
                }
                drop(permit);
            });
        }
    });
    Ok(address)
}

impl Door {
    /// Answers the messages of one connection, in order.
    async fn talk(&self, mut stream: TcpStream, peer: SocketAddr) {
        let idle = Duration::from_secs(self.config.idle_seconds);
        let mut decoder = MllpDecoder::new(self.config.max_message_bytes);
        let mut buffer = vec![0; 16 << 10];
        loop {
            let answer = match decoder.next_message() {
                Framed::Incomplete => {
                    match tokio::time::timeout(idle, stream.read(&mut buffer)).await {
                        Ok(Ok(n)) if n > 0 => decoder.push(&buffer[..n]),
                        _ => return,
                    }
                    continue;
                }
                Framed::Message(bytes) => self.answer(&bytes, peer).await,
                Framed::TooLong => {
                    let what = "the message is too long";
                    let answer = self.refuse(peer, 0, what).await;
                    // Where it ends cannot be told any more. The peer may be gone; so be it.
                    let _ = stream.write_all(&frame(&answer)).await;
                    return;
                }
            };
            if stream.write_all(&frame(&answer)).await.is_err() {
                return;
            }
        }
    }

    /// The acknowledgement of one message; its audit record is durable before this returns.
    async fn answer(&self, bytes: &[u8], peer: SocketAddr) -> String {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => return self.refuse(peer, bytes.len(), &error.to_string()).await,
        };
        let draft = self.draft(peer, bytes.len());
        let (kind, trigger) = message.event();
        let interaction =
            if kind == "ADT" { format!("ITI-8 {trigger}") } else { "ITI-8".to_owned() };
        draft.fill(|e| {
            e.interaction = interaction;
            e.message_id = Some(message.control_id());
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

    async fn refuse(&self, peer: SocketAddr, length: usize, what: &str) -> String {
        let draft = self.draft(peer, length);
        draft.outcome(AuditOutcome::Rejected);
        draft.fill(|e| e.error = Some(AckCode::Reject.as_str().to_owned()));
        let (now, id) = self.stamp();
        match self.trail.append_draft(&draft).await {
            Ok(()) => refusal(what, &now, &id),
            Err(_) => refusal("the service cannot record messages just now", &now, &id),
        }
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
