//! Whether a PDF does something by itself when a viewer opens it.

mod object;
mod packed;

use object::is_end;

/// Whether the PDF names an action that runs a script or a program, sends or loads something, or
/// has a form that brings scripts of its own. ISO 32000-1: 12.6.4 and 12.7.8.
///
/// A name counts wherever it stands. One whose packed objects cannot be read is taken as active.
pub fn pdf_is_active(bytes: &[u8]) -> bool {
    let is_active = |bytes: &[u8]| names(bytes, ACTIONS);
    is_active(bytes) || packed::any(bytes, is_active)
}

/// Whether one of these names is among the bytes.
fn names(bytes: &[u8], any_of: &[&[u8]]) -> bool {
    let slashes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    let mut all = slashes.map(|(at, _)| name(&bytes[at + 1..]).0);
    all.any(|name| any_of.contains(&name.as_slice()))
}

/// The name that begins here, behind its `/`, with its `#xx` resolved; and how long it is here.
fn name(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut name, mut at) = (Vec::new(), 0);
    while name.len() <= MAX_NAME {
        let Some(byte) = bytes.get(at).filter(|byte| !is_end(**byte)) else { break };
        let escaped = (*byte == b'#').then(|| bytes.get(at + 1..at + 3)).flatten();
        let escaped = escaped.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let escaped = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                name.push(byte);
                at += 3;
            }
            None => {
                name.push(*byte);
                at += 1;
            }
        }
    }
    (name, at)
}

const ACTIONS: &[&[u8]] =
    &[b"JavaScript", b"Launch", b"SubmitForm", b"ImportData", b"RichMedia", b"Rendition", b"XFA"];
/// PDF allows no longer ones.
const MAX_NAME: usize = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_seen_however_they_are_spelt() {
        for active in [
            "<</S/JavaScript/JS(app.alert(1))>>",
            "<</S /J#61vaScript>>",
            "/S/Launch",
            "/Type/Action/S/SubmitForm ",
            "<</AcroForm<</XFA 9 0 R>>>>",
        ] {
            assert!(pdf_is_active(active.as_bytes()), "{active}");
        }
        for still in [
            "%PDF-1.4 <</Type/Catalog/OpenAction[3 0 R/Fit]>>",
            "/JavaScripts",
            "(JavaScript)",
            "/Java Script",
            "/",
            "/#",
            "",
        ] {
            assert!(!pdf_is_active(still.as_bytes()), "{still}");
        }
    }
}
