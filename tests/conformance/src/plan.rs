//! Testplans as they lie in a directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A directory of testplans.
pub struct Tests {
    /// `tests/` of the directory.
    pub folder: PathBuf,
    /// By id, in order.
    pub tests: BTreeMap<String, Test>,
}

/// One test.
pub struct Test {
    /// The name of its folder.
    pub id: String,
    /// What it belongs to.
    pub group: String,
    /// Its sections in the order of running; an empty name means the test's own folder.
    pub sections: Vec<String>,
    /// The feed test whose patient it refers to; its other objects are of that patient too.
    pub patient_of: Option<String>,
}

impl Tests {
    /// Reads the tests of a directory that holds `tests/`, or that is itself that folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(directory: &Path) -> anyhow::Result<Self> {
        let inner = directory.join("tests");
        let folder = if inner.is_dir() { inner } else { directory.to_owned() };
        let index = std::fs::read_to_string(folder.join("../INDEX.tsv")).unwrap_or_default();
        let mut tests = BTreeMap::new();
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if !path.is_dir() {
                continue;
            }
            let Some(id) = path.file_name().and_then(|n| n.to_str()).map(str::to_owned) else {
                continue;
            };
            let sections = sections(&path);
            let group = group(&path, &id, &index, &sections);
            let patient_of = patient_of(&path, &sections);
            tests.insert(id.clone(), Test { id, group, sections, patient_of });
        }
        Ok(Self { folder, tests })
    }

    /// The folder of a section.
    pub fn section_folder(&self, test: &str, section: &str) -> PathBuf {
        let folder = self.folder.join(test);
        if section.is_empty() { folder } else { folder.join(section) }
    }

    /// Every test, what others build on first, then those that count what is there.
    pub fn in_order(&self) -> Vec<&Test> {
        let place = |t: &Test| match FIRST.iter().position(|f| *f == t.id) {
            Some(place) => place,
            None if matches!(t.group.as_str(), "stored query" | "multi-patient") => FIRST.len(),
            None => FIRST.len() + 1,
        };
        let mut all: Vec<&Test> = self.tests.values().collect();
        all.sort_by_key(|t| place(t));
        all
    }
}

fn sections(folder: &Path) -> Vec<String> {
    if let Ok(index) = std::fs::read_to_string(folder.join("index.idx")) {
        let lines = index.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let named: Vec<String> = lines
            .filter(|l| folder.join(l).join("testplan.xml").exists())
            .map(str::to_owned)
            .collect();
        if !named.is_empty() {
            return named;
        }
    }
    if folder.join("testplan.xml").exists() { vec![String::new()] } else { Vec::new() }
}

fn patient_of(folder: &Path, sections: &[String]) -> Option<String> {
    sections.iter().find_map(|s| {
        let plan = std::fs::read_to_string(folder.join(s).join("testplan.xml")).ok()?;
        let package = crate::dom::parse(&plan).ok()?;
        let root = crate::dom::root(&package.as_document()).ok()?;
        crate::dom::all(&root).iter().find_map(|e| {
            let patient = crate::dom::local(e) == "UseReport"
                && crate::dom::attr(e, "reportName") == "$patientid$"
                && FIRST[..FEEDS].contains(&crate::dom::attr(e, "test"));
            patient.then(|| crate::dom::attr(e, "test").to_owned())
        })
    })
}

/// What a test belongs to: by its collections, else by what it sends.
fn group(folder: &Path, id: &str, index: &str, sections: &[String]) -> String {
    if FIRST[..FEEDS].contains(&id) {
        return "patient feed".to_owned();
    }
    let listed = index.lines().find_map(|l| {
        let mut columns = l.split('\t');
        (columns.next() == Some(id)).then(|| columns.next().unwrap_or("").to_owned())
    });
    let collections = std::fs::read_to_string(folder.join("collections.txt"))
        .ok()
        .map(|text| text.lines().map(str::trim).collect::<Vec<_>>().join(","))
        .or(listed)
        .unwrap_or_default();
    let has = |tags: &[&str]| collections.split(',').any(|c| tags.contains(&c.trim()));
    let rules: [(&[&str], &str); 13] = [
        (&["reg_mu"], "update"),
        (&["reg_rmu"], "restricted update"),
        (&["reg_rm", "reg_rmd_rm"], "remove"),
        (&["rep_rd"], "remove documents"),
        (&["MPQ", "MPQ.b", "reg_mpq"], "multi-patient"),
        (&["reg_od", "od"], "on-demand"),
        (&["reg_xadpid", "reg_xadpid_req"], "link change"),
        (&["SQ.b"], "stored query"),
        (&["R.b", "reg_isr"], "registry"),
        (&["PR.b", "Ret.b", "rep", "repositoryb"], "repository"),
        (&["rec"], "recipient"),
        (&["docadmin", "ig(xca)", "ini", "cons", "dcons"], CLIENTS),
        (&["reg"], "registry"),
    ];
    if let Some((_, name)) = rules.iter().find(|(tags, _)| has(tags)) {
        return (*name).to_owned();
    }
    if collections.contains("xca") || collections.contains("mhd") || collections.contains("fhir") {
        return "gateway and FHIR".to_owned();
    }
    by_transactions(folder, sections)
}

fn by_transactions(folder: &Path, sections: &[String]) -> String {
    let plans: String = sections
        .iter()
        .filter_map(|s| std::fs::read_to_string(folder.join(s).join("testplan.xml")).ok())
        .collect();
    let rules = [
        ("<RmuTransaction", "restricted update"),
        ("<MuTransaction", "update"),
        ("<RemoveMetadataTransaction", "remove"),
        ("<RdTransaction", "remove documents"),
        ("<MPQTransaction", "multi-patient"),
        ("<RegisterODDETransaction", "on-demand"),
        ("<PatientMoveTransaction", "link change"),
        ("<Fhir", "gateway and FHIR"),
        ("<XC", "gateway and FHIR"),
        ("<ProvideDocumentBundle", "gateway and FHIR"),
        ("<ProvideAndRegisterTransaction", "repository"),
        ("<HttpTransaction", "repository"),
        ("<RegisterTransaction", "registry"),
        ("<PatientIdentityFeed", "patient feed"),
    ];
    let found = rules.iter().find(|(tag, _)| plans.contains(tag));
    found.map_or("other", |(_, name)| name).to_owned()
}

/// Tests whose subject is a client: a person works it, and the plan looks at what it did.
pub const CLIENTS: &str = "clients";

/// Patient feeds, then the data that the query tests count, then the gateway's.
const FIRST: [&str; 9] =
    ["15817", "15817b", "15818", "15819", "15820", "15823", "15824", "12346", "12318"];
const FEEDS: usize = 7;
