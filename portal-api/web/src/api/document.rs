use carerecord_model::NhsNumber;
use serde_json_borrow::Value;
use uuid::Uuid;

use super::wire;

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
    /// Its unique id, and those of what it is a copy of.
    pub(crate) known_as: Vec<String>,
    /// Whose it is.
    pub(crate) nhs_number: Option<NhsNumber>,
    pub(crate) context: Context,
}

/// What belongs to a document. Lists do not tell it.
#[derive(Clone, Default)]
pub(crate) struct Context {
    /// Documents that came before: what this one does to them.
    pub(crate) relates_to: Vec<Relation>,
    /// Documents that came after: what they do to this one.
    pub(crate) related_by: Vec<Relation>,
    pub(crate) submission: Option<Submission>,
    /// Why the reader may see it, where the API tells.
    pub(crate) why: Option<Reasoned>,
    /// What the source calls it, everywhere.
    pub(crate) unique_id: Option<String>,
}

/// How a later document relates to an earlier one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Relation {
    pub(crate) kind: RelationKind,
    /// The other document.
    pub(crate) document: Uuid,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RelationKind {
    Replaces,
    Appends,
    Transforms,
    Signs,
}

/// Why the reader may see a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reasoned {
    /// The rule that decided, e.g. `agreement`.
    pub(crate) rule: String,
    /// What it says, for the reader.
    pub(crate) words: String,
    pub(crate) set_by: Option<String>,
    /// As FHIR writes times.
    pub(crate) since: Option<String>,
    /// What else was used, e.g. `agreement dsa-1/2`.
    pub(crate) basis: Vec<String>,
}

/// How a document came in.
#[derive(Clone)]
pub(crate) struct Submission {
    /// As FHIR writes times.
    pub(crate) date: Option<String>,
    pub(crate) author: Option<String>,
    pub(crate) organisation: Option<String>,
    /// The system that sent it.
    pub(crate) system: Option<String>,
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
    pub(super) fn of(resource: &serde_json::Value) -> Option<Self> {
        Self::read(&resource.into())
    }

