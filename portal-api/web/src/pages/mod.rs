//! The pages: each gathers what its template shows.

pub(crate) mod access_packs;
pub(crate) mod account;
pub(crate) mod agreements;
pub(crate) mod alerts;
pub(crate) mod claim;
pub(crate) mod consent;
pub(crate) mod content;
pub(crate) mod died;
pub(crate) mod document;
pub(crate) mod feeds;
pub(crate) mod filter;
pub(crate) mod inside;
pub(crate) mod looked;
pub(crate) mod mine;
pub(crate) mod patient;
pub(crate) mod people;
pub(crate) mod problem;
pub(crate) mod reports;
pub(crate) mod restricted;
pub(crate) mod search;
pub(crate) mod start;
pub(crate) mod summary;
pub(crate) mod team;
mod terms;
mod typed;
pub(crate) mod usage;

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};

use crate::assets;
use crate::portal::Portal;
use crate::problem::Problem;
use crate::session::Person;

/// What stands around every page.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) service: String,
    pub(crate) assets: &'static str,
    pub(crate) demo: bool,
    /// The name of the person signed in.
    pub(crate) name: Option<String>,
    /// The role acted in, and where.
    pub(crate) role: Option<String>,
    pub(crate) may_change_role: bool,
    /// Whether the role reviews overrides.
    pub(crate) reviews: bool,
    /// Whether the role runs the programme.
    pub(crate) runs: bool,
    /// Whether the role follows single requests, and nothing else.
    pub(crate) traces: bool,
    /// Whether a citizen is signed in.
    pub(crate) citizen: bool,
    /// What has opened the record, and where to go back to.
    pub(crate) launch: Option<(String, Option<String>)>,
    /// Whether the person stays with the patient of a launch.
    pub(crate) locked: bool,
    /// Whether the launching system shows who the patient is around the page.
    pub(crate) slim_banner: bool,
    pub(crate) csrf: String,
    /// After how many seconds without a request the session ends; 0 without a session.
    pub(crate) ends_after: u32,
}

impl Portal {
    /// The surroundings of a page for a person, or for nobody.
    pub(crate) fn layout(&self, person: Option<&Person>) -> Layout {
        let role = person.and_then(Person::role);
        let launch = person.and_then(|person| person.data.launch.as_ref());
        Layout {
            service: self.config.service_name.clone(),
            assets: assets::base(),
            demo: self.config.demo,
            name: person.map(|person| person.data.name.clone()),
            role: role.map(|role| format!("{}, {}", role.name, role.organisation)),
            reviews: role.is_some_and(|role| self.config.review_roles.contains(&role.code)),
            runs: role.is_some_and(|role| self.config.programme_roles.contains(&role.code)),
            traces: role.is_some_and(|role| self.config.trace_roles.contains(&role.code)),
            citizen: person.is_some_and(|person| person.data.citizen),
            launch: launch.map(|launch| (launch.launcher.clone(), launch.return_url.clone())),
            locked: launch.is_some_and(|launch| launch.locked),
            slim_banner: launch.is_some_and(|launch| launch.slim_banner),
            may_change_role: person
                .is_some_and(|p| p.data.roles.len() > 1 && p.data.launch.is_none()),
            csrf: person.map(|person| person.data.csrf.clone()).unwrap_or_default(),
            ends_after: person.map_or(0, |_| self.config.session_idle_minutes.saturating_mul(60)),
        }
    }
}

/// Fills a template.
pub(crate) fn page(template: &impl Template) -> Result<Html<String>, Problem> {
    template.render().map(Html).map_err(|error| {
        tracing::error!(%error, "a page cannot be made");
        Problem::Broken
    })
}

/// Fills the template of a page with a form; `wrong` when something is wrong with what was sent.
pub(crate) fn form_page(template: &impl Template, wrong: bool) -> Result<Response, Problem> {
    let status = if wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page(template)?).into_response())
}

/// A field of a form and what is wrong with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mistake {
    /// The id of the field on the page.
    pub(crate) field: &'static str,
    pub(crate) words: &'static str,
}

/// The first of the mistakes of a field.
pub(crate) fn mistake_of(mistakes: &[Mistake], field: &str) -> Option<&'static str> {
    mistakes.iter().find(|mistake| mistake.field == field).map(|mistake| mistake.words)
}
