//! Examples of decisions, which whoever answers for the policy can read and write:
//! `examples/*.toml` in the policy folder. Each says who asks, for what, about which document of a
//! patient who has said what, and by which rule it is decided.

use std::path::Path;
use std::sync::Arc;

use carerecord_model::{
    Author, AvailabilityStatus, Code, DocumentEntry, DocumentEntryType, Dtm, EntryUuid,
    ExtraMetadata, FoundObjects, LocalizedString, NhsNumber, ObjectId, OrganisationCode, PatientId,
};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use uuid::Uuid;

use crate::decide::caller_may_ask;
use crate::engine_facts::Asked;
use crate::example_words::{ENCOUNTERS, instant, relationship, statement, terms};
use crate::overrides::supposed_override;
use crate::{
    Assurance, Caller, ConsentRecord, Decision, Override, Policy, PolicyEngine, PolicyError,
    Purpose, RecordView, Relationship, Right, Rule, SystemCaller, UserCaller,
};

/// One example.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows, in words.
    #[serde(default)]
    pub says: String,
    /// Who asks.
    pub who: Who,
    /// What for; direct care unless given.
    #[serde(default)]
    pub purpose: Purpose,
    /// A day (its noon) or an instant.
    pub on: String,
    /// What is known of the patient.
    #[serde(default)]
    pub patient: Said,
    /// What is asked for.
    pub document: Described,
    /// The id of the rule that decides.
    pub expect: String,
    /// The label that it is shown with, of a yes.
    pub label: Option<String>,
}

/// Who asks: a person in a role, or a system.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// For which organisation.
    pub organisation: OrganisationCode,
    /// The job role; none is a system.
    pub role: Option<String>,
    /// How surely the person is who they say; `AAL3` unless given.
    pub assurance: Option<Assurance>,
    /// Whether the person has overridden what stands against it.
    #[serde(default)]
    pub broke_glass: bool,
}

/// What is known of the patient.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Said {
    /// Objections: `whole-record`, `source ZEX01`, `recipient ZEX02`, `class 734163000`, `document`,
    /// `label R`, `tag PSY`, `period 2022-01-01/2022-12-31`, `encounter E1`; each may end with `from` and `until` a day or instant.
    pub objects: Vec<String>,
    /// Rules with limits and exceptions: `permit authored 2022-01-01/2022-12-31; deny tag PSY`. After
    /// `permit` or `deny` come `to` an organisation, `for` `direct-care` or `break-glass`, `during` and
    /// `authored` a time, `source`, `encounter`, `class`, `label`, `tag`; as objections they may end
    /// with times.
    pub says: Vec<String>,
    /// Permissions: `anyone` or an organisation; as objections they may end with times.
    pub agrees: Vec<String>,
    /// Who cares for the patient: a kind and an organisation, `encounter ZEX01`; as objections it may
    /// end with times. `claim ZEX01` is one of the person who asks.
    pub related: Vec<String>,
    /// Whether the person is restricted (S-flagged).
    pub restricted: bool,
}

/// A document. What is not given is of no special kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    /// The organisation that keeps it; none is a node that the policy does not know.
    pub source: Option<OrganisationCode>,
    /// classCode
    pub class: Option<String>,
    /// typeCode
    pub r#type: Option<String>,
    /// practiceSettingCode
    pub setting: Option<String>,
    /// healthcareFacilityTypeCode
    pub facility: Option<String>,
    /// eventCodeList
    #[serde(default)]
    pub events: Vec<String>,
    /// The title.
    pub title: Option<String>,
    /// The confidentiality code that the source sent.
    pub label: Option<String>,
    /// Handling tags that the source sent.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Organisations of its authors.
    #[serde(default)]
    pub authors: Vec<OrganisationCode>,
    /// creationTime
    pub created: Option<Dtm>,
    /// serviceStartTime and serviceStopTime.
    pub served: Option<(Dtm, Dtm)>,
    /// Ids of encounters in its referenceIdList.
    #[serde(default)]
    pub encounters: Vec<String>,
}

/// What the rules say of an example.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The decision.
    pub decision: Decision,
    /// The label it is shown with, of a yes.
    pub label: Option<String>,
}

impl Example {
    /// Reads one file of examples.
    ///
    /// # Errors
    /// Names file and place.
    pub fn parse(name: &str, text: &str) -> Result<Vec<Self>, PolicyError> {
        let wrong = |e: toml::de::Error| PolicyError::Form(name.to_owned(), e.to_string());
        let file: File = toml::from_str(text).map_err(wrong)?;
        for example in &file.example {
            let meaning = |what: String| {
                let says = &example.says;
                PolicyError::Meaning(format!("{name}: {says}: {what}"))
            };
            if Rule::any_from_id(&example.expect).is_none() {
                return Err(meaning(format!("expect: {} is not a rule", example.expect)));
            }
            example.facts().map_err(meaning)?;
        }
        Ok(file.example)
    }

