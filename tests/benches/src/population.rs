//! Synthetic people with documents: most have about a hundred, a few have thousands.

use carerecord_model::{
    Author, Code, DocumentEntry, LocalizedString, NhsNumber, ObjectId, PatientId, Submission,
};
use carerecord_testkit::submission::Builder;

/// Whom the registry is filled with.
#[derive(Clone, Copy, Debug)]
pub struct Population {
    /// How many people.
    pub patients: u32,
}

impl Population {
    /// People who have about so many entries together.
    pub fn of(entries: u32) -> Self {
        Self { patients: (entries / ORDINARY).max(10) }
    }

    /// How many entries a person has: a hundred on average, besides the few with very many.
    pub fn size(self, place: u32) -> u32 {
        match (place % 4000, place % 10) {
            (3999, _) => HEAVY,
            (_, n) => [100, 60, 140, 100, 20, 180, 100, 80, 120, 100][n as usize],
        }
    }

    /// A person with exactly a hundred entries, another one for each n.
    pub fn ordinary(self, n: u64) -> u32 {
        let tens = u64::from(self.patients / 10).max(1);
        u32::try_from(n.wrapping_mul(7_919) % tens * 10).unwrap_or(0)
    }

    /// The person with very many entries, when there is one.
    pub fn heavy(self) -> Option<u32> {
        (self.patients > 3999).then_some(3999)
    }

    /// All submissions as lines for a bulk load, each with how many entries it brings.
    pub fn lines(self) -> impl Iterator<Item = (String, u32)> {
        let templates: Vec<Template> = (1..=TOGETHER).map(Template::of).collect();
        let mut serial = 0u64;
        (0..self.patients).flat_map(move |place| {
            let size = self.size(place);
            let parts: Vec<(String, u32)> = (0..size)
                .step_by(TOGETHER as usize)
                .map(|first| {
                    let count = TOGETHER.min(size - first);
                    let template = &templates[count as usize - 1];
                    (template.line(&patient_cx(place).to_cx(), first, &mut serial), count)
                })
                .collect();
            parts
        })
    }
}

/// The submissions of one person with so many entries; `serial` counts submissions over all people.
pub fn lines_of(place: u32, size: u32, serial: &mut u64) -> Vec<String> {
    let parts = (0..size).step_by(TOGETHER as usize);
    let line = |first: u32| {
        let template = Template::of(TOGETHER.min(size - first));
        template.line(&patient_cx(place).to_cx(), first, serial)
    };
    parts.map(line).collect()
}

/// The JSON of a submission with holes.
struct Template {
    pieces: Vec<String>,
    holes: Vec<Hole>,
}

#[derive(Clone, Copy)]
enum Hole {
    Patient,
    SetId,
    /// Of the nth document.
    UniqueId(u32),
    Time(u32),
    Hash(u32),
    Uuid(u32),
}

impl Template {
    fn of(count: u32) -> Self {
        let mut builder = Builder::default();
        let mut s = builder.empty();
        let set = "aaaaaaaa-0000-4000-8000-00000000ffff";
        for n in 0..count {
            builder.add_document(&mut s);
            let entry = s.document_entries.last_mut().expect("one was added");
            *entry = described(entry.clone(), n);
            let id: ObjectId = entry.entry_uuid.clone();
            let member = s.associations.last_mut().expect("one was added");
            member.target = id;
            member.entry_uuid = uuid_hole(n + 100);
        }
        s.submission_set.entry_uuid = format!("urn:uuid:{set}").parse().expect("a UUID");
        s.submission_set.unique_id = "2.999.1.1".parse().expect("an OID");
        let own = s.submission_set.entry_uuid.clone();
        s.associations.iter_mut().for_each(|a| a.source = own.clone());
        let text = serde_json::to_string(&s).expect("a submission can be written");
        let mut found: Vec<(usize, usize, Hole)> = Vec::new();
        let mut note = |what: &str, hole: Hole| {
            found.extend(text.match_indices(what).map(|(at, m)| (at, m.len(), hole)));
        };
        note(carerecord_testkit::submission::PATIENT, Hole::Patient);
        note("\"2.999.1.1\"", Hole::SetId);
        note(set, Hole::Uuid(999));
        for n in 0..count {
            note(&unique_id(n), Hole::UniqueId(n));
            note(&time(n), Hole::Time(n));
            note(&hash(n), Hole::Hash(n));
            note(&uuid_text(n), Hole::Uuid(n));
            note(&uuid_text(n + 100), Hole::Uuid(n + 100));
        }
        found.sort_by_key(|(at, _, _)| *at);
        let (mut pieces, mut holes, mut from) = (Vec::new(), Vec::new(), 0);
        for (at, length, hole) in found {
            pieces.push(text[from..at].to_owned());
            holes.push(hole);
            from = at + length;
        }
        pieces.push(text[from..].to_owned());
        Self { pieces, holes }
    }

