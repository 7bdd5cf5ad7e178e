//! Copies of a document: on paper and as files. What for is asked first, goes to the API with the
//! request, and stands on the copy with who made it and when. NHS 8.5.

mod marked;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::response::Response;
use carerecord_clinical::{Attachment, Rendered};
use serde::Deserialize;
use uuid::Uuid;

use super::body::{View, is_registered, rendered, text_bytes_for};
use super::provenance::download_words;
use super::{open, open_for, refused};
use crate::api::{ApiError, Document, PatientRecord};
use crate::display::Banner;
use crate::pages::content;
use crate::pages::{Layout, form_page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

use marked::{Wanted, can_be_marked, marked};

#[derive(Template)]
#[template(path = "copy_ask.html")]
struct AskPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    id: Uuid,
    title: String,
    download: String,
    /// The file inside the document that is wanted.
    file: Option<usize>,
    /// Whether a copy with marks can be made.
    can_be_marked: bool,
    is_pdf: bool,
    purposes: &'static [(&'static str, &'static str)],
    chosen: String,
    mistake: Option<&'static str>,
    /// Why the copy with marks that was asked for cannot be made.
    cannot: Option<String>,
}

/// What has been asked so far, and what was wrong with it.
#[derive(Default)]
struct SoFar {
    file: Option<usize>,
    chosen: String,
    mistake: Option<&'static str>,
    cannot: Option<String>,
}

/// Which file inside a document.
#[derive(Deserialize)]
pub(crate) struct Which {
    file: Option<usize>,
}

/// What the page sends.
#[derive(Deserialize)]
pub(crate) struct CopyForm {
    csrf: String,
    #[serde(default)]
    purpose: String,
    /// `print`, `marked` or `original`.
    #[serde(default)]
    copy: String,
    #[serde(default)]
    file: String,
}

/// Asks what the copy is for.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    let document = open(&portal, &caller, handle, id).await?;
    let so_far = SoFar { file: which.file, ..SoFar::default() };
    asked(&portal, &caller, handle, &document, so_far).await
}

/// Gives the copy.
pub(crate) async fn give(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
    Form(form): Form<CopyForm>,
) -> Result<Response, Problem> {
    caller.0.check(&form.csrf)?;
    let file = match form.file.as_str() {
        "" => None,
        n => Some(n.parse().map_err(|_| Problem::NotFound)?),
    };
    let Some((code, words)) = purposes(&caller).iter().find(|(code, _)| *code == form.purpose)
    else {
        let document = open(&portal, &caller, handle, id).await?;
        let mistake = Some("Choose what the copy is for");
        let so_far = SoFar { file, chosen: form.purpose, mistake, cannot: None };
        return asked(&portal, &caller, handle, &document, so_far).await;
    };
    let document = open_for(&portal, &caller, handle, id, Some(code)).await?;
    match (form.copy.as_str(), file) {
        ("original", None) => {
            content::original(&portal, &caller, handle, &document, Some(code)).await
        }
        ("original", Some(n)) => {
            let file = inside(&portal, &caller, handle, &document, Some(code), n).await?;
            Ok(content::as_download(id, n, file))
        }
        (kind @ ("print" | "marked"), None) if can_be_marked(&document) => {
            let (purpose, leaves) = ((*code, *words), kind == "marked");
            let copy = Wanted { handle, document: &document, purpose, leaves };
            match marked(&portal, &caller, copy).await? {
                Ok(copy) => Ok(copy),
                Err(reason) => {
                    let chosen = form.purpose;
                    let so_far = SoFar { chosen, cannot: Some(reason), ..SoFar::default() };
                    asked(&portal, &caller, handle, &document, so_far).await
                }
            }
        }
        _ => Err(Problem::Unreadable),
    }
}

/// A file inside a document, numbered from 1.
pub(in crate::pages) async fn inside(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    purpose: Option<&str>,
    n: usize,
) -> Result<Attachment, Problem> {
    let mut files = text_of(portal, caller, handle, document, purpose).await?.attachments;
    let at = n.checked_sub(1).filter(|at| *at < files.len()).ok_or(Problem::NotFound)?;
    Ok(files.swap_remove(at))
}

/// The document as sections, if it is the one that was registered.
async fn text_of(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    purpose: Option<&str>,
) -> Result<Rendered, Problem> {
    rendered(registered(portal, caller, handle, document, purpose).await?).await
}

/// The bytes of a document, if they are those that were registered.
async fn registered(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    purpose: Option<&str>,
) -> Result<Vec<u8>, Problem> {
    let bytes = text_bytes_for(portal, caller, document, purpose).await;
    let bytes = bytes.map_err(|error| refused(error, handle))?.ok_or(Problem::NotFound)?;
    if is_registered(document, &bytes) == Some(false) { Err(Problem::NotGiven) } else { Ok(bytes) }
}

async fn asked(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    so_far: SoFar,
) -> Result<Response, Problem> {
    let SoFar { file, chosen, mistake, cannot } = so_far;
    let record = person(portal, caller, handle).await?;
    let patient = caller.0.patient(handle)?;
    let wrong = mistake.is_some() || cannot.is_some();
    let shown = AskPage {
        layout: portal.layout(Some(&caller.0)),
        banner: portal.banner(&patient.nhs_number, record.as_ref()),
        handle,
        id: document.id,
        title: document.name().to_owned(),
        download: download_words(document),
        file,
        can_be_marked: file.is_none() && cannot.is_none() && can_be_marked(document),
        is_pdf: View::of(&document.mime) == View::Pdf,
        purposes: purposes(caller),
        chosen,
        mistake,
        cannot,
    };
    form_page(&shown, wrong)
}

/// Whose document it is: a copy without the person's name would be nobody's.
async fn person(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
) -> Result<Option<PatientRecord>, Problem> {
    let number = caller.0.patient(handle)?.nhs_number;
    match portal.record_of(caller, &number).await {
        Ok(record) => Ok(record),
        Err(error @ (ApiError::Unauthorized | ApiError::Refused(_))) => Err(error.into()),
        Err(ApiError::NotFound | ApiError::CouldNotAsk | ApiError::Answer | ApiError::NotGiven) => {
            Ok(None)
        }
    }
}

/// What a copy may be for, as the API knows it. Which of them the reader's role may is its decision.
fn purposes(caller: &Caller) -> &'static [(&'static str, &'static str)] {
    if caller.0.data.citizen { &OF_CITIZENS } else { &OF_STAFF }
}

const OF_CITIZENS: [(&str, &str); 1] = [("patient-access", "For yourself")];
const OF_STAFF: [(&str, &str); 3] = [
    ("direct-care", "Care of this patient"),
    ("subject-access", "The patient has asked for their data"),
    ("legal", "A duty in law"),
];
