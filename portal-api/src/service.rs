use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use carerecord_access::{
    AccessDecisions, Caller, CitizenGrantStore, ConsentStore, Decision, Override, PatientRecords,
    Purpose, RecordView, Refused, RelationshipStore, Released, Right, Rule, Withheld,
};
use carerecord_audit::AuditLog;
use carerecord_model::{
    Clock, ContentFilter, CrossReference, DocumentEntry, DocumentRegistry, EntryRef, EntryUuid,
    FoundObjects, Get, GetAll, GetDocuments, IdSource, MetadataLevel, NhsNumber, NodeId, ObjectId,
    PatientDirectory, PatientId, PortError, Scope, StoredQuery,
};
use carerecord_service::{AuditDraft, Even};

use carerecord_service::{Delegate, Delegation, Delegator};
use tokio::sync::Semaphore;

use crate::access_pack::AccessPacks;
use crate::detection::Detection;
use crate::error::FhirError;
use crate::federation::{Federation, Member, NodeState};
use crate::feeds::FeedRules;
use crate::opened::{Opened, note_closed};
use crate::overrides::NewAlert;
use crate::people::{Kept, LeftOut};
use crate::publishing::Publishers;
use crate::{OverrideStore, PatientIds, PortalConfig, RoleLog, TokenVerifier};

/// The portal's service: the FHIR handlers call these methods, and only these.
#[derive(Clone)]
pub struct Portal {
    pub(crate) config: Arc<PortalConfig>,
    pub(crate) registry: Arc<dyn DocumentRegistry>,
    pub(crate) patients: Arc<dyn PatientDirectory>,
    pub(crate) consents: Arc<dyn ConsentStore>,
    pub(crate) relationships: Arc<dyn RelationshipStore>,
    pub(crate) citizen_grants: Arc<dyn CitizenGrantStore>,
    pub(crate) records: Option<Arc<dyn PatientRecords>>,
    pub(crate) access: AccessDecisions,
    pub(crate) federation: Federation,
    pub(crate) tokens: TokenVerifier,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) patient_ids: PatientIds,
    pub(crate) overrides: OverrideStore,
    delegations: Option<Arc<Delegator>>,
    pub(crate) audit_logs: Arc<[RoleLog]>,
    pub(crate) log: AuditLog,
    pub(crate) publishers: Publishers,
    pub(crate) detection: Option<Detection>,
    pub(crate) feed_rules: Arc<FeedRules>,
    pub(crate) access_packs: Option<AccessPacks>,
    /// For what is sent and held meanwhile, in KiB.
    pub(crate) room: Arc<Semaphore>,
}

/// What a portal is made of.
pub struct PortalParts {
    /// Its section of the configuration.
    pub config: PortalConfig,
    /// The registry.
    pub registry: Arc<dyn DocumentRegistry>,
    /// The patient index.
    pub patients: Arc<dyn PatientDirectory>,
    /// What patients have said.
    pub consents: Arc<dyn ConsentStore>,
    /// Who cares for whom.
    pub relationships: Arc<dyn RelationshipStore>,
    /// Which citizens may see whose record.
    pub citizen_grants: Arc<dyn CitizenGrantStore>,
    /// All of a patient in one question, where that can be asked.
    pub records: Option<Arc<dyn PatientRecords>>,
    /// The decisions.
    pub access: AccessDecisions,
    /// The sources.
    pub federation: Federation,
    /// Who may ask.
    pub tokens: TokenVerifier,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn IdSource>,
    /// Ids of people in URLs.
    pub patient_ids: PatientIds,
    /// What people have opened that is closed.
    pub overrides: OverrideStore,
    /// Who says to nodes for whom the portal asks; they are told nothing unless given.
    pub delegations: Option<Arc<Delegator>>,
    /// The logs that are searched besides those of nodes, the portal's own first.
    pub audit_logs: Vec<RoleLog>,
    /// The portal's own log, out of which its uses are counted.
    pub log: AuditLog,
    /// Who may publish, and where to.
    pub publishers: Publishers,
    /// The rules that go through the record of accesses; without them there are no reports.
    pub detection: Option<Detection>,
    /// What is expected of feeds.
    pub feed_rules: FeedRules,
    /// Subject access packs; none are made without.
    pub access_packs: Option<AccessPacks>,
}

