//! What the policies of `engine.rs` look at of a patient's statements with limits and exceptions.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::decide::{lowest, tags_within};
use crate::engine_facts::{instant, label, uid};
use crate::policy::Label;
use crate::terms::Part;
use crate::terms_document::is_placed;
use crate::{
    ConsentRecord, ContactKind, Grain, Provision, Purpose, Span, Term, TermPurpose, Terms,
};

/// The terms of a statement, where Cedar is asked about them.
pub(crate) fn terms(statement: &ConsentRecord) -> Option<Cow<'_, Terms>> {
    let asked = matches!(
        statement.provision,
        Provision::Terms(_) | Provision::Objection(Grain::Authored(_) | Grain::Related(_))
    );
    asked.then(|| statement.provision.terms())
}

/// A part of terms, as far as it has to apply.
pub(crate) fn provision(terms: &Terms, part: Part) -> Value {
    let everybody = Term::default();
    let term = match part {
        Part::Root | Part::Audience | Part::Matter => &terms.root,
        Part::Exception(n) => &terms.exceptions[n],
    };
    let audience = terms.audience(if part == Part::Matter { &everybody } else { term });
    let purposes = audience.purposes.iter().map(|purpose| match purpose {
        TermPurpose::DirectCare => Purpose::DirectCare.code(),
        TermPurpose::BreakGlass => "break-glass",
    });
    let doubts = !term.permits && part != Part::Matter;
    let about = (part != Part::Audience).then(|| about(term, doubts));
    json!({
        "permits": term.permits,
        "doubts": doubts,
        "applies": term.applies.map(span),
        "recipients": audience.recipients,
        "purposes": purposes.collect::<Vec<_>>(),
        "about": about.flatten(),
    })
}

/// The limits of a term about documents; nothing where it has none.
fn about(term: &Term, doubts: bool) -> Option<Value> {
    let (mut sources, mut documents) = (Vec::new(), Vec::new());
    let (mut encounters, mut plans) = (Names::default(), Names::default());
    for grain in &term.data {
        match grain {
            Grain::Source(from) => sources.push(from),
            Grain::Document(id) => documents.push(id.uuid()),
            Grain::Related(contact) => {
                let names = match contact.kind {
                    ContactKind::Encounter => &mut encounters,
                    ContactKind::CarePlan | ContactKind::EpisodeOfCare => &mut plans,
                };
                names.add(&contact.id, contact.schemes());
            }
            Grain::WholeRecord
            | Grain::Recipient(_)
            | Grain::Class { .. }
            | Grain::Label(_)
            | Grain::Tag(_)
            | Grain::Authored(_) => {}
        }
    }
    let data = (!term.data.is_empty()).then(|| {
        json!({
            "sources": sources,
            "documents": documents,
            "encounters": encounters.value(),
            "plans": plans.value(),
        })
    });
    let authored = term.authored.map(span);
    let (classes, labels) = (classes(&term.classes, doubts), labels(term));
    let limits = [&authored, &data, &classes, &labels];
    limits.iter().any(|limit| limit.is_some()).then(
        || json!({ "authored": authored, "data": data, "classes": classes, "labels": labels }),
    )
}

/// A yes is to the schemes that are meant, a no whichever it is.
fn classes(all: &[Grain], doubts: bool) -> Option<Value> {
    let (mut any, mut in_scheme) = (Vec::new(), Vec::new());
    for grain in all {
        match grain {
            Grain::Class { code, schemes, .. } if !doubts && !schemes.is_empty() => {
                let of = |scheme: &String| json!({ "code": code, "scheme": scheme });
                in_scheme.extend(schemes.iter().map(of));
            }
            Grain::Class { code, scheme: Some(scheme), .. } => {
                in_scheme.push(json!({ "code": code, "scheme": scheme }));
            }
            Grain::Class { code, scheme: None, .. } => any.push(code),
            Grain::WholeRecord
            | Grain::Recipient(_)
            | Grain::Source(_)
            | Grain::Document(_)
            | Grain::Label(_)
            | Grain::Tag(_)
            | Grain::Authored(_)
            | Grain::Related(_) => {}
        }
    }
    (!all.is_empty()).then(|| json!({ "any": any, "inScheme": in_scheme }))
}

/// Of several labels the one that covers most: of a yes the highest, of a no the lowest.
fn labels(term: &Term) -> Option<Value> {
    let (mut known, mut tags): (Vec<Label>, Vec<Value>) = (Vec::new(), Vec::new());
    for grain in &term.labels {
        match grain {
            Grain::Label(code) => known.push(lowest(code)),
            Grain::Tag(tag) => tags.extend(tags_within(tag).iter().map(|tag| uid("Tag", tag))),
            Grain::WholeRecord
            | Grain::Recipient(_)
            | Grain::Source(_)
            | Grain::Document(_)
            | Grain::Class { .. }
            | Grain::Authored(_)
            | Grain::Related(_) => {}
        }
    }
    let widest = if term.permits { known.iter().max() } else { known.iter().min() };
    let widest = widest.map(|widest| label(*widest));
    (!term.labels.is_empty()).then(|| json!({ "widest": widest, "tags": tags }))
}

fn span(span: Span) -> Value {
    times((span.from.unwrap_or(Timestamp::MIN), span.until.unwrap_or(Timestamp::MAX)))
}

pub(crate) fn times((from, until): (Timestamp, Timestamp)) -> Value {
    json!({ "from": instant(from), "until": instant(until) })
}

/// Identifiers: with what each is unique in, without it, and those of which that is no OID.
#[derive(Default)]
pub(crate) struct Names {
    named: Vec<Value>,
    ids: Vec<String>,
    unplaced: Vec<String>,
}

impl Names {
    pub(crate) fn add<'s>(&mut self, id: &str, schemes: impl Iterator<Item = Option<&'s str>>) {
        let mut placed = false;
        for scheme in schemes {
            placed |= is_placed(scheme);
            self.named.push(json!({ "id": id, "scheme": scheme.unwrap_or_default() }));
        }
        self.ids.push(id.to_owned());
        if !placed {
            self.unplaced.push(id.to_owned());
        }
    }

    pub(crate) fn value(self) -> Value {
        json!({ "named": self.named, "ids": self.ids, "unplaced": self.unplaced })
    }
}
