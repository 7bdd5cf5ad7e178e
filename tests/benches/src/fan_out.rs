//! A search inside documents that goes to eight nodes, of which one dies. Portal, registry and
//! sign-in are processes of their own; the nodes are in this one: each answers what a node of ours
//! does, after a time of its own, so that it is known what the portal has to wait for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::routing::post;
use axum::{Json, Router, extract::State};
use carerecord_model::{
    ContentAnswer, ContentHit, ContentQuestion, Coverage, Snippet, SnippetPart, UniqueId,
};
use carerecord_testkit::{Deployment, Role, sources};
use serde_json::Value;

use crate::fhir::{everything_of, fill, search};
use crate::measure::{JSON, Target, Times};
use crate::population::{document_id, lines_of, number};
use crate::product::Processes;
use crate::report::{Report, Told};
use crate::yardstick::serve;

#[derive(clap::Args)]
pub struct FanOutOptions {
    #[command(flatten)]
    processes: Processes,
    /// Searches of each measurement, one after the other
    #[arg(long, default_value_t = 200)]
    searches: usize,
    #[command(flatten)]
    told: Told,
}

pub async fn run(options: FanOutOptions) -> anyhow::Result<()> {
    let mut nodes = Vec::new();
    for ms in ANSWER_AFTER_MS {
        nodes.push(Node::start(ms).await?);
    }
    let deployment = portal_over(&options.processes, &nodes).await?;
    let target =
        search(&deployment, |_| format!("{}&_content=asthma", everything_of(number(0))), 0);
    let asking =
        Asking { target: target.await, http: reqwest::Client::builder().no_proxy().build()? };
    let slowest = asking.directly(&nodes[SLOWEST]).await?;
    let whole = asking.whole(options.searches).await?;
    nodes[DEAD].dead.store(true, Ordering::Relaxed);
    let (late, paused) = asking.without_one(options.searches).await?;

    let engine = options.processes.engine();
    let mut report = Report::new(&format!("Fan-out benchmark: portal and registry, {engine}"));
    report.fact(format!(
        "A search inside documents of {} nodes that answer after {ANSWER_AFTER_MS:?} ms; one at a \
         time. The slowest, asked without the portal: p50 {:.1}, p99 {:.1} ms. Over it: of the \
         median (goal 20); while the breaker is closed, over the deadline of {DEADLINE_MS} ms.\n\n\
         | the node of {} ms | searches | p50 ms | p99 ms | longest ms | over ms |\n\
         |---|---|---|---|---|---|",
        nodes.len(),
        slowest.at(0.5),
        slowest.at(0.99),
        ANSWER_AFTER_MS[DEAD],
    ));
    for (what, times, expected) in [
        ("answers", whole, slowest.at(0.5)),
        ("is dead, its breaker closed or trying", late, DEADLINE_MS as f64),
        ("is dead, its breaker open", paused, slowest.at(0.5)),
    ] {
        let (median, count) = (times.at(0.5), times.count());
        report.fact(format!(
            "| {what} | {count} | {median:.1} | {:.1} | {:.1} | {:.1} |",
            times.at(0.99),
            times.at(1.0),
            median - expected,
        ));
    }
    options.told.tell(&report)
}

/// A node that has the words in every document that it is asked about.
struct Node {
    url: String,
    dead: Arc<AtomicBool>,
}

impl Node {
    async fn start(ms: u64) -> anyhow::Result<Self> {
        let dead = Arc::new(AtomicBool::new(false));
        let router = Router::new()
            .route("/peer/search", post(answer))
            .with_state((Duration::from_millis(ms), dead.clone()));
        Ok(Self { url: serve(router).await?, dead })
    }
}

async fn answer(
    State((after, dead)): State<(Duration, Arc<AtomicBool>)>,
    Json(question): Json<ContentQuestion>,
) -> Json<ContentAnswer> {
    if dead.load(Ordering::Relaxed) {
        // It has taken the question, and says nothing, ever.
        return std::future::pending().await;
    }
    tokio::time::sleep(after).await;
    let parts = vec![
        SnippetPart::Text("Known ".to_owned()),
        SnippetPart::Match("asthma".to_owned()),
        SnippetPart::Text(" since childhood, inhaler twice a day.".to_owned()),
    ];
    let hit = |unique_id| ContentHit {
        unique_id,
        score: 1.0,
        snippets: vec![Snippet { parts: parts.clone() }],
    };
    let hits = question.documents.into_iter().map(hit).collect();
    Json(ContentAnswer { hits, coverage: Coverage::default() })
}

