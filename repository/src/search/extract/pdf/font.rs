//! From the codes of a font to text: its ToUnicode map, or else its encoding. ISO 32000-1, 9.6,
//! 9.7 and 9.10.

use std::collections::HashMap;

use super::file::File;
use super::glyphs::{glyph, one_character};
use super::object::{Dictionary, Lexer, Object};
use crate::search::extract::Unreadable;

#[derive(Default)]
pub(super) struct Font {
    /// Bytes of a code.
    wide: bool,
    to_unicode: HashMap<u32, String>,
    /// Glyphs that the font names by code.
    named: HashMap<u32, &'static str>,
    widths: HashMap<u32, f64>,
    default_width: f64,
}

/// A code's text, and how far it moves on in thousandths of the size.
pub(super) struct Glyph {
    pub text: String,
    pub width: f64,
    pub is_space: bool,
}

impl Font {
    pub(super) fn read(file: &File<'_>, head: &Dictionary) -> Result<Self, Unreadable> {
        let wide = head.get("Subtype").and_then(Object::name) == Some("Type0");
        let mut font = Self { wide, default_width: 500.0, ..Self::default() };
        if let Some(map) = head.get("ToUnicode") {
            font.read_map(&file.content(map)?);
        }
        if wide {
            let descendants = file.get(head, "DescendantFonts").and_then(Object::array);
            let inner = descendants.and_then(|all| file.resolve(all.first()?)?.dictionary());
            font.default_width = 1000.0;
            if let Some(inner) = inner {
                font.read_wide_widths(file, inner);
            }
        } else {
            font.read_names(file, head);
            font.read_widths(file, head);
        }
        Ok(font)
    }

    pub(super) fn glyphs<'g>(&'g self, codes: &'g [u8]) -> impl Iterator<Item = Glyph> + 'g {
        codes.chunks(if self.wide { 2 } else { 1 }).map(|bytes| {
            let code = bytes.iter().fold(0, |n, b| n << 8 | u32::from(*b));
            let width = self.widths.get(&code).copied().unwrap_or(self.default_width);
            Glyph { text: self.text(code), width, is_space: !self.wide && code == 32 }
        })
    }

    fn text(&self, code: u32) -> String {
        if let Some(text) = self.to_unicode.get(&code) {
            return text.clone();
        }
        if let Some(name) = self.named.get(&code) {
            return (*name).to_owned();
        }
        match u8::try_from(code) {
            // Without a map nobody knows what a wide code means.
            Ok(byte) if !self.wide => {
                encoding_rs::WINDOWS_1252.decode_without_bom_handling(&[byte]).0.into_owned()
            }
            _ => String::new(),
        }
    }

    /// A CMap from codes to text.
    fn read_map(&mut self, map: &[u8]) {
        let mut lexer = Lexer::new(map, 0);
        let mut operands: Vec<Object> = Vec::new();
        while let Some(object) = lexer.object() {
            let Object::Word(word) = &object else {
                if operands.len() < MAX_MAPPED {
                    operands.push(object);
                }
                continue;
            };
            match word.as_slice() {
                b"endcodespacerange" => {
                    let longest = operands.iter().filter_map(Object::text).map(<[u8]>::len).max();
                    self.wide = longest == Some(2) || self.wide && longest != Some(1);
                }
                b"endbfchar" => {
                    for pair in operands.chunks_exact(2) {
                        if let (Some(code), Some(text)) = (pair[0].text(), pair[1].text()) {
                            self.map(number(code), utf16(text));
                        }
                    }
                }
                b"endbfrange" => operands.chunks_exact(3).for_each(|three| self.map_range(three)),
                _ => {}
            }
            operands.clear();
        }
    }

    fn map_range(&mut self, three: &[Object]) {
        let (Some(from), Some(to)) = (three[0].text(), three[1].text()) else { return };
        let (from, to) = (number(from), number(to).min(0xffff));
        if let Some(texts) = three[2].array() {
            for (code, text) in (from..=to).zip(texts.iter().filter_map(Object::text)) {
                self.map(code, utf16(text));
            }
        } else if let Some(text) = three[2].text() {
            let mut text = text.to_vec();
            for code in from..=to {
                self.map(code, utf16(&text));
                if let Some(last) = text.last_mut() {
                    *last = last.wrapping_add(1);
                }
            }
        }
    }

    fn map(&mut self, code: u32, text: String) {
        if self.to_unicode.len() < MAX_MAPPED && text.len() <= MAX_TEXT_OF_CODE {
            self.to_unicode.insert(code, text);
        }
    }

    fn read_names(&mut self, file: &File<'_>, head: &Dictionary) {
        let encoding = file.dictionary(head, "Encoding");
        let changes = encoding.and_then(|e| file.get(e, "Differences")).and_then(Object::array);
        let mut code = 0;
        for change in changes.into_iter().flatten() {
            if let Some(from) = change.number() {
                code = from as u32;
            }
            let Some(name) = change.name() else { continue };
            if let Some(text) = glyph(name) {
                self.named.insert(code, text);
            } else if let Some(text) = one_character(name) {
                self.to_unicode.entry(code).or_insert(text);
            }
            code = code.wrapping_add(1);
        }
    }

    fn read_widths(&mut self, file: &File<'_>, head: &Dictionary) {
        let first = file.get(head, "FirstChar").and_then(Object::number).unwrap_or(0.0) as u32;
        let widths = file.get(head, "Widths").and_then(Object::array).unwrap_or_default();
        for (n, width) in widths.iter().take(256).enumerate() {
            if let Some(width) = file.resolve(width).and_then(Object::number) {
                self.widths.insert(first.wrapping_add(n as u32), width);
            }
        }
    }

    /// `[from [w w w] from to w]`.
    fn read_wide_widths(&mut self, file: &File<'_>, inner: &Dictionary) {
        if let Some(width) = file.get(inner, "DW").and_then(Object::number) {
            self.default_width = width;
        }
        let mut rest = file.get(inner, "W").and_then(Object::array).unwrap_or_default();
        while let [from, next, after @ ..] = rest {
            let from = from.number().unwrap_or(0.0) as u32;
            if let Some(widths) = file.resolve(next).and_then(Object::array) {
                for (n, width) in widths.iter().filter_map(Object::number).enumerate() {
                    self.widths.insert(from.wrapping_add(n as u32), width);
                }
                rest = after;
            } else {
                let to = (next.number().unwrap_or(0.0) as u32).min(0xffff);
                let width = after.first().and_then(Object::number).unwrap_or(self.default_width);
                self.widths.extend((from..=to).map(|code| (code, width)));
                rest = after.get(1..).unwrap_or_default();
            }
            if self.widths.len() > MAX_MAPPED {
                return;
            }
        }
    }
}

fn number(code: &[u8]) -> u32 {
    code.iter().take(4).fold(0, |n, b| n << 8 | u32::from(*b))
}

fn utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16_lossy(&units)
}

const MAX_MAPPED: usize = 70_000;
const MAX_TEXT_OF_CODE: usize = 64;
