//! The invented people and documents of the demo.

mod coded;

use carerecord_access::{
    Carer, CitizenGrant, CitizenGrantKind, ConsentRecord, ConsentStatus, Grain, Provision,
    ProxyBasis, Relationship, RelationshipKind, RelationshipStatus,
};
use carerecord_model::{Gender, NhsNumber, NumberStatus, Patient};
use jiff::Timestamp;
use uuid::Uuid;

/// A sample document for one of the nodes.
pub struct Sample {
    /// Which node, 0 to 2.
    pub node: usize,
    /// Whose.
    pub patient: NhsNumber,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What a document without a header is: type code, title, and when it was made.
    pub given: Option<(&'static str, &'static str, &'static str)>,
}

struct Person(&'static str, &'static str, &'static str, &'static str, Gender, usize);

/// The people of the patient index.
pub fn people() -> Vec<Patient> {
    PEOPLE
        .iter()
        .filter_map(|Person(number, family, given, born, gender, _)| {
            let mut person = Patient::from_number(number.parse().ok()?);
            person.number_status = NumberStatus::Verified;
            person.family_name = Some((*family).to_owned());
            person.given_names = vec![(*given).to_owned()];
            person.birth_date = born.parse().ok();
            person.gender = *gender;
            person.restricted = *number == "9990001030";
            person.postcode = (!person.restricted).then(|| format!("XX{} 1XX", number.len() - 9));
            if *number == "9990001073" {
                person.deceased = true;
                person.death_date = "2026-10-21".parse().ok();
            }
            Some(person)
        })
        .collect()
}

/// The documents, in the order in which they are published.
pub fn documents() -> Vec<Sample> {
    let mut all = Vec::new();
    for Person(number, family, given, born, _, count) in &PEOPLE {
        let Ok(patient) = number.parse::<NhsNumber>() else { continue };
        for n in 0..*count {
            let kind = &KINDS[n % KINDS.len()];
            let restricted = *number == "9990001103" && n % 3 == 1;
            let bytes = cda(number, family, given, born, n, kind, restricted, None).into_bytes();
            all.push(Sample { node: kind.3, patient, bytes, given: None });
        }
    }
    all.extend(special());
    all
}

/// Documents that show one thing each.
fn special() -> Vec<Sample> {
    let letter = &KINDS[1];
    let ward =
        |n, replaces| cda("9990001081", "WARD", "Susan", "1949-08-17", n, letter, false, replaces);
    let young = cda("9990001065", "YOUNG", "Tia", "2014-03-21", 50, letter, false, None);
    let sample = |node, number: &str, bytes: &str, given| {
        let patient = number.parse().ok()?;
        Some(Sample { node, patient, bytes: bytes.as_bytes().to_vec(), given })
    };
    [
        // A letter, and the letter that replaces it.
        sample(0, "9990001081", &ward(50, None), None),
        sample(0, "9990001081", &ward(51, Some("2.999.826.2.9990001081.50")), None),
        // The same letter from two organisations.
        sample(0, "9990001065", &young, None),
        sample(1, "9990001065", &young, None),
        // Documents without a header, and one in FHIR.
        sample(0, "9990001006", &pdf("ECG: sinus rhythm, 72 a minute."), Some(ECG)),
        sample(
            1,
            "9990001006",
            NOTE,
            Some(("820471000000109", "Telephone note", "20261019141500")),
        ),
        sample(2, "9990001006", FHIR_DOCUMENT, None),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One page with one line of text.
fn pdf(line: &str) -> String {
    let text = format!("BT /F1 18 Tf 72 720 Td ({line}) Tj ET");
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>".to_owned(),
        "<</Type/Pages/Kids[3 0 R]/Count 1>>".to_owned(),
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R\
         /Resources<</Font<</F1 5 0 R>>>>>>"
            .to_owned(),
        format!("<</Length {}>>stream\n{text}\nendstream", text.len()),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>".to_owned(),
    ];
    let mut out = String::from("%PDF-1.4\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (n, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", out.len()));
        out.push_str(&format!("{} 0 obj{object}endobj\n", n + 1));
    }
    let start = out.len();
    out.push_str(&format!(
        "xref\n0 6\n{table}trailer<</Size 6/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
    ));
    out
}

/// Who may see a sample patient's record for them, granted at that time: as `citizens.toml` has it no
/// longer than until the next birthday at which proxies end.
pub fn citizen_grants(since: Timestamp) -> Vec<CitizenGrant> {
    let grant = |patient: &str, delegate: &str| {
        let kind = CitizenGrantKind::Proxy {
            delegate: delegate.parse().ok()?,
            basis: ProxyBasis::Parental,
        };
        Some(CitizenGrant {
            id: Uuid::from_u128(0x0c0f_fee0_0000_4000_8000_0000_0000_9001),
            version: 1,
            patient: patient.parse().ok()?,
            kind,
            status: RelationshipStatus::Active,
            since,
            until: None,
            organisation: "A20047".parse().ok()?,
            evidence: None,
            recorded_at: since,
            recorded_by: "demo".to_owned(),
        })
    };
    grant("9990001065", "9990001103").into_iter().collect()
}

