//! Which statements are one element.

use std::collections::HashMap;

use carerecord_model::DataElement;

use super::{Decomposed, Element, Statement};

/// Puts statements together that are one: with the same ids, given by their source, and the same
/// content. Anything else stays apart, however alike it looks. Newest first.
pub(super) fn merged(documents: &[Decomposed], mut statements: Vec<Statement>) -> Vec<Element> {
    // Whatever the nodes' order: of several documents the same one gives the id.
    statements.sort_by_key(|s| (documents.get(s.document).map(|d| d.id), s.place));
    let mut elements: Vec<Element> = Vec::new();
    let mut by_content: HashMap<String, usize> = HashMap::new();
    for Statement { document, place, mut element } in statements {
        let Some(from) = documents.get(document) else { continue };
        let section = element.section.take();
        let known = content(&element).map(|content| {
            let next = elements.len();
            *by_content.entry(content).or_insert(next)
        });
        if let Some(same) = known.and_then(|at| elements.get_mut(at)) {
            if !same.sources.iter().any(|(d, s)| *d == document && *s == section) {
                same.sources.push((document, section));
            }
            continue;
        }
        let id = format!("{}-{place}", from.id.uuid().simple());
        elements.push(Element { id, element, sources: vec![(document, section)] });
    }
    elements.sort_by_key(|element| std::cmp::Reverse(time(element)));
    elements
}

/// What makes two statements one; `None` for one that its source gives no id.
fn content(element: &DataElement) -> Option<String> {
    if element.identifiers.is_empty() {
        return None;
    }
    // What a label adds is decided already; another label is another statement.
    serde_json::to_string(element).ok()
}

/// The time that an element is sorted by.
fn time(element: &Element) -> Option<String> {
    let element = &element.element;
    let times = [&element.start, &element.recorded, &element.end];
    times.into_iter().flatten().next().map(carerecord_model::Dtm::earliest)
}
