//! Every document of the corpus that is well-formed gives its header.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;

use carerecord_clinical::{DocumentHeader, Kind, pdf_is_active, plain_text, render};
use carerecord_testkit::{corpus, files};
use carerecord_xml::{Limits, Tree};

#[test]
fn every_document_gives_a_header() {
    let Some(corpus) = corpus() else { return };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut reasons = Vec::new();
    let mut coded = 0;
    for path in files(&corpus.join("cda")).into_iter().chain(files(&corpus.join("fhir"))) {
        let bytes = std::fs::read(&path).unwrap();
        let kind = Kind::sniff(&bytes);
        let resource = matches!(kind, Kind::FhirResource { .. });
        let shown = if resource { "FHIR resource".to_owned() } else { format!("{kind:?}") };
        *counts.entry(shown).or_default() += 1;
        match DocumentHeader::read_as(&bytes, &kind) {
            Ok(header) => {
                complain(&header, &bytes, &path, &mut reasons);
                let rendered = render(&bytes, &kind);
                let is_nothing = rendered.sections.is_empty() && rendered.attachments.is_empty();
                if is_nothing {
                    println!("{}: {:?}", path.display(), rendered.notes);
                    *counts.entry("nothing to show".to_owned()).or_default() += 1;
                }
                let refused = rendered.notes.iter().any(|note| note.contains("cannot be shown"));
                if refused || (is_nothing && rendered.notes.is_empty()) {
                    reasons.push(format!("{}: {:?}", path.display(), rendered.notes));
                }
                coded += rendered.sections.iter().map(|s| s.entries.len()).sum::<usize>();
                plain_text(&bytes, &kind);
            }
            Err(error) if kind.has_header() => println!("{}: {error}", path.display()),
            Err(_) => {}
        }
    }

    println!("{counts:#?}, {coded} coded entries");
    assert!(coded > 4000, "{coded} coded entries");
    assert!(reasons.is_empty(), "{reasons:#?}");
    assert!(counts.get("Cda").is_some_and(|n| *n > 100), "the corpus holds CDA documents");
}

/// Says what the header lacks of what the document has. A FHIR document has everything.
/// What writers of PDF make is read, also with objects that are packed.
#[test]
fn no_pdf_is_taken_as_active() {
    let Some(corpus) = corpus() else { return };
    let (mut seen, mut packed) = (0, 0);
    for path in files(&corpus) {
        if path.extension().is_none_or(|ending| ending != "pdf") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(!pdf_is_active(&bytes), "{}", path.display());
        seen += 1;
        packed += usize::from(bytes.windows(6).any(|word| word == b"ObjStm"));
    }
    assert!(seen >= 5 && packed >= 2, "{seen} files, {packed} of them packed");
}

fn complain(header: &DocumentHeader, bytes: &[u8], path: &Path, reasons: &mut Vec<String>) {
    let text = carerecord_xml::to_utf8(bytes).unwrap_or_default();
    let tree = Tree::read(&text, Limits::document().lenient()).ok();
    let document = tree
        .as_ref()
        .and_then(|t| t.root().descendants().find(|e| e.local() == "ClinicalDocument"));
    let has = |path: &[&str], attribute: &str| {
        document.is_none_or(|d| d.at(path).is_some_and(|e| e.attr(attribute).is_some()))
    };
    let role = ["recordTarget", "patientRole"];
    let person = ["recordTarget", "patientRole", "patient"];
    let below = |name| document.and_then(|d| d.at(&person)?.child(name));
    let named = below("name").is_some_and(|n| !n.text().trim().is_empty());
    let birth_time = below("birthTime").and_then(|b| b.attr("value"));
    let born = birth_time.is_some_and(|b| b.len() >= 4 && b.bytes().all(|b| b.is_ascii_digit()));
    let patient = header.patient.as_ref();
    let time = document.map(|d| d.child("effectiveTime").and_then(|e| e.attr("value")));
    let timed = time.is_none_or(|t| t.is_some_and(|t| t.starts_with('2')));
    let name = patient.is_some_and(|p| p.name.is_some());
    let birth_date = patient.is_some_and(|p| p.birth_date.is_some());
    let checks = [
        ("id", header.unique_id().is_some(), has(&["id"], "root")),
        ("type", !header.types.is_empty(), has(&["code"], "code")),
        ("time", header.creation_time.is_some(), timed),
        ("patient", patient.is_some(), document.is_none_or(|d| d.at(&role).is_some())),
        ("name", name, named),
        ("birth date", birth_date, born),
    ];
    for (what, found, there) in checks {
        if there && !found {
            reasons.push(format!("{}: no {what}", path.display()));
        }
    }
}