/// A patient's record as one caller may see it.
pub(crate) struct Record {
    pub found: Released<FoundObjects>,
    pub withheld: Withheld,
    pub sources: Vec<NodeState>,
    /// Whether nothing may tell where the person is cared for.
    pub masked: bool,
    /// The number that everything of the person is kept under.
    pub number: NhsNumber,
    /// What the caller has opened of it.
    pub opened: Option<Override>,
}

/// One document that the caller may see.
pub(crate) struct Document {
    entry: Released<Arc<DocumentEntry>>,
    /// Whether nothing may tell where the person is cared for.
    pub masked: bool,
    /// What the caller has opened of the record.
    opened: Option<Override>,
    /// Who may see it, and what for.
    asker: (Caller, Purpose),
}

impl Document {
    /// One that a view lets be seen.
    pub(crate) fn released(
        view: &RecordView,
        purpose: Purpose,
        entry: Arc<DocumentEntry>,
    ) -> Result<Self, Refused> {
        let (masked, opened) = (view.masks_locations(), view.opened().cloned());
        let asker = (view.caller().clone(), purpose);
        Ok(Self { masked, entry: view.release(entry)?, opened, asker })
    }

    /// Its metadata.
    pub(crate) fn value(&self) -> &DocumentEntry {
        self.entry.value()
    }

    /// Why the caller may see it.
    pub(crate) fn decision(&self) -> &Decision {
        self.entry.decision()
    }
}

impl Portal {
    /// A portal out of its parts.
    pub fn new(parts: PortalParts) -> Self {
        Self {
            config: Arc::new(parts.config),
            registry: parts.registry,
            patients: parts.patients,
            consents: parts.consents,
            relationships: parts.relationships,
            citizen_grants: parts.citizen_grants,
            records: parts.records,
            access: parts.access.with_overrides(Arc::new(parts.overrides.clone())),
            federation: parts.federation,
            tokens: parts.tokens,
            clock: parts.clock,
            ids: parts.ids,
            patient_ids: parts.patient_ids,
            overrides: parts.overrides,
            delegations: parts.delegations,
            audit_logs: parts.audit_logs.into(),
            publishers: parts.publishers,
            detection: parts.detection,
            feed_rules: Arc::new(parts.feed_rules),
            access_packs: parts.access_packs,
            log: parts.log,
            room: Arc::new(Semaphore::new(ROOM_KIB)),
        }
    }

    /// Everything of a patient that the caller may see, while sources are asked whether they can
    /// serve: those of these names, or all.
    pub(crate) async fn record(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
        ask: Option<&[String]>,
    ) -> Result<Record, FhirError> {
        let all = async {
            Ok(match ask {
                None => self.federation.probe_all().await,
                Some(_) => Vec::new(),
            })
        };
        let whole = self.open_whole(caller, purpose, patient);
        let ((Opened { view, number, .. }, found), all) = tokio::try_join!(whole, all)?;
        let masked = view.masks_locations();
        let sources = match ask {
            None => all,
            // What they are called is known when the record is open.
            Some(names) => {
                let named =
                    |member: &Member| names.contains(&source_id(masked, member.place, &member.id));
                self.federation.probe(named).await
            }
        };
        let (found, mut withheld) = view.release_found(found);
        note_closed(&view, &mut withheld);
        let opened = view.opened().cloned();
        Ok(Record { found, withheld, sources, masked, number, opened })
    }