    /// The same out of an answer that is not copied: lists are long.
    pub(super) fn read(resource: &Value<'_>) -> Option<Self> {
        let status = match resource.get("status").as_str()? {
            "current" => DocumentStatus::Current,
            "superseded" => DocumentStatus::Superseded,
            _ => return None,
        };
        let attachment = resource.get("content").get(0).get("attachment");
        let context = resource.get("context");
        let (authors, organisations) = authors(resource);
        let labels = list(resource.get("securityLabel")).iter().filter_map(Coded::read);
        Some(Self {
            id: resource.get("id").as_str()?.parse().ok()?,
            status,
            version: text(resource.get("meta").get("versionId")),
            kind: Coded::read(resource.get("type")).unwrap_or_default(),
            class: Coded::read(resource.get("category").get(0)).unwrap_or_default(),
            title: text(attachment.get("title")),
            description: text(resource.get("description")),
            authors,
            organisations,
            source: source(resource.get("custodian")),
            source_id: text(resource.get("meta").get("source"))
                .map(|uri| uri.strip_prefix("urn:oid:").unwrap_or(&uri).to_owned()),
            labels: labels.collect(),
            created: text(attachment.get("creation")).or_else(|| text(resource.get("date"))),
            period: (
                text(context.get("period").get("start")),
                text(context.get("period").get("end")),
            ),
            setting: Coded::read(context.get("practiceSetting")).map(|c| c.display),
            facility: Coded::read(context.get("facilityType")).map(|c| c.display),
            mime: mime(attachment.get("contentType")),
            size: attachment.get("size").as_u64(),
            hash: text(attachment.get("hash")),
            url: attachment.get("url").as_str().unwrap_or_default().to_owned(),
            replaces: replaces(resource),
            known_as: known_as(resource),
            nhs_number: nhs_number(resource.get("subject").get("identifier")),
            context: Context::read(resource),
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

impl Context {
    fn read(resource: &Value<'_>) -> Self {
        let relates_to = list(resource.get("relatesTo")).iter();
        let relates_to = relates_to.take(MAX_RELATIONS).filter_map(|relation| {
            Relation::read(relation.get("code"), relation.get("target").get("reference"))
        });
        let extensions = || list(resource.get("extension")).iter();
        let related_by = extensions().filter(|e| is(e.get("url"), RELATED_BY)).take(MAX_RELATIONS);
        let related_by = related_by.filter_map(|e| {
            let document = part(e, "document").get("valueReference").get("reference");
            Relation::read(part(e, "code").get("valueCode"), document)
        });
        Self {
            relates_to: relates_to.collect(),
            related_by: related_by.collect(),
            submission: extensions().find(|e| is(e.get("url"), SUBMISSION)).map(Submission::read),
            why: extensions().find(|e| is(e.get("url"), DECISION)).and_then(Reasoned::read),
            unique_id: text(resource.get("masterIdentifier").get("value")),
        }
    }
}

impl Relation {
    fn read(code: &Value<'_>, reference: &Value<'_>) -> Option<Self> {
        let kind = match code.as_str()? {
            "replaces" => RelationKind::Replaces,
            "appends" => RelationKind::Appends,
            "transforms" => RelationKind::Transforms,
            "signs" => RelationKind::Signs,
            _ => return None,
        };
        Some(Self { kind, document: id_of(reference.as_str()?)? })
    }
}

impl Reasoned {
    fn read(extension: &Value<'_>) -> Option<Self> {
        let basis = list(extension.get("extension")).iter().filter(|e| is(e.get("url"), "basis"));
        Some(Self {
            rule: text(part(extension, "rule").get("valueCode"))?,
            words: text(part(extension, "words").get("valueString"))?,
            set_by: text(part(extension, "set-by").get("valueString")),
            since: text(part(extension, "since").get("valueInstant")),
            basis: basis.take(MAX_BASIS).filter_map(|e| text(e.get("valueString"))).collect(),
        })
    }
}

impl Submission {
    fn read(extension: &Value<'_>) -> Self {
        Self {
            date: text(part(extension, "date").get("valueDateTime")),
            author: text(part(extension, "author").get("valueString")),
            organisation: text(part(extension, "organisation").get("valueString")),
            system: text(part(extension, "source").get("valueUri")),
        }
    }
}

fn list<'v>(value: &'v Value<'_>) -> &'v [Value<'v>] {
    value.as_array().unwrap_or_default()
}

fn text(value: &Value<'_>) -> Option<String> {
    wire::bounded(value.as_str()?)
}

fn is(value: &Value<'_>, text: &str) -> bool {
    value.as_str() == Some(text)
}

/// A part of an extension; null for one that is not there.
fn part<'e>(extension: &'e Value<'e>, url: &str) -> &'e Value<'e> {
    let found = list(extension.get("extension")).iter().find(|part| is(part.get("url"), url));
    found.unwrap_or(&Value::Null)
}

/// The id at the end of a reference.
fn id_of(reference: &str) -> Option<Uuid> {
    reference.rsplit('/').next()?.parse().ok()
}

impl Coded {
    fn read(concept: &Value<'_>) -> Option<Self> {
        let coding = list(concept.get("coding")).first();
        let code = coding.and_then(|coding| text(coding.get("code")));
        let display = coding.and_then(|coding| text(coding.get("display")));
        let display = display.or_else(|| text(concept.get("text"))).or_else(|| code.clone())?;
        Some(Self { code: code.unwrap_or_default(), display })
    }
}

fn authors(resource: &Value<'_>) -> (Vec<String>, Vec<String>) {
    let (mut people, mut organisations) = (Vec::new(), Vec::new());
    for author in list(resource.get("author")).iter().take(MAX_AUTHORS) {
        let Some(display) = text(author.get("display")) else { continue };
        let reference = author.get("reference").as_str().unwrap_or_default();
        let inside = reference.strip_prefix('#').unwrap_or(reference);
        let contained = || {
            let mut contained = list(resource.get("contained")).iter();
            contained.find(|one| is(one.get("id"), inside))
        };
        let is_organisation = is(author.get("type"), "Organization")
            || contained().is_some_and(|one| is(one.get("resourceType"), "Organization"));
        let list = if is_organisation { &mut organisations } else { &mut people };
        if !list.contains(&display) {
            list.push(display);
        }
    }
    (people, organisations)
}

fn source(custodian: &Value<'_>) -> Coded {
    let code = text(custodian.get("identifier").get("value")).unwrap_or_default();
    let display = text(custodian.get("display")).unwrap_or_else(|| code.clone());
    Coded { code, display }
}

fn replaces(resource: &Value<'_>) -> Vec<Uuid> {
    let relations = list(resource.get("relatesTo")).iter();
    let targets = relations
        .filter(|relation| is(relation.get("code"), "replaces"))
        .filter_map(|relation| relation.get("target").get("reference").as_str());
    targets.filter_map(id_of).collect()
}

/// Sources that pass on what others wrote tell its unique id as a reference. ITI TF-3: 4.2.3.2.28.
fn known_as(resource: &Value<'_>) -> Vec<String> {
    let is_original = |related: &&Value| {
        let codings = list(related.get("identifier").get("type").get("coding"));
        codings.iter().any(|coding| is(coding.get("code"), ORIGINAL_ID))
    };
    let related = list(resource.get("context").get("related")).iter().take(MAX_RELATED);
    let originals = related.filter(is_original).map(|related| related.get("identifier"));
    let all = std::iter::once(resource.get("masterIdentifier")).chain(originals);
    all.filter_map(|identifier| text(identifier.get("value"))).collect()
}

fn nhs_number(identifier: &Value<'_>) -> Option<NhsNumber> {
    if !is(identifier.get("system"), "https://fhir.nhs.uk/Id/nhs-number") {
        return None;
    }
    identifier.get("value").as_str()?.parse().ok()
}

/// The type without its parameters; what is not a type is unknown.
fn mime(value: &Value<'_>) -> String {
    let essence = value.as_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/+-._".contains(c);
    if essence.contains('/') && essence.chars().all(plain) && essence.len() <= 127 {
        return essence;
    }
    "application/octet-stream".to_owned()
}

const RELATED_BY: &str = "urn:carerecord:related-by";
const SUBMISSION: &str = "urn:carerecord:submission";
const DECISION: &str = "urn:carerecord:decision";
const MAX_BASIS: usize = 10;
const MAX_AUTHORS: usize = 20;
const MAX_RELATED: usize = 50;
const ORIGINAL_ID: &str = "urn:ihe:iti:xds:2013:uniqueId";
/// Relations of one document that are shown.
const MAX_RELATIONS: usize = 20;
