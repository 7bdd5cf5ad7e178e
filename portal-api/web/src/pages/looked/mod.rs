//! Who has looked: the record of accesses, for privacy officers; and one request followed through all
//! roles, for the service desk. Whom it is about goes by form and stands in no address.

pub(super) mod words;

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::response::{Html, Response};
use carerecord_model::NhsNumber;
use jiff::ToSpan as _;
use serde::Deserialize;
use uuid::Uuid;

use super::{Layout, form_page, page, search};
use crate::api::{Access, AccessQuestion, FoundAccesses};
use crate::display::{clinical, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::{Caller, Person};
use words::{tag, what, why};

#[derive(Template)]
#[template(path = "looked.html")]
struct LookedPage {
    layout: Layout,
    form: LookedForm,
    periods: &'static [(&'static str, &'static str, i32)],
    /// Field and words.
    mistakes: Vec<(&'static str, String)>,
    found: Option<FoundView>,
}

#[derive(Template)]
#[template(path = "looked_request.html")]
struct RequestPage {
    layout: Layout,
    id: String,
    found: FoundView,
}

#[derive(Template)]
#[template(path = "looked_record.html")]
struct RecordPage {
    layout: Layout,
    id: Uuid,
    row: Row,
}

struct FoundView {
    summary: String,
    rows: Vec<Row>,
    next: Option<String>,
    searched: Vec<String>,
    silent: Vec<String>,
    notes: Vec<String>,
}

/// An access as people read it.
struct Row {
    at: String,
    who: String,
    from: String,
    what: String,
    why: &'static str,
    basis: Vec<String>,
    tag: (&'static str, &'static str),
    patient: Option<String>,
    request: Option<Uuid>,
    log: String,
    address: String,
    took: String,
}

/// What is looked for; also what stands in the fields.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct LookedForm {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    nhs_number: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    organisation: String,
    #[serde(default)]
    document: String,
    #[serde(default)]
    request: String,
    #[serde(default)]
    period: String,
    /// The link to a further page, of the same search.
    #[serde(default)]
    page: String,
}

/// The empty form.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
) -> Result<Response, Problem> {
    show(&portal, &person, LookedForm::default(), Vec::new(), None)
}

/// Looks, and shows what is found, the newest first.
pub(crate) async fn find(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Form(form): Form<LookedForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    let form = form.bounded();
    let question = match portal.access_question(&form) {
        Ok(question) => question,
        Err(mistakes) => return show(&portal, &person, form, mistakes, None),
    };
    let caller = Caller(person);
    let found = portal.api.accesses(caller.asker(), &question).await?;
    let found = portal.found_view(found);
    show(&portal, &caller.0, form, Vec::new(), Some(found))
}

/// Follows one request through the logs of all roles.
pub(crate) async fn request(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(id): Path<Uuid>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let question = AccessQuestion { correlation: id.to_string(), ..AccessQuestion::default() };
    let found = portal.api.accesses(Caller(person).asker(), &question).await?;
    page(&RequestPage { layout, id: id.to_string(), found: portal.found_view(found) })
}

/// One record of an access.
pub(crate) async fn record(
    State(portal): SharedPortal,
    Caller(person): Caller,
    Path(id): Path<Uuid>,
) -> Result<Html<String>, Problem> {
    let layout = portal.layout(Some(&person));
    let found = portal.api.access(Caller(person).asker(), id).await?;
    page(&RecordPage { layout, id, row: portal.row(found) })
}

