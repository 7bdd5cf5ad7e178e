use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::csv::{CsvReader, CsvRow};
use super::ids::is_own_id;
use super::{Cells, Row};

/// A CSV file with a row for each document, and the names of its columns in the first one.
pub struct Manifest {
    rows: CsvReader<BufReader<File>>,
    columns: Vec<Column>,
    /// Where relative paths begin.
    folder: PathBuf,
}

impl Manifest {
    /// Reads the names of the columns.
    ///
    /// # Errors
    /// When the file cannot be read, or has a column that nobody knows, one twice, or no path.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        let name = || format!("the manifest {} cannot be used", file.display());
        let input = File::open(file).with_context(name)?;
        let mut rows = CsvReader::new(BufReader::with_capacity(1 << 18, input));
        let columns = columns(rows.next_row().with_context(name)?).with_context(name)?;
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { rows, columns, folder })
    }

    /// How many rows a manifest has. Reads it to its end, so that one that cannot be read is known
    /// before anything is sent.
    ///
    /// # Errors
    /// As `open`, and when a row makes the rest unreadable; the line is told.
    pub fn count(file: &Path) -> anyhow::Result<u64> {
        let mut manifest = Self::open(file)?;
        let mut count = 0;
        let name = || format!("the manifest {} cannot be used", file.display());
        while manifest.rows.next_row().with_context(name)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn row(&self, row: CsvRow) -> Row {
        let (mut cells, mut path) = (Cells::default(), PathBuf::new());
        let fields = match row.fields {
            Ok(fields) if fields.len() == self.columns.len() => Ok(fields),
            Ok(fields) => {
                let (is, should) = (fields.len(), self.columns.len());
                Err(format!("it has {is} fields, and the header row has {should}"))
            }
            Err(why) => Err(why.to_owned()),
        };
        let read = fields.and_then(|fields| {
            for (column, text) in self.columns.iter().zip(&fields) {
                let text = text.trim();
                match (*column == Column::Path, text.is_empty()) {
                    (true, true) => return Err("path is empty".to_owned()),
                    (true, false) => path = self.folder.join(text),
                    (false, true) => {}
                    (false, false) => column.read(text, &mut cells)?,
                }
            }
            Ok(cells)
        });
        Row { line: Some(row.line), path, cells: read }
    }
}

impl Iterator for Manifest {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next_row().context("the manifest cannot be read on");
        next.map(|row| row.map(|row| self.row(row))).transpose()
    }
}

/// A column of a manifest. Names are read without regard to case, spaces, `_` and `-`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Column {
    Path,
    Patient,
    Type,
    Created,
    Title,
    UniqueId,
    Replaces,
    AuthorOrganisation,
    AuthorOrganisationName,
}

impl Column {
    const ALL: [(Self, &str); 9] = [
        (Self::Path, "path"),
        (Self::Patient, "patient"),
        (Self::Type, "type"),
        (Self::Created, "created"),
        (Self::Title, "title"),
        (Self::UniqueId, "unique id"),
        (Self::Replaces, "replaces"),
        (Self::AuthorOrganisation, "author organisation"),
        (Self::AuthorOrganisationName, "author organisation name"),
    ];

    fn named(name: &str) -> Option<Self> {
        let plain = |text: &str| {
            let letters = text.chars().filter(|c| !matches!(c, ' ' | '_' | '-'));
            letters.collect::<String>().to_lowercase()
        };
        let found = Self::ALL.iter().find(|(_, known)| plain(known) == plain(name.trim()));
        found.map(|(column, _)| *column)
    }

