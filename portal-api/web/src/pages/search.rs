use askama::Template;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_model::{NhsNumber, NhsNumberError};
use futures_util::future::join_all;
use serde::Deserialize;

use super::people::PeopleFields;
use super::team::open_episodes;
use super::{Layout, Mistake as FieldMistake, form_page, page};
use crate::api::ApiError;
use crate::display::Banner;
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    layout: Layout,
    typed: String,
    /// What is wrong with it.
    error: Option<String>,
    /// Whether the error is the check digit, which needs explaining.
    explain_check: bool,
    people: PeopleFields,
    mistakes: Vec<FieldMistake>,
    home: Option<Home>,
}

/// What the page has besides, when nothing was searched for yet.
struct Home {
    /// The patients of this session, the last first.
    recent: Vec<Recent>,
    /// The organisation that the person acts for, and how many episodes of care are open there;
    /// `None` where the person may not be told.
    team: Option<(String, String)>,
    /// How many alerts are to be reviewed and how many of them are overdue; `None` where the
    /// person reviews none, inside where it is not known.
    alerts: Option<Option<(u64, u64)>>,
}

struct Recent {
    href: String,
    banner: Banner,
}

impl SearchPage {
    fn of(layout: Layout) -> Self {
        Self {
            layout,
            typed: String::new(),
            error: None,
            explain_check: false,
            people: PeopleFields::default(),
            mistakes: Vec::new(),
            home: None,
        }
    }
}

/// The page with what is wrong in the search box, and what was understood of it.
pub(super) fn with_mistake(
    layout: Layout,
    typed: &str,
    mistake: Mistake,
    people: PeopleFields,
) -> Result<Response, Problem> {
    let shown = SearchPage {
        typed: typed.chars().take(MAX_SHOWN).collect(),
        explain_check: mistake == Mistake::Number(NhsNumberError::CheckDigit),
        error: Some(mistake.words(typed)),
        people,
        ..SearchPage::of(layout)
    };
    form_page(&shown, true)
}

/// The page with what is wrong in the other fields.
pub(super) fn with_mistakes(
    layout: Layout,
    people: PeopleFields,
    mistakes: Vec<FieldMistake>,
) -> Result<Response, Problem> {
    form_page(&SearchPage { people, mistakes, ..SearchPage::of(layout) }, true)
}

/// The search box, the patients of this session and what waits for the person.
pub(crate) async fn ask(State(portal): SharedPortal, caller: Caller) -> Result<Response, Problem> {
    if caller.0.data.citizen {
        // Citizens look nobody up.
        return Ok(Redirect::to("/mine").into_response());
    }
    let layout = portal.layout(Some(&caller.0));
    let (recent, team, alerts) = tokio::join!(
        recent(&portal, &caller),
        team(&portal, &caller, &layout),
        alerts(&portal, &caller, &layout)
    );
    let home = Some(Home { recent, team, alerts });
    page(&SearchPage { home, ..SearchPage::of(layout) }).map(IntoResponse::into_response)
}

/// Who they are is asked for again: what was known of them may have changed.
async fn recent(portal: &Portal, caller: &Caller) -> Vec<Recent> {
    let patients = caller.0.data.patients.iter().map(|patient| async {
        let record = portal.api.patient(caller.asker(), &patient.nhs_number).await;
        let record = record.inspect_err(|error| tracing::warn!(%error, "a name is not shown"));
        Recent {
            href: format!("/patient/{}", patient.handle),
            banner: portal.banner(&patient.nhs_number, record.ok().flatten().as_ref()),
        }
    });
    join_all(patients).await
}

/// Only how many: the page that names them is asked for, and recorded, when somebody wants it. Who
/// looks after accesses or the programme cares for nobody there.
async fn team(portal: &Portal, caller: &Caller, layout: &Layout) -> Option<(String, String)> {
    if layout.reviews || layout.runs || layout.traces {
        return None;
    }
    let (ods, organisation) = caller.organisation()?;
    match portal.api.cared_for_total(caller.asker(), &ods).await {
        Ok(total) => Some((organisation, open_episodes(total))),
        Err(ApiError::Refused(_)) => None,
        Err(error) => {
            tracing::warn!(%error, "those in care are not counted");
            Some((organisation, "how many cannot be told at the moment".to_owned()))
        }
    }
}

async fn alerts(portal: &Portal, caller: &Caller, layout: &Layout) -> Option<Option<(u64, u64)>> {
    if !layout.reviews {
        return None;
    }
    let counts = portal.api.alert_counts(caller.asker()).await;
    let counts = counts.inspect_err(|error| tracing::warn!(%error, "alerts are not counted"));
    let Ok(counts) = counts else { return Some(None) };
    let of = |names: &[&str]| -> u64 {
        counts.iter().filter(|(code, _)| names.contains(&code.as_str())).map(|(_, n)| n).sum()
    };
    Some(Some((of(&["new", "in-review"]), of(&["overdue"]))))
}

