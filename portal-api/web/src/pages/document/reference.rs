use carerecord_model::{NhsNumber, name_key};

use crate::api::{Document, PatientRecord};
use crate::display::clinical;
use crate::portal::Portal;

/// What says in another system which document is meant, and not whose it is.
pub(super) fn reference(
    document: &Document,
    (number, record): (&NhsNumber, Option<&PatientRecord>),
    portal: &Portal,
) -> String {
    let numbers = [Some(number), record.and_then(|record| record.nhs_number.as_ref())];
    let has_number = |text: &String| numbers.into_iter().flatten().any(|n| holds(text, n));
    // Sources write titles as they like. Where it is not known what the patient is called, it cannot be
    // told whether one names them.
    let called = record.filter(|record| record.family.is_some());
    let is_safe =
        |title: &String| called.is_some_and(|record| !names(title, record)) && !has_number(title);
    let organisation = document.organisations.first().unwrap_or(&document.source.display);
    let lines = [
        ("Title", document.title.clone().filter(is_safe)),
        ("Type", Some(document.kind.display.clone())),
        ("Written", document.created.as_ref().map(|time| clinical(time, &portal.zone))),
        ("Organisation", Some(organisation.clone())),
        ("Document", document.context.unique_id.clone().filter(|id| !has_number(id))),
        ("Repository", document.source_id.clone()),
        ("Read in", Some(portal.config.service_name.clone())),
    ];
    let line = |(label, value): (&str, Option<String>)| {
        let value = value?.split_whitespace().collect::<Vec<_>>().join(" ");
        (!value.is_empty()).then(|| format!("{label}: {value}"))
    };
    lines.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// Whether a text has the number in it, however it is grouped.
fn holds(text: &str, number: &NhsNumber) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.contains(&number.digits())
}

/// Whether a text has a name of the patient in it: as a word, or, unless it is short, anywhere.
fn names(text: &str, record: &PatientRecord) -> bool {
    let said: Vec<String> = words(text).collect();
    let whole = said.concat();
    let all = record.given.iter().chain(&record.family).chain(&record.preferred);
    all.flat_map(|name| words(name))
        .any(|name| said.contains(&name) || (name.chars().count() >= LONG && whole.contains(&name)))
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).map(name_key);
    words.filter(|word| !word.is_empty())
}

/// Letters of a name that is not part of other words by chance.
const LONG: usize = 4;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_or_number_is_found_however_it_is_written() {
        let record = PatientRecord::read(&json!({
            "resourceType": "Patient",
            "name": [{"use": "official", "family": "Ó Néill-Wren", "given": ["Jo"]},
                {"use": "nickname", "given": ["Sunny"]}],
        }));
        let record = record.unwrap();
        let number: NhsNumber = "9990001006".parse().unwrap();

        for text in ["Letter about NEILL", "jo's letter", "scan_wren.pdf", "sunnyneill", "O. Neill"]
        {
            assert!(names(text, &record), "{text}");
        }
        for text in ["Joint clinic letter", "Major trauma", "Discharge summary", "", "7"] {
            assert!(!names(text, &record), "{text}");
        }
        for text in ["999 000 1006", "999-000-1006.pdf", "2.16.840.1.113883.2.1.4.1.9990001006"] {
            assert!(holds(text, &number), "{text}");
        }
        assert!(!holds("9990001007", &number) && !holds("", &number));
    }
}
