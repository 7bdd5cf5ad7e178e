//! What a user typed, read leniently: every text is a question. All words are wanted.

use super::analysis::{Word, stems, words};
use super::synonyms::Synonyms;

/// What documents are looked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// All of these.
    pub all: Vec<Find>,
    /// None of these.
    pub none: Vec<Find>,
}

/// Something that a document has or has not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Find {
    /// A word, in any of its forms, and with so many slips in its spelling.
    Word {
        stem: String,
        plain: String,
        slips: u8,
    },
    /// Stems one after the other.
    Phrase(Vec<String>),
    /// Words that begin so.
    Prefix(String),
    AllOf(Vec<Find>),
    /// The first as it was typed, the others its synonyms.
    AnyOf(Vec<Find>),
}

/// Reads `words "phrases" prefixes* -not`.
pub(crate) fn read(text: &str, synonyms: &Synonyms) -> Wanted {
    let mut wanted = Wanted::default();
    let mut run: Vec<Word> = Vec::new();
    let mut stopped = Vec::new();
    for item in items(text) {
        if let Item::Word(word) = item {
            run.push(word);
            continue;
        }
        close(&mut run, synonyms, &mut wanted.all, &mut stopped);
        match item {
            Item::Find(find) => wanted.all.push(find),
            Item::Not(find) => wanted.none.push(find),
            Item::Word(_) => {}
        }
    }
    close(&mut run, synonyms, &mut wanted.all, &mut stopped);
    if wanted.all.is_empty() {
        // Somebody who asks for nothing but `the` is looking for it.
        wanted.all = stopped;
    }
    wanted
}

impl Wanted {
    /// Whether there is anything to look for. Of what is not wanted alone, everything would be.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

enum Item {
    Word(Word),
    Find(Find),
    Not(Find),
}

fn items(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = text;
    while items.len() < MAX_ITEMS {
        rest = rest.trim_start_matches(is_between);
        if rest.is_empty() {
            break;
        }
        let not = rest.starts_with('-');
        rest = rest.strip_prefix('-').unwrap_or(rest);
        let (piece, is_phrase, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (phrase, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                (phrase, true, after)
            }
            None => {
                let end = rest.find(|c: char| is_between(c) || c == '"').unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                (word, false, after)
            }
        };
        rest = after;
        items.extend(item(piece, is_phrase, not));
    }
    items
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';')
}

fn item(piece: &str, is_phrase: bool, not: bool) -> Option<Item> {
    let mut words = words(piece);
    let last = words.pop()?;
    let is_prefix = !is_phrase && piece.ends_with('*') && words.is_empty();
    let find = if is_prefix && last.plain.chars().count() >= SHORTEST_PREFIX {
        Find::Prefix(last.plain)
    } else if !is_phrase && words.is_empty() {
        if !not {
            return Some(Item::Word(last));
        }
        exact(vec![last.stem])
    } else {
        // `follow-up` and `120/80` are phrases as well.
        words.push(last);
        exact(words.into_iter().map(|word| word.stem).collect())
    };
    Some(if not { Item::Not(find) } else { Item::Find(find) })
}

/// A run of words ends: phrases that have synonyms are taken together.
fn close(run: &mut Vec<Word>, synonyms: &Synonyms, all: &mut Vec<Find>, stopped: &mut Vec<Find>) {
    let words = std::mem::take(run);
    let keys: Vec<String> = words.iter().map(|word| word.stem.clone()).collect();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if let Some((length, others)) = synonyms.of(&keys[at..]) {
            let typed = words[at..at + length].iter().map(by_word).collect::<Vec<_>>();
            let typed_keys = &keys[at..at + length];
            let mut any = vec![one_or_all(typed)];
            for other in others {
                let other = stems(other);
                if other != typed_keys && !other.is_empty() {
                    any.push(exact(other));
                }
            }
            all.push(Find::AnyOf(any));
            at += length;
            continue;
        }
        if STOP_WORDS.contains(&word.plain.as_str()) {
            stopped.push(by_word(word));
        } else {
            all.push(by_word(word));
        }
        at += 1;
    }
}

fn one_or_all(mut finds: Vec<Find>) -> Find {
    if finds.len() == 1 { finds.remove(0) } else { Find::AllOf(finds) }
}

fn exact(mut stems: Vec<String>) -> Find {
    if stems.len() == 1 {
        let stem = stems.remove(0);
        return Find::Word { plain: stem.clone(), stem, slips: 0 };
    }
    Find::Phrase(stems)
}

/// Short words and numbers are meant as they are: `10 mg` is not `40 mg`.
fn by_word(word: &Word) -> Find {
    let length = word.plain.chars().count();
    let slips = match length {
        _ if !word.plain.chars().all(char::is_alphabetic) => 0,
        0..=4 => 0,
        5..=8 => 1,
        _ => 2,
    };
    Find::Word { stem: word.stem.clone(), plain: word.plain.clone(), slips }
}

const MAX_ITEMS: usize = 32;
const SHORTEST_PREFIX: usize = 2;

/// Words that are in every text.
const STOP_WORDS: [&str; 24] = [
    "a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "in", "is", "it", "of", "on",
    "or", "that", "the", "this", "to", "was", "were", "which", "with",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn word(plain: &str, stem: &str, slips: u8) -> Find {
        Find::Word { stem: stem.into(), plain: plain.into(), slips }
    }

    fn phrase(stems: &[&str]) -> Find {
        Find::Phrase(stems.iter().map(|s| (*s).to_owned()).collect())
    }

    #[test]
    fn words_phrases_prefixes_and_what_is_not_wanted() {
        let none = Synonyms::default();

        let wanted =
            read("the Fractures \"left ankle\" cardio* follow-up -right -\"old one\"", &none);

        assert_eq!(
            wanted.all,
            [
                word("fractures", "fractur", 2),
                phrase(&["left", "ankl"]),
                Find::Prefix("cardio".into()),
                phrase(&["follow", "up"]),
            ]
        );
        assert_eq!(wanted.none, [word("right", "right", 0), phrase(&["old", "one"])]);
        assert_eq!(read("left,ankle;", &none).all, read("left ankle", &none).all);
        assert_eq!(read("the", &none).all, [word("the", "the", 0)]);
        assert_eq!(read("10mg", &none).all, [word("10mg", "10mg", 0)]);
        for nothing in ["", "  ", "\"", "-", "*", "-- \"\" ?!", "-asthma"] {
            assert!(read(nothing, &none).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn synonyms_stand_beside_what_was_typed() {
        let synonyms = Synonyms::built_in().normalised(stems);

        let wanted = read("previous heart attacks", &synonyms);

        let [previous, Find::AnyOf(any)] = wanted.all.as_slice() else { panic!("{wanted:?}") };
        assert_eq!(*previous, word("previous", "previous", 1));
        assert_eq!(
            any[0],
            Find::AllOf(vec![word("heart", "heart", 1), word("attacks", "attack", 1)])
        );
        assert!(any.contains(&phrase(&["myocardi", "infarct"])), "{any:?}");
        assert!(any.contains(&word("mi", "mi", 0)), "{any:?}");
        let quoted = read("\"heart attack\"", &synonyms);
        assert_eq!(quoted.all, [phrase(&["heart", "attack"])], "what is quoted is meant so");
    }
}
