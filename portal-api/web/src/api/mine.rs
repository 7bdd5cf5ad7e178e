//! What the API offers citizens: whose records they may see, and what they have said about sharing.

use carerecord_model::NhsNumber;
use http::header::ACCEPT;
use jiff::civil::Date;
use serde_json::{Value, json};
use uuid::Uuid;

use super::wire::{Bundle, list, text};
use super::{ApiClient, ApiError, Asker, FHIR_JSON, NHS_NUMBER, Terms, body};

/// Whose records a citizen may see.
pub(crate) struct Mine {
    pub(crate) people: Vec<MinePerson>,
    /// Why they do not see their own, in the API's words.
    pub(crate) closed: Option<String>,
}

/// Somebody whose record a citizen may see. No formatter prints it.
pub(crate) struct MinePerson {
    pub(crate) own: bool,
    pub(crate) nhs_number: NhsNumber,
    pub(crate) given: Vec<String>,
    pub(crate) family: Option<String>,
    pub(crate) born: Option<Date>,
    pub(crate) gender: Option<String>,
}

/// What somebody has said about sharing their record.
pub(crate) struct Choice {
    pub(crate) id: Uuid,
    pub(crate) says: Wish,
    pub(crate) since: Option<String>,
    pub(crate) until: Option<String>,
    pub(crate) set_by: Option<String>,
}

/// What a choice says: the organisation, class or document is a code or an id.
pub(crate) enum Wish {
    /// Share nothing.
    Nothing,
    /// Share nothing of what this organisation holds or wrote.
    NotFrom(String),
    /// Share nothing with this organisation.
    NotWith(String),
    /// Do not share documents of this kind.
    NotOfKind(String),
    /// Do not share documents that are marked so: a code of confidentiality or a tag.
    NotMarked(String),
    /// Do not share one document.
    NotDocument,
    /// Share, with this organisation or with all.
    Share(Option<String>),
    /// Something with several limits, or with exceptions.
    Terms(Box<Terms>),
}

impl ApiClient {
    /// Whose records the citizen may see.
    pub(crate) async fn mine(&self, asker: Asker<'_>) -> Result<Mine, ApiError> {
        let request = self.http.get(self.at("Patient/$mine")?).timeout(self.deadline);
        let answer = body::json(self.send(request.header(ACCEPT, FHIR_JSON), asker).await?).await?;
        Ok(Mine::read(&answer))
    }

    /// What the citizen has said and what is in force of it, newest first.
    pub(crate) async fn choices(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
    ) -> Result<Vec<Choice>, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", number.digits());
        let form = [("patient.identifier", identifier.as_str()), ("status", "active")];
        let bundle: Bundle = self.search("Consent/_search", asker, &form).await?;
        Ok(bundle.resources("Consent").filter_map(Choice::read).collect())
    }

    /// Objects to sharing: everything, or what one organisation holds or wrote.
    pub(crate) async fn object(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        source: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut provision = json!({"type": "deny"});
        if let Some(code) = source {
            provision["data"] = json!([{"meaning": "authoredby", "reference": {
                "type": "Organization", "identifier": {"system": ODS, "value": code},
            }}]);
        }
        let consent = json!({
            "resourceType": "Consent",
            "status": "active",
            "scope": {"coding": [{"system": SCOPE, "code": "patient-privacy"}]},
            "category": [{"coding": [{"system": LOINC, "code": "59284-0"}]}],
            "patient": {"identifier": {"system": NHS_NUMBER, "value": number.digits()}},
            "provision": provision,
        });
        let request = self.http.post(self.at("Consent")?);
        self.send_consent(request, asker, &consent).await
    }

    /// Takes back what has been said.
    pub(crate) async fn take_back(&self, asker: Asker<'_>, id: Uuid) -> Result<(), ApiError> {
        let url = self.at(&format!("Consent/{id}"))?;
        let request = self.http.get(url.clone()).timeout(self.deadline);
        let answer = self.send(request.header(ACCEPT, FHIR_JSON), asker).await?;
        let mut consent = body::json(answer).await?;
        consent["status"] = json!("inactive");
        self.send_consent(self.http.put(url), asker, &consent).await
    }
}

