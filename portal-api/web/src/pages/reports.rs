//! Detection reports: what rules have found in the record of accesses, and the review of it.

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::alerts::{CHOICES, ReviewForm, STATES, note_view, state_words};
use super::{Layout, form_page, page};
use crate::api::{DetectionRun, Finding, FindingCounts};
use crate::display::{clinical, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage {
    layout: Layout,
    /// The choice that is shown.
    shown: &'static str,
    /// Code, words and count of each that can be chosen, and whether it is.
    choices: Vec<(&'static str, &'static str, u64, bool)>,
    /// The rule that is shown; empty for all.
    rule: String,
    /// Id, name and number of open findings of each rule.
    rules: Vec<(String, String, u64)>,
    findings: Vec<FindingView>,
    /// After which finding there are more.
    next: Option<Uuid>,
    run: Option<RunView>,
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    layout: Layout,
    finding: FindingView,
    states: &'static [(&'static str, &'static str)],
    mistake: Option<&'static str>,
    form: ReviewForm,
}

struct FindingView {
    finding: Finding,
    who: String,
    when: String,
    due: String,
    state: &'static str,
    patient: Option<String>,
    notes: Vec<(String, String)>,
    /// Whether not all records that it rests on are named.
    partial: bool,
}

/// What a run of the rules did.
struct RunView {
    summary: String,
    notes: Vec<String>,
}

/// Which findings to show.
#[derive(Default, Deserialize)]
pub(crate) struct Shown {
    #[serde(default)]
    show: String,
    #[serde(default)]
    rule: String,
    before: Option<Uuid>,
}

/// Asks for a run.
#[derive(Deserialize)]
pub(crate) struct RunForm {
    csrf: String,
}

/// The findings.
pub(crate) async fn list(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Query(shown): Query<Shown>,
) -> Result<Html<String>, Problem> {
    listed(&portal, person, shown, None).await
}

/// Has the rules go through the last day, and shows what there is.
pub(crate) async fn run(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Form(form): Form<RunForm>,
) -> Result<Html<String>, Problem> {
    person.check(&form.csrf)?;
    let caller = Caller(person);
    let DetectionRun { records, new, notes } = portal.api.detect(caller.asker()).await?;
    let found = match new {
        0 => "nothing new was found".to_owned(),
        new => format!("{} found", many(new, "new report", "new reports")),
    };
    let records = many(records, "record", "records");
    let summary = format!("The rules went through {records} of the last 24 hours: {found}.");
    let run = RunView { summary, notes };
    listed(&portal, caller.0, Shown::default(), Some(run)).await
}

async fn listed(
    portal: &Portal,
    person: Person,
    Shown { show, rule, before }: Shown,
    run: Option<RunView>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let choice = CHOICES.iter().find(|choice| choice.code == show).unwrap_or(&CHOICES[0]);
    let FindingCounts { states, rules } = portal.api.finding_counts(caller.asker()).await?;
    let rule = if rules.iter().any(|(id, _, _)| *id == rule) { rule } else { String::new() };
    let found = portal.api.findings(caller.asker(), &rule, choice.which, before).await?;
    let count = |codes: &[&str]| -> u64 {
        states.iter().filter(|(code, _)| codes.contains(&code.as_str())).map(|c| c.1).sum()
    };
    let choices = CHOICES.iter();
    let choices = choices.map(|c| (c.code, c.words, count(c.counts), c.code == choice.code));
    page(&ReportsPage {
        layout,
        shown: choice.code,
        choices: choices.collect(),
        rule,
        rules,
        findings: found.findings.into_iter().map(|f| portal.finding_view(f)).collect(),
        next: found.next,
        run,
    })
}

/// One finding with its notes, and the next step.
pub(crate) async fn report(
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
    Ok(Redirect::to(&format!("/reports/{id}")).into_response())
}

async fn show(
    portal: &Portal,
    person: Person,
    id: Uuid,
    form: ReviewForm,
    mistake: Option<&'static str>,
) -> Result<Response, Problem> {
    let layout = portal.layout(Some(&person));
    let finding = portal.api.finding(Caller(person).asker(), id).await?;
    let finding = portal.finding_view(finding);
    let wrong = mistake.is_some();
    form_page(&ReportPage { layout, finding, states: &STATES, mistake, form }, wrong)
}

fn many(n: u64, one: &str, several: &str) -> String {
    counted(usize::try_from(n).unwrap_or(usize::MAX), one, several)
}

impl Portal {
    fn finding_view(&self, finding: Finding) -> FindingView {
        let time = |text: &str| clinical(text, &self.zone);
        let (first, last) = (time(&finding.first), time(&finding.last));
        FindingView {
            who: match finding.by.as_str() {
                "withheld" => "Not shown for this patient".to_owned(),
                by => format!("{by}, role {}, {}", finding.role, finding.organisation),
            },
            when: if first == last { first } else { format!("{first} to {last}") },
            due: time(&finding.due),
            state: state_words(&finding.state),
            patient: finding.patient.map(|number| number.grouped()),
            notes: finding.notes.iter().map(|note| note_view(note, &self.zone)).collect(),
            partial: (finding.records.len() as u64) < finding.count,
            finding,
        }
    }
}
