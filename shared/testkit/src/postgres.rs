//! A PostgreSQL server for the tests of one process, from installed binaries, in a folder of its
//! own. It ends when the process does.

#![expect(clippy::disallowed_methods, reason = "it reads what is installed")]

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use carerecord_storage::Database;

/// A server and the means to end it.
struct Server {
    /// Its sockets lie here.
    folder: PathBuf,
    /// Ends the server when its input closes, thus also when this process is killed.
    _keeper: Mutex<Child>,
    next: Mutex<u32>,
}

/// The URL of a fresh, empty database; `None`, said on standard output, where PostgreSQL is not
/// installed.
///
/// # Panics
/// Under `CI=true` where it is not installed, and when it cannot be started.
pub async fn fresh_url() -> Option<String> {
    fresh_url_on(SERVER.get_or_init(|| start(FOR_TESTS)).as_ref()?)
}

/// As `fresh_url`, on a server that makes commits durable and has memory, for measuring.
///
/// # Panics
/// As `fresh_url`.
pub async fn durable_url() -> Option<String> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    fresh_url_on(SERVER.get_or_init(|| start(FOR_MEASURING)).as_ref()?)
}

fn fresh_url_on(server: &Server) -> Option<String> {
    let name = {
        let mut next = server.next.lock().expect("nobody panics with it");
        *next += 1;
        format!("test{next}")
    };
    let folder = server.folder.display();
    let made = Command::new(bin("createdb")?)
        .args(["-h", &folder.to_string(), "-U", USER, &name])
        .status()
        .expect("createdb runs");
    assert!(made.success(), "a database could not be made");
    Some(format!("postgres://{USER}@localhost/{name}?host={folder}"))
}

/// A fresh database with the product's schema; `None` where PostgreSQL is not installed.
///
/// # Panics
/// As `fresh_url`.
pub async fn fresh() -> Option<Database> {
    let url = fresh_url().await?;
    Some(Database::connect(&url).await.expect("a fresh database can be migrated"))
}

/// Kills the server of this process as kill -9 does, with whatever it has under way; it is started
/// again, and ready when this returns. Every test of the process loses its connections.
///
/// # Panics
/// When there is no server, or it does not come back.
pub fn kill_and_restart() {
    let server = SERVER.get().and_then(Option::as_ref).expect("a server runs");
    let id = fs::read_to_string(server.folder.join("data/postmaster.pid"));
    let id = id.expect("it runs").lines().next().expect("its id").to_owned();
    let killed = Command::new("kill").args(["-9", &id]).status();
    assert!(killed.is_ok_and(|s| s.success()), "the server could not be killed");
    wait_until_ready(&server.folder);
}

/// Lets a database take writes, or none, as a replica does: from now on, who is connected loses the
/// connection.
///
/// # Panics
/// When the server does not do so.
pub fn let_write(url: &str, writes: bool) {
    let name = url.split_once("localhost/").and_then(|(_, rest)| rest.split('?').next());
    let name = name.expect("a URL that was given out here");
    let read_only = if writes { "off" } else { "on" };
    let commands = [
        format!("ALTER DATABASE {name} SET default_transaction_read_only = {read_only}"),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()"
            .to_owned(),
    ];
    for command in commands {
        let mut psql = Command::new(bin("psql").expect("it is beside postgres"));
        psql.env("PGOPTIONS", "-c default_transaction_read_only=off");
        let done = psql.args(["-q", "-o", "/dev/null", "-d", url, "-c", &command]).status();
        assert!(done.is_ok_and(|status| status.success()), "{command}");
    }
}

fn start(settings: &str) -> Option<Server> {
    let Some(postgres) = bin("postgres") else {
        let ci = std::env::var("CI").is_ok_and(|v| v == "true");
        assert!(!ci, "PostgreSQL is not installed (Debian: postgresql)");
        println!("skipped: PostgreSQL is not installed");
        return None;
    };
    let folder = tempfile::Builder::new().prefix("carerecord-pg-").tempdir().ok()?.keep();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("the folder is ours");
    let data = folder.join("data");
    // PostgreSQL does not run as root: then it runs as the user that its package made.
    let run_as =
        if is_root() { "setpriv --reuid=postgres --regid=postgres --clear-groups" } else { "" };
    let script = format!(
        "cd /; umask 077
         {run_as} {initdb} -D {data} -U {USER} -A trust -N -E UTF8 --locale=C >{folder}/log 2>&1
         while [ ! -e {folder}/stop ]; do
             {run_as} {postgres} -D {data} -k {folder} -c listen_addresses= \
                 -c max_connections=200 {settings} >>{folder}/log 2>&1
             sleep 0.1
         done &
         cat >/dev/null
         touch {folder}/stop
         kill -INT $(head -n 1 {data}/postmaster.pid); wait; rm -rf {folder}",
        initdb = postgres.with_file_name("initdb").display(),
        postgres = postgres.display(),
        data = data.display(),
        folder = folder.display(),
    );
    let mut keeper =
        Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("sh runs");
    // Kept open until the process ends.
    if let Some(input) = keeper.stdin.as_mut() {
        input.flush().expect("the pipe is open");
    }
    wait_until_ready(&folder);
    Some(Server { folder, _keeper: Mutex::new(keeper), next: Mutex::new(0) })
}

fn wait_until_ready(folder: &Path) {
    let ready = bin("pg_isready").expect("it is beside postgres");
    for _ in 0..600 {
        let done = Command::new(&ready)
            .arg("-q")
            .args(["-h", &folder.display().to_string()])
            .status()
            .is_ok_and(|s| s.success());
        if done {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("PostgreSQL did not start:\n{log}");
}

/// The newest installed program of this name.
fn bin(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.splice(0..0, std::env::split_paths(&path).collect::<Vec<_>>());
    folders
        .into_iter()
        .rev()
        .map(|f| f.join(name))
        .find(|p| p.exists() && p.with_file_name("initdb").exists())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n")
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
const FOR_TESTS: &str = "-c fsync=off -c shared_buffers=64MB";
const FOR_MEASURING: &str = "-c shared_buffers=4GB -c max_wal_size=8GB -c checkpoint_timeout=15min \
    -c maintenance_work_mem=512MB -c track_io_timing=off";
const USER: &str = "carerecord";
