use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use carerecord_portal_api::{Federation, Node};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Directory, NodeClients};

/// A directory that is read again when it changes.
pub struct WatchedDirectory {
    file: PathBuf,
    clients: NodeClients,
    /// Sources of the configuration itself: they come first, and never change.
    fixed: Vec<Node>,
    state: DirectoryState,
    /// The file and those that it names, as they were last looked at.
    seen: Vec<(PathBuf, Option<Vec<u8>>)>,
}

/// What is wrong with the file as it is now, when something is. Clones share it.
#[derive(Clone, Default)]
pub struct DirectoryState(Arc<Mutex<Option<String>>>);

impl DirectoryState {
    /// In words for those who run the portal.
    pub fn problem(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, problem: Option<String>) {
        metrics::gauge!(OK).set(if problem.is_none() { 1.0 } else { 0.0 });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

impl WatchedDirectory {
    /// Reads the file for the first time, when there is no older directory to go on with.
    pub fn open(
        file: PathBuf,
        clients: NodeClients,
        fixed: Vec<Node>,
    ) -> anyhow::Result<(Self, Vec<Node>)> {
        let state = DirectoryState::default();
        let mut watched = Self { file, clients, fixed, state, seen: Vec::new() };
        let nodes = watched.read()?;
        watched.state.set(None);
        Ok((watched, nodes))
    }

    /// What is wrong with it.
    pub fn state(&self) -> DirectoryState {
        self.state.clone()
    }

    /// All nodes, by the files as they are now.
    fn read(&mut self) -> anyhow::Result<Vec<Node>> {
        let directory = Directory::read(&self.file)?;
        // Also when one of these cannot be used: it is looked at again when it is mended.
        self.seen = contents(std::iter::once(self.file.clone()).chain(directory.files()));
        let mut nodes = self.fixed.clone();
        for node in self.clients.nodes(&directory)? {
            let twice = nodes.iter().any(|other| other.id == node.id);
            ensure!(!twice, "node {} is a [[portal.source]] already", node.id);
            nodes.push(node);
        }
        metrics::gauge!(NODES).set(nodes.len() as f64);
        Ok(nodes)
    }

    /// Whether a file is other than it was, and no longer being written.
    async fn has_changed(&mut self) -> bool {
        let now = contents(self.seen.iter().map(|(file, _)| file.clone()));
        if now == self.seen {
            return false;
        }
        tokio::time::sleep(SETTLE).await;
        let settled = contents(self.seen.iter().map(|(file, _)| file.clone())) == now;
        if settled {
            self.seen = now;
        }
        settled
    }

    fn take(&mut self, federation: &Federation) {
        let file = self.file.display().to_string();
        match self.read().with_context(|| format!("{file} is not used")) {
            Ok(nodes) => {
                tracing::info!(file, nodes = nodes.len(), "the directory of nodes is read");
                federation.replace(nodes);
                self.state.set(None);
            }
            Err(error) => {
                let problem = format!("{error:#}");
                tracing::error!(problem, "the directory of nodes stays as it was");
                self.state.set(Some(problem));
            }
        }
    }
}

/// Reads the directory again whenever it has changed, and on SIGHUP; a file that cannot be used
/// leaves the nodes as they are.
pub async fn watch(
    mut watched: WatchedDirectory,
    federation: Federation,
    draining: CancellationToken,
) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => Some(hangups),
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be listened to; changes of the file are seen");
            None
        }
    };
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            () = tokio::time::sleep(POLL) => {
                if watched.has_changed().await {
                    watched.take(&federation);
                }
            }
            () = hung_up(&mut hangups) => watched.take(&federation),
        }
    }
}

async fn hung_up(hangups: &mut Option<Signal>) {
    let heard = match hangups {
        Some(hangups) => hangups.recv().await.is_some(),
        None => false,
    };
    if !heard {
        std::future::pending::<()>().await;
    }
}

