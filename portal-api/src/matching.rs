//! How well a person of the index fits what is told of somebody. PDQm ITI-119; the weights and the
//! grades are described in `docs/patients.md`.

use carerecord_fhir::{MatchGrade, MatchRequest};
use carerecord_model::{
    DateSpan, FoundPatient, Gender, NamePattern, Patient, PatientSearch, birth_date_number,
    name_key,
};

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// 0 to 1: which part of what was told agrees, by weight.
    pub score: f64,
    pub grade: MatchGrade,
}

/// Compares a person with what is told; `None` when it is somebody else. `identified` is whether an
/// identifier that is told is the person's.
pub(crate) fn fit(told: &MatchRequest, found: &FoundPatient, identified: bool) -> Option<Fit> {
    let person = &found.patient;
    let family = best(told.family.iter().map(|name| family(name, person)));
    let given = if told.given.is_empty() { None } else { Some(given(&told.given, person)) };
    let born = told.birth_date.map(|span| born(span, person));
    let lives = told.postcode.as_deref().and_then(|code| lives(code, person));
    let gender = told.gender.filter(|_| person.gender != Gender::Unknown);
    let parts = [
        (IDENTIFIER, (!told.identifiers.is_empty()).then_some(f64::from(u8::from(identified)))),
        (FAMILY, family),
        (BORN, born),
        (GIVEN, given),
        (POSTCODE, lives),
        (GENDER, gender.map(|g| f64::from(u8::from(g == person.gender)))),
    ];
    let known = parts.iter().filter_map(|(weight, part)| Some((weight, (*part)?)));
    let (points, of) = known.fold((0.0, 0.0), |(p, o), (w, part)| (p + w * part, o + w));
    let score = if of > 0.0 { (points / of * 100.0).round() / 100.0 } else { 0.0 };
    let same_name = family.is_some_and(|part| part >= BEGINS);
    let same_day = born.is_some_and(|part| part >= 1.0);
    let more = given.is_some_and(|part| part >= BEGINS) || lives.is_some_and(|part| part >= 1.0);
    let grade = if identified && same_name && same_day {
        // Never by the number alone: nhs.md 1.1, 8.2.
        MatchGrade::Certain
    } else if identified && (same_name || same_day) || same_name && same_day && more {
        MatchGrade::Probable
    } else if identified || score >= LEAST {
        MatchGrade::Possible
    } else {
        return None;
    };
    Some(Fit { score, grade })
}

/// How well a person fits a search that they match: which part of the names asked for is their
/// whole name.
pub(crate) fn closeness(search: &PatientSearch, person: &Patient) -> f64 {
    let family = search.family.iter().map(|any| whole(any, person.family_name.iter()));
    let given = search.given.iter().map(|any| whole(any, person.given_names.iter()));
    let parts: Vec<f64> = family.chain(given).collect();
    if parts.is_empty() {
        return 1.0;
    }
    let mean = parts.iter().sum::<f64>() / parts.len() as f64;
    (mean * 100.0).round() / 100.0
}

/// The best of alternatives that begin names: letters asked for by letters of the name.
fn whole<'a>(any: &[NamePattern], names: impl Iterator<Item = &'a String> + Clone) -> f64 {
    let part = |asked: &NamePattern, name: &str| {
        let (asked, name) = (asked.key(), name_key(name));
        let begins = name.starts_with(&asked) && !name.is_empty();
        if begins { asked.len() as f64 / name.len() as f64 } else { 0.0 }
    };
    let parts = any.iter().flat_map(|a| names.clone().map(move |name| part(a, name)));
    best(parts).unwrap_or_default()
}

fn best(parts: impl Iterator<Item = f64>) -> Option<f64> {
    parts.reduce(f64::max)
}

fn family(told: &str, person: &Patient) -> f64 {
    person.family_name.as_deref().map_or(0.0, |name| alike(told, name, MIN_BEGINNING))
}

/// 1 for the first name, or what begins it; less for another one of several.
fn given(told: &[String], person: &Patient) -> f64 {
    let first = told.first().zip(person.given_names.first());
    let first = first.map_or(0.0, |(told, name)| alike(told, name, 1));
    let any = told.iter().any(|t| person.given_names.iter().any(|n| name_key(t) == name_key(n)));
    first.max(if any { HALF } else { 0.0 })
}

fn alike(one: &str, other: &str, least: usize) -> f64 {
    let (one, other) = (name_key(one), name_key(other));
    let (short, long) = if one.len() <= other.len() { (&one, &other) } else { (&other, &one) };
    if one == other {
        1.0
    } else if short.len() >= least && long.starts_with(short.as_str()) {
        BEGINS
    } else {
        0.0
    }
}

/// 1 for the same day; half for a year or month that it is in, for day and month changed round, and
/// for two parts of three.
fn born(told: DateSpan, person: &Patient) -> f64 {
    let Some(date) = person.birth_date.map(birth_date_number) else { return 0.0 };
    if told.from != told.to {
        return if told.from <= date && date <= told.to { HALF } else { 0.0 };
    }
    if told.from == date {
        return 1.0;
    }
    let parts = |n: i64| [n / 10_000, n / 100 % 100, n % 100];
    let (a, b) = (parts(told.from), parts(date));
    let turned = a[0] == b[0] && a[1] == b[2] && a[2] == b[1];
    let same = a.iter().zip(b).filter(|(a, b)| **a == *b).count();
    if turned || same == 2 { HALF } else { 0.0 }
}

