//! For whom the organisation that a person acts for, and the person themself, care now.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;

use super::{Layout, page};
use crate::api::InCare;
use crate::display::{Banner, clinical, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Template)]
#[template(path = "team.html")]
struct TeamPage {
    layout: Layout,
    organisation: String,
    total: String,
    rows: Vec<Row>,
    /// Whether this is a further page.
    further: bool,
    next: Option<String>,
}

struct Row {
    banner: Banner,
    /// As the form takes it.
    number: String,
    /// Why they are here, each with since when.
    by: Vec<String>,
}

/// Which page.
#[derive(Deserialize)]
pub(crate) struct Turned {
    page: Option<String>,
}

/// Shows a page of them.
pub(crate) async fn list(
    State(portal): SharedPortal,
    caller: Caller,
    Query(turned): Query<Turned>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&caller.0));
    let (ods, organisation) = caller.organisation().ok_or(Problem::NotFound)?;
    let found = portal.api.cared_for(caller.asker(), &ods, turned.page.as_deref()).await?;
    page(&TeamPage {
        layout,
        organisation,
        total: open_episodes(found.total),
        rows: found.people.iter().map(|person| portal.in_care(person)).collect(),
        further: turned.page.is_some(),
        next: found.next,
    })
}

/// How many there are, in words.
pub(super) fn open_episodes(total: u64) -> String {
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    counted(total, "open episode of care", "open episodes of care")
}

impl Portal {
    fn in_care(&self, person: &InCare) -> Row {
        let by = person.by.iter().map(|(kind, since)| {
            let since = clinical(since, &self.zone);
            format!("{} since {since}", words(kind))
        });
        Row {
            banner: self.banner(&person.nhs_number, person.record.as_ref()),
            number: person.nhs_number.digits(),
            by: by.collect(),
        }
    }
}

fn words(kind: &str) -> &'static str {
    match kind {
        "registration" => "Registered",
        "encounter" => "Admitted or seen",
        "referral" => "Referred",
        "caseload" => "On a caseload",
        "grant" => "By a colleague",
        "claim" => "By your own word",
        _ => "In care",
    }
}
