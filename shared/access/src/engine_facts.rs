//! What the policies of `engine.rs` look at: caller, document, rules and facts as they are, in the
//! terms of `policy/access.cedarschema`. Nothing is decided here.

use carerecord_model::{DocumentEntry, NhsNumber};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::citizen::{AgeBand, CitizenQuestion, OwnAccess, birthday, day};
use crate::consent_model::AppliesTo;
use crate::decide::{lowest, tags_within};
use crate::engine_terms::{Names, times};
use crate::policy::Label;
use crate::sensitivity::{Handling, source_tags};
use crate::terms::{Says, created, served};
use crate::terms_document::{Reference, references};
use crate::{
    Asserted, AssertedPatient, Assurance, Caller, Carer, CitizenGrant, CitizenGrantKind,
    ConsentModel, ConsentRecord, ConsentStatus, ContactKind, Flow, Grain, Override, Policy,
    Proofing, Provision, Purpose, Relationship, RelationshipRule, RelationshipStatus, Right,
    SharingAgreement, UserCaller,
};

/// A question, with the facts as they were read: `None` is what could not be had.
pub(crate) struct Asked<'a> {
    pub policy: &'a Policy,
    pub caller: &'a Caller,
    pub purpose: Purpose,
    pub right: Right,
    pub patient: NhsNumber,
    pub records: Option<&'a [ConsentRecord]>,
    pub relationships: Option<&'a [Relationship]>,
    pub grants: Option<&'a [CitizenGrant]>,
    /// What the person has opened, by the store of this deployment.
    pub overrides: &'a [Override],
    pub now: Timestamp,
}