/// `None` where no postcode is known, or may be told.
fn lives(told: &str, person: &Patient) -> Option<f64> {
    let known = person.postcode.as_deref().filter(|_| !person.restricted)?;
    let (told, known) = (name_key(told), name_key(known));
    let district = |code: &str| code.len().checked_sub(3).map(|at| code[..at].to_owned());
    if told == known {
        Some(1.0)
    } else if told.is_ascii() && known.is_ascii() && district(&told) == district(&known) {
        Some(HALF)
    } else {
        Some(0.0)
    }
}

const IDENTIFIER: f64 = 40.0;
const FAMILY: f64 = 20.0;
const BORN: f64 = 20.0;
const GIVEN: f64 = 12.0;
const POSTCODE: f64 = 8.0;
const GENDER: f64 = 4.0;
/// A name that begins like the other.
const BEGINS: f64 = 0.7;
const HALF: f64 = 0.5;
const MIN_BEGINNING: usize = 3;
/// The score below which it is somebody else.
const LEAST: f64 = 0.5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_needs_identifier_name_and_birth_date() {
        let grade = |change: &dyn Fn(&mut MatchRequest), identified| {
            let mut told = told();
            change(&mut told);
            fit(&told, &found(), identified).map(|fit| fit.grade)
        };

        assert_eq!(grade(&|_| {}, true), Some(MatchGrade::Certain));
        assert_eq!(grade(&|_| {}, false), Some(MatchGrade::Probable));
        assert_eq!(grade(&|t| t.family = vec!["Smith".into()], true), Some(MatchGrade::Probable));
        assert_eq!(grade(&|t| t.birth_date = None, true), Some(MatchGrade::Probable));
        let year = DateSpan { from: 19_450_000, to: 19_459_999 };
        assert_eq!(grade(&|t| t.birth_date = Some(year), true), Some(MatchGrade::Probable));
        let number = |t: &mut MatchRequest| {
            *t = MatchRequest { identifiers: t.identifiers.clone(), ..MatchRequest::default() };
        };
        assert_eq!(grade(&number, true), Some(MatchGrade::Possible));
        let other = |t: &mut MatchRequest| {
            t.family = vec!["Smith".into()];
            t.given = vec!["Jo".into()];
            t.birth_date = Some(DateSpan { from: 19_900_101, to: 19_900_101 });
        };
        assert_eq!(grade(&other, true), Some(MatchGrade::Possible));
        assert_eq!(grade(&other, false), None);
    }

    #[test]
    fn what_agrees_counts_by_its_weight() {
        let score = |change: &dyn Fn(&mut MatchRequest)| {
            let mut told = told();
            told.identifiers.clear();
            change(&mut told);
            fit(&told, &found(), false).map_or(0.0, |fit| fit.score)
        };
        let whole = score(&|_| {});

        assert!((whole - 1.0).abs() < f64::EPSILON, "{whole}");
        let initial = score(&|t| t.given = vec!["A".into()]);
        let second = score(&|t| t.given = vec!["Mary".into()]);
        let turned = score(&|t| t.birth_date = Some(DateSpan { from: 19_451_007, to: 19_451_007 }));
        let district = score(&|t| t.postcode = Some("XX1 2YY".into()));
        let elsewhere = score(&|t| t.postcode = Some("ZZ9 9ZZ".into()));
        assert!(whole > initial && initial > second, "{initial} {second}");
        assert!(whole > district && district > elsewhere, "{district} {elsewhere}");
        assert!(elsewhere > turned, "{turned}");
    }

    #[test]
    fn where_a_restricted_person_lives_counts_for_nothing() {
        let mut found = found();
        found.patient.restricted = true;
        let mut told = told();
        let right = fit(&told, &found, true);
        told.postcode = Some("ZZ9 9ZZ".into());

        assert_eq!(fit(&told, &found, true), right);
    }

    #[test]
    fn whole_names_come_first() {
        let search = |family: &str| PatientSearch {
            family: vec![vec![NamePattern::prefix(family)]],
            ..PatientSearch::default()
        };
        let person = found().patient;

        assert!((closeness(&search("okafor"), &person) - 1.0).abs() < f64::EPSILON);
        assert!((closeness(&search("oka"), &person) - 0.5).abs() < f64::EPSILON);
        assert!((closeness(&PatientSearch::default(), &person) - 1.0).abs() < f64::EPSILON);
    }

    fn found() -> FoundPatient {
        let mut patient = Patient::from_number("9990001006".parse().unwrap());
        patient.family_name = Some("Okafor".into());
        patient.given_names = vec!["Ada".into(), "Mary".into()];
        patient.birth_date = Some("1945-07-10".parse().unwrap());
        patient.gender = Gender::Female;
        patient.postcode = Some("XX1 1XX".into());
        FoundPatient { patient, identifiers: Vec::new() }
    }

    fn told() -> MatchRequest {
        MatchRequest {
            identifiers: vec!["H7^^^&2.999.1&ISO".parse().unwrap()],
            family: vec!["OKAFOR".into()],
            given: vec!["Ada".into()],
            birth_date: Some(DateSpan { from: 19_450_710, to: 19_450_710 }),
            gender: Some(Gender::Female),
            postcode: Some("xx11xx".into()),
            ..MatchRequest::default()
        }
    }
}
