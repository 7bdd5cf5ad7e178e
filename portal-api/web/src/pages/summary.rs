//! The summary of a record: allergies, medicines and problems as documents state them. Nothing is
//! settled here: what contradicts stands side by side, each with the document that says it.

mod rows;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::patient::refused;
use super::{Layout, page};
use crate::api::{ApiError, Document, FoundStated, Refusal, Source};
use crate::display::{Banner, counted};
use crate::portal::SharedPortal;
use crate::problem::Problem;
use crate::session::Caller;

use rows::{Row, rows};

#[derive(Template)]
#[template(path = "summary.html")]
struct SummaryPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    /// How far the summary can be taken for all there is.
    completeness: String,
    complete: bool,
    gaps: Vec<(String, String)>,
    withheld: Vec<Refusal>,
    panels: Vec<Panel>,
}

/// One kind of statement.
struct Panel {
    id: &'static str,
    heading: &'static str,
    /// What the first column has.
    about: &'static str,
    /// Said when there is none.
    nothing: String,
    conflicts: usize,
    rows: Vec<Row>,
}

/// Shows the summary.
pub(crate) async fn show(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let asker = caller.asker();
    let of = |kind: &'static str| portal.api.stated(asker, &number, kind);
    let (record, documents, allergies, statements, requests, problems) = tokio::join!(
        portal.api.patient(asker, &number),
        portal.api.documents(asker, &number, false),
        of("AllergyIntolerance"),
        of("MedicationStatement"),
        of("MedicationRequest"),
        of("Condition"),
    );
    let banner = portal.banner(&number, record.ok().flatten().as_ref());
    let found = (|| Ok([allergies?, statements?, requests?, problems?]))();
    let [allergies, mut medicines, requests, problems] = match found {
        Ok(found) => found,
        Err(ApiError::Refused(refusal)) => return Err(refused(vec![refusal], banner)),
        Err(
            error @ (ApiError::Unauthorized
            | ApiError::NotFound
            | ApiError::CouldNotAsk
            | ApiError::Answer),
        ) => return Err(error.into()),
    };
    let nothing_seen = [&allergies, &medicines, &requests, &problems];
    if nothing_seen.iter().all(|found| found.stated.is_empty())
        && !allergies.withheld.is_empty()
        && documents.as_ref().is_ok_and(|found| found.documents.is_empty())
    {
        return Err(refused(allergies.withheld, banner));
    }
    // Without the list the rows name their documents less well; they are no less true.
    let documents = documents.map(|found| found.documents).unwrap_or_default();
    let (completeness, complete) = completeness(&[&allergies, &medicines, &requests, &problems]);
    let gaps = gaps(&[&allergies, &medicines, &requests, &problems]);
    medicines.stated.extend(requests.stated);
    let view = |stated, documents: &[Document]| rows(stated, documents, handle, &portal.zone);
    let panel = |id, heading, about, none: &str, rows: Vec<Row>| Panel {
        id,
        heading,
        about,
        nothing: nothing(none, complete),
        conflicts: rows.iter().filter(|row| row.conflicting).count(),
        rows,
    };
    let withheld = allergies.withheld.clone();
    let allergies = view(allergies.stated, &documents);
    let (medicines, problems) =
        (view(medicines.stated, &documents), view(problems.stated, &documents));
    page(&SummaryPage {
        layout,
        banner,
        handle,
        completeness,
        complete,
        gaps,
        withheld,
        panels: vec![
            panel("allergies", "Allergies and intolerances", "Allergy", "allergy", allergies),
            panel("medicines", "Medicines", "Medicine", "medicine", medicines),
            panel("problems", "Problems", "Problem", "problem", problems),
        ],
    })
    .map(IntoResponse::into_response)
}

/// What stands in place of an empty panel: it must never look like "none known".
fn nothing(what: &str, complete: bool) -> String {
    let more = if complete { "" } else { " Not all sources answered." };
    format!(
        "No {what} is in the coded entries that were read.{more} This does not mean that there is \
         none: letters and other documents may name one."
    )
}

/// In how many of the sources was looked, for the kind that fewest answered.
fn completeness(found: &[&FoundStated]) -> (String, bool) {
    let answered = |sources: &[Source]| sources.iter().filter(|s| s.state.has_answered()).count();
    let all = found.iter().map(|f| f.sources.len()).max().unwrap_or_default();
    let least = found.iter().map(|f| answered(&f.sources)).min().unwrap_or_default();
    let sources = counted(all, "source", "sources");
    if all > 0 && least == all {
        return (format!("{sources} answered."), true);
    }
    (format!("Only {least} of {sources} answered: entries may be missing."), false)
}

/// What was not read, each once: the searches read the same documents.
fn gaps(found: &[&FoundStated]) -> Vec<(String, String)> {
    let mut gaps: Vec<(String, String)> = Vec::new();
    for (source, words, documents) in found.iter().flat_map(|found| &found.gaps) {
        let counted = match documents {
            0 => source.clone(),
            n => {
                let n = usize::try_from(*n).unwrap_or(usize::MAX);
                format!("{source}, {}", counted(n, "document", "documents"))
            }
        };
        if !gaps.iter().any(|(s, w)| *s == counted && w == words) {
            gaps.push((counted, words.clone()));
        }
    }
    gaps
}
