//! The search inside a patient's documents. Its words go by form and are kept nowhere: in an
//! address they would say too much.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::document::whole_banner;
use super::patient::refused;
use super::{Layout, form_page, page};
use crate::api::{ApiError, FoundInside, Hit, Piece, Refusal};
use crate::display::{Banner, clinical, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, SignedIn};

#[derive(Template)]
#[template(path = "inside.html")]
struct InsidePage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    words: String,
    mistake: Option<&'static str>,
    summary: String,
    gaps: Vec<(String, String)>,
    withheld: Vec<Refusal>,
    hits: Vec<HitView>,
}

struct HitView {
    href: String,
    title: String,
    kind: String,
    date: String,
    source: String,
    current: bool,
    places: Vec<Vec<Piece>>,
}

/// What the search box sends.
#[derive(Deserialize)]
pub(crate) struct InsideForm {
    csrf: String,
    #[serde(default)]
    words: String,
}

/// Searches, and shows the documents with the words, best first.
pub(crate) async fn search(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<InsideForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let words: String = form.words.trim().chars().take(MAX_CHARS).collect();
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let mut caller = Caller(person);
    let (banner, _) = whole_banner(&portal, &caller, caller.0.patient(handle)?, handle).await;
    if !words.contains(char::is_alphanumeric) {
        let shown = InsidePage {
            layout,
            banner,
            handle,
            words,
            mistake: Some("Enter words to look for in the documents"),
            summary: String::new(),
            gaps: Vec::new(),
            withheld: Vec::new(),
            hits: Vec::new(),
        };
        return form_page(&shown, true);
    }
    let found = match portal.api.search_inside(caller.asker(), &number, &words).await {
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
    // Next and previous of a document lead through what was found.
    let order: Vec<Uuid> = found.hits.iter().map(|hit| hit.document.id).collect();
    let keep = |data: &mut SignedIn| {
        data.patient_mut(handle)?.order = order;
        Ok(())
    };
    portal.change(&mut caller.0, keep).await?;
    let summary = summary(&found);
    let hits = found.hits.into_iter().map(|hit| HitView::new(hit, handle, &portal)).collect();
    let body = page(&InsidePage {
        layout,
        banner,
        handle,
        words,
        mistake: None,
        summary,
        gaps: found.gaps,
        withheld: found.withheld,
        hits,
    })?;
    Ok(body.into_response())
}

impl HitView {
    fn new(hit: Hit, handle: Uuid, portal: &Portal) -> Self {
        let document = hit.document;
        let date = document.created.as_ref().map(|created| clinical(created, &portal.zone));
        Self {
            href: format!("/patient/{handle}/document/{}", document.id),
            title: document.name().to_owned(),
            kind: document.kind.display.clone(),
            date: date.unwrap_or_else(|| "Date not known".to_owned()),
            source: document.source.display.clone(),
            current: document.status == crate::api::DocumentStatus::Current,
            places: hit.places,
        }
    }
}

/// What was found, and in how many of the sources.
fn summary(found: &FoundInside) -> String {
    let all = found.sources.len();
    let answered = found.sources.iter().filter(|s| s.state.has_answered()).count();
    let sources = counted(all, "source", "sources");
    let hits = match found.hits.len() {
        0 => "No document has these words".to_owned(),
        n => counted(n, "document found", "documents found"),
    };
    if answered == all && all > 0 {
        return format!("{hits} in {sources}.");
    }
    format!("{hits}. Only {answered} of {sources} answered: documents may be missing.")
}

/// As the API bounds it.
const MAX_CHARS: usize = 500;
