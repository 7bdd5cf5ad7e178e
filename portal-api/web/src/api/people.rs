use carerecord_model::NhsNumber;
use http::StatusCode;
use jiff::civil::Date;
use serde_json::Value;

use super::outcome::issues;
use super::wire::{list, text};
use super::{ApiClient, ApiError, Asker, PatientRecord, body, wire};

/// Whom to look for. No formatter prints it.
pub(crate) struct PeopleQuestion {
    pub(crate) family: String,
    pub(crate) given: Option<String>,
    pub(crate) born: Option<Date>,
    pub(crate) postcode: Option<String>,
}

/// What a search for people gave.
pub(crate) enum FoundPeople {
    /// These, best first, and what to know of the search.
    These(Vec<(NhsNumber, PatientRecord)>, Vec<String>),
    /// So many that none is told.
    TooMany,
}

impl ApiClient {
    /// The people who go by a name.
    pub(crate) async fn people(
        &self,
        asker: Asker<'_>,
        question: &PeopleQuestion,
    ) -> Result<FoundPeople, ApiError> {
        let born = question.born.map(|date| date.to_string());
        let fields = [
            ("family", Some(&question.family)),
            ("given", question.given.as_ref()),
            ("birthdate", born.as_ref()),
            ("address-postalcode", question.postcode.as_ref()),
        ];
        // A comma would make two values of one.
        let escape = |value: &str| value.replace('\\', "\\\\").replace(',', "\\,");
        let form: Vec<(&str, String)> =
            fields.iter().filter_map(|(name, value)| Some((*name, escape((*value)?)))).collect();
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answer = self.ask_search("Patient/_search", asker, &form).await?;
        if answer.status() == StatusCode::UNPROCESSABLE_ENTITY {
            let outcome = body::json(answer).await?;
            let costly = issues(&outcome).iter().any(|issue| issue["code"] == "too-costly");
            return if costly { Ok(FoundPeople::TooMany) } else { Err(ApiError::CouldNotAsk) };
        }
        let answer = super::succeeded(answer).await?;
        let bundle = wire::Bundle::read(body::json(answer).await?)?;
        let person = |resource: &Value| {
            let record = PatientRecord::read(resource)?;
            Some((record.nhs_number?, record))
        };
        let outcomes = bundle.resources("OperationOutcome");
        let notes = outcomes.flat_map(|outcome| list(&outcome["issue"]));
        let notes = notes.filter_map(|issue| text(&issue["details"]["text"])).collect();
        Ok(FoundPeople::These(bundle.resources("Patient").filter_map(person).collect(), notes))
    }
}
