use carerecord_model::NhsNumber;
use jiff::civil::Date;
use serde_json::Value;

use super::NHS_NUMBER;
use super::wire::{list, text};

/// A person, as far as the banner shows them. No formatter prints it.
#[derive(Clone, Default)]
pub(crate) struct PatientRecord {
    /// The number that the record is kept under: another one than asked for after a merge.
    pub(crate) nhs_number: Option<NhsNumber>,
    pub(crate) family: Option<String>,
    pub(crate) given: Vec<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) preferred: Option<String>,
    pub(crate) born: Option<Date>,
    /// When known; `is_dead` without it if only that is known.
    pub(crate) died: Option<Date>,
    pub(crate) is_dead: bool,
    pub(crate) gender: Option<String>,
    /// Whether the NHS Number is traced.
    pub(crate) verified: bool,
    pub(crate) restricted: bool,
    /// Address lines, telephone, e-mail; empty for restricted people.
    pub(crate) address: Option<String>,
    pub(crate) postcode: Option<String>,
    pub(crate) telephone: Option<String>,
    pub(crate) practice: Option<String>,
}

impl PatientRecord {
    /// Reads a Patient.
    pub(crate) fn read(resource: &Value) -> Option<Self> {
        let name = pick(&resource["name"], &["official", "usual"]).unwrap_or(&Value::Null);
        let preferred = list(&resource["name"]).iter().find(|n| n["use"] == "nickname");
        let died = &resource["deceasedDateTime"];
        let restricted = codes(&resource["meta"]["security"]).any(|code| matches!(code, "R" | "V"));
        let shown = |value: Option<String>| value.filter(|_| !restricted);
        let home = pick(&resource["address"], &["home"]);
        let phone = list(&resource["telecom"]).iter().find(|t| t["system"] == "phone");
        Some(Self {
            nhs_number: number(&resource["identifier"]),
            family: text(&name["family"]),
            given: list(&name["given"]).iter().filter_map(text).collect(),
            prefix: list(&name["prefix"]).first().and_then(text),
            preferred: preferred.and_then(|n| list(&n["given"]).first().and_then(text)),
            born: date(&resource["birthDate"]),
            died: date(died),
            is_dead: died.is_string() || resource["deceasedBoolean"] == true,
            gender: text(&resource["gender"]),
            verified: is_verified(resource),
            restricted,
            address: shown(home.and_then(address)),
            postcode: shown(home.and_then(|home| text(&home["postalCode"]))),
            telephone: shown(phone.and_then(|t| text(&t["value"]))),
            practice: shown(
                list(&resource["generalPractitioner"]).first().and_then(|p| text(&p["display"])),
            ),
        })
    }
}

fn pick<'a>(list_of: &'a Value, uses: &[&str]) -> Option<&'a Value> {
    let all = list(list_of);
    let preferred = uses.iter().find_map(|usage| all.iter().find(|one| one["use"] == *usage));
    preferred.or_else(|| all.first())
}

fn number(identifiers: &Value) -> Option<NhsNumber> {
    let own = list(identifiers).iter().find(|identifier| identifier["system"] == NHS_NUMBER);
    own?["value"].as_str()?.parse().ok()
}

fn address(value: &Value) -> Option<String> {
    let lines = list(&value["line"]).iter().filter_map(text);
    let rest = ["city", "district", "postalCode"].into_iter().filter_map(|key| text(&value[key]));
    let parts: Vec<String> = lines.chain(rest).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn date(value: &Value) -> Option<Date> {
    value.as_str()?.get(..10)?.parse().ok()
}

fn codes(codings: &Value) -> impl Iterator<Item = &str> {
    list(codings).iter().filter_map(|coding| coding["code"].as_str())
}

fn is_verified(resource: &Value) -> bool {
    let identifiers = list(&resource["identifier"]).iter();
    let statuses = identifiers.flat_map(|identifier| list(&identifier["extension"]));
    let mut codings = statuses.flat_map(|e| codes(&e["valueCodeableConcept"]["coding"]));
    codings.any(|code| VERIFIED.contains(&code))
}

const VERIFIED: [&str; 3] =
    ["01", "number-present-and-verified", "number-present-and-traced-using-welsh-nhs-ar"];
