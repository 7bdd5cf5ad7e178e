//! The record of accesses, as the API gives it to those who look after it.

use carerecord_model::NhsNumber;
use http::header::ACCEPT;
use serde_json::Value;
use uuid::Uuid;

use super::outcome::{coded, issues};
use super::wire::{Bundle, list, text};
use super::{ApiClient, ApiError, Asker, FHIR_JSON, NHS_NUMBER, body, succeeded};

/// Whose accesses, or whose record, is looked for. Empty texts are not sent.
#[derive(Default)]
pub(crate) struct AccessQuestion {
    pub(crate) patient: Option<NhsNumber>,
    pub(crate) agent: String,
    pub(crate) organisation: String,
    pub(crate) document: String,
    pub(crate) correlation: String,
    /// The first day, as FHIR writes it.
    pub(crate) since: Option<String>,
    /// The link to a further page, as the API gave it: nothing else counts then.
    pub(crate) page: String,
}

/// Accesses, the newest first.
pub(crate) struct FoundAccesses {
    pub(crate) accesses: Vec<Access>,
    /// How many there are, where the API counted them.
    pub(crate) total: Option<u64>,
    /// What leads to the next page.
    pub(crate) next: Option<String>,
    /// Each log: its name, and whether it was searched.
    pub(crate) logs: Vec<(String, bool)>,
    /// What the API says besides.
    pub(crate) notes: Vec<String>,
}

/// One access.
pub(crate) struct Access {
    pub(crate) at: String,
    /// The name, else the id, of who acted; none for what nobody signed in for.
    pub(crate) who: Option<String>,
    /// Whether a person acted.
    pub(crate) is_person: bool,
    pub(crate) role: Option<String>,
    pub(crate) organisation: Option<String>,
    /// The network address at the other end.
    pub(crate) address: Option<String>,
    pub(crate) interaction: String,
    /// Whether the log's owner asked another, rather than being asked.
    pub(crate) sent: bool,
    /// 0, 4, 8 or 12.
    pub(crate) outcome: String,
    /// The rule that decided.
    pub(crate) rule: Option<String>,
    /// What the decision rests on: agreement and clause, consent model, relationship.
    pub(crate) basis: Vec<String>,
    pub(crate) patient: Option<NhsNumber>,
    /// How many documents it names.
    pub(crate) documents: usize,
    pub(crate) request: Option<String>,
    pub(crate) log: String,
    /// Milliseconds that the answer took.
    pub(crate) took_ms: Option<u64>,
}

impl ApiClient {
    /// Looks for accesses. Whom it is about goes by form, not by URL.
    pub(crate) async fn accesses(
        &self,
        asker: Asker<'_>,
        question: &AccessQuestion,
    ) -> Result<FoundAccesses, ApiError> {
        let answer = if question.page.is_empty() {
            let patient = question.patient.map(|n| format!("{NHS_NUMBER}|{}", n.digits()));
            let since = question.since.as_ref().map(|day| format!("ge{day}"));
            let all = [
                ("patient.identifier", patient.as_deref().unwrap_or_default()),
                ("agent.identifier", &question.agent),
                ("organisation", &question.organisation),
                ("entity.identifier", &question.document),
                ("correlation", &question.correlation),
                ("date", since.as_deref().unwrap_or_default()),
                ("_count", PAGE),
            ];
            let form: Vec<(&str, &str)> =
                all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
            let response = self.ask_search("AuditEvent/_search", asker, &form).await?;
            body::json(succeeded(response).await?).await?
        } else {
            let mut url = self.at("AuditEvent")?;
            url.query_pairs_mut().append_pair("_page", &question.page);
            let request = self.http.get(url).timeout(self.deadline).header(ACCEPT, FHIR_JSON);
            body::json(self.send(request, asker).await?).await?
        };
        FoundAccesses::read(answer)
    }
}

impl ApiClient {
    /// One access, by the id of its record.
    pub(crate) async fn access(&self, asker: Asker<'_>, id: Uuid) -> Result<Access, ApiError> {
        let url = self.at(&format!("AuditEvent/{id}"))?;
        let request = self.http.get(url).timeout(self.deadline).header(ACCEPT, FHIR_JSON);
        let resource = body::json(self.send(request, asker).await?).await?;
        // Findings and alerts have ids of the same kind, and pages of their own.
        Access::read(&resource).filter(|access| !access.log.is_empty()).ok_or(ApiError::NotFound)
    }
}

