//! How long after a withdrawal of consent has been answered something is still disclosed: clients
//! ask without a pause by every door, before, while and after a patient's objection is recorded.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use carerecord_model::QueryId;
use carerecord_testkit::{
    APPROVED, Browser, Deployment, Fhir, GP, Letter, NODES, PATIENT, Role, envelope, patient_id,
    query_message,
};
use futures_util::future::{join, join_all};
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use crate::measure::{FORM, SOAP, Times};
use crate::product::Processes;
use crate::report::Told;

#[derive(clap::Args)]
pub struct WithdrawalOptions {
    #[command(flatten)]
    processes: Processes,
    /// How often consent is withdrawn
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Clients at each door
    #[arg(long, default_value_t = 4)]
    clients: usize,
    #[command(flatten)]
    told: Told,
}

pub async fn run(options: WithdrawalOptions) -> anyhow::Result<()> {
    let deployment = options.processes.start().await?;
    let gp = deployment.fhir().as_person(GP).await;
    let doors = doors(&deployment, &gp).await?;
    let mut all: Vec<Vec<Found>> = doors.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.rounds {
        let found = round(&doors, options.clients, &gp).await?;
        for (of_door, found) in all.iter_mut().zip(found) {
            of_door.push(found);
        }
    }
    options.told.tell(&report(&options, &doors, &all))?;
    let longest = all.iter().flatten().map(|found| found.last_ms).fold(0.0, f64::max);
    ensure!(longest <= GOAL_MS, "something was disclosed {longest:.0} ms after the withdrawal");
    Ok(())
}

/// A way to the patient's documents.
struct Door {
    name: &'static str,
    request: Box<dyn Fn(&Client) -> RequestBuilder + Send + Sync>,
}

/// What one round found at a door.
struct Found {
    /// From the answer to the withdrawal to the end of the last answer that disclosed something; 0
    /// where that had ended before.
    last_ms: f64,
    /// Answers that disclosed something and were asked for after the withdrawal was answered.
    asked_after: usize,
    /// Answers before and after.
    answers: usize,
}

/// One answer.
struct Seen {
    asked: Instant,
    ended: Instant,
    disclosed: bool,
}

