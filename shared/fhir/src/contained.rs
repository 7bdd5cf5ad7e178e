use carerecord_model::{Author, Cx, DocumentEntry, Xcn, Xon, Xtn, components, unescape};

use crate::code_system::URI;
use crate::tree::Object;
use crate::{date_time, system_of_scheme};

/// Resources that live inside another one: people, organisations and the patient as the source
/// knew them are not resources of their own here. MHD 7.1, 7.5.
pub(crate) struct Contained<'a>(Vec<Object<'a>>);

impl<'a> Contained<'a> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn into_list(self) -> Vec<Object<'a>> {
        self.0
    }

    /// References to an author's person, in the role they had, and then to the organisations.
    pub(crate) fn author(&mut self, author: &'a Author, n: usize) -> Vec<Object<'a>> {
        let mut organisations = Vec::new();
        for (m, institution) in author.institutions.iter().enumerate() {
            let id = format!("organization-{n}-{m}");
            self.0.push(organization(institution, &id));
            organisations.push(reference("Organization", &id, institution.name()));
        }
        let person = author.person.as_ref().map(|person| {
            let id = format!("author-{n}");
            let name = person.display_name();
            (self.named(person, &id, name.clone()), name)
        });
        let has_role = !author.roles.is_empty()
            || !author.specialties.is_empty()
            || !author.telecommunications.is_empty();
        let mut references = Vec::new();
        if has_role {
            let id = format!("role-{n}");
            let (practitioner, display) = person.unzip();
            let display = display.unwrap_or_default();
            self.0.push(role(author, &id, practitioner, organisations.first().cloned()));
            references.push(reference("PractitionerRole", &id, display));
        } else {
            references.extend(person.map(|(reference, _)| reference));
        }
        references.extend(organisations);
        references
    }

    /// A reference to one person.
    pub(crate) fn person(&mut self, person: &Xcn, id: &str) -> Object<'a> {
        self.named(person, id, person.display_name())
    }

    fn named(&mut self, person: &Xcn, id: &str, name: String) -> Object<'a> {
        self.0.push(practitioner(person, id));
        reference("Practitioner", id, name)
    }

    /// A reference to one organisation.
    pub(crate) fn organisation(&mut self, institution: &Xon, id: &str) -> Object<'a> {
        self.0.push(organization(institution, id));
        reference("Organization", id, institution.name())
    }

    /// A reference to the patient as the source knew them; `None` when it told nothing.
    pub(crate) fn source_patient(&mut self, entry: &'a DocumentEntry) -> Option<Object<'a>> {
        self.0.push(source_patient(entry)?);
        Some(reference("Patient", "source-patient", String::new()))
    }
}

fn reference<'a>(kind: &'a str, id: &str, display: String) -> Object<'a> {
    Object::new().with("reference", format!("#{id}")).with("type", kind).with("display", display)
}

fn practitioner<'a>(person: &Xcn, id: &str) -> Object<'a> {
    let name = human_name([2, 3, 4, 5, 6].map(|n| person.component(n)));
    let identifier = with_authority(person.component(1), authority(person.as_str(), 9));
    Object::resource("Practitioner", id.to_owned())
        .with("identifier", identifier.map(|i| vec![i]))
        .with("name", present(name))
}

fn organization<'a>(institution: &Xon, id: &str) -> Object<'a> {
    let identifier = institution.id().map(|code| match institution.authority() {
        Some(oid) => Object::new().with("system", owned_system(&oid)).with("value", code),
        None => Object::new().with("system", URI).with("value", format!("urn:oid:{code}")),
    });
    Object::resource("Organization", id.to_owned())
        .with("identifier", identifier.map(|i| vec![i]))
        .with("name", institution.name())
}

fn role<'a>(
    author: &'a Author,
    id: &str,
    practitioner: Option<Object<'a>>,
    organization: Option<Object<'a>>,
) -> Object<'a> {
    let concepts = |texts: &'a [String]| {
        texts.iter().filter(|t| has_text(t)).map(|t| role_concept(t)).collect::<Vec<_>>()
    };
    Object::resource("PractitionerRole", id.to_owned())
        .with("practitioner", practitioner)
        .with("organization", organization)
        .with("code", concepts(&author.roles))
        .with("specialty", concepts(&author.specialties))
        .with("telecom", author.telecommunications.iter().filter_map(telecom).collect::<Vec<_>>())
}

