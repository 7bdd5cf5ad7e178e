use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use memchr::memmem::Finder;

use crate::ContentType;

/// Why a multipart message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MtomError {
    /// No boundary is given, or it is not one.
    #[error("the multipart boundary is missing or wrong")]
    Boundary,
    /// The message ends before its last boundary.
    #[error("the multipart message ends before its closing boundary")]
    Incomplete,
    /// A part's headers are too long or not headers.
    #[error("the headers of a part are wrong or too long")]
    Headers,
    /// Too many parts.
    #[error("the message has more than {MAX_PARTS} parts")]
    TooManyParts,
    /// The root part is longer than metadata may be.
    #[error("the SOAP envelope is longer than {0} bytes")]
    RootTooLong(usize),
    /// A part is in a transfer encoding that is broken or unknown.
    #[error("the transfer encoding of a part is wrong or not known")]
    TransferEncoding,
    /// The connection broke.
    #[error("the message could not be received: {0}")]
    Source(String),
}

/// The headers of a part that matter here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PartHeaders {
    /// Without the angle brackets.
    pub content_id: Option<String>,
    /// As it stands.
    pub content_type: Option<String>,
    transfer_encoding: String,
}

/// Reads a multipart message part by part from a stream of chunks, however they are cut.
pub struct MtomReader<S> {
    source: S,
    buffer: BytesMut,
    delimiter: Finder<'static>,
    delimiter_length: usize,
    state: State,
    parts: usize,
    decoder: Decoder,
    /// Whether the buffer begins with a line end that is not content.
    borrowed_line_end: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// In the content of a part.
    Part,
    /// Just behind a boundary, before the headers of a part.
    Headers,
    /// Behind the last boundary.
    End,
}

