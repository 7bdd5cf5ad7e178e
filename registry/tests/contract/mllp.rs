//! What may come by a connection of the identity feed.

use std::time::{Duration, Instant};

use carerecord_audit::{AuditEvent, AuditFilter, AuditOutcome};
use carerecord_codec::hl7v2::{Framed, MAX_OUTSIDE, Message, MllpDecoder, frame};
use carerecord_service::ClientLimit;
use carerecord_testkit::{corpus, files};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::feed::adt;
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        bytes_outside_a_message_are_recorded_and_passed_over,
        messages_that_break_off_are_recorded,
        a_peer_that_sends_no_messages_is_hung_up_on,
        names_are_read_in_the_character_set_that_is_declared,
        every_message_of_others_has_one_acknowledgement,
        a_client_has_so_many_connections_and_is_told,
        who_is_turned_away_keeps_nobody_else_out,
        a_client_that_sends_too_fast_is_slowed_down,
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

pub async fn a_client_has_so_many_connections_and_is_told(world: &World) {
    let limit = ClientLimit { per_second: 100, burst: 100, at_once: 2 };
    let address = world.serve_mllp(Some(limit)).await.unwrap();
    let message = frame(&adt("A08", NHS, ""));
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    for stream in [&mut first, &mut second] {
        assert_eq!(acknowledged(stream, &message).await, "AA");
    }

    let told = world.exchange_at(address, b"").await;

    assert_eq!(told.len(), 1, "without a message, too");
    let msa = told[0].segment("MSA").unwrap();
    assert_eq!(msa.text(1, 1), "AR");
    assert!(msa.text(3, 1).contains("too many connections"), "{}", msa.text(3, 1));
    let last = records(world).await.pop().unwrap();
    assert_eq!(last.outcome, AuditOutcome::Refused);
    assert!(last.peer.is_some());
    let error = last.error.unwrap();
    assert_eq!(error, "too many connections of this client, refusal 1");
    assert_eq!(acknowledged(&mut first, &message).await, "AA", "the others stay");

    drop(second);
    let since = Instant::now();
    while acknowledged(&mut TcpStream::connect(address).await.unwrap(), &message).await != "AA" {
        assert!(since.elapsed() < Duration::from_secs(10), "a place is free again");
    }
    for nothing in [
        ClientLimit { per_second: 0, ..limit },
        ClientLimit { burst: 0, ..limit },
        ClientLimit { at_once: 0, ..limit },
    ] {
        let error = world.serve_mllp(Some(nothing)).await.unwrap_err();
        assert!(error.to_string().ends_with("must be at least 1"), "{error}");
    }
}

/// The listener has four places. Those who are told that they have no place, and do not listen, take
/// none of them; beyond sixteen they are not told.
pub async fn who_is_turned_away_keeps_nobody_else_out(world: &World) {
    let limit = ClientLimit { per_second: 100, burst: 100, at_once: 1 };
    let address = world.serve_mllp(Some(limit)).await.unwrap();
    let message = frame(&adt("A08", NHS, ""));
    let mut first = TcpStream::connect(address).await.unwrap();
    assert_eq!(acknowledged(&mut first, &message).await, "AA");

    let mut silent = Vec::new();
    for _ in 0..17 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut answers = Vec::new();
    for stream in &mut silent {
        answers.push(acknowledged(stream, b"").await);
    }

    answers.sort_unstable();
    assert_eq!(answers[0], "", "hung up on");
    assert_eq!(answers[1..], ["AR"; 16]);
    let began = Instant::now();
    let refused = |event: &AuditEvent| event.outcome == AuditOutcome::Refused;
    while records(world).await.iter().filter(|event| refused(event)).count() < 17 {
        assert!(began.elapsed() < Duration::from_secs(10), "each is recorded");
    }
    assert_eq!(acknowledged(&mut first, &message).await, "AA", "the others stay");
}

pub async fn a_client_that_sends_too_fast_is_slowed_down(world: &World) {
    let limit = ClientLimit { per_second: 3, burst: 2, at_once: 2 };
    let address = world.serve_mllp(Some(limit)).await.unwrap();
    let message = frame(&adt("A08", NHS, ""));
    let before = records(world).await.len();
    let began = Instant::now();

    let answers = world.exchange_at(address, &message.repeat(6)).await;

    // Two at once, and then at most two, the burst, after each second of waiting.
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let codes: Vec<String> = answers.iter().map(|a| a.segment("MSA").unwrap().text(1, 1)).collect();
    assert_eq!(codes, ["AA"; 6], "none is lost");
    assert_eq!(records(world).await.len(), before + 6);
}

/// Sends a message on a connection that stays open: MSA-1 of the answer.
async fn acknowledged(stream: &mut TcpStream, message: &[u8]) -> String {
    // A registry that has no place may have closed it already.
    let _ = stream.write_all(message).await;
    let mut decoder = MllpDecoder::new(1 << 16);
    let mut buffer = [0; 1024];
    loop {
        if let Framed::Message(answer) = decoder.next_message() {
            return Message::parse(&answer).unwrap().segment("MSA").unwrap().text(1, 1);
        }
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => decoder.push(&buffer[..n]),
            _ => return String::new(),
        }
    }
}

/// What has been recorded of the feed, oldest first.
async fn records(world: &World) -> Vec<AuditEvent> {
    let records = world.audit().read(&AuditFilter::default()).await.unwrap();
    records.into_iter().map(|record| record.event).collect()
}