impl Asked<'_> {
    pub(crate) fn today(&self) -> i64 {
        day_number(self.now.to_zoned(TimeZone::UTC).date())
    }

    /// When the patient was born, as a citizen's door has learnt it.
    fn born(&self) -> Option<Date> {
        match self.caller {
            Caller::Citizen(citizen) => citizen.born(self.patient),
            Caller::User(_) | Caller::System(_) => None,
        }
    }

    /// The age band that the patient is in.
    pub(crate) fn band(&self) -> Option<&AgeBand> {
        let Caller::Citizen(caller) = self.caller else { return None };
        let question = CitizenQuestion {
            policy: self.policy,
            citizen: &caller.citizen()?,
            patient: self.patient,
            born: self.born(),
            grants: &[],
            now: self.now,
        };
        self.policy.citizens.as_ref()?.band(question.age()?)
    }

    /// Who asks, by type and attributes. A system that decides for its users is a service.
    pub(crate) fn principal(&self) -> (&'static str, Value) {
        let organisation = self.caller.organisation();
        let roles = self.policy.organisations.get(organisation).map(|o| o.org_roles.as_slice());
        let roles = roles.unwrap_or_default();
        match self.caller {
            Caller::User(user) => {
                let rule = self.policy.role(&user.role);
                let role = rule.map(|rule| {
                    json!({
                        "purposes": rule.purposes.iter().map(|p| p.code()).collect::<Vec<_>>(),
                        "maxLabel": Label::from_code(&rule.max_label).map(label),
                    })
                });
                ("User", user_attributes(user, roles, role))
            }
            Caller::System(_) if self.caller.has_right(Right::Delegate) => ("Service", json!({})),
            Caller::System(system) => (
                "System",
                json!({
                    "organisation": organisation,
                    "organisationRoles": roles,
                    "rights": system.rights,
                }),
            ),
            Caller::Citizen(citizen) => (
                "Citizen",
                json!({
                    "organisation": organisation,
                    "organisationRoles": roles,
                    "number": citizen.number.map(number),
                    "proofing": proofing(citizen.proofing),
                }),
            ),
        }
    }

    /// What the policy files say of everybody.
    pub(crate) fn programme(&self) -> Value {
        let policy = self.policy;
        let overrides = policy.break_glass.as_ref();
        let overridable: Vec<_> =
            overrides.iter().flat_map(|b| &b.rules).map(|rule| rule.id()).collect();
        let citizens = policy.citizens.as_ref().map(|rules| {
            json!({
                "minimumProofing": proofing(rules.minimum_proofing),
                "maxLabel": Label::from_code(&rules.max_label).map(label),
                "tagsHidden": rules.tags_hidden.iter().map(|tag| uid("Tag", tag)).collect::<Vec<_>>(),
            })
        });
        json!({
            "minimumAssurance": assurance(policy.minimum_assurance),
            "systemMaxLabel": label(policy.system_max_label),
            "overridable": overridable,
            "overridableLabel": overrides.map_or(-1, |b| label(b.max_label)),
            "citizens": citizens,
        })
    }

    /// The birthdays, as ages, since a day.
    fn birthdays_since(&self, since: Timestamp) -> Vec<u8> {
        let (then, today) = (day(since), day(self.now));
        let had = |age: &u8| {
            let birthday = self.born().and_then(|born| birthday(born, *age));
            birthday.is_some_and(|birthday| then < birthday && birthday <= today)
        };
        (1..=u8::MAX).filter(had).collect()
    }

    pub(crate) fn grant(&self, grant: &CitizenGrant) -> Value {
        let (kind, delegate, basis) = match &grant.kind {
            CitizenGrantKind::Own => ("own", None, None),
            CitizenGrantKind::Barred => ("barred", None, None),
            CitizenGrantKind::Proxy { delegate, basis } => {
                ("proxy", Some(number(*delegate)), Some(basis.code()))
            }
        };
        json!({
            "patient": number(grant.patient),
            "kind": kind,
            "status": status(grant.status),
            "since": instant(grant.since),
            "until": grant.until.map(instant),
            "delegate": delegate,
            "basis": basis,
            "birthdaysSince": self.birthdays_since(grant.since),
        })
    }

    pub(crate) fn relationship(&self, relationship: &Relationship) -> Value {
        let person = match &relationship.with {
            Carer::Organisation(_) => None,
            Carer::Person { user_id, .. } => Some(user_id),
        };
        json!({
            "organisation": relationship.with.organisation(),
            "person": person,
            "kind": relationship.kind.code(),
            "status": status(relationship.status),
            "since": instant(relationship.since),
            "until": relationship.until.map(instant),
            "untilWithGrace": relationship.last(self.policy.grace_days()).map(instant),
        })
    }

    /// A document, and the sensitivity rules that it meets.
    pub(crate) fn document(&self, entry: &DocumentEntry) -> Vec<Value> {
        let handling: Handling = self.policy.handling(entry);
        let mut entities = Vec::new();
        let mut parents: Vec<Value> = source_tags(entry).map(|tag| uid("Tag", tag)).collect();
        for rule in self.policy.met(&handling) {
            let tags = rule.tags.iter().map(|tag| uid("Tag", tag));
            let withheld = rule.exclude.then(|| uid("Handling", "withheld"));
            let of_rule: Vec<Value> = tags.chain(withheld).collect();
            entities.push(entity("SensitivityRule", &rule.id, json!({}), of_rule));
            parents.push(uid("SensitivityRule", &rule.id));
        }
        let named = |code: &carerecord_model::Code| (!code.is_absent()).then(|| code.code.clone());
        let logical = entry.logical_id.map(|id| id.uuid());
        let ids = entry.uuid().map(|id| id.uuid()).into_iter().chain(logical);
        let class = named(&entry.class_code)
            .map(|code| json!({ "code": code, "scheme": entry.class_code.scheme }));
        let attributes = json!({
            "patient": entry.patient_id.nhs_number().map(number),
            "keeper": self.policy.keeper(entry),
            "authors": crate::decide::authors(entry).collect::<Vec<_>>(),
            "ids": ids.collect::<Vec<_>>(),
            "class": class,
            "typeCode": named(&entry.type_code),
            "label": handling.label.map(label),
            "created": created(entry).map(times),
            "served": served(entry).map(times),
            "encounters": named_in(entry, |r| r.is_of(ContactKind::Encounter)),
            "possibleEncounters":
                named_in(entry, |r| r.kind.is_none() || r.is_of(ContactKind::Encounter)),
            "plans": named_in(entry, |r| r.is_of(ContactKind::CarePlan)),
        });
        entities.push(entity("Document", DOCUMENT, attributes, parents));
        entities
    }
}