/// What the buttons of lists of people send.
#[derive(Deserialize)]
pub(crate) struct NumberForm {
    csrf: String,
    #[serde(default)]
    nhs_number: String,
}

/// Takes an NHS Number and turns to that patient.
pub(crate) async fn find(
    State(portal): SharedPortal,
    mut caller: Caller,
    Form(form): Form<NumberForm>,
) -> Result<Response, Problem> {
    caller.0.check(&form.csrf)?;
    match read(&form.nhs_number) {
        Ok(number) => {
            let handle = portal.turn_to(&mut caller, number).await?;
            Ok(Redirect::to(&format!("/patient/{handle}")).into_response())
        }
        Err(mistake) => {
            let layout = portal.layout(Some(&caller.0));
            with_mistake(layout, &form.nhs_number, mistake, PeopleFields::default())
        }
    }
}

/// The number that was typed, or what is wrong with it.
pub(crate) fn number_of(typed: &str) -> Result<NhsNumber, String> {
    read(typed).map_err(|mistake| mistake.words(typed))
}

/// What is wrong with what was typed into the search box.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mistake {
    Number(NhsNumberError),
    NationalInsurance,
    Chi,
    /// Told in these words.
    Words(&'static str),
}

pub(super) fn read(typed: &str) -> Result<NhsNumber, Mistake> {
    let dense: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    if is_national_insurance(&dense) {
        return Err(Mistake::NationalInsurance);
    }
    let number: NhsNumber = typed.trim().parse().map_err(Mistake::Number)?;
    if is_chi(&number.digits()) {
        return Err(Mistake::Chi);
    }
    Ok(number)
}

impl Mistake {
    pub(super) fn words(self, typed: &str) -> String {
        let digits = typed.chars().filter(char::is_ascii_digit).count();
        match self {
            Self::Number(NhsNumberError::Empty) => "Enter an NHS number".to_owned(),
            Self::Number(NhsNumberError::NotADigit) => {
                "An NHS number has only digits: take out letters and other signs".to_owned()
            }
            Self::Number(NhsNumberError::Length) => {
                let entered = crate::display::counted(digits, "digit", "digits");
                format!("An NHS number has 10 digits: you entered {entered}")
            }
            Self::Number(NhsNumberError::CheckDigit) => {
                "Enter a real NHS number; check the digits".to_owned()
            }
            Self::Number(NhsNumberError::Repeated) => {
                "An NHS number is never the same digit 10 times: check the digits".to_owned()
            }
            Self::Number(NhsNumberError::Policy) => {
                "This service does not take NHS numbers of this range".to_owned()
            }
            Self::NationalInsurance => {
                "This looks like a National Insurance number: enter the NHS number".to_owned()
            }
            Self::Chi => {
                "This looks like a CHI number from Scotland: enter the NHS number".to_owned()
            }
            Self::Words(words) => words.to_owned(),
        }
    }
}

/// Two letters, six digits, a letter.
fn is_national_insurance(dense: &str) -> bool {
    let bytes = dense.as_bytes();
    let [a, b, digits @ .., last] = bytes else { return false };
    [a, b, last].iter().all(|c| c.is_ascii_alphabetic())
        && digits.len() == 6
        && digits.iter().all(u8::is_ascii_digit)
}

/// CHI numbers begin with a date of birth, day first; NHS Numbers never begin so.
fn is_chi(digits: &str) -> bool {
    let part = |range| digits.get(range).and_then(|part: &str| part.parse::<u8>().ok());
    matches!((part(0..2), part(2..4)), (Some(1..=31), Some(1..=12)))
}

/// Said when nothing was typed.
pub(super) const NOTHING: &str =
    "Enter an NHS number, or a name with a date of birth or a postcode";
const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_paste() {
        for typed in ["9990001006", "999 000 1006", " 999-000-1006 ", "999\u{a0}000\u{a0}1006"] {
            assert_eq!(read(typed).unwrap().digits(), "9990001006", "{typed:?}");
        }
    }

    #[test]
    fn each_mistake_has_its_words() {
        let cases = [
            ("", "Enter an NHS number"),
            ("  ", "Enter an NHS number"),
            ("999 000", "An NHS number has 10 digits: you entered 6 digits"),
            ("99900010061", "An NHS number has 10 digits: you entered 11 digits"),
            ("999 000 100X", "An NHS number has only digits: take out letters and other signs"),
            ("9990001007", "Enter a real NHS number; check the digits"),
            ("9999999999", "An NHS number is never the same digit 10 times: check the digits"),
            ("QQ 12 34 56 C", "This looks like a National Insurance number: enter the NHS number"),
            ("0101010001", "This looks like a CHI number from Scotland: enter the NHS number"),
        ];
        for (typed, words) in cases {
            let mistake = read(typed).unwrap_err();
            assert_eq!(mistake.words(typed), words, "{typed}");
        }
    }
}
