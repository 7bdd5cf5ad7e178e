//! The operators of a page that show text. ISO 32000-1, 9.4.

use std::collections::HashMap;

use super::file::{File, find};
use super::font::Font;
use super::object::{Dictionary, Lexer, Object, is_space};
use crate::search::extract::{Deadline, MAX_TEXT, Unreadable};

/// Writes the text of one page. Positions are told apart only as far as words and lines need.
pub(super) struct Writer<'w, 'b> {
    file: &'w File<'b>,
    out: &'w mut String,
    deadline: Deadline,
    fonts: HashMap<String, Font>,
    font: String,
    size: f64,
    leading: f64,
    /// Where the line began, and where the last glyph ended, in units of the text.
    line: (f64, f64),
    end: f64,
    scale: f64,
}

impl<'w, 'b> Writer<'w, 'b> {
    pub(super) fn new(file: &'w File<'b>, out: &'w mut String, deadline: Deadline) -> Self {
        Self {
            file,
            out,
            deadline,
            fonts: HashMap::new(),
            font: String::new(),
            size: 1.0,
            leading: 0.0,
            line: (0.0, 0.0),
            end: 0.0,
            scale: 1.0,
        }
    }

    pub(super) fn run(
        &mut self,
        content: &[u8],
        resources: &Dictionary,
        depth: usize,
    ) -> Result<(), Unreadable> {
        let mut lexer = Lexer::new(content, 0);
        let mut operands: Vec<Object> = Vec::new();
        let mut steps = 0u32;
        while let Some(object) = lexer.object() {
            steps = steps.wrapping_add(1);
            if steps.is_multiple_of(1024) {
                self.deadline.check()?;
            }
            let Object::Word(word) = object else {
                if operands.len() < MAX_OPERANDS {
                    operands.push(object);
                }
                continue;
            };
            match word.as_slice() {
                b"ID" => skip_image(content, &mut lexer),
                b"Do" => self.form(&operands, resources, depth)?,
                b"Tf" => self.set_font(&operands, resources)?,
                operator => self.operate(operator, &operands),
            }
            operands.clear();
            if self.out.len() > MAX_TEXT {
                return Ok(());
            }
        }
        Ok(())
    }

    fn operate(&mut self, operator: &[u8], operands: &[Object]) {
        let number = |n: usize| operands.get(n).and_then(Object::number).unwrap_or(0.0);
        match operator {
            b"BT" => {
                self.line = (0.0, 0.0);
                self.scale = 1.0;
                self.break_line();
            }
            b"TL" => self.leading = number(0),
            b"Td" => self.move_by(number(0), number(1)),
            b"TD" => {
                self.leading = -number(1);
                self.move_by(number(0), number(1));
            }
            b"T*" => self.move_by(0.0, -self.leading),
            b"Tm" => {
                // Turned text has its scale in the second number.
                let scale = number(0).hypot(number(1));
                let scale = if scale > 0.0 { scale } else { 1.0 };
                let (x, y) = (number(4) / scale, number(5) / scale);
                self.end *= self.scale / scale;
                self.line.1 *= self.scale / scale;
                self.scale = scale;
                self.place(x, y);
            }
            b"Tj" => self.show(operands.first()),
            b"'" => {
                self.move_by(0.0, -self.leading);
                self.show(operands.first());
            }
            b"\"" => {
                self.move_by(0.0, -self.leading);
                self.show(operands.get(2));
            }
            b"TJ" => {
                for part in operands.first().and_then(Object::array).unwrap_or_default() {
                    match part.number() {
                        Some(back) => {
                            self.end -= back / 1000.0 * self.size;
                            if -back > GAP * 1000.0 {
                                self.space();
                            }
                        }
                        None => self.show(Some(part)),
                    }
                }
            }
            _ => {}
        }
    }

    fn move_by(&mut self, x: f64, y: f64) {
        self.place(self.line.0 + x, self.line.1 + y);
    }

    /// A new place: another line, a gap between words, or right behind what stands there.
    fn place(&mut self, x: f64, y: f64) {
        let size = self.size.abs().max(0.01);
        if (y - self.line.1).abs() > 0.3 * size {
            self.break_line();
        } else if (x - self.end) > GAP * size || x < self.end - size {
            self.space();
        }
        self.line = (x, y);
        self.end = x;
    }

    fn show(&mut self, text: Option<&Object>) {
        let Some(Object::Text(codes)) = text else { return };
        let Some(font) = self.fonts.get(&self.font) else { return };
        for glyph in font.glyphs(codes) {
            self.end += glyph.width / 1000.0 * self.size;
            if glyph.is_space && glyph.text.is_empty() {
                self.out.push(' ');
            }
            self.out.extend(glyph.text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
    }

    fn space(&mut self) {
        if !self.out.ends_with(char::is_whitespace) {
            self.out.push(' ');
        }
    }

    fn break_line(&mut self) {
        if !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn set_font(&mut self, operands: &[Object], resources: &Dictionary) -> Result<(), Unreadable> {
        let [Object::Name(name), size, ..] = operands else { return Ok(()) };
        self.size = size.number().unwrap_or(1.0);
        let fonts = self.file.dictionary(resources, "Font");
        let key = match fonts.and_then(|fonts| fonts.get(name)) {
            Some(Object::Reference(no)) => no.to_string(),
            _ => format!("/{name}"),
        };
        if !self.fonts.contains_key(&key) && self.fonts.len() < MAX_FONTS {
            let head = fonts.and_then(|fonts| self.file.dictionary(fonts, name));
            let font = head.map(|head| Font::read(self.file, head)).transpose()?;
            self.fonts.insert(key.clone(), font.unwrap_or_default());
        }
        self.font = key;
        Ok(())
    }

    /// Content that stands elsewhere and is drawn here.
    fn form(
        &mut self,
        operands: &[Object],
        resources: &Dictionary,
        depth: usize,
    ) -> Result<(), Unreadable> {
        let name = operands.first().and_then(Object::name);
        let forms = self.file.dictionary(resources, "XObject");
        let Some(reference) = name.and_then(|name| forms?.get(name)) else { return Ok(()) };
        let Some(head) = self.file.head(reference) else { return Ok(()) };
        if depth >= MAX_DEPTH || head.get("Subtype").and_then(Object::name) != Some("Form") {
            return Ok(());
        }
        let content = self.file.content(reference)?;
        let own = self.file.dictionary(head, "Resources").unwrap_or(resources);
        self.run(&content, own, depth + 1)
    }
}

/// Bytes of an image between operators.
fn skip_image(content: &[u8], lexer: &mut Lexer<'_>) {
    while let Some(end) = find(content, lexer.at, b"EI") {
        lexer.at = end + 2;
        let before = end.checked_sub(1).and_then(|at| content.get(at));
        let after = content.get(lexer.at).is_none_or(|b| is_space(*b));
        if before.is_some_and(|b| is_space(*b)) && after {
            return;
        }
    }
    lexer.at = content.len();
}

/// In sizes: less is between letters, more between words.
const GAP: f64 = 0.18;
const MAX_OPERANDS: usize = 1_000;
const MAX_FONTS: usize = 500;
const MAX_DEPTH: usize = 6;
