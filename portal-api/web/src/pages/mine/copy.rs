//! A copy of a whole record for the person whose it is, or who acts for them.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

use super::{Whose, known, refused, whose};
use crate::api::PackAsked;
use crate::display::Banner;
use crate::pages::access_packs::{DoForm, PackView};
use crate::pages::{Layout, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "mine_copy.html")]
struct CopyPage {
    layout: Layout,
    banner: Banner,
    whose: Whose,
    packs: Vec<PackView>,
    mistake: Option<&'static str>,
}

/// What a copy has, and those that were asked for.
pub(crate) async fn copy(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, None).await
}

/// Asks for one.
pub(crate) async fn ask_for_copy(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<DoForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    if known(&person.data, handle)?.is_none() {
        return Ok(Redirect::to("/mine").into_response());
    }
    let number = person.patient(handle)?.nhs_number;
    let caller = Caller(person);
    match portal.api.ask_for_pack(caller.asker(), &number, &[]).await? {
        PackAsked::Taken(id) => Ok(Redirect::to(&format!("/access-packs/{id}")).into_response()),
        PackAsked::TooMany => show(&portal, caller.0, handle, Some(TOO_MANY)).await,
    }
}

async fn show(
    portal: &Portal,
    person: Person,
    handle: Uuid,
    mistake: Option<&'static str>,
) -> Result<Response, Problem> {
    let Some(known) = known(&person.data, handle)? else {
        return Ok(Redirect::to("/mine").into_response());
    };
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let banner = portal.banner(&number, portal.record_of(&caller, &number).await?.as_ref());
    let packs = portal.api.packs(caller.asker()).await;
    let packs = packs.map_err(|error| refused(error, &banner))?;
    let packs = packs.into_iter().map(|pack| portal.pack_view(pack)).collect();
    let status = if mistake.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = CopyPage { layout, banner, whose: whose(handle, &known), packs, mistake };
    Ok((status, page(&shown)?).into_response())
}

const TOO_MANY: &str = "You have as many copies as one person may have, or there is no room for more \
    now. Remove one, or try again later";
