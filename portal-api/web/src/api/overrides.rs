//! Overrides of what closes a record, and the alerts that they raise.

use carerecord_model::NhsNumber;
use http::header::ACCEPT;
use serde_json::{Value, json};
use uuid::Uuid;

use super::outcome::coded;
use super::wire::{Bundle, list, text};
use super::{ApiClient, ApiError, Asker, FHIR_JSON, NHS_NUMBER, body};

/// What the API says of overrides with a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum OverrideState {
    /// The reader may not.
    #[default]
    None,
    /// The reader may open what is closed, whether or not anything is.
    Offered,
    /// The reader has, for this reason, until then.
    InForce { reason: String, until: String },
}

/// Why a person opens a record: code, words, whether it must be explained.
pub(crate) const REASONS: [(&str, &str, bool); 5] = [
    ("emergency", "Emergency: the patient cannot be asked", false),
    ("public-interest", "Public interest: others are at risk", true),
    ("statute", "A duty in law", true),
    ("court-order", "An order of a court", true),
    ("other", "Another reason", true),
];

/// What a person says when opening a record.
pub(crate) struct Reason<'a> {
    pub(crate) code: &'a str,
    pub(crate) words: &'a str,
    pub(crate) reference: &'a str,
}

/// Some alerts, and the one after which there are more.
pub(crate) struct Alerts {
    pub(crate) alerts: Vec<Alert>,
    pub(crate) next: Option<Uuid>,
}

/// An alert as a reviewer sees it.
pub(crate) struct Alert {
    pub(crate) id: Uuid,
    pub(crate) raised: String,
    pub(crate) due: String,
    pub(crate) overdue: bool,
    pub(crate) state: String,
    pub(crate) reason: String,
    pub(crate) words: Option<String>,
    pub(crate) reference: Option<String>,
    /// Who opened it: name, role and organisation, as codes.
    pub(crate) by: String,
    pub(crate) role: String,
    pub(crate) organisation: String,
    pub(crate) patient: Option<NhsNumber>,
    pub(crate) notes: Vec<AlertNote>,
}

/// A step of a review.
pub(crate) struct AlertNote {
    pub(crate) by: String,
    pub(crate) at: String,
    pub(crate) state: String,
    pub(crate) words: String,
}

impl OverrideState {
    pub(super) fn read(issues: &[&Value]) -> Self {
        let said = |issue: &&&Value| coded(issue, OVERRIDE).is_some();
        let Some(issue) = issues.iter().find(said) else { return Self::None };
        if coded(issue, OVERRIDE).as_deref() != Some("in-force") {
            return Self::Offered;
        }
        let until = list(&issue["extension"]).iter().find(|e| e["url"] == UNTIL);
        Self::InForce {
            reason: text(&issue["details"]["text"]).unwrap_or_default(),
            until: until.and_then(|e| text(&e["valueInstant"])).unwrap_or_default(),
        }
    }
}

impl ApiClient {
    /// Opens a record for this person, for a while.
    pub(crate) async fn break_glass(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        reason: &Reason<'_>,
    ) -> Result<(), ApiError> {
        let mut parameters = vec![
            json!({"name": "patient",
                "valueIdentifier": {"system": NHS_NUMBER, "value": number.digits()}}),
            json!({"name": "reason", "valueCode": reason.code}),
        ];
        for (name, value) in [("text", reason.words), ("reference", reason.reference)] {
            if !value.is_empty() {
                parameters.push(json!({"name": name, "valueString": value}));
            }
        }
        self.operate("Patient/$break-glass", asker, parameters).await.map(drop)
    }

    /// Says that this person cares for a patient.
    pub(crate) async fn claim_relationship(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        words: &str,
    ) -> Result<(), ApiError> {
        let parameters = vec![
            json!({"name": "patient",
                "valueIdentifier": {"system": NHS_NUMBER, "value": number.digits()}}),
            json!({"name": "reason", "valueString": words}),
        ];
        self.operate("Patient/$claim-relationship", asker, parameters).await.map(drop)
    }

    /// The alerts of the reader's organisation, newest first: those with these parameters, after
    /// an alert.
    pub(crate) async fn alerts(
        &self,
        asker: Asker<'_>,
        which: &[(&str, &str)],
        before: Option<Uuid>,
    ) -> Result<Alerts, ApiError> {
        let mut url = self.at("AuditEvent")?;
        url.query_pairs_mut().append_pair("type", ALERTS).extend_pairs(which);
        if let Some(before) = before {
            url.query_pairs_mut().append_pair("before", &before.to_string());
        }
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let answer = body::json(response).await?;
        let goes_on = list(&answer["link"]).iter().any(|link| link["relation"] == "next");
        let alerts: Vec<Alert> =
            Bundle::read(answer)?.resources("AuditEvent").filter_map(Alert::read).collect();
        let next = alerts.last().filter(|_| goes_on).map(|alert| alert.id);
        Ok(Alerts { alerts, next })
    }

