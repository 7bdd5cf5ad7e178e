use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use carerecord_testkit::{
    Deployment, Exchange, Letter, PATIENT, Role, Xds, corpus, examples, files,
};
use carerecord_xml::{Limits, Tree, to_utf8};

use crate::shape;

/// Messages that others wrote, as they stand, sent to a registry and a node: each is answered by a
/// response or a fault that says why, leaves a record, and what we write has the standard's order.
pub async fn messages_of_others_are_answered_and_recorded(deployment: Deployment) {
    let Some(corpus) = corpus() else { return };
    let Some(examples) = examples(&corpus) else { return };
    let mut messages = envelopes_and_bodies(&examples);
    messages.extend(envelopes_and_bodies(&corpus.join("xds")));
    let (mut answered, mut failed, mut faults) = (0, 0, 0);
    let doors = [(Role::Registry, deployment.registry()), (Role::Node(0), deployment.node(0))];
    for (role, door) in doors {
        let before = recorded(&deployment, role);
        for message in &messages {
            let answer = message.send(&door).await;
            match check(&message.name, &answer) {
                Outcome::Success => answered += 1,
                Outcome::Failure => failed += 1,
                Outcome::Fault => faults += 1,
            }
        }
        let grown = recorded(&deployment, role) - before;
        assert_eq!(grown, messages.len(), "one record of each message");
    }
    println!(
        "{} messages sent to each: {answered} Success, {failed} Failure, {faults} faults",
        messages.len()
    );
    assert!(messages.len() > 40 && answered > 0 && failed > 0 && faults > 0);
    check_that_it_goes_on(&deployment).await;
    deployment.assert_no_panic();
}

/// After all that, a letter goes in and comes out; the answers have the standard's shape.
async fn check_that_it_goes_on(deployment: &Deployment) {
    let letter = Letter::text(PATIENT, 1);
    let taken = deployment.node(0).publish(&letter).await.unwrap();
    assert!(taken.is_success(), "{}", taken.envelope);
    let (found, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert_eq!(ids, [letter.unique_id.as_str()]);
    let objects = shape::check("FindDocuments", &found.envelope);
    assert!(objects > 0, "no registry object in {}", found.envelope);
    shape::check("ITI-41", &taken.envelope);
}

/// What a node asks the registry, and what the source system's tool sends a node.
pub async fn what_we_ask_has_the_standards_shape(mut deployment: Deployment) {
    deployment.kill(Role::Registry);
    let registry = Listening::on(deployment.port_for_peers());
    let answer = deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap();
    assert_eq!(answer.error_codes(), ["XDSRegistryNotAvailable"], "{}", answer.envelope);
    assert!(shape::check("ITI-42", &registry.heard()) > 0);

    let node = Listening::on(0);
    let file = deployment.file("letter.pdf");
    std::fs::write(&file, include_bytes!("../fixtures/letter.pdf")).unwrap();
    let url = format!("http://127.0.0.1:{}/xds/repository", node.port);
    let arguments = ["publish", "--patient", PATIENT, "--node", &url, file.to_str().unwrap()];
    let output = deployment.run(&arguments);
    assert!(!output.status.success());
    assert!(shape::check("ITI-41", &node.heard()) > 0);
}

/// Takes one request, keeps it, and hangs up.
struct Listening {
    port: u16,
    heard: std::thread::JoinHandle<Vec<u8>>,
}

impl Listening {
    fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let (mut heard, mut buffer) = (Vec::new(), [0; 8192]);
            // It ends by itself at the end of the envelope, or says nothing more.
            while !heard.windows(END.len()).any(|w| w == END) {
                match stream.read(&mut buffer) {
                    Ok(n @ 1..) => heard.extend_from_slice(&buffer[..n]),
                    Ok(_) | Err(_) => break,
                }
            }
            heard
        });
        Self { port, heard }
    }

    /// The envelope of the request.
    fn heard(self) -> String {
        let heard = String::from_utf8_lossy(&self.heard.join().unwrap()).into_owned();
        let start = heard.find("<s:Envelope").unwrap_or_else(|| panic!("no envelope: {heard}"));
        let end = heard.find("</s:Envelope>").unwrap() + END.len();
        heard[start..end].to_owned()
    }
}

const END: &[u8] = b"</s:Envelope>";

/// The records of one role; in one process of all.
fn recorded(deployment: &Deployment, role: Role) -> usize {
    let events = deployment.audit(role);
    events.iter().filter(|e| e["transport"] == "soap" && e["direction"] == "in").count()
}

enum Outcome {
    Success,
    Failure,
    Fault,
}

fn check(name: &str, answer: &Exchange) -> Outcome {
    let envelope = &answer.envelope;
    if let Some(reason) = answer.fault() {
        assert!((400..=500).contains(&answer.status), "{name}: HTTP {}", answer.status);
        assert!(answer.status < 500, "{name}: our own failure: {reason}");
        assert!(!reason.is_empty(), "{name}: {envelope}");
        shape::check(name, envelope);
        return Outcome::Fault;
    }
    assert_eq!(answer.status, 200, "{name}: {envelope}");
    shape::check(name, envelope);
    let status = answer.registry_status().unwrap_or_else(|| panic!("{name}: {envelope}"));
    if status.ends_with(":Success") {
        return Outcome::Success;
    }
    assert!(status.ends_with(":Failure") || status.ends_with(":PartialSuccess"), "{name}");
    let codes = answer.error_codes();
    assert!(!codes.is_empty() && codes.iter().all(|code| is_known(code)), "{name}: {envelope}");
    Outcome::Failure
}

