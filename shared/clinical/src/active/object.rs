//! The syntax of an object of a PDF, as far as it tells what stream it is. ISO 32000-1: 7.2 and 7.3.
//!
//! Viewers read what is malformed each in its own way. Where they would not agree on where a
//! dictionary ends, it is odd, so that nothing can be hidden between two ways of reading.

use super::{MAX_NAME, name};

/// Entries of a dictionary with the first tokens of each value, as they stand.
pub(super) type Dictionary<'b> = Vec<(Vec<u8>, Vec<Token<'b>>)>;

/// No two viewers need to read it the same way, or it is too deep or too long.
#[derive(Debug)]
pub(super) struct Odd;

#[derive(Debug, PartialEq)]
pub(super) enum Token<'b> {
    /// Without its `/` and with its `#xx` resolved.
    Name(Vec<u8>),
    /// `<<`, `>>`, `[`, `]`.
    Mark(&'static [u8]),
    /// A number, a keyword, or something else that is no text.
    Word(&'b [u8]),
    Text,
}

impl Token<'_> {
    pub(super) fn is_name(&self, what: &[u8]) -> bool {
        matches!(self, Token::Name(name) if name == what)
    }
}

/// The dictionary of a stream that begins here, behind `obj`, and where its data begin; `None` if
/// there is no stream. Has the entries of these keys alone. `left` is what may be read in bytes.
pub(super) fn stream_dictionary<'b>(
    bytes: &'b [u8],
    at: usize,
    keys: &[&[u8]],
    left: &mut usize,
) -> Result<Option<(Dictionary<'b>, usize)>, Odd> {
    let mut tokens = Tokens { bytes, at };
    let found = stream(&mut tokens, keys);
    *left = left.checked_sub(tokens.at - at).ok_or(Odd)?;
    found
}

fn stream<'b>(
    tokens: &mut Tokens<'b>,
    keys: &[&[u8]],
) -> Result<Option<(Dictionary<'b>, usize)>, Odd> {
    tokens.skip_space();
    // The word may be one of a text.
    if !tokens.rest().starts_with(b"<<") {
        return Ok(None);
    }
    let Some(dictionary) = dictionary(tokens, keys)? else { return Ok(None) };
    if !matches!(tokens.next(), Ok(Some(Token::Word(b"stream")))) {
        return Ok(None);
    }
    // Whatever stands behind the word, viewers go on at the next line.
    let rest = tokens.rest();
    let Some(line) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return Ok(None);
    };
    let line_end = if rest[line..].starts_with(b"\r\n") { 2 } else { 1 };
    Ok(Some((dictionary, tokens.at + line + line_end)))
}

/// What a value may stand in.
enum Within {
    Dictionary { has_key: bool },
    Array,
}

fn dictionary<'b>(tokens: &mut Tokens<'b>, keys: &[&[u8]]) -> Result<Option<Dictionary<'b>>, Odd> {
    let (mut open, mut entries, mut keeps) = (Vec::new(), Dictionary::new(), false);
    while let Some(token) = tokens.next()? {
        let depth = open.len();
        let mut opens = None;
        match (open.last_mut(), &token) {
            (None, token) => opens = opened(token),
            (Some(Within::Dictionary { has_key: false }), Token::Mark(b">>"))
            | (Some(Within::Array), Token::Mark(b"]")) => {
                open.pop();
                if open.is_empty() {
                    return Ok(Some(entries));
                }
            }
            (Some(_), Token::Mark(b">>")) => return Err(Odd),
            (Some(Within::Dictionary { has_key }), Token::Name(name)) if !*has_key => {
                *has_key = true;
                if depth == 1 {
                    keeps = keys.contains(&name.as_slice());
                    if keeps {
                        entries.push((name.clone(), Vec::new()));
                    }
                    continue;
                }
            }
            // The rest of a reference, or what viewers pass over.
            (Some(Within::Dictionary { has_key: false }), _) => {}
            (Some(Within::Dictionary { has_key }), token) => {
                *has_key = false;
                opens = opened(token);
            }
            (Some(Within::Array), token) => opens = opened(token),
        }
        open.extend(opens);
        if open.len() > MAX_DEPTH || entries.len() > MAX_ENTRIES {
            return Err(Odd);
        }
        let value = entries.last_mut().map(|(_, value)| value);
        if let Some(value) = value.filter(|value| keeps && value.len() < MAX_VALUE) {
            value.push(token);
        }
    }
    Ok(None)
}

fn opened(token: &Token<'_>) -> Option<Within> {
    match token {
        Token::Mark(b"<<") => Some(Within::Dictionary { has_key: false }),
        Token::Mark(b"[") => Some(Within::Array),
        Token::Mark(_) | Token::Name(_) | Token::Word(_) | Token::Text => None,
    }
}

struct Tokens<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Tokens<'b> {
    fn rest(&self) -> &'b [u8] {
        &self.bytes[self.at..]
    }

    fn next(&mut self) -> Result<Option<Token<'b>>, Odd> {
        self.skip_space();
        let rest = self.rest();
        let (token, length) = match rest {
            [] => return Ok(None),
            [b'<', b'<', ..] => (Token::Mark(b"<<"), 2),
            [b'>', b'>', ..] => (Token::Mark(b">>"), 2),
            [b'[', ..] => (Token::Mark(b"["), 1),
            [b']', ..] => (Token::Mark(b"]"), 1),
            [b'/', raw @ ..] => {
                let (name, length) = name(raw);
                if name.len() > MAX_NAME {
                    return Err(Odd);
                }
                (Token::Name(name), length + 1)
            }
            [b'(', ..] => (Token::Text, text_length(rest)),
            [b'<', ..] => (Token::Text, hex_length(rest)?),
            [b'{' | b'}', ..] => (Token::Word(&rest[..1]), 1),
            [b'>' | b')', ..] => return Err(Odd),
            _ => {
                let end = rest.iter().position(|byte| is_end(*byte)).unwrap_or(rest.len());
                (Token::Word(&rest[..end]), end)
            }
        };
        self.at += length;
        Ok(Some(token))
    }

    fn skip_space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'%' => {
                    let rest = self.rest();
                    let line = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                    self.at += line.unwrap_or(rest.len());
                }
                byte if is_space(*byte) => self.at += 1,
                _ => return,
            }
        }
    }
}

/// Of `(text)` with brackets in it and escapes.
fn text_length(rest: &[u8]) -> usize {
    let (mut open, mut at) = (0, 0);
    while let Some(byte) = rest.get(at) {
        at += 1;
        match byte {
            b'\\' => at += 1,
            b'(' => open += 1,
            b')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// Of `<6162>`.
fn hex_length(rest: &[u8]) -> Result<usize, Odd> {
    let is_hex = |byte: &&u8| byte.is_ascii_hexdigit() || is_space(**byte);
    let digits = rest[1..].iter().take_while(is_hex).count();
    match rest.get(digits + 1) {
        Some(b'>') => Ok(digits + 2),
        Some(_) => Err(Odd),
        None => Ok(rest.len()),
    }
}

pub(super) fn is_end(byte: u8) -> bool {
    is_space(byte) || b"()<>[]{}/%".contains(&byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0xc | b'\r' | b' ')
}

const MAX_DEPTH: usize = 64;
/// Of those that are kept, each as often as it is there.
const MAX_ENTRIES: usize = 64;
/// Tokens of a value that are kept.
const MAX_VALUE: usize = 8;
