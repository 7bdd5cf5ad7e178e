//! The privacy officer's inbox: what was opened by override, and the review of it.

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, form_page, page};
use crate::api::{Alert, AlertNote, REASONS};
use crate::display::clinical;
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    layout: Layout,
    /// The choice that is shown.
    shown: &'static str,
    /// Code, words and count of each that can be chosen, and whether it is.
    choices: Vec<(&'static str, &'static str, u64, bool)>,
    alerts: Vec<AlertView>,
    /// After which alert there are more.
    next: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    layout: Layout,
    alert: AlertView,
    states: &'static [(&'static str, &'static str)],
    mistake: Option<&'static str>,
    form: ReviewForm,
}

struct AlertView {
    alert: Alert,
    raised: String,
    due: String,
    state: &'static str,
    reason: &'static str,
    patient: String,
    notes: Vec<(String, String)>,
}

/// Which alerts to show.
#[derive(Deserialize)]
pub(crate) struct Shown {
    #[serde(default)]
    show: String,
    before: Option<Uuid>,
}

/// A step of a review.
#[derive(Default, Deserialize)]
pub(crate) struct ReviewForm {
    pub(super) csrf: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) note: String,
}

impl ReviewForm {
    /// The note, and what is wrong.
    pub(super) fn checked(&self) -> (String, Option<&'static str>) {
        let note: String = self.note.trim().chars().take(2_000).collect();
        let known = STATES.iter().any(|(code, _)| *code == self.state);
        let mistake = match known {
            false => Some("Choose where the review stands"),
            true if self.state != "in-review" && note.is_empty() => Some("Say what you found"),
            true => None,
        };
        (note, mistake)
    }
}

/// The inbox.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Query(Shown { show, before }): Query<Shown>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let choice = CHOICES.iter().find(|choice| choice.code == show).unwrap_or(&CHOICES[0]);
    let (counts, found) = tokio::join!(
        portal.api.alert_counts(caller.asker()),
        portal.api.alerts(caller.asker(), choice.which, before),
    );
    let (counts, found) = (counts?, found?);
    let count = |choice: &Choice| -> u64 {
        counts.iter().filter(|(code, _)| choice.counts.contains(&code.as_str())).map(|c| c.1).sum()
    };
    let choices = CHOICES.iter().map(|each| {
        let current = each.code == choice.code;
        (each.code, each.words, count(each), current)
    });
    page(&AlertsPage {
        layout,
        shown: choice.code,
        choices: choices.collect(),
        alerts: found.alerts.into_iter().map(|a| portal.alert_view(a)).collect(),
        next: found.next,
    })
}

/// One alert with its notes, and the next step.
pub(crate) async fn alert(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, id, ReviewForm::default(), None).await
}

/// Takes the step.
pub(crate) async fn review(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(id): Path<Uuid>,
    Form(form): Form<ReviewForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let (note, mistake) = form.checked();
    if mistake.is_some() {
        return show(&portal, person, id, form, mistake).await;
    }
    portal.api.review(Caller(person).asker(), id, &form.state, &note).await?;
    Ok(Redirect::to(&format!("/alerts/{id}")).into_response())
}

async fn show(
    portal: &Portal,
    person: Person,
    id: Uuid,
    form: ReviewForm,
    mistake: Option<&'static str>,
) -> Result<Response, Problem> {
    let layout = portal.layout(Some(&person));
    let alert = portal.api.alert(Caller(person).asker(), id).await?;
    let alert = portal.alert_view(alert);
    let wrong = mistake.is_some();
    form_page(&AlertPage { layout, alert, states: &STATES, mistake, form }, wrong)
}

impl Portal {
    fn alert_view(&self, alert: Alert) -> AlertView {
        let time = |text: &str| match text.parse::<Timestamp>() {
            Ok(_) => clinical(text, &self.zone),
            Err(_) => "Not known".to_owned(),
        };
        AlertView {
            raised: time(&alert.raised),
            due: time(&alert.due),
            state: state_words(&alert.state),
            reason: reason_words(&alert.reason),
            patient: alert.patient.map_or_else(|| "Not known".to_owned(), |n| n.grouped()),
            notes: alert.notes.iter().map(|note| note_view(note, &self.zone)).collect(),
            alert,
        }
    }
}

/// A step of a review: when, by whom, where it stood then; and what was said.
pub(super) fn note_view(note: &AlertNote, zone: &TimeZone) -> (String, String) {
    let at = clinical(&note.at, zone);
    (format!("{at}, {}: {}", note.by, state_words(&note.state)), note.words.clone())
}

/// Why a record was opened, or that the person has said to be caring for the patient.
fn reason_words(code: &str) -> &'static str {
    if code == "claim" {
        return "Says to be caring for the patient";
    }
    REASONS.iter().find(|(known, _, _)| *known == code).map_or("Not known", |(_, words, _)| words)
}

pub(super) fn state_words(code: &str) -> &'static str {
    let known = STATES.iter().find(|(state, _)| *state == code);
    known.map_or("New", |(_, words)| words)
}

/// A part of the inbox.
pub(super) struct Choice {
    pub(super) code: &'static str,
    pub(super) words: &'static str,
    /// The parameters of the search for it.
    pub(super) which: &'static [(&'static str, &'static str)],
    /// The counts that add up to it.
    pub(super) counts: &'static [&'static str],
}

pub(super) const CHOICES: [Choice; 3] = [
    Choice {
        code: "open",
        words: "To review",
        which: &[("state", "new,in-review")],
        counts: &["new", "in-review"],
    },
    Choice {
        code: "overdue",
        words: "Overdue",
        which: &[("overdue", "true")],
        counts: &["overdue"],
    },
    Choice {
        code: "closed",
        words: "Closed",
        which: &[("state", "appropriate,not-appropriate,needs-hr")],
        counts: &["appropriate", "not-appropriate", "needs-hr"],
    },
];

pub(super) const STATES: [(&str, &str); 4] = [
    ("in-review", "In review"),
    ("appropriate", "Closed: appropriate"),
    ("not-appropriate", "Closed: not appropriate"),
    ("needs-hr", "Closed: handed to HR"),
];
