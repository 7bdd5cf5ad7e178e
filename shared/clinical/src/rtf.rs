//! The text of RTF: groups, control words and escapes; what is not text (fonts, pictures, style
//! sheets) is left out. RTF 1.9.1.

use encoding_rs::WINDOWS_1252;

/// The text of RTF, cut soon after `most` bytes. What is broken ends early; nothing fails.
pub fn rtf_text(bytes: &[u8], most: usize) -> String {
    let mut reader =
        Reader { bytes, at: 0, out: String::new(), hidden: vec![false], skip: 1, left: 0 };
    while reader.step() && reader.out.len() <= most {}
    reader.out
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    out: String,
    /// For each open group, whether it holds no text.
    hidden: Vec<bool>,
    /// How many characters stand in for one of Unicode.
    skip: usize,
    /// Those still to come.
    left: usize,
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let Some(&byte) = self.bytes.get(self.at) else { return false };
        self.at += 1;
        match byte {
            b'{' if self.hidden.len() < MAX_DEPTH => self.hidden.push(self.is_hidden()),
            b'{' => return false,
            b'}' => {
                self.hidden.pop();
                self.left = 0;
                return !self.hidden.is_empty();
            }
            b'\\' => self.control(),
            b'\r' | b'\n' => {}
            byte => self.put(byte),
        }
        true
    }

    fn is_hidden(&self) -> bool {
        self.hidden.last().copied().unwrap_or(true)
    }

    fn hide(&mut self) {
        if let Some(last) = self.hidden.last_mut() {
            *last = true;
        }
    }

    /// A character of the code page.
    fn put(&mut self, byte: u8) {
        if self.left > 0 {
            self.left -= 1;
        } else if !self.is_hidden() {
            self.out.push_str(&WINDOWS_1252.decode_without_bom_handling(&[byte]).0);
        }
    }

    fn write(&mut self, text: &str) {
        if !self.is_hidden() {
            self.out.push_str(text);
        }
    }

    fn control(&mut self) {
        let Some(&byte) = self.bytes.get(self.at) else { return };
        if byte.is_ascii_alphabetic() {
            return self.word();
        }
        self.at += 1;
        match byte {
            b'\'' => {
                let digits = self.bytes.get(self.at..self.at + 2);
                let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
                self.at = (self.at + 2).min(self.bytes.len());
                if let Some(byte) = digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
                    self.put(byte);
                }
            }
            b'*' => self.hide(),
            b'~' => self.write(" "),
            b'_' => self.write("-"),
            b'\r' | b'\n' => self.write("\n"),
            b'\\' | b'{' | b'}' => self.put(byte),
            _ => {}
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_alphabetic) {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        let number = self.number();
        if self.bytes.get(self.at) == Some(&b' ') {
            self.at += 1;
        }
        match word {
            b"par" | b"line" | b"row" | b"sect" | b"page" => self.write("\n"),
            b"tab" | b"cell" => self.write("\t"),
            b"emdash" => self.write("—"),
            b"endash" => self.write("–"),
            b"lquote" => self.write("‘"),
            b"rquote" => self.write("’"),
            b"ldblquote" => self.write("“"),
            b"rdblquote" => self.write("”"),
            b"bullet" => self.write("•"),
            b"uc" => self.skip = number.unwrap_or(1).clamp(0, 8) as usize,
            b"u" => self.unicode(number.unwrap_or_default()),
            b"bin" => {
                let length = usize::try_from(number.unwrap_or_default()).unwrap_or(0);
                self.at = self.at.saturating_add(length).min(self.bytes.len());
            }
            word if WITHOUT_TEXT.contains(&word) => self.hide(),
            _ => {}
        }
    }

    fn number(&mut self) -> Option<i64> {
        let start = self.at;
        if self.bytes.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        std::str::from_utf8(&self.bytes[start..self.at]).ok()?.parse().ok()
    }

    /// A UTF-16 unit, above 32,767 as a negative number. Pairs are left out.
    fn unicode(&mut self, number: i64) {
        let unit = if number < 0 { number + 65_536 } else { number };
        let character = u32::try_from(unit).ok().and_then(char::from_u32);
        if let Some(character) = character.filter(|c| !c.is_control()) {
            self.write(character.encode_utf8(&mut [0; 4]));
        }
        self.left = self.skip;
    }
}

/// Groups that begin with these.
const WITHOUT_TEXT: [&[u8]; 13] = [
    b"fonttbl",
    b"colortbl",
    b"stylesheet",
    b"info",
    b"pict",
    b"object",
    b"themedata",
    b"datastore",
    b"listtable",
    b"listoverridetable",
    b"rsidtbl",
    b"generator",
    b"fldinst",
];

const MAX_DEPTH: usize = 200;
