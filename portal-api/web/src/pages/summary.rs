//! The summary of a record: what documents state in coded entries, kind by kind. Nothing is settled
//! here: what contradicts stands side by side, each with the document that says it.

mod brief;
mod rows;

use std::ops::Range;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use carerecord_model::NhsNumber;
use futures_util::future::join_all;
use tokio::time::timeout;
use uuid::Uuid;

use super::patient::refused;
use super::{Layout, page};
use crate::api::{ApiError, Asker, FoundStated, Refusal, Source};
use crate::display::{Allergies, Banner, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

pub(super) use brief::Brief;
use rows::{MOST_ROWS, Order, Row, newest, rows};

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
    /// Whether not all of it could be asked for.
    failed: bool,
    conflicts: usize,
    /// How many older ones are not shown.
    left_out: usize,
    rows: Vec<Row>,
}

/// What a panel is made of.
struct Kind {
    id: &'static str,
    heading: &'static str,
    about: &'static str,
    /// One of them, for the words of an empty panel.
    one: &'static str,
    /// The FHIR types that are asked for.
    types: &'static [&'static str],
    order: Order,
    /// How many are shown, the newest. What somebody may be harmed by is shown whole.
    most: usize,
    /// How many of them are shown in brief.
    brief: usize,
}

const KINDS: [Kind; 6] = [
    Kind {
        id: "allergies",
        heading: "Allergies and intolerances",
        about: "Allergy",
        one: "allergy",
        types: &["AllergyIntolerance"],
        order: Order::Words,
        most: usize::MAX,
        brief: 20,
    },
    Kind {
        id: "medicines",
        heading: "Medicines",
        about: "Medicine",
        one: "medicine",
        types: &["MedicationStatement", "MedicationRequest"],
        order: Order::Words,
        most: usize::MAX,
        brief: 10,
    },
    Kind {
        id: "problems",
        heading: "Problems",
        about: "Problem",
        one: "problem",
        types: &["Condition"],
        order: Order::Words,
        most: usize::MAX,
        brief: 10,
    },
    Kind {
        id: "immunisations",
        heading: "Immunisations",
        about: "Vaccine",
        one: "immunisation",
        types: &["Immunization"],
        order: Order::Words,
        most: usize::MAX,
        brief: 3,
    },
    Kind {
        id: "results",
        heading: "Results",
        about: "Result",
        one: "result",
        types: &["Observation"],
        order: Order::Words,
        most: MOST_ROWS,
        brief: 5,
    },
    Kind {
        id: "encounters",
        heading: "Encounters",
        about: "Encounter",
        one: "encounter",
        types: &["Encounter"],
        order: Order::Newest,
        most: MOST_ROWS,
        brief: 3,
    },
];

/// What was asked for of each type, in the order of the kinds.
pub(crate) type Elements = Vec<Result<FoundStated, ApiError>>;

impl Portal {
    /// What the documents state of each type, from the `known`th on. A page need not wait for longer
    /// than people do: what takes its time can be had on the page of the summary.
    pub(super) async fn elements(
        &self,
        asker: Asker<'_>,
        number: &NhsNumber,
        types: Range<usize>,
    ) -> Elements {
        let all = KINDS.iter().flat_map(|kind| kind.types);
        let asked = all.skip(types.start).take(types.len()).map(|name| async {
            let stated = self.api.stated(asker, number, name);
            timeout(PATIENCE, stated).await.unwrap_or(Err(ApiError::CouldNotAsk))
        });
        join_all(asked).await
    }
}

