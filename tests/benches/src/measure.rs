use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use futures_util::future::join_all;

/// What is asked again and again.
pub struct Target {
    /// Where.
    pub url: String,
    /// The body of the nth request.
    pub body: Box<dyn Fn(u64) -> Bytes + Send + Sync>,
    /// What stands in an answer that is right.
    pub right: &'static str,
    /// How many entries an answer has, when it has some.
    pub times: Option<u32>,
    /// Of the body.
    pub content_type: &'static str,
    /// Bytes that an answer has at least.
    pub least: usize,
}

/// The content type of an envelope.
pub const SOAP: &str = "application/soap+xml; charset=UTF-8";

/// Product and yardstick, in turns.
pub struct Turns {
    pub seconds: u64,
    pub rounds: usize,
}

/// What was measured of one side: the middle of the rounds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    pub per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Answers of all rounds, the warm-up too.
    pub total: u64,
}

impl Turns {
    /// Measures both, A B A B, after a warm-up of each.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub async fn run(
        &self,
        clients: usize,
        ours: &Target,
        theirs: &Target,
    ) -> anyhow::Result<(Measured, Measured)> {
        let turn = Duration::from_secs(self.seconds);
        let mut sides = [Vec::new(), Vec::new()];
        for target in [ours, theirs] {
            drive(clients, Duration::from_secs(1), target).await?;
        }
        for _ in 0..self.rounds {
            for (side, target) in sides.iter_mut().zip([ours, theirs]) {
                side.push(drive(clients, turn, target).await?);
            }
        }
        let [a, b] = sides.map(middle);
        Ok((a, b))
    }

    /// Measures one that has no yardstick.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub async fn alone(&self, clients: usize, target: &Target) -> anyhow::Result<Measured> {
        let mut total = drive(clients, Duration::from_secs(1), target).await?.total;
        let mut rounds = Vec::new();
        for _ in 0..self.rounds {
            let one = drive(clients, Duration::from_secs(self.seconds), target).await?;
            total += one.total;
            rounds.push(one);
        }
        Ok(Measured { total, ..middle(rounds) })
    }
}

/// Lets so many clients ask one after the other.
async fn drive(clients: usize, turn: Duration, target: &Target) -> anyhow::Result<Measured> {
    let http = reqwest::Client::builder().pool_max_idle_per_host(clients).build()?;
    let start = Instant::now();
    let each = (0..clients).map(|_| {
        let http = http.clone();
        async move {
            let mut times = Vec::new();
            while start.elapsed() < turn {
                let n = next();
                let asked = Instant::now();
                let answer = http
                    .post(&target.url)
                    .header("content-type", target.content_type)
                    .body((target.body)(n))
                    .send()
                    .await?
                    .bytes()
                    .await?;
                times.push(asked.elapsed());
                ensure!(answer.len() >= target.least, "{} bytes came", answer.len());
                if times.len() % 50 == 1 {
                    check(target, &answer)?;
                }
            }
            anyhow::Ok(times)
        }
    });
    let mut times = Vec::new();
    for one in join_all(each).await {
        times.extend(one?);
    }
    let seconds = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |q: f64| {
        let index = ((times.len() as f64 * q) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |t| t.as_secs_f64() * 1e3)
    };
    Ok(Measured {
        per_second: times.len() as f64 / seconds,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        total: times.len() as u64,
    })
}

fn check(target: &Target, answer: &[u8]) -> anyhow::Result<()> {
    // What is right stands before the bytes of a document.
    let answer =
        if target.times.is_none() { &answer[..answer.len().min(16 << 10)] } else { answer };
    let text = String::from_utf8_lossy(answer);
    let open = format!("<{}", target.right);
    let found =
        text.matches(&open).count() + text.matches(&format!("<rim:{}", target.right)).count();
    let right = match target.times {
        Some(times) => found == times as usize,
        None => text.contains(target.right),
    };
    ensure!(right, "a wrong answer, {found} found: {}", &text[..text.len().min(600)]);
    Ok(())
}

fn middle(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rounds.get(rounds.len() / 2).copied().unwrap_or_default()
}

/// A number that no other request of this run has.
fn next() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// Milliseconds that the disk takes to make 4 KiB durable, the middle of 50.
///
/// # Errors
/// When the folder cannot be written to.
pub fn fsync_probe(folder: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("probe"))?;
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// Memory of a process that is in use, in MiB.
pub fn resident_mib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or("0");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0);
    kib / 1024
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

    pub fn pair(&mut self, what: &str, clients: usize, probe: f64, pair: (Measured, Measured)) {
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

    pub fn alone(&mut self, what: &str, clients: usize, probe: f64, a: Measured) {
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
        writeln!(
            f,
            "\n| what | clients | product/s | yardstick/s | ratio | p50 ms | p99 ms | yardstick p50 | p99 | fsync ms |\n\
             |---|---|---|---|---|---|---|---|---|---|"
        )?;
        self.rows.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
