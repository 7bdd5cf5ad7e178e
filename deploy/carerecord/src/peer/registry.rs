use async_trait::async_trait;
use carerecord_access::{
    CaredFor, CaredForQuestion, CitizenGrant, CitizenGrantStore, CitizenGrants, ConsentRecord,
    ConsentRecords, ConsentStore, ConsentStoreError, FactsUnavailable, Relationship,
    RelationshipStore, Relationships,
};
use carerecord_codec::name::action;
use carerecord_codec::{
    AdhocQueryRequest, RegistryResponse, RemoveObjectsRequest, SubmittedObjects,
};
use carerecord_model::{
    CrossReference, DocumentRegistry, EntryUuid, FoundObjects, FoundPatients, LastChange,
    NhsNumber, OnBehalf, Patient, PatientDirectory, PatientId, PatientSearch, PortError,
    Registered, StoredQuery, Submission,
};
use carerecord_registry::{
    CitizenGrantQuestion, CitizenGrantUpdate, ConsentQuestion, ConsentUpdate, IdentifierQuestion,
    LastChangesQuestion, PatientQuestion, RelationshipQuestion, RelationshipUpdate,
};
use carerecord_service::send;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::soap::{call, unavailable};

/// A registry in another process.
#[derive(Clone)]
pub struct RegistryClient {
    http: reqwest::Client,
    url: String,
}

impl RegistryClient {
    /// The registry whose door is at this address.
    pub fn new(http: reqwest::Client, url: &str) -> Self {
        Self { http, url: url.trim_end_matches('/').to_owned() }
    }

    async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        question: &Q,
    ) -> Result<A, PortError> {
        let request = self.http.post(format!("{}{path}", self.url)).json(question);
        let (response, _) = send(("http", &interaction(path)), request).await;
        let response = response.map_err(unavailable)?.error_for_status().map_err(unavailable)?;
        response.json().await.map_err(unavailable)
    }

    async fn query(
        &self,
        query: &StoredQuery,
        statement: Option<String>,
    ) -> Result<FoundObjects, PortError> {
        let url = format!("{}/xds/registry", self.url);
        super::soap::query(&self.http, &url, &AdhocQueryRequest::new(query), statement).await
    }

    /// Stores a version of a fact.
    async fn store<U: Serialize + Sync>(
        &self,
        path: &str,
        update: &U,
    ) -> Result<(), ConsentStoreError> {
        let request = self.http.post(format!("{}{path}", self.url)).json(update);
        let (sent, _) = send(("http", &interaction(path)), request).await;
        let sent = sent.map_err(|e| FactsUnavailable(e.without_url().to_string()))?;
        match sent.status().as_u16() {
            200..=299 => Ok(()),
            404 => Err(ConsentStoreError::NotFound),
            409 => Err(ConsentStoreError::Conflict),
            status => Err(FactsUnavailable(format!("HTTP {status}")).into()),
        }
    }
}

/// `consent update` of `/peer/consent/update`.
fn interaction(path: &str) -> String {
    path.trim_start_matches("/peer/").replace(['/', '-'], " ")
}

#[async_trait]
impl DocumentRegistry for RegistryClient {
    async fn register_document_set(&self, submission: Submission) -> Result<Registered, PortError> {
        let url = format!("{}/xds/registry", self.url);
        let request = SubmittedObjects(&submission);
        let answer: RegistryResponse = call(&self.http, &url, action::REGISTER, &request).await?;
        Ok(Registered { warnings: answer.into_result()?, repeated: false })
    }

    async fn stored_query(&self, query: &StoredQuery) -> Result<FoundObjects, PortError> {
        self.query(query, None).await
    }

    async fn stored_query_for(
        &self,
        query: &StoredQuery,
        whom: &dyn OnBehalf,
    ) -> Result<FoundObjects, PortError> {
        self.query(query, whom.to_registry()?).await
    }

