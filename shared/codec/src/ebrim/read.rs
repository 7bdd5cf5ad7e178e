//! The attributes of one object, read with everything that is wrong with them.

use std::collections::HashSet;
use std::str::FromStr;

use carerecord_model::{
    Author, Code, ErrorCode, ExtraClassification, ExtraMetadata, HomeCommunityId, LogicalId,
    ObjectId, RegistryError, RegistryErrors, Slot,
};

use super::object::{Classification, RegistryObject};

/// Reads the attributes of one object and collects what is wrong with them.
pub(super) struct Reader<'o, 'e> {
    object: &'o RegistryObject,
    /// Whether the label of limited metadata stands on it: then codes may be absent.
    pub(super) limited: bool,
    errors: &'e mut RegistryErrors,
}

impl<'o, 'e> Reader<'o, 'e> {
    pub(super) fn new(
        object: &'o RegistryObject,
        label: &str,
        errors: &'e mut RegistryErrors,
    ) -> Self {
        let mut labels = object.classifications.iter().filter_map(|c| c.node.as_deref());
        Self { object, limited: labels.any(|l| l == label), errors }
    }

    pub(super) fn wrong(&mut self, attribute: &str, what: &str) {
        wrong(self.errors, self.object, attribute, what);
    }

    pub(super) fn missing(&mut self, attribute: &str) {
        self.wrong(attribute, "is missing");
    }

