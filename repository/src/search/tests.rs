//! The index of a folder, without a node around it.

use carerecord_model::{ContentHit, NhsNumber, SnippetPart, UniqueId};
use tempfile::TempDir;

use super::extract::Extracted;
use super::index::{Change, IndexError};
use super::{Search, Synonyms};

const ANNE: &str = "9990001006";
const BEN: &str = "9990001014";

struct Shelf {
    search: Search,
    folder: TempDir,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let search = Search::open(folder.path(), Synonyms::built_in()).unwrap();
        Self { search, folder }
    }

    fn put(&self, id: &str, patient: &str, text: &str) {
        self.put_all(&[(id, patient, text)]);
    }

    fn put_all(&self, documents: &[(&str, &str, &str)]) {
        let put = |(id, patient, text): &(&str, &str, &str)| Change::Put {
            unique_id: id.parse().unwrap(),
            patient: Some(patient.parse().unwrap()),
            extracted: Extracted { headings: "Letter".into(), text: (*text).to_owned() },
        };
        self.search.index.apply(documents.iter().map(put).collect()).unwrap();
    }

    fn hits(&self, words: &str, patient: &str, ids: &[&str]) -> Vec<ContentHit> {
        let ids: Vec<UniqueId> = ids.iter().map(|id| id.parse().unwrap()).collect();
        let patient: NhsNumber = patient.parse().unwrap();
        self.search.find(words, &[patient], &ids).unwrap()
    }

    fn found(&self, words: &str, patient: &str, ids: &[&str]) -> Vec<String> {
        let hits = self.hits(words, patient, ids);
        hits.iter().map(|hit| hit.unique_id.to_string()).collect()
    }
}

#[test]
fn words_are_found_in_every_form_and_with_slips() {
    let shelf = Shelf::new();
    shelf.put("1.1", ANNE, "Fractured neck of femur after a fall. Paracetamol 10 mg.");
    let finds = |words: &str| !shelf.found(words, ANNE, &["1.1"]).is_empty();

    for words in [
        "fracture",
        "FRACTURES falls",
        "\"neck of femur\"",
        "para*",
        "paracetmol",
        "broken",
        "acetaminophen",
        "letter",
        "femur -hip",
        "the neck",
        "\"10 mg\"",
    ] {
        assert!(finds(words), "{words}");
    }
    for words in [
        "hip",
        "fracture hip",
        "\"femur of neck\"",
        "femur -neck",
        "40",
        "\"40 mg\"",
        "",
        "-hip",
        "fa",
        "\"fracture of\"",
    ] {
        assert!(!finds(words), "{words}");
    }
}

#[test]
fn another_patient_and_what_was_not_asked_about_are_never_found() {
    let shelf = Shelf::new();
    shelf.put_all(&[("1.1", ANNE, "asthma"), ("1.2", ANNE, "asthma"), ("2.1", BEN, "asthma")]);

    assert_eq!(shelf.found("asthma", ANNE, &["1.1", "2.1"]), ["1.1"]);
    assert_eq!(shelf.found("asthma", BEN, &["1.1", "2.1"]), ["2.1"]);
    assert!(shelf.found("asthma", BEN, &["1.1"]).is_empty());
    assert!(shelf.found("asthma", ANNE, &[]).is_empty());
}

#[test]
fn what_is_not_asked_about_changes_neither_order_nor_score() {
    let few = Shelf::new();
    let many = Shelf::new();
    let ours = [
        ("1.1", ANNE, "asthma and wheeze since childhood, seen in clinic today"),
        ("1.2", ANNE, "asthma asthma wheeze"),
        ("1.3", ANNE, "wheeze only, with asthmatic brother"),
    ];
    few.put_all(&ours);
    many.put_all(&ours);
    for n in 0..300 {
        many.put(&format!("3.{n}"), if n % 2 == 0 { ANNE } else { BEN }, "asthma asthma asthma");
    }

    for words in ["asthma", "asthma wheeze", "astma", "wheez*", "asthma -clinic"] {
        let ids = ["1.1", "1.2", "1.3"];
        let (few, many) = (few.hits(words, ANNE, &ids), many.hits(words, ANNE, &ids));
        assert!(!few.is_empty());
        assert!(few == many, "{words}");
    }
}

#[test]
fn what_is_put_again_is_there_once_and_what_is_deleted_is_gone() {
    let shelf = Shelf::new();
    shelf.put("1.1", ANNE, "asthma");
    shelf.put("1.1", ANNE, "eczema");

    assert!(shelf.found("asthma", ANNE, &["1.1"]).is_empty());
    assert_eq!(shelf.found("eczema", ANNE, &["1.1"]), ["1.1"]);
    shelf.search.index.apply(vec![Change::Delete("1.1".parse().unwrap())]).unwrap();
    assert!(shelf.found("eczema", ANNE, &["1.1"]).is_empty());
}

#[test]
fn an_index_is_there_after_a_restart_and_one_that_is_broken_is_begun_again() {
    let Shelf { search, folder } = Shelf::new();
    let shelf = Shelf { search, folder };
    shelf.put("1.1", ANNE, "asthma");
    let second = Search::open(shelf.folder.path(), Synonyms::default());
    assert!(matches!(second.err(), Some(IndexError::Busy)), "two processes at once");
    let Shelf { search, folder } = shelf;
    assert!(search.index.fresh);
    drop(search);

    let again = Shelf { search: Search::open(folder.path(), Synonyms::default()).unwrap(), folder };
    assert!(!again.search.index.fresh);
    assert_eq!(again.found("asthma", ANNE, &["1.1"]), ["1.1"]);
    let Shelf { search, folder } = again;
    drop(search);
    std::fs::write(folder.path().join("v1/meta.json"), "{").unwrap();

    let begun = Shelf { search: Search::open(folder.path(), Synonyms::default()).unwrap(), folder };
    assert!(begun.search.index.fresh);
    assert!(begun.found("asthma", ANNE, &["1.1"]).is_empty());
}

#[test]
fn hits_show_where() {
    let shelf = Shelf::new();
    shelf.put("1.1", ANNE, "Known <script> asthma.");

    let hits = shelf.hits("asthma", ANNE, &["1.1"]);

    let parts = &hits[0].snippets[0].parts;
    let matched = parts.iter().any(|p| matches!(p, SnippetPart::Match(text) if text == "asthma"));
    let text = parts.iter().any(|p| matches!(p, SnippetPart::Text(t) if t.contains("<script>")));
    assert!(matched && text, "plain text, which whoever shows it escapes");
}
