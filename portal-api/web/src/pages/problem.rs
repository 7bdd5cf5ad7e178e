use std::collections::HashSet;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::middleware;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::{Method, StatusCode};
use tower_sessions::Session;
use uuid::Uuid;

use super::{Layout, page};
use crate::display::Banner;
use crate::portal::Portal;
use crate::problem::{AppFailure, LaunchFailure, Problem, RefusedPage, SignInFailure};
use crate::session::{Person, forget, remember};

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    layout: Layout,
    title: &'static str,
    paragraphs: &'static [&'static str],
    /// Where the next step leads.
    href: String,
    action: &'static str,
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusalPage {
    layout: Layout,
    banner: Option<Banner>,
    back_to: Option<String>,
    reasons: Vec<Reason>,
    /// What the reader can do, each thing once.
    advice: Vec<&'static str>,
    may_open: Option<Uuid>,
    may_claim: Option<Uuid>,
    may_record: Option<Uuid>,
}

/// One decision, in words.
struct Reason {
    words: String,
    rule: &'static str,
    code: String,
    set_by: Option<String>,
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
    next: middleware::Next,
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
    if let Problem::Died(handle) = problem {
        return Redirect::to(&format!("/patient/{handle}/died")).into_response();
    }
    // The API may have turned a token down that the session still holds.
    if matches!(problem, Problem::SignedOut { .. })
        && let Err(broken) = forget(&session).await
    {
        return broken.status().into_response();
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

fn fill(layout: Layout, problem: Problem, again: Option<String>) -> Result<Html<String>, Problem> {
    if let Problem::Refused(refused) = problem {
        return page(&RefusalPage::new(layout, *refused));
    }
    let home = match (&layout.name, layout.citizen) {
        (Some(_), true) => "/mine",
        (Some(_), false) if layout.locked => "/launch/patient",
        (Some(_), false) => "/search",
        (None, _) => "/",
    };
    let (href, action) = match (next(&problem), again) {
        (("/search", _), _) if layout.citizen => (home.to_owned(), "Go to your records"),
        (("/search", _), _) if layout.locked => (home.to_owned(), "Go back to the patient"),
        (("", words), Some(again)) => (again, words),
        (("", words), None) => (home.to_owned(), words),
        ((href, words), _) => (href.to_owned(), words),
    };
    let (title, paragraphs) = words(&problem);
    page(&ProblemPage { layout, title, paragraphs, href, action })
}

impl RefusalPage {
    fn new(layout: Layout, refused: RefusedPage) -> Self {
        let mut all: Vec<&'static str> =
            refused.refusals.iter().flat_map(|refusal| advice(&refusal.rule)).copied().collect();
        let mut seen = HashSet::new();
        all.retain(|words| seen.insert(*words));
        let reasons = refused.refusals.into_iter().map(|refusal| Reason {
            words: refusal.words,
            rule: rule_name(&refusal.rule),
            code: refusal.rule,
            set_by: refusal.set_by.map(|words| capitalised(&words)),
        });
        Self {
            layout,
            banner: refused.banner,
            back_to: refused.back_to,
            reasons: reasons.collect(),
            advice: all,
            may_open: refused.may_open,
            may_claim: refused.may_claim,
            may_record: refused.may_record,
        }
    }
}

/// What to do about it: where that leads, empty for the same page again, and what to call it.
fn next(problem: &Problem) -> (&'static str, &'static str) {
    match problem {
        Problem::SignedOut { had_one: true } => ("/sign-in", "Sign in again"),
        Problem::SignedOut { had_one: false } => ("/sign-in", "Sign in"),
        Problem::SignIn(_) => ("/sign-in", "Try again"),
        Problem::RoleNeeded => ("/role", "Choose your role"),
        Problem::CouldNotAsk | Problem::NotGiven | Problem::Broken => ("", "Try again"),
        Problem::Refused(_)
        | Problem::NotFound
        | Problem::Died(_)
        | Problem::Forged
        | Problem::Unreadable => ("/search", "Search for a patient"),
        Problem::Launch(_) | Problem::App(_) => ("/", "Go to the start page"),
        Problem::Locked => ("/launch/patient", "Go back to the patient"),
    }
}

fn launch_words(failure: LaunchFailure) -> (&'static str, &'static [&'static str]) {
    match failure {
        LaunchFailure::Ended => (
            "This link has ended",
            &[
                "It can be used once, within a minute. Open the patient's record from your system again.",
            ],
        ),
        LaunchFailure::NotTaken => (
            "The record could not be opened from there",
            &[
                "What the other system sent is not accepted here. Tell those who look after it; what \
               is wrong stands in the record of accesses.",
            ],
        ),
        LaunchFailure::OtherPerson => (
            "Somebody else has signed in",
            &["The record was to be opened for another person than the one who has signed in. No \
               record has been opened. Sign out at the sign-in provider and try again."],
        ),
        LaunchFailure::OtherRole => (
            "You do not act in that role here",
            &[
                "The role or organisation that the other system named is not one that you have signed in \
               with. No record has been opened.",
            ],
        ),
        LaunchFailure::Away => (
            "The other system could not be asked",
            &[
                "It did not say who the patient is, or its answer could not be used. No record has been \
               opened.",
                "Open the patient's record from there again in a few minutes. If this goes on, tell your \
               service desk.",
            ],
        ),
        LaunchFailure::NotIdentified => (
            "It cannot be told who the patient is",
            &[
                "One NHS number, a family name and a date of birth are needed, and the other system does \
               not have them for this patient. No record has been opened.",
                "Complete the patient's details there, or sign in here and search for the patient.",
            ],
        ),
    }
}

fn app_words(failure: AppFailure) -> (&'static str, &'static [&'static str]) {
    match failure {
        AppFailure::Ended => (
            "No app waits for your answer",
            &[
                "You have answered already, from this page or another, or it took more than 10 minutes. \
               Begin again in the app.",
            ],
        ),
        AppFailure::NotTaken => (
            "The app cannot be let in",
            &[
                "It is not known here, or asks for what cannot be given. It has been told nothing and gets \
               nothing. Tell those who look after the app; what is wrong stands in the record of accesses.",
            ],
        ),
        AppFailure::OfStaff => (
            "Apps are for staff",
            &[
                "Here only members of staff can let an app read records for them. The app gets nothing.",
            ],
        ),
    }
}

fn words(problem: &Problem) -> (&'static str, &'static [&'static str]) {
    match problem {
        Problem::Launch(failure) => launch_words(*failure),
        Problem::App(failure) => app_words(*failure),
        Problem::Locked => (
            "This session is for one patient",
            &[
                "The record was opened from another system, for the patient who is open there. To see \
               another patient's record, open it from that patient, or sign out and sign in here.",
            ],
        ),
        Problem::SignedOut { had_one: true } => (
            "Your session has ended",
            &["You were signed out because the page was not used for a while, or because the \
               session reached its longest time. This keeps records safe on shared computers."],
        ),
        Problem::SignedOut { had_one: false } => {
            ("Sign in first", &["You need to sign in to see this page."])
        }
        Problem::SignIn(failure) => ("Signing in did not work", sign_in_words(*failure)),
        Problem::Refused(_) => ("You cannot see this", &["A rule does not allow it."]),
        Problem::NotFound => (
            "Page not found",
            &[
                "There is nothing at this address for you. If you followed a link to a patient or a \
               document, it may belong to an earlier session: search again.",
            ],
        ),
        Problem::CouldNotAsk => (
            "The record could not be asked",
            &[
                "The service that finds documents did not answer. This does not mean that there \
                 are no documents.",
                "If this goes on, tell your service desk.",
            ],
        ),
        Problem::NotGiven => (
            "The document cannot be had",
            &[
                "What its source has is damaged, or is not the document that was registered. It is \
                 not passed on, so no copy of it can be made.",
                "It may be put right there: try again later. Tell your service desk, and ask the \
                 organisation that wrote it.",
            ],
        ),
        Problem::Forged => (
            "The form was not accepted",
            &[
                "It did not come from the page you have open now. This can happen when you signed in \
               again in another tab.",
            ],
        ),
        Problem::Unreadable => (
            "The form could not be read",
            &["Something in it is missing, or there is too much of it."],
        ),
        Problem::RoleNeeded => ("Choose your role", &["Choose the role you act in."]),
        Problem::Died(_) => ("This person has died", &["Open the record again to go on."]),
        Problem::Broken => (
            "Something is wrong on our side",
            &["The page could not be made. Try again in a few minutes."],
        ),
    }
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

fn capitalised(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A rule in plain words.
fn rule_name(rule: &str) -> &'static str {
    match rule {
        "objection-whole-record" => "Objection to sharing the whole record",
        "objection-source" => "Objection to sharing what one organisation holds",
        "objection-document" => "Objection to sharing a document",
        "objection-class" => "Objection to sharing documents of a kind",
        "objection-label" => "Objection to sharing documents marked as confidential or sensitive",
        "objection-period" => "Objection to sharing documents of a time",
        "objection-related" => "Objection to sharing documents of a contact with care",
        "objection-terms" => "Objection to sharing some documents",
        "objection-recipient" => "Objection to sharing with an organisation",
        "consent-limits" => "Consent to a part of the record only",
        "no-agreement" => "No data sharing agreement in force",
        "consent-missing" => "Consent is needed, and none is recorded",
        "no-relationship" => "No record that you are caring for the patient",
        "no-consent-model" => "No rule of consent for this role and organisation",
        "label" => "Confidentiality of the document",
        "assurance-too-low" => "Strength of signing in",
        "role-unknown" => "Role not set up for this service",
        "purpose-not-allowed" => "Purpose not allowed for this role",
        "facts-unavailable" => "Facts for the decision could not be had",
        "other-patient" => "For another patient only",
        "subject-unknown" => "Patient could not be told",
        _ => "Another rule",
    }
}

/// What the reader can do about a rule.
fn advice(rule: &str) -> &'static [&'static str] {
    match rule {
        "objection-whole-record"
        | "objection-source"
        | "objection-document"
        | "objection-class"
        | "objection-label"
        | "objection-period"
        | "objection-related"
        | "objection-terms"
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
        "consent-limits" => &[
            "Talk with the patient: only they can agree to share more. The change takes effect as \
             soon as it is recorded.",
            "If you need the information, ask the organisation that holds it.",
        ],
        "no-relationship" => &[
            "An admission, an attendance, a referral or the registration with a practice opens the \
             record by itself, as soon as the system that knows of it has sent it here.",
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
