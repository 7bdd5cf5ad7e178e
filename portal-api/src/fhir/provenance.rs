//! Provenance: which document elements were taken out of, when, and by what. mXDE 1.3.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{
    ElementProvenance, Entry, PROVENANCE_PARAMETERS, SearchError, check_search, count_only,
    element_provenance, pairs, searchset,
};
use carerecord_model::{ElementKind, NhsNumber};
use jiff::Timestamp;
use serde_json::Value;

use super::document_reference::left_out;
use super::elements::{hides, note, patient_of_document, patient_of_element};
use super::input::{Asked, is_strict};
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::elements::{Element, Stated};
use crate::error::FhirError;

/// Answers a read; the id is that of the document.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read Provenance");
    let patient = patient_of_document(&portal, &session, &id).await?;
    let stated = stated(&portal, &session, patient).await?;
    let all: Vec<&Element> = shown(&stated).collect();
    let found = of_elements(&portal, &stated, &all).into_iter().find(|(_, p)| p["id"] == *id);
    let (_, resource) = found.ok_or(FhirError::NotFound)?;
    let own = |element: &&&Element| {
        let document = |(at, _): &(usize, _)| stated.documents.get(*at);
        element.sources.iter().filter_map(document).any(|d| d.id.uuid().to_string() == id)
    };
    note(&session, &stated, all.iter().filter(own).copied());
    Ok(answer::resource(StatusCode::OK, resource))
}

/// Answers a search by target. QEDm, Provenance option.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search Provenance");
    let parameters = pairs(&parameters);
    let ignored = check_search(&parameters, PROVENANCE_PARAMETERS, &[], is_strict(&headers))?;
    let targets = targets(&portal, &parameters)?;
    let mut found = Vec::new();
    if let Some(patient) = patient_of(&portal, &session, &targets).await? {
        let stated = stated(&portal, &session, patient).await?;
        let asked = |element: &&Element| {
            let kind = element.element.kind.resource_type();
            targets.contains(&format!("{kind}/{}", element.id))
        };
        let wanted: Vec<&Element> = shown(&stated).filter(asked).collect();
        note(&session, &stated, wanted.iter().copied());
        let documents: BTreeSet<usize> =
            wanted.iter().flat_map(|e| &e.sources).map(|(document, _)| *document).collect();
        // All that came out of the document is named, as its own Provenance does.
        let all: Vec<&Element> = shown(&stated)
            .filter(|e| e.sources.iter().any(|(document, _)| documents.contains(document)))
            .collect();
        let ids: BTreeSet<String> = documents
            .iter()
            .filter_map(|at| stated.documents.get(*at))
            .map(|document| document.id.uuid().to_string())
            .collect();
        found = of_elements(&portal, &stated, &all);
        found.retain(|(_, p)| p["id"].as_str().is_some_and(|id| ids.contains(id)));
    }
    let total = found.len();
    if count_only(&parameters) {
        found.clear();
    }
    let mut entries: Vec<Entry> =
        found.into_iter().map(|(url, resource)| Entry::Match(url, resource.into())).collect();
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    let url = format!("{}/Provenance", portal.config.base_url);
    Ok(answer::resource(StatusCode::OK, searchset(&url, total, entries)))
}

/// The Provenance of each document that one of the elements is from, with its URL. Only elements
/// among them are named.
pub(super) fn of_elements(
    portal: &Portal,
    stated: &Stated,
    elements: &[&Element],
) -> Vec<(String, Value)> {
    let mut targets: Vec<Vec<String>> = stated.documents.iter().map(|_| Vec::new()).collect();
    for element in elements {
        let name = format!("{}/{}", element.element.kind.resource_type(), element.id);
        for (document, _) in &element.sources {
            if let Some(all) = targets.get_mut(*document)
                && all.last() != Some(&name)
            {
                all.push(name.clone());
            }
        }
    }
    let all = stated.documents.iter().zip(&targets).filter(|(_, targets)| !targets.is_empty());
    all.map(|(document, targets)| {
        let recorded = Timestamp::from_millisecond(document.extracted_at_ms).unwrap_or_default();
        let resource = element_provenance(&ElementProvenance {
            document: document.id.uuid(),
            targets,
            recorded: &format!("{recorded:.3}"),
            version: &format!("{}+rules-{}", env!("CARGO_PKG_VERSION"), document.rules),
        });
        (format!("{}/Provenance/{}", portal.config.base_url, document.id.uuid()), resource)
    })
    .collect()
}

async fn stated(
    portal: &Portal,
    session: &Session,
    patient: NhsNumber,
) -> Result<Stated, FhirError> {
    session.draft.fill(|event| event.subject = Some(patient));
    session.note(portal.stated(&session.caller, session.purpose, patient, &[]).await)
}

fn shown(stated: &Stated) -> impl Iterator<Item = &Element> {
    stated.elements.iter().filter(|element| !hides(stated, element.element.kind))
}

/// The elements asked about, `AllergyIntolerance/…`.
fn targets(portal: &Portal, parameters: &[(String, String)]) -> Result<Vec<String>, FhirError> {
    let own = format!("{}/", portal.config.base_url);
    let given = parameters.iter().filter(|(name, _)| name == "target");
    let all: Vec<String> = given
        .flat_map(|(_, value)| value.split(','))
        .map(|target| target.strip_prefix(own.as_str()).unwrap_or(target).to_owned())
        .collect();
    if all.is_empty() {
        return Err(FhirError::Search(SearchError::Missing("target")));
    }
    let is_one = |target: &String| {
        let kind = target.split_once('/').map(|(kind, _)| kind);
        kind.is_some_and(|kind| ElementKind::of_resource_type(kind).is_some())
    };
    if all.len() > MOST_TARGETS || !all.iter().all(is_one) {
        return Err(FhirError::Search(SearchError::Malformed("target".to_owned())));
    }
    Ok(all)
}

/// Whose the elements are: of one patient, or of none that the caller may see.
async fn patient_of(
    portal: &Portal,
    session: &Session,
    targets: &[String],
) -> Result<Option<NhsNumber>, FhirError> {
    let mut patient = None;
    for target in targets {
        let id = target.split_once('/').map_or("", |(_, id)| id);
        let own = match patient_of_element(portal, session, id).await {
            Ok(own) => own,
            // As if it were not there.
            Err(error) if error.is_nothing() => continue,
            Err(error) => return Err(error),
        };
        if patient.is_some_and(|other| other != own) {
            let what = SearchError::Malformed("target".to_owned());
            return Err(FhirError::Search(what));
        }
        patient = Some(own);
    }
    Ok(patient)
}

const MOST_TARGETS: usize = 50;
