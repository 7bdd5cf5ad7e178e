use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// The answer to "may this caller see this?", with the reason.
///
/// It holds no patient data: rule, setter, since when and the names of the rules' sources.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decision {
    /// Yes or no.
    pub outcome: Outcome,
    /// The rule that decided.
    pub rule: Rule,
    /// Who set the rule, in words.
    pub set_by: Option<String>,
    /// Since when it holds.
    pub since: Option<Timestamp>,
    /// What else was used: agreement and version, consent model, label.
    pub basis: Vec<String>,
    /// What a yes asks of whoever acts on it. NHS: 5.2, step 9.
    pub obligations: Vec<Obligation>,
}

/// What whoever acts on a yes must do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Obligation {
    /// Record the access.
    Log,
    /// Show which organisation it comes from.
    Provenance,
    /// Do not show where the person is cared for.
    Mask,
    /// Tell those who review overrides.
    Notify,
}

impl Obligation {
    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Provenance => "provenance",
            Self::Mask => "mask",
            Self::Notify => "notify",
        }
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It may be shown.
    Permit,
    /// It may not.
    Deny,
}

/// The rules that can decide, in the order in which they are asked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The sign-in is not strong enough.
    AssuranceTooLow,
    /// The role is not one that the rules know.
    RoleUnknown,
    /// The purpose is not allowed for the role or the system.
    PurposeNotAllowed,
    /// A fact that the decision needs could not be had.
    FactsUnavailable,
    /// The subject cannot be told: not an NHS Number.
    SubjectUnknown,
    /// The assertion that came with the request speaks of another patient.
    OtherPatient,
    /// A sensitivity rule withholds it from everybody.
    Withheld,
    /// No agreement in force covers the flow.
    NoAgreement,
    /// The patient objects to all sharing.
    ObjectionWholeRecord,
    /// The patient objects to sharing with this organisation.
    ObjectionRecipient,
    /// The patient objects to sharing from this source.
    ObjectionSource,
    /// The patient objects to sharing this document.
    ObjectionDocument,
    /// The patient objects to sharing this class of documents.
    ObjectionClass,
    /// The patient objects to sharing documents with this label or handling tag.
    ObjectionLabel,
    /// The patient objects to sharing documents of a time.
    ObjectionPeriod,
    /// The patient objects to sharing documents of a contact with care.
    ObjectionRelated,
    /// The patient objects to sharing documents of which several things are true together.
    ObjectionTerms,
    /// The patient agrees to share a part of the record, and the document is not in it.
    ConsentLimits,
    /// No consent model covers the user.
    NoConsentModel,
    /// The consent model asks for consent, and there is none in force.
    ConsentMissing,
    /// The user needs a relationship with the patient, and has none in force.
    NoRelationship,
    /// A citizen has not shown well enough who they are.
    CitizenProofing,
    /// Nobody sees the record online.
    CitizenBarred,
    /// At this age nobody sees their own record, or not without a grant.
    CitizenAge,
    /// The citizen is no proxy of the patient, or not any more.
    NoProxy,
    /// The confidentiality label is above what the role may see.
    Label,
    /// A role of this deployment asks, and takes the decision for its users itself.
    Delegated,
    /// The person has overridden what stands against it, for a while and with a reason.
    BreakGlass,
    /// The caller's own organisation wrote it, and nothing stands against it.
    OwnRecord,
    /// An agreement covers it, and nothing stands against it.
    Agreement,
    /// The citizen sees their own record.
    CitizenOwn,
    /// The citizen sees the record of a person in their care.
    CitizenProxy,
    /// Of a record, not of a document: nothing closes it as a whole.
    RecordOpen,
    /// Of the record of accesses: the caller's role is to look after it.
    AuditDuty,
    /// Of how the programme runs: the caller's role is to look after it.
    ProgrammeDuty,
}

impl Rule {
    /// Each of them, in the order in which they are tried where one goes before another.
    pub const ALL: [Self; 35] = [
        Self::AssuranceTooLow,
        Self::RoleUnknown,
        Self::PurposeNotAllowed,
        Self::FactsUnavailable,
        Self::SubjectUnknown,
        Self::OtherPatient,
        Self::Withheld,
        Self::NoAgreement,
        Self::ObjectionWholeRecord,
        Self::ObjectionRecipient,
        Self::ObjectionSource,
        Self::ObjectionDocument,
        Self::ObjectionClass,
        Self::ObjectionLabel,
        Self::ObjectionPeriod,
        Self::ObjectionRelated,
        Self::ObjectionTerms,
        Self::ConsentLimits,
        Self::NoConsentModel,
        Self::ConsentMissing,
        Self::NoRelationship,
        Self::CitizenProofing,
        Self::CitizenBarred,
        Self::CitizenAge,
        Self::NoProxy,
        Self::Label,
        Self::Delegated,
        Self::BreakGlass,
        Self::OwnRecord,
        Self::Agreement,
        Self::CitizenOwn,
        Self::CitizenProxy,
        Self::RecordOpen,
        Self::AuditDuty,
        Self::ProgrammeDuty,
    ];

