//! Subject access packs by the API and on the pages: who may have one made, what is in it, and what
//! becomes of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use carerecord_testkit::{
    ADA, Browser, Deployment, Fhir, GP, Letter, NODES, NURSE, PATIENT, Role, unzip,
};
use serde_json::{Value, json};

use crate::identity::{Feed, patient};

/// An officer asks, follows, fetches and removes; the bytes are those of their own organisation, the
/// region has what is known of all; it is signed, and every step is in the record.
pub async fn an_officer_has_a_pack_made(deployment: Deployment) {
    let letters: Vec<Letter> = (0..2).map(|n| Letter::text(PATIENT, n)).collect();
    for (n, letter) in letters.iter().enumerate() {
        assert!(deployment.node(n).publish(letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.documents(PATIENT).await.len(), 2);
    let clerk = deployment.fhir().as_person(CLERK).await;
    assert_eq!(clerk.search("DocumentReference", PATIENT, "status=current").await.0, 403);
    let officer = Asker::of(&deployment, OFFICER).await;
    let region = Asker::of(&deployment, REGION).await;

    let id = officer.ask(PATIENT).await;
    let told = officer.until_ready(&id).await;
    assert_eq!(value(&told, "complete"), json!(true), "{told}");
    let counts = ["documents", "contents"].map(|name| value(&told, name));
    assert_eq!(counts, [1, 1], "{told}");
    assert!(!told.to_string().contains(PATIENT), "{told}");
    let (status, bytes) = officer.fetch(&id).await;
    assert_eq!(status, 200);
    let files = unzip(&bytes);
    let documents = documents(&files);
    assert_eq!(documents.len(), 1, "what another organisation keeps is not told");
    assert_eq!(documents[0]["unique_id"], letters[0].unique_id);
    let file = documents[0]["file"].as_str().unwrap();
    assert_eq!(files[file], letters[0].bytes.to_vec());
    nothing_can_be_read(&deployment, &letters[0]);
    let accesses = text(&files, "accesses.jsonl");
    let by_gp: Vec<&str> = accesses.lines().filter(|line| line.contains(GP)).collect();
    let other = |line: &&str| line.contains(&letters[1].unique_id);
    assert!(!by_gp.is_empty() && !by_gp.iter().any(other), "{by_gp:?}");
    assert!(accesses.contains("access pack asked for"), "{accesses}");
    let index = text(&files, "index.html");
    for words in ["Letter 0", file, "Farrow Imogen Dr", "The record of accesses of registry"] {
        assert!(index.contains(words), "{words}: {index}");
    }
    assert!(!index.contains("missing"), "{index}");
    assert_eq!(checked(&deployment, &files), Some(0));

    let whole = region.ask(PATIENT).await;
    let told = region.until_ready(&whole).await;
    let counts = ["documents", "contents"].map(|name| value(&told, name));
    assert_eq!(counts, [2, 0], "no agreement gives the region what documents hold: {told}");
    let files = unzip(&region.fetch(&whole).await.1);
    let index = text(&files, "index.html");
    for words in ["Letter 0", "Letter 1", "Oakley Desmond", "Ask the organisation that keeps it."] {
        assert!(index.contains(words), "{words}: {index}");
    }
    assert!(text(&files, "accesses.jsonl").contains("access pack made"), "the officer's");

    // Of another's it is as if there were none.
    for path in ["", "/file"] {
        let there = region.get(&format!("{PACKS}/{id}{path}")).await;
        let nowhere = region.get(&format!("{PACKS}/{NOWHERE}{path}")).await;
        assert_eq!(there.0, 404);
        assert_eq!(there, nowhere);
    }
    assert_eq!(region.remove(&id).await, 404);
    let (_, own) = region.fhir.resource(PACKS).await;
    assert_eq!(own["parameter"].as_array().unwrap().len(), 1, "{own}");
    assert!(!own.to_string().contains(PATIENT) && own.to_string().contains(REFERENCE), "{own}");

    assert_eq!(officer.remove(&id).await, 202);
    assert_eq!(officer.get(&format!("{PACKS}/{id}")).await.0, 404);
    assert_eq!(officer.fetch(&id).await.0, 404);
    nothing_is_left_of(&deployment, &id);
    recorded(&deployment, &id, &letters[0].unique_id);
    deployment.assert_no_panic();
}

/// What was done about a pack, in the portal's record.
fn recorded(deployment: &Deployment, id: &str, document: &str) {
    let events = deployment.audit(Role::Portal);
    let listed = format!("access-pack {id}");
    let of = |interaction: &str, outcome: &str| {
        let is = |e: &&Value| {
            e["interaction"] == interaction
                && e["outcome"] == outcome
                && e["listed"].as_array().is_some_and(|all| all.iter().any(|l| *l == listed))
        };
        let found = events.iter().find(is);
        found.unwrap_or_else(|| panic!("{interaction} {outcome}: {events:?}")).clone()
    };
    let asked = of("access pack asked for", "success");
    assert_eq!((&asked["subject"], &asked["actor"]["id"]), (&json!(PATIENT), &json!(OFFICER)));
    assert_eq!((&asked["decision"]["rule"], &asked["status"]), (&json!("audit-duty"), &json!(202)));
    assert!(asked["listed"].to_string().contains(REFERENCE), "{asked}");
    let made = of("access pack made", "success");
    assert_eq!((&made["subject"], &made["actor"]["id"]), (&json!(PATIENT), &json!(OFFICER)));
    assert_eq!(made["documents"][0]["id"], document);
    for done in ["access pack fetched", "access pack removed"] {
        assert_eq!(of(done, "success")["subject"], PATIENT);
        assert_eq!(of(done, "refused")["actor"]["id"], REGION);
    }
    if deployment.is_apart() {
        let node = deployment.audit(Role::Node(0));
        let given = node.iter().rfind(|e| e["interaction"] == "ITI-43").unwrap();
        assert_eq!(given["actor"]["id"], OFFICER, "the node decides again: {given}");
        assert_eq!((&given["purpose"], &given["outcome"]), (&json!("audit"), &json!("success")));
        assert_eq!(given["request_id"], asked["request_id"], "{given}");
        let of_request = |e: &&Value| e["request_id"] == asked["request_id"];
        let sent = events.iter().filter(of_request).filter(|e| e["direction"] == "out");
        let to_node = |e: &&Value| e["interaction"].as_str().is_some_and(|i| i.contains("ITI-43"));
        let done = |e: &Value| e["subject"] == PATIENT && e["outcome"] == "success";
        assert!(sent.filter(to_node).any(done), "{events:?}");
        let registry = deployment.audit(Role::Registry);
        let of_officer = |e: &&Value| of_request(e) && e["actor"]["id"] == OFFICER;
        let query = |e: &&Value| e["interaction"].as_str().is_some_and(|i| i.contains("ITI-18"));
        assert!(registry.iter().filter(of_officer).any(|e| query(&e)), "{registry:?}");
    }
}

/// Whoever is no privacy officer has none made about others; garbage is refused in words.
pub async fn others_have_no_packs_made(deployment: Deployment) {
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let mut attempts = 0;
    for who in [GP, NURSE, CLERK, DESK, OPERATOR] {
        let person = Asker::of(&deployment, who).await;
        for number in [PATIENT, "9990001014"] {
            let (status, told) = person.fhir.put(PACKS, None, &asked(number)).await;
            assert_eq!(status, 403, "{who}: {told}");
            assert!(!told.to_string().contains(number), "{told}");
            attempts += 1;
        }
        for path in [PACKS.to_owned(), format!("{PACKS}/{NOWHERE}")] {
            assert_eq!(person.get(&path).await.0, 403, "{who}: {path}");
        }
        assert_eq!(person.remove(NOWHERE).await, 403);
    }
    let system = deployment.fhir().as_system().await;
    assert_eq!(system.put(PACKS, None, &asked(PATIENT)).await.0, 403);
    let events = deployment.audit(Role::Portal);
    let refused = events.iter().filter(|e| {
        e["interaction"] == "access pack asked for"
            && e["outcome"] == "refused"
            && e["decision"]["outcome"] == "deny"
            && !e["subject"].is_null()
    });
    assert_eq!(refused.count(), attempts + 1, "each attempt, and about whom");

    let officer = Asker::of(&deployment, OFFICER).await;
    let without = |name: &str| {
        let mut sent = asked(PATIENT);
        sent["parameter"].as_array_mut().unwrap().retain(|p| p["name"] != name);
        sent
    };
    let mut long = asked(PATIENT);
    long["parameter"][2]["valueString"] = "x".repeat(101).into();
    let mut more = asked(PATIENT);
    more["parameter"].as_array_mut().unwrap().push(json!({"name": "until", "valueDate": "2026"}));
    let wrong =
        [without("patient"), without("reason"), without("reference"), long, more, json!([])];
    for sent in wrong.into_iter().chain([asked("9990001007"), json!({"resourceType": "Bundle"})]) {
        let (status, told) = officer.fhir.put(PACKS, None, &sent).await;
        assert_eq!(status, 400, "{sent}: {told}");
    }
    let json = "application/fhir+json";
    let (status, _, _) = officer.fhir.send(&format!("/{PACKS}"), json, vec![0xff, b'{']).await;
    assert_eq!(status, 400);
    for id in ["nothing", "..%2f..%2fpatient-ids.key", "%00"] {
        for path in [format!("{PACKS}/{id}"), format!("{PACKS}/{id}/file")] {
            assert_eq!(officer.get(&path).await.0, 404, "{path}");
        }
    }
    for _ in 0..5 {
        officer.ask(PATIENT).await;
    }
    let (status, told) = officer.fhir.put(PACKS, None, &asked(PATIENT)).await;
    assert_eq!(status, 429, "five are enough for one person: {told}");
    deployment.assert_no_panic();
}

/// A citizen has their own record, with what they may see of it and no more; of another's they have
/// none. They do it on their pages; an officer on theirs.
pub async fn the_pages_give_packs(deployment: Deployment) {
    let feed = Feed(&deployment);
    let born = "<birthTime value=\"19450714\"/>";
    assert_eq!(feed.tell("PRPA_IN201301UV02", &patient(OWN, born)).await, "CA");
    let mut letters: Vec<Letter> = (1..=2).map(|n| Letter::text(OWN, n)).collect();
    "GUM clinic letter".clone_into(&mut letters[1].title);
    for letter in &letters {
        assert!(deployment.node(1).publish(letter).await.unwrap().is_success());
    }
    let citizen = deployment.citizen(ADA).await;
    let parameter = asked(PATIENT)["parameter"][0].clone();
    let other = json!({"resourceType": "Parameters", "parameter": [parameter]});
    assert_eq!(citizen.put(PACKS, None, &other).await.0, 403, "nobody else's");

    let mut ada = Browser::sign_in_citizen(&deployment, ADA).await;
    let (_, page) = ada.get("/mine").await;
    let mine = between(&page, "href=\"/mine/", "\"");
    let copy = format!("/mine/{mine}/copy");
    assert_eq!(ada.submit(&copy, &[]).await.0, 303);
    let (_, page) = ada.get(&copy).await;
    let link = format!("/access-packs/{}", between(&page, "href=\"/access-packs/", "\""));
    until(&mut ada, &link, "Download (ZIP").await;
    let id = link.rsplit('/').next().unwrap();
    let asker = Asker { fhir: citizen };
    let (status, bytes) = asker.fetch(id).await;
    assert_eq!(status, 200, "it is the same person's");
    let files = unzip(&bytes);
    let documents = documents(&files);
    assert_eq!(documents.len(), 1, "{documents:?}");
    assert_eq!(files[documents[0]["file"].as_str().unwrap()], letters[0].bytes.to_vec());
    assert!(!String::from_utf8_lossy(&bytes).contains("GUM"), "what is kept from citizens");
    assert_eq!(checked(&deployment, &files), Some(0));
    assert!(files.contains_key("sharing-choices.json"));
    let (status, page) = ada.get(&format!("/mine/{mine}/looked")).await;
    assert!(status == 200 && page.contains("A copy of the whole record was made"), "{page}");
    let mut officer = Browser::sign_in(&deployment, OFFICER).await;
    assert_eq!(officer.get(&link).await.0, 404);
    assert_eq!(officer.get(&format!("{link}/file")).await.0, 404);
    assert_eq!(ada.submit_to(&link, &format!("{link}/remove"), &[]).await.0, 303);
    assert_eq!(ada.get(&link).await.0, 404);
    an_officers_desk(&deployment, &mut officer).await;
    deployment.assert_no_panic();
}

async fn an_officers_desk(deployment: &Deployment, officer: &mut Browser) {
    let (status, page) = officer.submit(DESK_PAGE, &[("nhs_number", "1")]).await;
    assert_eq!(status, 422);
    for words in ["Enter a real NHS number", "Enter the reference", "Say what the pack is for"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let form = [("nhs_number", "999 000 1006"), ("reference", REFERENCE), ("reason", "She asked")];
    assert_eq!(officer.submit(DESK_PAGE, &form).await.0, 303);
    let (_, page) = officer.get(DESK_PAGE).await;
    assert!(page.contains(REFERENCE) && !page.contains("999 000 1006"), "{page}");
    let link = format!("/access-packs/{}", between(&page, "href=\"/access-packs/", "\""));
    let page = until(officer, &link, "Download (ZIP").await;
    assert!(page.contains("0 documents") && page.contains("She asked"), "{page}");
    let (status, _) = officer.get(&format!("{link}/file")).await;
    assert_eq!(status, 200);
    let mut doctor = Browser::sign_in(deployment, GP).await;
    assert_eq!(doctor.get(DESK_PAGE).await.0, 403);
    let (_, page) = doctor.get("/search").await;
    assert!(!page.contains(DESK_PAGE), "{page}");
}

/// What cannot be had is named in the pack and in its state; a pack outlives a restart, and one that
/// was being made says that it is to be asked for again; after its time it is gone.
pub async fn a_pack_says_what_it_lacks_and_ends(mut deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    deployment.kill(Role::Node(0));
    let officer = Asker::of(&deployment, OFFICER).await;
    let id = officer.ask(PATIENT).await;
    let told = officer.until_ready(&id).await;
    assert_eq!(value(&told, "complete"), json!(false), "{told}");
    let counts = ["documents", "contents"].map(|name| value(&told, name));
    assert_eq!(counts, [1, 0], "{told}");
    for words in [
        format!("1 document of {} could not be had", NODES[0].2),
        format!("The record of accesses of {}: could not be searched", NODES[0].2),
    ] {
        assert!(told.to_string().contains(&words), "{words}: {told}");
        let files = unzip(&officer.fetch(&id).await.1);
        assert!(text(&files, "index.html").contains(&words), "{words}");
        assert_eq!(checked(&deployment, &files), Some(0));
    }
    deployment.start(Role::Node(0));

    // As many as are made at once, of sources that do not answer, and a third that waits.
    deployment.process(Role::Node(0)).freeze();
    let mut under_way = Vec::new();
    for _ in 0..3 {
        under_way.push(officer.ask(PATIENT).await);
    }
    let (status, _) = officer.get(&format!("{PACKS}/{}", under_way[0])).await;
    assert_eq!(status, 202);
    deployment.kill(Role::Portal);
    deployment.process(Role::Node(0)).thaw();
    let config = deployment.file("portal.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let short = format!("{text}\n[portal.access_packs]\nkeep_seconds = 3\n");
    std::fs::write(config, short).unwrap();
    deployment.start(Role::Portal);

    let officer = Asker::of(&deployment, OFFICER).await;
    assert_eq!(officer.fetch(&id).await.0, 200, "it was ready");
    for lost in &under_way {
        let (status, told) = officer.fhir.resource(&format!("{PACKS}/{lost}")).await;
        assert_eq!(status, 410, "{told}");
        assert!(told.to_string().contains("Ask for it again"), "{told}");
        assert_eq!(officer.fetch(lost).await.0, 409);
        assert_eq!(officer.remove(lost).await, 202);
        nothing_is_left_of(&deployment, lost);
    }
    let short = officer.ask(PATIENT).await;
    let told = officer.until_ready(&short).await;
    assert_eq!(value(&told, "complete"), json!(true), "{told}");
    assert_eq!(officer.fetch(&short).await.0, 200);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(officer.get(&format!("{PACKS}/{short}")).await.0, 404, "its time is over");
    assert_eq!(officer.fetch(&short).await.0, 404);
    assert_eq!(officer.fetch(&id).await.0, 200, "the other's is not");
    // A start sweeps.
    deployment.kill(Role::Portal);
    deployment.start(Role::Portal);
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline && !left_of(&deployment, &short).is_empty() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    nothing_is_left_of(&deployment, &short);
    only_the_owner_reads(&deployment);
    deployment.assert_no_panic();
}

/// Somebody who asks for packs.
struct Asker {
    fhir: Fhir,
}

impl Asker {
    async fn of(deployment: &Deployment, account: &str) -> Self {
        Self { fhir: deployment.fhir().as_person(account).await }
    }

    async fn ask(&self, number: &str) -> String {
        let (status, told) = self.fhir.put(PACKS, None, &asked(number)).await;
        assert_eq!(status, 202, "{told}");
        assert_eq!(value(&told, "state"), "making", "{told}");
        value(&told, "id").as_str().unwrap().to_owned()
    }

    async fn until_ready(&self, id: &str) -> Value {
        until_ready(&self.fhir, id).await
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, bytes) = self.fhir.get(path).await.unwrap();
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn fetch(&self, id: &str) -> (u16, Vec<u8>) {
        let (status, bytes) = self.fhir.get(&format!("{PACKS}/{id}/file")).await.unwrap();
        (status, bytes.to_vec())
    }

    async fn remove(&self, id: &str) -> u16 {
        self.fhir.delete(&format!("{PACKS}/{id}")).await
    }
}

/// The id of a pack that somebody has had made.
pub async fn ready(fhir: &Fhir, number: &str) -> String {
    let (status, told) = fhir.put(PACKS, None, &asked(number)).await;
    assert_eq!(status, 202, "{told}");
    let id = value(&told, "id").as_str().unwrap().to_owned();
    until_ready(fhir, &id).await;
    id
}

async fn until_ready(fhir: &Fhir, id: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, told) = fhir.resource(&format!("{PACKS}/{id}")).await;
        if status == 200 {
            return told;
        }
        assert_eq!(status, 202, "{told}");
        assert!(!value(&told, "progress").is_null(), "{told}");
        assert!(Instant::now() < deadline, "{told}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What asks for a pack.
pub fn asked(number: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}},
        {"name": "reason", "valueString": "The person has asked for it."},
        {"name": "reference", "valueString": REFERENCE},
    ]})
}

