//! Statements with several limits and with exceptions. PCF: 3; consent: 6.3.
//!
//! Within one term all limits must be met, each by one of its values. An exception goes before the
//! root; of several that apply the one with most limits counts, of two with as many the no. An
//! exception for overrides goes before every other while the person has overridden.
//!
//! What is not known of a document is read against sharing it: a yes does not cover it, a no does.

use std::borrow::Cow;
use std::cmp::Reverse;

use carerecord_model::{DocumentEntry, OrganisationCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::terms_document::{DocumentAsked, Reading};
use crate::{Grain, Provision, Purpose, Rule};

/// A rule with exceptions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// What holds where no exception does. A yes shares what it covers and nothing else.
    pub root: Term,
    /// Exceptions; they have none of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Term>,
}

/// A yes or a no, and to what. A list that is empty limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Term {
    /// Whether it is a yes.
    pub permits: bool,
    /// When an exception applies; of a root the record says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applies: Option<Span>,
    /// Towards these organisations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<OrganisationCode>,
    /// For one of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<TermPurpose>,
    /// Documents of this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authored: Option<Span>,
    /// Documents, sources or contacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Grain>,
    /// Classes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Grain>,
    /// Labels and handling tags. A yes to a label is one to those below, a no to those above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Grain>,
}

/// A time; both ends are in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The first instant; `None` is always.
    pub from: Option<Timestamp>,
    /// The last instant; `None` is without end.
    pub until: Option<Timestamp>,
}

/// What a term can be for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermPurpose {
    /// Care of this patient.
    DirectCare,
    /// Care by somebody who has overridden what stands against it.
    BreakGlass,
}

/// Who asks, and about what.
#[derive(Clone, Copy)]
pub(crate) struct TermQuestion<'a> {
    pub organisation: &'a OrganisationCode,
    pub purpose: Purpose,
    pub overridden: bool,
    pub now: Timestamp,
    /// `None` is the record as a whole.
    pub document: Option<DocumentAsked<'a>>,
}

/// A part of terms that can apply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Root,
    /// The root, whatever it is about: towards whom and for what.
    Audience,
    /// The root, whoever asks: what it is known to be about.
    Matter,
    Exception(usize),
}

/// What terms say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Says {
    /// They are about other people, other uses or other documents.
    Nothing,
    Yes,
    /// `firm`: not even to somebody who has overridden.
    No {
        rule: Rule,
        firm: bool,
    },
}

impl Provision {
    /// What it says, as terms.
    pub fn terms(&self) -> Cow<'_, Terms> {
        match self {
            Self::Terms(terms) => Cow::Borrowed(terms.as_ref()),
            Self::Objection(grain) => Cow::Owned(Terms::objection(grain)),
            Self::Permission { recipient } => {
                let recipients = recipient.iter().cloned().collect();
                let root = Term { permits: true, recipients, ..Term::default() };
                Cow::Owned(Terms { root, exceptions: Vec::new() })
            }
        }
    }
}

/// In the simplest form that says the same.
impl From<Terms> for Provision {
    fn from(terms: Terms) -> Self {
        let root = &terms.root;
        if !terms.exceptions.is_empty() || !root.purposes.is_empty() {
            return Self::Terms(Box::new(terms));
        }
        let mut grains: Vec<Grain> =
            root.recipients.iter().cloned().map(Grain::Recipient).collect();
        grains.extend(root.authored.map(Grain::Authored));
        grains.extend(root.grains().cloned());
        match (root.permits, grains.pop()) {
            (_, Some(_)) if !grains.is_empty() => Self::Terms(Box::new(terms)),
            (true, None) => Self::Permission { recipient: None },
            (true, Some(Grain::Recipient(to))) => Self::Permission { recipient: Some(to) },
            (true, Some(_)) => Self::Terms(Box::new(terms)),
            (false, grain) => Self::Objection(grain.unwrap_or(Grain::WholeRecord)),
        }
    }
}

impl Terms {
    /// An objection without exceptions.
    fn objection(grain: &Grain) -> Self {
        let mut root = Term::default();
        match grain {
            Grain::WholeRecord => {}
            Grain::Recipient(to) => root.recipients.push(to.clone()),
            Grain::Source(_) | Grain::Document(_) | Grain::Related(_) => {
                root.data.push(grain.clone());
            }
            Grain::Class { .. } => root.classes.push(grain.clone()),
            Grain::Label(_) | Grain::Tag(_) => root.labels.push(grain.clone()),
            Grain::Authored(span) => root.authored = Some(*span),
        }
        Self { root, exceptions: Vec::new() }
    }

    /// What they say to a question.
    pub(crate) fn says(&self, question: &TermQuestion<'_>) -> Says {
        let applies = |part| match part {
            Part::Root => self.root.is_towards(question) && self.root.covers(question),
            Part::Audience => self.root.is_towards(question),
            Part::Matter => {
                question.document.is_some_and(|asked| self.root.is_about(asked, Reading::KnownNo))
            }
            Part::Exception(n) => {
                let term = &self.exceptions[n];
                term.is_in_force(question.now)
                    && self.audience(term).is_towards(question)
                    && term.covers(question)
            }
        };
        self.settle(question.document.is_some(), question.overridden, applies)
    }

