//! `carerecord load`: registers the submissions of a file, one on each line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use carerecord_access::Policy;
use carerecord_audit::AuditEvent;
use carerecord_model::{Clock as _, IdSource as _, RandomIds, SystemClock};
use carerecord_registry::{CheckedLines, LoadLine, LoadPlace, Registry};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::config::Config;
use crate::database::REGISTRY;
use crate::roles::{own_role, registry_on};

/// What to load into which registry.
#[derive(Args)]
pub struct LoadOptions {
    /// A submission on each line: JSON as docs/load.md describes, or a SubmitObjectsRequest
    #[arg(required_unless_present = "example")]
    file: Option<PathBuf>,
    /// The configuration of the registry (TOML)
    #[arg(long, required_unless_present = "example")]
    config: Option<PathBuf>,
    /// Print a line as it may stand in the file
    #[arg(long)]
    example: bool,
}

/// Loads, or goes on with a load that was broken off.
pub async fn run(options: LoadOptions) -> anyhow::Result<ExitCode> {
    let (Some(path), Some(config), false) = (options.file, options.config, options.example) else {
        print!("{EXAMPLE}");
        return Ok(ExitCode::SUCCESS);
    };
    let config = Config::read(&config)?;
    let section = config.registry.as_ref().context("the configuration has no [registry]")?;
    let policy = Policy::load(&config.policy).context("the access rules cannot be used")?;
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot make {}", config.data.display()))?;
    let file = config.data.join(REGISTRY);
    let database = crate::database::open(section.database.as_ref(), &config.base, &file).await?;
    let registry = registry_on(&database, &config, section, Arc::new(policy))?;
    let loaded = load(&registry, &path).await;
    database.close().await;
    loaded
}

async fn load(registry: &Registry, path: &Path) -> anyhow::Result<ExitCode> {
    let name = path.display().to_string();
    let (source, length) = identify(path).with_context(|| format!("cannot read {name}"))?;
    let begun = registry.load_place(&own_role("carerecord load"), &source).await?;
    let mut place = begun.unwrap_or_else(|| LoadPlace { source, ..LoadPlace::default() });
    if place.lines > 0 {
        println!("Going on after line {}.", place.lines);
    }
    let (before, start) = (place.entries, Instant::now());
    let bar = crate::progress::bar(BAR, Some(length))?;
    let parts = Parts::open(path, &place)?;
    let mut checked = Box::pin(
        stream::iter(parts)
            .map(|part| {
                let registry = registry.clone();
                async move {
                    let part = part?;
                    let work = move || Ok((registry.check_lines(&part.lines)?, part.end));
                    let done: anyhow::Result<(CheckedLines, (u64, u64))> =
                        tokio::task::spawn_blocking(work).await?;
                    done
                }
            })
            .buffered(AHEAD),
    );
    let unreadable = || format!("{name} cannot be loaded");
    let mut stop = Box::pin(tokio::signal::ctrl_c());
    let mut stopped = false;
    let mut next = checked.try_next().await.with_context(unreadable)?;
    while let Some((lines, end)) = next {
        (place.lines, place.bytes) = end;
        let caller = own_role("carerecord load");
        let write = registry.load(&caller, lines, place, audit(&name));
        // The next part is read while this one is written.
        let (written, following) = tokio::join!(write, checked.try_next());
        place = written?;
        bar.set_position(place.bytes);
        stopped = futures_util::poll!(&mut stop).is_ready();
        next = if stopped { None } else { following.with_context(unreadable)? };
    }
    bar.finish_and_clear();
    let entries = place.entries - before;
    let rate = entries as f64 / start.elapsed().as_secs_f64().max(0.001);
    println!("{entries} entries registered, {rate:.0} a second; {} lines done.", place.lines);
    tell(registry, &place, stopped).await
}

/// Prints what was refused, and says how it ended.
async fn tell(registry: &Registry, place: &LoadPlace, stopped: bool) -> anyhow::Result<ExitCode> {
    let mut after = 0;
    loop {
        let some =
            registry.load_refusals(&own_role("carerecord load"), &place.source, after).await?;
        let Some((last, _)) = some.last() else { break };
        after = *last;
        some.iter().for_each(|(line, errors)| println!("line {line} refused: {errors}"));
    }
    if stopped {
        println!("Stopped; the same command goes on after line {}.", place.lines);
    }
    if place.refused > 0 {
        println!("{} lines were refused.", place.refused);
    }
    Ok(if stopped || place.refused > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn audit(file: &str) -> AuditEvent {
    let caller = own_role("carerecord load");
    let mut event =
        AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "registry", "file");
    event.actor = Some((&caller).into());
    event.interaction = "bulk load".to_owned();
    event.request = format!("load {file}");
    event
}

/// What tells a file from others, and its length.
fn identify(path: &Path) -> anyhow::Result<(Vec<u8>, u64)> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut beginning = Vec::new();
    file.take(1 << 20).read_to_end(&mut beginning)?;
    beginning.extend(length.to_be_bytes());
    Ok((digest(&SHA256, &beginning).as_ref().to_vec(), length))
}

/// Lines that are registered in one transaction.
struct Part {
    lines: Vec<LoadLine>,
    /// Lines and bytes of the file up to here.
    end: (u64, u64),
}

/// A file in parts.
struct Parts {
    file: BufReader<File>,
    line: u64,
    at: u64,
}

impl Parts {
    fn open(path: &Path, place: &LoadPlace) -> anyhow::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path)?);
        file.seek(SeekFrom::Start(place.bytes))?;
        Ok(Self { file, line: place.lines, at: place.bytes })
    }

    fn part(&mut self) -> anyhow::Result<Option<Part>> {
        let (mut lines, start) = (Vec::new(), self.at);
        while lines.len() < MOST_LINES && self.at - start < MOST_BYTES {
            let mut text = Vec::new();
            let read = (&mut self.file).take(LONGEST_LINE + 1).read_until(b'\n', &mut text)? as u64;
            if read == 0 {
                break;
            }
            self.line += 1;
            if read > LONGEST_LINE {
                bail!("line {} is longer than {} MiB", self.line, LONGEST_LINE >> 20);
            }
            self.at += read;
            let text = String::from_utf8(text)
                .map_err(|_| anyhow::anyhow!("line {} is not UTF-8", self.line))?;
            let text = text.trim();
            if !text.is_empty() {
                lines.push(LoadLine { number: self.line, text: text.to_owned() });
            }
        }
        Ok((self.at > start).then_some(Part { lines, end: (self.line, self.at) }))
    }
}

impl Iterator for Parts {
    type Item = anyhow::Result<Part>;

    fn next(&mut self) -> Option<Self::Item> {
        self.part().transpose()
    }
}

const BAR: &str = "{wide_bar} {bytes} of {total_bytes}, {eta} left";
const EXAMPLE: &str = include_str!("../config/load-example.json");
const MOST_LINES: usize = 500;
const MOST_BYTES: u64 = 8 << 20;
const LONGEST_LINE: u64 = 64 << 20;
/// Parts that are read and checked while one is registered.
const AHEAD: usize = 3;
