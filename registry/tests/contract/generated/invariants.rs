use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use carerecord_codec::AdhocQueryResponse;
use carerecord_model::{
    AssociationType, AvailabilityStatus, ContentFilter, DocumentEntry, DocumentEntryType,
    DocumentFilter, EntryRef, FindDocuments, FindFolders, FindSubmissionSets, FolderFilter,
    FoundObjects, Get, GetDocuments, LogicalId, MetadataLevel, ObjectId, ReturnType, Scope,
    StoredQuery,
};
use carerecord_registry::{Change, Verb};
use carerecord_testkit::submission::{OTHER_PATIENT, PATIENT};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};

use super::history::{History, both};
use crate::support::World;

type Checked = Result<(), TestCaseError>;

/// What holds of a registry whatever it was asked.
pub async fn check(history: &History<'_>) -> Checked {
    let world = history.world;
    let all = both(world).await;
    check_versions(history, &all).await?;
    check_patients(&all)?;
    check_replacements(history, &all)?;
    check_feed(world, &all).await?;
    for patient in [PATIENT, OTHER_PATIENT] {
        check_sum(world, patient).await?;
    }
    Ok(())
}

/// One version at most is in force, one is the newest, and a query that knows of no versions sees
/// that one.
async fn check_versions(history: &History<'_>, all: &FoundObjects) -> Checked {
    let mut versions: BTreeMap<LogicalId, Vec<&DocumentEntry>> = BTreeMap::new();
    for e in &all.document_entries {
        versions.entry(e.logical_id.unwrap()).or_default().push(e);
    }
    for (lid, of_one) in versions {
        let in_force = of_one.iter().filter(|e| is_approved(e.availability_status)).count();
        prop_assert!(in_force <= 1, "{in_force} versions of {lid} are approved");
        let numbers: BTreeSet<u32> = of_one.iter().map(|e| e.version).collect();
        prop_assert_eq!(numbers.len(), of_one.len(), "a version number is there twice");
        if history.cut.contains(&lid) {
            continue;
        }
        prop_assert_eq!(numbers.last().copied(), Some(of_one.len() as u32), "a version is missing");
        let query = GetDocuments::of(EntryRef::LogicalIds(vec![lid]));
        let newest = ask(history.world, StoredQuery::GetDocuments(query)).await?.document_entries;
        let seen: Vec<u32> = newest.iter().map(|e| e.version).collect();
        prop_assert_eq!(seen, vec![of_one.len() as u32]);
    }
    let mut folders: HashMap<LogicalId, usize> = HashMap::new();
    for f in all.folders.iter().filter(|f| is_approved(f.availability_status)) {
        *folders.entry(f.logical_id.unwrap()).or_default() += 1;
    }
    prop_assert!(folders.values().all(|n| *n == 1), "two versions of a folder are approved");
    Ok(())
}

/// No folder and no relationship spans patients.
fn check_patients(all: &FoundObjects) -> Checked {
    let entries = all.document_entries.iter().map(|e| (&e.entry_uuid, &e.patient_id));
    let folders = all.folders.iter().map(|f| (&f.entry_uuid, &f.patient_id));
    let of: HashMap<_, _> = entries.chain(folders).collect();
    for a in &all.associations {
        if let (Some(source), Some(target)) = (of.get(&a.source), of.get(&a.target)) {
            prop_assert_eq!(source, target, "{:?} spans patients", a.association_type);
        }
    }
    Ok(())
}

