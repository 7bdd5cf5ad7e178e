//! Who the person is to this service: sign-in, roles, and the ways out.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::{Layout, page};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Person, Role};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'a> {
    layout: Layout,
    name: &'a str,
    /// The id at the provider.
    id: &'a str,
    provider: &'a str,
    roles: &'a [Role],
    /// The id of the role acted in.
    current: &'a str,
    may_change_role: bool,
    signed_in: String,
    ends: String,
    idle_minutes: usize,
    /// How many patients the session holds.
    patients: usize,
}

/// My account.
pub(crate) async fn account(
    State(portal): SharedPortal,
    person: Person,
) -> Result<Response, Problem> {
    let data = &person.data;
    let ends = data.signed_in_at + i64::from(portal.config.session_hours) * 3600;
    page(&AccountPage {
        layout: portal.layout(Some(&person)),
        name: &data.name,
        id: data.sign_in.as_ref().map_or("Not known", |sign_in| &sign_in.subject),
        provider: &portal.providers.of(data).name,
        roles: &data.roles,
        current: data.acting_as.as_deref().unwrap_or_default(),
        may_change_role: data.roles.len() > 1 && !person.is_locked_out("/role"),
        signed_in: portal.in_prose(data.signed_in_at),
        ends: portal.in_prose(ends),
        idle_minutes: portal.config.session_idle_minutes as usize,
        patients: data.patients.len(),
    })
    .map(IntoResponse::into_response)
}

impl Portal {
    /// A time as text has it, e.g. `2 November 2026, 2:05pm`.
    fn in_prose(&self, second: i64) -> String {
        let Ok(at) = Timestamp::from_second(second) else { return "Not known".to_owned() };
        at.to_zoned(self.zone.clone()).strftime("%-d %B %Y, %-I:%M%P").to_string()
    }
}
