use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::Caller;
use carerecord_audit::DocumentRef;
use carerecord_fhir::{
    Done, Place, ProvideBundle, Provided, submission_warnings, transaction_response,
};
use carerecord_model::{NhsNumber, RegistryErrors};

use super::input::Transaction;
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::publishing::{Publisher, Seed, known};

/// Answers Provide Document Bundle [ITI-65]: all of it is published, or nothing.
pub(crate) async fn bundle(
    State(portal): State<Portal>,
    session: Session,
    transaction: Transaction,
) -> Result<Response, FhirError> {
    session.does("ITI-65 Provide Document Bundle");
    let publisher = session.note(portal.publisher(&session.caller))?;
    let (provided, number, warnings) = publish(&portal, &session, publisher, transaction).await?;
    let warnings = submission_warnings(&warnings, |e| provided.expression(e));
    let done = |(n, place): (usize, &Place)| {
        let warnings = warnings.clone().filter(|_| n == 0);
        done(&portal, &session.caller, number, *place, warnings)
    };
    let entries = provided.places.iter().enumerate().map(done).collect();
    Ok(answer::resource(StatusCode::OK, transaction_response(entries)))
}

/// Reads, checks and sends it. Gives what was sent, whom it is about, and warnings.
async fn publish(
    portal: &Portal,
    session: &Session,
    publisher: &Publisher,
    transaction: Transaction,
) -> Result<(Provided, NhsNumber, RegistryErrors), FhirError> {
    let caller = &session.caller;
    let bundle = ProvideBundle::read(&transaction.value, &portal.config.base_url);
    let bundle = bundle.map_err(FhirError::Problems)?;
    let by_id = |id: &str| portal.patient_ids.open(id, caller);
    let number = bundle.patient(&by_id).map_err(FhirError::Problems)?;
    session.draft.fill(|event| event.subject = Some(number));
    let concerns = portal.access.may_concern(caller, Some(number)).map_err(FhirError::from);
    session.note(concerns)?;
    let referred = portal.referred(&bundle, number).await?;
    let seed = Seed::new(caller, bundle.submission_id().as_deref(), &transaction.digest);
    let provided = bundle.submission(number, &known(&|name| seed.uuid(name), referred));
    let mut provided = provided.map_err(FhirError::Problems)?;
    drop(bundle);
    session.draft.fill(|event| {
        let entries = provided.submission.document_entries.iter();
        event.documents = entries
            .map(|e| DocumentRef { id: e.unique_id.to_string(), hash: e.hash.clone() })
            .collect();
        event.listed = vec![provided.submission.submission_set.entry_uuid.to_string()];
    });
    let warnings = portal.send(publisher, &mut provided).await?;
    Ok((provided, number, warnings))
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
