use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::api::{Document, DocumentStatus, Reasoned, RelationKind, Submission};
use crate::display::{clinical, format_words, size};
use crate::portal::Portal;

/// Where a document comes from, why the reader may see it, and what it is related to.
pub(super) struct Provenance {
    pub(super) rows: Vec<(&'static str, String)>,
    /// `None` where the API does not tell.
    pub(super) why: Option<Why>,
    pub(super) related: Vec<RelatedView>,
    /// The document that replaced it.
    pub(super) newer: Option<Uuid>,
}

/// A decision in words.
pub(super) struct Why {
    pub(super) words: String,
    pub(super) rule: String,
    /// Who set the rule and since when.
    pub(super) set_by: Option<String>,
    pub(super) basis: Vec<String>,
}

/// Another document that this one has to do with.
pub(super) struct RelatedView {
    pub(super) id: Uuid,
    pub(super) words: &'static str,
    /// Whether it is another version of the same.
    pub(super) is_version: bool,
}

impl Provenance {
    pub(super) fn new(document: &Document, hash_matches: Option<bool>, portal: &Portal) -> Self {
        let context = &document.context;
        let earlier = context.relates_to.iter().map(|r| RelatedView {
            id: r.document,
            words: earlier_words(r.kind),
            is_version: is_version(r.kind),
        });
        let later = context.related_by.iter().map(|r| RelatedView {
            id: r.document,
            words: later_words(r.kind),
            is_version: is_version(r.kind),
        });
        let newer = context.related_by.iter().find(|r| r.kind == RelationKind::Replaces);
        Self {
            rows: rows(document, hash_matches, portal),
            why: context.why.clone().map(|why| Why::new(why, portal)),
            related: earlier.chain(later).collect(),
            newer: newer.map(|r| r.document),
        }
    }
}

impl Why {
    fn new(why: Reasoned, portal: &Portal) -> Self {
        let since = why.since.map(|since| clinical(&since, &portal.zone));
        let set_by = why.set_by.map(|by| match since {
            Some(since) => format!("{by} since {since}"),
            None => by,
        });
        Self { words: why.words, rule: why.rule, set_by, basis: why.basis }
    }
}

fn earlier_words(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Replaces => "It replaces an earlier version",
        RelationKind::Appends => "It adds to another document",
        RelationKind::Transforms => "It was made from another document",
        RelationKind::Signs => "It signs another document",
    }
}

fn later_words(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Replaces => "It was replaced by a newer version",
        RelationKind::Appends => "Another document adds to it",
        RelationKind::Transforms => "Another document was made from it",
        RelationKind::Signs => "Another document signs it",
    }
}

fn is_version(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Replaces | RelationKind::Transforms => true,
        RelationKind::Appends | RelationKind::Signs => false,
    }
}

/// Who wrote it, when, and which version it is: what must be seen without asking.
pub(super) fn facts(document: &Document, portal: &Portal) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(document.authors.first().cloned());
    facts.extend(document.organisations.first().cloned());
    facts.extend(document.created.as_ref().map(|time| clinical(time, &portal.zone)));
    facts.push(version(document));
    facts
}

fn version(document: &Document) -> String {
    match (document.status, &document.version) {
        (DocumentStatus::Superseded, _) => "Replaced by a newer version".to_owned(),
        (DocumentStatus::Current, Some(version)) => format!("Version {version} (current)"),
        (DocumentStatus::Current, None) => "Current version".to_owned(),
    }
}

fn rows(
    document: &Document,
    hash_matches: Option<bool>,
    portal: &Portal,
) -> Vec<(&'static str, String)> {
    let time = |time: &String| clinical(time, &portal.zone);
    let period = match &document.period {
        (Some(start), Some(end)) if start != end => {
            Some(format!("{} to {}", time(start), time(end)))
        }
        (Some(day), _) | (None, Some(day)) => Some(time(day)),
        (None, None) => None,
    };
    let labels: Vec<&str> = document.labels.iter().map(|label| &*label.display).collect();
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    let check = match (hash_matches, &document.hash) {
        (Some(true), _) => "Unchanged since it was registered",
        (Some(false), _) => "Not the document that was registered",
        (None, Some(_)) => "Checked as it is sent",
        (None, None) => "Not registered with a checksum",
    };
    let submission = document.context.submission.as_ref();
    let rows = [
        ("Author", joined(&document.authors)),
        ("Organisation", joined(&document.organisations)),
        ("Written", document.created.as_ref().map(time)),
        ("Care given", period),
        ("Type", Some(document.kind.display.clone()).filter(|kind| !kind.is_empty())),
        ("Setting", document.setting.clone()),
        ("Place", document.facility.clone()),
        ("Description", document.description.clone()),
        ("Held by", Some(document.source.display.clone()).filter(|source| !source.is_empty())),
        ("Registered", submission.and_then(|s| registered(s, portal))),
        ("Version", Some(version(document))),
        ("Confidentiality", (!labels.is_empty()).then(|| labels.join(", "))),
        ("Format", Some(download_words(document))),
        ("Content", Some(check.to_owned())),
        ("Checksum (SHA-1)", document.hash.as_deref().and_then(hex)),
        ("Identifier", document.context.unique_id.clone()),
    ];
    rows.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

/// When it came in, and who sent it.
fn registered(submission: &Submission, portal: &Portal) -> Option<String> {
    let date = submission.date.as_ref().map(|date| clinical(date, &portal.zone));
    let people = [submission.author.clone(), submission.organisation.clone()];
    let people: Vec<String> = people.into_iter().flatten().collect();
    let by = (!people.is_empty()).then(|| format!("by {}", people.join(", ")));
    let system = submission.system.as_deref().map(|system| {
        let id = system.strip_prefix("urn:oid:").unwrap_or(system);
        format!("(system {id})")
    });
    let parts: Vec<String> = [date, by, system].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// FHIR has the digest in base64; people compare hex.
fn hex(hash: &str) -> Option<String> {
    let bytes = STANDARD.decode(hash).ok()?;
    Some(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

pub(super) fn download_words(document: &Document) -> String {
    let format = format_words(&document.mime);
    match document.size {
        Some(bytes) => format!("{format}, {}", size(bytes)),
        None => format.to_owned(),
    }
}
