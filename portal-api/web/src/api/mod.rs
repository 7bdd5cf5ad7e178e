//! The client of the portal's FHIR API. It sends what any client sends, and reads what it gets as
//! if it came from a stranger.

mod access_pack;
mod apps;
mod body;
mod consent;
mod contract;
mod detection;
mod document;
mod feeds;
mod inside;
mod looked;
mod mine;
mod outcome;
mod overrides;
mod patient;
mod people;
mod sign_out;
mod stated;
mod team;
mod terms;
mod usage;
mod wire;

use std::time::Duration;

use carerecord_model::NhsNumber;
use http::StatusCode;
use http::header::{ACCEPT, HeaderName, HeaderValue};
use reqwest::{RequestBuilder, Response};
use url::Url;
use uuid::Uuid;

pub(crate) use access_pack::{AccessPack, PackAsked};
pub(crate) use apps::{AppAnswer, AppAsked, AppDecision};
pub(crate) use body::{beginning, bounded, checked, sha1_base64};
pub(crate) use consent::{Decider, Said, Says};
pub(crate) use contract::{Agreement, Pair, SharingMatrix};
pub(crate) use detection::{DetectionRun, Finding, FindingCounts};
#[cfg(test)]
pub(crate) use document::Context;
pub(crate) use document::{Coded, Document, DocumentStatus, Reasoned, RelationKind, Submission};
pub(crate) use feeds::{Feed, FeedsOverview, NodeHealth, Refusal as FeedRefusal, TriedAgain};
pub(crate) use inside::{FoundInside, Hit, Piece};
pub(crate) use looked::{Access, AccessQuestion, FoundAccesses};
pub(crate) use mine::{Choice, MinePerson, Wish};
pub(crate) use outcome::{Recording, Refusal, Source, SourceState, sort_key};
pub(crate) use overrides::{Alert, AlertNote, OverrideState, REASONS, Reason};
pub(crate) use patient::PatientRecord;
pub(crate) use people::{FoundPeople, PeopleQuestion};
pub(crate) use stated::{FoundStated, Place, Stated};
pub(crate) use team::InCare;
pub(crate) use terms::{Between, Term, Terms};
pub(crate) use usage::{Told, Usage, UsedBy};

use crate::config::WebConfig;

/// The FHIR API.
pub(crate) struct ApiClient {
    base: Url,
    http: reqwest::Client,
    deadline: Duration,
}

/// Who asks, and for which request of theirs.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) token: &'a str,
    pub(crate) role: Option<&'a str>,
    /// What for, where it was asked; the API's own unless told.
    pub(crate) purpose: Option<&'a str>,
    pub(crate) request_id: Uuid,
}

/// What a search for documents gave.
pub(crate) struct Found {
    pub(crate) documents: Vec<Document>,
    pub(crate) sources: Vec<Source>,
    /// Set when something is withheld and the policy lets the reader know.
    pub(crate) withheld: Vec<Refusal>,
    /// Whether the reader may open, or has opened, what is closed.
    pub(crate) overriding: OverrideState,
    /// Whether the reader may say that they care for the patient.
    pub(crate) may_claim: bool,
    /// What the reader may record of what the patient says.
    pub(crate) recording: Recording,
}

/// Why the API gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("the API did not take the access token")]
    Unauthorized,
    #[error("the decision is against it")]
    Refused(Refusal),
    #[error("the API knows no such resource")]
    NotFound,
    #[error("the API could not be asked")]
    CouldNotAsk,
    #[error("the API answered, and not with what was asked for")]
    Answer,
    #[error("the source that holds the document does not give what was registered")]
    NotGiven,
}

impl ApiClient {
    pub(crate) fn new(config: &WebConfig, http: reqwest::Client) -> Self {
        let mut base = config.api_url.clone();
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Self { base, http, deadline: Duration::from_millis(config.deadline_ms) }
    }