/// What is replaced is deprecated, and what is deprecated was replaced, or hangs on what was.
fn check_replacements(history: &History<'_>, all: &FoundObjects) -> Checked {
    let entries: HashMap<&ObjectId, &DocumentEntry> =
        all.document_entries.iter().map(|e| (&e.entry_uuid, &**e)).collect();
    let lids = all.document_entries.iter().filter(|e| history.touched.contains(&e.entry_uuid));
    let touched: HashSet<LogicalId> = lids.filter_map(|e| e.logical_id).collect();
    let touched = |e: &DocumentEntry| {
        let lid = e.logical_id.unwrap();
        touched.contains(&lid) || history.cut.contains(&lid)
    };
    for a in all.associations.iter().filter(|a| a.association_type.replaces()) {
        let target = entries[&a.target];
        let expected = !is_approved(target.availability_status) || touched(target);
        prop_assert!(expected, "{} is replaced and in force", a.target);
    }
    for e in &all.document_entries {
        let newest = !all
            .document_entries
            .iter()
            .any(|other| other.logical_id == e.logical_id && other.version > e.version);
        if is_approved(e.availability_status) || !newest || touched(e) {
            continue;
        }
        let why = all.associations.iter().any(|a| {
            let hangs = [AssociationType::Append, AssociationType::Transform];
            let gone = |t: &DocumentEntry| !is_approved(t.availability_status) || touched(t);
            (a.association_type.replaces() && a.target == e.entry_uuid)
                || (hangs.contains(&a.association_type)
                    && a.source == e.entry_uuid
                    && entries.get(&a.target).is_some_and(|t| gone(t)))
        });
        prop_assert!(why, "{} is deprecated and nothing replaces it", e.entry_uuid);
    }
    Ok(())
}

