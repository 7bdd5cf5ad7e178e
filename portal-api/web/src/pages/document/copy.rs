//! Copies of a document: on paper and as files. What for is asked first, goes to the API with the
//! request, and stands on the copy with who made it and when. NHS 8.5.

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_clinical::{Attachment, Rendered};
use serde::Deserialize;
use uuid::Uuid;

use super::body::{Sections, View, rendered, text_bytes_for};
use super::provenance::{download_words, facts};
use super::{open, open_for, refused};
use crate::api::{ApiError, Document, PatientRecord, sha1_base64};
use crate::display::{Banner, clinical};
use crate::pages::content;
use crate::pages::{Layout, form_page, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

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
    purposes: &'static [(&'static str, &'static str)],
    chosen: String,
    mistake: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "copy.html")]
struct CopyPage {
    /// Where the styles are, unless the copy carries its own.
    assets: Option<&'static str>,
    styles: &'static str,
    banner: Banner,
    title: String,
    facts: Vec<String>,
    mark: Mark,
    document: Sections,
    /// Of each file that is a picture, its address.
    pictures: Vec<Option<String>>,
    /// Back to the document; none in a copy that leaves.
    back: Option<String>,
}

/// What stands on a copy.
struct Mark {
    /// `Dr Ada Okafor, Clinical Practitioner, Royal Example Hospital`.
    by: String,
    at: String,
    purpose: &'static str,
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
    asked(&portal, &caller, handle, &document, which.file, String::new(), None).await
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
        return asked(&portal, &caller, handle, &document, file, form.purpose, mistake).await;
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
        (kind @ ("print" | "marked"), None) if View::of(&document.mime) == View::Text => {
            let copy = Wanted { purpose: (code, words), leaves: kind == "marked" };
            marked(&portal, &caller, handle, &document, copy).await
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
    let bytes = text_bytes_for(portal, caller, document, purpose).await;
    let bytes = bytes.map_err(|error| refused(error, handle))?.ok_or(Problem::NotFound)?;
    if document.hash.as_ref().is_some_and(|hash| *hash != sha1_base64(&bytes)) {
        tracing::error!(document = %document.id, "a document is not what was registered");
        return Err(Problem::CouldNotAsk);
    }
    rendered(bytes).await
}

/// The copy that was asked for.
struct Wanted {
    purpose: (&'static str, &'static str),
    /// Whether it is a file that stands for itself.
    leaves: bool,
}

async fn marked(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let (code, words) = wanted.purpose;
    let rendered = text_of(portal, caller, handle, document, Some(code)).await?;
    let record = person(portal, caller, handle).await?;
    let patient = caller.0.patient(handle)?;
    let at = format!("/patient/{handle}/document/{}", document.id);
    let mut room = MAX_HELD;
    let address = |(n, file): (usize, &Attachment)| {
        if !file.is_picture() {
            return None;
        }
        if !wanted.leaves {
            return Some(format!("{at}/attachment/{}", n + 1));
        }
        room = room.checked_sub(file.bytes.len())?;
        Some(format!("data:{};base64,{}", file.mime, STANDARD.encode(&file.bytes)))
    };
    let pictures = rendered.attachments.iter().enumerate().map(address).collect();
    let sections = Sections::new(rendered).map_err(|_| Problem::NotFound)?;
    let layout = portal.layout(Some(&caller.0));
    let body = page(&CopyPage {
        assets: (!wanted.leaves).then_some(layout.assets),
        styles: if wanted.leaves { STYLES } else { "" },
        banner: portal.banner(&patient.nhs_number, record.as_ref()),
        title: document.name().to_owned(),
        facts: facts(document, portal),
        mark: Mark::new(&caller.0, portal, words),
        document: sections,
        pictures,
        back: (!wanted.leaves).then_some(at),
    })?;
    if !wanted.leaves {
        return Ok(body.into_response());
    }
    Ok((content::download_headers(document.id, "-copy.html"), body.0).into_response())
}

impl Mark {
    fn new(person: &Person, portal: &Portal, purpose: &'static str) -> Self {
        let role = person.role().map(|role| format!(", {}, {}", role.name, role.organisation));
        Self {
            by: format!("{}{}", person.data.name, role.unwrap_or_default()),
            at: clinical(&portal.clock.now().to_string(), &portal.zone),
            purpose,
        }
    }
}

impl CopyPage {
    /// The address of a picture, numbered from 1.
    fn picture(&self, n: &usize) -> Option<&str> {
        self.pictures.get(n.checked_sub(1)?)?.as_deref()
    }
}

async fn asked(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    file: Option<usize>,
    chosen: String,
    mistake: Option<&'static str>,
) -> Result<Response, Problem> {
    let record = person(portal, caller, handle).await?;
    let patient = caller.0.patient(handle)?;
    let shown = AskPage {
        layout: portal.layout(Some(&caller.0)),
        banner: portal.banner(&patient.nhs_number, record.as_ref()),
        handle,
        id: document.id,
        title: document.name().to_owned(),
        download: download_words(document),
        file,
        can_be_marked: file.is_none() && View::of(&document.mime) == View::Text,
        purposes: purposes(caller),
        chosen,
        mistake,
    };
    form_page(&shown, mistake.is_some())
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
        Err(ApiError::NotFound | ApiError::CouldNotAsk | ApiError::Answer) => Ok(None),
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

/// A copy's own styles, where it cannot load those of the portal.
const STYLES: &str = include_str!("../../../styles/_copy.scss");
/// Bytes of pictures that a copy carries.
const MAX_HELD: usize = 16 << 20;
