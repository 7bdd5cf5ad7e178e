use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use crate::apps;
use crate::pages::{Layout, page};
use crate::portal::SharedPortal;
use crate::problem::Problem;
use crate::session::{Person, Role, SignedIn};

#[derive(Template)]
#[template(path = "role.html")]
struct RolePage<'a> {
    layout: Layout,
    roles: &'a [&'a Role],
    current: &'a str,
    missing: bool,
}

/// Asks which role the person acts in.
pub(crate) async fn ask(State(portal): SharedPortal, person: Person) -> Result<Response, Problem> {
    show(&portal.layout(Some(&person)), &person, false)
}

/// What the role form sends.
#[derive(Deserialize)]
pub(crate) struct RoleForm {
    csrf: String,
    role: Option<String>,
}

/// Takes the choice. The patients looked at before are left behind: another role may see less.
pub(crate) async fn choose(
    State(portal): SharedPortal,
    mut person: Person,
    Form(form): Form<RoleForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let chosen = form.role.filter(|id| person.roles_to_choose().iter().any(|role| role.id == *id));
    let Some(chosen) = chosen else {
        return show(&portal.layout(Some(&person)), &person, true);
    };
    let act = |data: &mut SignedIn| {
        data.acting_as = Some(chosen);
        data.patients.clear();
        Ok(())
    };
    portal.change(&mut person, act).await?;
    // Who was sent by an app goes on to answer it; who was opened a record by a system, to that.
    let asked = apps::one_waits(&portal, &person.session).await?;
    let first = if asked { apps::CONSENT } else { person.data.first_page() };
    Ok(Redirect::to(first).into_response())
}

fn show(layout: &Layout, person: &Person, missing: bool) -> Result<Response, Problem> {
    page(&RolePage {
        layout: layout.clone(),
        roles: &person.roles_to_choose(),
        current: person.data.acting_as.as_deref().unwrap_or_default(),
        missing,
    })
    .map(IntoResponse::into_response)
}
