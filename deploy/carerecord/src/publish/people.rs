use carerecord_clinical::{AuthorHeader, DocumentHeader};
use carerecord_model::{Author, OrganisationCode, Xcn, Xon, escape};

use super::Given;

/// Who wrote it; an organisation is always among them.
pub(super) fn authors(header: Option<&DocumentHeader>, given: &Given) -> Vec<Author> {
    let mut all: Vec<Author> =
        header.map(|h| h.authors.iter().filter_map(author).collect()).unwrap_or_default();
    if all.iter().all(|a| a.institutions.is_empty()) {
        let (code, name) = given.author();
        all.push(organisation_author(code, name));
    }
    all
}

fn author(a: &AuthorHeader) -> Option<Author> {
    let organisation = a.organisation.as_ref();
    let institution = organisation.and_then(|o| {
        let name = escape(o.name.as_deref()?);
        let text = match o.ods_code() {
            Some(code) => format!("{name}^^^^^&{ODS}&ISO^^^^{}", escape(code)),
            None => name,
        };
        text.parse().ok()
    });
    let author = Author {
        person: person(a),
        institutions: institution.into_iter().collect(),
        roles: a.role.as_ref().and_then(|r| r.display.clone()).into_iter().collect(),
        specialties: Vec::new(),
        telecommunications: Vec::new(),
    };
    (author.person.is_some() || !author.institutions.is_empty()).then_some(author)
}

/// A person by name.
pub(super) fn person(a: &AuthorHeader) -> Option<Xcn> {
    let p = a.person.as_ref()?;
    let part = |s: &Option<String>| s.as_deref().map(escape).unwrap_or_default();
    let given = p.given.first().map(|g| escape(g)).unwrap_or_default();
    format!("^{}^{given}^^{}^{}", part(&p.family), part(&p.suffix), part(&p.prefix)).parse().ok()
}

/// An organisation as the author.
pub(super) fn organisation_author(code: &OrganisationCode, name: &str) -> Author {
    let institution: Option<Xon> =
        format!("{}^^^^^&{ODS}&ISO^^^^{code}", escape(name)).parse().ok();
    Author { institutions: institution.into_iter().collect(), ..Author::default() }
}

/// `PID-n|…` lines of what the header says of the patient.
pub(super) fn patient_info(header: Option<&DocumentHeader>) -> Vec<String> {
    let Some(patient) = header.and_then(|h| h.patient.as_ref()) else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(name) = &patient.name {
        let family = name.family.as_deref().map(escape).unwrap_or_default();
        let given = name.given.first().map(|g| escape(g)).unwrap_or_default();
        let prefix = name.prefix.as_deref().map(escape).unwrap_or_default();
        lines.push(format!("PID-5|{family}^{given}^^^{prefix}"));
    }
    if let Some(born) = &patient.birth_date {
        lines.push(format!("PID-7|{born}"));
    }
    let gender = match patient.gender {
        Some(carerecord_model::Gender::Female) => Some("F"),
        Some(carerecord_model::Gender::Male) => Some("M"),
        Some(carerecord_model::Gender::Other) => Some("O"),
        Some(carerecord_model::Gender::Unknown) | None => None,
    };
    lines.extend(gender.map(|g| format!("PID-8|{g}")));
    lines
}

const ODS: &str = "2.16.840.1.113883.2.1.3.2.4.19.1";
