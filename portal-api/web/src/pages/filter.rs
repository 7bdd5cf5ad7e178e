use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::api::Document;
use crate::display::day_of;

/// Which documents of a patient to show. Kept in the session: words to look for in titles would
/// say too much in an address.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Filter {
    /// A class code; empty for all.
    pub(crate) class: String,
    /// A source's organisation code; empty for all.
    pub(crate) source: String,
    /// The first day.
    pub(crate) from: Option<Date>,
    /// The last day.
    pub(crate) to: Option<Date>,
    /// Words that a title must have, in small letters.
    pub(crate) text: String,
}

/// What the filter form sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct FilterForm {
    pub(crate) csrf: String,
    pub(crate) clear: Option<String>,
    class: String,
    source: String,
    from: String,
    to: String,
    text: String,
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
            source: bounded(&self.source),
            from,
            to,
            text: bounded(&self.text).to_lowercase(),
        })
    }
}

impl Filter {
    /// Whether anything is left out.
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Whether a document is shown. One without a date passes no date filter.
    pub(crate) fn takes(&self, document: &Document, zone: &TimeZone) -> bool {
        let day = document.created.as_ref().and_then(|created| day_of(created, zone));
        let title = document.name().to_lowercase();
        (self.class.is_empty() || document.class.code == self.class)
            && (self.source.is_empty() || document.source.code == self.source)
            && self.from.is_none_or(|from| day.is_some_and(|day| day >= from))
            && self.to.is_none_or(|to| day.is_some_and(|day| day <= to))
            && self.text.split_whitespace().all(|word| title.contains(word))
    }
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
    fn days_must_be_in_order() {
        let form = FilterForm {
            from: "2026-03-27".into(),
            to: "2026-03-26".into(),
            ..FilterForm::default()
        };

        assert_eq!(form.read().err().map(|mistake| mistake.field), Some("to"));
    }
}
