//! Names of glyphs. Adobe Glyph List, as far as English documents need it.

/// `A`, `uni00E9`.
pub(super) fn one_character(name: &str) -> Option<String> {
    let mut chars = name.chars();
    if let (Some(only), None) = (chars.next(), chars.next()) {
        return Some(only.to_string());
    }
    let code = u32::from_str_radix(name.strip_prefix("uni")?.get(..4)?, 16).ok()?;
    char::from_u32(code).map(String::from)
}

/// The text of a glyph that has a name.
pub(super) fn glyph(name: &str) -> Option<&'static str> {
    GLYPHS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Names of characters in English documents; letters are their own names.
const GLYPHS: [(&str, &str); 52] = [
    ("space", " "),
    ("period", "."),
    ("comma", ","),
    ("colon", ":"),
    ("semicolon", ";"),
    ("hyphen", "-"),
    ("minus", "-"),
    ("endash", "–"),
    ("emdash", "—"),
    ("slash", "/"),
    ("parenleft", "("),
    ("parenright", ")"),
    ("bracketleft", "["),
    ("bracketright", "]"),
    ("percent", "%"),
    ("ampersand", "&"),
    ("plus", "+"),
    ("equal", "="),
    ("less", "<"),
    ("greater", ">"),
    ("question", "?"),
    ("exclam", "!"),
    ("quotesingle", "'"),
    ("quoteright", "’"),
    ("quoteleft", "‘"),
    ("quotedblleft", "“"),
    ("quotedblright", "”"),
    ("quotedbl", "\""),
    ("underscore", "_"),
    ("numbersign", "#"),
    ("at", "@"),
    ("asterisk", "*"),
    ("bullet", "•"),
    ("degree", "°"),
    ("sterling", "£"),
    ("mu", "µ"),
    ("eacute", "é"),
    ("fi", "fi"),
    ("fl", "fl"),
    ("ff", "ff"),
    ("ffi", "ffi"),
    ("ffl", "ffl"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
];
