//! Invented questions: programmes, callers, patients and documents thrown with dice. Most throws
//! stand for what opens a record, so that each step of the order is come to.

use std::sync::Arc;

use async_trait::async_trait;
use carerecord_model::{Author, Clock, Code, DocumentEntry, NhsNumber, PatientId};
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::decide::tests::letter;
use crate::engine_facts::Asked;
use crate::*;

/// What proptest has thrown; zeros when it has run out, which is what it shrinks to.
pub(crate) struct Dice<'a>(pub std::slice::Iter<'a, u8>);

/// One question, with what is asked of the stores.
#[derive(Debug)]
pub(crate) struct Case {
    pub policy: Arc<Policy>,
    pub caller: Caller,
    pub purpose: Purpose,
    pub right: Right,
    pub entry: DocumentEntry,
    pub facts: Facts,
}

/// What the stores know; `None` is a store that cannot be asked.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub records: Option<Vec<ConsentRecord>>,
    pub relationships: Option<Vec<Relationship>>,
    pub grants: Option<Vec<CitizenGrant>>,
    pub overrides: Vec<Override>,
}

impl Case {
    pub(crate) fn throw(bytes: &[u8]) -> Self {
        let mut dice = Dice(bytes.iter());
        let policy = Arc::new(dice.policy());
        let caller = dice.caller();
        let citizen = matches!(caller, Caller::Citizen(_));
        let usual = if citizen { Purpose::PatientAccess } else { Purpose::DirectCare };
        let purpose = if dice.rarely() { dice.of(&Purpose::ALL) } else { usual };
        let rights = [Right::Query, Right::Retrieve, Right::Query, Right::Publish];
        let right = dice.of(&rights);
        let entry = dice.entry();
        let facts = dice.facts();
        Self { policy, caller, purpose, right, entry, facts }
    }

    /// One in which nothing but what the patient has said stands against an answer, where they have
    /// spoken at length.
    pub(crate) fn throw_statements(bytes: &[u8]) -> Self {
        let mut dice = Dice(bytes.iter());
        let mut user = dice.user();
        user.assurance = Assurance::Aal3;
        user.role = "R2".to_owned();
        user.organisation = dice.of(&["ZEX02", "ZEX02", "ZEX01"]).parse().unwrap();
        user.asserted = None;
        let mut entry = dice.entry();
        entry.patient_id = PatientId::from_nhs_number(patient());
        entry.repository_unique_id = Some("2.999.1".parse().unwrap());
        entry.practice_setting_code = Code::absent();
        let opened = Override { patient: patient(), until: at(LATER), ..dice.opened() };
        let overrides = if dice.half() { vec![opened] } else { Vec::new() };
        let statements = (0..dice.of(&[1, 2, 1])).map(|_| {
            let patient = patient();
            ConsentRecord {
                patient,
                provision: Provision::Terms(dice.terms().into()),
                ..dice.statement()
            }
        });
        let facts = Facts {
            records: Some(statements.collect()),
            relationships: Some(Vec::new()),
            grants: Some(Vec::new()),
            overrides,
        };
        let policy = Arc::new(dice.open_policy());
        let (caller, right) = (Caller::User(Box::new(user)), Right::Query);
        Self { policy, caller, purpose: Purpose::DirectCare, right, entry, facts }
    }

    /// The same question, for the policy engine.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            policy: &self.policy,
            caller: &self.caller,
            purpose: self.purpose,
            right: self.right,
            patient: patient(),
            records: self.facts.records.as_deref(),
            relationships: self.facts.relationships.as_deref(),
            grants: self.facts.grants.as_deref(),
            overrides: &self.facts.overrides,
            now: now(),
        }
    }

    /// The record as a door opens it.
    pub(crate) async fn open(&self) -> Result<RecordView, Decision> {
        let facts = Arc::new(self.facts.clone());
        let access = AccessDecisions::new(self.policy.clone(), facts.clone(), Arc::new(Noon))
            .with_relationships(facts.clone())
            .with_citizen_grants(facts.clone())
            .with_overrides(facts);
        let opened = access.open(&self.caller, self.purpose, self.right, patient()).await;
        opened.map_err(|refused| refused.decision)
    }
}

