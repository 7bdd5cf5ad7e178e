use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::api::Document;
use crate::display::day_of;

/// Which documents of a patient to show. Kept in the session, and what tells of no patient for longer: words to look for in titles would
/// say too much in an address.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Filter {
    /// A class code; empty for all.
    pub(crate) class: String,
    /// A type code; empty for all.
    pub(crate) kind: String,
    /// A setting's name; empty for all.
    pub(crate) setting: String,
    /// A source's organisation code; empty for all.
    pub(crate) source: String,
    /// Words that the authors and their organisations must have, in small letters.
    pub(crate) author: String,
    /// The first day.
    pub(crate) from: Option<Date>,
    /// The last day.
    pub(crate) to: Option<Date>,
    /// Words that a title must have, in small letters.
    pub(crate) text: String,
    /// Only what has come since the reader last looked.
    pub(crate) fresh: bool,
}

/// What the filter form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct FilterForm {
    pub(crate) csrf: String,
    pub(crate) clear: Option<String>,
    /// Where the form stood: the face and the group, as addresses have them.
    pub(crate) show: String,
    pub(crate) group: String,
    class: String,
    kind: String,
    setting: String,
    source: String,
    author: String,
    from: String,
    to: String,
    text: String,
    fresh: Option<String>,
}

/// A field of the filter that cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FilterMistake {
    /// The field's id on the page.
    pub(crate) field: &'static str,
    pub(crate) words: &'static str,
}

impl FilterForm {
    pub(crate) fn read(&self) -> Result<Filter, FilterMistake> {
        if self.clear.is_some() {
            return Ok(Filter::default());
        }
        let (from, to) = (date("from", &self.from)?, date("to", &self.to)?);
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            let words = "The last day must not be before the first day";
            return Err(FilterMistake { field: "to", words });
        }
        let bounded = |text: &str| text.trim().chars().take(MAX_CHARS).collect::<String>();
        Ok(Filter {
            class: bounded(&self.class),
            kind: bounded(&self.kind),
            setting: self.setting.trim().chars().take(MAX_SETTING).collect(),
            source: bounded(&self.source),
            author: bounded(&self.author).to_lowercase(),
            from,
            to,
            text: bounded(&self.text).to_lowercase(),
            fresh: self.fresh.is_some(),
        })
    }
}

impl Filter {
    /// Whether anything is left out.
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// What of it tells of no patient, to be used again for others: no words, nor days, which would hide
    /// what comes after them.
    pub(crate) fn of_no_patient(&self) -> Self {
        Self {
            class: self.class.clone(),
            kind: self.kind.clone(),
            setting: self.setting.clone(),
            source: self.source.clone(),
            ..Self::default()
        }
    }

    /// Without what no document has: the fields of the page could not show that.
    pub(crate) fn of_documents(mut self, documents: &[Document]) -> Self {
        type Part<'a> = (&'a mut String, fn(&Document) -> Option<&str>);
        let parts: [Part<'_>; 4] = [
            (&mut self.class, |document| Some(&document.class.code)),
            (&mut self.kind, |document| Some(&document.kind.code)),
            (&mut self.setting, |document| document.setting.as_deref()),
            (&mut self.source, |document| Some(&document.source.code)),
        ];
        for (part, of) in parts {
            if !documents.iter().any(|document| of(document) == Some(part.as_str())) {
                part.clear();
            }
        }
        self
    }

    /// Whether a document is shown; `fresh` is whether it has come since the reader last looked.
    /// One without a date passes no date filter.
    pub(crate) fn takes(&self, document: &Document, fresh: bool, zone: &TimeZone) -> bool {
        let dated = self.from.is_some() || self.to.is_some();
        let created = document.created.as_ref().filter(|_| dated);
        let day = created.and_then(|created| day_of(created, zone));
        let is = |wanted: &str, actual: &str| wanted.is_empty() || actual == wanted;
        let setting = document.setting.as_deref().unwrap_or_default();
        is(&self.class, &document.class.code)
            && is(&self.kind, &document.kind.code)
            && is(&self.setting, setting)
            && is(&self.source, &document.source.code)
            && self.from.is_none_or(|from| day.is_some_and(|day| day >= from))
            && self.to.is_none_or(|to| day.is_some_and(|day| day <= to))
            && (fresh || !self.fresh)
            && has_words(&self.text, || document.name().to_lowercase())
            && has_words(&self.author, || {
                let all = document.authors.iter().chain(&document.organisations);
                all.map(|name| name.to_lowercase()).collect::<Vec<_>>().join(" ")
            })
    }
}

