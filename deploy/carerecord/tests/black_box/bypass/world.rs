//! Two people with the same record, but that one of them has documents which nobody may see.

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, Code, DocumentEntry, EntryUuid, Folder,
    LocalizedString, ObjectId, Submission, SubmissionSetStatus,
};
use carerecord_testkit::submission::Builder;
use carerecord_testkit::{CONTENT_TYPE, Deployment, Letter, NODES};

/// The objects of a record, by what they are. Of `WITHOUT` the hidden ones are not there.
pub const DOCUMENT: u8 = 1;
/// A folder that has a document to be seen, and a hidden one.
pub const FOLDER: u8 = 2;
pub const SET: u8 = 3;
pub const HIDDEN: u8 = 4;
pub const HIDDEN_FOLDER: u8 = 5;
pub const HIDDEN_SET: u8 = 6;
/// Appended to what is hidden.
pub const CHILD_OF_HIDDEN: u8 = 7;
pub const SET_OF_CHILD: u8 = 8;
/// Replaced by what is to be seen.
pub const HIDDEN_BEFORE: u8 = 9;
pub const SET_OF_BEFORE: u8 = 10;
pub const REPLACEMENT: u8 = 11;
pub const SET_OF_REPLACEMENT: u8 = 12;
/// With bytes, at the first node.
pub const LETTER: u8 = 13;
pub const SET_OF_LETTER: u8 = 14;
pub const HIDDEN_LETTER: u8 = 15;
pub const SET_OF_HIDDEN_LETTER: u8 = 16;
/// Appended to what is to be seen.
pub const HIDDEN_CHILD: u8 = 17;

pub const HIDDEN_DOCUMENTS: [u8; 4] = [HIDDEN, HIDDEN_BEFORE, HIDDEN_LETTER, HIDDEN_CHILD];
pub const HIDDEN_PACKAGES: [u8; 4] =
    [HIDDEN_FOLDER, HIDDEN_SET, SET_OF_BEFORE, SET_OF_HIDDEN_LETTER];

/// One of the two people.
#[derive(Clone, Copy, Debug)]
pub struct Side {
    pub patient: &'static str,
    number: u8,
}

/// With what is hidden.
pub const WITH: Side = Side { patient: "9990001146", number: 1 };
/// Where that is absent.
pub const WITHOUT: Side = Side { patient: "9990001138", number: 2 };

impl Side {
    pub fn is_with(self) -> bool {
        self.number == 1
    }

    /// As FHIR has it.
    pub fn id(self, object: u8) -> String {
        format!("{:08x}-{object:04x}-4000-8000-00000000c0de", u32::from(self.number))
    }

    pub fn urn(self, object: u8) -> String {
        format!("urn:uuid:{}", self.id(object))
    }

    pub fn unique_id(self, object: u8) -> String {
        format!("2.999.826.9.7.{}.{}", self.number, 100 + u32::from(object))
    }

    fn object(self, object: u8) -> ObjectId {
        ObjectId::Uuid(EntryUuid::new(self.id(object).parse().unwrap()))
    }

    pub fn cx(self) -> String {
        format!("{}^^^&2.16.840.1.113883.2.1.4.1&ISO", self.patient)
    }
}

/// Both records, registered and published.
pub async fn publish(deployment: &Deployment) {
    for side in [WITH, WITHOUT] {
        publish_letter(deployment, side, LETTER, SET_OF_LETTER, "Clinic letter").await;
        let mut submissions = vec![first(side)];
        if side.is_with() {
            publish_letter(deployment, side, HIDDEN_LETTER, SET_OF_HIDDEN_LETTER, TITLE).await;
            submissions.push(hidden(side));
            submissions.push(hidden_before(side));
        }
        submissions.push(child(side));
        submissions.push(replacement(side));
        for submission in submissions {
            let answer = deployment.registry().register(&submission).await.unwrap();
            assert!(answer.is_success(), "{}", answer.envelope);
        }
    }
}

async fn publish_letter(deployment: &Deployment, side: Side, entry: u8, set: u8, title: &str) {
    let hidden = title == TITLE;
    let word = if hidden { SECRET } else { "pulse" };
    let letter = Letter {
        unique_id: side.unique_id(entry),
        title: title.to_owned(),
        mime_type: "text/xml".to_owned(),
        bytes: coded_letter(word).into(),
        ..Letter::text(side.patient, u32::from(entry))
    };
    let message = String::from_utf8(letter.message().to_vec()).unwrap();
    let message = message
        .replace("\"D\"", &format!("\"{}\"", side.urn(entry)))
        .replace("\"S\"", &format!("\"{}\"", side.urn(set)));
    let answer = deployment.node(0).send(CONTENT_TYPE, message).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
}

