use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carerecord_storage::Database;
use jiff::Timestamp;

use super::{Line, Told, Witness, WitnessError, blocking, next, note};
use crate::tree::{Endorsement, SignedHead};

/// Appends heads to a file in a folder that the database's owner does not own: one file a month,
/// `NAME-2026-11.jsonl`, one JSON object a line, synced to the disk.
pub struct FileWitness {
    name: String,
    state: Arc<Mutex<State>>,
}

struct State {
    folder: PathBuf,
    /// The name of the log.
    log: String,
    /// The file that has been written to, with the keys that are in it.
    open: Option<(PathBuf, Vec<Endorsement>)>,
}

impl FileWitness {
    /// A witness for the log of this name.
    pub fn new(folder: impl Into<PathBuf>, log: &str) -> Self {
        let folder = folder.into();
        let name = format!("file {}", folder.display());
        let state = State { folder, log: log.to_owned(), open: None };
        Self { name, state: Arc::new(Mutex::new(state)) }
    }
}

#[async_trait]
impl Witness for FileWitness {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, database: &Database) -> Result<(), WitnessError> {
        loop {
            let (heads, keys) = next(database, &self.name, true).await?;
            let Some(size) = heads.last().map(|t| t.head.head.tree_size) else { return Ok(()) };
            blocking(&self.state, move |state| state.append(&heads, keys)).await?;
            note(database, &self.name, size).await?;
        }
    }
}

impl State {
    fn append(&mut self, heads: &[Told], keys: Vec<Endorsement>) -> Result<(), WitnessError> {
        for told in heads {
            let path = self.folder.join(format!("{}-{}.jsonl", self.log, month(&told.head)));
            let mut text = Vec::new();
            if self.open.as_ref().is_none_or(|(p, written)| *p != path || *written != keys) {
                for key in &keys {
                    line(&mut text, &Line::Key(key))?;
                }
                self.open = Some((path.clone(), keys.clone()));
            }
            line(&mut text, &Line::Head(&told.head))?;
            // The prints go into the same object, behind the head.
            text.truncate(text.len() - 2);
            let prints = BASE64.encode(&told.prints);
            writeln!(text, ",\"from\":{},\"prints\":\"{prints}\"}}", told.from)?;
            write_synced(&path, &text).inspect_err(|_| self.open = None)?;
        }
        Ok(())
    }
}

fn line(text: &mut Vec<u8>, line: &Line<'_>) -> std::io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

fn write_synced(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = !path.exists();
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let torn = !new && !ends_a_line(&mut file)?;
    let text = if torn { [b"\n".as_slice(), text].concat() } else { text.to_vec() };
    file.write_all(&text)?;
    file.sync_all()?;
    if new && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Whether what was written last came to its end.
fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn month(head: &SignedHead) -> String {
    let at = Timestamp::from_millisecond(head.head.timestamp).unwrap_or_default();
    at.strftime("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Log;

    #[tokio::test]
    async fn a_witness_that_was_away_gets_what_it_missed() {
        for log in Log::on_each().await {
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join("mount");
            let witness = FileWitness::new(&place, "registry");
            log.append(1, 10).await;
            log.seal_at(4).await;
            log.seal_at(10).await;
            assert!(witness.publish(&log.database).await.is_err());

            std::fs::create_dir(&place).unwrap();
            witness.publish(&log.database).await.unwrap();
            witness.publish(&log.database).await.unwrap();
            log.append(11, 12).await;
            log.seal_at(12).await;
            // Another process, after a write that broke off.
            let file = place.join("registry-2027-01.jsonl");
            OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"head\":{").unwrap();
            FileWitness::new(&place, "registry").publish(&log.database).await.unwrap();

            let text = std::fs::read_to_string(&file).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 6, "{text}");
            assert!(lines[0].starts_with("{\"key\":{") && lines[4].starts_with("{\"key\":{"));
            for (line, (size, count)) in [(1, (4, 4)), (2, (10, 6)), (5, (12, 2))] {
                let value: serde_json::Value = serde_json::from_str(lines[line]).unwrap();
                assert_eq!(value["head"]["tree_size"], size);
                let prints = BASE64.decode(value["prints"].as_str().unwrap()).unwrap();
                assert_eq!(prints.len(), 8 * count);
            }
        }
    }
}
