//! The Bundle itself: which entry is what, and what its references lead to. MHD 3.1.

use std::collections::HashMap;

use carerecord_model::{EntryUuid, NhsNumber, UniqueId};
use serde_json::Value;
use uuid::Uuid;

use super::Profile;
use super::at::{At, Problem, Problems};
use super::list::{Identifiers, Kind, kind};
use super::people::Contained;
use super::values::unique_id;
use crate::{pairs, patient_id};

/// A Bundle of ITI-65 whose entries are known by their kinds.
pub struct ProvideBundle<'a> {
    pub(super) profile: Profile,
    pub(super) items: Vec<Item<'a>>,
    base_url: &'a str,
    by_url: HashMap<&'a str, usize>,
}

/// An entry.
pub(super) struct Item<'a> {
    pub slot: Slot,
    pub entry: At<'a>,
    pub resource: At<'a>,
    pub url: Option<&'a str>,
}

/// What an entry is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Slot {
    SubmissionSet,
    Document,
    /// Says that the document of this id is superseded.
    Patch(Uuid),
    Binary,
    /// A Bundle that is a FHIR document.
    FhirDocument,
    Folder,
    /// Adds to the folder of this id.
    FolderUpdate(Uuid),
    Patient,
}

/// What a reference leads to.
pub(super) enum Target {
    /// An entry of the Bundle.
    Item(usize),
    /// What is registered under an id.
    Registered(EntryUuid),
    /// What is registered under a uniqueId.
    Named(UniqueId),
    Nothing,
}

impl<'a> ProvideBundle<'a> {
    /// Reads what a source has sent; `base_url` is where the API is reached.
    ///
    /// # Errors
    /// Every entry that the profile has no place for, and what else is wrong with the whole.
    pub fn read(bundle: &'a Value, base_url: &'a str) -> Result<Self, Vec<Problem>> {
        let at = At::new(bundle, "Bundle");
        let mut problems = Problems::default();
        if at.kind() != "Bundle" || at.text("type") != Some("transaction") {
            problems.add("structure", &at, "It must be a Bundle of type transaction.");
            return problems.or(None);
        }
        let profiles = at.get("meta");
        let profile = profiles.texts("profile").iter().find_map(|p| Profile::of(p));
        if profile.is_none() {
            let what = "It must name one of MHD's profiles of a ProvideBundle.";
            problems.add("required", &profiles.get("profile"), what);
        }
        let entries = at.each("entry");
        if entries.len() > MOST_ENTRIES {
            let what = format!("More than {MOST_ENTRIES} entries are not taken at once.");
            problems.add("too-costly", &at.get("entry"), what);
            return problems.or(None);
        }
        let items: Vec<Item<'a>> =
            entries.into_iter().filter_map(|entry| item(entry, &mut problems)).collect();
        let sets = items.iter().filter(|item| item.slot == Slot::SubmissionSet).count();
        if sets != 1 {
            let what = format!("There must be one SubmissionSet; there are {sets}.");
            problems.add("required", &at.get("entry"), what);
        }
        let mut by_url = HashMap::new();
        for (n, item) in items.iter().enumerate() {
            if item.url.is_some_and(|url| by_url.insert(url, n).is_some()) {
                problems.add("duplicate", &item.entry.get("fullUrl"), "It is there twice.");
            }
        }
        let profile = profile.unwrap_or(Profile::Comprehensive);
        problems.or(Some(Self { profile, items, base_url, by_url }))
    }

    /// The uniqueId that the submission has, when it tells one.
    pub fn submission_id(&self) -> Option<String> {
        let set = self.items.iter().find(|item| item.slot == Slot::SubmissionSet)?;
        Some(Identifiers::read(&set.resource).unique?.as_str().to_owned())
    }