    /// The rule's id on the wire and in policy files.
    pub fn id(self) -> &'static str {
        match self {
            Self::AssuranceTooLow => "assurance-too-low",
            Self::RoleUnknown => "role-unknown",
            Self::PurposeNotAllowed => "purpose-not-allowed",
            Self::FactsUnavailable => "facts-unavailable",
            Self::SubjectUnknown => "subject-unknown",
            Self::OtherPatient => "other-patient",
            Self::Withheld => "withheld",
            Self::NoAgreement => "no-agreement",
            Self::ObjectionWholeRecord => "objection-whole-record",
            Self::ObjectionSource => "objection-source",
            Self::ObjectionDocument => "objection-document",
            Self::ObjectionClass => "objection-class",
            Self::ObjectionLabel => "objection-label",
            Self::ObjectionPeriod => "objection-period",
            Self::ObjectionRelated => "objection-related",
            Self::ObjectionTerms => "objection-terms",
            Self::ConsentLimits => "consent-limits",
            Self::ObjectionRecipient => "objection-recipient",
            Self::NoConsentModel => "no-consent-model",
            Self::ConsentMissing => "consent-missing",
            Self::NoRelationship => "no-relationship",
            Self::CitizenProofing => "citizen-proofing",
            Self::CitizenBarred => "citizen-barred",
            Self::CitizenAge => "citizen-age",
            Self::NoProxy => "no-proxy",
            Self::Label => "label",
            Self::Delegated => "delegated",
            Self::BreakGlass => "break-glass",
            Self::OwnRecord => "own-record",
            Self::Agreement => "agreement",
            Self::CitizenOwn => "citizen-own",
            Self::CitizenProxy => "citizen-proxy",
            Self::RecordOpen => "record-open",
            Self::AuditDuty => "audit-duty",
            Self::ProgrammeDuty => "programme-duty",
        }
    }

    /// What the rule says, in words that clinician and patient can read.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::AssuranceTooLow => {
                "Your sign-in is not strong enough for patient records. Sign in with a smartcard, \
                 a security key or another second factor."
            }
            Self::RoleUnknown => "Your role is not set up to see patient records here.",
            Self::PurposeNotAllowed => "Your role may not open records for this purpose.",
            Self::FactsUnavailable => {
                "The patient's sharing choices could not be checked just now, so nothing is shown. \
                 Try again in a moment."
            }
            Self::SubjectUnknown => "The patient could not be told from the request.",
            Self::OtherPatient => {
                "What your system says about you holds for another patient's record only."
            }
            Self::Withheld => "The document is not part of the shared record.",
            Self::NoAgreement => {
                "No data sharing agreement in force covers these documents, your organisation and \
                 this purpose."
            }
            Self::ObjectionWholeRecord => "The patient has objected to sharing their record.",
            Self::ObjectionSource => {
                "The patient has objected to sharing documents from this organisation."
            }
            Self::ObjectionDocument => "The patient has objected to sharing this document.",
            Self::ObjectionClass => "The patient has objected to sharing documents of this kind.",
            Self::ObjectionLabel => {
                "The patient has objected to sharing documents that are marked as this one is."
            }
            Self::ObjectionPeriod => {
                "The patient has objected to sharing documents of the time that this one is of, or \
                 it does not say of which time it is."
            }
            Self::ObjectionRelated => {
                "The patient has objected to sharing documents of one contact with care, and this \
                 one is of it, or does not say of which it is."
            }
            Self::ObjectionTerms => {
                "The patient has objected to sharing some documents, and this one is among them."
            }
            Self::ConsentLimits => {
                "The patient has agreed to share a part of their record, and this document is not \
                 in it."
            }
            Self::ObjectionRecipient => {
                "The patient has objected to sharing their record with your organisation."
            }
            Self::NoConsentModel => "No rule of consent covers your role and organisation.",
            Self::ConsentMissing => {
                "Your team needs the patient's agreement to open the record, and none in force is \
                 recorded."
            }
            Self::NoRelationship => {
                "You need to be caring for the patient to open the record, and nothing says that you \
                 or your organisation are."
            }
            Self::CitizenProofing => "To see a record you need to have proved who you are.",
            Self::CitizenBarred => "This record is not shown online. Ask your practice.",
            Self::CitizenAge => {
                "At this age the record is not shown online, unless the practice has agreed to it."
            }
            Self::NoProxy => "You may not see this person's record on their behalf.",
            Self::Label => "The document is marked as restricted, above what your role may see.",
            Self::Delegated => "A service of this deployment asked, and decides for its users.",
            Self::BreakGlass => {
                "You opened what was closed and gave a reason. That is recorded and reviewed."
            }
            Self::OwnRecord => "Your own organisation holds the document.",
            Self::Agreement => "A data sharing agreement in force covers the document.",
            Self::CitizenOwn => "It is your own record.",
            Self::CitizenProxy => "You may see this record on behalf of the person.",
            Self::RecordOpen => {
                "Nothing closes the record as a whole. Each document in it is decided for itself."
            }
            Self::AuditDuty => "Your role looks after the record of accesses.",
            Self::ProgrammeDuty => "Your role looks after how the programme runs.",
        }
    }

    /// Reads the id of a rule that denies; `None` for any other.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::any_from_id(id).filter(|rule| !rule.permits())
    }

    /// As `from_id`, of rules that permit as well.
    pub fn any_from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.id() == id)
    }

    /// Every rule that denies.
    pub fn denials() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|rule| !rule.permits())
    }

    /// Whether what the rule decides is a yes.
    pub fn permits(self) -> bool {
        matches!(
            self,
            Self::Delegated
                | Self::BreakGlass
                | Self::OwnRecord
                | Self::Agreement
                | Self::CitizenOwn
                | Self::CitizenProxy
                | Self::RecordOpen
                | Self::AuditDuty
                | Self::ProgrammeDuty
        )
    }

    /// Whether the rule speaks of the session or the record as a whole, so that no document was
    /// looked at to decide.
    pub fn is_about_the_session(self) -> bool {
        matches!(
            self,
            Self::AssuranceTooLow
                | Self::RoleUnknown
                | Self::PurposeNotAllowed
                | Self::FactsUnavailable
                | Self::SubjectUnknown
        )
    }

    /// Whether the rule is about what the patient has said, or about the document: what a person may
    /// have a reason to override.
    pub(crate) fn is_about_the_patient(self) -> bool {
        !self.is_about_the_session()
            && !matches!(
                self,
                Self::NoAgreement
                    | Self::Withheld
                    | Self::CitizenProofing
                    | Self::CitizenBarred
                    | Self::CitizenAge
                    | Self::NoProxy
            )
    }
}

