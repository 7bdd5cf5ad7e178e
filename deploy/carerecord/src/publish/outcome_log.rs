//! What became of each row: a file to which a line of JSON is added for each, and by which a run
//! that broke off goes on.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Outcome;

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    /// The node that the outcomes are of.
    node: String,
    /// Of this form.
    version: u32,
}

/// The keys of what was acknowledged, 16 bytes each.
#[derive(Default)]
pub struct Acknowledged(Vec<u128>);

impl Acknowledged {
    pub fn has(&self, key: u128) -> bool {
        self.0.binary_search(&key).is_ok()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The file, while a run adds to it.
pub struct OutcomeLog {
    lines: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<std::io::Result<()>>,
}

impl OutcomeLog {
    /// Opens a file, new or with the outcomes of earlier runs; `fresh` empties it. A line that was
    /// cut off by a kill is removed.
    ///
    /// # Errors
    /// When another run has it open, it is of another node, or it is no such file.
    pub fn open(path: &Path, node: &str, fresh: bool) -> anyhow::Result<(Self, Acknowledged)> {
        let name = || format!("the outcome file {} cannot be used", path.display());
        let mut file = open(path).with_context(name)?;
        if file.try_lock().is_err() {
            return Err(anyhow::anyhow!("another run has it open")).with_context(name);
        }
        if fresh {
            file.set_len(0).with_context(name)?;
        }
        let (done, end) = read(&file, node).with_context(name)?;
        file.set_len(end).with_context(name)?;
        file.seek(SeekFrom::Start(end)).with_context(name)?;
        if end == 0 {
            let head = Head { node: node.to_owned(), version: VERSION };
            file.write_all(&line(&head)).and_then(|()| file.sync_all()).with_context(name)?;
        }
        let (lines, waiting) = mpsc::channel(QUEUE);
        let writer = tokio::task::spawn_blocking(move || write(file, waiting));
        Ok((Self { lines, writer }, done))
    }

    /// Adds an outcome; `false` when the file cannot be written any more.
    pub async fn add(&self, outcome: &Outcome) -> bool {
        self.lines.send(line(outcome)).await.is_ok()
    }

    /// Makes all durable.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn close(self) -> anyhow::Result<()> {
        drop(self.lines);
        self.writer.await?.context("the outcome file cannot be written")
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    // Paths and titles of files can be about patients.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// What was acknowledged, and where the last whole line ends.
fn read(file: &File, node: &str) -> anyhow::Result<(Acknowledged, u64)> {
    let mut input = BufReader::with_capacity(1 << 18, file);
    let (mut keys, mut end, mut text) = (Vec::new(), 0, Vec::new());
    for number in 1u64.. {
        text.clear();
        input.read_until(b'\n', &mut text)?;
        if text.last() != Some(&b'\n') {
            // A first line that was cut off can only be the beginning of one of ours.
            let ours = line(&Head { node: node.to_owned(), version: VERSION });
            ensure!(number > 1 || ours.starts_with(&text), "it is no outcome file");
            break;
        }
        end += text.len() as u64;
        if number == 1 {
            let head: Head = serde_json::from_slice(&text).context("it is no outcome file")?;
            ensure!(head.version == VERSION, "it is of another version");
            if head.node != node {
                bail!("it has the outcomes at {}, another node", head.node);
            }
            continue;
        }
        let wrong = || format!("line {number} is no outcome");
        let outcome: Outcome = serde_json::from_slice(&text).with_context(wrong)?;
        if outcome.outcome.is_acknowledged() {
            keys.push(u128::from_str_radix(&outcome.key, 16).with_context(wrong)?);
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok((Acknowledged(keys), end))
}

/// Writes lines as they come, which a kill of this process does not undo, and makes them durable in
/// groups, against a loss of power.
fn write(mut file: File, mut waiting: mpsc::Receiver<Vec<u8>>) -> std::io::Result<()> {
    let (mut synced, mut group) = (Instant::now(), Vec::new());
    while let Some(line) = waiting.blocking_recv() {
        group.clear();
        group.extend_from_slice(&line);
        while let Ok(line) = waiting.try_recv() {
            group.extend_from_slice(&line);
        }
        file.write_all(&group)?;
        if synced.elapsed() >= GROUP {
            file.sync_data()?;
            synced = Instant::now();
        }
    }
    match file.sync_data() {
        // A device or a pipe has nothing to make durable.
        Err(e) if e.kind() == ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

fn line(of: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(of).unwrap_or_default();
    line.push(b'\n');
    line
}

const VERSION: u32 = 1;
const QUEUE: usize = 256;
const GROUP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    fn outcome(key: u128, outcome: Verdict) -> Outcome {
        Outcome {
            key: format!("{key:032x}"),
            line: Some(2),
            path: "a.txt".into(),
            unique_id: Some("2.999.1".into()),
            submission_id: None,
            outcome,
            reason: String::new(),
            attempts: 1,
            at: "2026-11-26T12:00:00Z".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_known_again_and_a_cut_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("o.jsonl");
        let (log, done) = OutcomeLog::open(&file, "http://node", false).unwrap();
        assert!(done.is_empty());
        assert!(OutcomeLog::open(&file, "http://node", false).is_err(), "it is locked");
        for (key, verdict) in (1..).zip(Verdict::ALL) {
            assert!(log.add(&outcome(key, verdict)).await);
        }
        log.close().await.unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&whole[..], b"{\"key\":\"07\",\"pa"].concat()).unwrap();

        let (log, done) = OutcomeLog::open(&file, "http://node", false).unwrap();

        let known: Vec<u128> = (1..=7).filter(|key| done.has(*key)).collect();
        assert_eq!(known, [1, 2]);
        log.close().await.unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), whole);
        let (log, done) = OutcomeLog::open(&file, "http://other", true).unwrap();
        assert!(done.is_empty());
        log.close().await.unwrap();
    }

    #[tokio::test]
    async fn another_nodes_file_or_any_other_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("o.jsonl");
        for (text, why) in [
            ("{\"node\":\"http://other\",\"version\":1}\n", "another node"),
            ("{\"node\":\"http://node\",\"version\":2}\n", "another version"),
            ("path,patient\n", "no outcome file"),
            ("a note", "no outcome file"),
            ("{\"node\":\"http://node\",\"version\":1}\nx\n", "line 2"),
        ] {
            std::fs::write(&file, text).unwrap();

            let refused = OutcomeLog::open(&file, "http://node", false).err().unwrap();

            assert!(format!("{refused:#}").contains(why), "{refused:#}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }
}
