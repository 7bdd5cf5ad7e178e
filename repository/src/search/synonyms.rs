//! Words that mean the same, from a list that a deployment can bring.

use std::collections::HashMap;
use std::path::Path;

/// Groups of words and phrases, each of which finds the others.
#[derive(Clone, Debug, Default)]
pub struct Synonyms {
    groups: Vec<Vec<String>>,
    /// From a normalised phrase to its groups.
    by_phrase: HashMap<Vec<String>, Vec<usize>>,
    longest: usize,
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SynonymsError {
    /// The file could not be read.
    #[error("the list of synonyms cannot be read")]
    Read(#[from] std::io::Error),
    /// A line that is no group.
    #[error(
        "line {0} of the list of synonyms does not name two or more words, with commas between"
    )]
    Line(usize),
    /// More lines than are taken.
    #[error("the list of synonyms has more than {0} lines")]
    TooLong(usize),
}

impl Synonyms {
    /// The list that comes with the program: common abbreviations and lay words of UK letters.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("a test reads the list that is built in")
    }

    /// Reads a file: a group a line, commas between its words, `#` before comments.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no group.
    pub fn load(file: &Path) -> Result<Self, SynonymsError> {
        Self::parse(&std::fs::read_to_string(file)?)
    }

    fn parse(text: &str) -> Result<Self, SynonymsError> {
        let mut synonyms = Self::default();
        for (n, line) in text.lines().enumerate() {
            if n >= MAX_LINES {
                return Err(SynonymsError::TooLong(MAX_LINES));
            }
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let group: Vec<String> =
                line.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect();
            if group.len() < 2 || group.len() > MAX_GROUP {
                return Err(SynonymsError::Line(n + 1));
            }
            synonyms.groups.push(group);
        }
        Ok(synonyms)
    }

    /// Prepares lookups by phrases as `normalise` gives them: the way that the index does.
    pub(crate) fn normalised(mut self, normalise: impl Fn(&str) -> Vec<String>) -> Self {
        for (n, group) in self.groups.iter().enumerate() {
            for phrase in group {
                let words = normalise(phrase);
                self.longest = self.longest.max(words.len());
                if !words.is_empty() {
                    self.by_phrase.entry(words).or_default().push(n);
                }
            }
        }
        self
    }

    /// The longest phrase at the start of `words` that has synonyms: its length and the others.
    pub(crate) fn of<'s>(&'s self, words: &[String]) -> Option<(usize, Vec<&'s str>)> {
        (1..=self.longest.min(words.len())).rev().find_map(|length| {
            let groups = self.by_phrase.get(&words[..length])?;
            let all = groups.iter().flat_map(|n| &self.groups[*n]).map(String::as_str);
            Some((length, all.collect()))
        })
    }
}

const BUILT_IN: &str = include_str!("synonyms.txt");
const MAX_LINES: usize = 50_000;
const MAX_GROUP: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_phrase_counts() {
        let list = "# ours\nMI, heart attack , myocardial infarction\nheart, cardiac\n";
        let lower = |text: &str| text.to_lowercase().split(' ').map(str::to_owned).collect();
        let synonyms = Synonyms::parse(list).unwrap().normalised(lower);
        let words = |text: &str| -> Vec<String> { lower(text) };

        let (length, others) = synonyms.of(&words("heart attack 2019")).unwrap();

        assert_eq!((length, others), (2, vec!["MI", "heart attack", "myocardial infarction"]));
        assert_eq!(synonyms.of(&words("heart failure")).unwrap().1, ["heart", "cardiac"]);
        assert!(synonyms.of(&words("failure")).is_none());
    }

    #[test]
    fn the_list_that_is_built_in_can_be_read_and_a_bad_one_says_where() {
        assert!(Synonyms::built_in().groups.len() > 50);
        let error = Synonyms::parse("a, b\n\nalone\n").unwrap_err();
        assert!(matches!(error, SynonymsError::Line(3)), "{error}");
    }
}