    /// Whom it is about; `by_id` knows the logical ids of people.
    ///
    /// # Errors
    /// Where it does not say, where it cannot be told who is meant, and where it is about several.
    pub fn patient(
        &self,
        by_id: &dyn Fn(&str) -> Option<NhsNumber>,
    ) -> Result<NhsNumber, Vec<Problem>> {
        let mut problems = Problems::default();
        let mut found: Option<NhsNumber> = None;
        let mut take = |number: NhsNumber, at: &At<'_>, problems: &mut Problems| {
            if *found.get_or_insert(number) != number {
                problems.add("business-rule", at, "Everything must be about one patient.");
            }
        };
        let mut missing = None;
        for item in &self.items {
            match item.slot {
                Slot::SubmissionSet | Slot::Document | Slot::Folder | Slot::FolderUpdate(_) => {
                    let subject = item.resource.get("subject");
                    if !subject.is_there() {
                        missing = missing.or(Some(subject));
                        continue;
                    }
                    match self.subject(&subject, &Contained::of(&item.resource), by_id) {
                        Ok(number) => take(number, &subject, &mut problems),
                        Err(why) => problems.add("not-found", &subject, why),
                    }
                }
                Slot::Patient => {
                    if let Some(number) = self.person(item, by_id) {
                        take(number, &item.entry, &mut problems);
                    }
                }
                Slot::Patch(_) | Slot::Binary | Slot::FhirDocument => {}
            }
        }
        if let Some(missing) = missing
            && (found.is_none() || self.profile != Profile::Minimal)
        {
            problems.missing(&missing);
        }
        problems.or(found)
    }

    fn subject(
        &self,
        reference: &At<'a>,
        people: &Contained<'a>,
        by_id: &dyn Fn(&str) -> Option<NhsNumber>,
    ) -> Result<NhsNumber, &'static str> {
        let literal = reference.text("reference").unwrap_or_default();
        if let Some(n) = self.by_url.get(literal) {
            let item = self.items.get(*n).filter(|item| item.slot == Slot::Patient);
            let item = item.ok_or("It leads to an entry that is no Patient.")?;
            return self.person(item, by_id).ok_or(NO_NUMBER);
        }
        if let Some(resource) = people.resource(reference) {
            return number_of(&resource).ok_or(NO_NUMBER);
        }
        let by_url = self.person_at(literal, by_id);
        by_url.or_else(|| nhs_number(&reference.get("identifier"))).ok_or(UNKNOWN)
    }

    /// Whom an entry for a Patient is about.
    fn person(
        &self,
        item: &Item<'a>,
        by_id: &dyn Fn(&str) -> Option<NhsNumber>,
    ) -> Option<NhsNumber> {
        let url = item.entry.get("request").text("url").unwrap_or_default();
        number_of(&item.resource).or_else(|| self.person_at(url, by_id))
    }

    /// `Patient/ID` or `Patient?identifier=…`, below our own address or without one.
    fn person_at(&self, url: &str, by_id: &dyn Fn(&str) -> Option<NhsNumber>) -> Option<NhsNumber> {
        let relative = self.relative(url)?.strip_prefix("Patient")?;
        if let Some(query) = relative.strip_prefix('?') {
            let pairs = pairs(query);
            let (_, token) = pairs.iter().find(|(name, _)| name == "identifier")?;
            let (system, value) = token.split_once('|')?;
            return patient_id(Some(system), value).ok()??.nhs_number();
        }
        by_id(relative.strip_prefix('/')?.split('/').next()?)
    }

    /// What is below our own address; nothing that is elsewhere.
    fn relative<'t>(&self, url: &'t str) -> Option<&'t str> {
        let base = self.base_url.trim_end_matches('/');
        match url.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')) {
            Some(rest) => Some(rest),
            None => {
                let path = url.split('?').next().unwrap_or(url);
                Some(url).filter(|_| !path.contains(':') && !path.starts_with(['/', '#']))
            }
        }
    }

    /// What a reference to a resource of a kind leads to.
    pub(super) fn target(&self, reference: &At<'a>, kind: &str) -> Target {
        let literal = reference.text("reference").unwrap_or_default();
        if let Some(n) = self.by_url.get(literal) {
            return Target::Item(*n);
        }
        let id = self.relative(literal).and_then(|path| path.strip_prefix(kind));
        let id = id.and_then(|rest| rest.strip_prefix('/')?.split('/').next());
        if let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) {
            return Target::Registered(EntryUuid::new(id));
        }
        if !literal.is_empty() {
            return Target::Nothing;
        }
        unique_id(&reference.get("identifier")).map_or(Target::Nothing, Target::Named)
    }

    /// The entry that an attachment is of.
    pub(super) fn at_url(&self, url: &str) -> Option<usize> {
        self.by_url.get(url).copied()
    }

    /// Documents that are registered and named by uniqueId: `Known` must have those that there are.
    pub fn named_documents(&self) -> Vec<UniqueId> {
        let mut all = Vec::new();
        for item in &self.items {
            let relations = item.resource.each("relatesTo").into_iter().map(|r| r.get("target"));
            let members = item.resource.each("entry").into_iter().map(|entry| entry.get("item"));
            for reference in relations.chain(members) {
                if let Target::Named(id) = self.target(&reference, "DocumentReference") {
                    all.push(id);
                }
            }
        }
        all
    }

    /// Folders that are registered and added to: `Known` must have those that there are.
    pub fn updated_folders(&self) -> Vec<EntryUuid> {
        let id = |item: &Item<'_>| match item.slot {
            Slot::FolderUpdate(id) => Some(EntryUuid::new(id)),
            Slot::SubmissionSet
            | Slot::Document
            | Slot::Patch(_)
            | Slot::Binary
            | Slot::FhirDocument
            | Slot::Folder
            | Slot::Patient => None,
        };
        self.items.iter().filter_map(id).collect()
    }
}

