//! What is measured of the whole list, and where it is told.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::measure::{Measured, Target, Turns, fsync_probe};

/// For how long something is measured, what of it, and where it is told.
#[derive(clap::Args)]
pub struct Run {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often product and yardstick take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only what has this in its name, e.g. "ITI-18, 100"
    #[arg(long, default_value = "")]
    only: String,
    #[command(flatten)]
    told: Told,
}

/// Where a report goes.
#[derive(clap::Args)]
pub struct Told {
    /// Where the report is written, beside standard output
    #[arg(long)]
    report: Option<PathBuf>,
}

impl Told {
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(&self, report: &impl fmt::Display) -> anyhow::Result<()> {
        print!("{report}");
        if let Some(path) = &self.report {
            std::fs::write(path, report.to_string())?;
        }
        Ok(())
    }
}

/// A report in the making: each measurement is a row of it.
pub struct Bench {
    pub report: Report,
    run: Run,
    /// On the disk that is waited for.
    folder: PathBuf,
}

impl Bench {
    pub fn new(what: &str, run: Run, folder: &Path) -> Self {
        Self { report: Report::new(what), run, folder: folder.to_owned() }
    }

    /// Whether something is to be measured.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(&self.run.only)
    }

    fn turns(&self) -> Turns {
        Turns { seconds: self.run.seconds, rounds: self.run.rounds }
    }

    /// Product and yardstick, in turns.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub async fn pair(
        &mut self,
        name: &str,
        clients: usize,
        ours: &Target,
        theirs: &Target,
    ) -> anyhow::Result<()> {
        if self.wants(name) {
            let probe = fsync_probe(&self.folder)?;
            let pair = self.turns().run(clients, ours, theirs).await?;
            self.report.pair(name, clients, probe, pair);
        }
        Ok(())
    }

    /// What has no yardstick; `None` where it is not wanted.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub async fn alone(
        &mut self,
        name: &str,
        clients: usize,
        ours: &Target,
    ) -> anyhow::Result<Option<Measured>> {
        if !self.wants(name) {
            return Ok(None);
        }
        let probe = fsync_probe(&self.folder)?;
        let done = self.turns().alone(clients, ours).await?;
        self.report.alone(name, clients, probe, done);
        Ok(Some(done))
    }

    /// Tells what was found.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn tell(&self) -> anyhow::Result<()> {
        self.run.told.tell(&self.report)
    }
}

/// What a run has found.
pub struct Report {
    facts: Vec<String>,
    rows: Vec<String>,
    probes: Vec<f64>,
}

impl Report {
    pub fn new(what: &str) -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let machine = format!(
            "{cores} cores, {}; load average at start {}",
            cpu.trim_start_matches([' ', '\t', ':']),
            load.split(' ').next().unwrap_or_default()
        );
        Self { facts: vec![format!("# {what}\n"), machine], rows: Vec::new(), probes: Vec::new() }
    }

    fn pair(&mut self, what: &str, clients: usize, probe: f64, pair: (Measured, Measured)) {
        let (a, b) = pair;
        self.probes.push(probe);
        self.row(format!(
            "| {what} | {clients} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {probe:.2} |",
            a.per_second,
            b.per_second,
            a.per_second / b.per_second,
            a.p50_ms,
            a.p99_ms,
            b.p50_ms,
            b.p99_ms,
        ));
    }

    fn alone(&mut self, what: &str, clients: usize, probe: f64, a: Measured) {
        self.probes.push(probe);
        self.row(format!(
            "| {what} | {clients} | {:.0} | – | – | {:.2} | {:.2} | – | – | {probe:.2} |",
            a.per_second, a.p50_ms, a.p99_ms
        ));
    }

    fn row(&mut self, row: String) {
        eprintln!("{row}");
        self.rows.push(row);
    }

    pub fn fact(&mut self, text: String) {
        eprintln!("{text}");
        self.facts.push(text);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        let least = self.probes.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.probes.iter().copied().fold(0.0, f64::max);
        if most > 2.0 * least {
            writeln!(
                f,
                "The disk's probe moved from {least:.2} to {most:.2} ms: what waits for it does not count."
            )?;
        }
        if self.rows.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n| what | clients | product/s | yardstick/s | ratio | p50 ms | p99 ms | yardstick p50 | p99 | fsync ms |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        )?;
        self.rows.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