    /// Reads a field. What is wrong is told without the value, which may be a patient's.
    fn read(self, text: &str, cells: &mut Cells) -> Result<(), String> {
        let id = |name: &str| {
            let read = text.parse();
            read.map_err(|_| format!("{name} is not a uniqueId"))
        };
        match self {
            Self::Path => {}
            Self::Patient => {
                let number = text.parse().map_err(|e| format!("patient is of no use: {e}"))?;
                cells.patient = Some(number);
            }
            Self::Type => cells.type_code = Some(text.to_owned()),
            Self::Created => {
                let what = "created is not a time (YYYY to YYYYMMDDhhmmss, UTC)";
                cells.created = Some(text.parse().map_err(|_| what.to_owned())?);
            }
            Self::Title => cells.title = Some(text.to_owned()),
            Self::UniqueId if !is_own_id(text) => {
                return Err("unique id is neither an OID nor a urn:uuid".to_owned());
            }
            Self::UniqueId => cells.unique_id = Some(id("unique id")?),
            Self::Replaces => cells.replaces = Some(id("replaces")?),
            Self::AuthorOrganisation => {
                let what = "author organisation is not an ODS code";
                cells.author_organisation = Some(text.parse().map_err(|_| what.to_owned())?);
            }
            Self::AuthorOrganisationName => cells.author_organisation_name = Some(text.to_owned()),
        }
        Ok(())
    }
}

fn columns(header: Option<CsvRow>) -> anyhow::Result<Vec<Column>> {
    let Some(header) = header else { bail!("it is empty") };
    let line = header.line;
    let names = header.fields.map_err(|why| anyhow::anyhow!("line {line}: {why}"))?;
    let mut columns = Vec::new();
    for name in names {
        let Some(column) = Column::named(&name) else {
            let all: Vec<&str> = Column::ALL.iter().map(|(_, name)| *name).collect();
            bail!("line {line}: {name:?} is no column; there are: {}", all.join(", "));
        };
        if columns.contains(&column) {
            bail!("line {line}: the column {name:?} is there twice");
        }
        columns.push(column);
    }
    if !columns.contains(&Column::Path) {
        bail!("line {line}: there is no column \"path\"");
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> (tempfile::TempDir, anyhow::Result<Vec<Row>>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("m.csv");
        std::fs::write(&file, text).unwrap();
        let rows = Manifest::open(&file).and_then(Iterator::collect);
        (folder, rows)
    }

    #[test]
    fn a_row_says_what_its_columns_name() {
        let text = "Path,PATIENT,created,Unique ID,replaces,author_organisation,type,title\n\
                    a/b.txt,999 000 1006,20240102,2.999.1,2.999.2,ZEX02,823691000000103,\"A, b\"\n\
                    /c.txt,,,,,,,\n";

        let (folder, rows) = open(text);

        let rows = rows.unwrap();
        let cells = rows[0].cells.clone().unwrap();
        assert_eq!(rows[0].path, folder.path().join("a/b.txt"));
        assert_eq!(rows[0].line, Some(2));
        assert_eq!(cells.patient, Some("9990001006".parse().unwrap()));
        assert_eq!(cells.title.as_deref(), Some("A, b"));
        assert_eq!(cells.replaces, Some("2.999.2".parse().unwrap()));
        assert_eq!(rows[1].path, Path::new("/c.txt"));
        assert_eq!(rows[1].cells, Ok(Cells::default()));
    }

    #[test]
    fn a_wrong_row_says_why_and_never_whose() {
        let long = "1".repeat(1000);
        let text = format!(
            "path,patient,created,unique id,replaces,author organisation\n\
             a,9990001007,,,,\na,,tomorrow,,,\na,,,x y,,\na,,,,{long},\na,,,,,no such\n\
             ,,,,,\na,b\na,,,2.999.1^A-7,,\na,,,urn:uuid:0c0ffee0-0000-4000-8000-000000000001,,\n"
        );

        let (_folder, rows) = open(&text);

        let rows = rows.unwrap();
        let why = ["check digit", "created", "unique id", "replaces", "ODS", "path", "2 fields"];
        for (row, why) in rows.iter().zip(why) {
            let said = row.cells.clone().unwrap_err();
            assert!(said.contains(why) && !said.contains("9990001007"), "{said}");
        }
        assert!(rows[7].cells.is_ok() && rows[8].cells.is_ok());
    }

    #[test]
    fn a_header_row_that_is_none_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("patient\n", "no column \"path\""),
            ("path,titel\n", "line 1: \"titel\" is no column; there are: path, patient"),
            ("path,Path\n", "twice"),
            ("\n\npath,\"x\n", "line 3: a quote"),
        ] {
            let refused = format!("{:#}", open(text).1.err().unwrap());
            assert!(refused.contains(why), "{refused}");
        }
    }
}
