use std::fmt;

use carerecord_model::{Dtm, Gender, NHS_NUMBER_OID, NhsNumber, NumberStatus};
use serde::Serialize;

use crate::{InstanceId, Kind};

/// What a document says of itself. Texts are single lines of at most 1,000 characters.
///
/// `Debug` shows no title, person or identifier.
#[derive(Clone, Serialize)]
pub struct DocumentHeader {
    /// What was read.
    pub kind: Kind,
    /// The id of this version: `ClinicalDocument/id`, `Bundle.identifier`.
    pub id: Option<InstanceId>,
    /// The lineage: `setId`; for FHIR the identifier of the Composition.
    pub set_id: Option<InstanceId>,
    /// The version within the lineage, as it stands.
    pub version: Option<String>,
    /// Documents that this one replaces, appends to or transforms.
    pub related: Vec<RelatedDocument>,
    /// Type codings, the document's own first, then translations.
    pub types: Vec<Coding>,
    /// Category (class) codings; CDA has none.
    pub categories: Vec<Coding>,
    /// The title. May hold a name.
    pub title: Option<String>,
    /// When the document was made, UTC.
    pub creation_time: Option<Dtm>,
    /// The language, `en-GB`.
    pub language: Option<String>,
    /// The confidentiality code.
    pub confidentiality: Option<Coding>,
    /// Whose document it is.
    pub patient: Option<PatientHeader>,
    /// How many patients it names as subject: more than one must not be registered under the first.
    pub patient_count: usize,
    /// Who wrote it.
    pub authors: Vec<AuthorHeader>,
    /// Who keeps it.
    pub custodian: Option<Organisation>,
    /// Who signed it.
    pub legal_authenticator: Option<AuthorHeader>,
    /// When the care began, UTC.
    pub service_start: Option<Dtm>,
    /// When the care ended, UTC.
    pub service_stop: Option<Dtm>,
    /// Codes of the care that is documented.
    pub event_codes: Vec<Coding>,
    /// The kind of place.
    pub facility_type: Option<Coding>,
    /// The clinical setting.
    pub practice_setting: Option<Coding>,
    /// What its format may be called, the most telling first: ITK profile ids, template ids
    /// (`root` or `root^extension`), profile canonicals.
    pub formats: Vec<String>,
    /// Whether the document says that consent to share was given (SNOMED CT 425691002).
    pub consent_given: bool,
}

/// A relation to another document.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RelatedDocument {
    /// What this document is to the other.
    pub relation: Relation,
    /// The other document.
    pub id: InstanceId,
}

/// What a document is to another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Relation {
    /// RPLC.
    Replaces,
    /// APND.
    Appends,
    /// XFRM.
    Transforms,
}

/// A code. `Debug` leaves the display out: it may be free text of the document.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct Coding {
    /// The code.
    pub code: String,
    /// An OID without `urn:oid:`, or a URI.
    pub system: Option<String>,
    /// What the document calls it.
    pub display: Option<String>,
}

/// The patient. `Debug` is redacted.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct PatientHeader {
    /// The NHS Number, when there is a valid one.
    pub nhs_number: Option<NhsNumberFound>,
    /// Whether something stands where an NHS Number should, and is none.
    pub nhs_number_invalid: bool,
    /// Whether two different valid numbers stand there with the same trust: register under neither.
    pub nhs_number_conflict: bool,
    /// All other identifiers.
    pub local_ids: Vec<InstanceId>,
    /// The name.
    pub name: Option<Person>,
    /// The date of birth, digits.
    pub birth_date: Option<Dtm>,
    /// Administrative gender.
    pub gender: Option<Gender>,
}

/// An NHS Number and how far it can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct NhsNumberFound {
    /// The number.
    pub number: NhsNumber,
    /// By OID root; in FHIR by the verification status, verified when there is none.
    pub status: NumberStatus,
}

/// The parts of a name. `Debug` is redacted.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct Person {
    /// Family name; the whole name when it came in one text.
    pub family: Option<String>,
    /// Given names, in order.
    pub given: Vec<String>,
    /// Title.
    pub prefix: Option<String>,
    /// What follows the name.
    pub suffix: Option<String>,
}

