use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use tower_sessions::Session;
use uuid::Uuid;

use super::{Layout, page};
use crate::portal::Portal;
use crate::problem::{Problem, RefusedPage, SignInFailure};
use crate::session::{Person, remember};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    layout: Layout,
    title: &'static str,
    paragraphs: &'static [&'static str],
    /// What to do next: where it leads and what it says.
    action: (String, &'static str),
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusalPage {
    layout: Layout,
    refused: RefusedPage,
    advice: &'static [&'static str],
}

/// What no route takes.
pub(crate) async fn not_found() -> Problem {
    Problem::NotFound
}

/// Turns what went wrong into a page that says so, and what to do.
pub(crate) async fn show(
    State(portal): State<Arc<Portal>>,
    session: Session,
    request: Request,
    next: Next,
) -> Response {
    // The path holds nothing but handles; a form is not sent again by a link.
    let again = (request.method() == Method::GET).then(|| request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // What the extractors say is not for people.
        None if status == StatusCode::NOT_FOUND => Problem::NotFound,
        None if is_unreadable(status, &response) => Problem::Unreadable,
        None => return response,
    };
    if matches!(problem, Problem::RoleNeeded) {
        return Redirect::to("/role").into_response();
    }
    let layout = layout(&portal, session).await;
    let status = problem.status();
    match fill(layout, problem, again) {
        Ok(body) => (status, body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether an extractor refused the request; pages of ours are HTML.
fn is_unreadable(status: StatusCode, response: &Response) -> bool {
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    status.is_client_error() && !is_page
}

async fn layout(portal: &Portal, session: Session) -> Layout {
    let data = remember(&session, portal).await.ok().flatten();
    let person = data.map(|data| Person { session, data, request_id: Uuid::nil() });
    portal.layout(person.as_ref())
}

fn fill(
    layout: Layout,
    problem: Problem,
    again: Option<String>,
) -> Result<axum::response::Html<String>, Problem> {
    let retry = |layout: &Layout| {
        let home = if layout.name.is_some() { "/search" } else { "/" };
        again.clone().unwrap_or_else(|| home.to_owned())
    };
    let (title, paragraphs, action): (_, &'static [&'static str], _) = match problem {
        Problem::Refused(refused) => {
            let advice = advice(&refused.refusal.rule);
            return page(&RefusalPage { layout, refused: *refused, advice });
        }
        Problem::SignedOut { had_one: true } => (
            "Your session has ended",
            &["You were signed out because the page was not used for a while, or because the \
                 session reached its longest time. This keeps records safe on shared computers."],
            ("/sign-in".to_owned(), "Sign in again"),
        ),
        Problem::SignedOut { had_one: false } => (
            "Sign in first",
            &["You need to sign in to see this page."],
            ("/sign-in".to_owned(), "Sign in"),
        ),
        Problem::SignIn(failure) => (
            "Signing in did not work",
            sign_in_words(failure),
            ("/sign-in".to_owned(), "Try again"),
        ),
        Problem::NotFound => (
            "Page not found",
            &["There is nothing at this address for you. If you followed a link to a patient or \
                 a document, it may belong to an earlier session: search again."],
            ("/search".to_owned(), "Search for a patient"),
        ),
        Problem::CouldNotAsk => (
            "The record could not be asked",
            &[
                "The service that finds documents did not answer. This does not mean that there \
                 are no documents.",
                "If this goes on, tell your service desk.",
            ],
            (retry(&layout), "Try again"),
        ),
        Problem::Forged => (
            "The form was not accepted",
            &["It did not come from the page you have open now. This can happen when you signed \
                 in again in another tab."],
            ("/search".to_owned(), "Search for a patient"),
        ),
        Problem::Unreadable => (
            "The form could not be read",
            &["Something in it is missing, or there is too much of it."],
            ("/search".to_owned(), "Search for a patient"),
        ),
        Problem::RoleNeeded => {
            ("Choose your role", &["Choose the role you act in."], ("/role".to_owned(), "Choose"))
        }
        Problem::Broken => (
            "Something is wrong on our side",
            &["The page could not be made. Try again in a few minutes."],
            (retry(&layout), "Try again"),
        ),
    };
    page(&ProblemPage { layout, title, paragraphs, action })
}

fn sign_in_words(failure: SignInFailure) -> &'static [&'static str] {
    match failure {
        SignInFailure::Provider => &[
            "The sign-in service did not answer. You have not been signed in.",
            "Try again in a few minutes.",
        ],
        SignInFailure::Declined => &["The sign-in service did not sign you in."],
        SignInFailure::Mismatch => &[
            "The answer of the sign-in service does not belong to a sign-in from this browser, or \
             it came too late. You have not been signed in.",
        ],
        SignInFailure::Token => &[
            "The answer of the sign-in service could not be trusted. You have not been signed in.",
        ],
    }
}

/// What the reader can do about a rule.
fn advice(rule: &str) -> &'static [&'static str] {
    match rule {
        "objection-whole-record"
        | "objection-source"
        | "objection-document"
        | "objection-class"
        | "objection-recipient" => &[
            "Talk with the patient: only they can lift their objection. The privacy officer of \
             your organisation records it, and the change takes effect at once.",
            "If you need the information, ask the organisation that holds it.",
        ],
        "no-agreement" => {
            &["Ask the information governance lead of your organisation about the data sharing \
             agreement with the organisation that holds the documents."]
        }
        "consent-missing" => &[
            "Ask the patient for their consent. Once it is recorded, the documents can be opened \
             at once.",
        ],
        "label" => &[
            "Ask the organisation that wrote the document: it may tell you what you need to know.",
        ],
        "assurance-too-low" => {
            &["Sign out, and sign in with a smartcard, a passkey or another strong method."]
        }
        "role-unknown" | "purpose-not-allowed" | "no-consent-model" => &[
            "If you have another role, change to it. Otherwise ask the person who manages access \
             in your organisation.",
        ],
        "facts-unavailable" => {
            &["Try again in a few minutes: what the decision needs to know could not be had."]
        }
        _ => &["Ask the privacy officer of your organisation."],
    }
}
