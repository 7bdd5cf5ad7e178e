//! Who has looked at a record, for the person whose it is.

use std::collections::{BTreeSet, HashSet};

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::super::looked::words::{tag, what, why};
use super::{Whose, known, refused, whose};
use crate::api::{Access, AccessQuestion};
use crate::display::{Banner, clinical};
use crate::pages::{Layout, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "mine_looked.html")]
struct LookedPage {
    layout: Layout,
    banner: Banner,
    whose: Whose,
    rows: Vec<Row>,
    /// What leads to older ones.
    next: Option<String>,
    /// Whose records could not be searched.
    silent: Vec<String>,
    older: bool,
}

struct Row {
    at: String,
    who: String,
    from: String,
    what: String,
    why: &'static str,
    tag: (&'static str, &'static str),
}

/// What leads to older ones.
#[derive(Deserialize)]
pub(crate) struct More {
    csrf: String,
    page: String,
}

/// Who has looked, newest first.
pub(crate) async fn looked(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, String::new()).await
}

/// Who looked before.
pub(crate) async fn looked_more(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(more): Form<More>,
) -> Result<Response, Problem> {
    person.check(&more.csrf)?;
    show(&portal, person, handle, more.page).await
}

async fn show(
    portal: &Portal,
    person: Person,
    handle: Uuid,
    next: String,
) -> Result<Response, Problem> {
    let Some(known) = known(&person.data, handle)? else {
        return Ok(Redirect::to("/mine").into_response());
    };
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let banner = portal.banner(&number, portal.record_of(&caller, &number).await?.as_ref());
    let older = !next.is_empty();
    let (mut accesses, mut silent, mut next) = (Vec::new(), BTreeSet::new(), Some(next));
    // One look leaves a record in each part of the service: of a page of records there may be few looks.
    for _ in 0..PAGES_AT_ONCE {
        let Some(page) = next.take() else { break };
        let question = AccessQuestion { patient: Some(number), page, ..AccessQuestion::default() };
        let found = portal.api.accesses(caller.asker(), &question).await;
        let found = found.map_err(|error| refused(error, &banner))?;
        silent.extend(found.logs.into_iter().filter(|(_, ok)| !ok).map(|(name, _)| name));
        accesses.extend(found.accesses);
        next = found.next;
    }
    page(&LookedPage {
        layout,
        banner,
        whose: whose(handle, &known),
        silent: silent.into_iter().collect(),
        next,
        rows: rows(portal, &caller, accesses),
        older,
    })
    .map(IntoResponse::into_response)
}

/// One row for each request: what the shared record did inside to answer it is not told apart.
fn rows(portal: &Portal, caller: &Caller, accesses: Vec<Access>) -> Vec<Row> {
    let people: HashSet<String> = accesses
        .iter()
        .filter(|access| access.is_person)
        .filter_map(|access| access.request.clone())
        .collect();
    let mut seen = HashSet::new();
    let mut is_first = |access: &Access| match &access.request {
        Some(request) if !access.is_person && people.contains(request) => false,
        Some(request) => seen.insert(request.clone()),
        None => true,
    };
    let shown = accesses.into_iter().filter(|access| is_first(access));
    shown.map(|access| row(portal, caller, access)).collect()
}

fn row(portal: &Portal, caller: &Caller, access: Access) -> Row {
    let hidden = access.who.as_deref() == Some("withheld");
    let who = match (access.who, access.is_person, access.role) {
        (Some(name), true, _) if name == caller.0.data.name => "You".to_owned(),
        (_, true, Some(role)) if hidden => role,
        (Some(name), true, Some(role)) => format!("{name}, {role}"),
        (_, true, None) if hidden => "Not shown".to_owned(),
        (Some(name), true, None) => name,
        (Some(_), false, _) => "A computer system".to_owned(),
        (None, _, _) => "Not known".to_owned(),
    };
    Row {
        at: clinical(&access.at, &portal.zone),
        who,
        from: access.organisation.unwrap_or_default(),
        what: what(&access.interaction, 0).replace(" (0 documents)", ""),
        why: why(access.rule.as_deref(), &access.outcome),
        tag: tag(&access.outcome),
    }
}

/// Pages of the API that are asked for one of this.
const PAGES_AT_ONCE: usize = 4;
