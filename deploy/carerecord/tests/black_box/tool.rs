//! `carerecord publish`, the source system's tool.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use carerecord_testkit::{Deployment, PATIENT, Process, Role};

/// Options give what a document lacks; what nobody knows is said, and never invented.
pub async fn options_give_what_a_header_lacks(deployment: Deployment) {
    let file = deployment.file("scan.pdf");
    std::fs::write(&file, PDF).unwrap();
    let changed = set_last_change(&file, "2021-03-04 05:06:07");

    let (ok, lines) = publish(&deployment, &file, &["--type", "999"]);
    assert!(!ok && lines.contains("823691000000103  Clinical letter"), "{lines}");
    let (ok, lines) = publish(&deployment, &file, &[]);
    assert!(ok, "{lines}");
    assert!(lines.contains("--type gives one") && lines.contains("last change"), "{lines}");
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let plain = found.values().next().unwrap();
    assert!(plain.to_string().contains(&changed), "{plain}");

    let other = deployment.file("note.txt");
    std::fs::write(&other, "Seen at home.").unwrap();
    let more = ["--type", "823691000000103", "--created", "20240102", "--title", "Home visit"];
    let (ok, lines) = publish(&deployment, &other, &more);
    assert!(ok && !lines.contains('('), "nothing is left to say: {lines}");
    let found = fhir.documents(PATIENT).await;
    let titled = found.values().find(|d| d.to_string().contains("Home visit")).unwrap();
    assert!(titled.to_string().contains("823691000000103"), "{titled}");
}

/// A letter that says it replaces another one does so.
pub async fn a_header_that_replaces_does_so(deployment: Deployment) {
    let letter = |id: u32, related: &str| {
        let path = deployment.file(&format!("letter{id}.xml"));
        std::fs::write(&path, cda(id, related)).unwrap();
        path
    };
    let replaces = |id: u32| {
        format!(
            "<relatedDocument typeCode=\"RPLC\"><parentDocument><id root=\"2.999.77.{id}\"/>\
             </parentDocument></relatedDocument>"
        )
    };
    let (ok, lines) = publish(&deployment, &letter(1, ""), &[]);
    assert!(ok, "{lines}");

    let second = letter(2, &replaces(1));
    let (ok, lines) = publish(&deployment, &second, &[]);
    assert!(ok && lines.contains("replaces 2.999.77.1"), "{lines}");
    let fhir = deployment.fhir().as_system().await;
    let (_, current) = fhir.search("DocumentReference", PATIENT, "&status=current").await;
    assert_eq!(current["total"], 1, "{current}");
    assert!(current.to_string().contains("2.999.77.2"));
    let (_, old) = fhir.search("DocumentReference", PATIENT, "&status=superseded").await;
    assert!(old.to_string().contains("2.999.77.1"), "{old}");

    // Again: the same answer. And what is replaced cannot be replaced by another.
    let (ok, lines) = publish(&deployment, &second, &[]);
    assert!(ok, "{lines}");
    let (ok, lines) = publish(&deployment, &letter(3, &replaces(1)), &[]);
    assert!(!ok && lines.contains("XDSRegistryDeprecatedDocumentError"), "{lines}");
    // What is not there cannot be replaced: the letter counts as a new one.
    let (ok, lines) = publish(&deployment, &letter(4, &replaces(99)), &[]);
    assert!(ok && lines.contains("is not registered"), "{lines}");
}

/// However often the tool is killed, a last whole run leaves each document there once.
pub async fn a_tool_that_is_killed_is_started_again(deployment: Deployment) {
    let folder = deployment.file("letters");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..FILES {
        std::fs::write(folder.join(format!("{n:02}.xml")), cda(100 + n, "")).unwrap();
    }
    for round in 0..ROUNDS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carerecord"));
        command.args(arguments(&deployment, &folder));
        let mut tool = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(60 + 90 * round)).await;
        tool.kill().unwrap();
        tool.wait().unwrap();
    }

    let (ok, lines) = publish(&deployment, &folder, &[]);

    assert!(ok, "{lines}");
    let found = deployment.fhir().as_system().await.documents(PATIENT).await;
    assert_eq!(found.len(), FILES as usize);
}