/// The slots are closed: an entry of no slot is a violation of the profile.
fn item<'a>(entry: At<'a>, problems: &mut Problems) -> Option<Item<'a>> {
    let (request, resource) = (entry.get("request"), entry.get("resource"));
    let (method, url) = (request.text("method").unwrap_or(""), request.text("url").unwrap_or(""));
    let id_below = |kind: &str| {
        let id = url.strip_prefix(kind)?.strip_prefix('/')?;
        Uuid::try_parse(id).ok()
    };
    let list = kind(&resource);
    let slot = match (resource.kind(), method, list) {
        ("List", "POST", Some(Kind::SubmissionSet)) if url == "List" => Some(Slot::SubmissionSet),
        ("List", "POST", Some(Kind::Folder)) if url == "List" => Some(Slot::Folder),
        ("List", "PUT", Some(Kind::Folder)) => id_below("List").map(Slot::FolderUpdate),
        ("DocumentReference", "POST", _) if url == "DocumentReference" => Some(Slot::Document),
        ("Parameters", "PATCH", _) => id_below("DocumentReference").map(Slot::Patch),
        ("Binary", "POST", _) if url == "Binary" => Some(Slot::Binary),
        ("Patient", "POST" | "PUT", _) | ("", "GET", _) if url.starts_with("Patient") => {
            Some(Slot::Patient)
        }
        ("Bundle", "POST", _) if url == "Bundle" => {
            let is_document = resource.text("type") == Some("document");
            is_document.then_some(Slot::FhirDocument)
        }
        _ => None,
    };
    let Some(slot) = slot else {
        let what = "The profile has no place for an entry of this resource, method and URL.";
        problems.add("structure", &entry, what);
        return None;
    };
    let url = entry.text("fullUrl");
    Some(Item { slot, entry, resource, url })
}

/// The NHS Number of a Patient.
fn number_of(patient: &At<'_>) -> Option<NhsNumber> {
    patient.each("identifier").iter().find_map(nhs_number)
}

fn nhs_number(identifier: &At<'_>) -> Option<NhsNumber> {
    let system = identifier.text("system")?;
    patient_id(Some(system), identifier.text("value")?).ok()??.nhs_number()
}

/// More have to be sent in several submissions.
const MOST_ENTRIES: usize = 1000;
const NO_NUMBER: &str = "The Patient has no valid NHS Number.";
const UNKNOWN: &str = "It cannot be told who is meant: give the NHS Number as the reference's \
    identifier, or a Patient of this service.";
