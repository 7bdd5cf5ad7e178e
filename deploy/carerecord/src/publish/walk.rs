use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Cells, Row};

/// The files of folders, folder by folder in the order of their names. At most `NAMES` names are
/// held of each folder on the way down: a longer one is read again for the next ones.
pub struct Walk {
    given: VecDeque<PathBuf>,
    folders: Vec<Folder>,
    names: usize,
}

struct Folder {
    path: PathBuf,
    /// Those that come next.
    names: VecDeque<OsString>,
    /// The last one that was in `names`; `None` when all have been.
    last: Option<OsString>,
}

impl Walk {
    /// Files, and folders with all that is below them. Links to files are followed, links to
    /// folders only where they are given.
    pub fn new(paths: &[PathBuf]) -> Self {
        Self { given: paths.iter().cloned().collect(), folders: Vec::new(), names: NAMES }
    }

    fn enter(&mut self, path: PathBuf) -> Option<Row> {
        match Folder::read(&path, None, self.names) {
            Ok((names, last)) => {
                self.folders.push(Folder { path, names, last });
                None
            }
            Err(error) => Some(unreadable(path, &error)),
        }
    }

    /// What is next: a row, or `None` when only folders were entered or left.
    fn step(&mut self) -> Option<Row> {
        let names = self.names;
        let Some(folder) = self.folders.last_mut() else {
            let path = self.given.pop_front()?;
            return if path.is_dir() { self.enter(path) } else { Some(file(path)) };
        };
        if let Some(name) = folder.names.pop_front() {
            let path = folder.path.join(name);
            let is_folder = path.symlink_metadata().is_ok_and(|m| m.is_dir());
            if is_folder {
                return self.enter(path);
            }
            // Neither file nor folder: a link to a folder, a socket.
            let other = std::fs::metadata(&path).is_ok_and(|m| !m.is_file());
            return if other { None } else { Some(file(path)) };
        }
        let Some(last) = folder.last.take() else {
            self.folders.pop();
            return None;
        };
        match Folder::read(&folder.path, Some(&last), names) {
            Ok((names, last)) => {
                (folder.names, folder.last) = (names, last);
                None
            }
            Err(error) => Some(unreadable(folder.path.clone(), &error)),
        }
    }
}

impl Folder {
    /// The first names after one, in order, and the last of them when there are more.
    fn read(
        path: &Path,
        after: Option<&OsString>,
        most: usize,
    ) -> std::io::Result<(VecDeque<OsString>, Option<OsString>)> {
        let (mut first, mut more) = (BTreeSet::new(), false);
        for entry in std::fs::read_dir(path)? {
            let name = entry?.file_name();
            if after.is_some_and(|after| name <= *after) {
                continue;
            }
            if first.len() < most || first.last().is_some_and(|last| name < *last) {
                first.insert(name);
            } else {
                more = true;
            }
            if first.len() > most {
                first.pop_last();
                more = true;
            }
        }
        let last = first.last().cloned().filter(|_| more);
        Ok((first.into_iter().collect(), last))
    }
}

impl Iterator for Walk {
    type Item = anyhow::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.folders.is_empty() || !self.given.is_empty() {
            if let Some(row) = self.step() {
                return Some(Ok(row));
            }
        }
        None
    }
}

fn file(path: PathBuf) -> Row {
    Row { line: None, path, cells: Ok(Cells::default()) }
}

fn unreadable(path: PathBuf, error: &std::io::Error) -> Row {
    Row { line: None, path, cells: Err(format!("the folder cannot be read: {error}")) }
}

const NAMES: usize = 50_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_names_however_few_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(at("b/deep")).unwrap();
        std::fs::create_dir(at("empty")).unwrap();
        let files = ["a.txt", "b/1.txt", "b/2.txt", "b/3.txt", "b/deep/x", "c.txt", "d.txt"];
        files.iter().rev().for_each(|path| std::fs::write(at(path), "x").unwrap());
        std::os::unix::fs::symlink(folder.path(), at("circle")).unwrap();
        for names in [1, 2, 3, 100] {
            let mut walk = Walk::new(&[folder.path().to_owned(), at("c.txt"), at("none")]);
            walk.names = names;

            let found: Vec<PathBuf> = walk.map(|row| row.unwrap().path).collect();

            let mut expected: Vec<PathBuf> = files.iter().map(|path| at(path)).collect();
            expected.extend([at("c.txt"), at("none")]);
            assert_eq!(found, expected, "{names}");
        }
    }
}
