//! The mock's people besides those of the demo: one for each thing that a consumer has to cope with.

use std::path::Path;

use anyhow::Context;
use carerecord_model::{Gender, NumberStatus, Patient};

use crate::samples::{KINDS, Kind, Sample, cda};

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
        person.postcode = (*number == VISITOR).then(|| "YY9 9YY".to_owned());
        Some(person)
    };
    PEOPLE.iter().filter_map(person).collect()
}

/// Their documents; `many` of whoever has many.
pub fn documents(many: usize) -> Vec<Sample> {
    let mut all = Vec::new();
    let alone = [
        (0, OLD, 0),
        (1, OLD, 1),
        (0, SURVIVING, 2),
        (2, SURVIVING, 3),
        (0, DAMAGED, 0),
        (0, LATE_SOURCE, 0),
        (1, LATE_SOURCE, 1),
        (0, VISITOR, 0),
    ];
    for (node, number, n) in alone {
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
    let doubted = (DOUBTED.0, DOUBTED.1, DOUBTED.2, BORN_ELSEWHERE);
    all.extend(document(0, &doubted, 0, &KINDS[1], None));
    // Organisations without a node of their own publish through another's.
    for (n, kind) in ELSEWHERE.iter().enumerate() {
        all.extend(document(n % 3, &ADA, 60 + n, kind, None));
    }
    all.extend(TRAPS.iter().filter_map(|bytes| {
        Some(Sample { node: 0, patient: TRAPPED.parse().ok()?, bytes: bytes.to_vec(), given: None })
    }));
    all.extend((0..many).filter_map(|n| letter(n % 3, MANY, n, None)));
    all
}

fn letter(node: usize, number: &str, n: usize, replaces: Option<&str>) -> Option<Sample> {
    let person = PEOPLE.iter().find(|(of, ..)| *of == number)?;
    document(node, person, n, &KINDS[1], replaces)
}

fn document(
    node: usize,
    (number, family, given, born): &Person,
    n: usize,
    kind: &Kind,
    replaces: Option<&str>,
) -> Option<Sample> {
    let bytes = cda(number, family, given, born, n, kind, false, replaces).into_bytes();
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

/// When a parent was granted to see the record of 999 000 1065: before the birthday that ends it.
pub const CARED_FOR_SINCE: &str = "2014-04-01T09:00:00Z";
/// Of whose sources one never answers the portal in time.
pub const LATE_SOURCE: &str = "9990001138";
/// That source.
pub const LATE_NODE: &str = "2.999.826.1.2";

const OLD: &str = "9990001014";
const SURVIVING: &str = "9990001022";
const DAMAGED: &str = "9990001219";
const SAME: &str = "9990001154";
const MANY: &str = "9990001111";
const VISITOR: &str = "9990001162";
const TRAPPED: &str = "9990001200";
const ADA: Person = ("9990001006", "OKAFOR", "Ada", "1945-07-14");
/// Of whom a source has another day of birth than the patient index.
const DOUBTED: Person = ("9990001189", "TWICE", "Mina", "1958-11-05");
const BORN_ELSEWHERE: &str = "1985-11-05";
const PEOPLE: [Person; 8] = [
    (OLD, "MERGER", "Olive", "1970-03-12"),
    (SURVIVING, "MERGER", "Olive", "1970-03-12"),
    (DAMAGED, "BROKEN", "Una", "1959-09-09"),
    (SAME, "TRIPLE", "Trudy", "1984-06-30"),
    (MANY, "THICK", "Nora", "1938-12-01"),
    (LATE_SOURCE, "TARDY", "Rosa", "1972-02-28"),
    (VISITOR, "FARAWAY", "Wilma", "1990-08-15"),
    DOUBTED,
];

/// What organisations send that run no node.
const ELSEWHERE: [Kind; 4] = [
    ("734163000", "Care plan", "Seen weekly by the same care coordinator.", 3),
    ("196981000000101", "General Practice Summary", "Problems, medicines and allergies.", 4),
    ("823691000000103", "Clinical letter", "Registered here until she moved.", 5),
    ("734163000", "Care plan", "Agreed with all who care for her.", 6),
];

/// Documents as they really arrive, and worse: an envelope, the bare document that replaces it, a scan.
const TRAPS: [&[u8]; 3] = [
    include_bytes!("traps/report.xml"),
    include_bytes!("traps/amended.xml"),
    include_bytes!("traps/scan.xml"),
];

#[cfg(test)]
mod tests {
    use carerecord_clinical::{DocumentHeader, Kind, pdf_is_active, render};

    use super::*;

    #[test]
    fn traps_are_read_and_shown_without_what_is_harmful() {
        let read = |bytes: &[u8]| DocumentHeader::read_as(bytes, &Kind::sniff(bytes)).unwrap();
        let shown = TRAPS.map(|bytes| render(bytes, &Kind::sniff(bytes)));

        for bytes in TRAPS {
            let patient = read(bytes).patient.unwrap();
            assert_eq!(patient.nhs_number.unwrap().number.digits(), TRAPPED);
            assert!(!patient.nhs_number_conflict && patient.local_ids.len() == 2);
        }
        assert_eq!(Kind::sniff(TRAPS[0]), Kind::ItkEnvelope);
        let (report, amended) = (read(TRAPS[0]), read(TRAPS[1]));
        assert_eq!(report.creation_time.unwrap().as_str(), "20210406113335");
        assert_eq!(amended.replaces().next().unwrap().unique_id(), report.id.unwrap().unique_id());
        assert_eq!(read(TRAPS[2]).title.as_deref(), Some("Lettre de liaison: genou enflé"));
        let html: String =
            shown.iter().flat_map(|r| &r.sections).map(|s| s.html.as_str()).collect();
        for harm in ["alert", "script", "data:", ".example", "<img", "onmouseover", "style"] {
            assert!(!html.contains(harm), "{harm} in {html}");
        }
        for kept in ["<td>Can they walk?</td>", "right knee", "Exercises", "<td>Swollen</td>"] {
            assert!(html.contains(kept), "{kept} is missing in {html}");
        }
        let mime = shown[1].attachments.iter().map(|a| a.mime.as_str()).collect::<Vec<_>>();
        assert_eq!(mime, ["image/png", "application/octet-stream"], "a drawing can have scripts");
        assert!(pdf_is_active(&shown[2].attachments[0].bytes));
    }

    #[test]
    fn a_rich_record_is_of_seven_organisations() {
        let record = crate::samples::documents().into_iter().chain(documents(0));
        let record = record.filter(|sample| sample.patient.digits() == ADA.0);
        let of = |sample: Sample| {
            let header = DocumentHeader::read_as(&sample.bytes, &Kind::sniff(&sample.bytes));
            let author = header.ok()?.authors.into_iter().next()?;
            author.organisation?.ods_code().map(str::to_owned)
        };

        let organisations: std::collections::BTreeSet<String> = record.filter_map(of).collect();

        let all = ["A20047", "ZEX01", "ZEX02", "ZEX03", "ZEX04", "ZEX05", "ZEX09"];
        assert_eq!(organisations.into_iter().collect::<Vec<_>>(), all);
    }
}
