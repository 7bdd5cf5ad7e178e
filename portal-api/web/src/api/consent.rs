//! What patients say about sharing their records.

use carerecord_model::NhsNumber;
use http::header::{ACCEPT, CONTENT_TYPE};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::wire::{list, text};
use super::{ApiClient, ApiError, Asker, FHIR_JSON, NHS_NUMBER, Terms, body};

/// What a patient has said, as it is recorded.
pub(crate) struct Said {
    pub(crate) id: Uuid,
    /// Whether it has been neither lifted nor recorded by mistake.
    pub(crate) active: bool,
    pub(crate) says: Says,
    /// Who decided.
    pub(crate) by: String,
    /// The ODS code of the organisation that recorded it.
    pub(crate) recorded_at: String,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
}

/// What it says. Organisations by ODS code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Says {
    ObjectsToAll,
    /// To sharing what comes from an organisation.
    ObjectsToSource(String),
    /// To sharing with an organisation.
    ObjectsToRecipient(String),
    /// To sharing documents of a class, by its code.
    ObjectsToClass(String),
    ObjectsToDocument,
    /// To sharing documents that are marked so, by the code.
    ObjectsToLabel(String),
    /// To an organisation's seeing the record, or to all.
    Agrees(Option<String>),
    /// Something with several limits, or with exceptions.
    Terms(Box<Terms>),
    /// Something that this portal has no words for.
    Other,
}

/// Who decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decider {
    Patient,
    Representative,
}

