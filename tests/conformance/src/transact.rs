//! Sending: SOAP 1.2 with WS-Addressing, MTOM where documents go, raw HTTP, and HL7 over MLLP.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::dom::{child, children, local, parse, root, write};
use crate::substitute::fresh_uuid;

/// An answer.
pub struct Answer {
    /// The SOAP body's child, as XML.
    pub body: String,
    /// Whether it is a fault.
    pub fault: bool,
    /// Attachments by content id.
    pub attachments: Vec<(String, Vec<u8>)>,
    /// What came over the wire, for people.
    pub raw: String,
}

/// Sends a SOAP request whose body is `body`; with attachments as MTOM.
///
/// # Errors
/// When there is no answer that can be read.
pub async fn soap(
    http: &reqwest::Client,
    url: &str,
    action: &str,
    header: &str,
    body: &str,
    attachments: &[(String, Vec<u8>)],
    mtom: bool,
) -> anyhow::Result<(String, Answer)> {
    let envelope = envelope(url, action, header, body);
    let request = if mtom {
        let boundary = "MIMEBoundary_carerecord_conformance";
        let content_type = format!(
            "multipart/related; boundary=\"{boundary}\"; type=\"application/xop+xml\"; \
             start=\"<root@conformance>\"; start-info=\"application/soap+xml\"; action=\"{action}\""
        );
        let bytes = multipart(boundary, action, &envelope, attachments);
        http.post(url).header("content-type", content_type).body(bytes)
    } else {
        let content_type = format!("application/soap+xml; charset=UTF-8; action=\"{action}\"");
        http.post(url).header("content-type", content_type).body(envelope.clone())
    };
    Ok((envelope, receive(request).await?))
}

/// Posts a body as it is.
///
/// # Errors
/// When there is no answer that can be read.
pub async fn raw(
    http: &reqwest::Client,
    url: &str,
    headers: &[(String, String)],
    body: Vec<u8>,
) -> anyhow::Result<Answer> {
    let mut request = http.post(url).body(body);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    receive(request).await
}

async fn receive(request: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let content_type = response
        .headers()
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let bytes = response.bytes().await?;
    let (envelope, attachments) = match content_type.to_ascii_lowercase() {
        c if c.starts_with("multipart/related") => parts(&content_type, &bytes)?,
        _ => (String::from_utf8_lossy(&bytes).into_owned(), Vec::new()),
    };
    let package = parse(&envelope)?;
    let soap = root(&package.as_document())?;
    let body = child(&soap, "Body").context("the answer has no SOAP body")?;
    let content = children(&body).into_iter().next().context("the SOAP body is empty")?;
    Ok(Answer {
        body: write(&content)?,
        fault: local(&content) == "Fault",
        attachments,
        raw: envelope,
    })
}

fn envelope(url: &str, action: &str, header: &str, body: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:wsa=\"http://www.w3.org/2005/08/addressing\"><s:Header>{header}\
         <wsa:To>{url}</wsa:To><wsa:MessageID>{}</wsa:MessageID>\
         <wsa:ReplyTo><wsa:Address>http://www.w3.org/2005/08/addressing/anonymous</wsa:Address>\
         </wsa:ReplyTo><wsa:Action s:mustUnderstand=\"1\">{action}</wsa:Action></s:Header>\
         <s:Body>{body}</s:Body></s:Envelope>",
        fresh_uuid()
    )
}

fn multipart(
    boundary: &str,
    action: &str,
    envelope: &str,
    attachments: &[(String, Vec<u8>)],
) -> Vec<u8> {
    let mut bytes = format!(
        "--{boundary}\r\nContent-Type: application/xop+xml; charset=UTF-8; \
         type=\"application/soap+xml\"; action=\"{action}\"\r\n\
         Content-Transfer-Encoding: binary\r\nContent-ID: <root@conformance>\r\n\r\n{envelope}\r\n"
    )
    .into_bytes();
    for (id, content) in attachments {
        let head = format!(
            "--{boundary}\r\nContent-Type: application/octet-stream\r\n\
             Content-Transfer-Encoding: binary\r\nContent-ID: <{id}>\r\n\r\n"
        );
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    bytes
}

type Parts = (String, Vec<(String, Vec<u8>)>);

/// The root part and the others of a multipart answer. The root is the first one.
fn parts(content_type: &str, bytes: &[u8]) -> anyhow::Result<Parts> {
    let boundary = parameter(content_type, "boundary").context("the boundary is missing")?;
    let delimiter = format!("--{boundary}");
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = find(rest, delimiter.as_bytes()) {
        if !found.is_empty() || at > 0 {
            let part = rest[..at].strip_suffix(b"\r\n").unwrap_or(&rest[..at]);
            found.push(part);
        } else {
            found.push(&rest[..0]);
        }
        rest = &rest[at + delimiter.len()..];
        if rest.starts_with(b"--") {
            break;
        }
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    let mut parts = found.into_iter().skip(1).map(|part| {
        let (head, content) = match find(part, b"\r\n\r\n") {
            Some(at) => (&part[..at], &part[at + 4..]),
            None => (&part[..0], part),
        };
        let head = String::from_utf8_lossy(head).into_owned();
        let id = head
            .lines()
            .find_map(|l| {
                let (name, value) = l.split_once(':')?;
                name.trim().eq_ignore_ascii_case("content-id").then(|| value.trim().to_owned())
            })
            .unwrap_or_default();
        (id.trim_matches(['<', '>']).to_owned(), content.to_vec())
    });
    let (_, root) = parts.next().context("the root part is missing")?;
    Ok((String::from_utf8(root)?, parts.collect()))
}

fn parameter(content_type: &str, name: &str) -> Option<String> {
    content_type.split(';').find_map(|p| {
        let (n, v) = p.split_once('=')?;
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim().trim_matches('"').to_owned())
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// Sends an HL7 v2 message over MLLP; returns the acknowledgement.
///
/// # Errors
/// When there is none within ten seconds.
pub async fn mllp(address: &str, message: &str) -> anyhow::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("\u{b}{message}\u{1c}\r").as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            let byte = stream.read_u8().await?;
            if byte == 0x1c {
                break;
            }
            answer.push(byte);
            if answer.len() > 64 << 10 {
                bail!("the acknowledgement does not end");
            }
        }
        Ok(String::from_utf8_lossy(&answer).trim_start_matches('\u{b}').to_owned())
    };
    tokio::time::timeout(Duration::from_secs(10), exchange)
        .await
        .map_err(|_| anyhow!("no acknowledgement within 10 s"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipart_answers_are_taken_apart() {
        let attachments = [("a@x".to_owned(), b"1\r\n2".to_vec())];
        let bytes = multipart("B", "act", "<r/>", &attachments);

        let (root, rest) = parts("multipart/related; boundary=\"B\"", &bytes).unwrap();

        assert_eq!(root, "<r/>");
        assert_eq!(rest, attachments);
    }
}
