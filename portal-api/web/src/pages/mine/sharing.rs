//! What somebody has said about sharing their record, and the way to say more or take it back.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{Whose, known, refused, whose};
use crate::api::{Choice, Wish};
use crate::display::{Banner, clinical};
use crate::pages::consent::or_higher;
use crate::pages::terms::Voice;
use crate::pages::{Layout, form_page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};

#[derive(Template)]
#[template(path = "mine_sharing.html")]
struct SharingPage {
    layout: Layout,
    banner: Banner,
    whose: Whose,
    choices: Vec<ChoiceView>,
    /// Organisations that hold documents: code and name.
    sources: Vec<(String, String)>,
    mistake: Option<&'static str>,
}

struct ChoiceView {
    id: Uuid,
    words: String,
    since: Option<String>,
    until: Option<String>,
    set_by: Option<String>,
}

/// What the forms of the page send.
#[derive(Default, Deserialize)]
pub(crate) struct SharingForm {
    csrf: String,
    /// `everything` or `source`; nothing where something is taken back.
    #[serde(default)]
    object: String,
    #[serde(default)]
    source: String,
    take_back: Option<Uuid>,
}

/// What is shared.
pub(crate) async fn sharing(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
) -> Result<Response, Problem> {
    show(&portal, person, handle, None).await
}

/// Objects, or takes back what was said.
pub(crate) async fn change(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(handle): Path<Uuid>,
    Form(form): Form<SharingForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let Some(_) = known(&person.data, handle)?.filter(|known| known.own) else {
        return Ok(Redirect::to("/mine").into_response());
    };
    let number = person.patient(handle)?.nhs_number;
    let caller = Caller(person);
    let asker = caller.asker();
    match (form.take_back, form.object.as_str(), form.source.trim()) {
        (Some(id), _, _) => portal.api.take_back(asker, id).await?,
        (None, "everything", _) => portal.api.object(asker, &number, None).await?,
        (None, "source", code) if !code.is_empty() => {
            portal.api.object(asker, &number, Some(code)).await?;
        }
        (None, "source", _) => {
            let mistake = Some("Choose the organisation");
            return show(&portal, caller.0, handle, mistake).await;
        }
        (None, _, _) => {
            let mistake = Some("Choose what should not be shared");
            return show(&portal, caller.0, handle, mistake).await;
        }
    }
    Ok(Redirect::to(&format!("/mine/{handle}/sharing")).into_response())
}

async fn show(
    portal: &Portal,
    person: Person,
    handle: Uuid,
    mistake: Option<&'static str>,
) -> Result<Response, Problem> {
    let Some(known) = known(&person.data, handle)?.filter(|known| known.own) else {
        return Ok(Redirect::to("/mine").into_response());
    };
    let number = person.patient(handle)?.nhs_number;
    let layout = portal.layout(Some(&person));
    let caller = Caller(person);
    let asker = caller.asker();
    let banner = portal.banner(&number, portal.record_of(&caller, &number).await?.as_ref());
    let (choices, found) = tokio::join!(
        portal.api.choices(asker, &number),
        portal.api.documents(asker, &number, true)
    );
    let choices = choices.map_err(|error| refused(error, &banner))?;
    // Without the documents only what is about all of them can be said.
    let documents = found.map(|found| found.documents).unwrap_or_default();
    let sources: BTreeMap<String, String> = documents
        .into_iter()
        .map(|document| (document.source.code, document.source.display))
        .filter(|(code, name)| !code.is_empty() && !name.is_empty())
        .collect();
    let view = |choice: Choice| ChoiceView {
        words: words(&choice.says, &sources, &|time| clinical(time, &portal.zone)),
        since: choice.since.as_ref().map(|time| clinical(time, &portal.zone)),
        until: choice.until.as_ref().map(|time| clinical(time, &portal.zone)),
        set_by: choice.set_by,
        id: choice.id,
    };
    let choices = choices.into_iter().map(view).collect();
    let wrong = mistake.is_some();
    let sources: Vec<(String, String)> = sources.into_iter().collect();
    let shown =
        SharingPage { layout, banner, whose: whose(handle, &known), choices, sources, mistake };
    form_page(&shown, wrong)
}

fn words(
    says: &Wish,
    names: &BTreeMap<String, String>,
    time: &dyn Fn(&String) -> String,
) -> String {
    let name = |code: &String| names.get(code).unwrap_or(code).clone();
    match says {
        Wish::Nothing => "Nothing of your record is shared".to_owned(),
        Wish::NotFrom(code) => {
            format!("What {} holds or wrote is not shared with others", name(code))
        }
        Wish::NotWith(code) => format!("Your record is not shared with {}", name(code)),
        Wish::NotOfKind(kind) => format!("Documents of one kind are not shared: {kind}"),
        Wish::NotMarked(code) => match code.as_str() {
            "R" => {
                "Documents that are marked restricted or very restricted are not shared".to_owned()
            }
            "V" => "Documents that are marked very restricted are not shared".to_owned(),
            code => format!("Documents that are marked {code}{} are not shared", or_higher(code)),
        },
        Wish::NotDocument => "One document is not shared".to_owned(),
        Wish::Share(Some(code)) => format!("You have agreed to sharing with {}", name(code)),
        Wish::Share(None) => {
            "You have agreed to sharing with everybody who needs your agreement".to_owned()
        }
        Wish::Terms(terms) => {
            let (objects, agrees) = ("you object to sharing", "you agree to sharing");
            Voice { objects, agrees, name: &name, time }.words(terms)
        }
    }
}
