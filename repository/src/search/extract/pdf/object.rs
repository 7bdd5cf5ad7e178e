//! The syntax of PDF: objects and operators. ISO 32000-1, 7.2 and 7.3. Read leniently: what cannot
//! be read is left out, and the reader always moves on.

use std::collections::HashMap;

/// An object, or an operator between operands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    Number(f64),
    Name(String),
    Text(Vec<u8>),
    Array(Vec<Object>),
    Dictionary(Dictionary),
    Reference(u32),
    /// An operator, or `true`, `false`, `null`.
    Word(Vec<u8>),
}

pub(super) type Dictionary = HashMap<String, Object>;

impl Object {
    pub(super) fn number(&self) -> Option<f64> {
        if let Self::Number(n) = self { Some(*n) } else { None }
    }

    pub(super) fn text(&self) -> Option<&[u8]> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    fn is_word(&self, what: &[u8]) -> bool {
        matches!(self, Self::Word(word) if word == what)
    }

    pub(super) fn name(&self) -> Option<&str> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }

    pub(super) fn array(&self) -> Option<&[Object]> {
        if let Self::Array(all) = self { Some(all) } else { None }
    }

    pub(super) fn dictionary(&self) -> Option<&Dictionary> {
        if let Self::Dictionary(all) = self { Some(all) } else { None }
    }
}

/// Reads objects one after the other.
pub(super) struct Lexer<'b> {
    bytes: &'b [u8],
    pub(super) at: usize,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(bytes: &'b [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next object; `None` at the end.
    pub(super) fn object(&mut self) -> Option<Object> {
        self.object_within(0)
    }

    fn object_within(&mut self, depth: usize) -> Option<Object> {
        self.skip_space();
        let first = *self.bytes.get(self.at)?;
        match first {
            b'/' => Some(Object::Name(self.name())),
            b'(' => Some(Object::Text(self.text())),
            b'<' if self.starts_with(b"<<") => {
                self.at += 2;
                self.dictionary(depth)
            }
            b'<' => Some(Object::Text(self.hex())),
            b'[' => {
                self.at += 1;
                self.array(depth)
            }
            b']' | b'>' | b')' | b'{' | b'}' => {
                self.at += if self.starts_with(b">>") { 2 } else { 1 };
                Some(Object::Word(vec![first]))
            }
            b'0'..=b'9' | b'+' | b'-' | b'.' => Some(self.number_or_reference()),
            _ => Some(Object::Word(self.regular().to_vec())),
        }
    }

    pub(super) fn starts_with(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'%' => {
                    let rest = &self.bytes[self.at..];
                    let line = rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
                    self.at += line.unwrap_or(rest.len());
                }
                byte if is_space(*byte) => self.at += 1,
                _ => return,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Object> {
        let mut all = Vec::new();
        if depth >= MAX_DEPTH {
            return Some(Object::Array(all));
        }
        loop {
            let object = self.object_within(depth + 1)?;
            if object.is_word(b"]") || object.is_word(b">") {
                return Some(Object::Array(all));
            }
            if all.len() < MAX_ARRAY {
                all.push(object);
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Option<Object> {
        let mut all = HashMap::new();
        if depth >= MAX_DEPTH {
            return Some(Object::Dictionary(all));
        }
        loop {
            let key = self.object_within(depth + 1)?;
            if key.is_word(b">") {
                return Some(Object::Dictionary(all));
            }
            let Object::Name(name) = key else { continue };
            let value = self.object_within(depth + 1)?;
            if value.is_word(b">") {
                return Some(Object::Dictionary(all));
            }
            all.insert(name, value);
        }
    }

    fn name(&mut self) -> String {
        self.at += 1;
        let raw = self.regular();
        let mut name = Vec::with_capacity(raw.len());
        let mut rest = raw.iter();
        while let Some(byte) = rest.next() {
            let digits = rest.as_slice().get(..2).filter(|_| *byte == b'#');
            let digits = digits.and_then(|d| Some(digit(d[0])? << 4 | digit(d[1])?));
            match digits {
                Some(escaped) => {
                    name.push(escaped);
                    rest.nth(1);
                }
                None => name.push(*byte),
            }
        }
        String::from_utf8_lossy(&name).into_owned()
    }

    fn number_or_reference(&mut self) -> Object {
        let number = self.number();
        let before = self.at;
        // `12 0 R`: nothing else begins like a number and ends so.
        if number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX) {
            self.skip_space();
            let generation = self.regular();
            self.skip_space();
            let is_generation =
                matches!(generation.len(), 1..=5) && generation.iter().all(u8::is_ascii_digit);
            if is_generation && self.regular() == b"R" {
                return Object::Reference(number as u32);
            }
            self.at = before;
        }
        Object::Number(number)
    }

    fn number(&mut self) -> f64 {
        let raw = self.regular();
        std::str::from_utf8(raw).ok().and_then(|raw| raw.parse().ok()).unwrap_or(0.0)
    }

    /// What stands before the next space or delimiter; moves on by one byte where that is nothing.
    fn regular(&mut self) -> &'b [u8] {
        let rest = &self.bytes[self.at.min(self.bytes.len())..];
        let end = rest.iter().position(|b| is_space(*b) || is_delimiter(*b));
        let raw = &rest[..end.unwrap_or(rest.len())];
        self.at += raw.len();
        raw
    }

    /// `(text)`, with brackets in it and escapes.
    fn text(&mut self) -> Vec<u8> {
        self.at += 1;
        let mut out = Vec::new();
        let mut open = 1;
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                b'\\' => {
                    self.escape(&mut out);
                    continue;
                }
                _ => {}
            }
            if open == 0 {
                break;
            }
            out.push(byte);
        }
        out
    }

    fn escape(&mut self, out: &mut Vec<u8>) {
        let Some(&byte) = self.bytes.get(self.at) else { return };
        self.at += 1;
        match byte {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'b' | b'f' => out.push(b' '),
            b'\r' => self.at += usize::from(self.starts_with(b"\n")),
            b'\n' => {}
            b'0'..=b'7' => {
                let mut code = u32::from(byte - b'0');
                for _ in 0..2 {
                    let next = self.bytes.get(self.at).filter(|b| matches!(b, b'0'..=b'7'));
                    let Some(next) = next else { break };
                    code = code * 8 + u32::from(next - b'0');
                    self.at += 1;
                }
                out.push(code as u8);
            }
            other => out.push(other),
        }
    }

    fn hex(&mut self) -> Vec<u8> {
        self.at += 1;
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|b| *b == b'>').unwrap_or(rest.len());
        self.at += (end + 1).min(rest.len());
        let mut digits: Vec<u8> = rest[..end].iter().filter_map(|b| digit(*b)).collect();
        if digits.len() % 2 == 1 {
            digits.push(0);
        }
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0xc | b'\r' | b' ')
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%')
}

pub(super) fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|d| d as u8)
}

const MAX_DEPTH: usize = 32;
const MAX_ARRAY: usize = 100_000;