/// Publishes a letter; every door to it, each of which shows it.
async fn doors(deployment: &Deployment, gp: &Fhir) -> anyhow::Result<Vec<Door>> {
    let letter = Letter { title: MARK.to_owned(), ..Letter::text(PATIENT, 1) };
    let letter = Letter { bytes: format!("The {MARK} says: asthma.").into(), ..letter };
    let answer = deployment.node(0).publish(&letter).await?;
    ensure!(answer.is_success(), "not published: {}", answer.envelope);
    let found = gp.documents(PATIENT).await;
    let id = found[&letter.unique_id]["id"].as_str().context("it is found")?.to_owned();
    let mut browser = Browser::sign_in(deployment, GP).await;
    let list = browser.find(PATIENT).await;
    let cookie = browser.cookie().to_owned();
    let fhir = deployment.url(Role::Portal, "/fhir");
    let search = format!("{fhir}/DocumentReference/_search");
    let form = format!("patient.identifier={NHS}%7C{PATIENT}&status=current");
    let read = |kind: &str| format!("{fhir}/{kind}/{id}");
    let query = query_message(
        QueryId::FIND_DOCUMENTS,
        "LeafClass",
        &[
            ("$XDSDocumentEntryPatientId", patient_id(PATIENT)),
            ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
        ],
    );
    let token = gp.token();
    let doors = vec![
        post("FHIR search", search.clone(), FORM, form.clone(), Some(token)),
        post("search inside", search, FORM, format!("{form}&_content=asthma"), Some(token)),
        get("FHIR read", read("DocumentReference"), "authorization", format!("Bearer {token}")),
        get("Binary", read("Binary"), "authorization", format!("Bearer {token}")),
        get("page", deployment.url(Role::Portal, &format!("{list}?show=list")), "cookie", cookie),
        post("ITI-18", deployment.url(Role::Registry, "/xds/registry"), SOAP, query, None),
        post(
            "ITI-43",
            deployment.url(Role::Node(0), "/xds/repository"),
            SOAP,
            retrieval(&letter),
            None,
        ),
    ];
    let http = Client::builder().no_proxy().build()?;
    let since = Instant::now();
    for door in &doors {
        // A document is found inside some time after it has come.
        while !ask(&http, door).await?.disclosed {
            ensure!(since.elapsed() < PATIENCE, "{}: the letter is not shown", door.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(doors)
}

fn post(
    name: &'static str,
    url: String,
    content_type: &'static str,
    body: String,
    token: Option<&str>,
) -> Door {
    let token = token.map(str::to_owned);
    let request = move |http: &Client| {
        let request = http.post(&url).header("content-type", content_type).body(body.clone());
        match &token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    Door { name, request: Box::new(request) }
}

fn get(name: &'static str, url: String, header: &'static str, value: String) -> Door {
    let request = move |http: &Client| http.get(&url).header(header, &value);
    Door { name, request: Box::new(request) }
}

fn retrieval(letter: &Letter) -> String {
    envelope(
        "urn:ihe:iti:2007:RetrieveDocumentSet",
        &format!(
            "<x:RetrieveDocumentSetRequest xmlns:x=\"urn:ihe:iti:xds-b:2007\"><x:DocumentRequest>\
             <x:RepositoryUniqueId>{}</x:RepositoryUniqueId><x:DocumentUniqueId>{}\
             </x:DocumentUniqueId></x:DocumentRequest></x:RetrieveDocumentSetRequest>",
            NODES[0].0, letter.unique_id
        ),
    )
}

async fn ask(http: &Client, door: &Door) -> anyhow::Result<Seen> {
    let asked = Instant::now();
    let answer = (door.request)(http).send().await?.bytes().await?;
    let ended = Instant::now();
    let disclosed = memchr::memmem::find(&answer, MARK.as_bytes()).is_some();
    Ok(Seen { asked, ended, disclosed })
}

/// Clients at every door ask all the time; the patient objects, and later does not any more.
async fn round(doors: &[Door], clients: usize, gp: &Fhir) -> anyhow::Result<Vec<Found>> {
    let over = AtomicBool::new(false);
    let http = Client::builder().no_proxy().build()?;
    let (http, over) = (&http, &over);
    let asking = join_all(doors.iter().map(|door| async move {
        let of_door = join_all((0..clients).map(|_| async move {
            let mut seen = Vec::new();
            while !over.load(Ordering::Relaxed) {
                seen.push(ask(http, door).await?);
            }
            anyhow::Ok(seen)
        }));
        let each: anyhow::Result<Vec<_>> = of_door.await.into_iter().collect();
        anyhow::Ok(each?.into_iter().flatten().collect::<Vec<Seen>>())
    }));
    let withdrawing = async {
        tokio::time::sleep(BEFORE).await;
        let (status, stored) = gp.put("Consent", None, &objection("active")).await;
        let answered = Instant::now();
        tokio::time::sleep(AFTER).await;
        over.store(true, Ordering::Relaxed);
        ensure!(status == 201, "the withdrawal was not recorded: {stored}");
        Ok((answered, stored))
    };
    let (seen, withdrawn) = join(asking, withdrawing).await;
    let (answered, stored) = withdrawn?;
    let mut found = Vec::new();
    for (door, seen) in doors.iter().zip(seen) {
        found.push(judged(door, &seen?, answered)?);
    }
    let (status, lifted) = gp.put("Consent", stored["id"].as_str(), &objection("inactive")).await;
    ensure!(status == 200, "the withdrawal was not lifted: {lifted}");
    Ok(found)
}

fn judged(door: &Door, seen: &[Seen], answered: Instant) -> anyhow::Result<Found> {
    let before = seen.iter().filter(|s| s.disclosed && s.ended < answered).count();
    let after = seen.iter().filter(|s| s.asked > answered).count();
    ensure!(before > 0 && after > 0, "{}: {before} and {after} answers say little", door.name);
    let last = seen.iter().filter(|s| s.disclosed).map(|s| s.ended).max();
    let late = last.map(|ended| ended.saturating_duration_since(answered));
    Ok(Found {
        last_ms: late.unwrap_or_default().as_secs_f64() * 1e3,
        asked_after: seen.iter().filter(|s| s.disclosed && s.asked > answered).count(),
        answers: seen.len(),
    })
}

fn objection(status: &str) -> serde_json::Value {
    json!({
        "resourceType": "Consent", "status": status,
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy"}]},
        "patient": {"identifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": PATIENT}},
        "dateTime": "2026-11-01T09:00:00Z",
        "provision": {"type": "deny"},
    })
}

fn report(options: &WithdrawalOptions, doors: &[Door], all: &[Vec<Found>]) -> String {
    let engine = options.processes.engine();
    let mut text = format!(
        "# Withdrawal of consent: six processes, {engine}\n\n\
         {} withdrawals, {} clients at each of {} doors. Milliseconds from the answer to the \
         withdrawal to the end of the last answer that disclosed something; 0 where none ended \
         after it. Goal: {GOAL_MS:.0}.\n\n\
         | door | median | longest | disclosed though asked for afterwards | answers |\n\
         |---|---|---|---|---|\n",
        options.rounds,
        options.clients,
        doors.len(),
    );
    for (door, found) in doors.iter().zip(all) {
        let last = Times::of(found.iter().map(|f| f.last_ms).collect());
        let (median, longest) = (last.at(0.5), last.at(1.0));
        let asked_after: usize = found.iter().map(|f| f.asked_after).sum();
        let answers: usize = found.iter().map(|f| f.answers).sum();
        let name = door.name;
        let _ =
            writeln!(text, "| {name} | {median:.1} | {longest:.1} | {asked_after} | {answers} |");
    }
    text
}

/// Stands in what discloses the letter, and nowhere else.
const MARK: &str = "quetzal-letter";
const BEFORE: Duration = Duration::from_millis(400);
const AFTER: Duration = Duration::from_millis(1_500);
const PATIENCE: Duration = Duration::from_secs(30);
const GOAL_MS: f64 = 1_000.0;
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
