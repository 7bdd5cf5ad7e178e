//! Roles that a test owns.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use carerecord_access::{
    CaredFor, CaredForQuestion, CitizenGrant, CitizenGrantStore, CitizenGrants, ConsentRecord,
    ConsentRecords, ConsentStore, ConsentStoreError, FactsUnavailable, Relationship,
    RelationshipStore, Relationships,
};
use carerecord_model::*;
use futures_util::stream;
use uuid::Uuid;

/// A registry with one patient's objects, or one that refuses.
#[derive(Default)]
pub(super) struct FakeRegistry {
    pub(super) found: FoundObjects,
    pub(super) refuses: Option<ErrorCode>,
    pub(super) changes: Vec<LastChange>,
    /// What it has in place of the rest from some time on.
    pub(super) later: Arc<Mutex<Option<FoundObjects>>>,
}

#[async_trait]
impl DocumentRegistry for FakeRegistry {
    async fn register_document_set(&self, _: Submission) -> Result<Registered, PortError> {
        Err(PortError::Unavailable("nothing is registered here".into()))
    }

    async fn stored_query(&self, _: &StoredQuery) -> Result<FoundObjects, PortError> {
        match &self.refuses {
            Some(code) => Err(TransactionError::one(code.clone(), "of 9990001006").into()),
            None => {
                let later = self.later.lock().unwrap().clone();
                Ok(later.unwrap_or_else(|| self.found.clone()))
            }
        }
    }

    async fn last_changes(&self, _: NhsNumber) -> Result<Vec<LastChange>, PortError> {
        Ok(self.changes.clone())
    }

    async fn remove_metadata(&self, _: Vec<EntryUuid>) -> Result<(), PortError> {
        Err(PortError::Unavailable("nothing is removed here".into()))
    }
}

/// An index of one person, into whom the person with `MERGED` has been merged.
pub(super) struct FakePatients(pub(super) Option<Patient>);

/// A number that leads to whoever is in the index.
pub(super) const MERGED: &str = "9990001014";

#[async_trait]
impl PatientDirectory for FakePatients {
    async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, PortError> {
        let merged = number.digits() == MERGED;
        Ok(self.0.clone().filter(|person| merged || person.nhs_number == number))
    }

    async fn cross_reference(&self, id: &PatientId) -> Result<CrossReference, PortError> {
        let local: PatientId = "MRN-88^^^&2.999.10.2&ISO".parse().unwrap();
        let person = self.0.as_ref().map(|person| CrossReferenced {
            own: PatientId::from_nhs_number(person.nhs_number),
            identifiers: vec![PatientId::from_nhs_number(person.nhs_number), local],
            restricted: person.restricted,
        });
        Ok(CrossReference {
            authorities: vec!["2.16.840.1.113883.2.1.4.1".into(), "2.999.10.2".into()],
            person: person.filter(|person| person.identifiers.contains(id)),
        })
    }

    async fn find_patients(&self, search: &PatientSearch) -> Result<FoundPatients, PortError> {
        let has = |found: &FoundPatient, any: &Vec<PatientId>| {
            any.iter().any(|id| found.identifiers.contains(id))
        };
        let known = ["2.16.840.1.113883.2.1.4.1", "2.999.10.2"];
        let found = self.found().filter(|found| {
            search.matches(&found.patient) && search.identifiers.iter().all(|any| has(found, any))
        });
        // Everybody is a Smith.
        let crowd = search.matches(&smith());
        Ok(FoundPatients {
            people: found.into_iter().collect(),
            too_many: crowd && search.identifiers.is_empty(),
            incomplete: false,
            unknown_domains: search
                .domains
                .iter()
                .flatten()
                .filter(|oid| !known.contains(&oid.as_str()))
                .cloned()
                .collect(),
        })
    }
}

fn smith() -> Patient {
    let mut person = Patient::from_number("9990001146".parse().unwrap());
    person.family_name = Some("Smith".into());
    person.birth_date = Some("1970-01-01".parse().unwrap());
    person
}

impl FakePatients {
    fn found(&self) -> Option<FoundPatient> {
        let patient = self.0.clone()?;
        let mut identifiers = vec![
            PatientId::from_nhs_number(patient.nhs_number),
            PatientId::from_nhs_number(MERGED.parse().unwrap()),
        ];
        if !patient.restricted {
            identifiers.push("MRN-88^^^&2.999.10.2&ISO".parse().unwrap());
        }
        Some(FoundPatient { patient, identifiers })
    }
}

#[derive(Default)]
pub(super) struct FakeConsents(Mutex<Vec<ConsentRecord>>);

#[async_trait]
impl ConsentRecords for FakeConsents {
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        let all = self.0.lock().unwrap().clone();
        Ok(all.into_iter().filter(|record| record.patient == patient).collect())
    }
}

