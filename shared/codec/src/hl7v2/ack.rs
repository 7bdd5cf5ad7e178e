use super::Message;

/// The verdict of an acknowledgement, original mode. HL7 v2.3.1: 2.16.3.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AckCode {
    /// Done.
    Accept,
    /// The content is wrong; nothing was done.
    Error,
    /// The message is of a kind that is not taken, or cannot be read, or cannot be taken now.
    Reject,
}

impl AckCode {
    /// MSA-1.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "AA",
            Self::Error => "AE",
            Self::Reject => "AR",
        }
    }
}

/// The acknowledgement of a message: its header turned round, its control id, and what is wrong.
/// `now` is an HL7 time, `id` the control id of the answer.
pub fn acknowledgement(
    message: &Message,
    code: AckCode,
    text: Option<&str>,
    now: &str,
    id: &str,
) -> String {
    let header = message.header();
    let trigger = header.text(9, 2);
    let kind = if trigger.is_empty() { String::new() } else { format!("^{}", plain(&trigger)) };
    let field = |number: usize| ours(message, header.field(number));
    let (processing, version) = (field(11), field(12));
    let mut ack = format!(
        "MSH|^~\\&|{}|{}|{}|{}|{now}||ACK{kind}|{}|{}|{}\rMSA|{}|{}",
        field(5),
        field(6),
        field(3),
        field(4),
        plain(id),
        if processing.is_empty() { "P" } else { &processing },
        if version.is_empty() { "2.3.1" } else { &version },
        code.as_str(),
        ours(message, header.field(10)),
    );
    if let Some(text) = text {
        ack.push('|');
        ack.push_str(&plain(text));
    }
    ack.push('\r');
    ack
}

/// The acknowledgement of bytes that are no message.
pub fn refusal(text: &str, now: &str, id: &str) -> String {
    format!("MSH|^~\\&|||||{now}||ACK|{}|P|2.3.1\rMSA|AR||{}\r", plain(id), plain(text))
}

/// A field with the usual separators in place of the message's own.
fn ours(message: &Message, field: &str) -> String {
    let s = message.separators;
    let usual = [(s.component, '^'), (s.repetition, '~'), (s.escape, '\\'), (s.subcomponent, '&')];
    field
        .chars()
        .filter(|c| !c.is_control())
        .map(|c| usual.iter().find(|(own, _)| *own == c).map_or(c, |(_, usual)| *usual))
        .filter(|c| *c != '|')
        .take(MAX_FIELD)
        .collect()
}

/// A text of our own as a field.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !"|^~\\&".contains(*c)).take(MAX_FIELD).collect()
}

const MAX_FIELD: usize = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_turned_round() {
        let text = "MSH|^~\\&|PAS|TRUST1|REG|SCR|20260114||ADT^A40^ADT_A39|M0001|P|2.3.1\r";
        let message = Message::parse(text.as_bytes()).unwrap();

        let ack = acknowledgement(&message, AckCode::Error, Some("not | known"), "2026", "7");

        assert_eq!(
            ack,
            "MSH|^~\\&|REG|SCR|PAS|TRUST1|2026||ACK^A40|7|P|2.3.1\rMSA|AE|M0001|not  known\r"
        );
        assert!(Message::parse(ack.as_bytes()).is_ok());
        assert!(refusal("no", "2026", "8").contains("MSA|AR||no"));
    }
}
