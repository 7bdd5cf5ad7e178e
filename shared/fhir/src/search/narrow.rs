//! What a search for people must tell at least: nobody browses the index. nhs.md 8.2, 3.2.

use carerecord_model::{DateSpan, NamePattern, PatientSearch};

/// Whether a search without identifiers is about somebody in particular: a family name with a birth
/// date or a postcode, or a given name with both.
pub(crate) fn is_narrow(search: &PatientSearch) -> bool {
    let told = |all: &[Vec<NamePattern>]| all.iter().any(|any| any.iter().all(is_told));
    let born_within = |days| born(search).is_some_and(|n| n <= days);
    let lives = told(&search.postcode);
    told(&search.family) && (lives || born_within(A_YEAR))
        || told(&search.given) && lives && born_within(A_DAY)
}

/// One letter is a page of a list.
fn is_told(pattern: &NamePattern) -> bool {
    pattern.exact || pattern.key().len() >= MIN_LETTERS
}

/// How many days, about, a birth date can be; months have 31, years 372.
fn born(search: &PatientSearch) -> Option<i64> {
    let first = |any: &Vec<DateSpan>| any.iter().map(|span| span.from).min();
    let last = |any: &Vec<DateSpan>| any.iter().map(|span| span.to).max();
    let from = search.birth_date.iter().filter_map(first).max()?;
    let to = search.birth_date.iter().filter_map(last).min()?;
    Some(day_number(to) - day_number(from) + 1)
}

fn day_number(date: i64) -> i64 {
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    year * 372 + (month.clamp(1, 12) - 1) * 31 + day.clamp(1, 31) - 1
}

const MIN_LETTERS: usize = 2;
const A_YEAR: i64 = 372;
const A_DAY: i64 = 1;
