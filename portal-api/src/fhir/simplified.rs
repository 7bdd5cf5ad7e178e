//! One document, published with its metadata in one resource (MHD ITI-105), or with the metadata that
//! its own header gives (ITI-106).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_fhir::{
    FhirDocuments, Issue, ProvideBundle, Related, SimplifiedPublish, Times, outcome,
    submission_warnings,
};
use carerecord_model::{AssociationType, DocumentEntry, Dtm, EntryUuid, Submission};
use serde_json::{Value, json};

use super::input::{Transaction, prefers_return};
use super::provide::Publishing;
use super::resources::document;
use super::{Session, answer, conditional};
use crate::Portal;
use crate::error::FhirError;
use crate::generating::Generated;
use crate::publishing::Publisher;

/// Answers Simplified Publish [ITI-105].
pub(crate) async fn create(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    transaction: Transaction,
) -> Result<Response, FhirError> {
    session.does("ITI-105 Simplified Publish");
    let publisher = session.note(portal.publisher(&session.caller))?;
    let one = One { portal: &portal, session: &session, publisher };
    let Transaction { value, digest, .. } = transaction;
    let published = one.publish(value, &digest).await?;
    Ok(published.answer(&portal, &headers))
}

/// Answers Generate Metadata [ITI-106].
pub(crate) async fn generate_metadata(
    State(portal): State<Portal>,
    session: Session,
    transaction: Transaction,
) -> Result<Response, FhirError> {
    session.does("ITI-106 Generate Metadata");
    let publisher = session.note(portal.publisher(&session.caller))?;
    let generated = Generated::read(&transaction.value, &transaction.documents)?;
    session.draft.fill(|event| event.subject = Some(generated.patient));
    let concerns = portal.access.may_concern(&session.caller, Some(generated.patient));
    session.note(concerns.map_err(FhirError::from))?;
    let known = portal.known_relations(&generated).await?;
    let resource = generated.document_reference(portal.publishers.codes(), &known);
    let one = One { portal: &portal, session: &session, publisher };
    let published = one.publish(resource, &transaction.digest).await;
    // What was sent has no such elements.
    let published = published.map_err(|error| error.with_problems(|p| generated.problems(p)))?;
    let reference = format!("DocumentReference/{}", published.id.uuid());
    let answer = json!({"resourceType": "Parameters", "parameter": [
        {"name": "DocumentReference", "valueReference": {"reference": reference}},
    ]});
    Ok(answer::resource(StatusCode::OK, answer))
}

/// One document that is being published.
struct One<'p> {
    portal: &'p Portal,
    session: &'p Session,
    publisher: &'p Publisher,
}

/// A document that has been published.
struct Published {
    id: EntryUuid,
    /// The resource, as its sender made it, with what was given to it.
    resource: Value,
    /// An OperationOutcome.
    warnings: Option<Value>,
}

impl One<'_> {
    /// Publishes a DocumentReference with its document inside. The same again is a repeat.
    async fn publish(&self, resource: Value, digest: &[u8; 32]) -> Result<Published, FhirError> {
        let portal = self.portal;
        let now = Dtm::from_timestamp(portal.clock.now());
        let sent = SimplifiedPublish::read(resource, &self.publisher.source_id, &now);
        let sent = sent.map_err(FhirError::Problems)?;
        let bundle = ProvideBundle::read(sent.bundle(), &portal.config.base_url);
        let bundle = bundle.map_err(|p| FhirError::Problems(SimplifiedPublish::problems(p)))?;
        let publishing = Publishing { portal, session: self.session, digest };
        let made = publishing.submission(&bundle, FhirDocuments::none()).await;
        let made = made.map_err(|error| error.with_problems(SimplifiedPublish::problems));
        let (provided, number) = made?;
        let mut provided = provided.of_one_document();
        let entry = provided.submission.document_entries.first().ok_or(FhirError::NotFound)?;
        let id = entry.uuid().ok_or(FhirError::NotFound)?;
        let content = provided.contents.first().map(Vec::as_slice).unwrap_or_default();
        let entry = self.as_registered(entry, content);
        let times = Times {
            submitted: Some(provided.submission.submission_set.submission_time.clone()),
            last_updated: None,
        };
        let related = related(&provided.submission);
        let resource = document(portal, &entry, false, &related, &times).into();
        // Submissions differ in when they were made, documents that are sent again do not.
        if portal.is_registered(id, number).await? {
            return Ok(Published { id, resource, warnings: None });
        }
        let warnings = portal.send(self.publisher, &mut provided).await?;
        let warnings = submission_warnings(&warnings, |e| provided.expression(e));
        Ok(Published { id, resource, warnings })
    }

    /// The entry with what node and registry add to it.
    fn as_registered(&self, entry: &DocumentEntry, content: &[u8]) -> DocumentEntry {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, content);
        let hash = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        DocumentEntry {
            version: 1,
            repository_unique_id: Some(self.publisher.node.clone()),
            hash: Some(hash),
            size: Some(content.len() as u64),
            ..entry.clone()
        }
    }
}

fn related(submission: &Submission) -> Vec<Related> {
    let relations = submission.associations.iter();
    let relations = relations.filter(|a| a.association_type != AssociationType::HasMember);
    let related = relations.filter_map(|a| {
        Some(Related { association_type: a.association_type, target: a.target.uuid()? })
    });
    related.collect()
}

impl Published {
    /// As FHIR answers what is created: with the resource, with an OperationOutcome, or without
    /// anything, as the client prefers it.
    fn answer(self, portal: &Portal, headers: &HeaderMap) -> Response {
        let url = format!("{}/DocumentReference/{}", portal.config.base_url, self.id.uuid());
        let mut response = match prefers_return(headers) {
            Some("minimal") => StatusCode::CREATED.into_response(),
            Some("OperationOutcome") => {
                let told = || outcome(vec![Issue::information("It has been published.")]);
                answer::resource(StatusCode::CREATED, self.warnings.unwrap_or_else(told))
            }
            _ => {
                let validators = conditional::Validators::of_resource(&self.resource, None);
                let mut response = answer::resource(StatusCode::CREATED, self.resource);
                validators.put(response.headers_mut());
                response
            }
        };
        if let Ok(url) = HeaderValue::try_from(url) {
            response.headers_mut().insert(header::LOCATION, url);
        }
        response
    }
}