/// `code^^^&scheme&ISO` is a code, anything else is words.
fn role_concept(text: &str) -> Object<'_> {
    match Cx::parse(text) {
        Ok(cx) => {
            let system = owned_system(cx.authority.as_str());
            let coding = Object::new().with("system", system).with("code", cx.id);
            Object::new().with("coding", vec![coding])
        }
        Err(_) => Object::new().with("text", unescape(text)),
    }
}

/// XTN by its parts: an e-mail address, a number by its type, or a bare value as it came.
fn telecom(xtn: &Xtn) -> Option<Object<'static>> {
    let part = |n: usize| xtn.component(n);
    let country = part(5);
    let plus = if country.bytes().next().is_some_and(|b| b.is_ascii_digit()) { "+" } else { "" };
    let digits = [format!("{plus}{country}"), part(6), part(7)];
    let digits = digits.iter().filter(|d| !d.is_empty()).cloned().collect::<Vec<_>>().join(" ");
    let (system, value) = match part(3).as_str() {
        "Internet" | "X.400" => ("email", part(4)),
        "FX" => ("fax", digits),
        "BP" => ("pager", digits),
        _ if !digits.is_empty() => ("phone", digits),
        _ if !part(1).is_empty() => {
            (if part(1).contains('@') { "email" } else { "phone" }, part(1))
        }
        _ => ("other", part(4)),
    };
    has_text(&value).then(|| Object::new().with("system", system).with("value", value))
}

/// The patient from `sourcePatientId` and the `PID-n|…` lines. Addresses stay behind: where a
/// restricted patient lives must not be told, and nothing here says who is one.
fn source_patient(entry: &DocumentEntry) -> Option<Object<'_>> {
    let fields = |n: &'static str| {
        let lines = entry.source_patient_info.iter();
        let of = lines.filter_map(move |l| l.strip_prefix(n)?.strip_prefix('|'));
        of.filter(|v| has_text(v))
    };
    let main = entry.source_patient_id.as_deref();
    let mut identifiers: Vec<Object<'_>> = Vec::new();
    for cx in main.into_iter().chain(fields("PID-3")) {
        // PID-3 may carry more components than the identifier of an entry.
        let id = unescape(components(cx, '^').first().copied().unwrap_or(""));
        let one = with_authority(id, authority(cx, 4));
        identifiers.extend(one.filter(|one| !identifiers.contains(one)));
    }
    let birth = fields("PID-7").next().and_then(|d| d.get(..d.len().min(8))?.parse().ok());
    let names: Vec<Object<'_>> = fields("PID-5").flat_map(|name| present(xpn(name))).collect();
    let gender = fields("PID-8").next().map(|code| match code {
        "F" => "female",
        "M" => "male",
        "O" | "A" => "other",
        _ => "unknown",
    });
    let told = !identifiers.is_empty() || !names.is_empty() || birth.is_some() || gender.is_some();
    let resource = Object::resource("Patient", "source-patient")
        .with("identifier", identifiers)
        .with("name", names)
        .with("gender", gender)
        .with("birthDate", birth.as_ref().map(date_time));
    told.then_some(resource)
}

/// XPN, `Family^Given^Middle^Suffix^Prefix`.
fn xpn(name: &str) -> Object<'static> {
    let parts = components(name, '^');
    human_name([0, 1, 2, 3, 4].map(|n| parts.get(n).map(|p| unescape(p)).unwrap_or_default()))
}

fn human_name([family, given, middle, suffix, prefix]: [String; 5]) -> Object<'static> {
    let list =
        |parts: Vec<String>| parts.into_iter().filter(|part| has_text(part)).collect::<Vec<_>>();
    Object::new()
        .with("family", family)
        .with("given", list(vec![given, middle]))
        .with("prefix", list(vec![prefix]))
        .with("suffix", list(vec![suffix]))
}

/// The OID of the assigning authority in component `n`, `namespace&OID&ISO`.
pub(crate) fn authority(value: &str, n: usize) -> Option<&str> {
    let oid = value.split('^').nth(n - 1)?.split('&').nth(1);
    oid.filter(|oid| has_text(oid))
}

pub(crate) fn with_authority(id: String, oid: Option<&str>) -> Option<Object<'static>> {
    let system = oid.map(owned_system);
    has_text(&id).then(|| Object::new().with("system", system).with("value", id))
}

/// Of a scheme that does not live as long as what tells it.
fn owned_system(scheme: &str) -> String {
    system_of_scheme(scheme).into_owned()
}

fn has_text(text: &str) -> bool {
    !text.trim().is_empty()
}

/// A list of one, or of none.
fn present(object: Object<'_>) -> Vec<Object<'_>> {
    Some(object).filter(|object| !object.is_empty()).into_iter().collect()
}