/// A file far longer than what the tool holds is read as it is sent.
pub async fn a_long_file_is_sent_in_flat_memory(deployment: Deployment) {
    let file = deployment.file("long.txt");
    let line = "Nothing of note today.\n".repeat(1 << 15);
    let text = std::fs::File::create(&file).unwrap();
    let mut text = std::io::BufWriter::new(text);
    for _ in 0..LONG_MIB {
        std::io::Write::write_all(&mut text, line.as_bytes()).unwrap();
    }
    drop(text);
    let mut command = Command::new(env!("CARGO_BIN_EXE_carerecord"));
    command.args(arguments(&deployment, &file)).args(["--type", "823691000000103"]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let tool = command.spawn().unwrap();
    let id = tool.id();
    let ended = tokio::task::spawn_blocking(move || tool.wait_with_output().unwrap());
    let mut peak = 0;
    while !ended.is_finished() {
        peak = Process::memory_kib_of(id).unwrap_or(0).max(peak);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let output = ended.await.unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    // A structured document too long to be read is refused, never taken for text.
    let json = deployment.file("long.json");
    let text = format!("{{\"resourceType\":\"Bundle\",\"x\":\"{}\"}}", "y".repeat(17 << 20));
    std::fs::write(&json, text).unwrap();
    let (ok, lines) = publish(&deployment, &json, &[]);
    assert!(!ok && lines.contains("more than a document with a header"), "{lines}");
    // A text is cut nowhere within a character.
    let wide = deployment.file("wide.txt");
    std::fs::write(&wide, format!("a{}", "\u{20ac}".repeat(6 << 20))).unwrap();
    let (ok, lines) = publish(&deployment, &wide, &[]);
    assert!(ok, "{lines}");
    println!("the tool used {peak} KiB at most");
    assert!(peak > 0 && peak < (128 << 10), "{peak} KiB");
}

fn publish(deployment: &Deployment, path: &Path, more: &[&str]) -> (bool, String) {
    let mut arguments = arguments(deployment, path);
    arguments.extend(more.iter().map(|a| (*a).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = deployment.run(&arguments);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn arguments(deployment: &Deployment, path: &Path) -> Vec<String> {
    let node = deployment.url(Role::Node(0), "/xds/repository");
    let registry = deployment.url(Role::Registry, "");
    let path = path.to_str().unwrap();
    ["publish", path, "--node", &node, "--registry", &registry, "--patient", PATIENT]
        .map(str::to_owned)
        .to_vec()
}

/// Sets when a file was last changed; returns how FHIR writes that instant, to the minute.
fn set_last_change(file: &Path, time: &str) -> String {
    let set = Command::new("touch").env("TZ", "UTC").args(["-d", time]).arg(file).status().unwrap();
    assert!(set.success());
    time[..16].replace(' ', "T")
}

/// A letter with a header.
pub fn cda(id: u32, related: &str) -> String {
    format!(
        "<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\
         <typeId root=\"2.16.840.1.113883.1.3\" extension=\"POCD_HD000040\"/>\
         <id root=\"2.999.77.{id}\"/><code code=\"823691000000103\" \
         codeSystem=\"2.16.840.1.113883.2.1.3.2.4.15\" displayName=\"Clinical letter\"/>\
         <title>Letter {id}</title><effectiveTime value=\"20260102030405+0000\"/>\
         <confidentialityCode code=\"N\" codeSystem=\"2.16.840.1.113883.5.25\"/>\
         <recordTarget><patientRole><id root=\"2.16.840.1.113883.2.1.4.1\" \
         extension=\"{PATIENT}\"/></patientRole></recordTarget>{related}\
         <component><nonXMLBody><text>Letter {id}</text></nonXMLBody></component>\
         </ClinicalDocument>"
    )
}

const PDF: &str = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n%%EOF\n";
const FILES: u32 = 40;
const ROUNDS: u64 = 6;
const LONG_MIB: usize = 300;