/// A CDA document that says one word, in its text and in coded entries of every kind.
fn coded_letter(word: &str) -> String {
    let code = format!("<code code='{word}' codeSystem='2.999.9' displayName='{word}'/>");
    let value = format!("<value code='{word}' codeSystem='2.999.9' displayName='{word}'/>");
    let time = "<effectiveTime value='20200102'/>";
    let product = format!(
        "<consumable><manufacturedProduct><manufacturedMaterial>{code}</manufacturedMaterial>\
         </manufacturedProduct></consumable>"
    );
    let given = |mood: &str| {
        format!(
            "<substanceAdministration moodCode='{mood}'>{time}{product}</substanceAdministration>"
        )
    };
    let sections = [
        (
            "48765-2",
            format!(
                "<observation>{time}<participant typeCode='CSM'><participantRole><playingEntity>\
                 {code}</playingEntity></participantRole></participant></observation>"
            ),
        ),
        ("11450-4", format!("<observation>{time}{value}</observation>")),
        ("10160-0", given("EVN") + &given("INT")),
        ("11369-6", given("EVN")),
        ("30954-2", format!("<observation>{code}{time}{value}</observation>")),
        ("46240-8", format!("<encounter>{code}{time}</encounter>")),
    ];
    let sections = sections.map(|(section, entry)| {
        format!(
            "<component><section><code code='{section}' codeSystem='2.16.840.1.113883.6.1'/>\
             <title>Section</title><text>The letter has {word} and nothing else.</text>\
             <entry>{entry}</entry></section></component>"
        )
    });
    format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'><component><structuredBody>{}</structuredBody>\
         </component></ClinicalDocument>",
        sections.concat()
    )
}

/// A document in a folder.
fn first(side: Side) -> Submission {
    let mut b = builder(side);
    let mut s = set(&mut b, side, SET);
    add(&mut b, &mut s, entry(side, DOCUMENT, "Clinic record"));
    let folder = folder(&mut b, side, FOLDER);
    let id = folder.entry_uuid.clone();
    s.folders.push(folder);
    let member = b.association(AssociationType::HasMember, &s.submission_set.entry_uuid, &id);
    s.associations.push(member);
    b.add_to_folder(&mut s, &id, &side.object(DOCUMENT));
    s
}

/// What is hidden, in a set and a folder that only have hidden documents; one of them also in the
/// other folder, and one appended to what is to be seen.
fn hidden(side: Side) -> Submission {
    let mut b = builder(side);
    let mut s = set(&mut b, side, HIDDEN_SET);
    let told = &mut s.submission_set;
    told.title = vec![LocalizedString::new("quetzal set")];
    told.comments = vec![LocalizedString::new("quetzal comment")];
    told.source_id = "2.999.88.1".parse().unwrap();
    told.content_type_code = secret_code("content");
    told.submission_time = "20190203040506".parse().unwrap();
    told.intended_recipients = vec!["|88998^Quetzal^Yara".to_owned()];
    told.authors.clone_from(&secret_entry(side, HIDDEN).authors);
    add(&mut b, &mut s, secret_entry(side, HIDDEN));
    add(&mut b, &mut s, secret_entry(side, HIDDEN_CHILD));
    let mut closed = folder(&mut b, side, HIDDEN_FOLDER);
    closed.title = vec![LocalizedString::new("quetzal folder")];
    closed.comments = vec![LocalizedString::new("quetzal comment")];
    closed.codes = vec![secret_code("folder")];
    s.folders.push(closed);
    let id = side.object(HIDDEN_FOLDER);
    let member = b.association(AssociationType::HasMember, &s.submission_set.entry_uuid, &id);
    s.associations.push(member);
    b.add_to_folder(&mut s, &id, &side.object(HIDDEN));
    b.add_to_folder(&mut s, &side.object(FOLDER), &side.object(HIDDEN));
    let (child, parent) = (side.object(HIDDEN_CHILD), side.object(DOCUMENT));
    b.relate(&mut s, AssociationType::Append, &child, &parent);
    s
}

fn hidden_before(side: Side) -> Submission {
    let mut b = builder(side);
    let mut s = set(&mut b, side, SET_OF_BEFORE);
    add(&mut b, &mut s, secret_entry(side, HIDDEN_BEFORE));
    s
}

fn child(side: Side) -> Submission {
    let mut b = builder(side);
    let mut s = set(&mut b, side, SET_OF_CHILD);
    add(&mut b, &mut s, entry(side, CHILD_OF_HIDDEN, "Addendum"));
    if side.is_with() {
        let (own, parent) = (side.object(CHILD_OF_HIDDEN), side.object(HIDDEN));
        b.relate(&mut s, AssociationType::Append, &own, &parent);
    }
    s
}

