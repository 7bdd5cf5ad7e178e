use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use memchr::memmem::Finder;

use super::MtomError;
use super::decoder::Decoder;
use super::part::{HeaderLines, MAX_HEADERS, PartHeaders, without_brackets};
use crate::ContentType;

/// Reads a multipart message part by part from a stream of chunks, however they are cut.
///
/// Chunks are passed on as they come, not copied; only what may be the beginning of a boundary
/// waits for the next one. A future of this reader that is dropped before it is ready can lose
/// bytes: then drop the reader as well.
pub struct MtomReader<S> {
    source: S,
    /// What came and has not been taken.
    buffer: Bytes,
    /// A line end, `--` and the boundary.
    delimiter: Finder<'static>,
    /// The Content-ID of the root, when the message names it.
    start: Option<String>,
    state: State,
    /// Whether the buffer begins at the beginning of a line.
    at_line_start: bool,
    parts: usize,
    decoder: Decoder,
    /// Parts that stood before the root and wait for their turn.
    held: VecDeque<(PartHeaders, Bytes)>,
    /// The content of the current part, when it was held.
    replay: Option<Bytes>,
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
        let printable = boundary.bytes().all(|b| (0x20..0x7f).contains(&b));
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY || !printable {
            return Err(MtomError::Boundary);
        }
        let delimiter = format!("\n--{boundary}");
        Ok(Self {
            source,
            buffer: Bytes::new(),
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            start: content_type.parameter("start").map(|s| without_brackets(s).to_owned()),
            state: State::Preamble,
            at_line_start: true,
            parts: 0,
            decoder: Decoder::Verbatim,
            held: VecDeque::new(),
            replay: None,
        })
    }

    /// The part that the Content-Type header names as root, whole; to be asked for first. The other
    /// parts follow from `next_part` in their order. When no part has that name, or none is given,
    /// the first part is the root. `None` when there is no part.
    ///
    /// # Errors
    /// `RootTooLong` when the root, with what stands before it, is longer than `limit`; and as
    /// `chunk`.
    pub async fn root_part(
        &mut self,
        limit: usize,
    ) -> Result<Option<(PartHeaders, Bytes)>, MtomError> {
        let mut before = VecDeque::new();
        let mut room = limit;
        while let Some(headers) = self.next_part().await? {
            let first = before.is_empty();
            let root = match &self.start {
                // Real messages name a root that is not there, and mean the first part.
                Some(id) => {
                    headers.content_id.as_ref() == Some(id) || first && headers.is_envelope()
                }
                None => true,
            };
            let content = self.collect(room).await?.ok_or(MtomError::RootTooLong(limit))?;
            if root {
                self.held = before;
                return Ok(Some((headers, content)));
            }
            room -= content.len();
            before.push_back((headers, content));
        }
        let first = before.pop_front();
        self.held = before;
        Ok(first)
    }

    /// Goes to the next part, past what is left of the current one; `None` after the last.
    ///
    /// # Errors
    /// `MtomError`.
    pub async fn next_part(&mut self) -> Result<Option<PartHeaders>, MtomError> {
        self.replay = None;
        if let Some((headers, content)) = self.held.pop_front() {
            self.replay = Some(content);
            return Ok(Some(headers));
        }
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
        if let Some(content) = self.replay.take().filter(|c| !c.is_empty()) {
            return Ok(Some(content));
        }
        while self.state == State::Part {
            let raw = self.raw_chunk().await?;
            let decoded = self.decoder.decode(raw)?;
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
        self.decoder.finish()?;
        Ok(None)
    }

    /// The current part whole, when it is no longer than `limit`.
    ///
    /// # Errors
    /// `RootTooLong`, and as `chunk`.
    pub async fn whole_part(&mut self, limit: usize) -> Result<Bytes, MtomError> {
        self.collect(limit).await?.ok_or(MtomError::RootTooLong(limit))
    }

    /// What is left of the current part; `None` when it is longer than `room`.
    async fn collect(&mut self, room: usize) -> Result<Option<Bytes>, MtomError> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > room {
                return Ok(None);
            }
            all.extend_from_slice(&chunk);
        }
        Ok(Some(all.freeze()))
    }

    /// Content up to the boundary or, when none is in sight, what cannot be part of one.
    async fn raw_chunk(&mut self) -> Result<Bytes, MtomError> {
        loop {
            if let Some(boundary) = self.boundary().await? {
                let mut content = self.take(boundary.start);
                // The CR of the line end that belongs to the boundary is not content.
                if content.ends_with(b"\r") {
                    content.truncate(content.len() - 1);
                }
                self.take(boundary.len());
                self.state = self.behind_boundary().await?;
                return Ok(content);
            }
            let content = self.take(self.buffer.len() - self.begun());
            if !content.is_empty() {
                return Ok(content);
            }
            self.fill().await?;
        }
    }

    fn take(&mut self, length: usize) -> Bytes {
        self.at_line_start &= length == 0;
        self.buffer.split_to(length)
    }

    /// Where a whole boundary stands: one that ends with `--`, or that fills its line but for
    /// white space.
    async fn boundary(&mut self) -> Result<Option<Range<usize>>, MtomError> {
        let length = self.delimiter.needle().len();
        if self.at_line_start && self.begins_with_boundary().await? {
            return Ok(Some(0..length - 1));
        }
        let mut from = 0;
        while let Some(found) = self.delimiter.find(&self.buffer[from..]) {
            let at = from + found;
            if self.ends_boundary(at + length).await? {
                return Ok(Some(at..at + length));
            }
            from = at + 1;
        }
        Ok(None)
    }

    /// As `boundary`, where no line end stands before it.
    async fn begins_with_boundary(&mut self) -> Result<bool, MtomError> {
        loop {
            let wanted = &self.delimiter.needle()[1..];
            if self.buffer.starts_with(wanted) {
                return self.ends_boundary(wanted.len()).await;
            }
            if !wanted.starts_with(&self.buffer) {
                return Ok(false);
            }
            self.fill().await?;
        }
    }

    /// Whether what stands behind `after` makes a delimiter a boundary, and not the beginning of
    /// some longer line.
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

    /// How many of the last bytes may be the beginning of a boundary, a CR before it included.
    fn begun(&self) -> usize {
        let needle = self.delimiter.needle();
        let from = self.buffer.len().saturating_sub(needle.len() - 1);
        let line_end = memchr::memchr_iter(b'\n', &self.buffer[from..])
            .map(|at| from + at)
            .find(|at| needle.starts_with(&self.buffer[*at..]));
        let begun = line_end.unwrap_or(self.buffer.len());
        let cr = self.buffer[..begun].ends_with(b"\r");
        self.buffer.len() - begun + usize::from(cr)
    }

    async fn behind_boundary(&mut self) -> Result<State, MtomError> {
        if self.buffer.starts_with(b"--") {
            return Ok(State::End);
        }
        // Only white space: `ends_boundary` has seen to that.
        self.line().await?;
        Ok(State::Headers)
    }

    async fn headers(&mut self) -> Result<PartHeaders, MtomError> {
        let mut lines = HeaderLines::default();
        loop {
            let line = self.line().await?;
            if let Some(headers) = lines.take(&line)? {
                // The boundary of a part without content may stand right behind this line.
                self.at_line_start = true;
                return Ok(headers);
            }
        }
    }

    async fn line(&mut self) -> Result<Bytes, MtomError> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer) {
                return Ok(self.take(at + 1));
            }
            if self.buffer.len() > MAX_HEADERS {
                return Err(MtomError::Headers);
            }
            self.fill().await?;
        }
    }

    /// Waits for the next chunk and puts it behind what is left of the last one.
    async fn fill(&mut self) -> Result<(), MtomError> {
        match self.source.next().await {
            Some(Ok(chunk)) if self.buffer.is_empty() => {
                self.buffer = chunk;
                Ok(())
            }
            Some(Ok(chunk)) => {
                let mut joined = BytesMut::with_capacity(self.buffer.len() + chunk.len());
                joined.extend_from_slice(&self.buffer);
                joined.extend_from_slice(&chunk);
                self.buffer = joined.freeze();
                Ok(())
            }
            Some(Err(error)) => Err(MtomError::Source(error.to_string())),
            None => Err(MtomError::Incomplete),
        }
    }
}

