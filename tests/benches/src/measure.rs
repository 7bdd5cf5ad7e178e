use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use carerecord_testkit::Process;
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
    /// The access token of who asks, where one is needed.
    pub bearer: Option<String>,
    /// Bytes that an answer has at least.
    pub least: usize,
}

impl Target {
    /// A door for messages of SOAP, without attachments.
    pub fn soap(
        url: String,
        right: &'static str,
        body: impl Fn(u64) -> Bytes + Send + Sync + 'static,
    ) -> Self {
        Self {
            url,
            body: Box::new(body),
            right,
            times: None,
            content_type: SOAP,
            bearer: None,
            least: 0,
        }
    }

    /// Asks once: the answer, and how many milliseconds it took.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask(&self, http: &reqwest::Client, n: u64) -> anyhow::Result<(Bytes, f64)> {
        let asked = Instant::now();
        let mut request =
            http.post(&self.url).header("content-type", self.content_type).body((self.body)(n));
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?.bytes().await?;
        Ok((answer, asked.elapsed().as_secs_f64() * 1e3))
    }
}

/// The content type of an envelope.
pub const SOAP: &str = "application/soap+xml; charset=UTF-8";

/// The content type of what roles ask each other.
pub const JSON: &str = "application/json";

/// The content type of a search by FHIR.
pub const FORM: &str = "application/x-www-form-urlencoded";

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
                let (answer, took) = target.ask(&http, next()).await?;
                times.push(took);
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
    let (per_second, total) = (times.len() as f64 / seconds, times.len() as u64);
    let times = Times::of(times);
    Ok(Measured { per_second, p50_ms: times.at(0.5), p99_ms: times.at(0.99), total })
}

/// How long something took, again and again; in order.
pub struct Times(Vec<f64>);

impl Times {
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// So much of them took no longer: 0.5 for the median, 1 for the longest. 0 where there are
    /// none.
    pub fn at(&self, part: f64) -> f64 {
        let index = (self.0.len() as f64 * part) as usize;
        self.0.get(index.min(self.0.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn check(target: &Target, answer: &[u8]) -> anyhow::Result<()> {
    // What is right stands before the bytes of a document.
    let answer =
        if target.times.is_none() { &answer[..answer.len().min(16 << 10)] } else { answer };
    let text = String::from_utf8_lossy(answer);
    let open = format!("<{}", target.right);
    let found = match target.content_type {
        FORM => text.matches(target.right).count(),
        _ => text.matches(&open).count() + text.matches(&format!("<rim:{}", target.right)).count(),
    };
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
    Ok(Times::of(times).at(0.5))
}

/// Memory of a process that is in use, in MiB.
pub fn resident_mib(process: u32) -> f64 {
    Process::memory_kib_of(process).unwrap_or_default() as f64 / 1024.0
}

/// Does something, and looks 50 times a second at how much memory a process has meanwhile: what
/// came of it, and the most that was seen, in MiB.
pub async fn most_memory<T>(process: u32, work: impl Future<Output = T>) -> (T, f64) {
    let mut work = std::pin::pin!(work);
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let mut most = 0.0f64;
    loop {
        tokio::select! {
            done = &mut work => return (done, most),
            _ = look.tick() => most = most.max(resident_mib(process)),
        }
    }
}
