//! The places of a text that a question is about, with what was found marked.

use carerecord_model::{Snippet, SnippetPart};

use super::analysis::{Word, words};
use super::query::{Find, Wanted};

/// The best places of a text, best first, without overlap.
pub(crate) fn snippets(text: &str, wanted: &Wanted) -> Vec<Snippet> {
    let words = words(text);
    let found = marks(&words, wanted);
    let mut windows: Vec<(usize, usize)> = Vec::new();
    while windows.len() < MOST {
        let fresh = |mark: &&Mark| !windows.iter().any(|(s, e)| mark.at < *e && *s < mark.end);
        let left: Vec<&Mark> = found.iter().filter(fresh).collect();
        let Some(start) = best(&left) else { break };
        let from = start.saturating_sub(BEFORE);
        // Places do not overlap: a later one ends where an earlier one begins.
        let from =
            windows.iter().filter(|(s, _)| *s <= start).map(|(_, e)| *e).fold(from, usize::max);
        let to = (start + AFTER).min(words.len());
        let to = windows.iter().filter(|(s, _)| *s > start).map(|(s, _)| *s).fold(to, usize::min);
        windows.push((from, to));
    }
    windows.iter().map(|window| cut(text, &words, &found, *window)).collect()
}

/// Words that were found, and for which part of the question.
struct Mark {
    at: usize,
    end: usize,
    part: usize,
}

fn marks(words: &[Word], wanted: &Wanted) -> Vec<Mark> {
    let mut leaves = Vec::new();
    for (part, find) in wanted.all.iter().enumerate() {
        flatten(find, part, &mut leaves);
    }
    let mut marks = Vec::new();
    for at in 0..words.len() {
        for (find, part) in &leaves {
            if let Some(length) = matches(find, &words[at..]) {
                marks.push(Mark { at, end: at + length, part: *part });
            }
        }
    }
    marks
}

fn flatten<'w>(find: &'w Find, part: usize, leaves: &mut Vec<(&'w Find, usize)>) {
    match find {
        Find::AllOf(all) | Find::AnyOf(all) => all.iter().for_each(|f| flatten(f, part, leaves)),
        Find::Word { .. } | Find::Phrase(_) | Find::Prefix(_) => leaves.push((find, part)),
    }
}

/// How many words match from the first on.
fn matches(find: &Find, words: &[Word]) -> Option<usize> {
    let first = words.first()?;
    match find {
        Find::Word { stem, plain, slips } => {
            let fits = first.stem == *stem || near(&first.plain, plain, (*slips).into());
            fits.then_some(1)
        }
        Find::Phrase(stems) => {
            let fits =
                words.len() >= stems.len() && stems.iter().zip(words).all(|(s, w)| w.stem == *s);
            fits.then_some(stems.len())
        }
        Find::Prefix(prefix) => first.plain.starts_with(prefix.as_str()).then_some(1),
        Find::AllOf(_) | Find::AnyOf(_) => None,
    }
}

/// Where the window with most different parts begins; of equal ones the first.
fn best(marks: &[&Mark]) -> Option<usize> {
    let mut best: Option<(usize, usize, usize)> = None;
    let mut end = 0;
    for (n, mark) in marks.iter().enumerate() {
        end = end.max(n);
        while marks.get(end).is_some_and(|m| m.at < mark.at + AFTER) {
            end += 1;
        }
        let mut parts: Vec<usize> = marks[n..end].iter().map(|m| m.part).collect();
        let count = parts.len().min(MOST_COUNTED);
        parts.sort_unstable();
        parts.dedup();
        let worth = (parts.len(), count);
        if best.is_none_or(|(p, c, _)| worth > (p, c)) {
            best = Some((worth.0, worth.1, mark.at));
        }
    }
    best.map(|(_, _, at)| at)
}

fn cut(text: &str, words: &[Word], marks: &[Mark], (from, to): (usize, usize)) -> Snippet {
    let mut snippet = Snippet::default();
    let (Some(first), Some(last)) = (words.get(from), words.get(to.saturating_sub(1))) else {
        return snippet;
    };
    let end = if to == words.len() { text.len() } else { last.to };
    let mut at = if from == 0 { 0 } else { first.from };
    if from > 0 {
        push(&mut snippet, SnippetPart::Text("… ".to_owned()));
    }
    let mut inside: Vec<(usize, usize)> = marks
        .iter()
        .filter(|mark| mark.at >= from && mark.end <= to)
        .map(|mark| (words[mark.at].from, words[mark.end - 1].to))
        .collect();
    inside.sort_unstable();
    for (start, stop) in inside {
        if start < at {
            continue;
        }
        push(&mut snippet, SnippetPart::Text(tidy(&text[at..start])));
        push(&mut snippet, SnippetPart::Match(tidy(&text[start..stop])));
        at = stop;
    }
    push(&mut snippet, SnippetPart::Text(tidy(&text[at..end.max(at)])));
    if to < words.len() {
        push(&mut snippet, SnippetPart::Text(" …".to_owned()));
    }
    snippet
}

