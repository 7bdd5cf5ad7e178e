use super::Hl7Error;

/// What parts the text of a message. HL7 v2.3.1: 2.10.
#[derive(Clone, Copy)]
pub(super) struct Separators {
    pub(super) field: char,
    pub(super) component: char,
    pub(super) repetition: char,
    pub(super) escape: char,
    pub(super) subcomponent: char,
}

impl Separators {
    /// Out of MSH-1 and MSH-2.
    pub(super) fn of(header: &str) -> Result<Self, Hl7Error> {
        let given: Vec<char> = header.chars().skip(3).take(5).collect();
        let [field, component, repetition, escape, subcomponent] = given[..] else {
            return Err(Hl7Error::Separators);
        };
        let usable = |c: &char| !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control();
        let different = given.iter().enumerate().all(|(n, c)| !given[..n].contains(c));
        if !different || !given.iter().all(usable) {
            return Err(Hl7Error::Separators);
        }
        Ok(Self { field, component, repetition, escape, subcomponent })
    }

    /// `\F\`, `\S\`, `\T\`, `\R\`, `\E\` and `\Xhh..\`; other sequences are left out.
    pub(super) fn unescape(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(self.escape) {
            out.push_str(before);
            let Some((sequence, behind)) = after.split_once(self.escape) else {
                // An escape character that nobody closes stands for itself.
                out.push(self.escape);
                rest = after;
                break;
            };
            match sequence {
                "F" => out.push(self.field),
                "S" => out.push(self.component),
                "T" => out.push(self.subcomponent),
                "R" => out.push(self.repetition),
                "E" => out.push(self.escape),
                _ => out.push_str(&hexadecimal(sequence)),
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}

fn hexadecimal(sequence: &str) -> String {
    let Some(digits) = sequence.strip_prefix('X') else { return String::new() };
    let bytes: Option<Vec<u8>> = digits
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    String::from_utf8_lossy(&bytes.unwrap_or_default())
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}