impl FoundAccesses {
    fn read(answer: Value) -> Result<Self, ApiError> {
        let total = answer["total"].as_u64();
        let next = list(&answer["link"]).iter().find(|link| link["relation"] == "next");
        let next = next.and_then(|link| link["url"].as_str()?.parse::<url::Url>().ok());
        let next = next.and_then(|url| {
            let page = url.query_pairs().find(|(name, _)| name == "_page");
            page.map(|(_, page)| page.into_owned())
        });
        let bundle = Bundle::read(answer)?;
        let (mut logs, mut notes) = (Vec::new(), Vec::new());
        for issue in bundle.resources("OperationOutcome").flat_map(issues) {
            let words = text(&issue["details"]["text"]).unwrap_or_default();
            match coded(issue, LOG_STATE) {
                Some(state) => logs.push((words, state == "answered")),
                None => notes.push(words),
            }
        }
        let accesses = bundle.resources("AuditEvent").filter_map(Access::read).collect();
        Ok(Self { accesses, total, next, logs, notes })
    }
}

impl Access {
    fn read(event: &Value) -> Option<Self> {
        let extension = |url: &str| list(&event["extension"]).iter().find(|e| e["url"] == url);
        let part = |whole: Option<&Value>, url: &str| {
            let parts = list(whole.map_or(&Value::Null, |whole| &whole["extension"])).to_vec();
            parts.into_iter().find(|e| e["url"] == url)
        };
        let agents = list(&event["agent"]);
        let code = |agent: &Value| text(&agent["type"]["coding"][0]["code"]).unwrap_or_default();
        let person = agents.iter().find(|agent| agent["requestor"] == true);
        let peer = agents.first();
        let identifier = |agent: &Value| text(&agent["who"]["identifier"]["value"]);
        let organisation = agents.iter().find(|agent| code(agent) == "PROV");
        let who = match person {
            Some(person) => text(&person["name"]).or_else(|| identifier(person)),
            None => peer.and_then(identifier).filter(|id| id != "unknown"),
        };
        let entities = list(&event["entity"]);
        let of = |kind: &'static str| entities.iter().filter(move |e| e["type"]["code"] == kind);
        let value = |entity: &Value| text(&entity["what"]["identifier"]["value"]);
        Some(Self {
            at: text(&event["recorded"])?,
            who,
            is_person: person.is_some(),
            role: person.and_then(|p| {
                let coding = &p["role"][0]["coding"][0];
                text(&coding["display"]).or_else(|| text(&coding["code"]))
            }),
            organisation: organisation
                .and_then(|o| text(&o["who"]["display"]).or_else(|| identifier(o))),
            address: peer.and_then(|peer| text(&peer["network"]["address"])),
            interaction: extension(INTERACTION)
                .and_then(|e| text(&e["valueString"]))
                .unwrap_or_default(),
            sent: part(extension(MESSAGE), "direction").is_some_and(|e| e["valueCode"] == "out"),
            outcome: text(&event["outcome"]).unwrap_or_default(),
            rule: part(extension(DECISION), "rule").and_then(|e| text(&e["valueCode"])),
            basis: list(extension(DECISION).map_or(&Value::Null, |whole| &whole["extension"]))
                .iter()
                .filter(|e| e["url"] == "basis")
                .filter_map(|e| text(&e["valueString"]))
                .collect(),
            patient: of("1").find_map(value).and_then(|digits| digits.parse().ok()),
            documents: of("2").filter(|e| e["role"]["code"] == "3").count(),
            request: of("XrequestId").find_map(value),
            log: extension(LOG).and_then(|e| text(&e["valueString"])).unwrap_or_default(),
            took_ms: part(extension(MESSAGE), "duration-ms")
                .and_then(|e| e["valueUnsignedInt"].as_u64()),
        })
    }
}

/// Accesses on a page.
const PAGE: &str = "50";
const LOG_STATE: &str = "urn:carerecord:log-state";
const LOG: &str = "urn:carerecord:log";
const INTERACTION: &str = "urn:carerecord:interaction";
const MESSAGE: &str = "urn:carerecord:message";
const DECISION: &str = "urn:carerecord:decision";
