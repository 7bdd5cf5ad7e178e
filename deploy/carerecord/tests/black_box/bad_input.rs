use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use carerecord_model::{AssociationType, LocalizedString, ObjectId, Submission};
use carerecord_testkit::submission::Builder;
use carerecord_testkit::{
    Deployment, Exchange, NODES, Process, Role, SOAP, Xds, corpus, envelope, files,
    register_message,
};
use tokio::task::JoinSet;

/// Whatever comes in by the registry's address: it is refused by a fault or by registry errors that
/// say why, leaves one record, costs no memory that stays, and does not hold up a good source.
pub async fn nothing_sent_to_the_registry_hurts_it(deployment: Deployment) {
    let registry = deployment.registry();
    let good = Good::start(registry.clone());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let quiet = good.so_far();
    let before = recorded(&deployment);
    let mut cases = malformed();
    cases.extend(odd_envelopes());
    cases.extend(truncated());
    cases.extend(of_the_corpus());
    cases.extend(large());
    let mut sent = send_all(&registry, &cases).await;
    let process = deployment.process(Role::Registry);
    let (first, peak) = (memory(process), process.peak_memory_kib());
    for _ in 0..2 {
        sent += send_all(&registry, &large()).await;
    }
    let (last, last_peak) = (memory(process), process.peak_memory_kib());

    let good = good.stop().await;
    println!("{sent} messages; good source {good:?}, before them {quiet:?}");
    println!("memory {first} KiB, again {last} KiB; peak {peak} KiB, again {last_peak} KiB");
    let grown = recorded(&deployment) - before;
    assert_eq!(grown, sent, "one record of each message");
    assert!(good.slowest < SLOWEST, "a good source waited: {good:?}, before: {quiet:?}");
    assert!(last < first + GROWTH_KIB, "memory grew from {first} to {last} KiB");
    assert!(last_peak < peak + GROWTH_KIB, "peak memory grew from {peak} to {last_peak} KiB");
    assert!(last_peak < MOST_KIB, "{last_peak} KiB");
    deployment.assert_no_panic();
}

struct Case {
    name: String,
    content_type: String,
    body: Vec<u8>,
    expected: Expected,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    /// A fault: HTTP status, and code or subcode.
    Fault(u16, &'static str),
    /// A response whose errors are all of this code.
    Errors(&'static str),
    /// It is good.
    Success,
    /// A fault or a failure of whatever code.
    Refused,
}

fn case(name: &str, body: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case { name: name.to_owned(), content_type: SOAP.to_owned(), body: body.into(), expected }
}

/// How many were sent; each was answered as expected.
async fn send_all(registry: &Xds, cases: &[Case]) -> usize {
    let mut wrong = Vec::new();
    for case in cases {
        let begun = Instant::now();
        let answer = registry.send(&case.content_type, case.body.clone()).await;
        let answer = answer.unwrap_or_else(|e| panic!("{}: no answer: {e}", case.name));
        if !is_as_expected(case.expected, &answer) {
            let said: String = answer.envelope.chars().take(900).skip(450).collect();
            wrong
                .push(format!("{}: {:?}: HTTP {} {said}", case.name, case.expected, answer.status));
        }
        let took = begun.elapsed();
        if took > Duration::from_millis(500) {
            println!("{}: {} KiB, {took:?}", case.name, case.body.len() / 1024);
        }
        assert!(took < ANSWERED, "{}: {took:?}", case.name);
    }
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(5)]);
    cases.len()
}

fn is_as_expected(expected: Expected, answer: &Exchange) -> bool {
    let fault = |status, code| {
        answer.status == status
            && answer.fault().is_some()
            && answer.envelope.contains(&format!(":{code}</"))
    };
    let failed = || {
        let status = (answer.status == 200).then(|| answer.registry_status()).flatten();
        status.is_some_and(|s| s.ends_with(":Failure")) && !answer.error_codes().is_empty()
    };
    answer.content_type.starts_with("application/soap+xml")
        && !answer.envelope.contains("root:")
        && match expected {
            Expected::Fault(status, code) => fault(status, code),
            Expected::Errors(code) => failed() && answer.error_codes().iter().all(|c| c == code),
            Expected::Refused => failed() || (answer.status == 400 && answer.fault().is_some()),
            Expected::Success => answer.is_success(),
        }
}

