//! Searches by the FHIR API end to end: token, decision, record of the access, and a registry in a
//! process of its own; next to the registry's own ITI-18 for the same people.

use anyhow::ensure;
use bytes::Bytes;
use carerecord_model::{NhsNumber, Submission};
use carerecord_testkit::{Deployment, GP, NODES, Role};

use crate::measure::{FORM, Target};
use crate::population::{HEAVY, ORDINARY, creation_time, lines_of, number};
use crate::product::{Processes, list};
use crate::report::{Bench, Run};

#[derive(clap::Args)]
pub struct FhirOptions {
    #[command(flatten)]
    processes: Processes,
    /// People with a hundred documents each; one more has 5,000
    #[arg(long, default_value_t = 50)]
    people: u32,
    #[command(flatten)]
    run: Run,
}

pub async fn run(options: FhirOptions) -> anyhow::Result<()> {
    let mut deployment = options.processes.stopped().await?;
    deployment.ask_by_health();
    deployment.start_all();
    let engine = options.processes.engine();
    let folder = tempfile::tempdir()?;
    let name = format!("FHIR benchmark: six processes, {engine}");
    let mut bench = Bench::new(&name, options.run, folder.path());
    // Its sharing is agreed.
    let (mut serial, agreed) = (0, NODES[0].0);
    for place in 0..options.people {
        fill(&deployment, lines_of(place, ORDINARY, &mut serial), agreed).await?;
    }
    let heavy = options.people;
    fill(&deployment, lines_of(heavy, HEAVY, &mut serial), agreed).await?;
    let fact = format!("{heavy} people with {ORDINARY} entries, one with {HEAVY}");
    bench.report.fact(fact);

    for (count, goal) in [(20, 0.4), (100, 0.4)] {
        let name = format!("FHIR search, {count} entries ÷ ITI-18 (goal {goal})");
        for clients in [1, 16] {
            let people = options.people;
            let form = move |n: u64| search_of(number(place(n, people)), count);
            let ours = search(&deployment, form, count).await;
            let url = deployment.url(Role::Registry, "/xds/registry");
            let theirs = list(url, move |n| place(n, people), count);
            bench.pair(&name, clients, &ours, &theirs).await?;
        }
    }
    for clients in [1, 4] {
        let form = move |_| format!("{}&_count={PAGE}", everything_of(number(heavy)));
        let ours = search(&deployment, form, PAGE).await;
        bench.alone("FHIR search, first 50 of 5,000 entries", clients, &ours).await?;
    }
    bench.tell()
}

/// Registers submissions as documents of a node.
pub async fn fill(deployment: &Deployment, lines: Vec<String>, node: &str) -> anyhow::Result<()> {
    for line in lines {
        let mut submission: Submission = serde_json::from_str(&line)?;
        for entry in &mut submission.document_entries {
            entry.repository_unique_id = Some(node.parse()?);
        }
        let answer = deployment.registry().register(&submission).await?;
        ensure!(answer.is_success(), "not registered: {}", answer.envelope);
    }
    Ok(())
}

/// Another one for each n.
fn place(n: u64, people: u32) -> u32 {
    u32::try_from(n.wrapping_mul(7_919) % u64::from(people)).unwrap_or(0)
}

/// All documents of a patient that may be acted on.
pub fn everything_of(patient: NhsNumber) -> String {
    format!("patient.identifier={NHS}%7C{}&status=current", patient.digits())
}

/// All of a patient, or the newest ones by when they were written.
fn search_of(patient: NhsNumber, count: u32) -> String {
    let all = everything_of(patient);
    if count == ORDINARY {
        return all;
    }
    let from = creation_time(ORDINARY - count);
    let from = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &from[..4],
        &from[4..6],
        &from[6..8],
        &from[8..10],
        &from[10..12],
        &from[12..14]
    );
    format!("{all}&creation=ge{from}")
}

/// A search by a clinician who has signed in just now.
pub async fn search(
    deployment: &Deployment,
    form: impl Fn(u64) -> String + Send + Sync + 'static,
    count: u32,
) -> Target {
    let fhir = deployment.fhir().as_person(GP).await;
    let url = deployment.url(Role::Portal, "/fhir/DocumentReference/_search");
    let body = move |n: u64| Bytes::from(form(n));
    Target {
        times: Some(count),
        content_type: FORM,
        bearer: Some(fhir.token().to_owned()),
        ..Target::soap(url, "\"mode\":\"match\"", body)
    }
}

const PAGE: u32 = 50;
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
