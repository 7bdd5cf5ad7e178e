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
    /// So many bytes outside a frame, up to a frame or to `MAX_OUTSIDE`. White space and zeros,
    /// which keep connections alive, do not count.
    Outside(usize),
    /// So many bytes of a message that another one begins in.
    BrokenOff(usize),
}

/// The most bytes outside a frame that are gathered into one report.
pub const MAX_OUTSIDE: usize = 4 << 10;

/// Takes messages out of the bytes of one connection.
#[derive(Debug)]
pub struct MllpDecoder {
    buffer: Vec<u8>,
    inside: bool,
    /// How much of the buffer has been looked at, inside a frame.
    seen: usize,
    /// How many bytes have been passed over outside a frame.
    outside: usize,
    limit: usize,
}

impl MllpDecoder {
    /// Messages of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), inside: false, seen: 0, outside: 0, limit }
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or what stands in its place.
    pub fn next_message(&mut self) -> Framed {
        if !self.inside {
            self.pass_over();
            if self.outside > MAX_OUTSIDE || (self.inside && self.outside > 0) {
                return Framed::Outside(std::mem::take(&mut self.outside));
            }
        }
        if self.inside { self.inside_frame() } else { Framed::Incomplete }
    }

    /// How many bytes there are of what the connection has not finished.
    pub fn unfinished(&self) -> usize {
        self.outside + self.buffer.len() + usize::from(self.inside)
    }

    /// Whether a message has begun that has not ended.
    pub fn is_inside(&self) -> bool {
        self.inside
    }

    /// Goes on to the next frame.
    fn pass_over(&mut self) {
        let start = self.buffer.iter().position(|b| *b == START);
        let skipped = &self.buffer[..start.unwrap_or(self.buffer.len())];
        self.outside += skipped.iter().filter(|b| !b.is_ascii_whitespace() && **b != 0).count();
        self.inside = start.is_some();
        self.seen = 0;
        self.buffer.drain(..start.map_or(self.buffer.len(), |at| at + 1));
    }

    fn inside_frame(&mut self) -> Framed {
        loop {
            let rest = self.buffer[self.seen..].iter();
            let next = rest.clone().position(|b| *b == START || *b == END[0]);
            let at = next.map_or(self.buffer.len(), |n| self.seen + n);
            self.seen = at;
            if at > self.limit {
                return Framed::TooLong;
            }
            match (self.buffer.get(at), self.buffer.get(at + 1)) {
                (None, _) | (Some(&0x1c), None) => return Framed::Incomplete,
                (Some(&START), _) => {
                    self.buffer.drain(..=at);
                    self.seen = 0;
                    return Framed::BrokenOff(at);
                }
                (Some(_), Some(&0x0d)) => {
                    let message = self.buffer.drain(..at).collect();
                    self.buffer.drain(..END.len());
                    self.inside = false;
                    return Framed::Message(message);
                }
                // The first byte of an end that is none.
                (Some(_), _) => self.seen = at + 1,
            }
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
        decoder.push(&[b'x'; 10]);
        assert_eq!(decoder.next_message(), Framed::Incomplete);
        assert_eq!(decoder.unfinished(), 11);
        decoder.push(b"x");
        assert_eq!(decoder.next_message(), Framed::TooLong);

        let mut decoder = MllpDecoder::new(10);
        decoder.push(&frame("01234567890"));
        assert_eq!(decoder.next_message(), Framed::TooLong);
    }

    #[test]
    fn bytes_outside_a_frame_are_counted_and_bounded() {
        let mut decoder = MllpDecoder::new(10);
        decoder.push(b"\r\n\0 GET /");
        assert_eq!(decoder.next_message(), Framed::Incomplete);
        decoder.push(b" x");
        decoder.push(&frame("one"));
        assert_eq!(decoder.next_message(), Framed::Outside(5));
        assert_eq!(decoder.next_message(), Framed::Message(b"one".to_vec()));
        assert_eq!((decoder.next_message(), decoder.unfinished()), (Framed::Incomplete, 0));

        decoder.push(&[b'x'; MAX_OUTSIDE]);
        assert_eq!(decoder.next_message(), Framed::Incomplete);
        assert_eq!(decoder.unfinished(), MAX_OUTSIDE);
        decoder.push(b"x");
        assert_eq!(decoder.next_message(), Framed::Outside(MAX_OUTSIDE + 1));
    }

    #[test]
    fn a_message_that_another_begins_in_is_broken_off() {
        let mut decoder = MllpDecoder::new(10);
        decoder.push(b"\x0bMSH\x1c|");
        assert_eq!(decoder.next_message(), Framed::Incomplete);
        decoder.push(&frame("two"));
        assert_eq!(decoder.next_message(), Framed::BrokenOff(5));
        assert_eq!(decoder.next_message(), Framed::Message(b"two".to_vec()));
    }
}