    /// How many of them stand how: state and count, and `overdue`.
    pub(crate) async fn alert_counts(
        &self,
        asker: Asker<'_>,
    ) -> Result<Vec<(String, u64)>, ApiError> {
        let url = self.at("AuditEvent/$statistics")?;
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let answer = body::json(response).await?;
        let count = |parameter: &Value| {
            let part = |name: &str| list(&parameter["part"]).iter().find(|p| p["name"] == name);
            let kind = &parameter["name"];
            let counted = kind == "state" || kind == "overdue";
            let code = part("code").filter(|_| counted).and_then(|p| text(&p["valueCode"]))?;
            Some((code, part("count")?["valueUnsignedInt"].as_u64()?))
        };
        Ok(list(&answer["parameter"]).iter().filter_map(count).collect())
    }

    /// One of them.
    pub(crate) async fn alert(&self, asker: Asker<'_>, id: Uuid) -> Result<Alert, ApiError> {
        let url = self.at(&format!("AuditEvent/{id}"))?;
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let resource = body::json(response).await?;
        Alert::read(&resource).filter(|alert| alert.id == id).ok_or(ApiError::Answer)
    }

    /// Takes a step of a review.
    pub(crate) async fn review(
        &self,
        asker: Asker<'_>,
        id: Uuid,
        state: &str,
        note: &str,
    ) -> Result<(), ApiError> {
        let mut parameters = vec![json!({"name": "state", "valueCode": state})];
        if !note.is_empty() {
            parameters.push(json!({"name": "note", "valueString": note}));
        }
        self.operate(&format!("AuditEvent/{id}/$review"), asker, parameters).await.map(drop)
    }

    pub(super) async fn operate(
        &self,
        path: &str,
        asker: Asker<'_>,
        parameters: Vec<Value>,
    ) -> Result<Value, ApiError> {
        let resource = json!({"resourceType": "Parameters", "parameter": parameters});
        let request = self
            .http
            .post(self.at(path)?)
            .timeout(self.deadline)
            .header(ACCEPT, FHIR_JSON)
            .header(http::header::CONTENT_TYPE, FHIR_JSON)
            .body(resource.to_string());
        body::json(self.send(request, asker).await?).await
    }
}

impl Alert {
    fn read(resource: &Value) -> Option<Self> {
        let review = list(&resource["extension"]).iter().find(|e| e["url"] == REVIEW)?;
        let all = || list(&review["extension"]).iter();
        let one = |url: &str| all().find(|e| e["url"] == url);
        let code = |url: &str| one(url).and_then(|e| text(&e["valueCode"])).unwrap_or_default();
        let instant = |url: &str| one(url).and_then(|e| text(&e["valueInstant"]));
        let person = list(&resource["agent"]).iter().find(|a| a["requestor"] == true)?;
        let organisation = list(&resource["agent"]).iter().find(|a| a["requestor"] == false)?;
        let patient = &list(&resource["entity"]).first()?["what"]["identifier"]["value"];
        let notes = all().filter(|e| e["url"] == "note");
        Some(Self {
            id: resource["id"].as_str()?.parse().ok()?,
            raised: text(&resource["recorded"])?,
            due: instant("due").unwrap_or_default(),
            overdue: one("overdue").is_some_and(|e| e["valueBoolean"] == true),
            state: code("state"),
            reason: code("reason"),
            words: one("text").and_then(|e| long(&e["valueString"])),
            reference: one("reference").and_then(|e| long(&e["valueString"])),
            by: text(&person["name"]).unwrap_or_default(),
            role: text(&person["role"][0]["coding"][0]["code"]).unwrap_or_default(),
            organisation: text(&organisation["who"]["identifier"]["value"]).unwrap_or_default(),
            patient: patient.as_str().and_then(|digits| digits.parse().ok()),
            notes: notes.filter_map(AlertNote::read).collect(),
        })
    }
}

impl AlertNote {
    pub(super) fn read(note: &Value) -> Option<Self> {
        let one = |url: &str| list(&note["extension"]).iter().find(|e| e["url"] == url);
        Some(Self {
            by: text(&one("by")?["valueString"])?,
            at: text(&one("at")?["valueInstant"])?,
            state: text(&one("state")?["valueCode"])?,
            words: one("text").and_then(|e| long(&e["valueString"])).unwrap_or_default(),
        })
    }
}

/// What people write, whole.
fn long(value: &Value) -> Option<String> {
    let text: String = value.as_str()?.chars().filter(|c| !c.is_control()).take(2_000).collect();
    (!text.trim().is_empty()).then_some(text)
}

const OVERRIDE: &str = "urn:carerecord:override";
const UNTIL: &str = "urn:carerecord:until";
pub(super) const REVIEW: &str = "urn:carerecord:review";
/// Claims of relationships, and overrides.
const ALERTS: &str = "https://fhir.nhs.uk/CodeSystem/SCR-AlertType|1,\
    https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2";