    /// The examples of a policy folder, with the names of their files; none where it has none.
    ///
    /// # Errors
    /// As `parse`, and when a file cannot be read.
    pub fn load(folder: &Path) -> Result<Vec<(String, Vec<Self>)>, PolicyError> {
        let folder = folder.join("examples");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for path in crate::policy::files(&folder, "toml")? {
            let name = path.display().to_string();
            let examples = Self::parse(&name, &crate::policy::read(&path)?)?;
            all.push((name, examples));
        }
        Ok(all)
    }

    /// What the rules say, by every entry point that a door uses: one document, a list, everything
    /// that a query found, a retrieval, an inquiry.
    ///
    /// # Errors
    /// Says which entry point differs from the others.
    pub fn judge(&self, policy: &Arc<Policy>) -> Result<Judged, String> {
        let (now, records) = self.facts()?;
        let entry = self.document.entry(policy);
        let caller = self.who.caller();
        let first = self.one(policy, &caller, Right::Query, now, &records, &entry);
        for (door, other) in [
            ("retrieval", self.one(policy, &caller, Right::Retrieve, now, &records, &entry)),
            ("list", self.list(policy, &caller, now, &records, &entry)),
            ("query", self.found(policy, &caller, now, &records, &entry)),
        ] {
            let same = match (&first, &other) {
                (Ok(a), Ok(b)) => a == b,
                (Err(a), Err(b)) => a == b,
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
            };
            if !same {
                return Err(format!("by {door} it is {other:?}, otherwise {first:?}"));
            }
        }
        Ok(match first {
            Ok((decision, entry)) => {
                let label = entry.confidentiality_codes.first().map(|code| code.code.clone());
                Judged { decision, label }
            }
            Err(decision) => Judged { decision, label: None },
        })
    }

    /// Whether the policy engine takes the decisions that the code takes which the doors use: about the
    /// document, and about the record as a whole.
    ///
    /// # Errors
    /// Says how the two differ.
    pub fn compare(&self, policy: &Arc<Policy>, engine: &PolicyEngine) -> Result<(), String> {
        let (now, records) = self.facts()?;
        let relationships = self.related()?;
        let caller = self.who.caller();
        let entry = self.document.entry(policy);
        let opened = self.opened(&caller, now);
        for right in [Right::Query, Right::Retrieve] {
            let asked = Asked {
                policy,
                caller: &caller,
                purpose: self.purpose,
                right,
                patient: person(),
                records: Some(&records),
                relationships: Some(&relationships),
                grants: Some(&[]),
                overrides: opened.as_slice(),
                now,
            };
            let view = self.view(policy, &caller, right, now, &records);
            engine.compare(&asked, &view, Some(&entry))?;
            if right == Right::Query {
                engine.compare(&asked, &view, None)?;
            }
        }
        Ok(())
    }

    fn one(
        &self,
        policy: &Arc<Policy>,
        caller: &Caller,
        right: Right,
        now: Timestamp,
        records: &[ConsentRecord],
        entry: &DocumentEntry,
    ) -> Shown {
        let view = self.view(policy, caller, right, now, records)?;
        let released = view.release(entry.clone()).map_err(|refused| refused.decision)?;
        Ok((released.decision().clone(), released.into_value()))
    }

    fn list(
        &self,
        policy: &Arc<Policy>,
        caller: &Caller,
        now: Timestamp,
        records: &[ConsentRecord],
        entry: &DocumentEntry,
    ) -> Shown {
        let view = self.view(policy, caller, Right::Query, now, records)?;
        let (mut released, withheld) = view.release_all(vec![entry.clone().into()]);
        if let Some(released) = released.pop() {
            return Ok((released.decision().clone(), released.into_value()));
        }
        debug_assert_eq!(withheld.count, 1);
        // A list tells no reason that must not be told: the reason itself comes from the decision.
        Err(withheld.told.into_iter().next().unwrap_or_else(|| view.decide(entry)))
    }

    fn found(
        &self,
        policy: &Arc<Policy>,
        caller: &Caller,
        now: Timestamp,
        records: &[ConsentRecord],
        entry: &DocumentEntry,
    ) -> Shown {
        let view = self.view(policy, caller, Right::Query, now, records)?;
        let found = FoundObjects {
            document_entries: vec![entry.clone().into()],
            ..FoundObjects::default()
        };
        let (released, withheld) = view.release_found(found);
        let decision = released.decision().clone();
        if let Some(entry) = released.into_value().document_entries.pop() {
            return Ok((decision, entry));
        }
        Err(withheld.told.into_iter().next().unwrap_or_else(|| view.decide(entry)))
    }

    fn view(
        &self,
        policy: &Arc<Policy>,
        caller: &Caller,
        right: Right,
        now: Timestamp,
        records: &[ConsentRecord],
    ) -> Result<RecordView, Decision> {
        let settled = caller_may_ask(policy, caller, self.purpose, right)?;
        let view = RecordView {
            policy: policy.clone(),
            caller: caller.clone(),
            purpose: self.purpose,
            patient: person(),
            records: records.to_vec(),
            // What is written so has been read once before.
            relationships: self.related().unwrap_or_default(),
            citizen_grants: Vec::new(),
            settled,
            opened: self.opened(caller, now),
            masked: false,
            now,
        };
        Ok(view.of_restricted(self.patient.restricted))
    }

