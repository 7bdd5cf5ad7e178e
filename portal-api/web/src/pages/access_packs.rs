//! Subject access packs: a privacy officer asks for one, sees how far it is, and fetches it. Citizens
//! come here from their own record.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use carerecord_model::NhsNumber;
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, content, page};
use crate::api::{AccessPack, PackAsked};
use crate::display::{clinical, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "access_packs.html")]
struct PacksPage {
    layout: Layout,
    packs: Vec<PackView>,
    form: PackForm,
    /// The field that is wrong, and why.
    mistakes: Vec<(&'static str, &'static str)>,
}

impl PacksPage {
    fn mistake(&self, field: &str) -> Option<&'static str> {
        self.mistakes.iter().find(|(of, _)| *of == field).map(|(_, words)| *words)
    }
}

#[derive(Template)]
#[template(path = "access_pack.html")]
struct PackPage {
    layout: Layout,
    id: Uuid,
    /// None of one that there will not be.
    pack: Option<PackView>,
}

/// A pack in words.
pub(super) struct PackView {
    pub(super) pack: AccessPack,
    pub(super) asked: String,
    pub(super) expires: String,
    /// What the state is called, and its colour.
    pub(super) tag: (&'static str, &'static str),
    documents: String,
    accesses: String,
    size: String,
}

/// What is asked for; also what stands in the fields.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct PackForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    nhs_number: String,
    #[serde(default)]
    reference: String,
    #[serde(default)]
    reason: String,
}

/// A form that only says that something is to be done.
#[derive(Deserialize)]
pub(crate) struct DoForm {
    pub(super) csrf: String,
}

/// The form, and the packs that the person has asked for.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
) -> Result<Response, Problem> {
    if person.data.citizen {
        return Ok(Redirect::to("/mine").into_response());
    }
    show(&portal, person, PackForm::default(), Vec::new()).await
}

/// Asks for a pack.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Form(form): Form<PackForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let number = match form.checked() {
        Ok(number) => number,
        Err(mistakes) => return show(&portal, person, form, mistakes).await,
    };
    let said = [("reference", form.reference.trim()), ("reason", form.reason.trim())];
    let caller = Caller(person);
    match portal.api.ask_for_pack(caller.asker(), &number, &said).await? {
        PackAsked::Taken(id) => Ok(Redirect::to(&format!("/access-packs/{id}")).into_response()),
        PackAsked::TooMany => show(&portal, caller.0, form, vec![("nhs-number", TOO_MANY)]).await,
    }
}

/// How far a pack is, and the way to fetch it.
pub(crate) async fn pack(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(id): Path<Uuid>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let pack = portal.api.pack(Caller(person).asker(), id).await?;
    page(&PackPage { layout, id, pack: pack.map(|pack| portal.pack_view(pack)) })
}

/// The pack itself.
pub(crate) async fn file(
    State(portal): SharedPortal,
    caller: Caller,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    match portal.api.pack_file(caller.asker(), id).await? {
        Some(answer) => Ok(content::pack(id, answer)),
        // The page says why it is not there.
        None => Ok(Redirect::to(&format!("/access-packs/{id}")).into_response()),
    }
}

/// Removes a pack, or stops the making of it.
pub(crate) async fn remove(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(id): Path<Uuid>,
    Form(form): Form<DoForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    portal.api.remove_pack(Caller(person).asker(), id).await?;
    Ok(Redirect::to("/access-packs").into_response())
}

async fn show(
    portal: &Portal,
    person: Person,
    form: PackForm,
    mistakes: Vec<(&'static str, &'static str)>,
) -> Result<Response, Problem> {
    let layout = portal.layout(Some(&person));
    let packs = portal.api.packs(Caller(person).asker()).await?;
    let packs = packs.into_iter().map(|pack| portal.pack_view(pack)).collect();
    let status = match mistakes.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let body = page(&PacksPage { layout, packs, form, mistakes })?;
    Ok((status, body).into_response())
}

impl PackForm {
    fn checked(&self) -> Result<NhsNumber, Vec<(&'static str, &'static str)>> {
        let mut mistakes = Vec::new();
        let number = self.nhs_number.trim().parse::<NhsNumber>();
        if number.is_err() {
            mistakes.push(("nhs-number", "Enter a real NHS number"));
        }
        match self.reference.trim().chars().count() {
            0 => mistakes.push(("reference", "Enter the reference of the request")),
            1..=100 => {}
            _ => mistakes.push(("reference", "The reference has 100 characters or fewer")),
        }
        match self.reason.trim().chars().count() {
            0 => mistakes.push(("reason", "Say what the pack is for")),
            1..=500 => {}
            _ => mistakes.push(("reason", "Say it in 500 characters or fewer")),
        }
        if mistakes.is_empty() { number.map_err(|_| Vec::new()) } else { Err(mistakes) }
    }
}

impl Portal {
    /// A pack in words.
    pub(super) fn pack_view(&self, pack: AccessPack) -> PackView {
        let many = |n: u64, one: &str, several: &str| {
            counted(usize::try_from(n).unwrap_or(usize::MAX), one, several)
        };
        PackView {
            asked: clinical(&pack.asked, &self.zone),
            expires: clinical(&pack.expires, &self.zone),
            tag: match pack.state.as_str() {
                "ready" if pack.missing.is_empty() => ("Ready", "green"),
                "ready" => ("Ready, not complete", "yellow"),
                "making" => ("Being made", "blue"),
                "failed" => ("Could not be made", "red"),
                "withdrawn" => ("Removed: ask again", "red"),
                _ => ("Broken off", "red"),
            },
            documents: many(pack.documents, "document", "documents"),
            accesses: many(pack.accesses, "access", "accesses"),
            size: match pack.size >> 20 {
                0 => format!("{} KB", pack.size.div_ceil(1 << 10)),
                mib => format!("{mib} MB"),
            },
            pack,
        }
    }
}

const TOO_MANY: &str = "You have as many packs as one person may have, or there is no room for more \
    now. Remove one, or try again later";
