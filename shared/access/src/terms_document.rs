//! Whether a document is what a statement of the patient names.

use carerecord_model::{DocumentEntry, EntryUuid, components, unescape};

use crate::decide::{Sources, lowest, tags_within};
use crate::sensitivity::Handling;
use crate::terms::{created, served};
use crate::{Contact, ContactKind, Grain, Policy, Span};

/// A document, with what has been worked out about it.
#[derive(Clone, Copy)]
pub(crate) struct DocumentAsked<'a> {
    pub policy: &'a Policy,
    pub entry: &'a DocumentEntry,
    pub handling: &'a Handling,
    pub sources: &'a Sources,
}

impl DocumentAsked<'_> {
    /// Whether it is what the grain names; `doubt` where that is not known. Who doubts objects, and
    /// reads widely: what an organisation keeps or wrote, a label or any above. Who agrees reads
    /// narrowly: what it wrote, a label or any below.
    pub(crate) fn is(&self, grain: &Grain, doubt: bool) -> bool {
        let (entry, label) = (self.entry, self.handling.label);
        match grain {
            Grain::WholeRecord => true,
            // It is about who asks.
            Grain::Recipient(_) => false,
            Grain::Source(from) if doubt => self.sources.has(from),
            Grain::Source(from) => self.sources.authors.contains(from),
            Grain::Document(id) => entry.uuid() == Some(*id) || names_lineage(entry, *id),
            Grain::Class { .. } if entry.class_code.is_absent() => doubt,
            Grain::Class { code, scheme } => {
                entry.class_code.code == *code
                    && scheme.as_ref().is_none_or(|s| entry.class_code.scheme == *s)
            }
            // What has a label of no known kind may be above any.
            Grain::Label(from) if doubt => label.is_none_or(|label| label >= lowest(from)),
            Grain::Label(to) => label.is_some_and(|label| label <= lowest(to)),
            Grain::Tag(tag) => self.policy.tagged(entry, self.handling, &tags_within(tag)),
            Grain::Authored(span) => self.is_of(span, doubt),
            Grain::Related(contact) => is_of_contact(entry, contact, doubt),
        }
    }

    /// Whether it is of this time. An objection is to what was written in a part of it or is about
    /// care in a part of it; agreed is to what was written within, and not about care outside.
    pub(crate) fn is_of(&self, span: &Span, doubt: bool) -> bool {
        let about = served(self.entry).map(|served| span.overlaps(served));
        match created(self.entry) {
            None => doubt,
            Some(created) if doubt => span.overlaps(created) || about == Some(true),
            Some(created) => span.contains(created) && about != Some(false),
        }
    }
}

/// An objection to a document names one version; the logical id carries it over to later ones.
fn names_lineage(entry: &DocumentEntry, id: EntryUuid) -> bool {
    entry.logical_id.is_some_and(|logical| logical.uuid() == id.uuid())
}

/// What names no contact may be of any.
fn is_of_contact(entry: &DocumentEntry, contact: &Contact, doubt: bool) -> bool {
    let mut named = false;
    for reference in references(entry) {
        if contact.kind == ContactKind::Encounter && !reference.is_encounter {
            continue;
        }
        named = true;
        if reference.id == contact.id && reference.scheme == contact.scheme {
            return true;
        }
    }
    doubt && !named
}

/// What a document refers to.
pub(crate) struct Reference {
    pub id: String,
    /// The OID or URI of its assigning authority.
    pub scheme: Option<String>,
    pub is_encounter: bool,
}

/// The referenceIdList: CXi, `ID^^^authority^type`. ITI TF-3: 4.2.3.1.7.
pub(crate) fn references(entry: &DocumentEntry) -> impl Iterator<Item = Reference> + '_ {
    entry.reference_ids.iter().map(|cxi| {
        let parts = components(cxi, '^');
        let authority = parts.get(3).and_then(|authority| authority.split('&').nth(1));
        Reference {
            id: unescape(parts.first().copied().unwrap_or_default()),
            scheme: authority.filter(|scheme| !scheme.is_empty()).map(unescape),
            is_encounter: parts.get(4) == Some(&ENCOUNTER),
        }
    })
}

const ENCOUNTER: &str = "urn:ihe:iti:xds:2015:encounterId";