/// Who cares for sample patients.
pub fn relationships(now: Timestamp) -> Vec<Relationship> {
    let all = [
        ("9990001006", "A20047", RelationshipKind::Registration, 400),
        ("9990001006", "ZEX01", RelationshipKind::Encounter, 2),
        ("9990001073", "A20047", RelationshipKind::Registration, 900),
        ("9990001073", "ZEX01", RelationshipKind::Referral, 20),
        ("9990001006", "ZEX02", RelationshipKind::Caseload, 60),
        ("9990001006", "ZEX05", RelationshipKind::Caseload, 90),
    ];
    let relationship = |(n, (patient, code, kind, days)): (u128, (&str, &str, _, i64))| {
        let since = now - jiff::SignedDuration::from_hours(24 * days);
        Some(Relationship {
            id: Uuid::from_u128(0x0c0f_fee0_0000_4000_8000_0000_0000_8000 + n),
            version: 1,
            patient: patient.parse().ok()?,
            with: Carer::Organisation(code.parse().ok()?),
            kind,
            status: RelationshipStatus::Active,
            since,
            until: None,
            set_by: "the demo".to_owned(),
            source: "demo".to_owned(),
            evidence: None,
            reason: None,
            recorded_at: now,
            recorded_by: "demo".to_owned(),
        })
    };
    (1..).zip(all).filter_map(relationship).collect()
}

/// What sample patients have said.
pub fn consents(now: Timestamp) -> Vec<ConsentRecord> {
    let since = |days: i64| now - jiff::SignedDuration::from_hours(24 * days);
    let record = |n: u128, patient: &str, provision: Provision, until: Option<Timestamp>| {
        Some(ConsentRecord {
            id: Uuid::from_u128(0x0c0f_fee0_0000_4000_8000_0000_0000_0000 + n),
            version: 1,
            patient: patient.parse().ok()?,
            status: ConsentStatus::Active,
            provision,
            set_by: "the patient".to_owned(),
            organisation: "ZEX09".parse().ok()?,
            since: since(30),
            until,
            policy_uri: None,
            recorded_at: now,
            recorded_by: "demo".to_owned(),
        })
    };
    let recipient = |code: &str| code.parse().ok();
    let mut all = vec![record(1, "9990001049", Provision::Objection(Grain::WholeRecord), None)];
    if let Some(trust) = recipient("ZEX02") {
        let grain = Grain::Recipient(trust);
        all.push(record(2, "9990001057", Provision::Objection(grain), None));
    }
    let to_council = Provision::Permission { recipient: recipient("ZEX05") };
    all.push(record(3, "9990001081", to_council.clone(), Some(since(1))));
    all.push(record(4, "9990001006", to_council, None));
    all.into_iter().flatten().collect()
}

/// A CDA document with these facts in it.
#[expect(clippy::too_many_arguments, reason = "they are what differs between the samples")]
pub fn cda(
    number: &str,
    family: &str,
    given: &str,
    born: &str,
    n: usize,
    (code, title, text, organisation): &Kind,
    restricted: bool,
    replaces: Option<&str>,
) -> String {
    let related = replaces.map(|id| {
        format!(
            "<relatedDocument typeCode=\"RPLC\"><parentDocument><id root=\"{id}\"/>\
             </parentDocument></relatedDocument>\n"
        )
    });
    let related = related.unwrap_or_default();
    let (organisation, ods) = ORGANISATIONS[*organisation];
    let month = 1 + n % 10;
    let day = 1 + (n * 7) % 27;
    let coded = coded::sections(n);
    let label = if restricted { "R" } else { "N" };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\n\
<typeId root=\"2.16.840.1.113883.1.3\" extension=\"POCD_HD000040\"/>\n\
<id root=\"2.999.826.2.{number}.{n}\"/>\n\
<code code=\"{code}\" codeSystem=\"2.16.840.1.113883.2.1.3.2.4.15\" displayName=\"{title}\"/>\n\
<title>{title}</title>\n\
<effectiveTime value=\"2026{month:02}{day:02}093000+0000\"/>\n\
<confidentialityCode code=\"{label}\" codeSystem=\"2.16.840.1.113883.5.25\"/>\n\
<languageCode code=\"en-GB\"/>\n\
<recordTarget><patientRole><id root=\"2.16.840.1.113883.2.1.4.1\" extension=\"{number}\"/>\
<patient><name><given>{given}</given><family>{family}</family></name>\
<birthTime value=\"{}\"/></patient></patientRole></recordTarget>\n\
<author><time value=\"2026{month:02}{day:02}\"/><assignedAuthor>\
<id root=\"1.2.826.0.1285.0.2.0.65\" extension=\"5550219990{}\"/>\
<assignedPerson><name><prefix>Dr</prefix><given>Sam</given><family>Reed</family></name></assignedPerson>\
<representedOrganization><id root=\"2.16.840.1.113883.2.1.3.2.4.19.1\" extension=\"{ods}\"/>\
<name>{organisation}</name></representedOrganization></assignedAuthor></author>\n\
<custodian><assignedCustodian><representedCustodianOrganization>\
<id root=\"2.16.840.1.113883.2.1.3.2.4.19.1\" extension=\"{ods}\"/><name>{organisation}</name>\
</representedCustodianOrganization></assignedCustodian></custodian>\n\
{related}<component><structuredBody><component><section><title>{title}</title><text>\
<paragraph>{text}</paragraph>\
<table><thead><tr><th>What</th><th>Finding</th></tr></thead><tbody>\
<tr><td>Blood pressure</td><td>12{}/80 mmHg</td></tr></tbody></table>\
</text></section></component>{coded}</structuredBody></component>\n\
</ClinicalDocument>\n",
        born.replace('-', ""),
        n % 10,
        n % 10,
    )
}

