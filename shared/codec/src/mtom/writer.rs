use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use crate::safe_content_type;

/// The bytes of a part or a message, as they come.
pub type ByteStream<E> = Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>;

/// A binary part to send.
pub struct Attachment<E> {
    /// Without angle brackets; of our own making, so it needs no escaping.
    pub content_id: String,
    /// The type told to the receiver; replaced when it cannot stand in a header.
    pub content_type: String,
    /// Number of bytes, when known.
    pub size: Option<u64>,
    /// The bytes.
    pub body: ByteStream<E>,
}

/// A message ready to be sent.
pub struct MtomMessage<E> {
    /// The Content-Type header.
    pub content_type: String,
    /// Number of bytes, when the sizes of all parts are known.
    pub length: Option<u64>,
    /// The bytes.
    pub body: ByteStream<E>,
}

/// The Content-Type header of a message with this boundary and action.
pub fn mtom_content_type(boundary: &str, action: Option<&str>) -> String {
    let action = action.map(|a| format!("; action=\"{}\"", quotable(a))).unwrap_or_default();
    format!(
        "multipart/related; boundary=\"{boundary}\"; type=\"application/xop+xml\"; \
         start=\"<{ROOT_ID}>\"; start-info=\"application/soap+xml\"{action}"
    )
}

/// Puts an envelope and its parts into one multipart message. `boundary` must be one that no part
/// can hold: take a random one.
pub fn write_mtom<E: Send + 'static>(
    boundary: &str,
    action: Option<&str>,
    envelope: Vec<u8>,
    attachments: Vec<Attachment<E>>,
) -> MtomMessage<E> {
    let root = format!(
        "--{boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; \
         type=\"application/soap+xml\"\r\nContent-Transfer-Encoding: binary\r\n\
         Content-ID: <{ROOT_ID}>\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    let mut length = Some((root.len() + envelope.len() + end.len()) as u64);
    let mut pieces: Vec<ByteStream<E>> = vec![one(root.into()), one(envelope.into())];
    for attachment in attachments {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Transfer-Encoding: binary\r\n\
             Content-ID: <{}>\r\n\r\n",
            safe_content_type(&attachment.content_type),
            attachment.content_id
        );
        length = length.zip(attachment.size).map(|(sum, size)| sum + head.len() as u64 + size);
        pieces.push(one(head.into()));
        pieces.push(attachment.body);
    }
    pieces.push(one(end.into()));
    MtomMessage {
        content_type: mtom_content_type(boundary, action),
        length,
        body: Box::pin(stream::iter(pieces).flatten()),
    }
}

/// What of a value can stand between quotes in a header.
fn quotable(value: &str) -> String {
    value.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

fn one<E: Send + 'static>(bytes: Bytes) -> ByteStream<E> {
    Box::pin(stream::once(std::future::ready(Ok(bytes))))
}

const ROOT_ID: &str = "root@carerecord";

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::ContentType;
    use crate::mtom::MtomReader;

    #[tokio::test]
    async fn what_is_written_is_read_back_and_the_length_is_right() {
        let attachment = |id: &str, bytes: &'static [u8]| Attachment::<Infallible> {
            content_id: id.into(),
            content_type: "text/plain".into(),
            size: Some(bytes.len() as u64),
            body: one(Bytes::from_static(bytes)),
        };
        let attachments = vec![attachment("a", b"\r\n--B not\r\n"), attachment("b", b"")];

        let message = write_mtom("B", None, b"<x/>".to_vec(), attachments);
        let bytes: Vec<Bytes> = message.body.map(Result::unwrap).collect().await;
        let all = bytes.concat();

        assert_eq!(message.length, Some(all.len() as u64));
        let content_type = ContentType::parse(&message.content_type).unwrap();
        let source = stream::iter([Ok::<_, Infallible>(Bytes::from(all))]);
        let mut reader = MtomReader::new(&content_type, source).unwrap();
        let mut contents = Vec::new();
        while reader.next_part().await.unwrap().is_some() {
            contents.push(reader.whole_part(1000).await.unwrap());
        }
        assert_eq!(contents, [&b"<x/>"[..], b"\r\n--B not\r\n", b""]);
    }

    #[tokio::test]
    async fn a_part_of_unknown_size_leaves_the_length_open() {
        let body = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"x"))]);
        let attachment = Attachment {
            content_id: "a".into(),
            content_type: "text/x\r\nEvil: 1".into(),
            size: None,
            body: Box::pin(body),
        };

        let message = write_mtom("B", Some("urn:a\"; evil=\"1\r\n"), Vec::new(), vec![attachment]);

        assert_eq!(message.length, None);
        let content_type = ContentType::parse(&message.content_type).unwrap();
        assert_eq!(content_type.parameter("action"), Some("urn:a; evil=1"));
        let bytes: Vec<Bytes> = message.body.map(Result::unwrap).collect().await;
        let text = String::from_utf8(bytes.concat()).unwrap();
        assert!(text.contains("Content-Type: application/octet-stream\r\n"));
        assert!(!text.contains("Evil"));
    }
}