fn replacement(side: Side) -> Submission {
    let mut b = builder(side);
    let mut s = set(&mut b, side, SET_OF_REPLACEMENT);
    add(&mut b, &mut s, entry(side, REPLACEMENT, "Later version"));
    if side.is_with() {
        let (own, before) = (side.object(REPLACEMENT), side.object(HIDDEN_BEFORE));
        b.relate(&mut s, AssociationType::Replace, &own, &before);
    }
    s
}

fn builder(side: Side) -> Builder {
    Builder::of(&side.cx())
}

fn set(b: &mut Builder, side: Side, object: u8) -> Submission {
    let mut s = b.empty();
    s.submission_set.entry_uuid = side.object(object);
    s.submission_set.unique_id = side.unique_id(object).parse().unwrap();
    s
}

fn add(b: &mut Builder, s: &mut Submission, entry: DocumentEntry) {
    let id = entry.entry_uuid.clone();
    s.document_entries.push(entry);
    let mut member: Association =
        b.association(AssociationType::HasMember, &s.submission_set.entry_uuid, &id);
    member.submission_set_status = Some(SubmissionSetStatus::Original);
    s.associations.push(member);
}

fn folder(b: &mut Builder, side: Side, object: u8) -> Folder {
    let mut folder = b.folder();
    folder.entry_uuid = side.object(object);
    folder.unique_id = side.unique_id(object).parse().unwrap();
    folder
}

fn entry(side: Side, object: u8, title: &str) -> DocumentEntry {
    let mut entry = builder(side).entry();
    entry.entry_uuid = side.object(object);
    entry.unique_id = side.unique_id(object).parse().unwrap();
    entry.repository_unique_id = Some(NODES[0].0.parse().unwrap());
    entry.title = vec![LocalizedString::new(title)];
    entry.hash = Some(format!("{object:040x}"));
    // Each of another day, so that the order of answers is one.
    entry.creation_time = Some(format!("202401{:02}", u32::from(object) + 1).parse().unwrap());
    entry
}

/// An entry that can be found by any of its attributes, if at all.
fn secret_entry(side: Side, object: u8) -> DocumentEntry {
    let mut entry = entry(side, object, TITLE);
    entry.class_code = secret_code("class");
    entry.type_code = secret_code("type");
    entry.format_code = secret_code("format");
    entry.practice_setting_code = secret_code("setting");
    entry.healthcare_facility_type_code = secret_code("facility");
    entry.event_codes = vec![secret_code("event")];
    entry.creation_time = Some("20190101000000".parse().unwrap());
    entry.service_start_time = Some("20190101000000".parse().unwrap());
    entry.service_stop_time = Some("20190102000000".parse().unwrap());
    entry.authors[0].person = Some(AUTHOR.parse().unwrap());
    entry.reference_ids = vec![REFERENCE.to_owned()];
    entry.comments = vec![LocalizedString::new("quetzal comment")];
    entry.availability_status = AvailabilityStatus::Approved;
    entry
}

fn secret_code(kind: &str) -> Code {
    Code::new(format!("quetzal-{kind}"), "2.999.9", "Quetzal")
}

/// A rule withholds what has this title from everybody.
const TITLE: &str = "Termination of pregnancy: letter";
/// Stands in everything that is hidden, and nowhere else.
pub const SECRET: &str = "quetzal";
pub const AUTHOR: &str = "88999^Quetzal^Xenia";
pub const REFERENCE: &str = "quetzal-1^^^&2.999.9.9&ISO^urn:ihe:iti:xds:2013:accession";

/// A submission that puts a document of the other person into a folder of this one.
pub fn into_folder_of(side: Side, folder: u8) -> Submission {
    let other = if side.is_with() { WITHOUT } else { WITH };
    let mut b = builder(other);
    let mut s = b.document();
    let document = s.document_entries[0].entry_uuid.clone();
    s.submission_set.unique_id = "2.999.826.9.7.5.1".parse().unwrap();
    s.document_entries[0].unique_id = "2.999.826.9.7.5.2".parse().unwrap();
    b.add_to_folder(&mut s, &side.object(folder), &document);
    s
}

/// A submission of a new document under the id of one that is there.
pub fn same_id_as(side: Side, object: u8) -> Submission {
    let mut s = builder(side).document();
    s.submission_set.unique_id = "2.999.826.9.7.5.3".parse().unwrap();
    s.document_entries[0].unique_id = side.unique_id(object).parse().unwrap();
    s.document_entries[0].hash = Some("f".repeat(40));
    s
}

/// A submission of a new document in place of one.
pub fn replacing(side: Side, object: u8) -> Submission {
    let mut b = builder(side);
    let mut s = b.document();
    let document = s.document_entries[0].entry_uuid.clone();
    s.submission_set.unique_id = "2.999.826.9.7.5.4".parse().unwrap();
    s.document_entries[0].unique_id = "2.999.826.9.7.5.5".parse().unwrap();
    b.relate(&mut s, AssociationType::Replace, &document, &side.object(object));
    s
}