const MAX_BOUNDARY: usize = 200;
/// Parts that one message may have.
pub(super) const MAX_PARTS: usize = 1024;

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

    #[test]
    fn a_delimiter_may_begin_with_itself() {
        let message = b"--B\r\n\r\n\r\n-\r\n--\r\n--\r\n--B-\n\n--B--";

        for cut in 1..message.len() {
            assert_eq!(
                read(message, cut).unwrap(),
                [(None, b"\r\n-\r\n--\r\n--\r\n--B-\n".to_vec())]
            );
        }
    }

    #[test]
    fn the_root_is_the_part_that_is_named() {
        let part = |id: &str, kind: &str| {
            format!("--B\r\nContent-ID: <{id}>\r\nContent-Type: {kind}\r\n\r\n{id}\r\n")
        };
        let ids = |start: &str, message: String, limit: usize| -> Result<Vec<String>, MtomError> {
            let header = format!("multipart/related; boundary=B{start}");
            let content_type = ContentType::parse(&header).unwrap();
            let source = stream::iter([Ok::<_, Infallible>(Bytes::from(message))]);
            block_on(async {
                let mut reader = MtomReader::new(&content_type, source)?;
                let mut ids = Vec::new();
                let root = reader.root_part(limit).await?;
                ids.extend(root.map(|(_, content)| String::from_utf8(content.to_vec()).unwrap()));
                while let Some(headers) = reader.next_part().await? {
                    let content = reader.whole_part(100).await?;
                    assert_eq!(
                        headers.content_id.as_deref().map(str::as_bytes),
                        Some(&content[..])
                    );
                    ids.push(headers.content_id.unwrap_or_default());
                }
                Ok(ids)
            })
        };
        let last = [part("a", "text/plain"), part("b", "x/y"), part("r", "x/y"), part("c", "x/y")];
        let last = format!("{}--B--", last.concat());
        let xop = format!("{}{}--B--", part("e", "Application/XOP+xml; a=b"), part("a", "x/y"));

        assert_eq!(ids("; start=\"<r>\"", last.clone(), 100).unwrap(), ["r", "a", "b", "c"]);
        assert_eq!(ids("; start=r", last.clone(), 100).unwrap(), ["r", "a", "b", "c"]);
        assert_eq!(ids("; start=nobody", last.clone(), 100).unwrap(), ["a", "b", "r", "c"]);
        assert_eq!(ids("", last.clone(), 100).unwrap(), ["a", "b", "r", "c"]);
        assert_eq!(ids("; start=nobody", xop, 1).unwrap(), ["e", "a"]);
        assert!(matches!(ids("; start=r", last, 2), Err(MtomError::RootTooLong(2))));
        assert!(ids("", "--B--".into(), 100).unwrap().is_empty());
    }

    #[test]
    fn boundaries_that_are_none() {
        let empty = || stream::iter([Ok::<_, Infallible>(Bytes::new())]);
        for header in ["", "; boundary=\"\"", "; boundary=\"a\u{1}\"", "; boundary=\"\u{e9}\""] {
            let content_type = ContentType::parse(&format!("multipart/related{header}")).unwrap();
            let refused = MtomReader::new(&content_type, empty()).err();
            assert!(matches!(refused, Some(MtomError::Boundary)), "{header:?}");
        }
    }

    #[test]
    fn the_sources_words_stay_here() {
        let source = stream::iter([Err::<Bytes, _>("10.0.0.1 said no")]);
        let content_type = ContentType::parse("multipart/related; boundary=B").unwrap();

        let error = block_on(async {
            MtomReader::new(&content_type, source).unwrap().next_part().await.unwrap_err()
        });

        assert!(!error.to_string().contains("10.0"));
    }

    proptest! {
        #[test]
        fn the_cut_does_not_matter(
            text in "(--B|\r|\n|\r\n|-|--|B|a| |\r\n--B\r\n\r\n|Content-ID: x\r\n){0,20}",
            cut in 1usize..9,
        ) {
            let message = format!("--B\r\n\r\n{text}\r\n--B--");

            let whole = read(message.as_bytes(), 10_000);

            prop_assert_eq!(read(message.as_bytes(), cut).ok(), whole.ok());
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 1usize..20) {
            let _ = read(&bytes, cut);
        }
    }
}
