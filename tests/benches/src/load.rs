use std::fmt;
use std::time::Instant;

use anyhow::ensure;
use carerecord_audit::AuditEvent;
use carerecord_model::{Clock, IdSource, RandomIds, SystemClock};
use carerecord_registry::{CheckedLines, LoadLine, LoadPlace, Registry};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::population::Population;
use crate::product::Product;

/// What a load has shown.
pub struct Loaded {
    people: u32,
    pub entries: u64,
    /// Submissions.
    pub lines: u64,
    per_second: f64,
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { people, entries, per_second, .. } = self;
        write!(f, "{entries} entries of {people} people, by bulk load: {per_second:.0} entries/s")
    }
}

/// Fills the registry by a bulk load: every line is read, checked, registered and recorded as
/// `carerecord load` does it, from memory in place of a file.
///
/// # Errors
/// When a line is refused.
pub async fn fill(product: &Product, population: Population) -> anyhow::Result<Loaded> {
    let registry = &product.registry;
    let start = Instant::now();
    let mut place = LoadPlace { source: b"bench".to_vec(), ..LoadPlace::default() };
    let mut lines = population.lines().enumerate();
    let parts = std::iter::from_fn(move || {
        let part: Vec<LoadLine> = lines
            .by_ref()
            .take(LINES)
            .map(|(n, (text, _))| LoadLine { number: n as u64 + 1, text })
            .collect();
        (!part.is_empty()).then_some(part)
    });
    let mut checked =
        Box::pin(stream::iter(parts).map(|part| check(registry.clone(), part)).buffered(3));
    let mut next = checked.try_next().await?;
    while let Some((lines, count)) = next {
        place.lines += count;
        let write = registry.load(&product.caller, lines, place, audit());
        let (written, following) = tokio::join!(write, checked.try_next());
        (place, next) = (written?, following?);
    }
    if place.refused > 0 {
        let refused = registry.load_refusals(&product.caller, &place.source, 0).await?;
        ensure!(refused.is_empty(), "refused: {:?}", refused.first());
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(Loaded {
        people: population.patients,
        entries: place.entries,
        lines: place.lines,
        per_second: place.entries as f64 / seconds,
    })
}

async fn check(registry: Registry, part: Vec<LoadLine>) -> anyhow::Result<(CheckedLines, u64)> {
    let count = part.len() as u64;
    let checked = tokio::task::spawn_blocking(move || registry.check_lines(&part)).await??;
    Ok((checked, count))
}

fn audit() -> AuditEvent {
    AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "bench", "bench")
}

const LINES: usize = 500;
