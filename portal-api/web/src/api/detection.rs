//! What rules have found in the record of accesses.

use carerecord_model::NhsNumber;
use serde_json::{Value, json};
use uuid::Uuid;

use super::overrides::{AlertNote, REVIEW};
use super::wire::{Bundle, list, text};
use super::{ApiClient, ApiError, Asker, body};

/// Some findings, and the one after which there are more.
pub(crate) struct Findings {
    pub(crate) findings: Vec<Finding>,
    pub(crate) next: Option<Uuid>,
}

/// A finding as a reviewer sees it.
pub(crate) struct Finding {
    pub(crate) id: Uuid,
    /// What people call the rule.
    pub(crate) rule: String,
    pub(crate) due: String,
    pub(crate) overdue: bool,
    pub(crate) state: String,
    /// Who acted: name, role and organisation, as codes.
    pub(crate) by: String,
    pub(crate) role: String,
    pub(crate) organisation: String,
    pub(crate) patient: Option<NhsNumber>,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) count: u64,
    /// Records of accesses that it rests on.
    pub(crate) records: Vec<Uuid>,
    pub(crate) notes: Vec<AlertNote>,
}

/// How many findings there are.
#[derive(Default)]
pub(crate) struct FindingCounts {
    /// By state, and `overdue`.
    pub(crate) states: Vec<(String, u64)>,
    /// Of each rule, how many are open: id, name, count.
    pub(crate) rules: Vec<(String, String, u64)>,
}

/// What a run of the rules did.
pub(crate) struct DetectionRun {
    pub(crate) records: u64,
    pub(crate) new: u64,
    /// Names of the logs that could not be gone through, and what else the API says.
    pub(crate) notes: Vec<String>,
}

impl ApiClient {
    /// Findings of a rule, or of all, with these parameters, after one.
    pub(crate) async fn findings(
        &self,
        asker: Asker<'_>,
        rule: &str,
        which: &[(&str, &str)],
        before: Option<Uuid>,
    ) -> Result<Findings, ApiError> {
        let mut url = self.at("AuditEvent")?;
        let kind = format!("{TYPE}|{rule}");
        url.query_pairs_mut().append_pair("type", &kind).extend_pairs(which);
        if let Some(before) = before {
            url.query_pairs_mut().append_pair("before", &before.to_string());
        }
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let answer = body::json(response).await?;
        let links = list(&answer["link"]).iter();
        let next = links.filter(|link| link["relation"] == "next").find_map(|link| {
            let url: url::Url = link["url"].as_str()?.parse().ok()?;
            let (_, before) = url.query_pairs().find(|(name, _)| name == "before")?;
            before.parse().ok()
        });
        let bundle = Bundle::read(answer)?;
        let findings = bundle.resources("AuditEvent").filter_map(Finding::read).collect();
        Ok(Findings { findings, next })
    }

    /// How many of them stand how.
    pub(crate) async fn finding_counts(&self, asker: Asker<'_>) -> Result<FindingCounts, ApiError> {
        let url = self.at("AuditEvent/$statistics")?;
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let answer = body::json(response).await?;
        let mut counts = FindingCounts::default();
        for parameter in list(&answer["parameter"]) {
            let part = |name: &str| list(&parameter["part"]).iter().find(|p| p["name"] == name);
            let code = part("code").and_then(|p| text(&p["valueCode"]));
            let count = part("count").and_then(|p| p["valueUnsignedInt"].as_u64());
            let (Some(code), Some(count)) = (code, count) else { continue };
            match parameter["name"].as_str() {
                Some("finding") => counts.states.push((code, count)),
                Some("finding-rule") => {
                    let name = part("name").and_then(|p| text(&p["valueString"]));
                    counts.rules.push((code.clone(), name.unwrap_or(code), count));
                }
                Some(_) | None => {}
            }
        }
        Ok(counts)
    }

    /// One of them.
    pub(crate) async fn finding(&self, asker: Asker<'_>, id: Uuid) -> Result<Finding, ApiError> {
        let url = self.at(&format!("AuditEvent/{id}"))?;
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let resource = body::json(response).await?;
        Finding::read(&resource).filter(|finding| finding.id == id).ok_or(ApiError::NotFound)
    }

    /// Has the rules go through the last day.
    pub(crate) async fn detect(&self, asker: Asker<'_>) -> Result<DetectionRun, ApiError> {
        let answer = self.operate("AuditEvent/$detect", asker, Vec::new()).await?;
        let one = |name: &str| list(&answer["parameter"]).iter().find(|p| p["name"] == name);
        let number = |name: &str| one(name).and_then(|p| p["valueUnsignedInt"].as_u64());
        let nothing = json!({});
        let outcome = one("outcome").map_or(&nothing, |p| &p["resource"]);
        let issues = super::outcome::issues(outcome);
        let notes = issues
            .into_iter()
            .filter(|issue| super::outcome::coded(issue, LOG_STATE).as_deref() != Some("answered"));
        Ok(DetectionRun {
            records: number("records").ok_or(ApiError::Answer)?,
            new: number("new").ok_or(ApiError::Answer)?,
            notes: notes.filter_map(|issue| text(&issue["details"]["text"])).collect(),
        })
    }
}

impl Finding {
    fn read(resource: &Value) -> Option<Self> {
        let extension = |url: &str| list(&resource["extension"]).iter().find(|e| e["url"] == url);
        let (review, found) = (extension(REVIEW)?, extension(FINDING)?);
        let parts = |whole: &'_ Value| list(&whole["extension"]).to_vec();
        let (review, found) = (parts(review), parts(found));
        let one = |all: &[Value], url: &str| all.iter().find(|e| e["url"] == url).cloned();
        let instant = |all: &[Value], url: &str| {
            one(all, url).and_then(|e| text(&e["valueInstant"])).unwrap_or_default()
        };
        let person = list(&resource["agent"]).iter().find(|a| a["requestor"] == true)?;
        let organisation = list(&resource["agent"]).iter().find(|a| a["requestor"] == false)?;
        let patient = resource["entity"][0]["what"]["identifier"]["value"].as_str();
        let records = found.iter().filter(|e| e["url"] == "record");
        let notes = review.iter().filter(|e| e["url"] == "note");
        Some(Self {
            id: resource["id"].as_str()?.parse().ok()?,
            rule: text(&resource["type"]["display"])?,
            due: instant(&review, "due"),
            overdue: one(&review, "overdue").is_some_and(|e| e["valueBoolean"] == true),
            state: one(&review, "state").and_then(|e| text(&e["valueCode"])).unwrap_or_default(),
            by: text(&person["name"]).unwrap_or_default(),
            role: text(&person["role"][0]["coding"][0]["code"]).unwrap_or_default(),
            organisation: text(&organisation["who"]["identifier"]["value"]).unwrap_or_default(),
            patient: patient.and_then(|digits| digits.parse().ok()),
            first: instant(&found, "first"),
            last: instant(&found, "last"),
            count: one(&found, "count").and_then(|e| e["valueUnsignedInt"].as_u64())?,
            records: records.filter_map(|e| e["valueId"].as_str()?.parse().ok()).collect(),
            notes: notes.filter_map(AlertNote::read).collect(),
        })
    }
}

const TYPE: &str = "urn:carerecord:detection";
const FINDING: &str = "urn:carerecord:finding";
const LOG_STATE: &str = "urn:carerecord:log-state";