/// Code, title, text, and the organisation of a kind of document: those of the three nodes come first.
pub type Kind = (&'static str, &'static str, &'static str, usize);

/// The kinds of documents.
pub const KINDS: [Kind; 6] = [
    ("373942005", "Discharge summary", "Admitted with chest pain; home with new tablets.", 0),
    ("823691000000103", "Clinical letter", "Seen in clinic. Continue the present treatment.", 0),
    ("734163000", "Care plan", "Help with washing and dressing in the mornings.", 1),
    ("820471000000109", "Nursing note", "Leg ulcer dressed; healing well.", 1),
    ("823721000000107", "Social Services letter", "Carer's assessment arranged.", 2),
    ("196981000000101", "General Practice Summary", "Problems, medicines and allergies.", 0),
];

const ORGANISATIONS: [(&str, &str); 7] = [
    ("Royal Example Hospital", "ZEX01"),
    ("Example Community Trust", "ZEX02"),
    ("Example Council", "ZEX05"),
    ("Example Mental Health Trust", "ZEX03"),
    ("Dr Legg's Surgery", "A20047"),
    ("Example Surgery", "ZEX04"),
    ("Example Valley ICB", "ZEX09"),
];

const PEOPLE: [Person; 10] = [
    Person("9990001006", "OKAFOR", "Ada", "1945-07-14", Gender::Female, 60),
    Person("9990001030", "HIDE", "Robin", "1988-02-03", Gender::Other, 4),
    Person("9990001049", "NAYLOR", "Peter", "1961-05-09", Gender::Male, 6),
    Person("9990001057", "PARTON", "Mary", "1957-11-30", Gender::Female, 6),
    Person("9990001065", "YOUNG", "Tia", "2014-03-21", Gender::Female, 3),
    Person("9990001073", "LATE", "Harold", "1931-01-02", Gender::Male, 5),
    Person("9990001081", "WARD", "Susan", "1949-08-17", Gender::Female, 6),
    Person("9990001103", "QUIET", "Jo", "1992-12-12", Gender::Female, 6),
    Person("9990001146", "NEWMAN", "Lee", "1979-06-06", Gender::Male, 0),
    Person("9990001200", "TRAPP", "Ivan", "1966-04-01", Gender::Male, 3),
];

const ECG: (&str, &str, &str) = ("721981007", "ECG report", "20261020101500");

const NOTE: &str = "Telephone call with Mrs Okafor, 19 October 2026, 14:15.\n\n\
    Dressing changed this morning by the district nurse. No fever, no pain at rest.\n\
    Next visit on Thursday.\n";

const FHIR_DOCUMENT: &str = r#"{
  "resourceType": "Bundle",
  "identifier": { "system": "urn:ietf:rfc:3986", "value": "urn:uuid:0c0ffee0-0000-4000-8000-00000000f001" },
  "type": "document",
  "timestamp": "2026-10-22T09:30:00Z",
  "entry": [
    {
      "fullUrl": "urn:uuid:0c0ffee0-0000-4000-8000-00000000f002",
      "resource": {
        "resourceType": "Composition",
        "status": "final",
        "type": { "coding": [ { "system": "http://snomed.info/sct", "code": "325931000000109", "display": "Assessment" } ] },
        "subject": { "reference": "urn:uuid:0c0ffee0-0000-4000-8000-00000000f003" },
        "date": "2026-10-22T09:30:00Z",
        "author": [ { "reference": "urn:uuid:0c0ffee0-0000-4000-8000-00000000f004" } ],
        "title": "Assessment of care needs",
        "section": [
          {
            "title": "Daily living",
            "text": { "status": "generated", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Needs help with stairs and with shopping; cooks for herself.</p></div>" }
          }
        ]
      }
    },
    {
      "fullUrl": "urn:uuid:0c0ffee0-0000-4000-8000-00000000f003",
      "resource": {
        "resourceType": "Patient",
        "identifier": [ { "system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990001006" } ],
        "name": [ { "family": "OKAFOR", "given": [ "Ada" ] } ],
        "gender": "female",
        "birthDate": "1945-07-14"
      }
    },
    {
      "fullUrl": "urn:uuid:0c0ffee0-0000-4000-8000-00000000f004",
      "resource": { "resourceType": "Organization", "identifier": [ { "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZEX05" } ], "name": "Example Council" }
    }
  ]
}
"#;
