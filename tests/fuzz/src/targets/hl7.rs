use carerecord_codec::hl7v2::{Framed, Message, MllpDecoder, frame};
use carerecord_registry::fuzz::{identity_v2, identity_v3};

pub(super) fn v2(bytes: &[u8]) {
    let taken = identity_v2(bytes);
    let Ok(message) = Message::parse(bytes) else {
        assert!(!taken, "an event out of what is no message");
        return;
    };
    let _ = (message.event(), message.control_id());
    for segment in message.segments("PID") {
        for number in [0, 1, 3, 5, 11, usize::MAX] {
            let _ = (segment.text(number, 1), segment.is_null(number));
            for field in segment.repetitions(number).take(50) {
                let _ = (field.component(1), field.subcomponent(4, 2));
            }
        }
    }
}

pub(super) fn v3(bytes: &[u8]) {
    assert!(identity_v3(bytes) <= 3);
}

/// The same messages come out however the bytes come in, and what is framed comes out whole.
pub(super) fn mllp(bytes: &[u8]) {
    let whole = messages(bytes, usize::MAX);
    for size in [1, 5] {
        if bytes.len() < 16 << 10 {
            assert_eq!(messages(bytes, size), whole, "in pieces of {size}");
        }
    }
    for message in whole {
        let framed = frame(&String::from_utf8_lossy(&message));
        let text = String::from_utf8_lossy(&message).into_owned();
        if text.as_bytes() == message && !message.contains(&0x0b) && !message.contains(&0x1c) {
            assert_eq!(messages(&framed, usize::MAX), [message]);
        }
    }
}

fn messages(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut decoder = MllpDecoder::new(64 << 10);
    let mut found = Vec::new();
    for piece in bytes.chunks(size.min(bytes.len().max(1))) {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Framed::Message(message) => found.push(message),
                Framed::Incomplete => break,
                Framed::TooLong => return found,
                Framed::Outside(_) | Framed::BrokenOff(_) => {}
            }
        }
    }
    found
}