    async fn last_changes(&self, patient: NhsNumber) -> Result<Vec<LastChange>, PortError> {
        self.ask("/peer/last-changes", &LastChangesQuestion { patient }).await
    }

    async fn remove_metadata(&self, ids: Vec<EntryUuid>) -> Result<(), PortError> {
        let url = format!("{}/xds/registry", self.url);
        let request = RemoveObjectsRequest { ids };
        let answer: RegistryResponse =
            call(&self.http, &url, action::REMOVE_METADATA, &request).await?;
        answer.into_result()?;
        Ok(())
    }
}

#[async_trait]
impl PatientDirectory for RegistryClient {
    async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, PortError> {
        self.ask("/peer/patient", &PatientQuestion::Number(number)).await
    }

    async fn cross_reference(&self, id: &PatientId) -> Result<CrossReference, PortError> {
        self.ask("/peer/identifier", &IdentifierQuestion { id: id.clone() }).await
    }

    async fn find_patients(&self, search: &PatientSearch) -> Result<FoundPatients, PortError> {
        self.ask("/peer/patient/search", search).await
    }
}

#[async_trait]
impl ConsentRecords for RegistryClient {
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        let answer = self.ask("/peer/consent", &ConsentQuestion::Patient(patient)).await;
        answer.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl ConsentStore for RegistryClient {
    async fn put_consent(&self, record: ConsentRecord) -> Result<(), ConsentStoreError> {
        self.store("/peer/consent/update", &ConsentUpdate { record }).await
    }

    async fn consent(&self, id: Uuid) -> Result<ConsentRecord, ConsentStoreError> {
        let found: Result<Vec<ConsentRecord>, PortError> =
            self.ask("/peer/consent", &ConsentQuestion::Id(id)).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_iter().next().ok_or(ConsentStoreError::NotFound)
    }
}

#[async_trait]
impl Relationships for RegistryClient {
    async fn relationships(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<Relationship>, FactsUnavailable> {
        let answer = self.ask("/peer/relationship", &RelationshipQuestion::Patient(patient)).await;
        answer.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl RelationshipStore for RegistryClient {
    async fn put_relationship(&self, relationship: Relationship) -> Result<(), ConsentStoreError> {
        self.store("/peer/relationship/update", &RelationshipUpdate { relationship }).await
    }

    async fn relationship(&self, id: Uuid) -> Result<Relationship, ConsentStoreError> {
        let found: Result<Vec<Relationship>, PortError> =
            self.ask("/peer/relationship", &RelationshipQuestion::Id(id)).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_iter().next().ok_or(ConsentStoreError::NotFound)
    }

    async fn cared_for(&self, question: &CaredForQuestion) -> Result<CaredFor, FactsUnavailable> {
        let answer = self.ask("/peer/relationship/cared-for", question).await;
        answer.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl CitizenGrants for RegistryClient {
    async fn citizen_grants(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        let question = CitizenGrantQuestion::Patient(patient);
        let answer = self.ask("/peer/citizen-grant", &question).await;
        answer.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl CitizenGrantStore for RegistryClient {
    async fn put_citizen_grant(&self, grant: CitizenGrant) -> Result<(), ConsentStoreError> {
        self.store("/peer/citizen-grant/update", &CitizenGrantUpdate { grant }).await
    }

    async fn citizen_grants_to(
        &self,
        delegate: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        let question = CitizenGrantQuestion::Delegate(delegate);
        let answer = self.ask("/peer/citizen-grant", &question).await;
        answer.map_err(|e| FactsUnavailable(e.to_string()))
    }

    async fn citizen_grant(&self, id: Uuid) -> Result<CitizenGrant, ConsentStoreError> {
        let found: Result<Vec<CitizenGrant>, PortError> =
            self.ask("/peer/citizen-grant", &CitizenGrantQuestion::Id(id)).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_iter().next().ok_or(ConsentStoreError::NotFound)
    }
}
