//! The codes of the affinity domain: the `[codes]` section, the files that it names, and the tools
//! `carerecord codes check` and `carerecord codes report`.

mod command;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use carerecord_model::{AffinityDomain, ListedAttribute, Validity};
use carerecord_registry::CodeRules;
use jiff::civil::Date;
use serde::Deserialize;

pub use command::{CodesCommand, run};

/// The `[codes]` section.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodesSection {
    /// `codes.xml` files and FHIR ValueSets.
    pub files: Vec<CodesEntry>,
    /// Whether a submission with other codes is refused; otherwise it is taken and they are counted.
    pub enforce: bool,
    /// The same for one attribute, e.g. `typeCode` or `mimeType`.
    pub enforce_attribute: BTreeMap<ListedAttribute, bool>,
}

/// A file of codes: its path, or more to say of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a file, or a table with file, attribute, valid_from, valid_until")]
pub enum CodesEntry {
    /// A file that is always valid.
    Path(PathBuf),
    /// A file with what it does not say itself.
    Described(DescribedFile),
}

/// A file with what it does not say itself.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedFile {
    /// The file.
    file: PathBuf,
    /// Whose values a FHIR ValueSet has; a `codes.xml` says it itself.
    attribute: Option<ListedAttribute>,
    /// The first day, e.g. `2026-04-01`.
    valid_from: Option<Date>,
    /// The last day.
    valid_until: Option<Date>,
}

impl CodesSection {
    /// Reads every file. A relative path is taken from `base`, the folder of the configuration.
    pub fn load(&self, base: &Path) -> anyhow::Result<CodeRules> {
        let mut domain = AffinityDomain::default();
        for entry in &self.files {
            let entry = entry.described();
            let file = base.join(&entry.file);
            let name = file.display().to_string();
            let validity = entry.validity().with_context(|| name.clone())?;
            let read = file::read(&file).and_then(|read| read.into_sets(entry.attribute));
            let (sets, ignored) = read.with_context(|| name.clone())?;
            if !ignored.is_empty() {
                tracing::warn!(file = name, ignored = ignored.join("; "), "parts of no use");
            }
            sets.into_iter().for_each(|set| domain.add(set, validity));
        }
        let enforced = self.enforced(&domain);
        let unlisted = ListedAttribute::ALL.into_iter().filter(|a| !domain.lists(*a));
        let unlisted: Vec<&str> = unlisted.map(ListedAttribute::name).collect();
        if !self.files.is_empty() && !unlisted.is_empty() {
            tracing::info!(attributes = unlisted.join(", "), "no file has codes of these");
        }
        Ok(CodeRules::new(domain, enforced)?)
    }

    /// `enforce` is about what the files list; an attribute by name must be listed.
    fn enforced(&self, domain: &AffinityDomain) -> BTreeSet<ListedAttribute> {
        let wanted = |attribute: &ListedAttribute| {
            let own = self.enforce_attribute.get(attribute).copied();
            own.unwrap_or(self.enforce && domain.lists(*attribute))
        };
        ListedAttribute::ALL.into_iter().filter(wanted).collect()
    }
}

/// The codes in `codes.xml` files, valid at any time.
pub fn domain(files: &[PathBuf]) -> anyhow::Result<AffinityDomain> {
    let mut domain = AffinityDomain::default();
    for path in files {
        let read = file::read(path).and_then(|read| read.into_sets(None));
        let (sets, _) = read.with_context(|| path.display().to_string())?;
        sets.into_iter().for_each(|set| domain.add(set, Validity::default()));
    }
    Ok(domain)
}

impl CodesEntry {
    fn described(&self) -> DescribedFile {
        match self {
            Self::Path(file) => DescribedFile {
                file: file.clone(),
                attribute: None,
                valid_from: None,
                valid_until: None,
            },
            Self::Described(described) => described.clone(),
        }
    }
}

impl DescribedFile {
    fn validity(&self) -> anyhow::Result<Validity> {
        let (from, until) = (self.valid_from, self.valid_until);
        let ordered = from.zip(until).is_none_or(|(from, until)| from <= until);
        ensure!(ordered, "valid_until is before valid_from");
        Ok(Validity { from, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");

    fn load(text: &str) -> anyhow::Result<CodeRules> {
        let section: CodesSection = toml::from_str(text)?;
        section.load(Path::new(CONFIG))
    }

    #[test]
    fn the_uk_default_can_be_enforced() {
        load("files = ['codes/uk-default.xml']\nenforce = true").unwrap();
        load("files = ['codes/uk-default.xml']\n[enforce_attribute]\ntypeCode = true").unwrap();
    }

    #[test]
    fn what_nothing_lists_is_not_enforced_by_name() {
        let text = "files = ['codes/uk-default.xml']\n[enforce_attribute]\neventCodeList = true";

        let refused = load(text).unwrap_err().to_string();

        assert!(refused.contains("eventCodeList"), "{refused}");
    }

    #[test]
    fn mistakes_are_told() {
        for (text, word) in [
            ("enforce_attribute = { typecode = true }", "typecode"),
            ("files = ['codes/none.xml']", "none.xml"),
            ("files = [{ file = 'codes/uk-default.xml', attribute = 'typeCode' }]", "attribute"),
            (
                "files = [{ file = 'codes/uk-default.xml', valid_from = '2026-02-01', \
                 valid_until = '2026-01-31' }]",
                "before",
            ),
            ("files = ['codes/uk-default.toml']", "neither"),
        ] {
            let refused = format!("{:#}", load(text).unwrap_err());
            assert!(refused.contains(word), "{text}: {refused}");
        }
    }
}