impl<S, E> MtomReader<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    /// Reads from `source`, whose Content-Type header is `content_type`.
    ///
    /// # Errors
    /// When the header names no boundary.
    pub fn new(content_type: &ContentType, source: S) -> Result<Self, MtomError> {
        let boundary = content_type.parameter("boundary").ok_or(MtomError::Boundary)?;
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return Err(MtomError::Boundary);
        }
        let delimiter = format!("\n--{boundary}");
        Ok(Self {
            source,
            // As if a line had ended before: then the first boundary looks like all others.
            buffer: BytesMut::from(&b"\n"[..]),
            delimiter_length: delimiter.len(),
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            state: State::Preamble,
            parts: 0,
            decoder: Decoder::Verbatim,
            borrowed_line_end: true,
        })
    }

    /// Goes to the next part, past what is left of the current one; `None` after the last.
    ///
    /// # Errors
    /// `MtomError`.
    pub async fn next_part(&mut self) -> Result<Option<PartHeaders>, MtomError> {
        while matches!(self.state, State::Preamble | State::Part) {
            self.raw_chunk().await?;
        }
        if self.state == State::End {
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(MtomError::TooManyParts);
        }
        let headers = self.headers().await?;
        self.decoder = Decoder::of(&headers.transfer_encoding)?;
        self.state = State::Part;
        Ok(Some(headers))
    }

    /// The next bytes of the current part; `None` at its end. Never empty.
    ///
    /// # Errors
    /// `MtomError`; the part is then not complete.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MtomError> {
        loop {
            if self.state != State::Part {
                let rest = self.decoder.finish()?;
                return Ok((!rest.is_empty()).then_some(rest));
            }
            let raw = self.raw_chunk().await?;
            let decoded = self.decoder.decode(raw)?;
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
    }

    /// The current part whole, when it is no longer than `limit`.
    ///
    /// # Errors
    /// `RootTooLong`, and as `chunk`.
    pub async fn whole_part(&mut self, limit: usize) -> Result<Bytes, MtomError> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > limit {
                return Err(MtomError::RootTooLong(limit));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// Content up to the boundary or, when none is in sight, what cannot be part of one.
    async fn raw_chunk(&mut self) -> Result<Bytes, MtomError> {
        loop {
            if let Some(at) = self.boundary_at().await? {
                let content = self.take_content(at);
                self.buffer.advance(self.delimiter_length);
                self.state = self.behind_boundary().await?;
                return Ok(without_line_end(content));
            }
            // A boundary may begin in the last bytes, with a CR before it.
            let keep = self.delimiter_length + 1;
            if self.buffer.len() > keep {
                return Ok(self.take_content(self.buffer.len() - keep));
            }
            self.fill().await?;
        }
    }

    fn take_content(&mut self, length: usize) -> Bytes {
        let mut content = self.buffer.split_to(length).freeze();
        if self.borrowed_line_end && !content.is_empty() {
            content.advance(1);
        }
        self.borrowed_line_end = false;
        content
    }

    /// Where a whole boundary stands: one that ends with `--`, or that fills its line but for
    /// white space.
    async fn boundary_at(&mut self) -> Result<Option<usize>, MtomError> {
        let mut from = 0;
        while let Some(found) = self.delimiter.find(&self.buffer[from..]) {
            let at = from + found;
            if self.ends_boundary(at + self.delimiter_length).await? {
                return Ok(Some(at));
            }
            from = at + 1;
        }
        Ok(None)
    }

    async fn ends_boundary(&mut self, after: usize) -> Result<bool, MtomError> {
        let mut at = after;
        loop {
            while self.buffer.len() < at + 2 {
                self.fill().await?;
            }
            match &self.buffer[at..at + 2] {
                b"--" => return Ok(at == after),
                b"\r\n" | [b'\n', _] => return Ok(true),
                [b' ' | b'\t', _] if at - after < MAX_BOUNDARY => at += 1,
                _ => return Ok(false),
            }
        }
    }

    async fn behind_boundary(&mut self) -> Result<State, MtomError> {
        if self.buffer.starts_with(b"--") {
            return Ok(State::End);
        }
        let line = self.line().await?;
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(State::Headers);
        }
        Err(MtomError::Headers)
    }

    async fn headers(&mut self) -> Result<PartHeaders, MtomError> {
        let mut headers = PartHeaders::default();
        let mut total = 0;
        let mut pending = String::new();
        loop {
            let line = self.line().await?;
            total += line.len();
            if total > MAX_HEADERS {
                return Err(MtomError::Headers);
            }
            let line = String::from_utf8_lossy(&line);
            let folded = line.starts_with([' ', '\t']);
            let text = line.trim_end_matches(['\r', '\n']);
            if folded && !text.trim().is_empty() {
                pending.push(' ');
                pending.push_str(text.trim());
                continue;
            }
            headers.take(&pending);
            if text.trim().is_empty() {
                // The boundary of a part without content may stand right behind this line.
                let mut buffer = BytesMut::from(&b"\n"[..]);
                buffer.extend_from_slice(&self.buffer);
                self.buffer = buffer;
                self.borrowed_line_end = true;
                return Ok(headers);
            }
            text.clone_into(&mut pending);
        }
    }

    async fn line(&mut self) -> Result<Bytes, MtomError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer) {
                return Ok(self.buffer.split_to(at + 1).freeze());
            }
            if self.buffer.len() > MAX_HEADERS {
                return Err(MtomError::Headers);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), MtomError> {
        match self.source.next().await {
            Some(Ok(chunk)) => {
                self.buffer.extend_from_slice(&chunk);
                Ok(())
            }
            Some(Err(error)) => Err(MtomError::Source(error.to_string())),
            None => Err(MtomError::Incomplete),
        }
    }
}

impl PartHeaders {
    fn take(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "content-id" => {
                self.content_id =
                    Some(value.trim_start_matches('<').trim_end_matches('>').to_owned());
            }
            "content-type" => self.content_type = Some(value.to_owned()),
            "content-transfer-encoding" => self.transfer_encoding = value.to_ascii_lowercase(),
            _ => {}
        }
    }
}

/// Undoes a part's transfer encoding chunk by chunk.
enum Decoder {
    Verbatim,
    /// Characters of a group of four that is not complete yet.
    Base64(Vec<u8>),
    /// An escape that is not complete yet.
    QuotedPrintable(Vec<u8>),
}

impl Decoder {
    fn of(encoding: &str) -> Result<Self, MtomError> {
        match encoding {
            "" | "binary" | "8bit" | "7bit" => Ok(Self::Verbatim),
            "base64" => Ok(Self::Base64(Vec::new())),
            "quoted-printable" => Ok(Self::QuotedPrintable(Vec::new())),
            _ => Err(MtomError::TransferEncoding),
        }
    }

    fn decode(&mut self, raw: Bytes) -> Result<Bytes, MtomError> {
        match self {
            Self::Verbatim => Ok(raw),
            Self::Base64(carry) => {
                carry.extend(raw.iter().filter(|b| !b.is_ascii_whitespace()));
                let whole = carry.len() - carry.len() % 4;
                let group: Vec<u8> = carry.drain(..whole).collect();
                base64_decode(&group)
            }
            Self::QuotedPrintable(carry) => {
                carry.extend_from_slice(&raw);
                quoted_printable(carry)
            }
        }
    }