impl ApiClient {
    /// What a patient has said, the newest first, also what is lifted.
    pub(crate) async fn consents(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
    ) -> Result<Vec<Said>, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", number.digits());
        let form = [("patient.identifier", identifier.as_str())];
        let bundle = self.search("Consent/_search", asker, &form).await?;
        Ok(bundle.resources("Consent").filter_map(Said::read).collect())
    }

    /// Records what a patient says from now on, until then or without end.
    pub(crate) async fn record_consent(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        says: &Says,
        decider: Decider,
        (now, until): (Timestamp, Option<Timestamp>),
    ) -> Result<(), ApiError> {
        let mut provision = says.provision().ok_or(ApiError::Answer)?;
        if let Some(until) = until {
            provision["period"] = json!({"start": now.to_string(), "end": until.to_string()});
        }
        let performer = match decider {
            Decider::Patient => "Patient",
            Decider::Representative => "RelatedPerson",
        };
        let consent = json!({
            "resourceType": "Consent",
            "status": "active",
            "scope": {"coding": [{"system": SCOPE_SYSTEM, "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
            "patient": {"type": "Patient",
                "identifier": {"system": NHS_NUMBER, "value": number.digits()}},
            "dateTime": now.to_string(),
            "performer": [{"type": performer}],
            "provision": provision,
        });
        let request = self.http.post(self.at("Consent")?);
        self.send_consent(request, asker, &consent).await
    }

    /// Lifts something that a patient of this number has said.
    pub(crate) async fn lift_consent(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        id: Uuid,
    ) -> Result<(), ApiError> {
        let url = self.at(&format!("Consent/{id}"))?;
        let request = self.http.get(url.clone()).timeout(self.deadline).header(ACCEPT, FHIR_JSON);
        let mut consent = body::json(self.send(request, asker).await?).await?;
        let whose = &consent["patient"]["identifier"];
        if whose["system"] != NHS_NUMBER || whose["value"] != number.digits() {
            return Err(ApiError::NotFound);
        }
        consent["status"] = "inactive".into();
        self.send_consent(self.http.put(url), asker, &consent).await
    }

    pub(super) async fn send_consent(
        &self,
        request: reqwest::RequestBuilder,
        asker: Asker<'_>,
        consent: &Value,
    ) -> Result<(), ApiError> {
        let request = request
            .timeout(self.deadline)
            .header(ACCEPT, FHIR_JSON)
            .header(CONTENT_TYPE, FHIR_JSON)
            .body(consent.to_string());
        self.send(request, asker).await.map(drop)
    }
}

impl Said {
    fn read(consent: &Value) -> Option<Self> {
        let provision = &consent["provision"];
        let organisation = &consent["organization"][0]["identifier"]["value"];
        Some(Self {
            id: consent["id"].as_str()?.parse().ok()?,
            active: consent["status"] == "active",
            says: Says::read(provision),
            by: text(&consent["performer"][0]["display"]).unwrap_or_default(),
            recorded_at: text(organisation).unwrap_or_default(),
            since: text(&consent["dateTime"]),
            until: text(&provision["period"]["end"]),
        })
    }
}

impl Says {
    fn read(provision: &Value) -> Self {
        if let Some(terms) = Terms::read(provision) {
            return Self::Terms(Box::new(terms));
        }
        let organisation = |reference: &Value| text(&reference["identifier"]["value"]);
        let recipient = organisation(&provision["actor"][0]["reference"]);
        if provision["type"] == "permit" {
            return Self::Agrees(recipient);
        }
        let datum = list(&provision["data"]).first();
        let class = text(&provision["code"][0]["coding"][0]["code"]);
        if let Some(label) = list(&provision["securityLabel"]).first() {
            return text(&label["code"]).map_or(Self::Other, Self::ObjectsToLabel);
        }
        match (recipient, datum, class) {
            (None, None, None) => Self::ObjectsToAll,
            (Some(to), None, None) => Self::ObjectsToRecipient(to),
            (None, None, Some(class)) => Self::ObjectsToClass(class),
            (None, Some(datum), None) if datum["meaning"] == "instance" => Self::ObjectsToDocument,
            (None, Some(datum), None) => match organisation(&datum["reference"]) {
                Some(from) => Self::ObjectsToSource(from),
                None => Self::Other,
            },
            _ => Self::Other,
        }
    }

    /// `None` for what is not recorded here.
    fn provision(&self) -> Option<Value> {
        let organisation = |code: &str| json!({"type": "Organization", "identifier": {"system": ODS, "value": code}});
        let actor = |code: &str| {
            json!([{"role": {"coding": [{"system": ROLE_SYSTEM, "code": "IRCP"}]},
                "reference": organisation(code)}])
        };
        Some(match self {
            Self::ObjectsToAll => json!({"type": "deny"}),
            Self::ObjectsToSource(from) => json!({"type": "deny",
                "data": [{"meaning": "authoredby", "reference": organisation(from)}]}),
            Self::ObjectsToRecipient(to) => json!({"type": "deny", "actor": actor(to)}),
            Self::ObjectsToClass(code) => {
                json!({"type": "deny", "code": [{"coding": [{"code": code}]}]})
            }
            Self::Agrees(Some(to)) => json!({"type": "permit", "actor": actor(to)}),
            Self::ObjectsToDocument
            | Self::ObjectsToLabel(_)
            | Self::Agrees(None)
            | Self::Terms(_)
            | Self::Other => return None,
        })
    }
}

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const SCOPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const ROLE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_as_it_was_said() {
        for says in [
            Says::ObjectsToAll,
            Says::ObjectsToSource("ZEX01".into()),
            Says::ObjectsToRecipient("ZEX05".into()),
            Says::ObjectsToClass("823751000000102".into()),
            Says::Agrees(Some("ZEX05".into())),
        ] {
            assert_eq!(Says::read(&says.provision().unwrap()), says);
        }
        assert_eq!(Says::read(&json!({"type": "permit"})), Says::Agrees(None));
        let marked = json!({"type": "deny", "securityLabel": [{"code": "PSY"}]});
        assert_eq!(Says::read(&marked), Says::ObjectsToLabel("PSY".into()));
        assert_eq!(Says::Agrees(None).provision(), None, "one yes is to one organisation");
    }
}
