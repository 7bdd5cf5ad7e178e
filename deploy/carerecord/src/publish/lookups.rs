//! Submissions that the node had before.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Asks the node whether it had a submission before. Not of each, which would cost a new back-fill
/// as much again: of the first ones, and of more as long as some were there.
pub struct Lookups {
    http: reqwest::Client,
    /// Where submissions are looked up, when the node's address says so.
    base: Option<reqwest::Url>,
    left: AtomicU32,
}

impl Lookups {
    /// At the door of this ITI-41 address.
    pub fn new(http: reqwest::Client, node: &str) -> Self {
        let base = reqwest::Url::parse(node).ok();
        let base = base.and_then(|url| url.join("/submissions/").ok());
        Self { http, base, left: AtomicU32::new(SOME) }
    }

    /// Whether the node had a submission before its first attempt of this run. Not known is no.
    pub async fn was_there(&self, id: &str, begun: Instant) -> bool {
        let count = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_err() {
            return false;
        }
        let Some((received, now)) = self.received(id).await else {
            // A node that does not tell once is not asked again.
            self.left.store(0, Ordering::Relaxed);
            return false;
        };
        // By the node's own clock, which tells seconds.
        let age = SignedDuration::try_from(begun.elapsed()).unwrap_or(SignedDuration::MAX);
        let was_there = now.checked_sub(age).is_ok_and(|begun| received < begun);
        if was_there {
            self.left.store(SOME, Ordering::Relaxed);
        }
        was_there
    }

    /// When a submission was received, and the node's time.
    async fn received(&self, id: &str) -> Option<(Timestamp, Timestamp)> {
        let url = self.base.as_ref()?.join(id).ok()?;
        let response = self.http.get(url).timeout(PATIENCE).send().await.ok()?;
        let response = response.error_for_status().ok()?;
        let date = response.headers().get(reqwest::header::DATE)?.to_str().ok()?;
        let now = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
        let state: State = response.json().await.ok()?;
        Some((state.received_at, now))
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    received_at: Timestamp,
}

const SOME: u32 = 100;
const PATIENCE: Duration = Duration::from_secs(5);