/// The one value of a parameter.
fn value(parameters: &Value, name: &str) -> Value {
    let all = parameters["parameter"].as_array().unwrap();
    let Some(one) = all.iter().find(|p| p["name"] == name) else { return Value::Null };
    let mut fields = one.as_object().unwrap().iter().filter(|(key, _)| key.starts_with("value"));
    fields.next().map_or(Value::Null, |(_, value)| value.clone())
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    let bytes = files.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", files.keys()));
    String::from_utf8(bytes.clone()).unwrap()
}

fn documents(files: &BTreeMap<String, Vec<u8>>) -> Vec<Value> {
    serde_json::from_str(&text(files, "documents.json")).unwrap()
}

/// What the command says of a pack that was unpacked.
fn checked(deployment: &Deployment, files: &BTreeMap<String, Vec<u8>>) -> Option<i32> {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut command = std::process::Command::new(crate::BINARY);
    command.args(["audit", "check-pack"]).arg(folder.path());
    command.arg("--key").arg(deployment.data(Role::Portal).join("audit.pub"));
    command.output().unwrap().status.code()
}

fn left_of(deployment: &Deployment, id: &str) -> Vec<String> {
    let folder = std::fs::read_dir(deployment.data(Role::Portal).join("access-packs")).unwrap();
    let names = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(id)).collect()
}

