//! Asks, keeps what comes back whole, and holds it against what comes back where nothing is hidden.

use std::collections::HashMap;
use std::sync::Mutex;

use carerecord_testkit::{Deployment, NODES, Role};
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use uuid::Uuid;

use super::world::{SECRET, WITH, WITHOUT};

/// What an attempt must leave in the record of accesses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// That something was withheld or refused.
    Refusal,
    /// That somebody asked.
    Attempt,
}

pub struct Asker {
    http: reqwest::Client,
    asked: Mutex<Vec<(String, String, Recorded)>>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asker {
    pub fn new() -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { http, asked: Mutex::default() }
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Sends it under an id that the record must know.
    pub async fn ask(
        &self,
        what: &str,
        request: reqwest::RequestBuilder,
        recorded: Recorded,
    ) -> Answer {
        let number = self.asked.lock().unwrap().len() as u128;
        let id = Uuid::from_u128(0x5eed_0000_0000_4000_8000_0000_0000_0000 + number).to_string();
        self.asked.lock().unwrap().push((id.clone(), what.to_owned(), recorded));
        let answer = request.header("x-request-id", id).send().await.unwrap();
        let status = answer.status().as_u16();
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut headers: Vec<(String, String)> = answer.headers().iter().map(header).collect();
        headers.retain(|(name, _)| !VARYING.contains(&name.as_str()));
        headers.sort();
        let body = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
        Answer { status, headers, body }
    }

    /// Each attempt is in the record, with the refusal where there was one.
    pub fn check_record(&self, deployment: &Deployment) {
        let mut events: HashMap<String, Vec<Value>> = HashMap::new();
        let nodes = (0..NODES.len()).map(Role::Node);
        let roles: Vec<Role> = [Role::Registry, Role::Portal].into_iter().chain(nodes).collect();
        let roles = if deployment.is_apart() { &roles[..] } else { &roles[..1] };
        for event in roles.iter().flat_map(|role| deployment.audit(*role)) {
            let id = event["request_id"].as_str().unwrap_or_default().to_owned();
            events.entry(id).or_default().push(event);
        }
        for (id, what, recorded) in self.asked.lock().unwrap().iter() {
            let of = events.get(id).map(Vec::as_slice).unwrap_or_default();
            assert!(!of.is_empty(), "{what} is not in the record");
            let refused = |e: &Value| {
                e["withheld"] != 0
                    || e["decision"]["outcome"] == "deny"
                    || e["outcome"] == "refused"
            };
            assert!(
                *recorded == Recorded::Attempt || of.iter().any(refused),
                "{what}: the record does not say that anything was refused: {of:?}"
            );
        }
    }
}

impl Answer {
    /// Nothing that is hidden stands in it.
    pub fn assert_silent(&self, what: &str) {
        let all = format!("{:?} {}", self.headers, self.body).to_lowercase();
        for word in [SECRET, "termination"] {
            assert!(!all.contains(word), "{what}: {word} in {all}");
        }
    }

    /// The same as another, but for ids and times.
    pub fn assert_like(&self, absent: &Self, what: &str) {
        self.assert_silent(what);
        assert_eq!(self.status, absent.status, "{what}: {}\n{}", self.body, absent.body);
        let headers = |a: &Self| -> Vec<String> {
            a.headers.iter().map(|(n, v)| format!("{n}: {}", without_ids(v))).collect()
        };
        assert_eq!(headers(self), headers(absent), "{what}");
        let (own, other) = (pieces(&self.body), pieces(&absent.body));
        let lacks = |one: &[String], two: &[String]| -> Vec<String> {
            let mut rest = two.to_vec();
            let mut lacking = Vec::new();
            for piece in one {
                match rest.iter().position(|p| p == piece) {
                    Some(at) => drop(rest.swap_remove(at)),
                    None => lacking.push(piece.clone()),
                }
            }
            lacking
        };
        let more = (lacks(&own, &other), lacks(&other, &own));
        assert!(own == other, "{what}: differs in {more:?}\n{}\n{}", self.body, absent.body);
    }
}

/// The pieces of an answer in no order: objects of equal time come in that of their ids.
fn pieces(body: &str) -> Vec<String> {
    let text = without_ids(body);
    let split = text.split_inclusive(['<', ',', '\n']);
    let mut pieces: Vec<String> = split.map(|p| without_latency(p.trim_end_matches(','))).collect();
    pieces.sort();
    pieces
}

/// How long a source took, when it was asked and when a page was made is another each time.
fn without_latency(piece: &str) -> String {
    let is_seconds = piece.trim_end_matches(['<', '\n', ' ']).ends_with(" seconds");
    let took = is_seconds
        || piece.contains("valueInteger")
        || piece.contains("Asked at ")
        || piece.contains(">Printed ");
    let digit = |c: &char| !(took && (c.is_ascii_digit() || *c == '.'));
    // A source that is quick took "under 0.1 seconds".
    let piece = if is_seconds { &piece.replace("under ", "") } else { piece };
    piece.chars().filter(digit).collect()
}

/// Puts words in place of ids, hashes and times, each kind in its own.
pub fn without_ids(text: &str) -> String {
    let mut text = text.to_owned();
    for side in [WITH, WITHOUT] {
        let p = side.patient;
        let spaced = format!("{} {} {}", &p[..3], &p[3..6], &p[6..]);
        for form in [p.to_owned(), spaced.clone(), spaced.replace(' ', "&nbsp;")] {
            text = text.replace(&form, "PERSON");
        }
    }
    let mut out = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        // A run of what ids and times are made of.
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"-.:_+%".contains(b);
        let length = bytes[at..].iter().take_while(|b| is_part(b)).count();
        if length == 0 {
            let c = text[at..].chars().next().unwrap();
            out.push(c);
            at += c.len_utf8();
            continue;
        }
        out.push_str(&kind(&text[at..at + length]));
        at += length;
    }
    out
}

fn kind(word: &str) -> String {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    let (head, tail) = word.split_at(word.len().saturating_sub(36));
    if tail.len() == 36 && Uuid::try_parse(tail).is_ok() {
        return format!("{head}ID");
    }
    // An element is named by the id of its document and its place in it.
    if let Some((of, place)) = word.rsplit_once('-')
        && of.len() == 32
        && Uuid::try_parse(of).is_ok()
    {
        return format!("ELEMENT-{place}");
    }
    let is_time = |w: &str| w.len() >= 8 && w.starts_with("20") && digits >= 8;
    // A search that is sealed is another text each time.
    if word.len() >= SEALED && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    {
        "SEALED".to_owned()
    } else if hex && word.len() >= 40 {
        "HASH".to_owned()
    } else if ["1.2.42.20.", "2.999.826.9.7."].iter().any(|root| word.contains(root)) {
        "OID".to_owned()
    } else if is_time(word) && word.chars().all(|c| c.is_ascii_digit() || "-:.TZ+".contains(c)) {
        "TIME".to_owned()
    } else {
        word.to_owned()
    }
}

/// Characters that a link to a page has at least.
const SEALED: usize = 120;
/// Of each answer another, whatever it says.
const VARYING: [&str; 6] =
    ["date", "last-modified", "x-request-id", "content-length", "set-cookie", "retry-after"];
