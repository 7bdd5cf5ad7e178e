use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use tower_sessions::Session;

use super::{Layout, page};
use crate::portal::SharedPortal;
use crate::problem::Problem;
use crate::session::remember;

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage {
    layout: Layout,
    /// Where citizens sign in: id and name.
    citizens: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "accessibility.html")]
struct AccessibilityPage {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    layout: Layout,
}

/// Says what this is, with the way in. Who is signed in goes straight to the search.
pub(crate) async fn start(
    State(portal): SharedPortal,
    session: Session,
) -> Result<Response, Problem> {
    if let Some(data) = remember(&session, &portal).await? {
        return Ok(Redirect::to(data.first_page()).into_response());
    }
    let citizens = portal.providers.of_citizens();
    page(&StartPage { layout: portal.layout(None), citizens }).map(IntoResponse::into_response)
}

/// The accessibility statement.
pub(crate) async fn accessibility(State(portal): SharedPortal) -> Result<Response, Problem> {
    page(&AccessibilityPage { layout: portal.layout(None) }).map(IntoResponse::into_response)
}

/// Confirms signing out.
pub(crate) async fn signed_out(State(portal): SharedPortal) -> Result<Response, Problem> {
    page(&SignedOutPage { layout: portal.layout(None) }).map(IntoResponse::into_response)
}

/// Where a page that was left open goes when the session's time is over. A session that was used
/// from another page meanwhile goes on.
pub(crate) async fn session_ended(
    State(portal): SharedPortal,
    session: Session,
) -> Result<Response, Problem> {
    if let Some(data) = remember(&session, &portal).await? {
        return Ok(Redirect::to(data.first_page()).into_response());
    }
    Err(Problem::SignedOut { had_one: true })
}
