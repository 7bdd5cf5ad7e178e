//! People and organisations inside a resource, as the HL7 v2 types of XDS. MHD 7.1, 7.5.

use std::collections::HashMap;

use carerecord_model::{Author, Xcn, Xon, Xtn, escape};

use super::at::{At, Problems};
use super::values::{Named, scheme, time};

/// The resources that live inside another one.
pub(super) struct Contained<'a>(HashMap<&'a str, At<'a>>);

impl<'a> Contained<'a> {
    pub(super) fn of(resource: &At<'a>) -> Self {
        let all = resource.each("contained").into_iter();
        Self(all.filter_map(|at| Some((at.text("id")?, at))).collect())
    }

    /// The resource that a reference leads to, within the one that holds both.
    pub(super) fn resource(&self, reference: &At<'a>) -> Option<At<'a>> {
        self.0.get(reference.text("reference")?.strip_prefix('#')?).cloned()
    }

    /// What a reference leads to, or the reference itself where that lives elsewhere: then its
    /// identifier and display are all that is known.
    fn target(&self, reference: &At<'a>, problems: &mut Problems) -> Option<Target<'a>> {
        if let Some(resource) = self.resource(reference) {
            return Some(Target { kind: resource.kind(), at: resource, is_resource: true });
        }
        let literal = reference.text("reference").unwrap_or_default();
        if literal.starts_with('#') {
            problems.add("not-found", reference, "No contained resource has this id.");
            return None;
        }
        let mut parts = literal.rsplit('/').skip(1);
        let kind = reference.text("type").or_else(|| parts.next()).unwrap_or_default();
        Some(Target { kind, at: reference.clone(), is_resource: false })
    }

    /// Everybody who wrote it. An organisation that follows a person is that person's.
    pub(super) fn authors(&self, references: &[At<'a>], problems: &mut Problems) -> Vec<Author> {
        let mut authors: Vec<Author> = Vec::new();
        for reference in references {
            let Some(target) = self.target(reference, problems) else { continue };
            let Some(author) = self.author(&target, problems) else { continue };
            match authors.last_mut() {
                Some(last) if target.kind == "Organization" && last.person.is_some() => {
                    for institution in author.institutions {
                        if !last.institutions.contains(&institution) {
                            last.institutions.push(institution);
                        }
                    }
                }
                _ => authors.push(author),
            }
        }
        authors
    }

    /// One author: a person, in a role where it is told, or an organisation.
    pub(super) fn author_of(&self, reference: &At<'a>, problems: &mut Problems) -> Option<Author> {
        let target = self.target(reference, problems)?;
        let mut author = self.author(&target, problems)?;
        for extension in reference.extensions("ihe-authorOrg") {
            let organisation = extension.get("valueReference");
            let organisation = self.target(&organisation, problems);
            let organisation = organisation.and_then(|t| t.organisation(problems));
            author.institutions.extend(organisation);
        }
        Some(author)
    }

    fn author(&self, target: &Target<'a>, problems: &mut Problems) -> Option<Author> {
        let mut author = Author::default();
        match target.kind {
            "Organization" => author.institutions.extend(target.organisation(problems)),
            "PractitionerRole" if target.is_resource => {
                let mut follow = |key: &str| {
                    let reference = target.at.get(key);
                    reference.is_there().then(|| self.target(&reference, problems)).flatten()
                };
                let (person, organisation) = (follow("practitioner"), follow("organization"));
                author.person = person.and_then(|t| t.person(problems));
                author.institutions.extend(organisation.and_then(|t| t.organisation(problems)));
                author.roles = target.at.each("code").iter().filter_map(role).collect();
                author.specialties = target.at.each("specialty").iter().filter_map(role).collect();
            }
            _ => author.person = target.person(problems),
        }
        if target.is_resource {
            author.telecommunications =
                target.at.each("telecom").iter().filter_map(telecom).collect();
        }
        let is_somebody = author.person.is_some() || !author.institutions.is_empty();
        (is_somebody || !author.telecommunications.is_empty()).then_some(author)
    }

    /// One person.
    pub(super) fn person(&self, reference: &At<'a>, problems: &mut Problems) -> Option<Xcn> {
        let author = self.author_of(reference, problems)?;
        if author.person.is_none() {
            problems.add("not-supported", reference, "It must lead to a person.");
        }
        author.person
    }

    /// `XON|XCN|XTN`.
    pub(super) fn recipient(&self, reference: &At<'a>, problems: &mut Problems) -> Option<String> {
        let author = self.author_of(reference, problems)?;
        let organisation = author.institutions.first().map(Xon::as_str).unwrap_or_default();
        let person = author.person.as_ref().map(Xcn::as_str).unwrap_or_default();
        let telecom = author.telecommunications.first().map(Xtn::as_str).unwrap_or_default();
        let text = format!("{organisation}|{person}|{telecom}");
        Some(text.trim_end_matches('|').to_owned())
    }
}

/// A person or an organisation.
struct Target<'a> {
    kind: &'a str,
    /// The resource, else the reference.
    at: At<'a>,
    is_resource: bool,
}

impl<'a> Target<'a> {
    fn identifier(&self) -> Option<Named> {
        match self.is_resource {
            true => self.at.each("identifier").iter().find_map(Named::read),
            false => Named::read(&self.at.get("identifier")),
        }
    }

    fn person(&self, problems: &mut Problems) -> Option<Xcn> {
        let id = self.identifier();
        let authority = id.as_ref().map(Named::authority).unwrap_or_default();
        let id = id.map(|id| escape(&id.value)).unwrap_or_default();
        let name = match self.is_resource {
            true => self.name(),
            false => self.at.text("display").map(escape),
        };
        let name = name.unwrap_or_default();
        // Up to the prefix there are six components, the authority is the ninth.
        let gap = "^".repeat(8usize.saturating_sub(1 + name.matches('^').count()));
        let text = format!("{id}^{name}{gap}{authority}");
        let person = text.trim_end_matches('^').parse().ok();
        if person.is_none() {
            problems.add("required", &self.at, "It needs an identifier or a name.");
        }
        person
    }

    /// `Family^Given^Middle^Suffix^Prefix`.
    fn name(&self) -> Option<String> {
        if let Some(name) = self.at.first("deviceName") {
            return name.text("name").map(escape);
        }
        self.at.each("name").iter().find_map(human_name)
    }

    fn organisation(&self, problems: &mut Problems) -> Option<Xon> {
        let id = self.identifier();
        let own = if self.is_resource { "name" } else { "display" };
        let name = self.at.text(own).or(id.as_ref().map(|id| id.value.as_str()));
        let name = escape(name.unwrap_or_default());
        let text = match &id {
            None => name,
            Some(id) => format!("{name}^^^^^{}^^^^{}", id.authority(), escape(&id.value)),
        };
        let organisation: Option<Xon> = text.parse().ok();
        if organisation.is_none() {
            let what = "It needs a name, and an identifier with a system.";
            problems.add("required", &self.at, what);
        }
        organisation
    }
}

/// `Family^Given^Middle^Suffix^Prefix`; a name that is only written out is the family name.
fn human_name(at: &At<'_>) -> Option<String> {
    let given = at.texts("given");
    let (first, middle) = given.split_first().unwrap_or((&"", &[]));
    let first_of = |key: &str| at.texts(key).first().copied().map(escape).unwrap_or_default();
    let family = at.text("family").or_else(|| at.text("text").filter(|_| given.is_empty()));
    let parts = [
        family.map(escape).unwrap_or_default(),
        escape(first),
        escape(&middle.join(" ")),
        first_of("suffix"),
        first_of("prefix"),
    ];
    let name = parts.join("^");
    let name = name.trim_end_matches('^');
    (!name.is_empty()).then(|| name.to_owned())
}

/// `code^^^&scheme&ISO` for a code of a scheme that has an OID, else words.
fn role(at: &At<'_>) -> Option<String> {
    for coding in at.each("coding") {
        let (Some(system), Some(code)) = (coding.text("system"), coding.text("code")) else {
            continue;
        };
        let id = Named { value: code.to_owned(), scheme: Some(scheme(system)) };
        if let Some(cx) = id.cx() {
            return Some(cx);
        }
    }
    let first = at.first("coding");
    let words = at.text("text").or_else(|| first.as_ref()?.text("display"));
    words.or_else(|| first.as_ref()?.text("code")).map(escape)
}

fn telecom(at: &At<'_>) -> Option<Xtn> {
    let value = escape(at.text("value")?);
    let text = match at.text("system") {
        Some("email") => format!("^^Internet^{value}"),
        Some("fax") => format!("^^FX^^^^{value}"),
        Some("pager") => format!("^^BP^^^^{value}"),
        Some("phone" | "sms") => format!("^^PH^^^^{value}"),
        _ => format!("^^^{value}"),
    };
    text.parse().ok()
}

/// The patient as the source knows them: `sourcePatientId`, and the lines of `sourcePatientInfo`.
pub(super) fn source_patient(
    patient: &At<'_>,
    problems: &mut Problems,
) -> (Option<String>, Vec<String>) {
    let ids: Vec<String> =
        patient.each("identifier").iter().filter_map(|at| Named::read(at)?.cx()).collect();
    let mut lines: Vec<String> = Vec::new();
    if ids.len() > 1 {
        lines.extend(ids.iter().map(|cx| format!("PID-3|{cx}")));
    }
    let names = patient.each("name");
    lines.extend(names.iter().filter_map(human_name).map(|name| format!("PID-5|{name}")));
    let birth = time(patient, "birthDate", problems);
    lines.extend(birth.map(|birth| format!("PID-7|{}", birth.as_str())));
    let gender = match patient.text("gender") {
        Some("female") => Some("F"),
        Some("male") => Some("M"),
        Some("other") => Some("O"),
        Some(_) => Some("U"),
        None => None,
    };
    lines.extend(gender.map(|code| format!("PID-8|{code}")));
    lines.extend(patient.each("address").iter().filter_map(address));
    (ids.into_iter().next(), lines)
}

/// PID-11, `Street^Other^City^State^Postcode^Country`.
fn address(at: &At<'_>) -> Option<String> {
    let lines = at.texts("line");
    let (street, other) = lines.split_first().unwrap_or((&"", &[]));
    let of = |key: &str| at.text(key).map(escape).unwrap_or_default();
    let parts = [
        escape(street),
        escape(&other.join(", ")),
        of("city"),
        of("state"),
        of("postalCode"),
        of("country"),
    ];
    let text = parts.join("^");
    let text = text.trim_end_matches('^');
    (!text.is_empty()).then(|| format!("PID-11|{text}"))
}
