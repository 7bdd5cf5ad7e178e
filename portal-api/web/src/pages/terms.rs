//! What a patient says with several limits or with exceptions, in words.

use super::consent::or_higher;
use super::patient::class_words;
use crate::api::{Between, Term, Terms};

/// How a page speaks: of objections, of agreements, of organisations and of times.
pub(super) struct Voice<'v> {
    pub(super) objects: &'v str,
    pub(super) agrees: &'v str,
    pub(super) name: &'v dyn Fn(&String) -> String,
    pub(super) time: &'v dyn Fn(&String) -> String,
}

impl Voice<'_> {
    /// A sentence for the rule, and one for its exceptions.
    pub(super) fn words(&self, terms: &Terms) -> String {
        let root = capitalised(&self.term(&terms.root));
        let only = if terms.root.permits && is_about_documents(&terms.root) {
            ", and nothing else"
        } else {
            ""
        };
        let exceptions: Vec<String> = terms.exceptions.iter().map(|e| self.term(e)).collect();
        if exceptions.is_empty() {
            return format!("{root}{only}");
        }
        format!("{root}{only}. But {}", exceptions.join("; "))
    }

    fn term(&self, term: &Term) -> String {
        let verb = if term.permits { self.agrees } else { self.objects };
        let mut words = format!("{verb} {}", self.what(term));
        if !term.recipients.is_empty() {
            words += &format!(" with {}", self.names(&term.recipients));
        }
        if term.by_override {
            words += " with those who give a reason to open what is closed";
        }
        if let Some(applies) = &term.applies {
            words += &format!(", {}", self.between(applies));
        }
        words
    }

    fn what(&self, term: &Term) -> String {
        if !is_about_documents(term) {
            return "the whole record".to_owned();
        }
        let mut limits = Vec::new();
        if let Some(authored) = &term.authored {
            limits.push(format!("of the time {}", self.between(authored)));
        }
        let mut data = Vec::new();
        if !term.sources.is_empty() {
            data.push(format!("from {}", self.names(&term.sources)));
        }
        if term.contacts > 0 {
            data.push(counted(term.contacts, "of one contact with care", "contacts with care"));
        }
        if term.documents > 0 {
            data.push(counted(term.documents, "that are a certain one", "certain documents"));
        }
        limits.extend((!data.is_empty()).then(|| data.join(" or ")));
        if !term.classes.is_empty() {
            let classes: Vec<_> = term.classes.iter().map(|c| class_words(c).to_string()).collect();
            limits.push(format!("of the class {}", classes.join(" or ")));
        }
        if !term.labels.is_empty() {
            limits.push(format!("marked {}", labels(term)));
        }
        format!("documents {}", limits.join(", "))
    }

    fn names(&self, codes: &[String]) -> String {
        codes.iter().map(self.name).collect::<Vec<_>>().join(" or ")
    }

    fn between(&self, between: &Between) -> String {
        let time = |time: &Option<String>| time.as_ref().map(self.time);
        match (time(&between.from), time(&between.until)) {
            (Some(from), Some(until)) => format!("from {from} to {until}"),
            (Some(from), None) => format!("from {from} on"),
            (None, Some(until)) => format!("until {until}"),
            (None, None) => "at any time".to_owned(),
        }
    }
}

fn is_about_documents(term: &Term) -> bool {
    let data = term.sources.len() + term.documents + term.contacts;
    term.authored.is_some() || data + term.classes.len() + term.labels.len() > 0
}

/// An agreement to a code of the ladder of confidentiality is one to those below it, too.
fn labels(term: &Term) -> String {
    let label = |code: &String| {
        let also = match or_higher(code) {
            "" => "",
            _ if term.permits => " or lower",
            higher => higher,
        };
        format!("{code}{also}")
    };
    term.labels.iter().map(label).collect::<Vec<_>>().join(" or ")
}

fn counted(n: usize, one: &str, several: &str) -> String {
    if n == 1 { one.to_owned() } else { format!("of {n} {several}") }
}

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_exceptions_read_as_sentences() {
        let voice = Voice {
            objects: "objects to sharing",
            agrees: "agrees to sharing",
            name: &|code| format!("<{code}>"),
            time: &Clone::clone,
        };
        let some = |text: &str| Some(text.to_owned());
        let year = Between { from: some("1 January"), until: some("31 December") };
        let root = Term {
            permits: true,
            recipients: vec!["ZEX01".to_owned(), "ZEX02".to_owned()],
            authored: Some(year),
            labels: vec!["N".to_owned()],
            ..Term::default()
        };
        let psychiatric =
            Term { labels: vec!["PSY".to_owned(), "R".to_owned()], ..Term::default() };
        let emergency = Term { permits: true, by_override: true, ..Term::default() };
        let terms = Terms { root, exceptions: vec![psychiatric, emergency] };

        assert_eq!(
            voice.words(&terms),
            "Agrees to sharing documents of the time from 1 January to 31 December, marked N or \
             lower with <ZEX01> or <ZEX02>, and nothing else. But objects to sharing documents \
             marked PSY or R or higher; agrees to sharing the whole record with those who give a \
             reason to open what is closed"
        );

        let root = Term {
            sources: vec!["ZEX01".to_owned()],
            contacts: 2,
            documents: 1,
            ..Term::default()
        };
        assert_eq!(
            voice.words(&Terms { root, exceptions: Vec::new() }),
            "Objects to sharing documents from <ZEX01> or of 2 contacts with care or that are a \
             certain one"
        );
    }
}
