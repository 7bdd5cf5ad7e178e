use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::TlsError;
use super::files::Contents;

/// What is read out of files that can change.
pub(super) trait Reload: Send + Sync + 'static {
    /// What it is called in the log.
    fn name(&self) -> String;
    /// The files as they are.
    fn contents(&self) -> Contents;
    /// The files as they were last looked at.
    fn seen(&self) -> &Mutex<Contents>;
    /// Reads them again; leaves everything as it was when they cannot be used.
    ///
    /// # Errors
    /// Why they cannot be used.
    fn reload(&self) -> Result<(), TlsError>;
}

/// Reads files again whenever one has changed, and on SIGHUP, until the process drains. A change
/// in two steps, as of a certificate and then its key, is taken when both have come.
pub(super) async fn watch(watched: impl Reload, draining: CancellationToken) {
    let mut hangups = signal(SignalKind::hangup()).ok();
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            () = tokio::time::sleep(POLL) => {
                if !has_changed(&watched).await {
                    continue;
                }
            }
            () = hung_up(&mut hangups) => {}
        }
        let file = watched.name();
        match watched.reload() {
            Ok(()) => tracing::info!(file, "keys and certificates were read again"),
            Err(error) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(file, %error, source, "the keys and certificates before stay in use");
            }
        }
    }
}

/// Whether a file is other than it was, and no longer being written.
async fn has_changed(watched: &impl Reload) -> bool {
    let now = watched.contents();
    if now == *watched.seen().lock().unwrap_or_else(PoisonError::into_inner) {
        return false;
    }
    tokio::time::sleep(SETTLE).await;
    let settled = watched.contents() == now;
    if settled {
        *watched.seen().lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
    settled
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

const POLL: Duration = Duration::from_secs(2);
/// A file that is the same for so long is not being written.
const SETTLE: Duration = Duration::from_millis(100);