    /// The person of an NHS Number; `None` if the index does not know them.
    pub(crate) async fn patient(
        &self,
        asker: Asker<'_>,
        nhs_number: &NhsNumber,
    ) -> Result<Option<PatientRecord>, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", nhs_number.digits());
        let bundle = self.search("Patient/_search", asker, &[("identifier", &identifier)]).await?;
        let mut matches = bundle.resources("Patient");
        Ok(matches.next().and_then(PatientRecord::read))
    }

    /// The documents of an NHS Number, and what became of asking each source; without that, no
    /// source is asked.
    pub(crate) async fn documents(
        &self,
        asker: Asker<'_>,
        nhs_number: &NhsNumber,
        ask_sources: bool,
    ) -> Result<Found, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", nhs_number.digits());
        let form = [
            ("patient.identifier", identifier.as_str()),
            ("status", "current,superseded"),
            ("source-state", "none"),
        ];
        let form = if ask_sources { &form[..2] } else { &form[..] };
        let response = self.ask_search("DocumentReference/_search", asker, form).await?;
        let bytes = body::whole(succeeded(response).await?).await?;
        let (documents, outcomes) = documents_of(&bytes)?;
        let issues: Vec<_> = outcomes.iter().flat_map(outcome::issues).collect();
        Ok(Found {
            documents,
            sources: issues.iter().filter_map(Source::read).collect(),
            withheld: Refusal::all(&issues),
            overriding: OverrideState::read(&issues),
            may_claim: outcome::may_claim(&issues),
            recording: outcome::recording(&issues),
        })
    }

    /// What becomes of asking one source, and no other, about an NHS Number.
    pub(crate) async fn source_state(
        &self,
        asker: Asker<'_>,
        nhs_number: &NhsNumber,
        source: &str,
    ) -> Result<Vec<Source>, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", nhs_number.digits());
        let form = [
            ("patient.identifier", identifier.as_str()),
            ("status", "current,superseded"),
            ("source-state", source),
            ("_summary", "count"),
        ];
        let bundle = self.search("DocumentReference/_search", asker, &form).await?;
        let issues = bundle.resources("OperationOutcome").flat_map(outcome::issues);
        Ok(issues.filter_map(|issue| Source::read(&issue)).collect())
    }

    /// The documents of an NHS Number with these words in them.
    pub(crate) async fn search_inside(
        &self,
        asker: Asker<'_>,
        nhs_number: &NhsNumber,
        words: &str,
    ) -> Result<FoundInside, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", nhs_number.digits());
        let form = [
            ("patient.identifier", identifier.as_str()),
            ("status", "current,superseded"),
            ("_content", words),
        ];
        let bundle = self.search("DocumentReference/_search", asker, &form).await?;
        Ok(FoundInside::read(&bundle))
    }

    /// What the documents of an NHS Number say of one kind, by its FHIR type.
    pub(crate) async fn stated(
        &self,
        asker: Asker<'_>,
        nhs_number: &NhsNumber,
        kind: &str,
    ) -> Result<FoundStated, ApiError> {
        let identifier = format!("{NHS_NUMBER}|{}", nhs_number.digits());
        let form = [("patient.identifier", identifier.as_str())];
        let bundle = self.search(&format!("{kind}/_search"), asker, &form).await?;
        Ok(FoundStated::read(&bundle, kind))
    }

    /// One document's metadata.
    pub(crate) async fn document(&self, asker: Asker<'_>, id: Uuid) -> Result<Document, ApiError> {
        let url = self.at(&format!("DocumentReference/{id}"))?;
        let response = self.send(self.http.get(url).timeout(self.deadline), asker).await?;
        let resource = body::json(response).await?;
        Document::of(&resource).filter(|document| document.id == id).ok_or(ApiError::Answer)
    }

    /// A document's bytes, as they flow.
    pub(crate) async fn content(
        &self,
        asker: Asker<'_>,
        document: &Document,
    ) -> Result<Response, ApiError> {
        self.send_for_content(self.content_request(document)?, asker).await
    }

    /// The first bytes of a document, at least `most_bytes` if it has so many. Not compared with
    /// its hash.
    pub(crate) async fn beginning(
        &self,
        asker: Asker<'_>,
        document: &Document,
        most_bytes: usize,
    ) -> Result<Vec<u8>, ApiError> {
        let range = format!("bytes=0-{}", most_bytes.saturating_sub(1));
        let request = self.content_request(document)?.header(http::header::RANGE, range);
        beginning(self.send_for_content(request, asker).await?, most_bytes).await
    }

    async fn send_for_content(
        &self,
        request: RequestBuilder,
        asker: Asker<'_>,
    ) -> Result<Response, ApiError> {
        let response = self.ask(request, asker).await?;
        let status = response.status();
        if status != StatusCode::INTERNAL_SERVER_ERROR && status != StatusCode::BAD_GATEWAY {
            return succeeded(response).await;
        }
        tracing::warn!(status = status.as_u16(), "the API does not give a document");
        // Whatever stands between the API and us answers so, too, but not with an outcome.
        let outcome = body::json(response).await.unwrap_or_default();
        let is_not_given = outcome::issues(&outcome).iter().any(outcome::is_not_given);
        Err(if is_not_given { ApiError::NotGiven } else { ApiError::CouldNotAsk })
    }

    fn content_request(&self, document: &Document) -> Result<RequestBuilder, ApiError> {
        let url = self.base.join(&document.url).map_err(|_| ApiError::Answer)?;
        // The token goes to the API and to nobody else, whatever a resource says.
        if url.origin() != self.base.origin() || !url.path().starts_with(self.base.path()) {
            tracing::warn!("a document's address is outside of the API");
            return Err(ApiError::Answer);
        }
        let mut request = self.http.get(url);
        if let Ok(kind) = HeaderValue::from_str(&document.mime) {
            request = request.header(ACCEPT, kind);
        }
        Ok(request)
    }

    async fn search(
        &self,
        path: &str,
        asker: Asker<'_>,
        form: &[(&str, &str)],
    ) -> Result<wire::Bundle, ApiError> {
        let response = succeeded(self.ask_search(path, asker, form).await?).await?;
        wire::Bundle::read(body::json(response).await?)
    }

    /// Sends a search; the answer may be a refusal.
    async fn ask_search(
        &self,
        path: &str,
        asker: Asker<'_>,
        form: &[(&str, &str)],
    ) -> Result<Response, ApiError> {
        let request = self.form_to(self.at(path)?, form);
        self.ask(request.header(ACCEPT, FHIR_JSON), asker).await
    }

    fn form_to(&self, url: Url, form: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.post(url).timeout(self.deadline);
        request
            .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(encoded(form))
    }

    fn at(&self, path: &str) -> Result<Url, ApiError> {
        self.base.join(path).map_err(|_| ApiError::Answer)
    }

    async fn send(&self, request: RequestBuilder, asker: Asker<'_>) -> Result<Response, ApiError> {
        succeeded(self.ask(request, asker).await?).await
    }

    async fn ask(&self, request: RequestBuilder, asker: Asker<'_>) -> Result<Response, ApiError> {
        let mut request =
            request.bearer_auth(asker.token).header(X_REQUEST_ID, asker.request_id.to_string());
        if let Some(role) = asker.role {
            request = request.header(X_SELECTED_ROLE, role);
        }
        if let Some(purpose) = asker.purpose {
            request = request.header(X_PURPOSE_OF_USE, purpose);
        }
        self.tell(request).await
    }

    /// Sends what shows by itself who says it.
    async fn tell(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let (answer, _) = carerecord_service::send(("fhir", "call of the API"), request).await;
        answer.map_err(|error| {
            tracing::warn!(error = %error.without_url(), "the API could not be asked");
            ApiError::CouldNotAsk
        })
    }
}

