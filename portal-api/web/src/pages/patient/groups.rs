use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::api::{Document, DocumentStatus};

/// A line of the list: a document with what is folded under it.
pub(super) struct Line<'a> {
    pub(super) document: &'a Document,
    /// The versions that it replaced, newest first.
    pub(super) earlier: Vec<&'a Document>,
    /// The same document from other sources.
    pub(super) copies: Vec<&'a Document>,
}

/// What two current documents have in common that are the same one.
#[derive(Eq, Hash, PartialEq)]
enum Mark<'a> {
    /// Hash and size.
    Bytes(&'a str, u64),
    /// A unique id: its own, or that of what it is a copy of.
    Id(&'a str),
}

/// Folds replaced versions under the one that replaced them, and one document of several sources
/// under the first. Every document is in exactly one line.
pub(super) fn fold(documents: &[Document]) -> Vec<Line<'_>> {
    let by_id: HashMap<Uuid, &Document> = documents.iter().map(|d| (d.id, d)).collect();
    let replaced: HashSet<Uuid> = documents
        .iter()
        .flat_map(|d| d.replaces.iter().copied().filter(|target| *target != d.id))
        .filter(|target| by_id.get(target).is_some_and(|d| !is_current(d)))
        .collect();
    let mut placed = HashSet::new();
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut first_with: HashMap<Mark<'_>, usize> = HashMap::new();
    let heads = documents.iter().filter(|d| !replaced.contains(&d.id));
    // What replaces each other in a circle is no head; it must not get lost for that.
    for document in heads.chain(documents) {
        if !placed.insert(document.id) {
            continue;
        }
        let mut earlier = earlier(document, &by_id, &mut placed);
        let known = marks(document).find_map(|mark| first_with.get(&mark).copied());
        let line = known.filter(|line| lines[*line].is_of_others(document));
        let at = line.unwrap_or(lines.len());
        for mark in marks(document) {
            first_with.entry(mark).or_insert(at);
        }
        match line {
            Some(line) => {
                lines[line].copies.push(document);
                lines[line].earlier.append(&mut earlier);
            }
            None => lines.push(Line { document, earlier, copies: Vec::new() }),
        }
    }
    lines
}

impl Line<'_> {
    /// Whether none of it is of the source of a document: one source does not copy itself.
    fn is_of_others(&self, document: &Document) -> bool {
        let mut all = self.copies.iter().chain(std::iter::once(&self.document));
        all.all(|one| one.source != document.source || one.source_id != document.source_id)
    }

    /// Every document of it.
    pub(super) fn all(&self) -> impl Iterator<Item = &Document> {
        let folded = self.copies.iter().chain(&self.earlier).copied();
        std::iter::once(self.document).chain(folded)
    }
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

fn marks(document: &Document) -> impl Iterator<Item = Mark<'_>> {
    let current = is_current(document);
    let bytes = document.hash.as_deref().zip(document.size).filter(|_| current);
    let bytes = bytes.map(|(hash, size)| Mark::Bytes(hash, size));
    let ids = document.known_as.iter().filter(move |_| current);
    bytes.into_iter().chain(ids.map(|id| Mark::Id(id)))
}

/// A class in words, for those who choose among all of them.
pub(crate) fn class_words(code: &str) -> &str {
    CLASSES.iter().find(|(known, _)| *known == code).map_or(code, |(_, words)| words)
}

/// The name of a class's group.
pub(super) fn group(class: &str) -> &'static str {
    GROUP_OF_CLASS.iter().find(|(code, _)| *code == class).map_or(OTHER, |(_, group)| *group)
}

/// The group of that name in an address.
pub(super) fn group_of_slug(slug: &str) -> Option<&'static str> {
    GROUPS.iter().copied().find(|group| self::slug(group) == slug)
}

/// A group's name in an address.
pub(crate) fn slug(group: &str) -> String {
    group.to_lowercase().replace(' ', "-")
}

pub(super) const OTHER: &str = "Other documents";
/// In the order of a page, unless a view has its own.
pub(super) const GROUPS: [&str; 17] = [
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

/// The classes by code, in words. NHS context 4.2.
pub(crate) const CLASSES: [(&str, &str); 22] = [
    ("717341000000101", "Alerts"),
    ("325931000000109", "Assessment"),
    ("734163000", "Care plan"),
    ("706825008", "Chart"),
    ("423876004", "Clinical document"),
    ("823651000000106", "Clinical note"),
    ("371525003", "Clinical procedure report"),
    ("371537001", "Consent report"),
    ("721981007", "Diagnostic studies report"),
    ("373942005", "Discharge summary"),
    ("717131000000107", "Health characteristics"),
    ("25831000000103", "Image (document)"),
    ("823751000000102", "Letter"),
    ("933361000000108", "Medications and medical devices"),
    ("715311000000107", "Notification administration"),
    ("1102421000000108", "Observations"),
    ("721963009", "Order"),
    ("38651000000103", "Other note"),
    ("419891008", "Record artefact"),
    ("716931000000107", "Record headings"),
    ("25611000000107", "Referral letter"),
    ("422735006", "Summary clinical document"),
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

        let all: usize = lines.iter().map(|line| line.all().count()).sum();
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

    #[test]
    fn a_copy_is_known_by_the_id_of_what_it_is_a_copy_of() {
        let mut documents = [document(1), document(2), document(3), document(4)];
        for (n, document) in documents.iter_mut().enumerate() {
            document.source.code = format!("ZEX0{n}");
        }
        documents[0].known_as = vec!["urn:oid:2.999.7".into(), "urn:oid:2.999.1".into()];
        documents[1].known_as = vec!["urn:oid:2.999.1".into()];
        documents[1].replaces = vec![documents[3].id];
        documents[2].known_as = vec!["urn:oid:2.999.7".into()];
        documents[3].status = DocumentStatus::Superseded;

        let lines = fold(&documents);

        let one: Vec<_> = lines[0].copies.iter().map(|d| d.id).collect();
        assert_eq!(one, [documents[1].id, documents[2].id]);
        assert_eq!(lines[0].earlier[0].id, documents[3].id, "what a copy replaced folds, too");
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn one_source_does_not_copy_itself() {
        let mut documents = [document(1), document(2)];
        for document in &mut documents {
            document.hash = Some("Kq5sNclPz7QV2+lfQIuc6R7oRu0=".into());
            document.size = Some(12);
        }

        assert_eq!(fold(&documents).len(), 2);
    }

    #[test]
    fn groups_have_addresses() {
        assert_eq!(group_of_slug("charts-and-observations"), Some("Charts and observations"));
        assert_eq!(group_of_slug("nonsense"), None);
        assert!(CLASSES.iter().all(|(code, _)| GROUP_OF_CLASS.iter().any(|(c, _)| c == code)));
        assert!(GROUP_OF_CLASS.iter().all(|(_, group)| GROUPS.contains(group)));
    }
}
