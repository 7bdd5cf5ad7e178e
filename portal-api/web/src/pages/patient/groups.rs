use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::api::{Document, DocumentStatus};

/// A line of the list: a document with what is folded under it.
pub(super) struct Line<'a> {
    pub(super) document: &'a Document,
    /// The versions that it replaced, newest first.
    pub(super) earlier: Vec<&'a Document>,
    /// The same bytes from other sources.
    pub(super) copies: Vec<&'a Document>,
}

/// Folds replaced versions under the one that replaced them, and equal documents of several
/// sources under the first. Every document is in exactly one line.
pub(super) fn fold(documents: &[Document]) -> Vec<Line<'_>> {
    let by_id: HashMap<Uuid, &Document> = documents.iter().map(|d| (d.id, d)).collect();
    let replaced: HashSet<Uuid> = documents
        .iter()
        .flat_map(|d| d.replaces.iter().copied().filter(|target| *target != d.id))
        .filter(|target| by_id.get(target).is_some_and(|d| !is_current(d)))
        .collect();
    let mut placed = HashSet::new();
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut first_with: HashMap<(&str, u64), usize> = HashMap::new();
    let heads = documents.iter().filter(|d| !replaced.contains(&d.id));
    // What replaces each other in a circle is no head; it must not get lost for that.
    for document in heads.chain(documents) {
        if !placed.insert(document.id) {
            continue;
        }
        let earlier = earlier(document, &by_id, &mut placed);
        let same = fingerprint(document).filter(|_| earlier.is_empty());
        if let Some(line) = same.and_then(|same| first_with.get(&same)).copied()
            && lines[line].document.source != document.source
        {
            lines[line].copies.push(document);
            continue;
        }
        if let Some(same) = fingerprint(document) {
            first_with.entry(same).or_insert(lines.len());
        }
        lines.push(Line { document, earlier, copies: Vec::new() });
    }
    lines
}

fn earlier<'a>(
    document: &'a Document,
    by_id: &HashMap<Uuid, &'a Document>,
    placed: &mut HashSet<Uuid>,
) -> Vec<&'a Document> {
    let mut found = Vec::new();
    let mut next: Vec<Uuid> = document.replaces.clone();
    while let Some(id) = next.pop() {
        let Some(version) = by_id.get(&id).filter(|d| !is_current(d)) else { continue };
        if placed.insert(id) {
            found.push(*version);
            next.extend(&version.replaces);
        }
    }
    found
}

fn is_current(document: &Document) -> bool {
    match document.status {
        DocumentStatus::Current => true,
        DocumentStatus::Superseded => false,
    }
}

/// What makes two current documents the same one.
fn fingerprint(document: &Document) -> Option<(&str, u64)> {
    let current = is_current(document);
    Some((document.hash.as_deref()?, document.size?)).filter(|_| current)
}

/// The place of a class on the page, from 0, and the name of its group.
pub(super) fn group(class: &str) -> (usize, &'static str) {
    let name = GROUP_OF_CLASS.iter().find(|(code, _)| *code == class).map_or(OTHER, |(_, g)| *g);
    let place = GROUPS.iter().position(|group| *group == name).unwrap_or(GROUPS.len());
    (place, name)
}

const OTHER: &str = "Other documents";
const GROUPS: [&str; 17] = [
    "Alerts",
    "Summaries",
    "Plans",
    "Discharge",
    "Letters",
    "Referrals",
    "Notes",
    "Results",
    "Medicines",
    "Procedures",
    "Assessments",
    "Charts and observations",
    "Images",
    "Orders",
    "Legal and consent",
    "Administrative",
    OTHER,
];
const GROUP_OF_CLASS: [(&str, &str); 22] = [
    ("717341000000101", "Alerts"),
    ("325931000000109", "Assessments"),
    ("734163000", "Plans"),
    ("706825008", "Charts and observations"),
    ("1102421000000108", "Charts and observations"),
    ("371525003", "Procedures"),
    ("373942005", "Discharge"),
    ("717131000000107", "Summaries"),
    ("422735006", "Summaries"),
    ("716931000000107", "Summaries"),
    ("25831000000103", "Images"),
    ("823751000000102", "Letters"),
    ("933361000000108", "Medicines"),
    ("715311000000107", "Administrative"),
    ("38651000000103", "Notes"),
    ("823651000000106", "Notes"),
    ("25611000000107", "Referrals"),
    ("721981007", "Results"),
    ("721963009", "Orders"),
    ("371537001", "Legal and consent"),
    ("419891008", OTHER),
    ("423876004", OTHER),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::document;

    #[test]
    fn replaced_versions_fold_under_the_newest() {
        let mut documents = [document(1), document(2), document(3)];
        documents[0].replaces = vec![documents[1].id];
        documents[1].replaces = vec![documents[2].id];
        documents[1].status = DocumentStatus::Superseded;
        documents[2].status = DocumentStatus::Superseded;

        let lines = fold(&documents);

        assert_eq!(lines.len(), 1);
        let earlier: Vec<Uuid> = lines[0].earlier.iter().map(|d| d.id).collect();
        assert_eq!(earlier, [documents[1].id, documents[2].id]);
    }

    #[test]
    fn no_document_gets_lost() {
        let mut documents = [document(1), document(2), document(3)];
        documents[0].replaces = vec![documents[1].id];
        documents[1].replaces = vec![documents[0].id];
        for document in &mut documents {
            document.status = DocumentStatus::Superseded;
        }

        let lines = fold(&documents);

        let all = lines.iter().map(|line| 1 + line.earlier.len() + line.copies.len()).sum();
        assert_eq!((lines.len(), all), (2, 3));
    }

    #[test]
    fn equal_documents_of_several_sources_are_one_line() {
        let mut documents = [document(1), document(2)];
        for document in &mut documents {
            document.hash = Some("Kq5sNclPz7QV2+lfQIuc6R7oRu0=".into());
            document.size = Some(12);
        }
        documents[1].source.code = "ZEX02".into();

        let lines = fold(&documents);

        assert_eq!((lines.len(), lines[0].copies.len()), (1, 1));
    }
}
