//! How text becomes words, the same way for documents, questions and snippets.

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer,
    TextAnalyzer, TokenStream as _,
};

/// A word of a text: as it is looked up, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Word {
    /// Lower case, without accents.
    pub plain: String,
    /// The same without its English ending.
    pub stem: String,
    pub from: usize,
    pub to: usize,
}

/// Words as they are written.
pub(crate) fn plain() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .build()
}

/// Words without their endings.
pub(crate) fn stemmed() -> TextAnalyzer {
    TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST))
        .filter(LowerCaser)
        .filter(AsciiFoldingFilter)
        .filter(Stemmer::new(Language::English))
        .build()
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let (mut plain, mut stemmed) = (plain(), stemmed());
    let (mut plain, mut stems) = (plain.token_stream(text), stemmed.token_stream(text));
    let mut words = Vec::new();
    // Both take the same words out of the text: only what becomes of each differs.
    while plain.advance() && stems.advance() {
        let (token, stem) = (plain.token(), stems.token());
        words.push(Word {
            plain: token.text.clone(),
            stem: stem.text.clone(),
            from: token.offset_from,
            to: token.offset_to,
        });
    }
    words
}

/// The stems of a text, in order.
pub(crate) fn stems(text: &str) -> Vec<String> {
    words(text).into_iter().map(|word| word.stem).collect()
}

/// Longer words are left out, here in bytes: they are data, not language.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_case_and_accents_make_no_difference() {
        assert_eq!(stems("Fractured ankles; Ménière's"), ["fractur", "ankl", "menier", "s"]);
        let words = words("BP 120/80");
        let places: Vec<(&str, usize, usize)> =
            words.iter().map(|w| (w.plain.as_str(), w.from, w.to)).collect();
        assert_eq!(places, [("bp", 0, 2), ("120", 3, 6), ("80", 7, 9)]);
    }
}
