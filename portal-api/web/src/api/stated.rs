//! What the documents of a patient say in coded entries.

use carerecord_clinical::{Absence, absence};
use serde_json::Value;
use uuid::Uuid;

use super::outcome::{self, Refusal, Source, coded};
use super::wire::{Bundle, list, text};

/// What a search for elements of one kind gave, and what became of asking each source.
pub(crate) struct FoundStated {
    pub(crate) stated: Vec<Stated>,
    pub(crate) sources: Vec<Source>,
    pub(crate) withheld: Vec<Refusal>,
    /// Whether something was not read that might have coded entries.
    pub(crate) is_short: bool,
    /// What was not read: the source, the API's words, and how many documents that is about.
    pub(crate) gaps: Vec<(String, String, u64)>,
}

/// One element. No formatter prints it.
pub(crate) struct Stated {
    /// `AllergyIntolerance/…`, as others name it.
    pub(crate) reference: String,
    /// What it is about, in words.
    pub(crate) words: String,
    /// Whether the document says that it is not there.
    pub(crate) negated: bool,
    /// What its code says of what is not there.
    pub(crate) absence: Option<Absence>,
    /// The status by its FHIR code, and how sure it is.
    pub(crate) status: Option<String>,
    pub(crate) verification: Option<String>,
    /// What else is said of it: reactions, dose, severity.
    pub(crate) details: Vec<String>,
    /// When it began or was, and ended, as FHIR writes times.
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) places: Vec<Place>,
    /// Others that state the same.
    pub(crate) duplicates: Vec<String>,
    /// Others that contradict it.
    pub(crate) conflicts: Vec<String>,
}

/// Where an element stands.
pub(crate) struct Place {
    pub(crate) document: Uuid,
    /// The section's place among those of the document, and its heading.
    pub(crate) section: Option<u64>,
    pub(crate) title: Option<String>,
}

impl FoundStated {
    pub(super) fn read(bundle: &Bundle, kind: &str) -> Self {
        let issues: Vec<_> =
            bundle.resources("OperationOutcome").flat_map(outcome::issues).collect();
        let gap = |issue: &&Value| {
            coded(issue, SEARCH_STATE)?;
            let counted = list(&issue["extension"]).iter().find(|e| e["url"] == DOCUMENTS);
            let counted = counted.and_then(|e| e["valueInteger"].as_u64()).unwrap_or_default();
            let name = text(&issue["details"]["text"])?;
            Some((name, text(&issue["diagnostics"])?, counted))
        };
        let left = issues.iter().filter_map(|issue| coded(issue, SEARCH_STATE));
        Self {
            // Letters and scans have none in any case.
            is_short: left.into_iter().any(|state| state != "uncoded"),
            stated: bundle.resources(kind).filter_map(Stated::read).collect(),
            sources: issues.iter().filter_map(Source::read).collect(),
            withheld: Refusal::all(&issues),
            gaps: issues.iter().filter_map(gap).collect(),
        }
    }
}

impl Stated {
    /// `None` for one that cannot be named, or stands nowhere.
    fn read(resource: &Value) -> Option<Self> {
        let kind = resource["resourceType"].as_str()?;
        let about = ["code", "medicationCodeableConcept", "vaccineCode"].into_iter();
        let about = about.map(|name| &resource[name]).chain([&resource["type"][0]]);
        let about = about.into_iter().find(|concept| concept.is_object());
        let verification = code(&resource["verificationStatus"]);
        let status = code(&resource["clinicalStatus"]).or_else(|| text(&resource["status"]));
        let negated = verification.as_deref() == Some("refuted")
            || matches!(status.as_deref(), Some("not-taken" | "not-done"))
            || resource["doNotPerform"] == true
            || list(&resource["modifierExtension"]).iter().any(|e| e["url"] == NEGATED);
        let times = |names: &[&str]| names.iter().find_map(|name| text(&resource[*name]));
        let periods = [&resource["effectivePeriod"], &resource["period"]];
        let of_period = |end: &str| periods.iter().find_map(|period| text(&period[end]));
        let relations = |wanted: &str| {
            let all = list(&resource["extension"]).iter().filter(|e| e["url"] == RELATION);
            let named = all.filter(|e| part(e, "kind")["valueCode"] == *wanted);
            named.filter_map(|e| text(&part(e, "with")["valueReference"]["reference"])).collect()
        };
        let places = list(&resource["extension"]).iter().filter(|e| e["url"] == SOURCE);
        let places: Vec<Place> = places.take(MAX_PLACES).filter_map(Place::read).collect();
        if places.is_empty() {
            return None;
        }
        Some(Self {
            reference: format!("{kind}/{}", resource["id"].as_str()?),
            absence: about.and_then(absence_of),
            words: about.and_then(words).unwrap_or_else(|| "Not named in the document".to_owned()),
            negated,
            status,
            verification,
            details: details(resource),
            start: times(&["onsetDateTime", "effectiveDateTime", "occurrenceDateTime"])
                .or_else(|| of_period("start"))
                .or_else(|| text(&resource["authoredOn"])),
            end: times(&["abatementDateTime"]).or_else(|| of_period("end")),
            places,
            duplicates: relations("duplicate"),
            conflicts: relations("conflict"),
        })
    }
}

