//! What documents say in coded entries: Mobile Query Existing Data [PCC-44], and reads.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{
    ElementSearch, ElementSource, ElementView, Entry, Issue, data_element, element_coverage_issues,
    searchset,
};
use carerecord_model::{ElementCoverage, ElementKind, NhsNumber, PatientId};
use serde_json::Value;

use super::document_reference::{entry_uuid, issues, left_out};
use super::input::{Asked, is_strict, named};
use super::{Session, answer, outcome_entry, provenance};
use crate::Portal;
use crate::elements::{Element, Stated, relations};
use crate::error::FhirError;
use crate::federation::NodeState;

/// Searches and reads of one resource type.
macro_rules! element_routes {
    ($module:ident, $kind:ident) => {
        /// Elements of one type.
        pub(crate) mod $module {
            use super::*;

            /// Answers a search [PCC-44].
            pub(crate) async fn search(
                State(portal): State<Portal>,
                session: Session,
                headers: HeaderMap,
                Asked(parameters): Asked,
            ) -> Result<Response, FhirError> {
                let kind = ElementKind::$kind;
                super::search(&portal, &session, kind, &parameters, is_strict(&headers)).await
            }

            /// Answers a read.
            pub(crate) async fn read(
                State(portal): State<Portal>,
                session: Session,
                Path(id): Path<String>,
            ) -> Result<Response, FhirError> {
                super::read(&portal, &session, ElementKind::$kind, &id).await
            }
        }
    };
}

element_routes!(allergy_intolerance, AllergyIntolerance);
element_routes!(condition, Condition);
element_routes!(medication_statement, MedicationStatement);
element_routes!(medication_request, MedicationRequest);
element_routes!(immunization, Immunization);
element_routes!(observation, Observation);
element_routes!(encounter, Encounter);

async fn search(
    portal: &Portal,
    session: &Session,
    kind: ElementKind,
    parameters: &str,
    strict: bool,
) -> Result<Response, FhirError> {
    session.does(&format!("PCC-44 {}", kind.resource_type()));
    let parameters = named(portal, session, parameters);
    let search = ElementSearch::parse(kind, &parameters, strict)?;
    session.may_include(search.with_provenance.then_some("Provenance"))?;
    let stated = stated(portal, session, search.patient, kind).await?;
    let hidden = hides(&stated, kind);
    let wanted: Vec<usize> = (0..stated.elements.len())
        .filter(|at| {
            let element = stated.elements.get(*at);
            !hidden && element.is_some_and(|e| search.matches(&e.id, &e.element))
        })
        .collect();
    if wanted.len() > MOST && !search.count_only {
        return Err(TOO_MANY);
    }
    note(session, &stated, wanted.iter().filter_map(|at| stated.elements.get(*at)));
    let mut listed = Vec::new();
    if !search.count_only {
        let related = relations(&stated.elements);
        for at in &wanted {
            let Some(element) = stated.elements.get(*at) else { continue };
            let relations = related.get(*at).cloned().unwrap_or_default();
            let (url, resource) = resource(portal, &stated, element, relations);
            listed.push(Entry::Match(url, resource.into()));
        }
        if search.with_provenance {
            let found: Vec<&Element> =
                wanted.iter().filter_map(|at| stated.elements.get(*at)).collect();
            let all = provenance::of_elements(portal, &stated, &found);
            listed.extend(
                all.into_iter().map(|(url, resource)| Entry::Include(url, resource.into())),
            );
        }
    }
    let mut told = issues(portal, session, &stated.record);
    told.extend(coverage(&stated));
    told.extend(left_out(&search.ignored));
    told.extend(hidden.then(|| Issue::information(MASKED)));
    listed.extend(outcome_entry(told).map(Entry::Outcome));
    // The patient is not repeated in the link: a URL must not name one.
    let url = format!("{}/{}", portal.config.base_url, kind.resource_type());
    Ok(answer::resource(StatusCode::OK, searchset(&url, wanted.len(), listed)))
}

async fn read(
    portal: &Portal,
    session: &Session,
    kind: ElementKind,
    id: &str,
) -> Result<Response, FhirError> {
    session.does(&format!("read {}", kind.resource_type()));
    let patient = patient_of_element(portal, session, id).await?;
    let stated = stated(portal, session, patient, kind).await?;
    let found = stated.elements.iter().position(|element| element.id == id);
    let found = found.filter(|_| !hides(&stated, kind)).ok_or(FhirError::NotFound)?;
    let element = stated.elements.get(found).ok_or(FhirError::NotFound)?;
    note(session, &stated, [element].into_iter());
    let relations = relations(&stated.elements).into_iter().nth(found).unwrap_or_default();
    let (_, resource) = resource(portal, &stated, element, relations);
    Ok(answer::resource(StatusCode::OK, resource))
}

