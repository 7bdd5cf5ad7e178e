use carerecord_model::NhsNumber;
use serde_json::Value;
use uuid::Uuid;

use super::wire::{list, text};

/// A document's metadata, as far as pages show it. No formatter prints it.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) id: Uuid,
    pub(crate) status: DocumentStatus,
    pub(crate) version: Option<String>,
    pub(crate) kind: Coded,
    pub(crate) class: Coded,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) organisations: Vec<String>,
    /// The organisation whose node holds it.
    pub(crate) source: Coded,
    /// The id of the source that holds it, as the state of sources names it; `None` where it must
    /// not be told.
    pub(crate) source_id: Option<String>,
    pub(crate) labels: Vec<Coded>,
    /// When it was written, as FHIR writes times: may be a year or a month only.
    pub(crate) created: Option<String>,
    pub(crate) period: (Option<String>, Option<String>),
    pub(crate) setting: Option<String>,
    pub(crate) facility: Option<String>,
    pub(crate) mime: String,
    pub(crate) size: Option<u64>,
    /// SHA-1 in base64.
    pub(crate) hash: Option<String>,
    pub(crate) url: String,
    /// The documents that it replaces.
    pub(crate) replaces: Vec<Uuid>,
    /// Whose it is.
    pub(crate) nhs_number: Option<NhsNumber>,
}

/// A code with the words for it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Coded {
    pub(crate) code: String,
    pub(crate) display: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DocumentStatus {
    Current,
    Superseded,
}

impl Document {
    /// Reads a DocumentReference. `None` for one that cannot be addressed or is an error of its
    /// source (`entered-in-error`).
    pub(super) fn read(resource: &Value) -> Option<Self> {
        let status = match resource["status"].as_str()? {
            "current" => DocumentStatus::Current,
            "superseded" => DocumentStatus::Superseded,
            _ => return None,
        };
        let attachment = &resource["content"][0]["attachment"];
        let context = &resource["context"];
        let (authors, organisations) = authors(resource);
        let labels = list(&resource["securityLabel"]).iter().filter_map(Coded::read);
        Some(Self {
            id: resource["id"].as_str()?.parse().ok()?,
            status,
            version: text(&resource["meta"]["versionId"]),
            kind: Coded::read(&resource["type"]).unwrap_or_default(),
            class: Coded::read(&resource["category"][0]).unwrap_or_default(),
            title: text(&attachment["title"]),
            description: text(&resource["description"]),
            authors,
            organisations,
            source: source(&resource["custodian"]),
            source_id: text(&resource["meta"]["source"])
                .map(|uri| uri.strip_prefix("urn:oid:").unwrap_or(&uri).to_owned()),
            labels: labels.collect(),
            created: text(&attachment["creation"]).or_else(|| text(&resource["date"])),
            period: (text(&context["period"]["start"]), text(&context["period"]["end"])),
            setting: Coded::read(&context["practiceSetting"]).map(|c| c.display),
            facility: Coded::read(&context["facilityType"]).map(|c| c.display),
            mime: mime(&attachment["contentType"]),
            size: attachment["size"].as_u64(),
            hash: text(&attachment["hash"]),
            url: attachment["url"].as_str().unwrap_or_default().to_owned(),
            replaces: replaces(resource),
            nhs_number: nhs_number(&resource["subject"]["identifier"]),
        })
    }

    /// What to call it: never empty.
    pub(crate) fn name(&self) -> &str {
        match &self.title {
            Some(title) => title,
            None if self.kind.display.is_empty() => "Document without a title",
            None => &self.kind.display,
        }
    }
}

impl Coded {
    fn read(concept: &Value) -> Option<Self> {
        let coding = list(&concept["coding"]).first();
        let code = coding.and_then(|coding| text(&coding["code"]));
        let display = coding.and_then(|coding| text(&coding["display"]));
        let display = display.or_else(|| text(&concept["text"])).or_else(|| code.clone())?;
        Some(Self { code: code.unwrap_or_default(), display })
    }
}

fn authors(resource: &Value) -> (Vec<String>, Vec<String>) {
    let (mut people, mut organisations) = (Vec::new(), Vec::new());
    for author in list(&resource["author"]).iter().take(MAX_AUTHORS) {
        let Some(display) = text(&author["display"]) else { continue };
        let reference = author["reference"].as_str().unwrap_or_default();
        let inside = reference.strip_prefix('#').unwrap_or(reference);
        let contained = list(&resource["contained"]).iter().find(|one| one["id"] == inside);
        let is_organisation = author["type"] == "Organization"
            || contained.is_some_and(|one| one["resourceType"] == "Organization");
        let list = if is_organisation { &mut organisations } else { &mut people };
        if !list.contains(&display) {
            list.push(display);
        }
    }
    (people, organisations)
}

fn source(custodian: &Value) -> Coded {
    let code = text(&custodian["identifier"]["value"]).unwrap_or_default();
    let display = text(&custodian["display"]).unwrap_or_else(|| code.clone());
    Coded { code, display }
}

fn replaces(resource: &Value) -> Vec<Uuid> {
    let relations = list(&resource["relatesTo"]).iter();
    let targets = relations
        .filter(|relation| relation["code"] == "replaces")
        .filter_map(|relation| relation["target"]["reference"].as_str());
    targets.filter_map(|target| target.rsplit('/').next()?.parse().ok()).collect()
}

fn nhs_number(identifier: &Value) -> Option<NhsNumber> {
    if identifier["system"] != "https://fhir.nhs.uk/Id/nhs-number" {
        return None;
    }
    identifier["value"].as_str()?.parse().ok()
}

/// The type without its parameters; what is not a type is unknown.
fn mime(value: &Value) -> String {
    let essence = value.as_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/+-._".contains(c);
    if essence.contains('/') && essence.chars().all(plain) && essence.len() <= 127 {
        return essence;
    }
    "application/octet-stream".to_owned()
}

const MAX_AUTHORS: usize = 20;