fn nothing_is_left_of(deployment: &Deployment, id: &str) {
    assert_eq!(left_of(deployment, id), Vec::<String>::new());
}

/// What lies on the disk of packs tells nothing of anybody.
fn nothing_can_be_read(deployment: &Deployment, letter: &Letter) {
    let folder = std::fs::read_dir(deployment.data(Role::Portal).join("access-packs")).unwrap();
    let mut files = 0;
    for file in folder {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let names = [PATIENT, REFERENCE, &letter.title, &letter.unique_id].map(str::as_bytes);
        for known in names.into_iter().chain([&letter.bytes[..]]) {
            assert!(!bytes.windows(known.len()).any(|part| part == known), "a pack can be read");
        }
        files += 1;
    }
    assert!(files >= 2, "a pack and what is known of it");
}

fn only_the_owner_reads(deployment: &Deployment) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = deployment.data(Role::Portal).join("access-packs");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder) & 0o777, 0o700);
    let mut files = 0;
    for file in std::fs::read_dir(&folder).unwrap() {
        assert_eq!(mode(&file.unwrap().path()) & 0o777, 0o600);
        files += 1;
    }
    assert!(files >= 2, "a pack and what is known of it");
}

async fn until(browser: &mut Browser, path: &str, words: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, page) = browser.get(path).await;
        assert_eq!(status, 200, "{page}");
        if page.contains(words) {
            return page;
        }
        assert!(page.contains("Check again") && Instant::now() < deadline, "{page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before}: {text}"));
    rest.split_once(after).unwrap().0
}

const PACKS: &str = "Patient/$access-pack";
const DESK_PAGE: &str = "/access-packs";
const REFERENCE: &str = "SAR-2026-014";
const NOWHERE: &str = "00000000-0000-4000-8000-000000000000";
/// Of the citizen Ada Okafor.
const OWN: &str = "9990001006";
const OFFICER: &str = "555021900500";
const CLERK: &str = "555021900600";
const REGION: &str = "555021900800";
const DESK: &str = "555021900900";
const OPERATOR: &str = "555021901000";