/// The portal with these nodes and no others, and a patient with documents at each.
async fn portal_over(processes: &Processes, nodes: &[Node]) -> anyhow::Result<Deployment> {
    let mut deployment = processes.stopped().await?;
    let (mut rules, mut directory) = (String::new(), String::new());
    for (n, node) in nodes.iter().enumerate() {
        // Under the last heading of the rules: who runs which node.
        rules += &format!("\"{}\" = \"ZEX01\"\n", id(n));
        directory += &format!(
            "[[node]]\nid = \"{}\"\nname = \"Node {n}\"\norganisation = \"ZEX01\"\n\
             kind = \"care-record\"\nendpoints = [{{ url = \"{}/xds/repository\" }}]\n\
             limits = {{ deadline_ms = {DEADLINE_MS} }}\n",
            id(n),
            node.url,
        );
    }
    deployment.add_rules(&rules);
    deployment.configure();
    deployment.use_directory(&directory);
    for role in [Role::Registry, Role::SignIn, Role::Portal] {
        deployment.start(role);
    }
    let mut serial = 0;
    for n in 0..nodes.len() {
        fill(&deployment, lines_of(0, DOCUMENTS, &mut serial), &id(n)).await?;
    }
    Ok(deployment)
}

fn id(node: usize) -> String {
    format!("2.999.826.7.{node}")
}

/// Who asks the portal.
struct Asking {
    target: Target,
    http: reqwest::Client,
}

impl Asking {
    /// One search, of which all is there that can be: how long it took, and what the portal says of
    /// the node that dies.
    async fn once(&self) -> anyhow::Result<(f64, String)> {
        let (answer, took) = self.target.ask(&self.http, 0).await?;
        let bundle: Value = serde_json::from_slice(&answer)?;
        let mut states = sources(&bundle);
        let dead = states.remove(&id(DEAD)).with_context(|| format!("not told of: {bundle}"))?;
        let others = states.values().filter(|state| *state == "answered").count();
        ensure!(others + 1 == ANSWER_AFTER_MS.len(), "a node did not answer: {states:?}");
        let answered = others + usize::from(dead == "answered");
        let found = answered * DOCUMENTS as usize;
        ensure!(bundle["total"] == found, "{} found, not {found}", bundle["total"]);
        Ok((took, dead))
    }

    /// All nodes answer.
    async fn whole(&self, searches: usize) -> anyhow::Result<Times> {
        let mut times = Vec::new();
        for n in 0..searches + WARM_UP {
            let (took, state) = self.once().await?;
            ensure!(state == "answered", "a node is {state}");
            times.extend((n >= WARM_UP).then_some(took));
        }
        Ok(Times::of(times))
    }

    /// One is dead: searches that waited for it, and as many as wanted that did not.
    async fn without_one(&self, searches: usize) -> anyhow::Result<(Times, Times)> {
        let (mut late, mut paused) = (Vec::new(), Vec::new());
        while paused.len() < searches {
            let (took, state) = self.once().await?;
            match state.as_str() {
                "late" => late.push(took),
                "paused" => paused.push(took),
                other => anyhow::bail!("the dead node is {other}"),
            }
            ensure!(late.len() <= searches + WARM_UP, "the breaker does not open");
        }
        Ok((Times::of(late), Times::of(paused)))
    }

    /// A node by itself, with the question that the portal has for it.
    async fn directly(&self, node: &Node) -> anyhow::Result<Times> {
        let ids = (0..DOCUMENTS).map(|n| document_id(SLOWEST as u64, n).parse::<UniqueId>());
        let question = ContentQuestion {
            patient: number(0),
            words: "asthma".to_owned(),
            documents: ids.collect::<Result<_, _>>()?,
        };
        let question = bytes::Bytes::from(serde_json::to_vec(&question)?);
        let target =
            Target::soap(format!("{}/peer/search", node.url), "", move |_| question.clone());
        let target = Target { content_type: JSON, ..target };
        let mut times = Vec::new();
        for n in 0..50 {
            let (answer, took) = target.ask(&self.http, n).await?;
            let answer: ContentAnswer = serde_json::from_slice(&answer)?;
            ensure!(answer.hits.len() == DOCUMENTS as usize, "{answer:?}");
            times.push(took);
        }
        Ok(Times::of(times))
    }
}

const ANSWER_AFTER_MS: [u64; 8] = [5, 10, 15, 20, 25, 30, 35, 40];
const SLOWEST: usize = 7;
const DEAD: usize = 3;
/// Of each node.
const DEADLINE_MS: u64 = 500;
/// Of the patient at each node.
const DOCUMENTS: u32 = 5;
const WARM_UP: usize = 20;