/// The files by what is in them; nothing of a secret is kept.
fn contents(files: impl Iterator<Item = PathBuf>) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let content = |file: &Path| {
        let mut bytes = Vec::new();
        File::open(file).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
        Some(digest(&SHA256, &bytes).as_ref().to_vec())
    };
    files.map(|file| (content(&file), file)).map(|(content, file)| (file, content)).collect()
}

const POLL: Duration = Duration::from_secs(2);
/// A file that is the same for so long is not being written.
const SETTLE: Duration = Duration::from_millis(100);
/// More than any of these files has.
const MAX_BYTES: u64 = 2 << 20;
const OK: &str = "node_directory_ok";
const NODES: &str = "node_directory_nodes";

#[cfg(test)]
mod tests {
    use carerecord_model::{RandomIds, SystemClock};

    use super::*;

    fn node(n: u32, more: &str) -> String {
        format!(
            "[[node]]\nid = \"2.999.{n}\"\nname = \"N{n}\"\norganisation = \"ZEX01\"\n\
             kind = \"xds-b\"\nendpoints = [{{ url = \"http://127.0.0.1:{n}/\" }}]\n{more}\n"
        )
    }

    fn open(file: &Path) -> anyhow::Result<(WatchedDirectory, Vec<Node>)> {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clients = NodeClients {
            delegations: None,
            local: Vec::new(),
            silence: Duration::from_secs(1),
            http: crate::peer::http_client(None).unwrap(),
        };
        WatchedDirectory::open(file.to_owned(), clients, Vec::new())
    }

    fn ids(nodes: &[Node]) -> Vec<String> {
        nodes.iter().map(|node| node.id.to_string()).collect()
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_changes_nothing_and_is_told_of_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.toml");
        std::fs::write(&file, node(1, "")).unwrap();
        let (mut watched, nodes) = open(&file).unwrap();
        let state = watched.state();
        let federation = Federation::new(
            nodes,
            Duration::from_secs(1),
            Arc::new(SystemClock),
            Arc::new(RandomIds),
        );
        assert!(!watched.has_changed().await);
        let mut after = async |text: String| {
            std::fs::write(&file, text).unwrap();
            assert!(watched.has_changed().await);
            watched.take(&federation);
            assert!(!watched.has_changed().await, "it is told of once");
            federation.ids()
        };

        let two = after(node(1, "") + &node(2, "")).await;
        let broken = after("[[node]]\nid = 7".to_owned()).await;
        let problem = state.problem().unwrap_or_default();
        let mended = after(node(3, "")).await;

        assert_eq!(two.len(), 2);
        assert_eq!(broken, two, "the old one stays");
        assert!(problem.contains("nodes.toml, line 2"), "{problem}");
        assert_eq!((mended.len(), state.problem()), (1, None));
    }

    #[tokio::test]
    async fn a_secret_that_comes_or_changes_is_a_change_of_the_directory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nodes.toml");
        let token = folder.path().join("token");
        let bearer = "credentials = { kind = \"bearer\", token_file = \"token\" }";
        std::fs::write(&file, node(1, "")).unwrap();
        let (mut watched, _) = open(&file).unwrap();

        std::fs::write(&file, node(1, bearer)).unwrap();
        assert!(watched.has_changed().await);
        let missing = format!("{:#}", watched.read().map(|nodes| ids(&nodes)).unwrap_err());
        std::fs::write(&token, "secret words").unwrap();
        assert!(watched.has_changed().await);
        let found = watched.read().map(|nodes| ids(&nodes));
        std::fs::write(&token, "other words").unwrap();

        assert!(missing.contains("token"), "{missing}");
        assert_eq!(found.unwrap(), ["2.999.1"]);
        assert!(watched.has_changed().await);
    }

    #[test]
    fn without_a_directory_to_go_on_with_a_bad_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();

        let error = open(&folder.path().join("nodes.toml")).err().unwrap();

        assert!(format!("{error:#}").contains("nodes.toml cannot be read"), "{error:#}");
    }
}
