//! Rows of a CSV file, RFC 4180, one after the other, each with the line on which it begins.

use std::io::{BufRead, Read as _};

use anyhow::{Context, bail};

/// A file that is read row by row.
pub struct CsvReader<R> {
    input: R,
    /// Lines read so far.
    line: u64,
}

/// One row.
pub struct CsvRow {
    /// The line on which it begins, counted from 1.
    pub line: u64,
    /// Its fields, or why it has none; what follows can be read all the same.
    pub fields: Result<Vec<String>, &'static str>,
}

impl<R: BufRead> CsvReader<R> {
    pub fn new(input: R) -> Self {
        Self { input, line: 0 }
    }

    /// The next row that is not blank; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, a row is longer than 64 KiB, or a quote is never closed: then
    /// nobody can tell where the next row begins.
    pub fn next_row(&mut self) -> anyhow::Result<Option<CsvRow>> {
        let mut text = Vec::new();
        let begins = loop {
            text.clear();
            let begins = self.line + 1;
            if !self.read_line(&mut text, begins)? {
                return Ok(None);
            }
            if begins == 1 && text.starts_with(b"\xef\xbb\xbf") {
                text.drain(..3);
            }
            if !text.trim_ascii().is_empty() {
                break begins;
            }
        };
        loop {
            let fields = match fields(&text) {
                Fields::Whole(fields) => {
                    let utf8: Result<Vec<_>, _> =
                        fields.into_iter().map(String::from_utf8).collect();
                    utf8.map_err(|_| "it is not UTF-8")
                }
                Fields::Wrong(why) => Err(why),
                Fields::Open if self.read_line(&mut text, begins)? => continue,
                Fields::Open => bail!("line {begins}: a quote is opened and never closed"),
            };
            return Ok(Some(CsvRow { line: begins, fields }));
        }
    }

    /// Adds a line with its end; `false` at the end of the file.
    fn read_line(&mut self, text: &mut Vec<u8>, begins: u64) -> anyhow::Result<bool> {
        let room = (MOST_BYTES + 1).saturating_sub(text.len()) as u64;
        let read = (&mut self.input).take(room).read_until(b'\n', text);
        let read = read.with_context(|| format!("line {begins} cannot be read"))?;
        if text.len() > MOST_BYTES {
            let most = MOST_BYTES >> 10;
            bail!("line {begins}: a row is longer than {most} KiB; is a quote not closed?");
        }
        self.line += u64::from(read > 0);
        Ok(read > 0)
    }
}

/// What a piece of text is.
enum Fields {
    Whole(Vec<Vec<u8>>),
    /// It ends within quotes.
    Open,
    Wrong(&'static str),
}

fn fields(text: &[u8]) -> Fields {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let row = text.strip_suffix(b"\r").unwrap_or(text);
    let (mut all, mut rest) = (Vec::new(), row);
    loop {
        let (field, after) = match rest.strip_prefix(b"\"") {
            Some(quoted) => match unquote(quoted) {
                Some(found) => found,
                None => return Fields::Open,
            },
            None => {
                let end = rest.iter().position(|b| *b == b',').unwrap_or(rest.len());
                (rest[..end].to_vec(), &rest[end..])
            }
        };
        if !rest.starts_with(b"\"") && field.contains(&b'"') {
            return Fields::Wrong("a quote stands in a field that is not quoted");
        }
        all.push(field);
        rest = match after.split_first() {
            None => return Fields::Whole(all),
            Some((b',', after)) => after,
            Some(_) => return Fields::Wrong("something stands between a quoted field and a comma"),
        };
    }
}

/// The field that begins behind a quote, and what follows it; `None` when it does not end.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut field, mut rest) = (Vec::new(), text);
    loop {
        let end = rest.iter().position(|b| *b == b'"')?;
        field.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(b"\"") {
            Some(after) => {
                field.push(b'"');
                rest = after;
            }
            None => return Some((field, rest)),
        }
    }
}

const MOST_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (u64, Result<Vec<String>, &'static str>);

    fn read(text: &[u8]) -> (Vec<Read>, Option<String>) {
        let mut reader = CsvReader::new(text);
        let mut rows = Vec::new();
        loop {
            match reader.next_row() {
                Ok(Some(row)) => rows.push((row.line, row.fields)),
                Ok(None) => return (rows, None),
                Err(error) => return (rows, Some(error.to_string())),
            }
        }
    }

    fn row(line: u64, fields: &[&str]) -> Read {
        (line, Ok(fields.iter().map(|f| (*f).to_owned()).collect()))
    }

    #[test]
    fn rows_are_told_by_the_line_on_which_they_begin() {
        let text = b"\xef\xbb\xbfa,b\r\n\r\n\"x, \"\"y\"\"\nz\",\n,\"\"\n   \nlast";

        let (rows, error) = read(text);

        let expected = [
            row(1, &["a", "b"]),
            row(3, &["x, \"y\"\nz", ""]),
            row(5, &["", ""]),
            row(7, &["last"]),
        ];
        assert_eq!(rows, expected);
        assert_eq!(error, None);
    }

    #[test]
    fn a_wrong_row_does_not_hide_the_next_one() {
        let (rows, error) = read(b"5\" scar,a\n\"a\"b,c\n\xff,d\nfine,e\n");

        let wrong: Vec<u64> = rows.iter().filter(|(_, r)| r.is_err()).map(|(l, _)| *l).collect();
        assert_eq!(wrong, [1, 2, 3]);
        assert_eq!(rows[3], row(4, &["fine", "e"]));
        assert_eq!(error, None);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_by_its_line() {
        for tail in [String::from("y"), "y\n".repeat(MOST_BYTES)] {
            let (rows, error) = read(format!("a\n\"x\n{tail}").as_bytes());

            assert_eq!(rows.len(), 1);
            assert!(error.unwrap().starts_with("line 2: "));
        }
    }
}
