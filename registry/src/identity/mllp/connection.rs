use std::net::SocketAddr;
use std::time::Duration;

use carerecord_codec::hl7v2::{Framed, MAX_OUTSIDE, MllpDecoder, frame};
use carerecord_service::{Place, TooMany};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Door;

impl Door {
    /// Answers the messages of one connection, in order. What is no message has no answer, for
    /// nobody could tell to what; it is recorded.
    pub(super) async fn talk<S>(&self, mut stream: S, peer: SocketAddr, place: Option<&Place>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let idle = Duration::from_secs(self.config.idle_seconds);
        let mut decoder = MllpDecoder::new(self.config.max_message_bytes);
        let mut buffer = vec![0; 16 << 10];
        let mut stray = 0;
        while stray < MAX_STRAY {
            let answer = match decoder.next_message() {
                Framed::Incomplete => {
                    match tokio::time::timeout(idle, stream.read(&mut buffer)).await {
                        Ok(Ok(n)) if n > 0 => decoder.push(&buffer[..n]),
                        _ => return self.end(peer, &decoder).await,
                    }
                    continue;
                }
                Framed::Outside(bytes) => {
                    if !self.note(peer, bytes, OUTSIDE).await || bytes > MAX_OUTSIDE {
                        return;
                    }
                    stray += 1;
                    continue;
                }
                Framed::BrokenOff(bytes) => {
                    if !self.note(peer, bytes, BROKEN_OFF).await {
                        return;
                    }
                    stray += 1;
                    continue;
                }
                Framed::Message(bytes) => {
                    if self.recheck.as_ref().is_some_and(|check| check.still_good().is_err()) {
                        self.note(peer, bytes.len(), NOT_VALID).await;
                        return;
                    }
                    if let Some(place) = place {
                        place.message().await;
                    }
                    self.answer(&bytes, peer).await
                }
                Framed::TooLong => {
                    let answer = self.refuse(peer, 0, "the message is too long").await;
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

    /// Says that the client has too many connections, and closes this one.
    pub(super) async fn turn_away<S>(&self, mut stream: S, peer: SocketAddr, too_many: TooMany)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let answer = self.too_many(peer, too_many).await;
        let told = async {
            stream.write_all(&frame(&answer)).await?;
            stream.shutdown().await?;
            // What it has sent is read, or the answer could be lost with it.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
        };
        // A peer that does not listen, or goes on, is not waited for.
        let _ = tokio::time::timeout(TELLING, told).await;
    }

    /// Records what the peer has not finished.
    async fn end(&self, peer: SocketAddr, decoder: &MllpDecoder) {
        let bytes = decoder.unfinished();
        if bytes > 0 {
            let what = if decoder.is_inside() { BROKEN_OFF } else { OUTSIDE };
            self.note(peer, bytes, what).await;
        }
    }
}

const OUTSIDE: &str = "bytes outside a message";
const NOT_VALID: &str = "the certificate of the system is not valid any more";
const BROKEN_OFF: &str = "a message that breaks off";

/// How often one connection may send what is no message before it is closed.
const MAX_STRAY: u32 = 16;
const TELLING: Duration = Duration::from_secs(2);