/// What a document refers to, of these kinds.
fn named_in(entry: &DocumentEntry, of_kind: impl Fn(&Reference) -> bool) -> Value {
    let mut names = Names::default();
    for reference in references(entry).filter(of_kind) {
        names.add(&reference.id, std::iter::once(reference.scheme.as_deref()));
    }
    names.value()
}

/// What the patient has said, of the statements that count; and what those with terms say.
pub(crate) fn said<'r>(
    statements: impl Iterator<Item = &'r ConsentRecord>,
    by_terms: &[Says],
) -> Value {
    let (mut all, mut agrees_to_all) = (false, false);
    let (mut recipients, mut sources, mut documents) = (Vec::new(), Vec::new(), Vec::new());
    let (mut classes, mut in_scheme, mut agrees) = (Vec::new(), Vec::new(), Vec::new());
    let (mut from_label, mut tags): (Option<Label>, Vec<Value>) = (None, Vec::new());
    for statement in statements {
        match &statement.provision {
            Provision::Objection(Grain::WholeRecord) => all = true,
            Provision::Objection(Grain::Recipient(to)) => recipients.push(to),
            Provision::Objection(Grain::Source(from)) => sources.push(from),
            Provision::Objection(Grain::Document(id)) => documents.push(id.uuid()),
            Provision::Objection(Grain::Class { code, scheme: None, .. }) => classes.push(code),
            Provision::Objection(Grain::Class { code, scheme: Some(scheme), .. }) => {
                in_scheme.push(json!({ "code": code, "scheme": scheme }));
            }
            Provision::Objection(Grain::Label(code)) => {
                let from = lowest(code);
                from_label = Some(from_label.map_or(from, |known| known.min(from)));
            }
            Provision::Objection(Grain::Tag(tag)) => {
                tags.extend(tags_within(tag).iter().map(|tag| uid("Tag", tag)));
            }
            // They are asked as terms.
            Provision::Objection(Grain::Authored(_) | Grain::Related(_)) | Provision::Terms(_) => {}
            Provision::Permission { recipient: None } => agrees_to_all = true,
            Provision::Permission { recipient: Some(to) } => agrees.push(to),
        }
    }
    let (mut refused, mut firmly) = (Vec::new(), Vec::new());
    for says in by_terms {
        if let Says::No { rule, firm } = says {
            refused.push(rule.id());
            firmly.extend(firm.then_some(rule.id()));
        }
    }
    json!({
        "objectsToAll": all,
        "objectsToRecipients": recipients,
        "objectsToSources": sources,
        "objectsToDocuments": documents,
        "objectsToClasses": classes,
        "objectsToClassesInScheme": in_scheme,
        "objectsFromLabel": from_label.map(label),
        "objectsToTags": tags,
        "agreesToAll": agrees_to_all,
        "agreesToRecipients": agrees,
        "refused": refused,
        "refusedFirmly": firmly,
        "agreesByTerms": by_terms.contains(&Says::Yes),
    })
}

pub(crate) fn statement(record: &ConsentRecord) -> Value {
    let status = match record.status {
        ConsentStatus::Active => "active",
        ConsentStatus::Inactive => "inactive",
        ConsentStatus::EnteredInError => "entered-in-error",
    };
    json!({
        "patient": number(record.patient),
        "status": status,
        "since": instant(record.since),
        "until": record.until.map(instant),
    })
}

pub(crate) fn opened(opened: &Override, asserted: bool) -> Value {
    json!({
        "patient": number(opened.patient),
        "user": opened.user_id,
        "profile": opened.role_profile_id,
        "session": opened.session_id,
        "since": instant(opened.since),
        "until": instant(opened.until),
        "asserted": asserted,
    })
}