    /// What they say, by which parts apply. Of the record as a whole any yes is a yes: there may be
    /// documents that it covers. A yes within a no opens what that closes; of other documents it
    /// says nothing. A no is firm by any that applies, and not only by the one that counts.
    pub(crate) fn settle(
        &self,
        of_document: bool,
        overridden: bool,
        applies: impl Fn(Part) -> bool,
    ) -> Says {
        let wins =
            |term: &Term| term.permits && (!of_document || overridden && term.is_for_overrides());
        let rank = |term: &Term| (wins(term), term.limits(), !term.permits, Reverse(term.rule()));
        let exceptions = self.exceptions.iter().enumerate();
        let exceptions = exceptions.filter(|(n, _)| applies(Part::Exception(*n)));
        let exceptions = exceptions.map(|(_, term)| term);
        let root = || applies(Part::Root).then_some(&self.root);
        match exceptions.clone().max_by_key(|term| rank(term)).or_else(root) {
            Some(yes) if yes.permits => {
                let agreed = self.root.permits || !of_document || applies(Part::Matter);
                if agreed { Says::Yes } else { Says::Nothing }
            }
            Some(no) => {
                let firm = |term: &Term| !term.permits && term.is_for_overrides();
                Says::No { rule: no.rule(), firm: exceptions.chain(root()).any(firm) }
            }
            None if self.root.permits && applies(Part::Audience) => {
                Says::No { rule: Rule::ConsentLimits, firm: false }
            }
            None => Says::Nothing,
        }
    }

    /// Whom an exception is about. A yes that does not say it goes no further than the root; a no
    /// that does not say it is towards everybody.
    pub(crate) fn audience<'t>(&'t self, term: &'t Term) -> Audience<'t> {
        let root = if term.permits { &self.root } else { term };
        let of = |own: bool| if own { term } else { root };
        Audience {
            recipients: &of(!term.recipients.is_empty()).recipients,
            purposes: &of(!term.purposes.is_empty()).purposes,
        }
    }
}

/// Towards whom, and for what.
pub(crate) struct Audience<'t> {
    pub recipients: &'t [OrganisationCode],
    pub purposes: &'t [TermPurpose],
}

impl Audience<'_> {
    fn is_towards(&self, question: &TermQuestion<'_>) -> bool {
        let claimed = |purpose: &TermPurpose| match purpose {
            TermPurpose::DirectCare => question.purpose == Purpose::DirectCare,
            TermPurpose::BreakGlass => question.overridden,
        };
        (self.recipients.is_empty() || self.recipients.contains(question.organisation))
            && (self.purposes.is_empty() || self.purposes.iter().any(claimed))
    }
}

impl Term {
    fn is_towards(&self, question: &TermQuestion<'_>) -> bool {
        Audience { recipients: &self.recipients, purposes: &self.purposes }.is_towards(question)
    }

    fn is_in_force(&self, now: Timestamp) -> bool {
        self.applies.is_none_or(|span| span.has(now))
    }

    /// Whether it is about the document; of a record, whether it can be about any of it (a yes), or is
    /// about all of it (a no).
    fn covers(&self, question: &TermQuestion<'_>) -> bool {
        match question.document {
            Some(document) if self.permits => self.is_about(document, Reading::Yes),
            Some(document) => self.is_about(document, Reading::No),
            None => self.permits || !self.limits_documents(),
        }
    }

    fn is_about(&self, document: DocumentAsked<'_>, reading: Reading) -> bool {
        let meets = |grains: &[Grain]| {
            grains.is_empty() || grains.iter().any(|grain| document.is(grain, reading))
        };
        self.authored.is_none_or(|span| document.is_of(&span, reading))
            && meets(&self.data)
            && meets(&self.classes)
            && meets(&self.labels)
    }

    fn limits_documents(&self) -> bool {
        self.authored.is_some() || self.grains().next().is_some()
    }

    fn grains(&self) -> impl Iterator<Item = &Grain> {
        self.data.iter().chain(&self.classes).chain(&self.labels)
    }

    /// How many limits it has.
    fn limits(&self) -> usize {
        let limits = [
            !self.recipients.is_empty(),
            !self.purposes.is_empty(),
            self.authored.is_some(),
            !self.data.is_empty(),
            !self.classes.is_empty(),
            !self.labels.is_empty(),
        ];
        limits.into_iter().filter(|limit| *limit).count()
    }

    fn is_for_overrides(&self) -> bool {
        self.purposes.contains(&TermPurpose::BreakGlass)
    }

    /// The rule that it tells as a no.
    fn rule(&self) -> Rule {
        let period = self.authored.map(|_| Rule::ObjectionPeriod);
        let mut all = period.into_iter().chain(self.grains().map(Grain::rule));
        match all.next() {
            None if self.recipients.is_empty() => Rule::ObjectionWholeRecord,
            None => Rule::ObjectionRecipient,
            Some(rule) if all.all(|other| other == rule) => rule,
            Some(_) => Rule::ObjectionTerms,
        }
    }
}

impl Span {
    pub(crate) fn has(&self, instant: Timestamp) -> bool {
        self.contains((instant, instant))
    }

    pub(crate) fn contains(&self, (first, last): (Timestamp, Timestamp)) -> bool {
        self.from.is_none_or(|from| from <= first) && self.until.is_none_or(|until| last <= until)
    }

    pub(crate) fn overlaps(&self, (first, last): (Timestamp, Timestamp)) -> bool {
        self.from.is_none_or(|from| from <= last) && self.until.is_none_or(|until| first <= until)
    }
}

/// When a document was written.
pub(crate) fn created(entry: &DocumentEntry) -> Option<(Timestamp, Timestamp)> {
    entry.creation_time.as_ref().map(|time| (time.instant(), time.last_instant()))
}

/// When the care was that a document is about: of two times of which one is not given, the other.
pub(crate) fn served(entry: &DocumentEntry) -> Option<(Timestamp, Timestamp)> {
    let first = entry.service_start_time.as_ref().or(entry.service_stop_time.as_ref())?;
    let last = entry.service_stop_time.as_ref().unwrap_or(first);
    Some((first.instant(), last.last_instant()))
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