impl Decision {
    pub(crate) fn permit(rule: Rule) -> Self {
        Self::new(Outcome::Permit, rule)
    }

    pub(crate) fn deny(rule: Rule) -> Self {
        Self::new(Outcome::Deny, rule)
    }

    fn new(outcome: Outcome, rule: Rule) -> Self {
        let (basis, obligations) = (Vec::new(), Vec::new());
        Self { outcome, rule, set_by: None, since: None, basis, obligations }
    }

    pub(crate) fn set(mut self, by: impl Into<String>, since: Timestamp) -> Self {
        self.set_by = Some(by.into());
        self.since = Some(since);
        self
    }

    pub(crate) fn on(mut self, basis: impl Into<String>) -> Self {
        self.basis.push(basis.into());
        self
    }

    /// A yes with what it asks of whoever acts on it; a no asks nothing.
    pub(crate) fn owing(mut self, masked: bool) -> Self {
        if !self.is_permit() {
            return self;
        }
        let overridden = self.rule == Rule::BreakGlass;
        let foreign = overridden || self.rule == Rule::Agreement;
        self.obligations = [
            (true, Obligation::Log),
            (foreign, Obligation::Provenance),
            (masked, Obligation::Mask),
            (overridden, Obligation::Notify),
        ]
        .into_iter()
        .filter_map(|(owed, obligation)| owed.then_some(obligation))
        .collect();
        self
    }

    pub(crate) fn on_all(self, basis: impl IntoIterator<Item = String>) -> Self {
        basis.into_iter().fold(self, Self::on)
    }

    /// Whether it is a yes.
    pub fn is_permit(&self) -> bool {
        self.outcome == Outcome::Permit
    }

    /// `Set by the patient on 2 November 2026.`; `None` when nobody in particular set the rule.
    pub fn provenance(&self) -> Option<String> {
        let by = self.set_by.as_ref()?;
        let since = self.since.map(|t| {
            let day = t.to_zoned(TimeZone::UTC).strftime("%-d %B %Y").to_string();
            format!(" on {day}")
        });
        Some(format!("Set by {by}{}.", since.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_in_the_list_of_all() {
        let (_, ids) = include_str!("decision.rs").split_once("pub fn id(self)").unwrap();
        let (ids, _) = ids.split_once("pub fn explanation").unwrap();

        assert_eq!(ids.matches("=> \"").count(), Rule::ALL.len());
    }

    #[test]
    fn every_denial_has_its_own_id() {
        for rule in Rule::denials() {
            assert_eq!(Rule::from_id(rule.id()), Some(rule));
        }
        assert_eq!(Rule::from_id("agreement"), None);
    }

    #[test]
    fn provenance_reads_as_a_sentence() {
        let since = "2026-11-02T08:00:00Z".parse().unwrap();

        let decision = Decision::deny(Rule::ObjectionWholeRecord).set("the patient", since);

        assert_eq!(
            decision.provenance().as_deref(),
            Some("Set by the patient on 2 November 2026.")
        );
    }
}
