//! What the patient says about sharing this record, recorded at the desk; and asked for at the
//! point of care, where that is the rule. NHS context 5.1, 5.2.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use uuid::Uuid;

use super::patient::{CLASSES, class_words};
use super::terms::Voice;
use super::{Layout, Mistake, form_page, mistake_of};
use crate::api::{ApiError, Decider, Said, Says};
use crate::display::{Banner, clinical};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    /// What is recorded; `None` for who may only ask.
    said: Option<Vec<SaidView>>,
    /// The reader's organisation.
    organisation: String,
    classes: Vec<(&'static str, &'static str)>,
    form: ConsentForm,
    mistakes: Vec<Mistake>,
}

struct SaidView {
    id: Uuid,
    words: String,
    by: String,
    since: String,
    until: Option<String>,
    recorded_at: String,
    /// Whether it holds still.
    in_force: bool,
    active: bool,
}

/// What the page sends.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConsentForm {
    csrf: String,
    /// `agrees`, `all`, `source`, `recipient` or `class`.
    says: String,
    source: String,
    recipient: String,
    class: String,
    /// `patient` or `representative`.
    decider: String,
    /// `day`, `year` or nothing.
    until: String,
}

/// Shows what is recorded, and takes more.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, ConsentForm::default(), Vec::new()).await
}

/// Records what the patient says. It holds from the next request on.
pub(crate) async fn record(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<ConsentForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let number = person.patient(handle)?.nhs_number;
    let own = person.role().map(|role| role.ods.clone()).unwrap_or_default();
    let (says, decider) = match form.read(&own) {
        Ok(read) => read,
        Err(mistakes) => return show(&portal, person, handle, form, mistakes).await,
    };
    let caller = Caller(person);
    let now = portal.clock.now();
    let until = match form.until.as_str() {
        "day" => Some(now + SignedDuration::from_hours(24)),
        "year" => Some(now + SignedDuration::from_hours(24 * 365)),
        _ => None,
    };
    let asker = caller.asker();
    portal.api.record_consent(asker, &number, &says, decider, (now, until)).await?;
    Ok(Redirect::to(&back(handle, matches!(says, Says::Agrees(_)))).into_response())
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub(crate) struct LiftForm {
    csrf: String,
}

/// Lifts something that was said. It is kept, with who lifted it.
pub(crate) async fn lift(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
    Form(form): Form<LiftForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let number = person.patient(handle)?.nhs_number;
    portal.api.lift_consent(Caller(person).asker(), &number, id).await?;
    Ok(Redirect::to(&back(handle, false)).into_response())
}

/// Who has said yes goes on to the record.
fn back(handle: Uuid, to_record: bool) -> String {
    if to_record { format!("/patient/{handle}") } else { format!("/patient/{handle}/consent") }
}

impl ConsentForm {
    fn read(&self, own: &str) -> Result<(Says, Decider), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut organisation = |field, typed: &str| {
            let code = typed.trim().to_ascii_uppercase();
            let is_code = (3..=10).contains(&code.len());
            if !is_code || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
                let words = "Enter the ODS code of the organisation, such as ZEX01";
                mistakes.push(Mistake { field, words });
            }
            code
        };
        let says = match self.says.as_str() {
            "agrees" => Some(Says::Agrees(Some(own.to_owned()))),
            "all" => Some(Says::ObjectsToAll),
            "source" => Some(Says::ObjectsToSource(organisation("source", &self.source))),
            "recipient" => {
                Some(Says::ObjectsToRecipient(organisation("recipient", &self.recipient)))
            }
            "class" => {
                let known = CLASSES.iter().any(|(code, _)| *code == self.class);
                if !known {
                    let words = "Choose a class of documents";
                    mistakes.push(Mistake { field: "class", words });
                }
                Some(Says::ObjectsToClass(self.class.clone()))
            }
            _ => None,
        };
        if says.is_none() {
            let words = "Choose what the patient says";
            mistakes.push(Mistake { field: "says-1", words });
        }
        let decider = match self.decider.as_str() {
            "patient" => Some(Decider::Patient),
            "representative" => Some(Decider::Representative),
            _ => None,
        };
        if decider.is_none() {
            mistakes.push(Mistake { field: "decider-1", words: "Choose who decided" });
        }
        match says.zip(decider) {
            Some(read) if mistakes.is_empty() => Ok(read),
            _ => Err(mistakes),
        }
    }
}

impl ConsentPage {
    fn mistake(&self, field: &str) -> Option<&'static str> {
        mistake_of(&self.mistakes, field)
    }
}

async fn show(
    portal: &Portal,
    person: Person,
    handle: Uuid,
    form: ConsentForm,
    mistakes: Vec<Mistake>,
) -> Result<Response, Problem> {
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let asker = caller.asker();
    let (record, said) =
        tokio::join!(portal.api.patient(asker, &number), portal.api.consents(asker, &number));
    let record = record?;
    let said = match said {
        Ok(said) => Some(said.into_iter().map(|said| portal.said_view(said)).collect()),
        // Who may only ask does not see what is recorded.
        Err(ApiError::Refused(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let role = caller.0.role();
    let wrong = !mistakes.is_empty();
    let shown = ConsentPage {
        banner: portal.banner(&number, record.as_ref()),
        layout,
        handle,
        said,
        organisation: role.map(|role| role.organisation.clone()).unwrap_or_default(),
        classes: CLASSES.to_vec(),
        form,
        mistakes,
    };
    form_page(&shown, wrong)
}

impl Portal {
    fn said_view(&self, said: Said) -> SaidView {
        let now = self.clock.now();
        let time = |time: &String| clinical(time, &self.zone);
        let ended = said.until.as_ref().and_then(|until| until.parse::<Timestamp>().ok());
        SaidView {
            id: said.id,
            words: words(&said.says, &time),
            by: said.by,
            since: said.since.as_ref().map_or_else(|| "Not known".to_owned(), time),
            until: said.until.as_ref().map(time),
            recorded_at: said.recorded_at,
            in_force: said.active && ended.is_none_or(|ended| now <= ended),
            active: said.active,
        }
    }
}

/// A code of the ladder of confidentiality stands for those above it, too.
pub(super) fn or_higher(code: &str) -> &'static str {
    if code.len() == 1 { " or higher" } else { "" }
}

fn words(says: &Says, time: &dyn Fn(&String) -> String) -> String {
    match says {
        Says::ObjectsToAll => "Objects to sharing the whole record".to_owned(),
        Says::ObjectsToSource(from) => format!("Objects to sharing what comes from {from}"),
        Says::ObjectsToRecipient(to) => format!("Objects to sharing anything with {to}"),
        Says::ObjectsToClass(class) => {
            format!("Objects to sharing documents of the class {}", class_words(class))
        }
        Says::ObjectsToLabel(code) => {
            format!("Objects to sharing documents that are marked {code}{}", or_higher(code))
        }
        Says::ObjectsToDocument => "Objects to sharing one document".to_owned(),
        Says::Agrees(Some(to)) => format!("Agrees that {to} sees the record"),
        Says::Agrees(None) => "Agrees that any organisation sees the record".to_owned(),
        Says::Terms(terms) => {
            let (objects, agrees) = ("objects to sharing", "agrees to sharing");
            Voice { objects, agrees, name: &Clone::clone, time }.words(terms)
        }
        Says::Other => "Something that this page has no words for".to_owned(),
    }
}
