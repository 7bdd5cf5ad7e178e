use super::MtomError;

/// The headers of a part that matter here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PartHeaders {
    /// Without the angle brackets.
    pub content_id: Option<String>,
    /// As it stands, folded lines joined.
    pub content_type: Option<String>,
    /// In lower case; empty for none.
    pub(super) transfer_encoding: String,
}

impl PartHeaders {
    /// Whether the part says of itself that it is an envelope.
    pub(super) fn is_envelope(&self) -> bool {
        let essence = self.content_type.as_deref().and_then(|t| t.split(';').next());
        essence.is_some_and(|essence| {
            ENVELOPE_TYPES.iter().any(|known| essence.trim().eq_ignore_ascii_case(known))
        })
    }

    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "content-id" => self.content_id = Some(without_brackets(value).to_owned()),
            "content-type" => self.content_type = Some(value.to_owned()),
            "content-transfer-encoding" => self.transfer_encoding = value.to_ascii_lowercase(),
            _ => {}
        }
    }
}

/// A Content-ID as it is compared.
pub(super) fn without_brackets(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value)
}

/// Puts the headers of a part together from their lines.
#[derive(Default)]
pub(super) struct HeaderLines {
    headers: PartHeaders,
    pending: String,
    total: usize,
}

impl HeaderLines {
    /// Takes a line with its line end. Gives the headers at the empty line behind them.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<Option<PartHeaders>, MtomError> {
        self.total += line.len();
        if self.total > MAX_HEADERS {
            return Err(MtomError::Headers);
        }
        let line = String::from_utf8_lossy(line);
        let text = line.trim();
        if !text.is_empty() && line.starts_with([' ', '\t']) {
            self.pending.push(' ');
            self.pending.push_str(text);
            return Ok(None);
        }
        self.headers.take(&self.pending);
        text.clone_into(&mut self.pending);
        Ok(text.is_empty().then(|| std::mem::take(&mut self.headers)))
    }
}

/// Bytes that the headers of one part may have.
pub(super) const MAX_HEADERS: usize = 16 << 10;

const ENVELOPE_TYPES: [&str; 4] =
    ["application/xop+xml", "application/soap+xml", "text/xml", "application/xml"];