    fn opened(&self, caller: &Caller, now: Timestamp) -> Option<Override> {
        match caller {
            Caller::User(user) if self.who.broke_glass => {
                Some(supposed_override(user, person(), now))
            }
            Caller::User(_) | Caller::System(_) | Caller::Citizen(_) => None,
        }
    }

    fn facts(&self) -> Result<(Timestamp, Vec<ConsentRecord>), String> {
        let now = instant(&self.on, Date::to_datetime, 12)?;
        let mut records = Vec::new();
        for said in &self.patient.objects {
            records.push(statement(said, true, records.len())?);
        }
        for said in &self.patient.agrees {
            records.push(statement(said, false, records.len())?);
        }
        for said in &self.patient.says {
            records.push(terms(said, records.len())?);
        }
        self.related()?;
        Ok((now, records))
    }

    fn related(&self) -> Result<Vec<Relationship>, String> {
        let all = self.patient.related.iter().enumerate();
        all.map(|(place, said)| relationship(said, place)).collect()
    }
}

type Shown = Result<(Decision, Arc<DocumentEntry>), Decision>;

impl Who {
    fn caller(&self) -> Caller {
        let Some(role) = &self.role else {
            return Caller::System(SystemCaller {
                name: "example".to_owned(),
                organisation: self.organisation.clone(),
                rights: vec![Right::Query, Right::Retrieve],
                known_by: "example",
            });
        };
        Caller::User(Box::new(UserCaller {
            user_id: "example".to_owned(),
            name: "Example".to_owned(),
            organisation: self.organisation.clone(),
            role: role.clone(),
            role_profile_id: String::new(),
            activities: Vec::new(),
            assurance: self.assurance.unwrap_or(Assurance::Aal3),
            client_id: String::new(),
            session_id: None,
            asserted: None,
        }))
    }
}

impl Described {
    fn entry(&self, policy: &Policy) -> DocumentEntry {
        let code = |given: &Option<String>| {
            given.as_ref().map_or_else(Code::absent, |code| Code::new(code, SNOMED, ""))
        };
        let of = |organisation: &OrganisationCode| {
            policy.nodes.iter().find(|(_, runs)| *runs == organisation).map(|(node, _)| node)
        };
        // A source without a node of its own is known by its author.
        let node = self.source.as_ref().and_then(of);
        let writer = self.source.iter().filter(|_| node.is_none());
        let institutions = writer.chain(&self.authors).filter_map(|organisation| {
            format!("{organisation}^^^^^&{ODS_OID}&ISO^^^^{organisation}").parse().ok()
        });
        let encounter =
            |id: &String| format!("{id}^^^&{ENCOUNTERS}&ISO^urn:ihe:iti:xds:2015:encounterId");
        let label = self.label.iter().map(|label| Code::new(label, LADDER, ""));
        let tags = self.tags.iter().map(|tag| Code::new(tag, "urn:carerecord:handling-tag", ""));
        DocumentEntry {
            entry_uuid: ObjectId::Uuid(document()),
            logical_id: None,
            version: 1,
            entry_type: DocumentEntryType::Stable,
            availability_status: AvailabilityStatus::Approved,
            patient_id: PatientId::from_nhs_number(person()),
            unique_id: "2.25.1".parse().expect("the constant is an OID"),
            repository_unique_id: node.cloned(),
            home_community_id: None,
            mime_type: "text/plain".parse().expect("the constant is a media type"),
            hash: None,
            size: None,
            creation_time: self.created.clone(),
            service_start_time: self.served.as_ref().map(|(first, _)| first.clone()),
            service_stop_time: self.served.as_ref().map(|(_, last)| last.clone()),
            language_code: "en-GB".into(),
            class_code: code(&self.class),
            type_code: code(&self.r#type),
            format_code: Code::absent(),
            healthcare_facility_type_code: code(&self.facility),
            practice_setting_code: code(&self.setting),
            confidentiality_codes: label.chain(tags).collect(),
            event_codes: self.events.iter().map(|code| Code::new(code, SNOMED, "")).collect(),
            authors: vec![Author { institutions: institutions.collect(), ..Author::default() }],
            legal_authenticator: None,
            source_patient_id: None,
            source_patient_info: Vec::new(),
            reference_ids: self.encounters.iter().map(encounter).collect(),
            title: self.title.iter().map(LocalizedString::new).collect(),
            comments: Vec::new(),
            uri: None,
            online: true,
            extra: ExtraMetadata::default(),
        }
    }
}

/// The person of the examples, of the range that nobody has.
pub(crate) fn person() -> NhsNumber {
    "9990001006".parse().expect("the constant is an NHS Number")
}

/// The document of the examples.
pub(crate) fn document() -> EntryUuid {
    EntryUuid::new(Uuid::from_u128(1))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    example: Vec<Example>,
}

const SNOMED: &str = "2.16.840.1.113883.6.96";
const LADDER: &str = "2.16.840.1.113883.5.25";
const ODS_OID: &str = "2.16.840.1.113883.2.1.4.3";
