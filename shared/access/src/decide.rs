//! The order of the decision. The first rule that denies wins. What it means stands in
//! `policy/order.cedar`; this is the same, made fast, and `engine_tests.rs` holds one against the
//! other.
//!
//! 1. Session: is the sign-in strong enough, and is the role known?
//! 2. Purpose: is it allowed for the role, or for the system's rights? An assertion must say the same,
//!    and may be about one patient only.
//!    Of documents: what a sensitivity rule withholds is nobody's to see.
//! 3. Agreement: does one in force today link source to recipient for this data and purpose?
//! 4. Objection: whole record, recipient, source, document, class, label, time, contact; several limits
//!    together; what a limited yes leaves out (`terms.rs`).
//! 5. Consent model of the user's group: implied, or explicit with a permission in force.
//! 6. Legitimate relationship, where the user's group needs one: in force, of a kind that counts.
//! 7. Confidentiality label against role: the one in force, under the sensitivity rules.
//! 8. Age and proxy rules, for citizens: `citizen.rs`.
//!
//! What steps 4 to 7 deny, a person may have opened by an override (`overrides.rs`), where the
//! policy lets that rule be overridden; the other steps hold all the same.
//!
//! Steps 1 and 2 are about the caller alone; steps 3 to 7 are asked for each document. An
//! organisation needs no agreement for documents of its own node, but objections, consent and
//! labels hold there as well: whoever is the record's keeper sees it in their own systems.

use carerecord_model::{DocumentEntry, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::agreement::{Flow, SharingAgreement};
use crate::consent_model::{Basis, ConsentModel};
use crate::policy::Label;
use crate::relationship_rules::relied_upon;
use crate::sensitivity::Handling;
use crate::terms::{Says, TermQuestion};
use crate::terms_document::{DocumentAsked, Reading};
use crate::{
    AssertedPatient, Caller, CitizenCaller, ConsentRecord, Decision, Grain, Override, Policy,
    Provision, Purpose, Relationship, Right, Rule, UserCaller,
};

/// What is asked, with the facts.
pub(crate) struct Question<'a> {
    pub policy: &'a Policy,
    pub caller: &'a Caller,
    pub purpose: Purpose,
    pub patient: NhsNumber,
    pub records: &'a [ConsentRecord],
    /// Who cares for the patient; looked at only where one must.
    pub relationships: &'a [Relationship],
    /// What the caller has opened of this record.
    pub opened: Option<&'a Override>,
    pub now: Timestamp,
}

/// What stands against an answer; `firm` where no override opens it.
struct Against {
    decision: Decision,
    firm: bool,
}

/// What each statement with terms says.
type Said<'a> = Vec<(&'a ConsentRecord, Says)>;

/// Steps 1 and 2. `Ok(Some)` ends the decision with a yes, `Ok(None)` goes on to the documents.
pub(crate) fn caller_may_ask(
    policy: &Policy,
    caller: &Caller,
    purpose: Purpose,
    right: Right,
) -> Result<Option<Decision>, Decision> {
    match caller {
        Caller::User(user) => {
            asserted_may_ask(user, purpose, right)?;
            user_may_ask(policy, user, purpose).map(|()| None)
        }
        Caller::System(_) if caller.has_right(Right::Delegate) => {
            Ok(Some(Decision::permit(Rule::Delegated)))
        }
        Caller::System(_) if caller.has_right(right) => Ok(None),
        Caller::System(system) => {
            Err(Decision::deny(Rule::PurposeNotAllowed).on(format!("system {}", system.name)))
        }
        Caller::Citizen(citizen) => citizen_may_ask(policy, citizen, purpose, right).map(|()| None),
    }
}

/// A citizen reads, for themself or somebody in their care, and has shown who they are.
fn citizen_may_ask(
    policy: &Policy,
    citizen: &CitizenCaller,
    purpose: Purpose,
    right: Right,
) -> Result<(), Decision> {
    let reads = matches!(right, Right::Query | Right::Retrieve);
    let Some(rules) = policy.citizens.as_ref().filter(|_| reads) else {
        return Err(Decision::deny(Rule::PurposeNotAllowed));
    };
    if purpose != Purpose::PatientAccess {
        return Err(Decision::deny(Rule::PurposeNotAllowed));
    }
    let proven = citizen.citizen().is_some_and(|citizen| rules.are_proven_by(citizen.proofing));
    if proven { Ok(()) } else { Err(Decision::deny(Rule::CitizenProofing)) }
}

