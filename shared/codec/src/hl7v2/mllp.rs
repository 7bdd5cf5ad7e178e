//! The minimal lower layer protocol: a message between 0x0B and 0x1C 0x0D.

/// What a decoder has found in the bytes so far.
#[derive(Debug, Eq, PartialEq)]
pub enum Framed {
    /// A whole message.
    Message(Vec<u8>),
    /// Not yet; more bytes are needed.
    Incomplete,
    /// A message longer than the limit; the connection cannot be gone on with.
    TooLong,
}

/// Takes messages out of the bytes of one connection.
#[derive(Debug)]
pub struct MllpDecoder {
    buffer: Vec<u8>,
    inside: bool,
    limit: usize,
}

impl MllpDecoder {
    /// Messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), inside: false, limit }
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message. Bytes outside a frame are passed over, as keep-alives and stray line ends.
    pub fn next_message(&mut self) -> Framed {
        if !self.inside {
            let start = self.buffer.iter().position(|b| *b == START);
            let skipped = start.map_or(self.buffer.len(), |at| at + 1);
            self.buffer.drain(..skipped);
            self.inside = start.is_some();
        }
        if !self.inside {
            return Framed::Incomplete;
        }
        match self.buffer.windows(END.len()).position(|w| w == END) {
            Some(at) if at <= self.limit => {
                let message = self.buffer.drain(..at).collect();
                self.buffer.drain(..END.len());
                self.inside = false;
                Framed::Message(message)
            }
            None if self.buffer.len() <= self.limit + 1 => Framed::Incomplete,
            Some(_) | None => Framed::TooLong,
        }
    }
}

/// A message in its frame.
pub fn frame(message: &str) -> Vec<u8> {
    let mut framed = Vec::with_capacity(message.len() + 3);
    framed.push(START);
    framed.extend_from_slice(message.as_bytes());
    framed.extend_from_slice(&END);
    framed
}

const START: u8 = 0x0b;
const END: [u8; 2] = [0x1c, 0x0d];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_however_they_arrive() {
        let mut bytes = b"\r\n".to_vec();
        bytes.extend(frame("one"));
        bytes.extend(frame("two"));
        for step in 1..bytes.len() {
            let mut decoder = MllpDecoder::new(10);
            let mut found = Vec::new();
            for piece in bytes.chunks(step) {
                decoder.push(piece);
                while let Framed::Message(message) = decoder.next_message() {
                    found.push(message);
                }
            }
            assert_eq!(found, [b"one".to_vec(), b"two".to_vec()], "in steps of {step}");
        }
    }

    #[test]
    fn a_message_without_end_is_not_gathered_for_ever() {
        let mut decoder = MllpDecoder::new(10);
        decoder.push(&[START]);
        decoder.push(&[b'x'; 12]);
        assert_eq!(decoder.next_message(), Framed::TooLong);
    }
}
