//! The mock's people besides those of the demo: one for each thing that a consumer has to cope with.

use std::path::Path;

use anyhow::Context;
use carerecord_model::{Gender, NumberStatus, Patient};

use crate::samples::{KINDS, Sample, cda};

/// Number, family name, given name, date of birth.
type Person = (&'static str, &'static str, &'static str, &'static str);

/// Everybody for the patient index.
pub fn people() -> Vec<Patient> {
    let person = |(number, family, given, born): &Person| {
        let mut person = Patient::from_number(number.parse().ok()?);
        person.number_status = NumberStatus::Verified;
        person.family_name = Some((*family).to_owned());
        person.given_names = vec![(*given).to_owned()];
        person.birth_date = born.parse().ok();
        person.gender = Gender::Female;
        Some(person)
    };
    PEOPLE.iter().filter_map(person).collect()
}

/// Their documents; `many` of whoever has many.
pub fn documents(many: usize) -> Vec<Sample> {
    let mut all = Vec::new();
    for (node, number, n) in
        [(0, OLD, 0), (1, OLD, 1), (0, SURVIVING, 2), (2, SURVIVING, 3), (0, DAMAGED, 0)]
    {
        all.extend(letter(node, number, n, None));
    }
    // The same letter from three organisations, and two letters that were replaced.
    for node in 0..3 {
        all.extend(letter(node, SAME, 0, None));
    }
    for (n, replaced) in [(1, None), (2, Some(1)), (3, Some(2))] {
        let replaced = replaced.map(|n| format!("2.999.826.2.{SAME}.{n}"));
        all.extend(letter(0, SAME, n, replaced.as_deref()));
    }
    all.extend((0..many).filter_map(|n| letter(n % 3, MANY, n, None)));
    all
}

fn letter(node: usize, number: &str, n: usize, replaces: Option<&str>) -> Option<Sample> {
    let (_, family, given, born) = PEOPLE.iter().find(|(of, ..)| *of == number)?;
    let bytes = cda(number, family, given, born, n, &KINDS[1], false, replaces).into_bytes();
    Some(Sample { node, patient: number.parse().ok()?, bytes, given: None })
}

/// Changes a byte of the document that is damaged, where its node keeps it.
pub fn damage(data: &Path) -> anyhow::Result<()> {
    let letter = letter(0, DAMAGED, 0, None).context("there is no such person")?;
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let (path, kind) = entry.and_then(|e| Ok((e.path(), e.file_type()?)))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && std::fs::read(&path)? == letter.bytes {
                let mut bytes = letter.bytes.clone();
                if let Some(last) = bytes.last_mut() {
                    *last = b'!';
                }
                return std::fs::write(&path, bytes).context("the document cannot be damaged");
            }
        }
    }
    anyhow::bail!("the document that is to be damaged is kept nowhere")
}

/// The message (ITI-44) by which one person becomes another.
pub const MERGE: &str = include_str!("../../../../docs/examples/iti44.xml");

const OLD: &str = "9990001014";
const SURVIVING: &str = "9990001022";
const DAMAGED: &str = "9990001219";
const SAME: &str = "9990001154";
const MANY: &str = "9990001111";
const PEOPLE: [Person; 5] = [
    (OLD, "MERGER", "Olive", "1970-03-12"),
    (SURVIVING, "MERGER", "Olive", "1970-03-12"),
    (DAMAGED, "BROKEN", "Una", "1959-09-09"),
    (SAME, "TRIPLE", "Trudy", "1984-06-30"),
    (MANY, "THICK", "Nora", "1938-12-01"),
];
