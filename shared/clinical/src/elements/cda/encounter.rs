use carerecord_model::ElementKind;
use carerecord_xml::ElementRef;

use super::values::status;
use super::{Within, is_event, is_negated, is_null};
use crate::elements::Found;

impl<'d> Within<'_, 'd> {
    /// The encounter of an entry. What was planned or did not happen is none.
    pub(super) fn encounters(&self, statement: ElementRef<'d>, found: &mut Found) {
        if statement.local() != "encounter" {
            return;
        }
        if is_null(statement) || !is_event(statement) || is_negated(statement) {
            return found.leave_out();
        }
        let mut concept =
            statement.child("code").map(|code| self.texts.concept(code)).unwrap_or_default();
        if concept.is_empty() {
            concept.text = statement.child("text").and_then(|text| self.texts.words(text));
        }
        let mut element = self.element(ElementKind::Encounter, statement, concept);
        if element.concept.is_empty() && element.start.is_none() && element.end.is_none() {
            return found.leave_out();
        }
        element.status = match status(statement) {
            Some("completed") => Some("finished".to_owned()),
            Some("active") => Some("in-progress".to_owned()),
            Some("cancelled" | "aborted") => Some("cancelled".to_owned()),
            Some("nullified") => Some("entered-in-error".to_owned()),
            Some(_) | None => None,
        };
        found.add(element);
    }
}
