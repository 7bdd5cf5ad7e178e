use async_trait::async_trait;
use carerecord_access::{
    CitizenGrant, CitizenGrantStore, CitizenGrants, ConsentRecord, ConsentRecords, ConsentStore,
    ConsentStoreError, FactsUnavailable, Relationship, RelationshipStore, Relationships,
};
use carerecord_codec::name::action;
use carerecord_codec::{
    AdhocQueryRequest, AdhocQueryResponse, RegistryResponse, RemoveObjectsRequest,
    SubmitObjectsRequest,
};
use carerecord_model::{
    CrossReference, DocumentRegistry, EntryUuid, FoundObjects, FoundPatients, NhsNumber, Patient,
    PatientDirectory, PatientId, PatientSearch, PortError, Registered, StoredQuery, Submission,
};
use carerecord_registry::{
    CitizenGrantQuestion, CitizenGrantUpdate, ConsentQuestion, ConsentUpdate, IdentifierQuestion,
    PatientQuestion, RelationshipQuestion, RelationshipUpdate,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::soap::{call, unavailable};
use super::traced;

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
        let url = format!("{}{path}", self.url);
        let request = traced(self.http.post(url)).json(question);
        let response = request.send().await.map_err(unavailable)?;
        let response = response.error_for_status().map_err(unavailable)?;
        response.json().await.map_err(unavailable)
    }

    /// Stores a version of a fact.
    async fn store<U: Serialize + Sync>(
        &self,
        path: &str,
        update: &U,
    ) -> Result<(), ConsentStoreError> {
        let url = format!("{}{path}", self.url);
        let sent = traced(self.http.post(url)).json(update).send().await;
        let sent = sent.map_err(|e| FactsUnavailable(e.without_url().to_string()))?;
        match sent.status().as_u16() {
            200..=299 => Ok(()),
            404 => Err(ConsentStoreError::NotFound),
            409 => Err(ConsentStoreError::Conflict),
            status => Err(FactsUnavailable(format!("HTTP {status}")).into()),
        }
    }
}

#[async_trait]
impl DocumentRegistry for RegistryClient {
    async fn register_document_set(&self, submission: Submission) -> Result<Registered, PortError> {
        let url = format!("{}/xds/registry", self.url);
        let request = SubmitObjectsRequest::new(&submission);
        let answer: RegistryResponse = call(&self.http, &url, action::REGISTER, &request).await?;
        Ok(Registered { warnings: answer.into_result()?, repeated: false })
    }

    async fn stored_query(&self, query: &StoredQuery) -> Result<FoundObjects, PortError> {
        let url = format!("{}/xds/registry", self.url);
        let request = AdhocQueryRequest::new(query);
        let answer: AdhocQueryResponse =
            call(&self.http, &url, action::STORED_QUERY, &request).await?;
        Ok(answer.into_found()?)
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

    async fn citizen_grant(&self, id: Uuid) -> Result<CitizenGrant, ConsentStoreError> {
        let found: Result<Vec<CitizenGrant>, PortError> =
            self.ask("/peer/citizen-grant", &CitizenGrantQuestion::Id(id)).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_iter().next().ok_or(ConsentStoreError::NotFound)
    }
}