/// A person, organisation or system that wrote or signed; it may be the patient, so `Debug` is
/// redacted.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct AuthorHeader {
    /// Identifiers of the person.
    pub ids: Vec<InstanceId>,
    /// The person; a device has its name as family name.
    pub person: Option<Person>,
    /// The role.
    pub role: Option<Coding>,
    /// For whom they act.
    pub organisation: Option<Organisation>,
    /// Telephone numbers and addresses, as URIs or bare values.
    pub telecoms: Vec<String>,
}

/// An organisation.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Organisation {
    /// The name.
    pub name: Option<String>,
    /// Identifiers.
    pub ids: Vec<InstanceId>,
}

impl Organisation {
    /// The ODS code, by the systems and roots that mean ODS.
    pub fn ods_code(&self) -> Option<&str> {
        let ods = self.ids.iter().find(|id| ODS.contains(&id.root.as_str()))?;
        ods.extension.as_deref()
    }
}

impl DocumentHeader {
    /// The documents that this one replaces.
    pub fn replaces(&self) -> impl Iterator<Item = &InstanceId> {
        let all = self.related.iter().filter(|r| r.relation == Relation::Replaces);
        all.map(|r| &r.id)
    }

    pub(super) fn empty() -> Self {
        Self {
            kind: Kind::Unknown,
            id: None,
            set_id: None,
            version: None,
            related: Vec::new(),
            types: Vec::new(),
            categories: Vec::new(),
            title: None,
            creation_time: None,
            language: None,
            confidentiality: None,
            patient: None,
            patient_count: 0,
            authors: Vec::new(),
            custodian: None,
            legal_authenticator: None,
            service_start: None,
            service_stop: None,
            event_codes: Vec::new(),
            facility_type: None,
            practice_setting: None,
            formats: Vec::new(),
            consent_given: false,
        }
    }
}

impl PatientHeader {
    /// Sorts an identifier into NHS Number or local id. A verified number goes before an
    /// unverified one. `status` overrides what the system says.
    pub(super) fn add_id(&mut self, id: InstanceId, status: Option<NumberStatus>) {
        let by_root = match id.root.as_str() {
            NHS_NUMBER_OID | NHS_NUMBER_URI | NHS_NUMBER_OLD_URI => NumberStatus::Verified,
            UNVERIFIED_OID => NumberStatus::Unverified,
            _ => {
                if self.local_ids.len() < super::MAX_REPEATS {
                    self.local_ids.push(id);
                }
                return;
            }
        };
        let status = status.unwrap_or(by_root);
        let Some(text) = id.extension else { return };
        match text.parse::<NhsNumber>() {
            Ok(number) => {
                let Some(before) = self.nhs_number else {
                    self.nhs_number = Some(NhsNumberFound { number, status });
                    return;
                };
                if before.status == status {
                    self.nhs_number_conflict |= before.number != number;
                } else if status == NumberStatus::Verified {
                    self.nhs_number = Some(NhsNumberFound { number, status });
                    self.nhs_number_conflict = false;
                }
            }
            Err(_) => self.nhs_number_invalid = true,
        }
    }
}

impl Person {
    /// Title, given names, family name and suffix in one line. Patient data when a patient's.
    pub fn full_name(&self) -> String {
        let given = self.given.iter().map(String::as_str);
        let parts = self.prefix.as_deref().into_iter().chain(given);
        let parts = parts.chain(self.family.as_deref()).chain(self.suffix.as_deref());
        parts.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn or_none(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

impl fmt::Debug for DocumentHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentHeader")
            .field("kind", &self.kind)
            .field("types", &self.types)
            .field("creation_time", &self.creation_time)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coding({}|{})", self.system.as_deref().unwrap_or_default(), self.code)
    }
}

impl fmt::Debug for PatientHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientHeader(redacted)")
    }
}

impl fmt::Debug for AuthorHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorHeader(redacted)")
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(redacted)")
    }
}

const NHS_NUMBER_URI: &str = "https://fhir.nhs.uk/Id/nhs-number";
const NHS_NUMBER_OLD_URI: &str = "http://fhir.nhs.net/Id/nhs-number";
const UNVERIFIED_OID: &str = "2.16.840.1.113883.2.1.3.2.4.18.23";

const ODS: [&str; 6] = [
    "https://fhir.nhs.uk/Id/ods-organization-code",
    "https://fhir.nhs.uk/Id/ods-site-code",
    "2.16.840.1.113883.2.1.3.2.4.19.1",
    "2.16.840.1.113883.2.1.3.2.4.19.2",
    "1.2.826.0.1285.0.1.10",
    "2.16.840.1.113883.2.1.4.3",
];