pub(crate) fn clause(agreement: &SharingAgreement, flow: &Flow) -> Value {
    let bound = agreement.parties.iter().map(|p| &p.ods).filter(|ods| agreement.binds(ods));
    let purposes = agreement.purpose.iter().filter_map(|p| Purpose::from_code(&p.code));
    json!({
        "status": agreement.status,
        "from": day_number(agreement.effective.from),
        "to": day_number(agreement.effective.to),
        "unsigned": agreement.unsigned().map(|p| &p.ods).collect::<Vec<_>>(),
        "bound": bound.collect::<Vec<_>>(),
        "purposes": purposes.map(Purpose::code).collect::<Vec<_>>(),
        "sources": flow.from,
        "recipients": flow.to,
        "classes": flow.classes,
        "typesExcluded": flow.types_excluded,
        "tagsExcluded": flow.tags_excluded.iter().map(|tag| uid("Tag", tag)).collect::<Vec<_>>(),
        "maxLabel": Label::from_code(&flow.sensitivity_max).map(label),
        "jobRoles": flow.recipient_roles,
    })
}

pub(crate) fn consent_model(model: &ConsentModel) -> Value {
    json!({
        "group": group(&model.applies_to),
        "from": day_number(model.from),
        "until": model.until.map(day_number),
    })
}

pub(crate) fn relationship_rule(rule: &RelationshipRule) -> Value {
    json!({
        "group": group(&rule.applies_to),
        "from": day_number(rule.from),
        "until": rule.until.map(day_number),
        "purposes": rule.purposes.iter().map(|p| p.code()).collect::<Vec<_>>(),
    })
}

pub(crate) fn band(band: &AgeBand) -> Value {
    let own = match band.own {
        OwnAccess::No => "no",
        OwnAccess::Granted => "granted",
        OwnAccess::Yes => "yes",
    };
    json!({ "own": own, "proxies": band.proxies.iter().map(|b| b.code()).collect::<Vec<_>>() })
}

/// An entity, in Cedar's form for them.
pub(crate) fn entity(kind: &str, id: &str, attributes: Value, parents: Vec<Value>) -> Value {
    json!({ "uid": uid(kind, id), "attrs": attributes, "parents": parents })
}

pub(crate) fn uid(kind: &str, id: &str) -> Value {
    json!({ "type": kind, "id": id })
}

pub(crate) fn number(number: NhsNumber) -> String {
    number.digits()
}

pub(crate) fn instant(at: Timestamp) -> i64 {
    let nanoseconds = at.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into());
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

fn user_attributes(user: &UserCaller, roles: &[String], role: Option<Value>) -> Value {
    json!({
        "id": user.user_id,
        "organisation": user.organisation,
        "organisationRoles": roles,
        "jobRole": user.role,
        "role": role,
        "assurance": assurance(user.assurance),
        "profile": user.role_profile_id,
        "session": user.session_id,
        "assertion": user.asserted.as_deref().map(assertion),
    })
}

fn assertion(asserted: &Asserted) -> Value {
    let patients = match asserted.patient {
        AssertedPatient::Any => None,
        AssertedPatient::Only(patient) => Some(vec![number(patient)]),
        AssertedPatient::Unknown => Some(Vec::new()),
    };
    json!({
        "rights": asserted.system.rights,
        "purpose": asserted.purpose.map(Purpose::code),
        "patients": patients,
    })
}

fn group(group: &AppliesTo) -> Value {
    json!({
        "organisations": group.organisation,
        "organisationRoles": group.org_role,
        "jobRoles": group.user_role,
    })
}

fn status(status: RelationshipStatus) -> &'static str {
    match status {
        RelationshipStatus::Active => "active",
        RelationshipStatus::EnteredInError => "entered-in-error",
    }
}

fn assurance(assurance: Assurance) -> u8 {
    match assurance {
        Assurance::Aal1 => 1,
        Assurance::Aal2 => 2,
        Assurance::Aal3 => 3,
    }
}

fn proofing(proofing: Proofing) -> u8 {
    match proofing {
        Proofing::P0 => 0,
        Proofing::P5 => 5,
        Proofing::P9 => 9,
    }
}

/// The place on the ladder.
pub(crate) fn label(label: Label) -> i64 {
    label as i64
}

/// A day as it is read: 20261125.
fn day_number(day: Date) -> i64 {
    i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day())
}

/// The one document that is asked about.
pub(crate) const DOCUMENT: &str = "asked-for";
