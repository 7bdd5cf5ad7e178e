//! `carerecord publish`: the source system's tool, for one document or for millions. Metadata comes
//! from the document's header, the code maps, the manifest and the options; the documents go to a
//! node by ITI-41.
//!
//! Ids are derived from the document, so that a repeat is the same submission, and a run that broke
//! off is simply started again; with outcomes in a file it goes on where it was.

mod check;
mod codes;
mod courier;
mod csv;
mod entry;
mod feed;
mod flight;
mod given;
mod ids;
mod known;
mod lookups;
mod manifest;
mod metadata;
mod order;
mod outcome;
mod outcome_log;
mod pace;
mod people;
mod rows;
mod run;
mod settings;
mod source;
mod tally;
mod walk;
mod window;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use carerecord_model::{Submission, TransactionError};
use carerecord_service::ClientTls;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::peer::{RegistryClient, http_client};

use check::Check;
pub use codes::CodeMaps;
use courier::{Courier, Delivered};
use feed::{NewRow, feed};
use flight::Pacing;
pub use given::Given;
use lookups::Lookups;
use manifest::Manifest;
pub use metadata::{Prepared, prepare};
use outcome::{Outcome, Verdict};
use outcome_log::{Acknowledged, OutcomeLog};
use pace::Pace;
use rows::{Cells, KeyMaker, Row, Rows};
use run::Run;
pub use settings::PublishOptions;
pub use source::Source;
use tally::Tally;
use walk::Walk;
use window::Window;

/// Publishes everything, or goes on with a run that was broken off.
pub async fn run(options: PublishOptions) -> anyhow::Result<ExitCode> {
    options.check()?;
    let codes = CodeMaps::load(options.codes.as_deref())?;
    let given = options.given(&codes)?;
    let keys = KeyMaker::new(&given);
    let check = Arc::new(Check::new(codes, given, &options.affinity_domain)?);
    let courier = courier(&options)?;
    let stop = courier.stop.clone();
    let total = count(&options, &stop)?;
    let rows = options.rows()?;
    let (log, done) = match options.outcome_file() {
        Some(file) => {
            let (log, done) = OutcomeLog::open(&file, &options.node, options.dry_run)?;
            (Some(log), done)
        }
        None => (None, Acknowledged::default()),
    };
    if !done.is_empty() {
        eprintln!("Going on: {} were acknowledged before.", done.len());
    }
    let (send, receive) = mpsc::channel(QUEUE);
    let skipped = Arc::new(AtomicU64::new(0));
    let feeding = tokio::task::spawn_blocking({
        let own = options.outcome_file().and_then(|file| file.canonicalize().ok());
        let (skipped, stop) = (skipped.clone(), stop.clone());
        move || feed(rows, &keys, &done, own.as_deref(), &send, &skipped, &stop)
    });
    let tally = Tally::new(total, log.is_none())?;
    let most = options.parallel.into();
    let mut run = Run { check, courier, most, tally, log, dry: options.dry_run };
    let left = until_interrupted(run.all(receive, &skipped), &stop).await;
    stop.cancel();
    run.tally.close();
    let all_fed = feeding.await.context("the rows could not be read")?;
    if let Some(log) = run.log.take() {
        log.close().await?;
    }
    let left = !all_fed? || left?;
    Ok(tell(&run, &options, left))
}

fn courier(options: &PublishOptions) -> anyhow::Result<Courier> {
    let tls = options.tls().map(ClientTls::load).transpose();
    let http = http_client(tls.context("TLS cannot be set up")?.as_ref())?;
    Ok(Courier {
        node: options.node.clone(),
        registry: RegistryClient::new(http.clone(), &options.registry),
        lookups: Lookups::new(http.clone(), &options.node),
        http,
        window: Window::new(options.parallel.into()),
        pacing: Arc::new(Pacing {
            documents: Pace::new(options.rate),
            bytes: Pace::new(options.bandwidth),
            sent: AtomicU64::new(0),
        }),
        silence: Duration::from_secs(options.timeout),
        retries: options.retries,
        give_up: options.give_up(),
        stop: CancellationToken::new(),
        gave_up: AtomicBool::new(false),
    })
}

/// Counts what there is: of a manifest now, so that one that cannot be read is known before
/// anything is sent; of folders while it goes on, 0 until then.
fn count(options: &PublishOptions, stop: &CancellationToken) -> anyhow::Result<Arc<AtomicU64>> {
    if let Some(manifest) = &options.manifest {
        return Ok(Arc::new(AtomicU64::new(Manifest::count(manifest)?)));
    }
    let total = Arc::new(AtomicU64::new(0));
    let (walk, counted, stop) = (Walk::new(&options.paths), total.clone(), stop.clone());
    tokio::task::spawn_blocking(move || {
        let count = walk.take_while(|_| !stop.is_cancelled()).count();
        counted.store(count as u64, Ordering::Relaxed);
    });
    Ok(total)
}

/// The first signal lets what is under way come to its end, the second one does not.
async fn until_interrupted(
    work: impl Future<Output = bool>,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        left = &mut work => return Ok(left),
        signal = signal() => signal?,
    }
    eprintln!("Stopping when what is under way has come to its end; once more to stop at once.");
    stop.cancel();
    tokio::select! {
        left = &mut work => Ok(left),
        signal = signal() => {
            signal?;
            anyhow::bail!("stopped at once; what was under way may be there or not")
        }
    }
}

async fn signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Says how it ended.
fn tell(run: &Run, options: &PublishOptions, left: bool) -> ExitCode {
    if let (highest, Some(lowest)) = run.courier.window.extremes() {
        eprintln!("The node was busy: {lowest} to {highest} were sent at once.");
    }
    if let Some(file) = options.outcome_file() {
        eprintln!("Outcomes: {}", file.display());
    }
    if left {
        if run.courier.gave_up.load(Ordering::Relaxed) {
            eprintln!("Given up: the node takes nothing just now.");
        }
        let again = match options.outcome_file() {
            Some(_) => "The same command goes on where this one ended.",
            None => "The same command sends all again, which makes no duplicates.",
        };
        eprintln!("Stopped before the end. {again}");
    }
    match (left, run.tally.all_good()) {
        (true, _) => ExitCode::from(STOPPED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(SOME_NOT_TAKEN),
    }
}

/// Sends one submission with one document, once.
pub async fn send(
    http: &reqwest::Client,
    node: &str,
    submission: &Submission,
    source: &Source,
) -> Result<Result<(), TransactionError>, String> {
    let body = source.body().await?;
    let sent = flight::exchange(http, node, submission, source, body).await;
    let answer = sent.answer.map_err(|e| format!("the node could not be asked: {e}"))?;
    Ok(answer.into_result().map(|_| ()))
}

/// What a node or registry says is wrong.
pub fn reasons(error: &TransactionError) -> String {
    let each = |e: &carerecord_model::RegistryError| format!("{}: {}", e.code, e.context);
    error.0.iter().map(each).collect::<Vec<_>>().join("; ")
}

/// Rows that are read ahead.
const QUEUE: usize = 64;
const SOME_NOT_TAKEN: u8 = 2;
const STOPPED: u8 = 3;
