//! The search for people. What is looked for goes by form and is kept nowhere: in an
//! address it would name somebody.

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use serde::Deserialize;

use super::typed::{self, Typed};
use super::{Layout, Mistake, page, search};
use crate::api::{FoundPeople, PeopleQuestion};
use crate::display::{Banner, counted};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    layout: Layout,
    people: PeopleFields,
    mistakes: Vec<Mistake>,
    /// How the search was understood.
    asked: Vec<(&'static str, String)>,
    summary: String,
    notes: Vec<String>,
    rows: Vec<Row>,
    too_many: bool,
}

/// A person as a list shows them: enough to tell them from others. nhs.md 8.2.
struct Row {
    banner: Banner,
    /// As the form takes it.
    number: String,
    postcode: String,
    /// Where the person is registered.
    practice: String,
}

/// What the search sends: what was typed into its one box, or else the other fields. Also what stands in
/// those.
#[derive(Clone, Default, Deserialize)]
pub(crate) struct PeopleFields {
    #[serde(default)]
    pub(super) csrf: String,
    /// Set where it comes from the box.
    pub(super) search: Option<String>,
    #[serde(default)]
    pub(crate) family: String,
    #[serde(default)]
    pub(crate) given: String,
    #[serde(default)]
    pub(crate) day: String,
    #[serde(default)]
    pub(crate) month: String,
    #[serde(default)]
    pub(crate) year: String,
    #[serde(default)]
    pub(crate) postcode: String,
}

/// Takes what is known of somebody: opens the record of a number, or looks for people and shows who may
/// be meant, best first.
pub(crate) async fn find(
    State(portal): SharedPortal,
    mut caller: Caller,
    Form(fields): Form<PeopleFields>,
) -> Result<Response, Problem> {
    caller.0.check(&fields.csrf)?;
    let layout = portal.layout(Some(&caller.0));
    let typed = fields.search.clone();
    let fields = match typed.as_deref().map(typed::read) {
        None => fields.bounded(),
        Some(Ok(Typed::Number(number))) => {
            let handle = portal.turn_to(&mut caller, number).await?;
            return Ok(Redirect::to(&format!("/patient/{handle}")).into_response());
        }
        Some(Ok(Typed::Person(fields))) => *fields,
        Some(Err(mistake)) => {
            let typed = typed.unwrap_or_default();
            return search::with_mistake(layout, &typed, mistake, PeopleFields::default());
        }
    };
    match (read(&fields, portal.today()), typed) {
        (Ok(question), _) => show(&portal, &caller, fields, &question).await,
        (Err(mistakes), None) => search::with_mistakes(layout, fields, mistakes),
        (Err(mistakes), Some(typed)) => {
            let words = mistakes.first().map_or(search::NOTHING, |mistake| mistake.words);
            search::with_mistake(layout, &typed, search::Mistake::Words(words), fields)
        }
    }
}

/// Looks for people, and shows who may be meant, best first.
async fn show(
    portal: &Portal,
    caller: &Caller,
    fields: PeopleFields,
    question: &PeopleQuestion,
) -> Result<Response, Problem> {
    let layout = portal.layout(Some(&caller.0));
    let found = portal.api.people(caller.asker(), question).await?;
    let (people, notes, too_many) = match found {
        FoundPeople::These(people, notes) => (people, notes, false),
        FoundPeople::TooMany => (Vec::new(), Vec::new(), true),
    };
    let summary = match (too_many, people.len()) {
        (true, _) => "More than 50 people fit, so none is shown".to_owned(),
        (false, 0) => "Nobody found".to_owned(),
        (false, n) => counted(n, "person found", "people found"),
    };
    let rows = people.iter().map(|(number, record)| {
        let unknown = if record.restricted { "Not shown" } else { "Not known" };
        let shown = |told: &Option<String>| told.clone().unwrap_or_else(|| unknown.to_owned());
        Row {
            banner: portal.banner(number, Some(record)),
            number: number.digits(),
            postcode: shown(&record.postcode),
            practice: shown(&record.practice),
        }
    });
    let (mistakes, rows) = (Vec::new(), rows.collect());
    let (asked, people) = (asked(question), fields);
    page(&PeoplePage { layout, people, mistakes, asked, summary, notes, rows, too_many })
        .map(IntoResponse::into_response)
}

/// What was looked for, part by part.
fn asked(question: &PeopleQuestion) -> Vec<(&'static str, String)> {
    let parts = [
        ("Family name", Some(question.family.clone())),
        ("Given name", question.given.clone()),
        ("Born", question.born.map(|born| born.strftime("%d-%b-%Y").to_string())),
        ("Postcode", question.postcode.clone()),
    ];
    parts.into_iter().filter_map(|(name, part)| Some((name, part?))).collect()
}

impl PeopleFields {
    /// Whether anything stands in a field.
    pub(super) fn is_set(&self) -> bool {
        let Self { csrf: _, search: _, family, given, day, month, year, postcode } = self;
        [family, given, day, month, year, postcode].iter().any(|field| !field.is_empty())
    }

    pub(super) fn bounded(self) -> Self {
        let cut = |text: &str| text.trim().chars().take(MAX_CHARS).collect();
        Self {
            csrf: String::new(),
            search: None,
            family: cut(&self.family),
            given: cut(&self.given),
            day: cut(&self.day),
            month: cut(&self.month),
            year: cut(&self.year),
            postcode: cut(&self.postcode),
        }
    }
}

