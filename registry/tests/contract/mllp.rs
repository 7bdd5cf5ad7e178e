//! What may come by a connection of the identity feed.

use carerecord_audit::{AuditEvent, AuditFilter};
use carerecord_codec::hl7v2::{MAX_OUTSIDE, Message, frame};
use carerecord_testkit::{corpus, files};

use crate::feed::adt;
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        bytes_outside_a_message_are_recorded_and_passed_over,
        messages_that_break_off_are_recorded,
        a_peer_that_sends_no_messages_is_hung_up_on,
        names_are_read_in_the_character_set_that_is_declared,
        every_message_of_others_has_one_acknowledgement,
    );
}

const NHS: &str = "9990001006^^^NHS";

pub async fn bytes_outside_a_message_are_recorded_and_passed_over(world: &World) {
    let bytes = [b"Okafor".to_vec(), frame(&adt("A08", NHS, "")), b"\r\n\0 ".to_vec()].concat();

    let answers = world.exchange(&bytes).await;

    assert_eq!(answers.len(), 1);
    let records = records(world).await;
    assert_eq!(records.len(), 2, "white space is none");
    assert_eq!(records[0].error.as_deref(), Some("bytes outside a message"));
    assert_eq!(records[0].request_bytes, Some(6));
    assert!(records[0].peer.is_some());
    assert!(!format!("{:?}", serde_json::to_value(&records[0]).unwrap()).contains("Okafor"));

    assert!(world.exchange(b"GET / HTTP/1.1\r\n\r\n").await.is_empty());
    let last = self::records(world).await.pop().unwrap();
    assert_eq!(
        (last.request_bytes, last.error.as_deref()),
        (Some(12), Some("bytes outside a message"))
    );
}

pub async fn messages_that_break_off_are_recorded(world: &World) {
    let begun = b"\x0bMSH|^~\\&|Okafor";
    let bytes = [begun.to_vec(), frame(&adt("A08", NHS, "")), begun.to_vec()].concat();

    let answers = world.exchange(&bytes).await;

    assert_eq!(answers.len(), 1);
    let records = records(world).await;
    let errors: Vec<_> = records.iter().map(|r| r.error.as_deref()).collect();
    let broken = Some("a message that breaks off");
    assert_eq!(errors, [broken, None, broken]);
    assert!(!serde_json::to_string(&records).unwrap().contains("Okafor"));
}

pub async fn a_peer_that_sends_no_messages_is_hung_up_on(world: &World) {
    let message = frame(&adt("A08", NHS, ""));

    let outside = [vec![b'x'; MAX_OUTSIDE + 1], message.clone()].concat();
    assert!(world.exchange(&outside).await.is_empty());
    let broken = [b"\x0bx".repeat(1000), message].concat();
    assert!(world.exchange(&broken).await.is_empty());

    assert!(records(world).await.len() < 25, "nobody fills the record");
    assert_eq!(world.feed(&adt("A08", NHS, "")).await, "AA", "others are served");
    let long = format!("MSH|^~\\&|P|T|R|S|2026||ADT^{0}|{0}|P|2.3.1\r", "Okafor".repeat(100));
    assert_eq!(world.feed(&long).await, "AR");
    let last = records(world).await.pop().unwrap();
    assert_eq!(last.interaction, "ITI-8");
    assert_eq!(last.message_id.unwrap().len(), 64);
}

pub async fn names_are_read_in_the_character_set_that_is_declared(world: &World) {
    for (charset, byte, expected) in [
        ("8859/1", b"\xfc", "\u{fc}"),
        ("", b"\xfc", "\u{fc}"),
        ("8859/1", b"\x8a", "\u{8a}"),
        ("", b"\x8a", "\u{160}"),
        ("8859/15", b"\xa4", "\u{20ac}"),
    ] {
        let head = format!("MSH|^~\\&|PAS|T|REG|S|2026||ADT^A08|M1|P|2.3.1||||||{charset}\r");
        let message =
            [b"\x0b", head.as_bytes(), b"PID|||9990001006^^^NHS||M", byte, b"x\r\x1c\r"].concat();
        assert_eq!(world.exchange(&message).await.len(), 1);
        let name = world.person("9990001006").await.unwrap().family_name.unwrap();
        assert_eq!(name, format!("M{expected}x"), "{charset}");
    }
}

pub async fn every_message_of_others_has_one_acknowledgement(world: &World) {
    let Some(corpus) = corpus() else { return };
    let messages = files(&corpus.join("hl7v2"));
    let mut answered = std::collections::BTreeMap::new();
    for path in &messages {
        let bytes = std::fs::read(path).unwrap();
        // One is in its frame already.
        let start = usize::from(bytes.starts_with(b"\x0b"));
        let end = bytes.windows(2).position(|w| w == b"\x1c\r").unwrap_or(bytes.len());
        let bytes = &bytes[start..end];
        let framed = [b"\x0b", bytes, b"\x1c\r"].concat();

        let answers = world.exchange(&framed).await;

        let name = path.display();
        assert_eq!(answers.len(), 1, "{name}");
        let (header, msa) = (answers[0].header(), answers[0].segment("MSA").unwrap());
        assert_eq!(header.text(9, 1), "ACK", "{name}");
        assert!(!header.text(7, 1).is_empty() && !header.text(10, 1).is_empty(), "{name}");
        let code = msa.text(1, 1);
        assert!(["AA", "AE", "AR"].contains(&code.as_str()), "{name}: {code}");
        let Ok(sent) = Message::parse(bytes) else {
            assert_eq!(code, "AR", "{name}");
            continue;
        };
        assert_eq!(msa.field(2), sent.header().field(10), "{name}");
        assert_eq!(header.field(5), sent.header().field(3), "{name}");
        *answered.entry(code).or_insert(0) += 1;
    }
    println!("{} messages sent: {answered:?}", messages.len());
    assert!(messages.len() > 70 && answered["AA"] > 0 && answered["AR"] > 0);
    assert_eq!(records(world).await.len(), messages.len(), "one record of each");
}

/// What has been recorded of the feed, oldest first.
async fn records(world: &World) -> Vec<AuditEvent> {
    let records = world.audit().read(&AuditFilter::default()).await.unwrap();
    records.into_iter().map(|record| record.event).collect()
}