    fn line(&self, patient: &str, first: u32, serial: &mut u64) -> String {
        use std::fmt::Write as _;
        let base = *serial;
        *serial += 1;
        let mut line = String::with_capacity(2000 * self.holes.len());
        for (piece, hole) in self.pieces.iter().zip(&self.holes) {
            line.push_str(piece);
            let done = match hole {
                Hole::Patient => line.write_str(patient),
                Hole::SetId => write!(line, "\"2.999.2.{base}\""),
                Hole::UniqueId(n) => line.write_str(&document_id(base, *n)),
                Hole::Time(n) => line.write_str(&creation_time(first + n)),
                Hole::Hash(n) => write!(line, "{:040x}", scattered(base * 1000 + u64::from(*n))),
                Hole::Uuid(n) => {
                    // As random as ids of another registry's making.
                    let bits = scattered(base * 1000 + u64::from(*n));
                    let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
                    write!(line, "{id}")
                }
            };
            done.expect("text can be written to a string");
        }
        line.push_str(self.pieces.last().map_or("", String::as_str));
        line
    }
}

/// The uniqueId of a document of the nth submission.
pub fn document_id(submission: u64, n: u32) -> String {
    format!("2.999.3.{submission}.{n}")
}

/// An entry as a hospital describes a letter.
fn described(mut e: DocumentEntry, n: u32) -> DocumentEntry {
    let snomed = |code: &str, text: &str| Code::new(code, "2.16.840.1.113883.2.1.3.2.4.15", text);
    e.entry_uuid = uuid_hole(n);
    e.unique_id = unique_id(n).parse().expect("an OID");
    e.creation_time = Some(time(n).parse().expect("a time"));
    e.hash = Some(hash(n));
    e.size = Some(48_213 + u64::from(n));
    e.class_code = snomed("734163000", "Care plan");
    e.type_code = snomed("823681000000100", "Outpatient letter");
    e.practice_setting_code = snomed("394579002", "Cardiology");
    e.healthcare_facility_type_code = snomed("22232009", "Hospital");
    e.service_start_time = Some("20250301090000".parse().expect("a time"));
    e.service_stop_time = Some("20250301093000".parse().expect("a time"));
    e.title = vec![LocalizedString::new("Outpatient letter: cardiology clinic review")];
    e.source_patient_info =
        vec!["PID-5|Example^Person^^^Mx".into(), "PID-7|19610402".into(), "PID-8|F".into()];
    e.authors = vec![Author {
        person: Some("77123^Okafor^Ngozi^^^Dr^^^&2.999.10.1&ISO".parse().expect("an XCN")),
        institutions: vec![
            "North Example Hospital^^^^^&1.2.826.0.1.3680043.2.1&ISO^^^^ZEX01"
                .parse()
                .expect("an XON"),
        ],
        roles: vec!["Consultant".into()],
        specialties: vec!["Cardiology".into()],
        telecommunications: Vec::new(),
    }];
    e
}

/// The nth hour of a year, then of the next one.
pub fn creation_time(n: u32) -> String {
    let (year, n) = (2025 - n / 8000, n % 8000);
    format!("{year}{:02}{:02}{:02}{:02}00", 1 + n / 28 % 12, 1 + n % 28, n % 24, n / 336 % 60)
}

/// The patient with this place, under a synthetic NHS Number.
pub fn patient_cx(place: u32) -> PatientId {
    PatientId::from_nhs_number(number(place))
}

/// A valid number of the range for tests. Places without one are passed over.
pub fn number(place: u32) -> NhsNumber {
    let mut n = place;
    loop {
        let digits = format!("999{n:06}");
        let weights = (2..=10u32).rev();
        let sum: u32 = digits.bytes().zip(weights).map(|(d, w)| u32::from(d - b'0') * w).sum();
        let check = (11 - sum % 11) % 11;
        if check < 10 {
            return format!("{digits}{check}").parse().expect("the check digit is right");
        }
        // Far above every place that is used.
        n = (n + 500_009) % 1_000_000;
    }
}

/// The same submission with the ids of registered ones replaced, for what is asked again and again.
pub fn submission_for(place: u32, n: u64) -> Submission {
    let mut s = Builder::of(&patient_cx(place).to_cx()).document();
    s.submission_set.unique_id = format!("2.999.4.{n}").parse().expect("an OID");
    let entry = &mut s.document_entries[0];
    entry.unique_id = format!("2.999.5.{n}").parse().expect("an OID");
    entry.source_patient_info = (0..40).map(|n| format!("PID-{n}|{}", "x".repeat(120))).collect();
    s
}

fn uuid_text(n: u32) -> String {
    format!("aaaaaaaa-0000-4000-8000-{n:012}")
}

fn uuid_hole(n: u32) -> ObjectId {
    format!("urn:uuid:{}", uuid_text(n)).parse().expect("a UUID")
}

fn unique_id(n: u32) -> String {
    format!("2.999.77.{n:04}9")
}

fn time(n: u32) -> String {
    format!("1999010203{n:02}00")
}

fn hash(n: u32) -> String {
    format!("{:040x}", 0xfeed_0000u64 + u64::from(n))
}

/// Spreads numbers over all values, each to another.
fn scattered(n: u64) -> u128 {
    let mix = |mut z: u64| {
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (u128::from(mix(n)) << 64) | u128::from(mix(n ^ 0x9e37_79b9_7f4a_7c15))
}

/// How many entries most people have.
pub const ORDINARY: u32 = 100;
/// How many entries the few have who have very many.
pub const HEAVY: u32 = 5_000;
const TOGETHER: u32 = 20;
