//! A sender of HL7 v2 messages by MLLP.

use std::net::SocketAddr;

use carerecord_codec::hl7v2::{Framed, Message, MllpDecoder, frame};
use carerecord_model::{NhsNumber, Patient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::World;

impl World {
    /// Sends an HL7 v2 message; MSA-1 of the answer.
    pub async fn feed(&self, message: &str) -> String {
        let answers = self.exchange(&frame(message)).await;
        assert_eq!(answers.len(), 1, "one message, one acknowledgement");
        self.note_states().await;
        answers[0].segment("MSA").unwrap().text(1, 1)
    }

    /// Sends bytes on a connection of their own, and all that comes back.
    pub async fn exchange(&self, bytes: &[u8]) -> Vec<Message> {
        self.exchange_at(self.mllp, bytes).await
    }

    /// The same at another listener.
    pub async fn exchange_at(&self, address: SocketAddr, bytes: &[u8]) -> Vec<Message> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A registry that has had enough may close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let (mut decoder, mut answers) = (MllpDecoder::new(1 << 16), Vec::new());
        let mut buffer = [0; 1024];
        loop {
            match decoder.next_message() {
                Framed::Message(answer) => answers.push(Message::parse(&answer).unwrap()),
                Framed::Incomplete => match stream.read(&mut buffer).await {
                    Ok(n) if n > 0 => decoder.push(&buffer[..n]),
                    _ => break,
                },
                other @ (Framed::TooLong | Framed::Outside(_) | Framed::BrokenOff(_)) => {
                    panic!("{other:?}")
                }
            }
        }
        assert_eq!(decoder.unfinished(), 0, "nothing but acknowledgements");
        answers
    }

    /// What the index knows of a person.
    pub async fn person(&self, number: &str) -> Option<Patient> {
        let number: NhsNumber = number.parse().unwrap();
        self.registry.patient(&self.caller, number).await.unwrap().into_value()
    }
}

/// An ADT message of one person, with what follows the PID segment.
pub fn adt(trigger: &str, pid: &str, more: &str) -> String {
    format!(
        "MSH|^~\\&|PAS|T|REG|S|2026||ADT^{trigger}|M1|P|2.3.1\rEVN|{trigger}|2026\r\
         PID|||{pid}||Okafor^Ada||19450714|F\r{more}"
    )
}

pub fn merge(surviving: &str, subsumed: &str) -> String {
    adt("A40", surviving, &format!("MRG|{subsumed}\r"))
}

pub fn link(a: &str, b: &str) -> String {
    adt("A24", a, &format!("PID|||{b}\r"))
}

pub fn unlink(a: &str, b: &str) -> String {
    adt("A37", a, &format!("PID|||{b}\r"))
}