/// Of a person who came by an assertion: the system that brought it must have the right itself, and
/// the purpose must be the one that is asserted.
fn asserted_may_ask(user: &UserCaller, purpose: Purpose, right: Right) -> Result<(), Decision> {
    let Some(asserted) = &user.asserted else { return Ok(()) };
    let rights = &asserted.system.rights;
    if !rights.contains(&right) && !rights.contains(&Right::Delegate) {
        let system = format!("system {}", asserted.system.name);
        return Err(Decision::deny(Rule::PurposeNotAllowed).on(system));
    }
    if asserted.purpose != Some(purpose) {
        return Err(Decision::deny(Rule::PurposeNotAllowed).on("the purpose that is asserted"));
    }
    Ok(())
}

/// Whether the patient is the one that an assertion speaks of, if it speaks of one.
pub(crate) fn may_concern(caller: &Caller, patient: Option<NhsNumber>) -> Result<(), Decision> {
    let about = caller.asserted().map_or(AssertedPatient::Any, |a| a.patient);
    if about.is(patient) { Ok(()) } else { Err(Decision::deny(Rule::OtherPatient)) }
}

fn user_may_ask(policy: &Policy, user: &UserCaller, purpose: Purpose) -> Result<(), Decision> {
    if user.assurance < policy.minimum_assurance {
        return Err(Decision::deny(Rule::AssuranceTooLow));
    }
    let Some(role) = policy.role(&user.role) else {
        return Err(Decision::deny(Rule::RoleUnknown).on(format!("role {}", user.role)));
    };
    if !role.purposes.contains(&purpose) {
        return Err(Decision::deny(Rule::PurposeNotAllowed).on(format!("role {}", user.role)));
    }
    Ok(())
}