impl Mine {
    fn read(answer: &Value) -> Self {
        let people = list(&answer["parameter"]).iter().filter(|p| p["name"] == "person");
        let part = |person: &Value, name: &str| {
            list(&person["part"]).iter().find(|part| part["name"] == name).cloned()
        };
        let mut mine = Self { people: Vec::new(), closed: None };
        for person in people {
            let own = part(person, "own").is_some_and(|own| own["valueBoolean"] == true);
            let number = part(person, "patient");
            let number = number.and_then(|p| p["valueIdentifier"]["value"].as_str()?.parse().ok());
            let name = part(person, "name").unwrap_or_default();
            let born = part(person, "birth-date");
            let gender = part(person, "gender");
            match number {
                Some(nhs_number) => mine.people.push(MinePerson {
                    own,
                    nhs_number,
                    given: list(&name["valueHumanName"]["given"]).iter().filter_map(text).collect(),
                    family: text(&name["valueHumanName"]["family"]),
                    born: born.and_then(|born| born["valueDate"].as_str()?.parse().ok()),
                    gender: gender.and_then(|gender| text(&gender["valueCode"])),
                }),
                None => mine.closed = part(person, "words").and_then(|w| text(&w["valueString"])),
            }
        }
        mine
    }
}

impl Choice {
    fn read(consent: &Value) -> Option<Self> {
        let provision = &consent["provision"];
        let organisation = |reference: &Value| {
            let named = text(&reference["display"]);
            named.or_else(|| text(&reference["identifier"]["value"]))
        };
        let actor = organisation(&provision["actor"][0]["reference"]);
        let data = &provision["data"][0];
        let terms = Terms::read(provision);
        let says = match provision["type"].as_str()? {
            "permit" | "deny" if terms.is_some() => Wish::Terms(Box::new(terms?)),
            "permit" => Wish::Share(actor),
            "deny" if actor.is_some() => Wish::NotWith(actor?),
            "deny" if data["meaning"] == "authoredby" => {
                Wish::NotFrom(organisation(&data["reference"])?)
            }
            "deny" if data.is_object() => Wish::NotDocument,
            "deny" if provision["securityLabel"].is_array() => {
                Wish::NotMarked(text(&provision["securityLabel"][0]["code"])?)
            }
            "deny" if provision["code"].is_array() => {
                let coding = &provision["code"][0]["coding"][0];
                Wish::NotOfKind(text(&coding["display"]).or_else(|| text(&coding["code"]))?)
            }
            "deny" => Wish::Nothing,
            _ => return None,
        };
        Some(Self {
            id: consent["id"].as_str()?.parse().ok()?,
            says,
            since: text(&provision["period"]["start"]).or_else(|| text(&consent["dateTime"])),
            until: text(&provision["period"]["end"]),
            set_by: text(&consent["performer"][0]["display"]),
        })
    }
}

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const LOINC: &str = "http://loinc.org";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_and_a_closed_record_says_why() {
        let answer = json!({"parameter": [
            {"name": "person", "part": [
                {"name": "own", "valueBoolean": true},
                {"name": "decision", "valueCode": "deny"},
                {"name": "words", "valueString": "This record is not shown online."},
            ]},
            {"name": "person", "part": [
                {"name": "own", "valueBoolean": false},
                {"name": "patient", "valueIdentifier": {"value": "9990001065"}},
                {"name": "name", "valueHumanName": {"family": "Young", "given": ["Tia"]}},
                {"name": "birth-date", "valueDate": "2014-03-21"},
            ]},
            {"name": "else"},
        ]});

        let mine = Mine::read(&answer);

        assert_eq!(mine.closed.as_deref(), Some("This record is not shown online."));
        let [tia] = mine.people.as_slice() else { panic!("{}", mine.people.len()) };
        assert!(!tia.own && tia.given == ["Tia"] && tia.born.is_some());
    }
}
