use carerecord_model::name_key;

use super::{SearchError, alternatives, unescaped};

/// A part of an author's name: OR between the texts.
#[derive(Clone, Debug)]
pub(super) struct Author {
    component: usize,
    how: How,
    texts: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    /// A name begins so, whatever its case and accents.
    Begins,
    /// It stands anywhere in the name, whatever its case and accents.
    Contains,
    /// The whole name as it is.
    Exact,
}

impl Author {
    /// `None` when the parameter is not about a name.
    pub(super) fn parse(
        name: &str,
        value: &str,
        prefix: &str,
    ) -> Result<Option<Self>, SearchError> {
        let Some(part) = name.strip_prefix(prefix) else { return Ok(None) };
        let (part, modifier) = super::coded::split(part);
        let component = match part {
            "family" => 2,
            "given" => 3,
            _ => return Ok(None),
        };
        let how = match modifier {
            None => How::Begins,
            Some("contains") => How::Contains,
            Some("exact") => How::Exact,
            Some(_) => return Err(SearchError::unsupported(name)),
        };
        let texts: Vec<String> = alternatives(name, value)?.iter().map(|t| unescaped(t)).collect();
        if how == How::Exact {
            return Ok(Some(Self { component, how, texts }));
        }
        let texts: Vec<String> = texts.iter().map(|t| name_key(t)).collect();
        // Signs alone would be the beginning of every name.
        if texts.iter().any(String::is_empty) {
            return Err(SearchError::malformed(name));
        }
        Ok(Some(Self { component, how, texts }))
    }

    pub(super) fn matches(&self, authors: &[carerecord_model::Author]) -> bool {
        let mut persons = authors.iter().filter_map(|a| a.person.as_ref());
        persons.any(|person| {
            let name = person.component(self.component);
            match self.how {
                How::Exact => self.texts.contains(&name),
                How::Begins => {
                    let key = name_key(&name);
                    self.texts.iter().any(|text| key.starts_with(text))
                }
                How::Contains => {
                    let key = name_key(&name);
                    self.texts.iter().any(|text| key.contains(text))
                }
            }
        })
    }
}
