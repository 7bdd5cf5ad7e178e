//! How feeds and nodes do.

use serde_json::{Value, json};

use super::outcome::{coded, issues};
use super::wire::{list, text};
use super::{ApiClient, ApiError, Asker, body};

/// All of it.
#[derive(Default)]
pub(crate) struct FeedsOverview {
    pub(crate) feeds: Vec<Feed>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) nodes: Vec<NodeHealth>,
    /// Source, attribute, code, scheme, uses.
    pub(crate) unmapped: Vec<(String, String, String, String, u64)>,
    /// Repository, attribute, how many lack it, of how many.
    pub(crate) missing: Vec<(String, String, u64, u64)>,
    /// What could not be counted, in words.
    pub(crate) notes: Vec<String>,
    pub(crate) since: String,
    pub(crate) until: String,
}

/// What a system sends to a role.
pub(crate) struct Feed {
    pub(crate) name: Option<String>,
    pub(crate) system: String,
    pub(crate) organisation: Option<String>,
    pub(crate) transaction: String,
    pub(crate) to: String,
    pub(crate) late: bool,
    pub(crate) every_hours: Option<u64>,
    pub(crate) last_taken: Option<String>,
    /// Day, taken, not taken.
    pub(crate) days: Vec<(String, u64, u64)>,
}

/// Messages that were not taken for one reason.
pub(crate) struct Refusal {
    pub(crate) system: String,
    pub(crate) transaction: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    pub(crate) count: u64,
    /// When, and the id of the request.
    pub(crate) examples: Vec<(String, Option<String>)>,
    /// Requests whose submissions can be tried again.
    pub(crate) again: Vec<String>,
    /// Until when the first of them can.
    pub(crate) until: Option<String>,
}

/// What came of trying submissions again.
#[derive(Default)]
pub(crate) struct TriedAgain {
    pub(crate) registered: usize,
    /// The reasons of those that were refused again.
    pub(crate) refused: Vec<String>,
    pub(crate) gone: usize,
    pub(crate) not_asked: usize,
}

/// How a node does.
pub(crate) struct NodeHealth {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) latency_ms: u64,
    pub(crate) last_good: Option<String>,
}

impl ApiClient {
    /// How feeds and nodes do.
    pub(crate) async fn feeds(&self, asker: Asker<'_>) -> Result<FeedsOverview, ApiError> {
        let request = self.http.get(self.at("$feeds")?).timeout(self.deadline);
        let answer = body::json(self.send(request, asker).await?).await?;
        if answer["resourceType"] != "Parameters" {
            return Err(ApiError::Answer);
        }
        let mut all = FeedsOverview::default();
        for parameter in list(&answer["parameter"]) {
            all.add(parameter);
        }
        Ok(all)
    }
}

impl ApiClient {
    /// Has the submissions of these requests tried again.
    pub(crate) async fn try_again(
        &self,
        asker: Asker<'_>,
        requests: &[String],
    ) -> Result<TriedAgain, ApiError> {
        let named = requests.iter().map(|id| json!({"name": "request", "valueString": id}));
        let answer = self.operate("$try-again", asker, named.collect()).await?;
        let mut tried = TriedAgain::default();
        for one in list(&answer["parameter"]).iter().filter(|p| p["name"] == "tried") {
            match part(one, "outcome").and_then(|part| part["valueCode"].as_str()) {
                Some("registered") => tried.registered += 1,
                Some("refused") => tried.refused.extend(words(one, "reason")),
                Some("gone") => tried.gone += 1,
                Some(_) | None => tried.not_asked += 1,
            }
        }
        Ok(tried)
    }
}

impl FeedsOverview {
    fn add(&mut self, p: &Value) {
        match p["name"].as_str().unwrap_or_default() {
            "since" => self.since = text(&p["valueInstant"]).unwrap_or_default(),
            "until" => self.until = text(&p["valueInstant"]).unwrap_or_default(),
            "feed" => self.feeds.extend(Feed::read(p)),
            "refusal" => self.refusals.extend(Refusal::read(p)),
            "node" => self.nodes.extend(NodeHealth::read(p)),
            "unmapped" => self.unmapped.extend(unmapped(p)),
            "missing" => self.missing.extend(missing(p)),
            "outcome" => {
                let notes = issues(&p["resource"]).into_iter().filter(|issue| {
                    coded(issue, LOG_STATE).is_none_or(|state| state != "answered")
                });
                self.notes.extend(notes.filter_map(|issue| text(&issue["details"]["text"])));
            }
            _ => {}
        }
    }
}

impl Feed {
    fn read(p: &Value) -> Option<Self> {
        let days = list(&p["part"]).iter().filter(|part| part["name"] == "day");
        let day = |day: &Value| {
            let date = text(&part(day, "date")?["valueDate"])?;
            let refused = number(day, "refused")? + number(day, "failed")?;
            Some((date, number(day, "taken")?, refused))
        };
        Some(Self {
            name: words(p, "name"),
            system: words(p, "system")?,
            organisation: words(p, "organisation"),
            transaction: words(p, "transaction")?,
            to: words(p, "to")?,
            late: part(p, "late").is_some_and(|part| part["valueBoolean"] == true),
            every_hours: number(p, "every-hours"),
            last_taken: part(p, "last-taken").and_then(|part| text(&part["valueInstant"])),
            days: days.filter_map(day).collect(),
        })
    }
}

impl Refusal {
    fn read(p: &Value) -> Option<Self> {
        let examples = list(&p["part"]).iter().filter(|part| part["name"] == "example");
        let example = |e: &Value| {
            let at = text(&part(e, "at")?["valueInstant"])?;
            Some((at, words(e, "request")))
        };
        Some(Self {
            system: words(p, "system")?,
            transaction: words(p, "transaction")?,
            to: words(p, "to")?,
            reason: words(p, "reason")?,
            count: number(p, "count")?,
            examples: examples.filter_map(example).collect(),
            again: list(&p["part"])
                .iter()
                .filter(|part| part["name"] == "again")
                .filter_map(|part| text(&part["valueString"]))
                .collect(),
            until: part(p, "again-until").and_then(|part| text(&part["valueInstant"])),
        })
    }
}

impl NodeHealth {
    fn read(p: &Value) -> Option<Self> {
        Some(Self {
            id: words(p, "id")?,
            name: words(p, "name")?,
            state: part(p, "state").and_then(|part| text(&part["valueCode"]))?,
            latency_ms: number(p, "latency-ms")?,
            last_good: part(p, "last-good").and_then(|part| text(&part["valueInstant"])),
        })
    }
}

fn unmapped(p: &Value) -> Option<(String, String, String, String, u64)> {
    let of = |name: &str| words(p, name);
    Some((of("source")?, of("attribute")?, of("code")?, of("scheme")?, number(p, "uses")?))
}

fn missing(p: &Value) -> Option<(String, String, u64, u64)> {
    let of = |name: &str| words(p, name);
    Some((of("repository")?, of("attribute")?, number(p, "missing")?, number(p, "of")?))
}

fn part<'v>(p: &'v Value, name: &str) -> Option<&'v Value> {
    list(&p["part"]).iter().find(|part| part["name"] == name)
}

fn words(p: &Value, name: &str) -> Option<String> {
    part(p, name).and_then(|part| text(&part["valueString"]))
}

fn number(p: &Value, name: &str) -> Option<u64> {
    part(p, name).and_then(|part| part["valueUnsignedInt"].as_u64())
}

const LOG_STATE: &str = "urn:carerecord:log-state";