impl Question<'_> {
    /// Steps 3 to 7 for one document, which is to be handled so.
    pub(crate) fn decide(&self, entry: &DocumentEntry, handling: &Handling) -> Decision {
        if let Err(deny) = may_concern(self.caller, Some(self.patient)) {
            return deny;
        }
        if self.policy.withholds(handling) {
            return Decision::deny(Rule::Withheld).on_all(self.policy.named(handling));
        }
        let sources = Sources::of(self.policy, entry);
        let permit = match self.agreement(entry, handling, &sources) {
            Ok(permit) => permit,
            Err(deny) => return deny,
        };
        let document = DocumentAsked { policy: self.policy, entry, handling, sources: &sources };
        let said = self.said(Some(document), false);
        let (model, missing) = match self.consent_model(&said) {
            Ok(name) => (Some(name), None),
            Err(deny) => (None, Some(deny)),
        };
        let (relationship, unrelated) = match self.relationship() {
            Ok(named) => (named, None),
            Err(deny) => (None, Some(deny)),
        };
        let against = |said: &Said<'_>, missing: Option<Decision>| -> Vec<Against> {
            let plain = self.objections_to_record().chain(self.objections_to_document(document));
            let plain = plain.chain(missing).chain(unrelated.clone()).chain(self.label(handling));
            plain.map(Against::plain).chain(refused(said)).collect()
        };
        let calm = against(&said, missing);
        let permit = permit.on_all(model).on_all(relationship);
        let permit = permit.on_all(self.policy.named(handling));
        if calm.is_empty() {
            return permit;
        }
        let Some(opened) = self.opened else { return first(calm) };
        let said = self.said(Some(document), true);
        let missing = self.consent_model(&said).err();
        let mut standing = against(&said, missing);
        standing.retain(|against| !self.opens(against, handling.label));
        if standing.is_empty() { overridden(opened, &permit, &calm) } else { first(standing) }
    }

    /// Steps 4 to 6 for the record as a whole: what is known before any document is looked at.
    /// Before them, whether an assertion is about another patient.
    pub(crate) fn closed(&self) -> Option<Decision> {
        if let Err(deny) = may_concern(self.caller, Some(self.patient)) {
            return Some(deny);
        }
        let mut against = self.against_record(false);
        if self.opened.is_some() && !against.is_empty() {
            against = self.against_record(true);
            against.retain(|against| !self.opens(against, None));
        }
        (!against.is_empty()).then(|| first(against))
    }

    fn against_record(&self, overridden: bool) -> Vec<Against> {
        let said = self.said(None, overridden);
        let missing = self.consent_model(&said).err().into_iter().chain(self.relationship().err());
        let plain = self.objections_to_record().chain(missing);
        plain.map(Against::plain).chain(refused(&said)).collect()
    }

    /// Whether an override opens this.
    fn opens(&self, against: &Against, label: Option<Label>) -> bool {
        let rules = self.policy.break_glass.as_ref();
        !against.firm && rules.is_some_and(|rules| rules.covers(against.decision.rule, label))
    }

    /// What statements with terms say, to somebody who has overridden or as if they had not. Of a
    /// document, or of the record as a whole.
    pub(crate) fn said(&self, document: Option<DocumentAsked<'_>>, overridden: bool) -> Said<'_> {
        let question = TermQuestion {
            organisation: self.caller.organisation(),
            purpose: self.purpose,
            overridden,
            now: self.now,
            document,
        };
        let terms = self.in_force().filter_map(|record| match &record.provision {
            Provision::Terms(terms) => Some((record, terms)),
            Provision::Objection(_) | Provision::Permission { .. } => None,
        });
        terms.map(|(record, terms)| (record, terms.says(&question))).collect()
    }

    fn objections_to_record(&self) -> impl Iterator<Item = Decision> {
        self.objections().filter_map(|(record, grain)| match grain {
            Grain::WholeRecord => Some(told(Rule::ObjectionWholeRecord, record)),
            Grain::Recipient(to) if to == self.caller.organisation() => {
                Some(told(Rule::ObjectionRecipient, record))
            }
            Grain::Recipient(_)
            | Grain::Source(_)
            | Grain::Document(_)
            | Grain::Class { .. }
            | Grain::Label(_)
            | Grain::Tag(_)
            | Grain::Authored(_)
            | Grain::Related(_) => None,
        })
    }

    /// Step 5; it depends on the document by what the patient has `said` of it.
    pub(crate) fn consent_model(&self, said: &Said<'_>) -> Result<String, Decision> {
        let organisation = self.caller.organisation();
        let Some(model) = model_for(self.policy, self.caller, self.today()) else {
            return Err(Decision::deny(Rule::NoConsentModel));
        };
        let basis = format!("consent model {}", model.name);
        let agreed = || said.iter().any(|(_, says)| *says == Says::Yes);
        if model.basis == Basis::Explicit && !self.has_permission(organisation) && !agreed() {
            return Err(Decision::deny(Rule::ConsentMissing).on(basis));
        }
        Ok(basis)
    }

    /// Step 6; it does not depend on the document either.
    pub(crate) fn relationship(&self) -> Result<Option<String>, Decision> {
        relied_upon(self.policy, self.caller, self.purpose, self.relationships, self.now)
    }

    fn agreement(
        &self,
        entry: &DocumentEntry,
        handling: &Handling,
        sources: &Sources,
    ) -> Result<Decision, Decision> {
        let recipient = self.caller.organisation();
        let Some(keeper) = &sources.keeper else {
            return Err(Decision::deny(Rule::NoAgreement).on("the document's source is not known"));
        };
        if keeper == recipient {
            return Ok(Decision::permit(Rule::OwnRecord));
        }
        let label = handling.label;
        let covers = |flow: &Flow| {
            flow.from.contains(keeper)
                && flow.to.contains(recipient)
                && (flow.classes.is_empty() || flow.classes.contains(&entry.class_code.code))
                && !flow.types_excluded.contains(&entry.type_code.code)
                // Of what has no type nobody knows that it is none of these.
                && (flow.types_excluded.is_empty() || !entry.type_code.is_absent())
                // What has a label of no known kind may be above any.
                && Label::from_code(&flow.sensitivity_max)
                    .is_some_and(|max| label.is_some_and(|label| label <= max))
                && !self.policy.tagged(entry, handling, &flow.tags_excluded)
                && self.caller.role().is_none_or(|role| {
                    flow.recipient_roles.is_empty()
                        || flow.recipient_roles.iter().any(|r| r == role)
                })
        };
        let found = self.policy.agreements_in_force(self.today()).find_map(|a| {
            let bound = a.serves(self.purpose) && a.binds(keeper) && a.binds(recipient);
            let clause = bound.then(|| a.provides.iter().position(covers)).flatten()?;
            Some(permitted_by(a, clause))
        });
        found.ok_or_else(|| {
            Decision::deny(Rule::NoAgreement).on(format!("from {keeper} to {recipient}"))
        })
    }

    fn objections_to_document(
        &self,
        document: DocumentAsked<'_>,
    ) -> impl Iterator<Item = Decision> {
        self.objections().filter_map(move |(record, grain)| match grain {
            Grain::WholeRecord | Grain::Recipient(_) => None,
            Grain::Source(_)
            | Grain::Document(_)
            | Grain::Class { .. }
            | Grain::Label(_)
            | Grain::Tag(_)
            | Grain::Authored(_)
            | Grain::Related(_) => {
                document.is(grain, Reading::No).then(|| told(grain.rule(), record))
            }
        })
    }

    fn label(&self, handling: &Handling) -> Option<Decision> {
        above_label(self.policy, self.caller, handling)
    }

    fn objections(&self) -> impl Iterator<Item = (&ConsentRecord, &Grain)> {
        self.in_force().filter_map(|record| match &record.provision {
            Provision::Objection(grain) => Some((record, grain)),
            Provision::Permission { .. } | Provision::Terms(_) => None,
        })
    }

    fn has_permission(&self, organisation: &OrganisationCode) -> bool {
        self.in_force().any(|record| match &record.provision {
            Provision::Permission { recipient } => {
                recipient.as_ref().is_none_or(|to| to == organisation)
            }
            Provision::Objection(_) | Provision::Terms(_) => false,
        })
    }

    fn in_force(&self) -> impl Iterator<Item = &ConsentRecord> {
        self.records.iter().filter(|r| r.patient == self.patient && r.in_force(self.now))
    }

    fn today(&self) -> Date {
        SharingAgreement::day(self.now)
    }
}