fn show(
    portal: &Portal,
    person: &Person,
    form: LookedForm,
    mistakes: Vec<(&'static str, String)>,
    found: Option<FoundView>,
) -> Result<Response, Problem> {
    let layout = portal.layout(Some(person));
    let wrong = !mistakes.is_empty();
    form_page(&LookedPage { layout, form, periods: &PERIODS, mistakes, found }, wrong)
}

impl LookedPage {
    fn mistake(&self, field: &str) -> Option<&str> {
        self.mistakes.iter().find(|(of, _)| *of == field).map(|(_, words)| words.as_str())
    }
}

impl LookedForm {
    fn bounded(self) -> Self {
        let cut = |text: &str| text.trim().chars().take(MAX_CHARS).collect();
        Self {
            csrf: String::new(),
            nhs_number: cut(&self.nhs_number),
            user: cut(&self.user),
            organisation: cut(&self.organisation).to_uppercase(),
            document: cut(&self.document),
            request: cut(&self.request),
            period: cut(&self.period),
            page: self.page,
        }
    }

    fn is_empty(&self) -> bool {
        [&self.nhs_number, &self.user, &self.organisation, &self.document, &self.request]
            .iter()
            .all(|field| field.is_empty())
    }
}

impl Portal {
    fn access_question(
        &self,
        form: &LookedForm,
    ) -> Result<AccessQuestion, Vec<(&'static str, String)>> {
        if form.is_empty() {
            let words = "Enter at least one thing to look for".to_owned();
            return Err(vec![("first-field", words)]);
        }
        let mut mistakes = Vec::new();
        let patient: Option<NhsNumber> = match form.nhs_number.as_str() {
            "" => None,
            typed => match search::number_of(typed) {
                Ok(number) => Some(number),
                Err(words) => {
                    mistakes.push(("nhs-number", words));
                    None
                }
            },
        };
        if form.request.parse::<Uuid>().is_err() && !form.request.is_empty() {
            mistakes.push((
                "request",
                "A request id looks like 0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d".to_owned(),
            ));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let days =
            PERIODS.iter().find(|(code, _, _)| *code == form.period).map(|(_, _, days)| *days);
        let today = self.clock.now().to_zoned(self.zone.clone()).date();
        let since = days.and_then(|days| today.checked_sub(days.days()).ok());
        // A request is looked for as far back as there is a record.
        let since = since.filter(|_| form.request.is_empty());
        Ok(AccessQuestion {
            patient,
            agent: escaped(&form.user),
            organisation: escaped(&form.organisation),
            document: escaped(&form.document),
            correlation: form.request.clone(),
            since: since.map(|day| day.to_string()),
            page: form.page.clone(),
        })
    }

    fn found_view(&self, found: FoundAccesses) -> FoundView {
        let shown = found.accesses.len();
        let summary = match (found.total, shown, found.next.is_some()) {
            (Some(0), _, _) => "Nobody has looked, as far as was searched".to_owned(),
            (Some(total), _, _) => {
                counted(usize::try_from(total).unwrap_or(usize::MAX), "access", "accesses")
            }
            (None, 0, true) => "Nothing found yet: there is more to search".to_owned(),
            (None, _, _) => format!("{} on this page", counted(shown, "access", "accesses")),
        };
        let (searched, silent): (Vec<_>, Vec<_>) =
            found.logs.into_iter().partition(|(_, answered)| *answered);
        let names = |logs: Vec<(String, bool)>| logs.into_iter().map(|(name, _)| name).collect();
        FoundView {
            summary,
            rows: found.accesses.into_iter().map(|access| self.row(access)).collect(),
            next: found.next,
            searched: names(searched),
            silent: names(silent),
            notes: found.notes,
        }
    }

    fn row(&self, access: Access) -> Row {
        let who = match (access.who.as_deref(), access.is_person) {
            (Some(WITHHELD), _) => NOT_SHOWN.to_owned(),
            (Some(name), true) => match &access.role {
                Some(role) => format!("{name}, {role}"),
                None => name.to_owned(),
            },
            (Some(name), false) => format!("A system: {name}"),
            (None, _) => "Not known: nobody was signed in".to_owned(),
        };
        Row {
            at: clinical(&access.at, &self.zone),
            who,
            from: access.organisation.unwrap_or_else(|| "Not known".to_owned()),
            what: match access.sent {
                true => format!("Asked another part of the service: {}", access.interaction),
                false => what(&access.interaction, access.documents),
            },
            why: why(access.rule.as_deref(), &access.outcome),
            basis: access.basis,
            tag: tag(&access.outcome),
            patient: access.patient.map(|number| number.grouped()),
            request: access.request.and_then(|id| id.parse().ok()),
            log: if access.log == WITHHELD { NOT_SHOWN.to_owned() } else { access.log },
            address: access.address.unwrap_or_else(|| "Not known".to_owned()),
            took: access.took_ms.map_or_else(String::new, |ms| format!("{ms} ms")),
        }
    }
}

/// A code of a search: what has a meaning in one is meant as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ',' | '|' | '$' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What the API says in the place of what would tell where somebody is cared for, and what we say.
const WITHHELD: &str = "withheld";
const NOT_SHOWN: &str = "Not shown for this patient";
/// Code, words and days.
const PERIODS: [(&str, &str, i32); 5] = [
    ("quarter", "Last 3 months", 92),
    ("week", "Last 7 days", 7),
    ("month", "Last 31 days", 31),
    ("year", "Last year", 366),
    ("ever", "Last 10 years", 3_660),
];
const MAX_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_mean_something_in_a_search_are_meant_as_they_are() {
        assert_eq!(escaped("a,b|c$d\\e"), "a\\,b\\|c\\$d\\\\e");
    }
}