/// Whose an element is: it is known by the document that it is from, which the caller must be let
/// see.
pub(super) async fn patient_of_element(
    portal: &Portal,
    session: &Session,
    id: &str,
) -> Result<NhsNumber, FhirError> {
    let (document, place) = id.split_once('-').ok_or(FhirError::NotFound)?;
    let is_place = place.len() <= 6 && place.bytes().all(|b| b.is_ascii_digit());
    if document.len() != 32 || !is_place {
        return Err(FhirError::NotFound);
    }
    patient_of_document(portal, session, document).await
}

/// Whose a document is that the caller may see.
pub(super) async fn patient_of_document(
    portal: &Portal,
    session: &Session,
    id: &str,
) -> Result<NhsNumber, FhirError> {
    let id = entry_uuid(id)?;
    let document = portal.document(&session.caller, session.purpose, id, &session.draft).await;
    let document = session.note(document)?;
    document.value().patient_id.nhs_number().ok_or(FhirError::NotFound)
}

/// What the patient's documents say of one kind, with whose they are in the record of the access.
async fn stated(
    portal: &Portal,
    session: &Session,
    patient: NhsNumber,
    kind: ElementKind,
) -> Result<Stated, FhirError> {
    session.draft.fill(|event| event.subject = Some(patient));
    let stated = portal.stated(&session.caller, session.purpose, patient, &[kind]).await;
    session.note(stated)
}

/// Puts the documents that are told of into the record of the access.
pub(super) fn note<'e>(
    session: &Session,
    stated: &Stated,
    elements: impl Iterator<Item = &'e Element>,
) {
    let mut documents: Vec<usize> =
        elements.flat_map(|element| &element.sources).map(|(document, _)| *document).collect();
    documents.sort_unstable();
    documents.dedup();
    session.draft.decision(stated.record.found.decision());
    session.draft.fill(|event| {
        event.subject = Some(stated.record.number);
        event.listed = documents
            .iter()
            .filter_map(|at| stated.documents.get(*at))
            .map(|document| document.id.to_string())
            .collect();
        event.withheld = stated.record.withheld.count;
    });
}

/// Visits tell where a person is cared for: of one who is hidden nothing is told.
pub(super) fn hides(stated: &Stated, kind: ElementKind) -> bool {
    stated.record.masked && kind == ElementKind::Encounter
}

fn resource(
    portal: &Portal,
    stated: &Stated,
    element: &Element,
    relations: Vec<carerecord_fhir::ElementRelation>,
) -> (String, Value) {
    let sources = element.sources.iter().filter_map(|(document, section)| {
        let document = stated.documents.get(*document)?;
        Some(ElementSource {
            document: document.id.uuid(),
            unique_id: &document.unique_id,
            section: section.as_ref(),
        })
    });
    let view = ElementView {
        id: &element.id,
        element: &element.element,
        patient: &PatientId::from_nhs_number(stated.record.number),
        sources: sources.collect(),
        relations,
        masked: stated.record.masked,
    };
    let resource = data_element(&view);
    let kind = element.element.kind.resource_type();
    (format!("{}/{kind}/{}", portal.config.base_url, element.id), resource)
}

/// How far the sources' documents were read, by source; in one where sources must not be told apart.
fn coverage(stated: &Stated) -> Vec<Issue> {
    let answered = stated.record.sources.iter().zip(&stated.coverage);
    let answered = answered.filter_map(|(node, answer)| Some((node, (*answer)?)));
    if !stated.record.masked {
        let issues = |(node, coverage): (&NodeState, Option<ElementCoverage>)| {
            element_coverage_issues(coverage.as_ref(), &node.name, node.id.as_str())
        };
        return answered.flat_map(issues).collect();
    }
    let mut answered = answered;
    let sum = answered.try_fold(ElementCoverage::default(), |sum, (_, one)| Some(sum.plus(one?)));
    element_coverage_issues(sum.as_ref(), "Sources", "sources")
}

/// Of one answer.
const MOST: usize = 10_000;
/// None is shown: some of many would look like all of them.
const TOO_MANY: FhirError = FhirError::Operation(
    StatusCode::UNPROCESSABLE_ENTITY,
    "too-costly",
    "More than 10,000 elements match, so none is shown. Ask by code, category or date.",
);
const MASKED: &str = "Visits are not shown: they would tell where this person is cared for.";
