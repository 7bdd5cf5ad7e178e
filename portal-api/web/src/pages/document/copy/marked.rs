//! A copy with marks: the text of a document, or a document that is a picture, with who made the
//! copy, when and what for. NHS 8.5.

use askama::Template;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use carerecord_clinical::Attachment;

use super::{person, registered, text_of};
use crate::api::Document;
use crate::display::{Banner, clinical};
use crate::pages::document::body::{
    MAX_RENDERED_BYTES, Sections, View, apart, other_kind, unshown_picture,
};
use crate::pages::document::provenance::facts;
use crate::pages::{content, page};
use crate::portal::Portal;
use crate::problem::Problem;
use crate::session::{Caller, Person};
use uuid::Uuid;

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
    shows: Shows,
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

/// What a copy is of.
enum Shows {
    Text {
        document: Sections,
        /// Of each file that is a picture, its address.
        pictures: Vec<Option<String>>,
    },
    /// A document that is a picture, by its address.
    Picture(String),
}

/// The copy that was asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) handle: Uuid,
    pub(super) document: &'a Document,
    pub(super) purpose: (&'static str, &'static str),
    /// Whether it is a file that stands for itself.
    pub(super) leaves: bool,
}

/// Whether a copy of such a document can have marks.
pub(super) fn can_be_marked(document: &Document) -> bool {
    let is_large = document.size.is_some_and(|size| size > MAX_RENDERED_BYTES as u64);
    match View::of(&document.mime) {
        View::Text | View::Image => !is_large,
        View::Pdf | View::Download => false,
    }
}

/// The copy; or why there is none with marks, in words.
pub(super) async fn marked(
    portal: &Portal,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Result<Response, String>, Problem> {
    let shows = match View::of(&wanted.document.mime) {
        View::Text => text(portal, caller, wanted).await?,
        View::Image => picture(portal, caller, wanted).await?,
        View::Pdf | View::Download => return Err(Problem::Unreadable),
    };
    let shows = match shows {
        Ok(shows) => shows,
        Err(reason) => return Ok(Err(reason)),
    };
    let record = person(portal, caller, wanted.handle).await?;
    let patient = caller.0.patient(wanted.handle)?;
    let layout = portal.layout(Some(&caller.0));
    let body = page(&CopyPage {
        assets: (!wanted.leaves).then_some(layout.assets),
        styles: if wanted.leaves { STYLES } else { "" },
        banner: portal.banner(&patient.nhs_number, record.as_ref()),
        title: wanted.document.name().to_owned(),
        facts: facts(wanted.document, portal),
        mark: Mark::new(&caller.0, portal, wanted.purpose.1),
        shows,
        back: (!wanted.leaves).then(|| wanted.address()),
    })?;
    if !wanted.leaves {
        return Ok(Ok(body.into_response()));
    }
    let headers = content::download_headers(wanted.document.id, "-copy.html");
    Ok(Ok((headers, body.0).into_response()))
}

async fn text(
    portal: &Portal,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Result<Shows, String>, Problem> {
    let Wanted { handle, document, purpose: (code, _), leaves } = wanted;
    let rendered = text_of(portal, caller, handle, document, Some(code)).await?;
    let at = wanted.address();
    let mut room = MAX_HELD;
    let address = |(n, file): (usize, &Attachment)| {
        if !file.is_picture() {
            return None;
        }
        if !leaves {
            return Some(format!("{at}/attachment/{}", n + 1));
        }
        room = room.checked_sub(file.bytes.len())?;
        Some(data(&file.mime, &file.bytes))
    };
    let pictures = rendered.attachments.iter().enumerate().map(address).collect();
    let sections = apart(move || Sections::new(rendered)).await?;
    Ok(sections.map(|document| Shows::Text { document, pictures }))
}

async fn picture(
    portal: &Portal,
    caller: &Caller,
    wanted: Wanted<'_>,
) -> Result<Result<Shows, String>, Problem> {
    let Wanted { handle, document, purpose: (code, _), leaves } = wanted;
    let bytes = registered(portal, caller, handle, document, Some(code)).await?;
    if let Some(reason) = other_kind(document, &bytes).or_else(|| unshown_picture(&bytes)) {
        return Ok(Err(reason));
    }
    if !leaves {
        return Ok(Ok(Shows::Picture(format!("{}/content", wanted.address()))));
    }
    if bytes.len() > MAX_HELD {
        return Ok(Err("The picture is too large to be put into a marked file.".to_owned()));
    }
    Ok(Ok(Shows::Picture(data(&document.mime, &bytes))))
}

/// An address that is the picture.
fn data(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

impl Wanted<'_> {
    /// Of the document's page.
    fn address(&self) -> String {
        format!("/patient/{}/document/{}", self.handle, self.document.id)
    }
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
    /// The address of a picture inside the document, numbered from 1.
    fn picture(&self, n: &usize) -> Option<&str> {
        match &self.shows {
            Shows::Text { pictures, .. } => pictures.get(n.checked_sub(1)?)?.as_deref(),
            Shows::Picture(_) => None,
        }
    }
}

/// A copy's own styles, where it cannot load those of the portal.
const STYLES: &str = include_str!("../../../../styles/_copy.scss");
/// Bytes of pictures that a copy carries.
const MAX_HELD: usize = 16 << 20;