/// The consent model that a caller is under on a day.
pub(crate) fn model_for<'a>(
    policy: &'a Policy,
    caller: &Caller,
    day: Date,
) -> Option<&'a ConsentModel> {
    let organisation = caller.organisation();
    let org_roles =
        policy.organisations.get(organisation).map_or(&[][..], |o| o.org_roles.as_slice());
    let covering = policy
        .consent_models
        .iter()
        .filter(|model| model.covers(day, org_roles, organisation.as_str(), caller.role()));
    // Of equally specific models the stricter one is meant.
    covering.max_by_key(|m| (m.specificity(), m.basis == Basis::Explicit))
}

/// What sensitivity rules and the label in force say against showing a document to a caller.
pub(crate) fn above(policy: &Policy, caller: &Caller, handling: &Handling) -> Option<Decision> {
    if policy.withholds(handling) {
        return Some(Decision::deny(Rule::Withheld).on_all(policy.named(handling)));
    }
    above_label(policy, caller, handling)
}

fn above_label(policy: &Policy, caller: &Caller, handling: &Handling) -> Option<Decision> {
    let max = match caller {
        Caller::User(user) => policy.role(&user.role).and_then(|r| Label::from_code(&r.max_label)),
        Caller::System(_) => Some(policy.system_max_label),
        // Of whom a document is has been asked elsewhere; here it is nobody's.
        Caller::Citizen(_) => None,
    };
    // A label that the ladder does not have is above everything.
    let within = matches!((handling.label, max), (Some(label), Some(max)) if label <= max);
    let label = handling.label.map_or("of no known kind", Label::code);
    let deny = || Decision::deny(Rule::Label).on(format!("label {label}"));
    (!within).then(|| deny().on_all(policy.named(handling)))
}