#[async_trait]
impl ConsentStore for FakeConsents {
    async fn put_consent(&self, record: ConsentRecord) -> Result<(), ConsentStoreError> {
        self.0.lock().unwrap().push(record);
        Ok(())
    }

    async fn consent(&self, id: Uuid) -> Result<ConsentRecord, ConsentStoreError> {
        let all = self.0.lock().unwrap().clone();
        all.into_iter().rev().find(|record| record.id == id).ok_or(ConsentStoreError::NotFound)
    }
}

#[async_trait]
impl Relationships for FakeConsents {
    async fn relationships(&self, _: NhsNumber) -> Result<Vec<Relationship>, FactsUnavailable> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl RelationshipStore for FakeConsents {
    async fn put_relationship(&self, _: Relationship) -> Result<(), ConsentStoreError> {
        Err(FactsUnavailable("none are kept".to_owned()).into())
    }

    async fn relationship(&self, _: Uuid) -> Result<Relationship, ConsentStoreError> {
        Err(ConsentStoreError::NotFound)
    }

    async fn cared_for(&self, _: &CaredForQuestion) -> Result<CaredFor, FactsUnavailable> {
        // Nobody, with more behind them.
        Ok(CaredFor { next: Some((0, Uuid::nil())), ..CaredFor::default() })
    }
}

#[async_trait]
impl CitizenGrants for FakeConsents {
    async fn citizen_grants(&self, _: NhsNumber) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl CitizenGrantStore for FakeConsents {
    async fn put_citizen_grant(&self, _: CitizenGrant) -> Result<(), ConsentStoreError> {
        Err(FactsUnavailable("none are kept".to_owned()).into())
    }

    async fn citizen_grants_to(&self, _: NhsNumber) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        Ok(Vec::new())
    }

    async fn citizen_grant(&self, _: Uuid) -> Result<CitizenGrant, ConsentStoreError> {
        Err(ConsentStoreError::NotFound)
    }
}

/// A node whose documents are all `BYTES`.
#[derive(Default)]
pub(super) struct FakeNode {
    /// What it finds, whatever is asked; without it, it cannot be searched inside.
    pub(super) finds: Option<ContentAnswer>,
    pub(super) trouble: Trouble,
    pub(super) asked: Arc<Mutex<Vec<ContentQuestion>>>,
    /// What its documents say, whatever is asked; without it, it takes nothing out of them.
    pub(super) states: Option<ElementAnswer>,
    pub(super) asked_elements: Arc<Mutex<Vec<ElementQuestion>>>,
}

/// What is wrong with a node.
#[derive(Clone, Copy, Default)]
pub(super) enum Trouble {
    #[default]
    None,
    Down,
    Late,
    /// It begins to give documents and does not get on.
    Stuck,
}

#[async_trait]
impl DocumentRepository for FakeNode {
    async fn retrieve(
        &self,
        _: &DocumentRequest,
        _: Option<ByteRange>,
        _: &dyn OnBehalf,
    ) -> Result<RetrievedDocument, PortError> {
        if matches!(self.trouble, Trouble::Stuck) {
            std::future::pending::<()>().await;
        }
        let body = stream::iter([Ok(Bytes::from_static(BYTES))]);
        Ok(RetrievedDocument {
            mime_type: "text/plain".parse().unwrap(),
            size: None,
            hash: None,
            body: Box::pin(body),
            range: None,
        })
    }

    async fn probe(&self) -> Result<(), PortError> {
        match self.trouble {
            Trouble::None | Trouble::Stuck => Ok(()),
            Trouble::Down => Err(PortError::Unavailable("it is down".into())),
            Trouble::Late => std::future::pending().await,
        }
    }

    async fn search(
        &self,
        question: &ContentQuestion,
        _: &dyn OnBehalf,
    ) -> Result<Option<ContentAnswer>, PortError> {
        self.probe().await?;
        self.asked.lock().unwrap().push(question.clone());
        Ok(self.finds.clone())
    }

    async fn elements(
        &self,
        question: &ElementQuestion,
        _: &dyn OnBehalf,
    ) -> Result<Option<ElementAnswer>, PortError> {
        self.probe().await?;
        self.asked_elements.lock().unwrap().push(question.clone());
        Ok(self.states.clone())
    }
}

/// A node that takes what it is sent.
pub(super) struct FakeRecipient;

#[async_trait]
impl DocumentRecipient for FakeRecipient {
    async fn provide_and_register(
        &self,
        submission: Submission,
        documents: Vec<SentDocument>,
    ) -> Result<Registered, PortError> {
        let entries = submission.document_entries.iter().map(|e| &e.entry_uuid);
        let sent = documents.iter().map(|document| &document.entry);
        assert!(entries.eq(sent), "each entry with its document");
        Ok(Registered::default())
    }
}

pub(super) const BYTES: &[u8] = b"Pulse 64/min.";
/// SHA-1 of `BYTES`.
pub(super) fn hash() -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, BYTES);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
