//! Whether a document is what a statement of the patient names.

use carerecord_model::{DocumentEntry, EntryUuid, Oid, components, unescape};

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

/// How what a statement names is held against a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reading {
    /// Of who agrees, narrowly: what an organisation wrote, a label or any below. What is not known
    /// is not agreed to.
    Yes,
    /// Of who objects, widely: what an organisation keeps or wrote, a label or any above. What is not
    /// known is objected to.
    No,
    /// Of who objects, where nothing is left to be known.
    KnownNo,
}

impl DocumentAsked<'_> {
    /// Whether it is what the grain names.
    pub(crate) fn is(&self, grain: &Grain, reading: Reading) -> bool {
        let (entry, label) = (self.entry, self.handling.label);
        let (yes, doubt) = (reading == Reading::Yes, reading == Reading::No);
        match grain {
            Grain::WholeRecord => true,
            // It is about who asks.
            Grain::Recipient(_) => false,
            Grain::Source(from) if yes => self.sources.authors.contains(from),
            Grain::Source(from) => self.sources.has(from),
            Grain::Document(id) => entry.uuid() == Some(*id) || names_lineage(entry, *id),
            Grain::Class { .. } if entry.class_code.is_absent() => doubt,
            Grain::Class { code, scheme, schemes } => {
                let class = &entry.class_code;
                let known = !doubt && !schemes.is_empty();
                let in_scheme = match known {
                    true => schemes.contains(&class.scheme),
                    false => scheme.as_ref().is_none_or(|scheme| class.scheme == *scheme),
                };
                class.code == *code && in_scheme
            }
            Grain::Label(to) if yes => label.is_some_and(|label| label <= lowest(to)),
            // What has a label of no known kind may be above any.
            Grain::Label(from) => label.map_or(doubt, |label| label >= lowest(from)),
            Grain::Tag(tag) => self.policy.tagged(entry, self.handling, &tags_within(tag)),
            Grain::Authored(span) => self.is_of(span, reading),
            Grain::Related(contact) => is_of_contact(entry, contact, doubt),
        }
    }

    /// Whether it is of this time. An objection is to what was written in a part of it or is about
    /// care in a part of it; agreed is to what was written within, and not about care outside.
    pub(crate) fn is_of(&self, span: &Span, reading: Reading) -> bool {
        let (created, served) = (created(self.entry), served(self.entry));
        let within = |time| span.contains(time);
        let part = |time| span.overlaps(time);
        match reading {
            Reading::Yes => created.is_some_and(within) && served.is_none_or(part),
            Reading::No => created.is_none_or(part) || served.is_some_and(part),
            Reading::KnownNo => created.is_some_and(within) || served.is_some_and(within),
        }
    }
}

/// An objection to a document names one version; the logical id carries it over to later ones.
fn names_lineage(entry: &DocumentEntry, id: EntryUuid) -> bool {
    entry.logical_id.is_some_and(|logical| logical.uuid() == id.uuid())
}

/// Whether it is of the contact. In doubt what names none may be of any, and an identifier may be the
/// one that is meant unless its assigning authority says otherwise.
fn is_of_contact(entry: &DocumentEntry, contact: &Contact, doubt: bool) -> bool {
    let mut named = false;
    for reference in references(entry) {
        let of_kind = reference.is_of(contact.kind);
        named |= of_kind;
        let met = match doubt {
            true => (of_kind || reference.kind.is_none()) && reference.may_be(contact),
            false => of_kind && reference.is(contact),
        };
        if met {
            return true;
        }
    }
    doubt && !named
}

/// What a document refers to.
pub(crate) struct Reference {
    pub id: String,
    /// The OID or URI of its assigning authority; of one that has a name only, that, which is none.
    pub scheme: Option<String>,
    /// Where it is said.
    pub kind: Option<ReferenceKind>,
}

/// What kind of thing a document refers to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReferenceKind {
    Encounter,
    /// An order, an accession, a study or another that IHE has a type for: no plan or episode.
    OfIhe,
    /// Of a type of the source's own.
    Local,
}

impl Reference {
    /// Whether it names a contact of the kind. For plans and episodes there is no type of IHE's; what
    /// is published by FHIR names them without one.
    pub(crate) fn is_of(&self, kind: ContactKind) -> bool {
        match kind {
            ContactKind::Encounter => self.kind == Some(ReferenceKind::Encounter),
            ContactKind::CarePlan | ContactKind::EpisodeOfCare => {
                matches!(self.kind, None | Some(ReferenceKind::Local))
            }
        }
    }

    fn is(&self, contact: &Contact) -> bool {
        self.id == contact.id && contact.schemes().any(|scheme| scheme == self.scheme.as_deref())
    }

    /// Two OIDs that are not of one system tell two identifiers apart; nothing else does.
    fn may_be(&self, contact: &Contact) -> bool {
        let placed = is_placed(self.scheme.as_deref()) && contact.schemes().any(is_placed);
        self.is(contact) || self.id == contact.id && !placed
    }
}

/// Whether a scheme is an OID.
pub(crate) fn is_placed(scheme: Option<&str>) -> bool {
    scheme.is_some_and(|scheme| scheme.parse::<Oid>().is_ok())
}

/// The referenceIdList: CXi, `ID^^^authority^type`. ITI TF-3: 4.2.3.1.7.
pub(crate) fn references(entry: &DocumentEntry) -> impl Iterator<Item = Reference> + '_ {
    let all = entry.reference_ids.iter().map(|cxi| {
        let parts = components(cxi, '^');
        let part = |n: usize| parts.get(n).copied().unwrap_or_default();
        let authority = part(3);
        let scheme = match authority.split('&').nth(1) {
            Some(scheme) if !scheme.is_empty() => Some(unescape(scheme)),
            _ if authority.is_empty() => None,
            _ => Some(format!("{authority}&")),
        };
        let kind = match part(4) {
            "" => None,
            ENCOUNTER => Some(ReferenceKind::Encounter),
            kind if kind.starts_with(OF_IHE) => Some(ReferenceKind::OfIhe),
            _ => Some(ReferenceKind::Local),
        };
        Reference { id: unescape(part(0)), scheme, kind }
    });
    all.filter(|reference| !reference.id.is_empty())
}

const ENCOUNTER: &str = "urn:ihe:iti:xds:2015:encounterId";
const OF_IHE: &str = "urn:ihe:";
