//! What apps ask people for, and what people say to it.

use http::StatusCode;
use serde::Deserialize;

use super::{ApiClient, ApiError, Asker, body, refused};

/// What an app asks for.
#[derive(Deserialize)]
pub(crate) struct AppAsked {
    /// What people call it.
    pub(crate) client_name: String,
    /// Where it has them sent back to.
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
    /// Whether it is about one patient, who is to be chosen.
    pub(crate) needs_patient: bool,
}

/// What the API says to it.
pub(crate) enum AppAnswer {
    /// The person is to be asked.
    Ask(AppAsked),
    /// The browser goes back to the app with an answer, or with an error.
    Back(String),
    /// Nobody can be told but the person.
    Wrong,
}

/// What the person says.
#[derive(Clone, Copy)]
pub(crate) enum AppDecision<'a> {
    None,
    Deny,
    /// For one patient, where it is about one.
    Allow(Option<&'a str>),
}

impl ApiClient {
    /// Judges the query that an app has sent the browser with, and takes a decision about it.
    pub(crate) async fn app_asks(
        &self,
        asker: Asker<'_>,
        query: &str,
        decision: AppDecision<'_>,
    ) -> Result<AppAnswer, ApiError> {
        let mut form = vec![("request", query)];
        match decision {
            AppDecision::None => {}
            AppDecision::Deny => form.push(("decision", "deny")),
            AppDecision::Allow(patient) => {
                form.push(("decision", "allow"));
                form.extend(patient.map(|number| ("nhs_number", number)));
            }
        }
        let response = self.ask(self.form_to(self.at(AUTHORIZATION)?, &form), asker).await?;
        let status = response.status();
        if !matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST) {
            return Err(refused(status, response).await);
        }
        let answer = body::json(response).await?;
        if let Some(back) = answer["redirect_to"].as_str() {
            return Ok(AppAnswer::Back(back.to_owned()));
        }
        if answer["error"].is_string() {
            return Ok(AppAnswer::Wrong);
        }
        let asked = serde_json::from_value(answer).map_err(|_| ApiError::Answer)?;
        Ok(AppAnswer::Ask(asked))
    }
}

/// Beside the FHIR API, not below it.
const AUTHORIZATION: &str = "../oauth/authorization";