fn push(snippet: &mut Snippet, part: SnippetPart) {
    match (snippet.parts.last_mut(), part) {
        (_, SnippetPart::Text(text)) if text.is_empty() => {}
        (Some(SnippetPart::Text(before)), SnippetPart::Text(text)) => before.push_str(&text),
        (_, part) => snippet.parts.push(part),
    }
}

/// On one line, without characters that FHIR and XML cannot hold.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(LONGEST) {
        let c = if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { ' ' } else { c };
        if !(c.is_whitespace() && out.ends_with(char::is_whitespace)) {
            out.push(if c.is_whitespace() { ' ' } else { c });
        }
    }
    out
}

/// Whether one text is the other with at most so many slips: a letter too many, too few or
/// another, or two that changed places.
fn near(one: &str, other: &str, slips: usize) -> bool {
    if slips == 0 || one.len().abs_diff(other.len()) > slips * 4 {
        return one == other;
    }
    let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if a.len().abs_diff(b.len()) > slips {
        return false;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut cost = (last[j - 1] + same).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()] <= slips
}

/// Places of one document.
const MOST: usize = 3;
/// Words of a place, before what was found and from it on.
const BEFORE: usize = 8;
const AFTER: usize = 24;
/// A word that comes again and again makes no better place.
const MOST_COUNTED: usize = 4;
/// Characters between two words that are shown: the rest is drawing.
const LONGEST: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::query::read;
    use crate::search::synonyms::Synonyms;

    fn shown(text: &str, question: &str) -> Vec<String> {
        let wanted =
            read(question, &Synonyms::built_in().normalised(crate::search::analysis::stems));
        let parts = |snippet: &Snippet| {
            let part = |part: &SnippetPart| match part {
                SnippetPart::Text(text) => text.clone(),
                SnippetPart::Match(text) => format!("[{text}]"),
            };
            snippet.parts.iter().map(part).collect::<String>()
        };
        snippets(text, &wanted).iter().map(parts).collect()
    }

    #[test]
    fn what_was_found_is_marked_as_it_stands_in_the_text() {
        let text = "Seen in clinic.\n\nHistory of <b>asthma</b> & \u{1}fractures.";

        assert_eq!(
            shown(text, "asthma fracture"),
            ["Seen in clinic. History of <b>[asthma]</b> & [fractures]."]
        );
        assert_eq!(shown(text, "asthmma"), shown(text, "asthma"), "a slip finds the same");
        assert_eq!(shown(text, "\"history of\"")[0].matches('[').count(), 1);
        assert!(shown(text, "clin*")[0].contains("[clinic]"));
        assert!(shown(text, "absent").is_empty());
        assert!(shown("Old MI in 2009", "heart attack")[0].contains("[MI]"));
    }

    #[test]
    fn the_best_places_of_a_long_text_are_shown_without_overlap() {
        let filler = "word ".repeat(100);
        let text = format!("{filler}asthma {filler}asthma and cough {filler}cough{filler}asthma");

        let shown = shown(&text, "asthma cough");

        assert_eq!(shown.len(), 3);
        assert!(shown[0].contains("[asthma] and [cough]"), "{shown:?}");
        assert!(shown.iter().all(|s| s.starts_with("… ") && s.len() < 400), "{shown:?}");
        let every = "asthma ".repeat(10_000);
        assert!(super::tests::shown(&every, "asthma").len() <= 3);
    }

    #[test]
    fn slips_are_counted_as_the_index_counts_them() {
        for (a, b, slips, fits) in [
            ("asthma", "asthma", 0, true),
            ("astma", "asthma", 1, true),
            ("ashtma", "asthma", 1, true),
            ("astmh", "asthma", 1, false),
            ("pneumnia", "pneumonia", 2, true),
            ("Zäh", "zah", 1, false),
        ] {
            assert_eq!(near(a, b, slips), fits, "{a} {b}");
        }
    }
}