/// Not XML, not the XML that we read, or not in its HTTP message.
fn malformed() -> Vec<Case> {
    let good = register_message(&Builder::default().document());
    let sender = Expected::Fault(400, "Sender");
    let put = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let entity = |dtd: &str| format!("<!DOCTYPE x [{dtd}]>{}", put("Letter", "&a;"));
    let laughs: String = (1..20)
        .map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)))
        .collect();
    let nested = |n: usize| envelope(REGISTER, &("<a>".repeat(n) + &"</a>".repeat(n)));
    let attributes = |n: usize| -> String { (0..n).map(|i| format!(" a{i}=\"\"")).collect() };
    let prefixes =
        |n: usize| -> String { (0..n).map(|i| format!(" xmlns:p{i}=\"u:{i}\"")).collect() };
    let mut cases = vec![
        case("nothing", "", sender),
        case("no XML", "hello", sender),
        case("a document type", format!("<!DOCTYPE x>{good}"), sender),
        case("a file as an entity", entity("<!ENTITY a SYSTEM \"file:///etc/passwd\">"), sender),
        case(
            "a parameter entity",
            entity("<!ENTITY % p SYSTEM \"http://127.0.0.1:1/\"> %p;"),
            sender,
        ),
        case(
            "a billion laughs",
            entity(&format!("<!ENTITY a0 \"ha\">{laughs}<!ENTITY a \"&a19;\">")),
            sender,
        ),
        case("an entity that nothing declares", put("Letter", "&a;"), sender),
        case("NUL", put("Letter", "Let\0ter"), sender),
        case("a reference to NUL", put("Letter", "&#0;"), sender),
        case("a reference to half a character", put("Letter", "&#xD800;"), sender),
        case("128 levels and more", nested(200), sender),
        case("a hundred thousand levels", nested(100_000), sender),
        case("levels without an end", envelope(REGISTER, &"<a>".repeat(1_000_000)), sender),
        case(
            "40,000 attributes",
            envelope(REGISTER, &format!("<a{}/>", attributes(40_000))),
            sender,
        ),
        case("10,000 prefixes", envelope(REGISTER, &format!("<a{}/>", prefixes(10_000))), sender),
        case("an attribute twice", put("id=\"set\"", "id=\"set\" id=\"set\""), sender),
        case("an attribute of a MiB", put("Letter", &"x".repeat(1 << 20)), sender),
        case(
            "16 MiB and more",
            put("Letter", &"x".repeat(17 << 20)),
            Expected::Fault(413, "Sender"),
        ),
    ];
    for bad in [&b"\xff"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80"] {
        let at = good.find("Letter").unwrap();
        let body = [&good.as_bytes()[..at], bad, &good.as_bytes()[at..]].concat();
        cases.push(case(&format!("no UTF-8: {bad:x?}"), body, sender));
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    cases.push(case("UTF-16 that does not say so", utf16, Expected::Success));
    for other in ["", "text/plain", "application/x-www-form-urlencoded", "application/json", "*"] {
        let content_type = other.to_owned();
        cases.push(Case {
            content_type,
            ..case(&format!("sent as {other:?}"), good.clone(), sender)
        });
    }
    cases
}

