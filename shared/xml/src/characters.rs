/// Whether XML 1.0 allows the character.
pub(crate) fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Where the first character stands that XML 1.0 does not allow.
pub(crate) fn find_forbidden(text: &str) -> Option<usize> {
    let control = |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r');
    let bytes = text.as_bytes();
    // Without a way out in the inner loop the compiler checks many bytes at once.
    let at = bytes.chunks(BLOCK).position(|block| block.iter().filter(|b| control(b)).count() > 0);
    let control = at.and_then(|block| {
        let from = block * BLOCK;
        bytes[from..].iter().position(control).map(|at| from + at)
    });
    // U+FFFE and U+FFFF are the only others that a `str` can hold.
    let other = text.find(['\u{fffe}', '\u{ffff}']);
    control.into_iter().chain(other).min()
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
