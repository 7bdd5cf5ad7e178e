//! The pages: each gathers what its template shows.

pub(crate) mod alerts;
pub(crate) mod claim;
pub(crate) mod content;
pub(crate) mod document;
pub(crate) mod filter;
pub(crate) mod inside;
pub(crate) mod looked;
pub(crate) mod patient;
pub(crate) mod people;
pub(crate) mod problem;
pub(crate) mod restricted;
pub(crate) mod search;
pub(crate) mod start;

use askama::Template;
use axum::response::Html;

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
    /// Whether the role follows single requests, and nothing else.
    pub(crate) traces: bool,
    pub(crate) csrf: String,
    /// After how many seconds without a request the session ends; 0 without a session.
    pub(crate) ends_after: u32,
}

impl Portal {
    /// The surroundings of a page for a person, or for nobody.
    pub(crate) fn layout(&self, person: Option<&Person>) -> Layout {
        let role = person.and_then(Person::role);
        Layout {
            service: self.config.service_name.clone(),
            assets: assets::base(),
            demo: self.config.demo,
            name: person.map(|person| person.data.name.clone()),
            role: role.map(|role| format!("{}, {}", role.name, role.organisation)),
            reviews: role.is_some_and(|role| self.config.review_roles.contains(&role.code)),
            traces: role.is_some_and(|role| self.config.trace_roles.contains(&role.code)),
            may_change_role: person.is_some_and(|p| p.data.roles.len() > 1),
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