fn read(fields: &PeopleFields, today: Date) -> Result<PeopleQuestion, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut wrong = |field, words| mistakes.push(Mistake { field, words });
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
    match letters(&fields.family) {
        0 => wrong("family", "Enter a family name, or how it begins"),
        1 => wrong("family", "Enter at least 2 letters of the family name"),
        _ => {}
    }
    if !fields.given.is_empty() && letters(&fields.given) == 0 {
        wrong("given", "Enter a given name with letters, or leave it empty");
    }
    let born = match birth_date(fields, today) {
        Ok(born) => born,
        Err(words) => {
            wrong("born-day", words);
            None
        }
    };
    let postcode = Some(fields.postcode.clone()).filter(|code| !code.is_empty());
    if postcode.as_deref().is_some_and(|code| letters(code) < 2) {
        wrong("postcode", "Enter a postcode, or how it begins, such as XX1");
    }
    let has_date = [&fields.day, &fields.month, &fields.year].iter().any(|part| !part.is_empty());
    if !has_date && postcode.is_none() {
        wrong("born-day", "Enter a date of birth or a postcode");
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let given = Some(fields.given.clone()).filter(|name| !name.is_empty());
    Ok(PeopleQuestion { family: fields.family.clone(), given, born, postcode })
}

fn birth_date(fields: &PeopleFields, today: Date) -> Result<Option<Date>, &'static str> {
    let parts = [&fields.day, &fields.month, &fields.year];
    if parts.iter().all(|part| part.is_empty()) {
        return Ok(None);
    }
    for (part, words) in parts.iter().zip([
        "Date of birth must include a day",
        "Date of birth must include a month",
        "Date of birth must include a year",
    ]) {
        if part.is_empty() {
            return Err(words);
        }
    }
    let number = |text: &String| text.parse::<i16>().ok();
    let date = number(&fields.year).zip(month(&fields.month)).zip(fields.day.parse().ok());
    let date = date.filter(|((year, _), _)| *year >= 1850);
    let date = date.and_then(|((year, month), day)| Date::new(year, month, day).ok());
    let date = date.ok_or("Date of birth must be a real date, such as 15 3 1984")?;
    if date > today { Err("Date of birth must be today or in the past") } else { Ok(Some(date)) }
}

/// As a number, or by its name.
pub(super) fn month(text: &str) -> Option<i8> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let text = text.to_lowercase();
    let at = MONTHS.iter().position(|name| text.len() >= 3 && name.starts_with(&text))?;
    i8::try_from(at + 1).ok()
}

impl Portal {
    /// Today, where the portal is used.
    fn today(&self) -> Date {
        self.clock.now().to_zoned(self.zone.clone()).date()
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const MAX_CHARS: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl Fn(&mut PeopleFields)) -> Result<PeopleQuestion, Vec<&'static str>> {
        let text = str::to_owned;
        let mut fields = PeopleFields {
            family: text("Okafor"),
            day: text("14"),
            month: text("7"),
            year: text("1945"),
            ..PeopleFields::default()
        };
        change(&mut fields);
        let read = read(&fields, "2026-11-26".parse().unwrap());
        read.map_err(|mistakes| mistakes.iter().map(|mistake| mistake.words).collect())
    }

    #[test]
    fn dates_are_taken_as_people_write_them() {
        for month in ["7", "07", "jul", "July", "JULY"] {
            let question = asked(|f| f.month = month.into()).ok().unwrap();
            assert_eq!(question.born, Some("1945-07-14".parse().unwrap()), "{month}");
        }
        let by_postcode = asked(|f| {
            *f = PeopleFields {
                family: "Ok".into(),
                postcode: "XX1".into(),
                ..PeopleFields::default()
            };
        });
        assert_eq!(by_postcode.ok().unwrap().born, None);
    }

    #[test]
    fn each_mistake_has_its_words() {
        let words = |change: &dyn Fn(&mut PeopleFields)| asked(change).err().unwrap();

        assert_eq!(words(&|f| f.family.clear()), ["Enter a family name, or how it begins"]);
        let one = ["Enter at least 2 letters of the family name"];
        assert_eq!(words(&|f| f.family = "O'".into()), one);
        assert_eq!(words(&|f| f.day.clear()), ["Date of birth must include a day"]);
        assert_eq!(words(&|f| f.month.clear()), ["Date of birth must include a month"]);
        assert_eq!(words(&|f| f.year.clear()), ["Date of birth must include a year"]);
        let real = ["Date of birth must be a real date, such as 15 3 1984"];
        assert_eq!(words(&|f| f.month = "13".into()), real);
        assert_eq!(words(&|f| f.month = "ju".into()), real);
        assert_eq!(words(&|f| f.year = "45".into()), real);
        let future = ["Date of birth must be today or in the past"];
        assert_eq!(words(&|f| f.year = "2045".into()), future);
        let nothing = words(&|f| *f = PeopleFields::default());
        let both = ["Enter a family name, or how it begins", "Enter a date of birth or a postcode"];
        assert_eq!(nothing, both);
        let postcode = ["Enter a postcode, or how it begins, such as XX1"];
        assert_eq!(words(&|f| f.postcode = "X".into()), postcode);
    }
}