/// The feed, read from the beginning in small pages, tells of exactly what is there.
async fn check_feed(world: &World, all: &FoundObjects) -> Checked {
    let mut live: BTreeMap<String, (&'static str, Option<AvailabilityStatus>)> = BTreeMap::new();
    for change in feed(world).await? {
        let there = live.contains_key(&change.id);
        prop_assert_eq!(there, change.verb != Verb::Registered, "{:?}", change);
        let status = match change.verb {
            Verb::Registered | Verb::Updated => live.get(&change.id).and_then(|l| l.1),
            Verb::Approved => Some(AvailabilityStatus::Approved),
            Verb::Deprecated => Some(AvailabilityStatus::Deprecated),
            Verb::Removed => {
                live.remove(&change.id);
                continue;
            }
        };
        live.insert(change.id, (change.kind, status));
    }
    let told = |id: &ObjectId| live.get(&id.to_string()).copied();
    for (id, kind, status) in states(all) {
        let Some((told_kind, told_status)) = told(id) else {
            return Err(TestCaseError::fail(format!("the feed does not tell of {id}")));
        };
        prop_assert_eq!(told_kind, kind);
        prop_assert!(told_status.is_none_or(|s| s == status), "{} is {:?}", id, status);
    }
    let rows = world.number("SELECT COUNT(*) FROM object_directory").await;
    prop_assert_eq!(live.len() as i64, rows, "the feed tells of other objects than there are");
    // An association that spans patients is in no answer about one of them; everything else is.
    let hidden = world.number(SPANNING).await;
    prop_assert_eq!(live.len() as i64 - hidden, states(all).count() as i64);
    prop_assert_eq!(world.number(TIED).await, 0, "an association ties documents of two patients");
    prop_assert_eq!(world.number(DANGLING).await, 0, "an association has an end that is not there");
    Ok(())
}

async fn feed(world: &World) -> Result<Vec<Change>, TestCaseError> {
    let mut changes: Vec<Change> = Vec::new();
    loop {
        let since = changes.last().map_or(0, |c| c.seq);
        let page = world.registry.changes(&world.caller, since, 7).await.unwrap().into_value();
        let Some(last) = page.changes.last() else { return Ok(changes) };
        prop_assert_eq!(page.next, last.seq);
        changes.extend(page.changes);
        prop_assert!(changes.is_sorted_by(|a, b| a.seq < b.seq), "the feed is not in order");
    }
}

fn states(
    all: &FoundObjects,
) -> impl Iterator<Item = (&ObjectId, &'static str, AvailabilityStatus)> {
    let entries = all.document_entries.iter();
    let sets = all.submission_sets.iter();
    entries
        .map(|e| (&e.entry_uuid, "document-entry", e.availability_status))
        .chain(sets.map(|s| (&s.entry_uuid, "submission-set", s.availability_status)))
        .chain(all.folders.iter().map(|f| (&f.entry_uuid, "folder", f.availability_status)))
        .chain(
            all.associations.iter().map(|a| (&a.entry_uuid, "association", a.availability_status)),
        )
}

/// GetAll gives what the other queries give together.
async fn check_sum(world: &World, patient: &str) -> Checked {
    let all = world.all_of(patient).await;
    check_wire(&all)?;
    let found = ask(world, find_documents(patient)).await?;
    prop_assert_eq!(sorted(&found).document_entries, sorted(&all).document_entries);
    let found = ask(world, find_submission_sets(patient)).await?;
    prop_assert_eq!(sorted(&found).submission_sets, sorted(&all).submission_sets);
    let found = ask(world, find_folders(patient)).await?;
    prop_assert_eq!(sorted(&found).folders, sorted(&all).folders);
    let ids: Vec<&ObjectId> =
        states(&all).filter(|(_, kind, _)| *kind != "association").map(|(id, ..)| id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut found = ask(world, StoredQuery::GetAssociations(get(&ids))).await?;
    keep_own(&mut found, &all);
    prop_assert_eq!(sorted(&found).associations, sorted(&all).associations);
    check_contents(world, &all).await
}

/// What came with each set, what is in each folder, and what is related, make up the whole.
async fn check_contents(world: &World, all: &FoundObjects) -> Checked {
    let mut sum = FoundObjects::default();
    for set in &all.submission_sets {
        let query = StoredQuery::GetSubmissionSetAndContents(get(&[&set.entry_uuid]));
        let mut found = ask(world, query).await?;
        keep_own(&mut found, all);
        add(&mut sum, found);
    }
    prop_assert_eq!(
        ids(&sum.document_entries, |e| &e.entry_uuid),
        ids(&all.document_entries, |e| &e.entry_uuid)
    );
    prop_assert_eq!(ids(&sum.folders, |f| &f.entry_uuid), ids(&all.folders, |f| &f.entry_uuid));
    let (mut members, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for folder in &all.folders {
        let query = StoredQuery::GetFolderAndContents(get(&[&folder.entry_uuid]));
        let found = ask(world, query).await?;
        let inside = found.document_entries.iter().map(|e| e.entry_uuid.clone());
        members.extend(inside.map(|e| (folder.entry_uuid.clone(), e)));
        add(&mut sum, found);
    }
    for e in &all.document_entries {
        let query = StoredQuery::GetFoldersForDocument(get(&[&e.entry_uuid]));
        let found = ask(world, query).await?.folders;
        folders.extend(found.into_iter().map(|f| (f.entry_uuid, e.entry_uuid.clone())));
        let mut query = get(&[&e.entry_uuid]);
        query.association_types =
            AssociationType::ALL.into_iter().filter(|t| !t.is_update()).collect();
        add(&mut sum, ask(world, StoredQuery::GetRelatedDocuments(query)).await?);
    }
    prop_assert_eq!(members, folders, "folders and documents disagree");
    // What the registry carried over or put into folders by itself came with no set.
    let sum = ids(&sum.associations, |a| &a.entry_uuid);
    let sets = ids(&all.submission_sets, |s| &s.entry_uuid);
    let rest = all.associations.iter().filter(|a| !sum.contains(&a.entry_uuid));
    for a in rest {
        prop_assert!(sets.contains(&a.source), "{} is in no other answer", a.entry_uuid);
    }
    Ok(())
}

/// Asks, and holds the answer against its wire form.
async fn ask(world: &World, query: StoredQuery) -> Result<FoundObjects, TestCaseError> {
    // Whole objects of several patients would be refused.
    let found = world.try_ask(query, false).await;
    let found = found.map_err(|codes| TestCaseError::fail(format!("refused: {codes:?}")))?;
    check_wire(&found)?;
    Ok(found)
}

/// Leaves out what is of another patient, which a set may refer to.
fn keep_own(found: &mut FoundObjects, all: &FoundObjects) {
    let own: HashSet<&ObjectId> = states(all).map(|(id, ..)| id).collect();
    found.document_entries.retain(|e| own.contains(&e.entry_uuid));
    found.associations.retain(|a| own.contains(&a.entry_uuid));
}

fn check_wire(found: &FoundObjects) -> Checked {
    let answer = AdhocQueryResponse::found(ReturnType::LeafClass, found);
    let bytes = carerecord_xml::encode(&answer).unwrap();
    let read: AdhocQueryResponse = carerecord_xml::decode(&bytes).unwrap();
    prop_assert_eq!(carerecord_xml::encode(&read).unwrap(), bytes, "the second writing differs");
    prop_assert_eq!(read.into_found().unwrap(), found.clone(), "the wire changes an object");
    Ok(())
}

fn find_documents(patient: &str) -> StoredQuery {
    let filter = DocumentFilter {
        status: ANY_STATUS.to_vec(),
        entry_types: ANY_TYPE.to_vec(),
        level: MetadataLevel::Two,
        ..DocumentFilter::default()
    };
    let patient_id = patient.parse().unwrap();
    StoredQuery::FindDocuments(Box::new(FindDocuments { patient_id, filter }))
}

fn find_submission_sets(patient: &str) -> StoredQuery {
    StoredQuery::FindSubmissionSets(Box::new(FindSubmissionSets {
        patient_id: patient.parse().unwrap(),
        status: ANY_STATUS.to_vec(),
        source_ids: Vec::new(),
        submission_time: Default::default(),
        author_person: Vec::new(),
        content_type_code: Default::default(),
    }))
}

fn find_folders(patient: &str) -> StoredQuery {
    let filter = FolderFilter {
        status: ANY_STATUS.to_vec(),
        level: MetadataLevel::Two,
        ..FolderFilter::default()
    };
    let patient_id = patient.parse().unwrap();
    StoredQuery::FindFolders(Box::new(FindFolders { patient_id, filter }))
}

/// By id, every version, type and status.
fn get(ids: &[&ObjectId]) -> Box<Get> {
    Box::new(Get {
        objects: EntryRef::Uuids(ids.iter().filter_map(|id| id.uuid()).collect()),
        content: ContentFilter { entry_types: ANY_TYPE.to_vec(), ..ContentFilter::default() },
        association_types: Vec::new(),
        scope: Scope { level: MetadataLevel::Two, association_status: Vec::new() },
        home_community_id: None,
    })
}

fn add(sum: &mut FoundObjects, more: FoundObjects) {
    sum.document_entries.extend(more.document_entries);
    sum.folders.extend(more.folders);
    sum.associations.extend(more.associations);
}

fn ids<'a, T>(all: &'a [T], id: impl Fn(&'a T) -> &'a ObjectId) -> BTreeSet<ObjectId> {
    all.iter().map(id).cloned().collect()
}

fn sorted(found: &FoundObjects) -> FoundObjects {
    let mut found = found.clone();
    found.document_entries.sort_by(|a, b| a.entry_uuid.cmp(&b.entry_uuid));
    found.submission_sets.sort_by(|a, b| a.entry_uuid.cmp(&b.entry_uuid));
    found.folders.sort_by(|a, b| a.entry_uuid.cmp(&b.entry_uuid));
    found.associations.sort_by(|a, b| a.entry_uuid.cmp(&b.entry_uuid));
    found
}

fn is_approved(status: AvailabilityStatus) -> bool {
    status == AvailabilityStatus::Approved
}

const ANY_STATUS: [AvailabilityStatus; 2] =
    [AvailabilityStatus::Approved, AvailabilityStatus::Deprecated];
const ANY_TYPE: [DocumentEntryType; 2] = [DocumentEntryType::Stable, DocumentEntryType::OnDemand];

/// Ends of associations that name nothing, from either side.
const DANGLING: &str = "
    SELECT COUNT(*) FROM association_end AS e
    LEFT JOIN object_directory AS o ON o.entry_uuid = e.object_uuid
    LEFT JOIN object_directory AS a ON a.entry_uuid = e.association_uuid
    WHERE o.entry_uuid IS NULL OR a.entry_uuid IS NULL";

/// Associations with an end of another patient than their own.
const SPANNING: &str = "
    SELECT COUNT(*) FROM object_directory AS a WHERE EXISTS (
        SELECT 1 FROM association_end AS e
        JOIN object_directory AS o ON o.entry_uuid = e.object_uuid
        WHERE e.association_uuid = a.entry_uuid AND o.patient_no <> a.patient_no)";

/// Associations between entries and folders of two patients: a set may refer to another patient's
/// document, nothing else may.
const TIED: &str = "
    SELECT COUNT(*) FROM association_end AS e
    JOIN object_directory AS o ON o.entry_uuid = e.object_uuid
    JOIN association_end AS f ON f.association_uuid = e.association_uuid
    JOIN object_directory AS p ON p.entry_uuid = f.object_uuid
    WHERE o.patient_no < p.patient_no AND o.kind IN (1, 3) AND p.kind IN (1, 3)";