    pub(super) fn attribute<T: FromStr>(&mut self, name: &str, value: Option<&str>) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        match value.map(str::trim).filter(|v| !v.is_empty()) {
            None => {
                self.missing(name);
                None
            }
            Some(value) => match value.parse() {
                Ok(parsed) => Some(parsed),
                Err(error) => {
                    self.wrong(name, &format!("is wrong: {error}"));
                    None
                }
            },
        }
    }

    pub(super) fn object_id(&mut self) -> Option<ObjectId> {
        self.attribute("id", Some(self.object.id.as_str()))
    }

    pub(super) fn identifier<T: FromStr>(&mut self, name: &str, scheme: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let all = &self.object.external_identifiers;
        let mut of_scheme = all.iter().filter(|i| i.scheme == scheme);
        let first = of_scheme.next();
        if of_scheme.next().is_some() {
            self.wrong(name, "is there more than once");
        }
        self.attribute(name, first.map(|i| i.value.as_str()))
    }

    pub(super) fn slot_text(&self, name: &str) -> Option<String> {
        let slot = self.object.slots.iter().find(|s| s.name == name)?;
        slot.values.first().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
    }

    /// The one value of a slot.
    pub(super) fn slot(&mut self, name: &str) -> Option<String> {
        let values = self.object.slots.iter().find(|s| s.name == name).map(|s| s.values.len());
        if values.is_some_and(|n| n > 1) {
            self.wrong(name, "has more than one value");
        }
        self.slot_text(name)
    }

    pub(super) fn slot_required(&mut self, name: &str) -> Option<String> {
        let value = self.slot(name);
        if value.is_none() && self.limited {
            return Some(String::new());
        }
        if value.is_none() {
            self.missing(name);
        }
        value
    }

    pub(super) fn slot_parsed<T: FromStr>(&mut self, name: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let value = self.slot(name)?;
        self.attribute(name, Some(&value))
    }

    pub(super) fn slot_values(&self, name: &str) -> Vec<String> {
        let slot = self.object.slots.iter().find(|s| s.name == name);
        slot.map(|s| s.values.clone()).unwrap_or_default()
    }

    pub(super) fn home(&mut self) -> Option<HomeCommunityId> {
        let home = self.object.home.as_deref().filter(|h| !h.is_empty())?;
        self.attribute("home", Some(home))
    }

    /// A URI may come split as `1|http://…`, `2|rest`.
    pub(super) fn uri(&self) -> Option<String> {
        let values = self.slot_values("URI");
        let mut pieces: Vec<(u32, &str)> = values
            .iter()
            .filter_map(|v| {
                let (n, text) = v.split_once('|')?;
                Some((n.parse().ok()?, text))
            })
            .collect();
        if pieces.len() == values.len() && !pieces.is_empty() {
            pieces.sort_by_key(|(n, _)| *n);
            return Some(pieces.iter().map(|(_, text)| *text).collect());
        }
        values.into_iter().next()
    }

    fn classifications(&self, scheme: &'o str) -> impl Iterator<Item = &'o Classification> {
        let all = self.object.classifications.iter();
        all.filter(move |c| c.scheme.as_deref() == Some(scheme))
    }

    pub(super) fn codes(&mut self, name: &str, scheme: &'o str) -> Vec<Code> {
        let found: Vec<_> = self.classifications(scheme).collect();
        found.into_iter().filter_map(|c| self.one_code(name, c)).collect()
    }

    pub(super) fn code(&mut self, name: &str, scheme: &'o str) -> Option<Code> {
        if self.classifications(scheme).next().is_none() {
            if self.limited {
                return Some(Code::absent());
            }
            self.missing(name);
            return None;
        }
        if self.classifications(scheme).count() > 1 {
            self.wrong(name, "is there more than once");
        }
        self.codes(name, scheme).into_iter().next()
    }

    fn one_code(&mut self, name: &str, c: &Classification) -> Option<Code> {
        let coding = c.slots.iter().find(|s| s.name == "codingScheme");
        let values = coding.map(|s| s.values.as_slice()).unwrap_or_default();
        let [scheme] = values else {
            self.wrong(name, "needs exactly one codingScheme");
            return None;
        };
        if c.code.trim().is_empty() {
            self.wrong(name, "has an empty code");
            return None;
        }
        let Some(display) = c.name.first() else {
            self.wrong(name, "has no display name");
            return None;
        };
        Some(Code::new(c.code.trim(), scheme.trim(), display.value.clone()))
    }

    pub(super) fn authors(&mut self, scheme: &'o str) -> Vec<Author> {
        let found: Vec<_> = self.classifications(scheme).collect();
        found.into_iter().filter_map(|c| self.author(c)).collect()
    }

    fn author(&mut self, c: &Classification) -> Option<Author> {
        let values = |name: &str| -> Vec<String> {
            let slot = c.slots.iter().find(|s| s.name == name);
            let values = slot.map(|s| s.values.clone()).unwrap_or_default();
            values.into_iter().filter(|v| !v.trim().is_empty()).collect()
        };
        let persons = values("authorPerson");
        if persons.len() > 1 {
            self.wrong("authorPerson", "has more than one value");
        }
        let author = Author {
            person: persons.first().and_then(|p| self.attribute("authorPerson", Some(p))),
            institutions: self.parsed("authorInstitution", &values("authorInstitution")),
            roles: values("authorRole"),
            specialties: values("authorSpecialty"),
            telecommunications: self
                .parsed("authorTelecommunication", &values("authorTelecommunication")),
        };
        let empty = author.person.is_none()
            && author.institutions.is_empty()
            && author.telecommunications.is_empty();
        if empty {
            self.wrong("author", "names neither person nor institution nor telecommunication");
            return None;
        }
        Some(author)
    }

    fn parsed<T: FromStr>(&mut self, name: &str, values: &[String]) -> Vec<T>
    where
        T::Err: std::fmt::Display,
    {
        values.iter().filter_map(|v| self.attribute(name, Some(v))).collect()
    }

    pub(super) fn lineage(&mut self) -> (Option<LogicalId>, u32) {
        let lid = self.object.lid.as_deref().filter(|l| !l.is_empty());
        let logical = lid.and_then(|l| self.attribute("lid", Some(l)));
        let version = self.object.version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        (logical, version)
    }

    pub(super) fn check_slots(&mut self) {
        let mut names = HashSet::new();
        let twice = self.object.slots.iter().any(|s| !names.insert(s.name.as_str()));
        if twice {
            self.wrong("slot", "of one name is there more than once");
        }
    }

    /// What is left when everything that XDS defines is taken away.
    pub(super) fn extra(&mut self, slots: &[&str], schemes: &[&str]) -> ExtraMetadata {
        let strange = |s: &&Slot| !slots.contains(&s.name.as_str());
        let slots = self.object.slots.iter().filter(strange).cloned().collect();
        let mut classifications = Vec::new();
        let all: Vec<_> = self.object.classifications.iter().collect();
        for c in all {
            let Some(scheme) = c.scheme.as_deref() else { continue };
            if schemes.contains(&scheme) {
                continue;
            }
            if let Some(code) = self.one_code("classification", c) {
                classifications.push(ExtraClassification { scheme: scheme.to_owned(), code });
            }
        }
        ExtraMetadata { slots, classifications, limited: self.limited }
    }
}

/// Reports what is wrong with an attribute of an object.
pub(super) fn wrong(
    errors: &mut RegistryErrors,
    object: &RegistryObject,
    attribute: &str,
    what: &str,
) {
    let id = if object.id.is_empty() { "an object without id" } else { object.id.as_str() };
    errors.push(
        RegistryError::error(
            ErrorCode::XDSRegistryMetadataError,
            format!("{id}: {attribute} {what}"),
        )
        .at(id),
    );
}
