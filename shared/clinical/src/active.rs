//! Whether a PDF does something by itself when a viewer opens it.

/// Whether the PDF names an action that runs a script or a program, sends or loads something.
///
/// Looks at what is not packed: actions inside of compressed objects are not seen. ISO 32000-1:
/// 12.6.4.
pub fn pdf_is_active(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'/' && bytes.get(at + 1..).is_some_and(is_active))
}

/// Whether what begins here is a name of an action, with its `#xx` resolved.
fn is_active(bytes: &[u8]) -> bool {
    let (mut name, mut at) = (Vec::new(), 0);
    while name.len() <= MAX_NAME {
        let Some(byte) = bytes.get(at) else { break };
        if byte.is_ascii_whitespace() || b"()<>[]{}/%\0".contains(byte) {
            break;
        }
        let escaped = (*byte == b'#').then(|| bytes.get(at + 1..at + 3)).flatten();
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
    ACTIONS.contains(&name.as_slice())
}

const ACTIONS: [&[u8]; 6] =
    [b"JavaScript", b"Launch", b"SubmitForm", b"ImportData", b"RichMedia", b"Rendition"];
const MAX_NAME: usize = 12;

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
