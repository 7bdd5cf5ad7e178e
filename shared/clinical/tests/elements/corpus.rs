//! Every document of the corpus.

use std::collections::BTreeMap;
use std::path::Path;

use carerecord_clinical::{Elements, Kind, data_elements, render};
use carerecord_model::{DataElement, ElementKind};
use carerecord_testkit::{corpus, files};
use carerecord_xml::{Limits, Tree};
use serde_json::Value;

use crate::paths::{Counts, cda_counts, fhir_counts};

/// In every CDA document of the corpus as many as these paths find, each in the section that they
/// find it in.
#[test]
fn cda_documents_give_what_paths_count() {
    let Some(corpus) = corpus() else { return };
    let all = compare(&corpus.join("cda"), |bytes| {
        let text = carerecord_xml::to_utf8(bytes).unwrap();
        let tree = Tree::read(&text, Limits::document().lenient()).unwrap();
        let document = tree.root().descendants().find(|e| e.local() == "ClinicalDocument");
        Some(cda_counts(document.unwrap()))
    });
    for name in ["allergy", "problem", "medication", "immunization"] {
        assert!(all.get(name).is_some_and(|count| *count > 100), "{name}: {all:?}");
    }
}

/// The same of FHIR documents.
#[test]
fn fhir_documents_give_what_paths_count() {
    let Some(corpus) = corpus() else { return };
    let all = compare(&corpus.join("fhir"), |bytes| {
        serde_json::from_slice::<Value>(bytes).ok().as_ref().map(fhir_counts)
    });
    for (name, least) in [("allergy", 40), ("problem", 100), ("medication", 100)] {
        assert!(all.get(name).is_some_and(|count| *count > least), "{name}: {all:?}");
    }
}

/// Holds what is taken out of the documents of a folder against what paths count, where they count;
/// how many elements of each kind there were.
fn compare(
    folder: &Path,
    by_paths: impl Fn(&[u8]) -> Option<Counts>,
) -> BTreeMap<&'static str, usize> {
    let (mut wrong, mut all) = (Vec::new(), BTreeMap::new());
    for path in files(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let kind = Kind::sniff(&bytes);
        let Ok(found) = data_elements(&bytes, &kind) else { continue };
        let counted = counts(&found);
        if let Some(expected) = by_paths(&bytes)
            && expected != counted
        {
            wrong.push(format!("{}: paths {expected:?}, taken {counted:?}", path.display()));
        }
        for ((name, _), count) in counted {
            *all.entry(name).or_default() += count;
        }
        check_sections(&found, &bytes, &kind, &path, &mut wrong);
    }
    println!("{all:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    all
}

fn counts(found: &Elements) -> Counts {
    let mut counts = Counts::new();
    for element in &found.elements {
        let name = match element.kind {
            ElementKind::AllergyIntolerance => "allergy",
            ElementKind::Condition => "problem",
            ElementKind::MedicationStatement | ElementKind::MedicationRequest => "medication",
            ElementKind::Immunization => "immunization",
            ElementKind::Observation | ElementKind::Encounter => continue,
        };
        let place = element.section.as_ref().map(|section| section.place);
        *counts.entry((name, place)).or_default() += 1;
    }
    counts
}

/// The place that an element names is the section of that title and code in the view of the
/// document, and one that is for its kind.
fn check_sections(
    found: &Elements,
    bytes: &[u8],
    kind: &Kind,
    path: &Path,
    wrong: &mut Vec<String>,
) {
    let shown = render(bytes, kind);
    for element in &found.elements {
        let Some(section) = &element.section else { continue };
        let Some(there) = shown.sections.get(section.place) else {
            wrong.push(format!("{}: no section {}", path.display(), section.place));
            continue;
        };
        let code = section.code.as_ref().map(|code| code.code.as_str());
        let named = section.title.as_ref().is_none_or(|title| *title == there.title);
        if !named || code != there.code.as_ref().map(|code| code.code.as_str()) {
            wrong.push(format!("{}: section {} is another", path.display(), section.place));
        }
        if let Some(code) = code
            && !fits(element.kind, code)
        {
            wrong.push(format!("{}: {:?} in {code}", path.display(), element.kind));
        }
    }
}

/// Which kinds sections of the usual LOINC codes can hold.
fn fits(kind: ElementKind, code: &str) -> bool {
    match code {
        "48765-2" => kind == ElementKind::AllergyIntolerance,
        "11450-4" | "11348-0" => kind == ElementKind::Condition,
        "11369-6" => kind == ElementKind::Immunization,
        "8716-3" | "30954-2" => kind == ElementKind::Observation,
        "46240-8" => kind == ElementKind::Encounter,
        "10160-0" => {
            matches!(kind, ElementKind::MedicationStatement | ElementKind::MedicationRequest)
        }
        _ => true,
    }
}

/// Every element that is there says what it is about.
#[test]
fn nothing_is_without_words() {
    let Some(corpus) = corpus() else { return };
    let mut silent = 0;
    for path in files(&corpus.join("cda")).into_iter().chain(files(&corpus.join("fhir"))) {
        let bytes = std::fs::read(&path).unwrap();
        let Ok(found) = data_elements(&bytes, &Kind::sniff(&bytes)) else { continue };
        let is_silent = |e: &&DataElement| e.concept.words().is_none() && e.start.is_none();
        silent += found.elements.iter().filter(is_silent).count();
    }
    assert_eq!(silent, 0);
}