impl Dice<'_> {
    fn throw(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    pub(crate) fn of<T: Clone>(&mut self, sides: &[T]) -> T {
        sides[usize::from(self.throw()) % sides.len()].clone()
    }

    /// One time in sixteen: what is thrown so for one question is much, and the last rules are come to
    /// only where none of it closes the record.
    pub(crate) fn rarely(&mut self) -> bool {
        self.throw() >= 240
    }

    pub(crate) fn half(&mut self) -> bool {
        self.throw() >= 128
    }

    pub(crate) fn some<T: Clone>(&mut self, sides: &[T]) -> Vec<T> {
        let many = if self.rarely() { 2 } else { usize::from(self.half()) };
        (0..many).map(|_| self.of(sides)).collect()
    }

    pub(crate) fn organisation(&mut self) -> String {
        self.of(&["ZEX01", "ZEX02", "ZEX03"]).to_owned()
    }

    fn caller(&mut self) -> Caller {
        match self.of(&["user", "user", "user", "user", "user", "citizen", "citizen", "system"]) {
            "user" => Caller::User(Box::new(self.user())),
            "system" => Caller::System(self.system()),
            _ => Caller::Citizen(Box::new(self.citizen())),
        }
    }

    fn user(&mut self) -> UserCaller {
        let role = if self.rarely() { "R9" } else { self.of(&["R1", "R2"]) };
        let assurance = if self.rarely() { Assurance::Aal1 } else { Assurance::Aal3 };
        UserCaller {
            user_id: if self.rarely() { "u2" } else { "u1" }.to_owned(),
            name: "U".to_owned(),
            organisation: self.of(&["ZEX02", "ZEX02", "ZEX01", "ZEX02", "ZEX03"]).parse().unwrap(),
            role: role.to_owned(),
            role_profile_id: "p1".to_owned(),
            activities: Vec::new(),
            assurance,
            client_id: String::new(),
            session_id: self.of(&[None, Some("s1".to_owned())]),
            asserted: self.rarely().then(|| Box::new(self.asserted())),
        }
    }

    fn asserted(&mut self) -> Asserted {
        let patients = [
            AssertedPatient::Any,
            AssertedPatient::Only(patient()),
            AssertedPatient::Only(other()),
            AssertedPatient::Unknown,
        ];
        let purposes = [Some(Purpose::DirectCare), Some(Purpose::DirectCare), None];
        Asserted {
            issuer: "i".to_owned(),
            assertion_id: "a".to_owned(),
            alias: None,
            purpose: self.of(&purposes),
            patient: self.of(&patients),
            organisation_name: None,
            home_community_id: None,
            identifiers: Vec::new(),
            consent: Vec::new(),
            opened: self.half().then(|| self.opened()),
            system: self.system(),
        }
    }

    fn system(&mut self) -> SystemCaller {
        let rights = [
            vec![Right::Query, Right::Retrieve],
            vec![Right::Query, Right::Retrieve],
            vec![Right::Delegate],
            vec![Right::Publish],
        ];
        SystemCaller {
            name: "s".to_owned(),
            organisation: self.of(&["ZEX02", "ZEX01"]).parse().unwrap(),
            rights: self.of(&rights),
            known_by: "test",
        }
    }

    fn citizen(&mut self) -> CitizenCaller {
        let numbers = [Some(patient()), Some(other()), Some(other()), Some(patient()), None];
        let proofing = if self.rarely() { Proofing::P5 } else { Proofing::P9 };
        let births = ["1980-01-01", "2015-11-26", "2015-11-25", "2010-11-25", "2012-02-29"];
        let born: Date = self.of(&births).parse().unwrap();
        let patient = if self.rarely() { other() } else { patient() };
        CitizenCaller {
            user_id: "c".to_owned(),
            name: "C".to_owned(),
            organisation: "ZEX02".parse().unwrap(),
            number: self.of(&numbers),
            proofing,
            client_id: String::new(),
            session_id: None,
            about: Some(CitizenSubject { patient, born: (!self.rarely()).then_some(born) }),
        }
    }

    fn entry(&mut self) -> DocumentEntry {
        let mut entry = letter();
        let code = |code: &str| if code.is_empty() { Code::absent() } else { coded(code) };
        entry.class_code = code(self.of(&["C1", "C1", "C2", ""]));
        entry.type_code = code(self.of(&["T1", "T1", "T2", ""]));
        entry.practice_setting_code = code(self.of(&["", "", "", "", "S-R", "S-TAG", "S-OUT"]));
        let node = self.of(&["2.999.1", "2.999.1", "2.999.1", "2.999.2", "2.999.99"]);
        entry.repository_unique_id = Some(node.parse().unwrap());
        let institutions = self.some(&["ZEX01", "ZEX02", "ZEX03"]);
        let institutions = institutions
            .iter()
            .map(|o| format!("{o}^^^^^&2.16.840.1.113883.2.1.4.3&ISO^^^^{o}").parse().unwrap());
        entry.authors = vec![Author { institutions: institutions.collect(), ..Author::default() }];
        let label = self.of(&["N", "N", "N", "U", "R", "V", "X"]);
        entry.confidentiality_codes = vec![Code::new(label, "2.16.840.1.113883.5.25", "")];
        for tag in self.some(&["TAG1", "TAG2"]) {
            entry.confidentiality_codes.push(Code::new(tag, "urn:tags", ""));
        }
        let of = if self.rarely() { other() } else { patient() };
        entry.patient_id = PatientId::from_nhs_number(of);
        self.times_of(&mut entry);
        entry.logical_id = self.half().then(|| uuid(7).to_string().parse().ok()).flatten();
        entry
    }

    /// When it was written, when the care was, and of which contact.
    fn times_of(&mut self, entry: &mut DocumentEntry) {
        let times = ["2026", "20261125", "20261125120000", "20261125120001", "20261126", ""];
        let mut time = || self.of(&times).parse().ok();
        entry.creation_time = time();
        entry.service_start_time = time();
        entry.service_stop_time = time();
        let references = [
            ENCOUNTER_1,
            ENCOUNTER_2,
            "E1^^^&2.999.5&ISO",
            "E1^^^&2.999.6&ISO",
            "E1^^^HOSP^urn:ihe:iti:xds:2015:encounterId",
            "E1^^^&2.999.6&ISO^urn:ihe:iti:xds:2015:encounterId",
            "E2^^^&2.999.6&ISO^urn:ihe:iti:xds:2013:accession",
            "E2^^^&urn:local&URI^urn:local:plan",
        ];
        entry.reference_ids = self.some(&references).into_iter().map(str::to_owned).collect();
    }

    fn facts(&mut self) -> Facts {
        let statements: Vec<_> = (0..self.of(&[0, 1, 0, 2, 3])).map(|_| self.statement()).collect();
        let related: Vec<_> = (0..self.of(&[1, 0, 2])).map(|_| self.relationship()).collect();
        let grants: Vec<_> = (0..self.of(&[1, 0, 2])).map(|_| self.grant()).collect();
        let overrides = (0..self.of(&[1, 0, 2, 1])).map(|_| self.opened()).collect();
        Facts {
            records: (!self.rarely()).then_some(statements),
            relationships: (!self.rarely()).then_some(related),
            grants: (!self.rarely()).then_some(grants),
            overrides,
        }
    }

    fn times(&mut self) -> (Timestamp, Option<Timestamp>) {
        let since = if self.rarely() { self.of(&[LATER, JUST_LATER, NOW]) } else { EARLIER };
        let until =
            if self.half() { Some(self.of(&[LATER, NOW, JUST_BEFORE, EARLIER])) } else { None };
        (at(since), until.map(at))
    }

    fn statement(&mut self) -> ConsentRecord {
        let organisation = self.organisation().parse().unwrap();
        let scheme = self.of(&[None, Some(SNOMED.to_owned()), Some("other".to_owned())]);
        let code = self.of(&["C1", "C2"]).to_owned();
        let document = self.of(&[uuid(7), letter().uuid().unwrap(), uuid(9)]);
        let grains = [
            Grain::Source(organisation),
            Grain::Class { code, scheme, schemes: Vec::new() },
            Grain::Document(document),
            Grain::Recipient(self.organisation().parse().unwrap()),
            Grain::WholeRecord,
            Grain::Label(self.of(&["N", "R", "V"]).to_owned()),
            Grain::Tag(self.of(&["TAG1", "TAG2"]).to_owned()),
            Grain::Authored(self.span()),
            Grain::Related(self.contact()),
        ];
        let to = self.half().then(|| self.organisation().parse().unwrap());
        let provision = match self.of(&["yes", "no", "yes", "no", "terms"]) {
            "yes" => Provision::Permission { recipient: to },
            "no" => Provision::Objection(self.of(&grains)),
            _ => Provision::Terms(self.terms().into()),
        };
        let (since, until) = self.times();
        let status =
            [ConsentStatus::Active, ConsentStatus::Inactive, ConsentStatus::EnteredInError];
        ConsentRecord {
            id: Uuid::from_u128(1),
            version: 1,
            patient: if self.rarely() { other() } else { patient() },
            status: if self.rarely() { self.of(&status) } else { ConsentStatus::Active },
            provision,
            set_by: "the patient".to_owned(),
            organisation: "ZEX01".parse().unwrap(),
            since,
            until,
            policy_uri: None,
            recorded_at: since,
            recorded_by: "test".to_owned(),
        }
    }

    fn terms(&mut self) -> Terms {
        let root = Term { applies: None, ..self.term() };
        let exceptions = (0..self.of(&[0, 1, 2, 3])).map(|_| self.term()).collect();
        Terms { root, exceptions }
    }

    /// Most are to everybody, and about little.
    fn term(&mut self) -> Term {
        let mut term = Term { permits: !self.half(), ..Term::default() };
        if self.rarely() {
            term.applies = Some(self.span());
        }
        if self.of(&[false, false, true]) {
            term.recipients.push(self.of(&["ZEX02", "ZEX01"]).parse().unwrap());
        }
        let care = TermPurpose::DirectCare;
        let purposes = [vec![], vec![TermPurpose::BreakGlass], vec![care], vec![]];
        term.purposes = self.of(&purposes);
        if self.of(&[false, true, false]) {
            term.authored = Some(self.span());
        }
        let data = [
            Grain::Source(self.organisation().parse().unwrap()),
            Grain::Document(self.of(&[uuid(7), uuid(9)])),
            Grain::Related(self.contact()),
        ];
        if self.of(&[false, false, true]) {
            term.data = (0..self.of(&[1, 2])).map(|_| self.of(&data)).collect();
        }
        let scheme = self.of(&[None, Some(SNOMED.to_owned()), Some("other".to_owned())]);
        if self.of(&[false, false, false, true]) {
            let meant = [vec![], vec!["other".to_owned(), SNOMED.to_owned()], vec![URI.to_owned()]];
            let schemes = if scheme.is_none() { self.of(&meant) } else { Vec::new() };
            let code = self.of(&["C1", "C2"]).to_owned();
            term.classes.push(Grain::Class { code, scheme, schemes });
        }
        if self.of(&[false, false, true]) {
            let labels = ["N", "R", "U"].map(|label| Grain::Label(label.to_owned()));
            let tags = ["TAG1", "TAG2"].map(|tag| Grain::Tag(tag.to_owned()));
            term.labels = vec![self.of(&labels), self.of(&tags)];
            term.labels.truncate(self.of(&[1, 2]));
        }
        term
    }

    fn span(&mut self) -> Span {
        let from = self.of(&[None, Some(EARLIER), Some(NOW), Some(JUST_LATER)]);
        let until = self.of(&[None, Some(NOW), Some(LATER), Some(JUST_BEFORE)]);
        Span { from: from.map(at), until: until.map(at) }
    }

    fn contact(&mut self) -> Contact {
        let kinds = [ContactKind::Encounter, ContactKind::CarePlan, ContactKind::EpisodeOfCare];
        let scheme = self.of(&[Some("2.999.5"), Some("2.999.5"), None, Some("urn:local")]);
        let scheme = scheme.map(str::to_owned);
        let schemes = if self.rarely() { vec!["2.999.6".to_owned()] } else { Vec::new() };
        Contact { kind: self.of(&kinds), id: self.of(&["E1", "E2"]).to_owned(), scheme, schemes }
    }

    fn relationship(&mut self) -> Relationship {
        let organisation = self.of(&["ZEX02", "ZEX02", "ZEX01"]).parse().unwrap();
        let with = match self.half() {
            true => Carer::Person { organisation, user_id: self.of(&["u1", "u2"]).to_owned() },
            false => Carer::Organisation(organisation),
        };
        let (since, until) = self.times();
        Relationship {
            id: Uuid::from_u128(2),
            version: 1,
            patient: patient(),
            with,
            kind: self.of(&RelationshipKind::ALL),
            status: self.status(),
            since,
            until,
            set_by: "test".to_owned(),
            source: "test".to_owned(),
            evidence: None,
            reason: None,
            recorded_at: since,
            recorded_by: "test".to_owned(),
        }
    }

    fn grant(&mut self) -> CitizenGrant {
        let delegate = if self.rarely() { patient() } else { other() };
        let proxy = CitizenGrantKind::Proxy { delegate, basis: self.of(&ProxyBasis::ALL) };
        let kinds = [proxy.clone(), proxy, CitizenGrantKind::Own, CitizenGrantKind::Barred];
        let (since, until) = self.times();
        let since = if self.half() { at(LONG_AGO) } else { since };
        CitizenGrant {
            id: Uuid::from_u128(3),
            version: 1,
            patient: if self.rarely() { other() } else { patient() },
            kind: self.of(&kinds),
            status: self.status(),
            since,
            until,
            organisation: "ZEX01".parse().unwrap(),
            evidence: None,
            recorded_at: since,
            recorded_by: "test".to_owned(),
        }
    }

    fn status(&mut self) -> RelationshipStatus {
        if self.rarely() { RelationshipStatus::EnteredInError } else { RelationshipStatus::Active }
    }

    fn opened(&mut self) -> Override {
        let (since, until) = self.times();
        Override {
            id: Uuid::from_u128(4),
            patient: if self.rarely() { other() } else { patient() },
            user_id: if self.rarely() { "u2" } else { "u1" }.to_owned(),
            role_profile_id: if self.rarely() { "p2" } else { "p1" }.to_owned(),
            session_id: self.of(&[None, Some("s1".to_owned())]),
            reason: OverrideReason::Other,
            since,
            until: until.unwrap_or(at(LATER)),
        }
    }
}