/// A code of the standard's table. ITI TF-3: 4.2.4.1.
fn is_known(code: &str) -> bool {
    code.starts_with("XDS")
        || ["UnresolvedReferenceException", "InvalidDocumentContent", "DocumentQueued"]
            .contains(&code)
}

/// A message with the header it goes by.
struct Message {
    name: String,
    content_type: String,
    body: Vec<u8>,
}

impl Message {
    async fn send(&self, door: &Xds) -> Exchange {
        let sent = door.send(&self.content_type, self.body.clone()).await;
        sent.unwrap_or_else(|e| panic!("{}: no answer: {e}", self.name))
    }
}

/// Whatever is a request below a folder: raw HTTP messages, envelopes, and bare bodies, which get
/// an envelope of the action that they are for.
fn envelopes_and_bodies(folder: &Path) -> Vec<Message> {
    let mut messages = Vec::new();
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.display().to_string();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        match extension {
            "http" | "txt" => messages.extend(http_message(&name, &path, &bytes)),
            "xml" => messages.extend(xml_messages(&name, &bytes)),
            _ => {}
        }
    }
    messages
}

fn http_message(name: &str, path: &Path, bytes: &[u8]) -> Option<Message> {
    let message = |content_type: &str, body: &[u8]| Message {
        name: name.to_owned(),
        content_type: content_type.trim().to_owned(),
        body: body.to_vec(),
    };
    // A body whose headers are in a file beside it.
    let beside = path.to_str()?.replace(".body.", ".header.");
    if beside != path.to_str()? {
        let header = String::from_utf8_lossy(&std::fs::read(beside).ok()?).into_owned();
        return Some(message(&content_type(&header)?, bytes));
    }
    if let Some(rest) = bytes.strip_prefix(b"--") {
        let line = String::from_utf8_lossy(rest.split(|b| *b == b'\n').next()?).into_owned();
        let header = format!("multipart/related; boundary=\"{}\"", line.trim());
        return Some(message(&header, bytes));
    }
    if !bytes.starts_with(b"POST ") && !bytes.starts_with(b"HTTP/") {
        return None;
    }
    let ends = [&b"\r\n\r\n"[..], b"\n\n", b"\n \n"];
    let find =
        |end: &[u8]| bytes.windows(end.len()).position(|w| w == end).map(|at| (at, end.len()));
    let (at, length) = ends.into_iter().filter_map(find).min()?;
    let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
    let body = &bytes[at + length..];
    (!body.is_empty()).then(|| Some(message(&content_type(&head)?, body)))?
}

fn content_type(head: &str) -> Option<String> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-type"))?;
    Some(value.trim().to_owned())
}

fn xml_messages(name: &str, bytes: &[u8]) -> Vec<Message> {
    let Ok(text) = to_utf8(bytes) else { return Vec::new() };
    let message = |body: String| Message {
        name: name.to_owned(),
        content_type: SOAP.to_owned(),
        body: body.into_bytes(),
    };
    // Broken ones are sent as they are, as are envelopes.
    let Ok(tree) = Tree::read(&text, Limits::document()) else {
        return vec![message(text.into_owned())];
    };
    let root = tree.root();
    if root.local() == "Envelope" {
        return vec![message(text.into_owned())];
    }
    let body = &text[root.span()];
    let envelope = |action: &str| ENVELOPE.replace("{action}", action).replace("{body}", body);
    let actions = ACTIONS.iter().filter(|(local, _)| root.local() == *local);
    actions.map(|(_, action)| message(envelope(action))).collect()
}

/// What a body may be sent for, by its root.
const ACTIONS: [(&str, &str); 9] = [
    ("ProvideAndRegisterDocumentSetRequest", "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"),
    ("SubmitObjectsRequest", "urn:ihe:iti:2007:RegisterDocumentSet-b"),
    ("SubmitObjectsRequest", "urn:ihe:iti:2010:UpdateDocumentSet"),
    ("SubmitObjectsRequest", "urn:ihe:iti:2010:RegisterOnDemandDocumentEntry"),
    ("AdhocQueryRequest", "urn:ihe:iti:2007:RegistryStoredQuery"),
    ("AdhocQueryRequest", "urn:ihe:iti:2009:MultiPatientStoredQuery"),
    ("RetrieveDocumentSetRequest", "urn:ihe:iti:2007:RetrieveDocumentSet"),
    ("RemoveObjectsRequest", "urn:ihe:iti:2010:DeleteDocumentSet"),
    ("RemoveDocumentsRequest", "urn:ihe:iti:2017:RemoveDocuments"),
];

const SOAP: &str = "application/soap+xml; charset=UTF-8";
const ENVELOPE: &str = "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
    xmlns:wsa=\"http://www.w3.org/2005/08/addressing\"><s:Header>\
    <wsa:Action s:mustUnderstand=\"1\">{action}</wsa:Action>\
    <wsa:MessageID>urn:uuid:0a2d3c60-0000-4000-8000-000000000003</wsa:MessageID></s:Header>\
    <s:Body>{body}</s:Body></s:Envelope>";
