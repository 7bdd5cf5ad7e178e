use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::Caller;
use carerecord_audit::DocumentRef;
use carerecord_fhir::{
    Done, FhirDocuments, Place, ProvideBundle, Provided, submission_warnings, transaction_response,
};
use carerecord_model::NhsNumber;

use super::input::Transaction;
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::publishing::{Seed, known};

/// Answers Provide Document Bundle [ITI-65]: all of it is published, or nothing.
pub(crate) async fn bundle(
    State(portal): State<Portal>,
    session: Session,
    transaction: Transaction,
) -> Result<Response, FhirError> {
    session.does("ITI-65 Provide Document Bundle");
    let publisher = session.note(portal.publisher(&session.caller))?;
    let Transaction { value, digest, documents, .. } = transaction;
    let bundle = ProvideBundle::read(&value, &portal.config.base_url);
    let bundle = bundle.map_err(FhirError::Problems)?;
    let read = Publishing { portal: &portal, session: &session, digest: &digest };
    let (mut provided, number) = read.submission(&bundle, documents).await?;
    drop(bundle);
    drop(value);
    let warnings = portal.send(publisher, &mut provided).await?;
    let warnings = submission_warnings(&warnings, |e| provided.expression(e));
    let done = |(n, place): (usize, &Place)| {
        let warnings = warnings.clone().filter(|_| n == 0);
        done(&portal, &session.caller, number, *place, warnings)
    };
    let entries = provided.places.iter().enumerate().map(done).collect();
    Ok(answer::resource(StatusCode::OK, transaction_response(entries)))
}

/// Something that is being published.
pub(super) struct Publishing<'p> {
    pub portal: &'p Portal,
    pub session: &'p Session,
    /// Of what was sent.
    pub digest: &'p [u8; 32],
}

impl Publishing<'_> {
    /// Checks a Bundle and makes the submission of it. Gives whom it is about, too.
    pub(super) async fn submission(
        &self,
        bundle: &ProvideBundle<'_>,
        documents: FhirDocuments,
    ) -> Result<(Provided, NhsNumber), FhirError> {
        let (portal, session, caller) = (self.portal, self.session, &self.session.caller);
        let by_id = |id: &str| portal.patient_ids.open(id, caller);
        let number = bundle.patient(&by_id).map_err(FhirError::Problems)?;
        session.draft.fill(|event| event.subject = Some(number));
        let concerns = portal.access.may_concern(caller, Some(number)).map_err(FhirError::from);
        session.note(concerns)?;
        let referred = portal.referred(bundle, number).await?;
        let seed = Seed::new(caller, bundle.submission_id().as_deref(), self.digest);
        let derived = |name: &str| seed.uuid(name);
        let known = known(&derived, referred, documents);
        let provided = bundle.submission(number, &known).map_err(FhirError::Problems)?;
        session.draft.fill(|event| {
            let entries = provided.submission.document_entries.iter();
            event.documents = entries
                .map(|e| DocumentRef { id: e.unique_id.to_string(), hash: e.hash.clone() })
                .collect();
            event.listed = vec![provided.submission.submission_set.entry_uuid.to_string()];
        });
        Ok((provided, number))
    }
}

fn done(
    portal: &Portal,
    caller: &Caller,
    number: NhsNumber,
    place: Place,
    warnings: Option<serde_json::Value>,
) -> Done {
    let (created, location, version) = match place {
        Place::Created("DocumentReference", id) => {
            (true, format!("DocumentReference/{id}"), Some(1))
        }
        Place::Created(kind, id) => (true, format!("{kind}/{id}"), None),
        Place::Updated(kind, id) => (false, format!("{kind}/{id}"), None),
        Place::Patient => {
            let id = portal.patient_ids.seal(number, caller, portal.ids.as_ref());
            (false, format!("Patient/{id}"), None)
        }
    };
    Done { created, location, version, warnings }
}
