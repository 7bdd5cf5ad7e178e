use async_trait::async_trait;
use carerecord_access::{
    CaredFor, CaredForQuestion, CitizenGrant, CitizenGrantStore, CitizenGrants, ConsentRecord,
    ConsentRecords, ConsentStore, ConsentStoreError, FactsUnavailable, PatientFacts, PatientRecord,
    PatientRecords, Relationship, RelationshipStore, Relationships,
};
use carerecord_codec::name::action;
use carerecord_codec::{
    AdhocQueryRequest, RegistryResponse, RemoveObjectsRequest, SubmittedObjects,
};
use carerecord_model::{
    CrossReference, DocumentRegistry, EntryUuid, FoundObjects, FoundPatients, GetAll, LastChange,
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

use super::soap::{Queried, call, unavailable};
use crate::records::KeptRecords;

/// A registry in another process.
#[derive(Clone)]
pub struct RegistryClient {
    http: reqwest::Client,
    url: String,
    records: KeptRecords,
}

impl RegistryClient {
    /// The registry whose door is at this address.
    pub fn new(http: reqwest::Client, url: &str) -> Self {
        let url = url.trim_end_matches('/').to_owned();
        Self { http, url, records: KeptRecords::new() }
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
impl PatientRecords for RegistryClient {
    async fn patient_record(
        &self,
        patient: NhsNumber,
        whom: &dyn OnBehalf,
    ) -> Result<PatientRecord, PortError> {
        let url = format!("{}/xds/registry", self.url);
        let query = GetAll::of(PatientId::from_nhs_number(patient));
        let request = AdhocQueryRequest::new(&StoredQuery::GetAll(Box::new(query)));
        let kept = self.records.get(patient);
        let known = kept.as_ref().map(|kept| kept.state.as_str());
        let statement = whom.to_registry()?;
        let told = super::soap::record(&self.http, &url, &request, statement, known).await?;
        let (told, bytes) = match told {
            Queried::Record(told, bytes) => (told, bytes),
            Queried::Found(found) => return self.with_facts(patient, found).await,
        };
        self.records.taken(patient, kept, *told, bytes)
    }
}

impl RegistryClient {
    /// What a registry of an older version found, with what it says for decisions when it is asked.
    async fn with_facts(
        &self,
        asked_for: NhsNumber,
        found: FoundObjects,
    ) -> Result<PatientRecord, PortError> {
        let unavailable = |e: FactsUnavailable| PortError::Unavailable(e.0);
        let person = self.patient(asked_for).await?;
        let patient = person.as_ref().map_or(asked_for, |person| person.nhs_number);
        let consents = self.consent_records(patient).await.map_err(unavailable)?;
        let relationships = self.relationships(patient).await.map_err(unavailable)?;
        let facts = PatientFacts { patient, consents, relationships };
        Ok(PatientRecord { person, facts, found })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Json;
    use axum::routing::post;
    use carerecord_access::Purpose;
    use carerecord_codec::{FOUND_MSGPACK, write_found_msgpack};
    use carerecord_service::{Delegate, Delegation};
    use carerecord_testkit::submission::Builder;
    use reqwest::header::CONTENT_TYPE;

    use super::*;

    /// A registry that is not yet of this version knows no whole records.
    #[tokio::test]
    async fn an_older_registry_is_asked_for_each_fact() {
        let patient: NhsNumber = "9990001146".parse().unwrap();
        let entries = Builder::default().document().document_entries;
        let document_entries = entries.into_iter().map(Arc::new).collect();
        let found = FoundObjects { document_entries, ..FoundObjects::default() };
        let bytes = write_found_msgpack(&found).unwrap();
        let person = Patient::from_number(patient);
        let known = Some(person.clone());
        let router = axum::Router::new()
            .route("/xds/registry", post(async || ([(CONTENT_TYPE, FOUND_MSGPACK)], bytes)))
            .route("/peer/patient", post(async || Json(known)))
            .route("/peer/consent", post(async || Json(Vec::<ConsentRecord>::new())))
            .route("/peer/relationship", post(async || Json(Vec::<Relationship>::new())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = axum::serve(listener, router).into_future();
        let client = RegistryClient::new(reqwest::Client::new(), &url);

        let whom = Delegate {
            caller: None,
            purpose: Purpose::DirectCare,
            patient: Some(patient),
            rule: String::new(),
            opened: None,
        };

        let whom = Delegation::new(None, whom);
        let record = tokio::select! {
            record = client.patient_record(patient, &whom) => record.unwrap(),
            ended = serving => panic!("{ended:?}"),
        };

        assert_eq!((record.person, record.found), (Some(person), found));
        assert_eq!(record.facts.patient, patient);
    }
}