/// Whose document it is: who keeps it, and who wrote it.
pub(crate) struct Sources {
    /// The organisation that runs the node; the author's where the node is not known.
    pub(crate) keeper: Option<OrganisationCode>,
    pub(crate) authors: Vec<OrganisationCode>,
}

impl Sources {
    pub(crate) fn of(policy: &Policy, entry: &DocumentEntry) -> Self {
        let authors: Vec<OrganisationCode> = authors(entry).collect();
        let node = entry.repository_unique_id.as_ref().and_then(|n| policy.node_organisation(n));
        let keeper = node.cloned().or_else(|| authors.first().cloned());
        Self { keeper, authors }
    }

    /// A narrow no is read widely: it holds for what the organisation keeps or wrote.
    pub(crate) fn has(&self, organisation: &OrganisationCode) -> bool {
        self.keeper.as_ref() == Some(organisation) || self.authors.contains(organisation)
    }
}

impl Policy {
    /// The organisation that keeps a document.
    pub(crate) fn keeper(&self, entry: &DocumentEntry) -> Option<OrganisationCode> {
        Sources::of(self, entry).keeper
    }
}

/// The organisations that the authors of a document belong to.
pub(crate) fn authors(entry: &DocumentEntry) -> impl Iterator<Item = OrganisationCode> {
    let institutions = entry.authors.iter().flat_map(|a| &a.institutions);
    institutions.filter_map(|i| i.id()?.parse().ok())
}

/// The lowest label that an objection covers: of a code that is none of the ladder, any.
pub(crate) fn lowest(code: &str) -> Label {
    Label::from_code(code).unwrap_or(Label::Unrestricted)
}

/// A handling tag with those that are parts of what it means. PCF: 5, v3-ActCode.
pub(crate) fn tags_within(tag: &str) -> Vec<String> {
    let parts: &[&str] = if tag == "ETH" { &["ETHUD", "OPIOIDUD"] } else { &[] };
    std::iter::once(&tag).chain(parts).map(|&tag| tag.to_owned()).collect()
}

fn told(rule: Rule, record: &ConsentRecord) -> Decision {
    Decision::deny(rule).set(record.set_by.clone(), record.since)
}

impl Against {
    fn plain(decision: Decision) -> Self {
        Self { decision, firm: false }
    }
}

/// The refusals of statements with terms.
fn refused<'a>(said: &'a Said<'_>) -> impl Iterator<Item = Against> + 'a {
    said.iter().filter_map(|(record, says)| match says {
        Says::No { rule, firm } => Some(Against { decision: told(*rule, record), firm: *firm }),
        Says::Nothing | Says::Yes => None,
    })
}

/// The first in the order; of one rule the newest statement, those with terms after the others.
fn first(against: Vec<Against>) -> Decision {
    let first = against.into_iter().map(|a| a.decision).min_by_key(|deny| deny.rule);
    first.unwrap_or_else(|| Decision::deny(Rule::FactsUnavailable))
}

/// A yes that rests on an override: what it overrides is named with it.
fn overridden(opened: &Override, permit: &Decision, against: &[Against]) -> Decision {
    let reason = opened.reason.words().to_lowercase();
    let mut decision =
        Decision::permit(Rule::BreakGlass).set(format!("your override ({reason})"), opened.since);
    decision.basis.clone_from(&permit.basis);
    decision.basis.push(format!("override {}", opened.id));
    decision.basis.extend(against.iter().map(|a| format!("against {}", a.decision.rule.id())));
    decision
}

/// The clause is its place among what the agreement provides, counted from 1.
fn permitted_by(agreement: &SharingAgreement, clause: usize) -> Decision {
    Decision::permit(Rule::Agreement)
        .on(format!("agreement {}", agreement.name()))
        .on(format!("clause {}", clause + 1))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
pub(crate) mod tests;
