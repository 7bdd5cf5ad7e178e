use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use aws_lc_rs::digest::{Context, SHA256};
use carerecord_model::{Dtm, NhsNumber, OrganisationCode, UniqueId};

use super::{CodeMaps, Given, Manifest, Walk};

/// A document that is to be published.
pub struct Row {
    /// The line of the manifest, when there is one.
    pub line: Option<u64>,
    /// Where its bytes are.
    pub path: PathBuf,
    /// What the manifest says of it, or why it says nothing of use.
    pub cells: Result<Cells, String>,
}

/// What a row of a manifest says; what it leaves out is for the options to say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cells {
    pub patient: Option<NhsNumber>,
    /// A code of the code maps.
    pub type_code: Option<String>,
    pub created: Option<Dtm>,
    pub title: Option<String>,
    pub unique_id: Option<UniqueId>,
    pub replaces: Option<UniqueId>,
    pub author_organisation: Option<OrganisationCode>,
    pub author_organisation_name: Option<String>,
}

impl Cells {
    /// The options, with what the row says in their place.
    ///
    /// # Errors
    /// When the type is not in the code maps.
    pub fn over(&self, options: &Given, codes: &CodeMaps) -> Result<Given, String> {
        let mut given = options.clone();
        if let Some(code) = &self.type_code {
            let known = codes.type_of(code);
            let known = known.map_err(|_| format!("type {code} is not in the code maps"))?;
            given.type_code = Some(known);
        }
        if let Some(code) = &self.author_organisation {
            let name = self.author_organisation_name.clone();
            given.author = Some((code.clone(), name.unwrap_or_else(|| code.to_string())));
        }
        let Self { patient, created, title, unique_id, replaces, .. } = self.clone();
        given.patient = patient.or(given.patient);
        given.created = created.or(given.created);
        given.title = title.or(given.title);
        given.unique_id = unique_id.or(given.unique_id);
        given.replaces = replaces.or(given.replaces);
        Ok(given)
    }
}

/// Where rows come from. Never more than one of them is held, nor more names than `Walk` says.
pub enum Rows {
    Walk(Walk),
    Manifest(Box<Manifest>),
}

impl Iterator for Rows {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Walk(walk) => walk.next(),
            Self::Manifest(manifest) => manifest.next(),
        }
    }
}

/// What tells rows apart over restarts: all that makes the submission, which are the options, the
/// row, and the file by path, length and last change. Two rows that agree in all that are one.
#[derive(Clone)]
pub struct KeyMaker(Context);

impl KeyMaker {
    /// For rows under these options.
    pub fn new(options: &Given) -> Self {
        let mut of = Self(Context::new(&SHA256));
        let Given { patient, organisation, organisation_name, type_code, created, .. } = options;
        let Given { title, replaces, unique_id, author, .. } = options;
        of.add(patient.map(String::from).as_deref());
        of.add(Some(organisation.as_str()));
        of.add(Some(organisation_name));
        of.add(type_code.as_ref().map(|c| c.code.as_str()));
        of.add(created.as_ref().map(Dtm::as_str));
        of.add(title.as_deref());
        of.add(replaces.as_ref().map(UniqueId::as_str));
        of.add(unique_id.as_ref().map(UniqueId::as_str));
        of.add(author.as_ref().map(|(code, _)| code.as_str()));
        of.add(author.as_ref().map(|(_, name)| name.as_str()));
        of
    }

    /// The key of a row. Looks at its file.
    pub fn key(&self, row: &Row) -> u128 {
        let mut of = self.clone();
        of.0.update(row.path.as_os_str().as_encoded_bytes());
        of.0.update(&[0]);
        match &row.cells {
            Ok(cells) => of.add_cells(cells),
            // A row that cannot be used is told by where it is.
            Err(_) => of.add(row.line.map(|line| line.to_string()).as_deref()),
        }
        of.add(stamp(&row.path).as_deref());
        let mut half = [0; 16];
        half.copy_from_slice(&of.0.finish().as_ref()[..16]);
        u128::from_be_bytes(half)
    }

    fn add_cells(&mut self, cells: &Cells) {
        self.add(cells.patient.map(String::from).as_deref());
        self.add(cells.type_code.as_deref());
        self.add(cells.created.as_ref().map(Dtm::as_str));
        self.add(cells.title.as_deref());
        self.add(cells.unique_id.as_ref().map(UniqueId::as_str));
        self.add(cells.replaces.as_ref().map(UniqueId::as_str));
        self.add(cells.author_organisation.as_ref().map(OrganisationCode::as_str));
        self.add(cells.author_organisation_name.as_deref());
    }

    /// With its length, so that no two rows run together to the same.
    fn add(&mut self, value: Option<&str>) {
        let Some(value) = value else { return self.0.update(&u64::MAX.to_be_bytes()) };
        self.0.update(&(value.len() as u64).to_be_bytes());
        self.0.update(value.as_bytes());
    }
}

/// Length and last change of a file; `None` when there is none.
fn stamp(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(format!("{} {}", metadata.len(), changed.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(path: &Path, cells: Cells) -> Row {
        Row { line: Some(2), path: path.to_owned(), cells: Ok(cells) }
    }

    fn options() -> Given {
        Given::new(None, "ZEX01".parse().unwrap(), "Royal Example Hospital".into())
    }

    #[test]
    fn what_makes_a_submission_makes_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "a").unwrap();
        let key = |cells: Cells| KeyMaker::new(&options()).key(&row(&file, cells));
        let plain = key(Cells::default());
        let titled = |title: &str| Cells { title: Some(title.into()), ..Cells::default() };

        assert_eq!(plain, key(Cells::default()));
        assert_ne!(plain, key(titled("")));
        assert_ne!(key(titled("a")), key(titled("b")));
        let other = Given { title: Some("a".into()), ..options() };
        assert_ne!(plain, KeyMaker::new(&other).key(&row(&file, Cells::default())));
        std::fs::write(&file, "longer").unwrap();
        assert_ne!(plain, key(Cells::default()));
    }

    #[test]
    fn a_row_comes_before_the_options() {
        let codes = CodeMaps::load(None).unwrap();
        let given = Given { title: Some("options".into()), ..options() };
        let own = Cells {
            title: Some("row".into()),
            type_code: Some("823691000000103".into()),
            author_organisation: Some("ZEX02".parse().unwrap()),
            ..Cells::default()
        };

        let with = own.over(&given, &codes).unwrap();
        let without = Cells::default().over(&given, &codes).unwrap();

        assert_eq!(with.title.as_deref(), Some("row"));
        assert_eq!(with.type_code.unwrap().display, "Clinical letter");
        assert_eq!(with.author.unwrap().1, "ZEX02");
        assert_eq!(without.title.as_deref(), Some("options"));
        let wrong = Cells { type_code: Some("999".into()), ..Cells::default() };
        assert!(wrong.over(&given, &codes).err().unwrap().contains("type 999 is not"));
    }
}