    fn finish(&mut self) -> Result<Bytes, MtomError> {
        match self {
            Self::Verbatim => Ok(Bytes::new()),
            Self::Base64(carry) | Self::QuotedPrintable(carry) if carry.is_empty() => {
                Ok(Bytes::new())
            }
            Self::Base64(_) | Self::QuotedPrintable(_) => Err(MtomError::TransferEncoding),
        }
    }
}

fn base64_decode(group: &[u8]) -> Result<Bytes, MtomError> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(group)
        .map(Bytes::from)
        .map_err(|_| MtomError::TransferEncoding)
}

/// Decodes what is complete and leaves an escape that is cut off in `carry`.
fn quoted_printable(carry: &mut Vec<u8>) -> Result<Bytes, MtomError> {
    let mut out = BytesMut::with_capacity(carry.len());
    let mut at = 0;
    while at < carry.len() {
        if carry[at] != b'=' {
            out.extend_from_slice(&carry[at..=at]);
            at += 1;
            continue;
        }
        let Some(escape) = carry.get(at + 1..at + 3) else { break };
        if escape == b"\r\n" {
            at += 3;
        } else if escape[0] == b'\n' {
            at += 2;
        } else {
            let hex = std::str::from_utf8(escape).map_err(|_| MtomError::TransferEncoding)?;
            let byte = u8::from_str_radix(hex, 16).map_err(|_| MtomError::TransferEncoding)?;
            out.extend_from_slice(&[byte]);
            at += 3;
        }
    }
    carry.drain(..at);
    Ok(out.freeze())
}

/// The CR of the line end that belongs to the boundary is not content.
fn without_line_end(mut content: Bytes) -> Bytes {
    if content.last() == Some(&b'\r') {
        content.truncate(content.len() - 1);
    }
    content
}

const MAX_BOUNDARY: usize = 200;
const MAX_PARTS: usize = 1024;
const MAX_HEADERS: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use proptest::prelude::*;

    use super::*;

    type Parts = Vec<(Option<String>, Vec<u8>)>;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn read(message: &[u8], cut: usize) -> Result<Parts, MtomError> {
        let chunks: Vec<Result<Bytes, Infallible>> =
            message.chunks(cut.max(1)).map(|c| Ok(Bytes::copy_from_slice(c))).collect();
        let content_type = ContentType::parse("multipart/related; boundary=B").unwrap();
        block_on(async {
            let mut reader = MtomReader::new(&content_type, stream::iter(chunks))?;
            let mut parts = Vec::new();
            while let Some(headers) = reader.next_part().await? {
                parts.push((headers.content_id, reader.whole_part(1 << 20).await?.to_vec()));
            }
            Ok(parts)
        })
    }

    const MESSAGE: &[u8] = b"preamble\r\n--B\r\nContent-Type: application/xop+xml;\r\n\tx=y\r\n\
        Content-ID: <root>\r\n\r\n<x/>\r\n--B\r\nContent-ID:\r\n <d@1>\r\n\r\n\r\n--Bogus\r\n--\r\n\
        \r\n--B\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n--B\r\n\r\n--B--\r\nepilogue";

    #[test]
    fn wherever_the_chunks_are_cut() {
        for cut in 1..=MESSAGE.len() {
            let parts = read(MESSAGE, cut).unwrap();

            assert_eq!(parts.len(), 4, "cut at {cut}");
            assert_eq!(parts[0], (Some("root".into()), b"<x/>".to_vec()));
            assert_eq!(parts[1], (Some("d@1".into()), b"\r\n--Bogus\r\n--\r\n".to_vec()));
            assert_eq!(parts[2].1, b"hello");
            assert_eq!(parts[3].1, b"");
        }
    }

    #[test]
    fn line_feeds_alone_will_do() {
        let message = b"--B\nContent-ID: <a>\n\nx\ny\n--B--";

        assert_eq!(read(message, 3).unwrap(), [(Some("a".into()), b"x\ny".to_vec())]);
    }

    #[test]
    fn a_message_that_breaks_off_is_an_error() {
        for length in 0..MESSAGE.len() - 12 {
            assert!(read(&MESSAGE[..length], 7).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn floods_are_refused() {
        let parts = format!("{}--B--", "--B\r\n\r\n\r\n".repeat(1100));
        let header = format!("--B\r\nX: {}\r\n\r\n--B--", "a".repeat(20_000));

        assert!(matches!(read(parts.as_bytes(), 100), Err(MtomError::TooManyParts)));
        assert!(matches!(read(header.as_bytes(), 100), Err(MtomError::Headers)));
    }

    proptest! {
        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..20) {
            let _ = read(&bytes, cut);
        }
    }
}