/// XML that is not the SOAP message that it should be.
fn odd_envelopes() -> Vec<Case> {
    let good = register_message(&Builder::default().document());
    let sender = Expected::Fault(400, "Sender");
    let put = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let soap11 = "http://schemas.xmlsoap.org/soap/envelope/";
    let soap12 = "http://www.w3.org/2003/05/soap-envelope";
    let action = format!("<wsa:Action s:mustUnderstand=\"1\">{REGISTER}</wsa:Action>");
    let header = |more: &str| put("</s:Header>", &format!("{more}</s:Header>"));
    let elsewhere = "<wsa:ReplyTo><wsa:Address>http://127.0.0.1:1/</wsa:Address></wsa:ReplyTo>";
    let unknown = Expected::Fault(400, "ActionNotSupported");
    vec![
        case("SOAP 1.1", put(soap12, soap11), Expected::Fault(400, "VersionMismatch")),
        case(
            "no action",
            put(&action, ""),
            Expected::Fault(400, "MessageAddressingHeaderRequired"),
        ),
        case("two actions", header(&action), Expected::Fault(400, "InvalidAddressingHeader")),
        case("an unknown action", put(REGISTER, "urn:x"), unknown),
        case(
            "the repository's action",
            put(REGISTER, "urn:ihe:iti:2007:RetrieveDocumentSet"),
            unknown,
        ),
        case(
            "an unknown header",
            header("<x s:mustUnderstand=\"1\"/>"),
            Expected::Fault(400, "MustUnderstand"),
        ),
        case(
            "an answer elsewhere",
            header(elsewhere),
            Expected::Fault(400, "OnlyAnonymousAddressSupported"),
        ),
        case("another body", envelope(REGISTER, "<x/>"), sender),
        case("no body", envelope(REGISTER, ""), sender),
        case("two bodies", envelope(REGISTER, "<x/><x/>"), sender),
        case(
            "a query as a registration",
            put(REGISTER, "urn:ihe:iti:2007:RegistryStoredQuery"),
            sender,
        ),
        case("no envelope", "<x/>", sender),
        case("more behind it", format!("{good}<x/>"), sender),
    ]
}

/// A good message, cut off.
fn truncated() -> Vec<Case> {
    let good = register_message(&Builder::default().document());
    let cut = |n: usize| {
        case(&format!("cut off after {n}"), &good.as_bytes()[..n], Expected::Fault(400, "Sender"))
    };
    (1..good.len()).step_by(29).map(cut).collect()
}

/// Documents and broken files of others, none of which is a message for a registry.
fn of_the_corpus() -> Vec<Case> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let mut cases = Vec::new();
    for folder in ["cda", "saml", "hl7v2"] {
        for file in files(&corpus.join(folder)) {
            let bytes = std::fs::read(&file).unwrap();
            if bytes.len() < 1 << 20 {
                cases.push(case(&file.display().to_string(), bytes, Expected::Refused));
            }
        }
    }
    assert!(cases.len() > 100, "{} files", cases.len());
    cases
}

/// As large as a message may be, of many small parts.
fn large() -> Vec<Case> {
    let mut b = Builder::of(PATIENT);
    let metadata = Expected::Errors("XDSRegistryMetadataError");
    let mut cases = Vec::new();
    let mut with =
        |name: &str, expected: Expected, change: &dyn Fn(&mut Builder, &mut Submission)| {
            let mut s = b.document();
            change(&mut b, &mut s);
            cases.push(case(name, register_message(&s), expected));
        };
    let member = |b: &mut Builder, s: &Submission, target: &ObjectId| {
        b.association(AssociationType::HasMember, &s.submission_set.entry_uuid, target)
    };
    with("an id twice", metadata, &|b, s| {
        let id = s.document_entries[0].entry_uuid.clone();
        let mut folder = b.folder();
        folder.entry_uuid = id;
        s.folders.push(folder);
    });
    with("100,000 slots of one name", metadata, &|_, s| add_slots(s, |_| "urn:example:one".into()));
    with("100,000 slots", metadata, &|_, s| add_slots(s, |n| format!("urn:x:{n}")));
    with("50,000 members, all the same", metadata, &|b, s| {
        let id = s.document_entries[0].entry_uuid.clone();
        s.associations.extend((0..50_000).map(|_| member(b, s, &id)).collect::<Vec<_>>());
    });
    with("50,000 members that are nowhere", metadata, &|b, s| {
        let nowhere =
            |n: u32| format!("urn:uuid:aaaaaaaa-0000-4000-8000-{n:012x}").parse().unwrap();
        s.associations.extend((0..50_000).map(|n| member(b, s, &nowhere(n))).collect::<Vec<_>>());
    });
    with(
        "15,000 members that are nowhere",
        Expected::Errors("UnresolvedReferenceException"),
        &|b, s| {
            let nowhere =
                |n: u32| format!("urn:uuid:aaaaaaaa-0000-4000-8000-{n:012x}").parse().unwrap();
            let mut refer = |n| {
                let mut a = member(b, s, &nowhere(n));
                a.submission_set_status = Some(carerecord_model::SubmissionSetStatus::Reference);
                a
            };
            let all: Vec<_> = (0..12_000).map(&mut refer).collect();
            s.associations.extend(all);
        },
    );
    with("15,000 relations to itself", metadata, &|b, s| {
        let id = s.document_entries[0].entry_uuid.clone();
        (0..12_000).for_each(|_| b.relate(s, AssociationType::Append, &id, &id));
    });
    with("50,000 relations to itself", metadata, &|b, s| {
        let id = s.document_entries[0].entry_uuid.clone();
        (0..50_000).for_each(|_| b.relate(s, AssociationType::Append, &id, &id));
    });
    with("2,000 documents without a set", metadata, &|b, s| {
        s.document_entries.extend((0..2_000).map(|_| b.entry()));
    });
    with("10,000 titles", metadata, &|_, s| {
        s.document_entries[0].title = vec![LocalizedString::new("x".repeat(500)); 10_000];
    });
    with("a uniqueId of 60 KiB", metadata, &|_, s| {
        s.document_entries[0].source_patient_id = Some("9".repeat(60_000));
    });
    with("an author of 10 MiB", metadata, &|_, s| {
        s.document_entries[0].source_patient_info = vec!["PID-5|x".repeat(1_500_000)];
    });
    cases
}

