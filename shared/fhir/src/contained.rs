use carerecord_model::{Author, Cx, DocumentEntry, Xcn, Xon, Xtn, components, unescape};
use serde_json::{Value, json};

use crate::code_system::URI;
use crate::object::Object;
use crate::{date_time, system_of_scheme};

/// Resources that live inside another one: people, organisations and the patient as the source
/// knew them are not resources of their own here. MHD 7.1, 7.5.
pub(crate) struct Contained(Vec<Value>);

impl Contained {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn into_value(self) -> Value {
        self.0.into()
    }

    /// References to an author's person, in the role they had, and then to the organisations.
    pub(crate) fn author(&mut self, author: &Author, n: usize) -> Vec<Value> {
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
    pub(crate) fn person(&mut self, person: &Xcn, id: &str) -> Value {
        self.named(person, id, person.display_name())
    }

    fn named(&mut self, person: &Xcn, id: &str, name: String) -> Value {
        self.0.push(practitioner(person, id));
        reference("Practitioner", id, name)
    }

    /// A reference to one organisation.
    pub(crate) fn organisation(&mut self, institution: &Xon, id: &str) -> Value {
        self.0.push(organization(institution, id));
        reference("Organization", id, institution.name())
    }

    /// A reference to the patient as the source knew them; `None` when it told nothing.
    pub(crate) fn source_patient(&mut self, entry: &DocumentEntry) -> Option<Value> {
        self.0.push(source_patient(entry)?);
        Some(reference("Patient", "source-patient", String::new()))
    }
}

fn reference(kind: &str, id: &str, display: String) -> Value {
    Object::new()
        .with("reference", format!("#{id}"))
        .with("type", kind)
        .with("display", display)
        .into()
}

fn practitioner(person: &Xcn, id: &str) -> Value {
    let name = human_name(&[2, 3, 4, 5, 6].map(|n| person.component(n)));
    let identifier = with_authority(&person.component(1), authority(person.as_str(), 9).as_deref());
    Object::resource("Practitioner", id)
        .with("identifier", identifier.map(|i| vec![i]))
        .with("name", vec![name].into_iter().filter(has_content).collect::<Vec<_>>())
        .into()
}

fn organization(institution: &Xon, id: &str) -> Value {
    let identifier = institution.id().map(|code| match institution.authority() {
        Some(oid) => json!([{"system": system_of_scheme(&oid), "value": code}]),
        None => json!([{"system": URI, "value": format!("urn:oid:{code}")}]),
    });
    Object::resource("Organization", id)
        .with("identifier", identifier)
        .with("name", institution.name())
        .into()
}

fn role(author: &Author, id: &str, practitioner: Option<Value>, org: Option<Value>) -> Value {
    let concepts = |texts: &[String]| {
        texts.iter().filter(|t| has_text(t)).map(|t| role_concept(t)).collect::<Vec<_>>()
    };
    Object::resource("PractitionerRole", id)
        .with("practitioner", practitioner)
        .with("organization", org)
        .with("code", concepts(&author.roles))
        .with("specialty", concepts(&author.specialties))
        .with("telecom", author.telecommunications.iter().filter_map(telecom).collect::<Vec<_>>())
        .into()
}

/// `code^^^&scheme&ISO` is a code, anything else is words.
fn role_concept(text: &str) -> Value {
    match Cx::parse(text) {
        Ok(cx) => json!({"coding": [{
            "system": system_of_scheme(cx.authority.as_str()), "code": cx.id,
        }]}),
        Err(_) => Object::new().with("text", unescape(text)).into(),
    }
}

/// XTN by its parts: an e-mail address, a number by its type, or a bare value as it came.
fn telecom(xtn: &Xtn) -> Option<Value> {
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
    (!value.trim().is_empty()).then(|| json!({"system": system, "value": value}))
}

/// The patient from `sourcePatientId` and the `PID-n|…` lines. Addresses stay behind: where a
/// restricted patient lives must not be told, and nothing here says who is one.
fn source_patient(entry: &DocumentEntry) -> Option<Value> {
    let fields = |n: &str| {
        let lines = entry.source_patient_info.iter();
        let of = lines.filter_map(|l| l.strip_prefix(n)?.strip_prefix('|'));
        of.filter(|v| !v.trim().is_empty()).map(str::to_owned).collect::<Vec<String>>()
    };
    let main = entry.source_patient_id.clone();
    let mut identifiers: Vec<Value> = Vec::new();
    for cx in main.into_iter().chain(fields("PID-3")) {
        // PID-3 may carry more components than the identifier of an entry.
        let id = unescape(components(&cx, '^').first().copied().unwrap_or(""));
        let one = with_authority(&id, authority(&cx, 4).as_deref());
        identifiers.extend(one.filter(|one| !identifiers.contains(one)));
    }
    let birth = fields("PID-7").first().and_then(|d| d.get(..d.len().min(8))?.parse().ok());
    let names: Vec<Value> = fields("PID-5").iter().map(|n| xpn(n)).filter(has_content).collect();
    let gender = fields("PID-8").first().map(|code| match code.as_str() {
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
    told.then(|| resource.into())
}

/// XPN, `Family^Given^Middle^Suffix^Prefix`.
fn xpn(name: &str) -> Value {
    let parts = components(name, '^');
    human_name(&[0, 1, 2, 3, 4].map(|n| parts.get(n).map(|p| unescape(p)).unwrap_or_default()))
}

fn human_name([family, given, middle, suffix, prefix]: &[String; 5]) -> Value {
    let list = |parts: &[&String]| {
        let full = parts.iter().filter(|p| has_text(p));
        full.map(|p| Value::from(p.as_str())).collect::<Vec<_>>()
    };
    Object::new()
        .with("family", family.as_str())
        .with("given", list(&[given, middle]))
        .with("prefix", list(&[prefix]))
        .with("suffix", list(&[suffix]))
        .into()
}

/// The OID of the assigning authority in component `n`, `namespace&OID&ISO`.
pub(crate) fn authority(value: &str, n: usize) -> Option<String> {
    let oid = value.split('^').nth(n - 1)?.split('&').nth(1);
    oid.filter(|oid| has_text(oid)).map(str::to_owned)
}

pub(crate) fn with_authority(id: &str, oid: Option<&str>) -> Option<Value> {
    let system = oid.map(system_of_scheme);
    has_text(id).then(|| Object::new().with("system", system).with("value", id).into())
}

fn has_text(text: &str) -> bool {
    !text.trim().is_empty()
}

fn has_content(value: &Value) -> bool {
    value.as_object().is_some_and(|o| !o.is_empty())
}