    /// Everything that the caller may see of the record that a SubmissionSet or folder is in. Whose
    /// it is, and how much of it is withheld, stands in the draft whatever is answered. With it come
    /// those of its folders that are shown in part.
    pub(crate) async fn record_of_list(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: EntryUuid,
        draft: &AuditDraft,
    ) -> Result<(Released<FoundObjects>, HashSet<ObjectId>), FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let patient = self.patient_of_list(id).await?.ok_or(FhirError::NotFound)?;
        let Opened { view, number, .. } = self.open(caller, purpose, patient).await?;
        draft.fill(|event| event.subject = Some(number));
        if let Some(mut refused) = view.closed() {
            // Whether there is such a list is not told to who may not see the record.
            refused.may_be_told &= !view.is_for_citizen();
            return Err(refused.into());
        }
        let all = self.everything_for(&view, purpose, number).await?;
        let (found, withheld) = view.release_found(all);
        draft.fill(|event| event.withheld = withheld.count);
        Ok((found, withheld.folders_in_part))
    }

    async fn patient_of_list(&self, id: EntryUuid) -> Result<Option<NhsNumber>, FhirError> {
        let get = || {
            Box::new(Get {
                objects: EntryRef::Uuids(vec![id]),
                content: ContentFilter::default(),
                association_types: Vec::new(),
                scope: Scope { level: MetadataLevel::Two, ..Scope::default() },
                home_community_id: None,
            })
        };
        let sets = StoredQuery::GetSubmissionSetAndContents(get());
        for query in [sets, StoredQuery::GetFolders(get())] {
            let found = self.find(&query).await?;
            let sets = found.submission_sets.iter().map(|s| (&s.entry_uuid, &s.patient_id));
            let folders = found.folders.iter().map(|f| (&f.entry_uuid, &f.patient_id));
            let mut lists = sets.chain(folders);
            if let Some((_, patient)) = lists.find(|(uuid, _)| uuid.uuid() == Some(id)) {
                return Ok(patient.nhs_number());
            }
        }
        Ok(None)
    }

    /// Everything of a patient, before any decision.
    pub(crate) async fn everything(&self, patient: NhsNumber) -> Result<FoundObjects, FhirError> {
        let query = GetAll::of(PatientId::from_nhs_number(patient));
        self.find(&StoredQuery::GetAll(Box::new(query))).await
    }

    /// The same for whoever has opened the record: the registry is told for whom it is.
    pub(crate) async fn everything_for(
        &self,
        view: &RecordView,
        purpose: Purpose,
        patient: NhsNumber,
    ) -> Result<FoundObjects, FhirError> {
        let query = GetAll::of(PatientId::from_nhs_number(patient));
        let query = StoredQuery::GetAll(Box::new(query));
        let whom = self.before_decisions(view.caller(), purpose, patient, view.opened());
        let asked = self.registry.stored_query_for(&query, &whom);
        self.within(asked).await.map_err(FhirError::Registry)
    }

    /// What the registry is told of a question about everything of a patient: the rule is known when
    /// each document has been decided about.
    pub(crate) fn before_decisions(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
        opened: Option<&Override>,
    ) -> Delegation {
        let whom = Delegate {
            caller: Some(caller.clone()),
            purpose,
            patient: Some(patient),
            rule: String::new(),
            opened: opened.cloned(),
        };
        Delegation::new(self.delegations.clone(), whom)
    }

    /// What the registry finds, before any decision.
    pub(crate) async fn find(&self, query: &StoredQuery) -> Result<FoundObjects, FhirError> {
        self.within(self.registry.stored_query(query)).await.map_err(FhirError::Registry)
    }

    /// One document that the caller may see. Whose it is stands in the draft whatever is answered.
    pub(crate) async fn document(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: EntryUuid,
        draft: &AuditDraft,
    ) -> Result<Document, FhirError> {
        let even = Even::new();
        let found = self.find_document(caller, purpose, id, draft).await;
        if found.as_ref().is_err_and(FhirError::is_nothing) {
            even.wait().await;
        }
        found
    }

    async fn find_document(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: EntryUuid,
        draft: &AuditDraft,
    ) -> Result<Document, FhirError> {
        Ok(self.opened_document(caller, purpose, id, draft).await?.0)
    }

    /// One document that the caller may see, the view that lets it be seen, and the entry as the
    /// registry has it, for nothing but decisions about what stands beside it.
    pub(crate) async fn opened_document(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: EntryUuid,
        draft: &AuditDraft,
    ) -> Result<(Document, Opened, Arc<DocumentEntry>), FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::Uuids(vec![id]))
        });
        let found = self.find(&query).await?;
        let entry = found.document_entries.into_iter().next().ok_or(FhirError::NotFound)?;
        let number = entry.patient_id.nhs_number().ok_or(FhirError::NotFound)?;
        draft.fill(|event| event.subject = Some(number));
        let opening = self.open(caller, purpose, number).await?;
        let document = Document::released(&opening.view, purpose, entry.clone())?;
        Ok((document, opening, entry))
    }

    /// What nodes are told of a question of this caller's about a patient.
    pub(crate) fn on_behalf(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: Option<NhsNumber>,
        rule: Rule,
        opened: Option<&Override>,
    ) -> Delegation {
        let whom = Delegate {
            caller: Some(caller.clone()),
            purpose,
            patient,
            rule: rule.id().to_owned(),
            opened: opened.cloned(),
        };
        Delegation::new(self.delegations.clone(), whom)
    }

    /// What the node that keeps a document is told of whoever may see it.
    pub(crate) fn on_behalf_of_reader(&self, document: &Document) -> Delegation {
        let (caller, purpose) = &document.asker;
        let patient = document.value().patient_id.nhs_number();
        let rule = document.decision().rule;
        self.on_behalf(caller, *purpose, patient, rule, document.opened.as_ref())
    }

    /// Tells the organisation that keeps a document that it is being opened by an override.
    pub(crate) async fn tell_keeper(&self, document: &Document) -> Result<(), FhirError> {
        let overridden = document.decision().rule == Rule::BreakGlass;
        let opened = document.opened.as_ref().filter(|_| overridden);
        let rules = self.access.policy().break_glass().filter(|rules| rules.tell_sources);
        let (Some(opened), Some(rules)) = (opened, rules) else { return Ok(()) };
        let node = document.value().repository_unique_id.as_ref();
        let Some(keeper) = node.and_then(|node| self.access.policy().node_organisation(node))
        else {
            return Ok(());
        };
        let (id, now) = (self.ids.ordered(), self.clock.now());
        let alert = NewAlert::of(id, opened, keeper.as_str(), now, rules.review_days);
        self.overrides.tell(alert).await.map_err(|e| FhirError::store(&e))
    }

    /// What the patient index knows of an identifier. ITI-83.
    pub(crate) async fn cross_reference(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: &PatientId,
    ) -> Result<Kept<CrossReference>, FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let found = self.within(self.patients.cross_reference(id)).await;
        let mut found = found.map_err(FhirError::Registry)?;
        let mut left_out = LeftOut::default();
        let number = found.person.as_ref().map(|person| person.own.nhs_number());
        if let Some(number) = number {
            left_out.refused = self.access.may_concern(caller, number).err();
        }
        if left_out.refused.is_some() {
            found.person = None;
            left_out.people.extend(number.flatten());
        }
        let released = self.access.release_person(caller, purpose, found)?;
        Ok(Kept { released, left_out })
    }

    /// Whether the registry can be asked, for readiness.
    pub async fn ready(&self) -> Result<(), String> {
        let nobody: NhsNumber = "9990001146".parse().map_err(|_| "number".to_owned())?;
        self.within(self.patients.patient(nobody)).await.map(|_| ()).map_err(|e| e.to_string())
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.config.source_deadline_ms)
    }

    pub(crate) async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        tokio::time::timeout(self.deadline(), asked).await.unwrap_or(Err(PortError::Late))
    }
}

/// What a source is called in outcomes: where nothing may tell which of them has documents, by its
/// place alone.
pub(crate) fn source_id(masked: bool, place: usize, id: &NodeId) -> String {
    if masked { format!("source-{}", place + 1) } else { id.as_str().to_owned() }
}

/// How much of what is sent is held at one time. A transaction needs its length, while it is read
/// and sent on about three to four times as much.
const ROOM_KIB: usize = 64 << 10;