/// Whether all words are in a text, which is only made if there are any.
fn has_words(words: &str, text: impl FnOnce() -> String) -> bool {
    if words.is_empty() {
        return true;
    }
    let text = text();
    words.split_whitespace().all(|word| text.contains(word))
}

/// Browsers send ISO dates from a date field; those that show a plain field let people type.
fn date(field: &'static str, typed: &str) -> Result<Option<Date>, FilterMistake> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Ok(None);
    }
    let forms = ["%Y-%m-%d", "%d/%m/%Y", "%d %B %Y", "%d-%b-%Y", "%d %b %Y"];
    let read = forms.iter().find_map(|form| Date::strptime(form, typed).ok());
    let words = "Enter a real date, such as 27 March 2026";
    read.map(Some).ok_or(FilterMistake { field, words })
}

const MAX_CHARS: usize = 100;
/// As long as a name of a setting gets to us.
const MAX_SETTING: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_browsers_and_people_write_them() {
        for typed in ["2026-03-27", "27/03/2026", "27 March 2026", "27-Mar-2026", "27 Mar 2026"] {
            assert_eq!(date("from", typed).unwrap(), Some("2026-03-27".parse().unwrap()));
        }
        assert!(date("from", "yesterday").is_err());
        assert!(date("from", "2026-02-30").is_err());
    }

    #[test]
    fn authors_and_organisations_are_found_by_their_words() {
        let mut document = crate::tests::document(1);
        document.authors = vec!["Dr Niamh Calloway".into()];
        document.organisations = vec!["Cardiology, Royal Example Hospital".into()];
        document.setting = Some("Cardiology service".into());
        let takes = |change: fn(&mut FilterForm)| {
            let mut form = FilterForm::default();
            change(&mut form);
            form.read().unwrap().takes(&document, false, &TimeZone::UTC)
        };

        assert!(takes(|f| f.author = "ROYAL calloway".into()));
        assert!(!takes(|f| f.author = "calloway zebra".into()));
        assert!(takes(|f| f.setting = "Cardiology service".into()));
        assert!(!takes(|f| f.setting = "Cardiology".into()));
        assert!(!takes(|f| f.kind = "823681000000100".into()));
        assert!(!takes(|f| f.fresh = Some("yes".into())), "it is not new");
    }

    #[test]
    fn what_is_used_again_tells_of_no_patient_and_can_be_seen() {
        let form = FilterForm {
            class: "1".into(),
            setting: "Cardiology service".into(),
            source: "ZEX01".into(),
            author: "calloway".into(),
            from: "2026-03-27".into(),
            text: "okafor".into(),
            fresh: Some("yes".into()),
            ..FilterForm::default()
        };
        let mut document = crate::tests::document(1);
        document.class.code = "2".into();
        document.source.code = "ZEX01".into();

        let kept = form.read().unwrap().of_no_patient();
        let here = kept.clone().of_documents(&[document]);

        let text = serde_json::to_string(&kept).unwrap();
        for words in ["calloway", "2026", "okafor", "true"] {
            assert!(!text.contains(words), "{words} in {text}");
        }
        assert_eq!((kept.class.as_str(), kept.source.as_str()), ("1", "ZEX01"));
        assert_eq!((here.class.as_str(), here.setting.as_str()), ("", ""));
        assert_eq!(here.source, "ZEX01");
    }

    #[test]
    fn days_must_be_in_order() {
        let form = FilterForm {
            from: "2026-03-27".into(),
            to: "2026-03-26".into(),
            ..FilterForm::default()
        };

        assert_eq!(form.read().err().map(|mistake| mistake.field), Some("to"));
    }
}
