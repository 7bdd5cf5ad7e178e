//! Real documents through the whole of it: published by the source system's tool, and given back
//! byte for byte, over FHIR and over ITI-43.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use carerecord_testkit::{Deployment, NODES, PATIENT, Role, corpus, sha1_base64};

#[tokio::test]
async fn published_documents_come_back_byte_for_byte() {
    let Some(corpus) = corpus() else { return };
    go_through(Deployment::one_process_stopped(BINARY), &corpus).await;
}

/// The same with every role in a process of its own, PostgreSQL, and documents in an object store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_documents_come_back_from_an_object_store() {
    let Some(corpus) = corpus() else { return };
    let deployment = Deployment::apart_on_s3_and_postgres_stopped(BINARY).await;
    let Some(deployment) = deployment else { return };
    go_through(deployment, &corpus).await;
}

async fn go_through(mut deployment: Deployment, corpus: &Path) {
    deployment.show_everything();
    deployment.start_all();
    let own = own_documents(&deployment.file("own"));

    let published = publish(&deployment, &[corpus.join("cda"), corpus.join("fhir"), own]);

    assert!(published.len() > 100, "{}", published.len());
    let extensions = ["xml", "json", "pdf", "txt"];
    for extension in extensions {
        let ending = format!(".{extension}");
        let some = published.values().any(|(path, _)| path.ends_with(&ending));
        assert!(some, "no {extension} was accepted");
    }
    compare_over_fhir(&deployment, &published).await;
    compare_over_iti43(&deployment, &published).await;
    deployment.assert_no_panic();
}

const BINARY: &str = env!("CARGO_BIN_EXE_carerecord");

/// What was accepted: path and bytes by uniqueId.
type Published = HashMap<String, (String, Bytes)>;

fn publish(deployment: &Deployment, folders: &[PathBuf]) -> Published {
    let node = deployment.url(Role::Node(0), "/xds/repository");
    let registry = deployment.url(Role::Registry, "");
    let mut arguments =
        vec!["publish", "--patient", PATIENT, "--node", &node, "--registry", &registry];
    arguments.extend(folders.iter().map(|folder| folder.to_str().unwrap()));
    let output = deployment.run(&arguments);
    let lines = String::from_utf8_lossy(&output.stdout);
    assert!(!lines.contains("could not be asked"), "{lines}");
    let refused = lines.lines().filter(|l| l.starts_with("refused\t")).count();
    let accepted: Published = lines
        .lines()
        .filter_map(|line| {
            let mut fields = line.strip_prefix("accepted\t")?.split('\t');
            let path = fields.next()?.to_owned();
            let id = fields.next()?.split(" (").next()?.to_owned();
            let bytes = std::fs::read(&path).unwrap().into();
            Some((id, (path, bytes)))
        })
        .collect();
    println!("{} documents accepted, {refused} files refused", accepted.len());
    accepted
}

/// Everything is found, with hash and size, and every link gives the bytes.
async fn compare_over_fhir(deployment: &Deployment, published: &Published) {
    let fhir = deployment.fhir().as_system().await;
    let mut found = HashMap::new();
    for patient in patients(deployment) {
        found.extend(fhir.documents(&patient).await);
    }
    for (id, (path, bytes)) in published {
        // FHIR writes a UUID in one way, XDS in two.
        let key = id.trim_start_matches("urn:uuid:");
        let resource = found.get(key).unwrap_or_else(|| panic!("{path} ({id}) is not found"));
        let attachment = &resource["content"][0]["attachment"];
        assert_eq!(attachment["hash"], sha1_base64(bytes), "{path}");
        assert_eq!(attachment["size"], bytes.len(), "{path}");
        let (status, given) = fhir.get(attachment["url"].as_str().unwrap()).await.unwrap();
        assert!(status == 200 && given == *bytes, "{path}: HTTP {status}");
    }
    println!("{} equal over FHIR", published.len());
}

/// Whom documents were published for: a number in a header comes before the one that is given.
fn patients(deployment: &Deployment) -> BTreeSet<String> {
    let events = deployment.audit(Role::Node(0));
    let published = events.iter().filter(|event| event["interaction"] == "ITI-41");
    published.filter_map(|event| Some(event["subject"].as_str()?.to_owned())).collect()
}

async fn compare_over_iti43(deployment: &Deployment, published: &Published) {
    let node = deployment.node(0);
    let ids: Vec<&str> = published.keys().map(String::as_str).collect();
    for some in ids.chunks(7) {
        let given = node.retrieve(NODES[0].0, some).await.unwrap();
        assert!(given.exchange.is_success(), "{}", given.exchange.envelope);
        for id in some {
            let (path, bytes) = &published[*id];
            assert!(given.documents[*id] == *bytes, "{path}");
        }
    }
    println!("{} equal over ITI-43", ids.len());
}

/// What the corpus may not have: a PDF, texts, one of them empty but for a line, and one larger
/// than is held in memory.
fn own_documents(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("letter.pdf", include_bytes!("fixtures/letter.pdf"));
    write("note.txt", "Blood pressure 120/80 mmHg; seen by Dr Åse Møller.\r\n".as_bytes());
    write("line.txt", b"\n");
    // Boundaries inside a document are not those of the message.
    let lines = b"\r\n--B--\r\nA line of a long text.\n".repeat(200_000);
    write("long.txt", &lines);
    folder.to_owned()
}