/// The documents of a Bundle, and its outcomes.
fn documents_of(bytes: &[u8]) -> Result<(Vec<Document>, Vec<serde_json::Value>), ApiError> {
    let bundle: serde_json_borrow::Value<'_> =
        serde_json::from_slice(bytes).map_err(|_| ApiError::Answer)?;
    if bundle.get("resourceType").as_str() != Some("Bundle") {
        return Err(ApiError::Answer);
    }
    let (mut documents, mut outcomes) = (Vec::new(), Vec::new());
    for entry in bundle.get("entry").as_array().unwrap_or_default() {
        let resource = entry.get("resource");
        match resource.get("resourceType").as_str() {
            Some("DocumentReference") => documents.extend(Document::read(resource)),
            Some("OperationOutcome") => outcomes.push(resource.into()),
            Some(_) | None => {}
        }
    }
    Ok((documents, outcomes))
}

async fn succeeded(response: Response) -> Result<Response, ApiError> {
    let status = response.status();
    if status.is_success() { Ok(response) } else { Err(refused(status, response).await) }
}

/// A form as it is sent.
pub(crate) fn encoded(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

async fn refused(status: StatusCode, response: Response) -> ApiError {
    match status {
        StatusCode::UNAUTHORIZED => ApiError::Unauthorized,
        StatusCode::FORBIDDEN => {
            let outcome = body::json(response).await.unwrap_or_default();
            let refusal = outcome::issues(&outcome).iter().find_map(Refusal::read);
            ApiError::Refused(refusal.unwrap_or_default())
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => ApiError::NotFound,
        _ => {
            tracing::warn!(status = status.as_u16(), "the API gave no answer");
            ApiError::CouldNotAsk
        }
    }
}

pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
const FHIR_JSON: &str = "application/fhir+json";
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_PURPOSE_OF_USE: HeaderName = HeaderName::from_static("x-purpose-of-use");
const X_SELECTED_ROLE: HeaderName = HeaderName::from_static("x-selected-role");
