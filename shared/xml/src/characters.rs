/// Whether XML 1.0 allows the character.
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Where the first character stands that XML 1.0 does not allow.
pub(crate) fn find_forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // Without a way out in the inner loop the compiler checks many bytes at once.
    let suspect = |b: &u8| is_control(*b) | (*b == 0xef);
    let has_suspects = |block: &[u8]| block.iter().filter(|b| suspect(b)).count() > 0;
    let blocks = bytes.chunks(BLOCK).enumerate().filter(|(_, block)| has_suspects(block));
    let mut places = blocks.flat_map(|(n, block)| n * BLOCK..n * BLOCK + block.len());
    places.find(|at| is_control(bytes[*at]) || is_no_character(&bytes[*at..]))
}

fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')
}

/// U+FFFE and U+FFFF, which cannot stand in XML: the only others that a `str` can hold.
pub(crate) fn is_no_character(bytes: &[u8]) -> bool {
    matches!(bytes, [0xef, 0xbf, 0xbe | 0xbf, ..])
}

const BLOCK: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_the_rule_finds(text in "(\\PC|[\r\n\t\u{0}\u{1f}\u{7f}\u{fffd}\u{fffe}\u{ffff}]){0,40}", pad in 0usize..3000) {
            let text = format!("{}{text}", "a".repeat(pad));

            prop_assert_eq!(find_forbidden(&text), text.find(|c| !allowed(c)));
        }
    }
}