impl Place {
    fn read(extension: &Value) -> Option<Self> {
        let reference = part(extension, "document")["valueReference"]["reference"].as_str()?;
        Some(Self {
            document: reference.strip_prefix("DocumentReference/")?.parse().ok()?,
            section: part(extension, "section")["valueUnsignedInt"].as_u64(),
            title: text(&part(extension, "title")["valueString"]),
        })
    }
}

/// One of the extensions of an extension.
fn part<'v>(extension: &'v Value, url: &str) -> &'v Value {
    let found = list(&extension["extension"]).iter().find(|e| e["url"] == *url);
    found.unwrap_or(&Value::Null)
}

/// What was found, with its unit, as the document has it.
fn value(of: &Value) -> Option<String> {
    let quantity = &of["valueQuantity"];
    let written = list(&quantity["extension"]).iter().find(|e| e["url"] == AS_WRITTEN);
    let number = written
        .and_then(|e| text(&e["valueString"]))
        .or_else(|| quantity["value"].is_number().then(|| quantity["value"].to_string()));
    let parts = [text(&quantity["comparator"]), number.clone(), text(&quantity["unit"])];
    let measured = number.map(|_| parts.into_iter().flatten().collect::<Vec<_>>().join(" "));
    measured.or_else(|| words(&of["valueCodeableConcept"])).or_else(|| text(&of["valueString"]))
}

fn details(resource: &Value) -> Vec<String> {
    let mut details = Vec::new();
    details.extend(value(resource));
    let judged: Vec<String> = list(&resource["interpretation"]).iter().filter_map(words).collect();
    if !judged.is_empty() {
        details.push(format!("Interpretation: {}", judged.join(", ")));
    }
    let ranges = list(&resource["referenceRange"]).iter().filter_map(|range| text(&range["text"]));
    details.extend(ranges.map(|range| format!("Reference range: {range}")));
    let reactions = list(&resource["reaction"]).iter();
    let reactions = reactions.flat_map(|reaction| list(&reaction["manifestation"]));
    let reactions: Vec<String> = reactions.filter_map(words).collect();
    if !reactions.is_empty() {
        details.push(format!("Reaction: {}", reactions.join(", ")));
    }
    let severity = list(&resource["reaction"]).iter().find_map(|r| text(&r["severity"]));
    let severity = severity.or_else(|| words(&resource["severity"]));
    details.extend(severity.map(|severity| format!("Severity: {severity}")));
    if resource["criticality"] == "high" {
        details.push("Criticality: high".to_owned());
    }
    let doses = ["dosage", "dosageInstruction"].into_iter();
    details.extend(doses.flat_map(|name| list(&resource[name])).filter_map(|d| text(&d["text"])));
    details.extend(list(&resource["note"]).iter().filter_map(|note| text(&note["text"])));
    // What judges the whole comes before its parts.
    let parts = list(&resource["component"]).iter();
    details.extend(
        parts.filter_map(|part| Some(format!("{}: {}", words(&part["code"])?, value(part)?))),
    );
    let more = details.len().saturating_sub(MAX_DETAILS);
    details.truncate(MAX_DETAILS);
    if more > 0 {
        details.push(format!("{more} more in the document"));
    }
    details
}

/// A CodeableConcept in words: its text, a display, a code.
fn words(concept: &Value) -> Option<String> {
    let codings = || list(&concept["coding"]).iter();
    text(&concept["text"])
        .or_else(|| codings().find_map(|coding| text(&coding["display"])))
        .or_else(|| codings().find_map(|coding| text(&coding["code"])))
}

fn absence_of(concept: &Value) -> Option<Absence> {
    let mut codes = list(&concept["coding"]).iter().filter_map(|coding| coding["code"].as_str());
    codes.find_map(absence)
}

fn code(concept: &Value) -> Option<String> {
    text(&concept["coding"][0]["code"])
}

const SOURCE: &str = "urn:carerecord:element-source";
const RELATION: &str = "urn:carerecord:element-relation";
const SEARCH_STATE: &str = "urn:carerecord:search-state";
const NEGATED: &str = "urn:carerecord:negated";
const AS_WRITTEN: &str = "urn:carerecord:as-written";
const DOCUMENTS: &str = "urn:carerecord:documents";
const MAX_PLACES: usize = 20;
const MAX_DETAILS: usize = 12;