#[async_trait]
impl ConsentRecords for Facts {
    async fn consent_records(&self, _: NhsNumber) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        self.records.clone().ok_or_else(silent)
    }
}

#[async_trait]
impl Relationships for Facts {
    async fn relationships(&self, _: NhsNumber) -> Result<Vec<Relationship>, FactsUnavailable> {
        self.relationships.clone().ok_or_else(silent)
    }
}

#[async_trait]
impl CitizenGrants for Facts {
    async fn citizen_grants(&self, _: NhsNumber) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        self.grants.clone().ok_or_else(silent)
    }
}

#[async_trait]
impl Overrides for Facts {
    async fn overrides(
        &self,
        _: &UserCaller,
        _: NhsNumber,
    ) -> Result<Vec<Override>, FactsUnavailable> {
        Ok(self.overrides.clone())
    }
}

struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        now()
    }
}

fn silent() -> FactsUnavailable {
    FactsUnavailable("silent".to_owned())
}

fn coded(code: &str) -> Code {
    Code::new(code, SNOMED, "")
}

fn uuid(n: u128) -> carerecord_model::EntryUuid {
    carerecord_model::EntryUuid::new(Uuid::from_u128(n))
}

fn at(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

fn now() -> Timestamp {
    at(NOW)
}

fn patient() -> NhsNumber {
    "9990001006".parse().unwrap()
}

fn other() -> NhsNumber {
    "9990001014".parse().unwrap()
}

const NOW: &str = "2026-11-25T12:00:00Z";
const JUST_BEFORE: &str = "2026-11-25T11:59:59.999999999Z";
const JUST_LATER: &str = "2026-11-25T12:00:00.000000001Z";
const EARLIER: &str = "2026-11-24T12:00:00Z";
const LATER: &str = "2026-11-26T12:00:00Z";
const LONG_AGO: &str = "2020-05-01T09:00:00Z";
const ENCOUNTER_1: &str = "E1^^^&2.999.5&ISO^urn:ihe:iti:xds:2015:encounterId";
const ENCOUNTER_2: &str = "E2^^^^urn:ihe:iti:xds:2015:encounterId";
const SNOMED: &str = "2.16.840.1.113883.6.96";
const URI: &str = "http://snomed.info/sct";