fn add_slots(s: &mut Submission, name: impl Fn(usize) -> String) {
    let slot = |n| carerecord_model::Slot { name: name(n), values: vec!["x".into()] };
    s.document_entries[0].extra.slots.extend((0..100_000).map(slot));
}

/// A source that does nothing wrong: it registers a document and finds it, again and again.
struct Good {
    stop: Arc<AtomicBool>,
    seen: Arc<std::sync::Mutex<Seen>>,
    task: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    asked: usize,
    slowest: Duration,
}

impl Good {
    fn start(registry: Xds) -> Self {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut task = JoinSet::new();
        task.spawn(Self::run(registry, stop.clone(), Arc::clone(&seen)));
        Self { stop, seen, task }
    }

    async fn run(registry: Xds, stop: Arc<AtomicBool>, seen: Arc<std::sync::Mutex<Seen>>) {
        let mut b = Builder::of(GOOD_PATIENT);
        let mut documents = 0;
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let mut s = b.document();
            // One that the caller may see.
            s.document_entries[0].repository_unique_id = Some(NODES[0].0.parse().unwrap());
            let taken = registry.register(&s).await.unwrap();
            assert!(taken.is_success(), "{}", taken.envelope);
            documents += 1;
            let (_, found) = registry.find_documents(GOOD_NUMBER).await.unwrap();
            assert_eq!(found.len(), documents, "what is registered is found at once");
            {
                let mut seen = seen.lock().unwrap();
                seen.asked += 2;
                seen.slowest = seen.slowest.max(begun.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn so_far(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    async fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.task.join_next().await.unwrap().unwrap();
        *self.seen.lock().unwrap()
    }
}

fn memory(process: &Process) -> u64 {
    Process::memory_kib_of(process.id()).unwrap()
}

/// The records of everything but the good source.
fn recorded(deployment: &Deployment) -> usize {
    let events = deployment.audit(Role::Registry);
    let of_others = |event: &&serde_json::Value| event["subject"] != GOOD_NUMBER;
    events.iter().filter(|event| event["transport"] == "soap").filter(of_others).count()
}

const REGISTER: &str = "urn:ihe:iti:2007:RegisterDocumentSet-b";
const PATIENT: &str = "9990001022^^^&2.16.840.1.113883.2.1.4.1&ISO";
const GOOD_PATIENT: &str = "9990001030^^^&2.16.840.1.113883.2.1.4.1&ISO";
const GOOD_NUMBER: &str = "9990001030";
/// In a build without optimisation, on a machine with other work.
const ANSWERED: Duration = Duration::from_secs(60);
const SLOWEST: Duration = Duration::from_secs(30);
const GROWTH_KIB: u64 = 48 << 10;
const MOST_KIB: u64 = 384 << 10;
