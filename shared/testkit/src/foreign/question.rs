use axum::http::HeaderMap;
use carerecord_xml::{ElementRef, Limits, Tree};

/// What is asked for.
pub(super) struct Question {
    /// Where this repository is.
    pub(super) host: String,
    pub(super) message_id: String,
    pub(super) repository: String,
    pub(super) document: String,
}

/// Reads an ITI-43 request as strictly as the strictest: MTOM with every parameter in its place,
/// and all addressing headers.
pub(super) fn read(address: &str, headers: &HeaderMap, body: &[u8]) -> Result<Question, String> {
    let content_type = headers.get("content-type").and_then(|v| v.to_str().ok());
    let content_type = content_type.ok_or("no Content-Type")?;
    let parameter = |name: &str| {
        let (_, rest) = content_type.split_once(&format!("; {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let want = |name: &str| parameter(name).ok_or(format!("no quoted {name} in Content-Type"));
    if !content_type.starts_with("multipart/related;") {
        return Err("not multipart/related".into());
    }
    if want("type")? != "application/xop+xml" {
        return Err("type is not application/xop+xml".into());
    }
    if want("start-info")? != "application/soap+xml" {
        return Err("start-info is not application/soap+xml".into());
    }
    let (start, boundary) = (want("start")?, want("boundary")?);
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8")?;
    let inner = text
        .strip_prefix(&format!("--{boundary}\r\n"))
        .ok_or("it does not begin with the boundary and CRLF")?
        .strip_suffix(&format!("\r\n--{boundary}--\r\n"))
        .ok_or("it does not end with CRLF and the closing boundary")?;
    let (head, envelope) = inner.split_once("\r\n\r\n").ok_or("no empty line behind the head")?;
    let of_root = |line: &str| head.split("\r\n").any(|given| given.eq_ignore_ascii_case(line));
    if !of_root(&format!("Content-ID: {start}")) {
        return Err("the root is not the part that start names".into());
    }
    let kind = "Content-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"";
    if !of_root(kind) {
        return Err("the root is no application/xop+xml".into());
    }
    envelope_of(address, envelope)
}

fn envelope_of(address: &str, envelope: &str) -> Result<Question, String> {
    let tree = Tree::read(envelope, Limits::document()).map_err(|e| e.to_string())?;
    let text = |name: &str| {
        let mut found = tree.root().descendants().filter(|e| e.local() == name);
        match (found.next(), found.next()) {
            (Some(element), None) => Ok(element.text().trim().to_owned()),
            (None, _) => Err(format!("no {name}")),
            (Some(_), Some(_)) => Err(format!("{name} is there twice")),
        }
    };
    if text("Action")? != "urn:ihe:iti:2007:RetrieveDocumentSet" {
        return Err("the action is another".into());
    }
    if text("To")? != address {
        return Err("it is sent to somebody else".into());
    }
    let must = |name: &str| {
        let found = tree.root().descendants().find(|e| e.local() == name);
        found.and_then(|e: ElementRef<'_>| {
            e.attr_ns("http://www.w3.org/2003/05/soap-envelope", "mustUnderstand")
        }) == Some("1")
    };
    if !must("Action") {
        return Err("Action need not be understood".into());
    }
    let message_id = text("MessageID")?;
    if !message_id.starts_with("urn:uuid:") {
        return Err("MessageID is no urn:uuid".into());
    }
    let host = address.split("/Repository").next().unwrap_or_default().to_owned();
    Ok(Question {
        host,
        message_id,
        repository: text("RepositoryUniqueId")?,
        document: text("DocumentUniqueId")?,
    })
}
