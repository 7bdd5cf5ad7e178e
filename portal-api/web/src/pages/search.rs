use askama::Template;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use carerecord_model::{NhsNumber, NhsNumberError};
use serde::Deserialize;

use super::people::{Mistake as PeopleMistake, PeopleFields};
use super::{Layout, page};
use crate::portal::SharedPortal;
use crate::problem::Problem;
use crate::session::{Caller, SignedIn};

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    layout: Layout,
    typed: String,
    error: Option<String>,
    /// Whether the error is the check digit, which needs explaining.
    explain_check: bool,
    people: PeopleFields,
    mistakes: Vec<PeopleMistake>,
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
        }
    }
}

/// The page with what is wrong in the search by name.
pub(super) fn with_mistakes(
    layout: Layout,
    people: PeopleFields,
    mistakes: Vec<PeopleMistake>,
) -> Result<Html<String>, Problem> {
    page(&SearchPage { people, mistakes, ..SearchPage::of(layout) })
}

/// The search box.
pub(crate) async fn ask(
    State(portal): SharedPortal,
    Caller(person): Caller,
) -> Result<Response, Problem> {
    let layout = portal.layout(Some(&person));
    page(&SearchPage::of(layout)).map(IntoResponse::into_response)
}

/// What the search box sends.
#[derive(Deserialize)]
pub(crate) struct SearchForm {
    csrf: String,
    #[serde(default)]
    nhs_number: String,
}

/// Takes an NHS Number and turns to that patient, under a handle: the number stays out of the
/// address.
pub(crate) async fn find(
    State(portal): SharedPortal,
    Caller(mut person): Caller,
    Form(form): Form<SearchForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    match read(&form.nhs_number) {
        Ok(number) => {
            let fresh = portal.ids.random();
            let turn = |data: &mut SignedIn| Ok(data.turn_to(number, fresh));
            let handle = portal.change(&mut person, turn).await?;
            Ok(Redirect::to(&format!("/patient/{handle}")).into_response())
        }
        Err(mistake) => {
            let body = page(&SearchPage {
                typed: form.nhs_number.chars().take(MAX_SHOWN).collect(),
                explain_check: mistake == Mistake::Number(NhsNumberError::CheckDigit),
                error: Some(mistake.words(&form.nhs_number)),
                ..SearchPage::of(portal.layout(Some(&person)))
            })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response())
        }
    }
}

/// The number that was typed, or what is wrong with it.
pub(super) fn number_of(typed: &str) -> Result<NhsNumber, String> {
    read(typed).map_err(|mistake| mistake.words(typed))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mistake {
    Number(NhsNumberError),
    NationalInsurance,
    Chi,
}

fn read(typed: &str) -> Result<NhsNumber, Mistake> {
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
    fn words(self, typed: &str) -> String {
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

const MAX_SHOWN: usize = 40;

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