/// What the banner says of allergies, the first type that is asked for.
pub(super) fn allergies(elements: &Elements, handle: Uuid) -> Allergies {
    let found = elements.first().and_then(|found| found.as_ref().ok());
    Allergies::new(found, format!("/patient/{handle}/summary#allergies"))
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
    let types = KINDS.iter().flat_map(|kind| kind.types);
    let (record, documents, found) = tokio::join!(
        portal.api.patient(asker, &number),
        portal.api.documents(asker, &number, false),
        join_all(types.map(|name| portal.api.stated(asker, &number, name))),
    );
    let banner = portal.banner(&number, record.ok().flatten().as_ref());
    let allergies = allergies(&found, handle);
    let mut found = match answered(found) {
        Ok(found) => found,
        Err(ApiError::Refused(refusal)) => return Err(refused(vec![refusal], banner)),
        Err(
            error @ (ApiError::Unauthorized
            | ApiError::NotFound
            | ApiError::CouldNotAsk
            | ApiError::Answer
            | ApiError::NotGiven),
        ) => return Err(error.into()),
    };
    // Each search opens the same record: what is withheld is the same for all.
    let withheld = found.iter().flatten().next().map(|found| found.withheld.clone());
    let withheld = withheld.unwrap_or_default();
    if found.iter().flatten().all(|found| found.stated.is_empty())
        && !withheld.is_empty()
        && documents.as_ref().is_ok_and(|found| found.documents.is_empty())
    {
        return Err(refused(withheld, banner));
    }
    // Without the list the rows name their documents less well; they are no less true.
    let documents = documents.map(|found| found.documents).unwrap_or_default();
    let (completeness, complete) = completeness(&found);
    let gaps = gaps(&found);
    let mut of_types = found.iter_mut();
    let panel = |kind: &Kind| {
        let (mut stated, mut failed) = (Vec::new(), false);
        for found in of_types.by_ref().take(kind.types.len()) {
            failed |= found.is_none();
            stated.extend(found.iter_mut().flat_map(|found| std::mem::take(&mut found.stated)));
        }
        let (stated, left_out) = newest(stated, kind.most);
        let rows = rows(stated, kind.order, &documents, handle, &portal.zone);
        let conflicts = rows.iter().filter(|row| row.conflicting).count();
        let (id, heading, about) = (kind.id, kind.heading, kind.about);
        let nothing = nothing(kind.one, complete);
        Panel { id, heading, about, nothing, failed, conflicts, left_out, rows }
    };
    let panels = KINDS.iter().map(panel).collect();
    let banner = banner.with_allergies(allergies);
    page(&SummaryPage { layout, banner, handle, completeness, complete, gaps, withheld, panels })
        .map(IntoResponse::into_response)
}

/// What was found of each type, `None` where it could not be asked for: the others are shown all the same.
///
/// # Errors
/// When none could, or the answer is a no.
fn answered(found: Elements) -> Result<Vec<Option<FoundStated>>, ApiError> {
    let (mut all, mut failed) = (Vec::new(), None);
    for found in found {
        match found {
            Ok(found) => all.push(Some(found)),
            Err(error @ (ApiError::Refused(_) | ApiError::Unauthorized)) => return Err(error),
            Err(
                error @ (ApiError::NotFound
                | ApiError::CouldNotAsk
                | ApiError::Answer
                | ApiError::NotGiven),
            ) => {
                all.push(None);
                failed = Some(error);
            }
        }
    }
    match failed {
        Some(error) if all.iter().all(Option::is_none) => Err(error),
        Some(_) | None => Ok(all),
    }
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
fn completeness(found: &[Option<FoundStated>]) -> (String, bool) {
    let answered = |sources: &[Source]| sources.iter().filter(|s| s.state.has_answered()).count();
    let all = found.iter().flatten().map(|f| f.sources.len()).max().unwrap_or_default();
    let least = found.iter().flatten().map(|f| answered(&f.sources)).min().unwrap_or_default();
    let sources = counted(all, "source", "sources");
    if all > 0 && least == all {
        return (format!("{sources} answered."), true);
    }
    (format!("Only {least} of {sources} answered: entries may be missing."), false)
}

/// What was not read, each once: the searches read the same documents.
fn gaps(found: &[Option<FoundStated>]) -> Vec<(String, String)> {
    let mut gaps: Vec<(String, String)> = Vec::new();
    for (source, words, documents) in found.iter().flatten().flat_map(|found| &found.gaps) {
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

/// Whether there is a kind of that id.
#[cfg(test)]
pub(super) fn is_kind(id: &str) -> bool {
    KINDS.iter().any(|kind| kind.id == id)
}

/// How many types are asked for.
pub(super) const TYPES: usize = 7;

const PATIENCE: Duration = Duration::from_secs(2);
