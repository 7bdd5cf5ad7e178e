//! Registry and nodes as the portal and nodes of the mock see them: themselves, unless the request
//! that is being answered asks for something else.

use std::sync::Arc;

use async_trait::async_trait;
use carerecord_model::{
    ByteRange, ContentAnswer, ContentQuestion, CrossReference, DocumentRegistry,
    DocumentRepository, DocumentRequest, ElementAnswer, ElementQuestion, EntryUuid, FoundObjects,
    FoundPatients, LastChange, NhsNumber, NodeId, OnBehalf, Patient, PatientDirectory, PatientId,
    PatientSearch, PortError, Registered, RetrievedDocument, StoredQuery, Submission,
};

use super::scenario::{is_about, of_node, of_registry};

/// The registry behind a node or the portal.
pub struct ScenarioRegistry(pub Arc<dyn DocumentRegistry>);

/// The patient index behind the portal.
pub struct ScenarioPatients(pub Arc<dyn PatientDirectory>);

/// A node behind the portal.
pub struct ScenarioNode(pub NodeId, pub Arc<dyn DocumentRepository>);

#[async_trait]
impl DocumentRegistry for ScenarioRegistry {
    async fn register_document_set(&self, submission: Submission) -> Result<Registered, PortError> {
        if let Some(fault) = of_registry()
            && let Some(error) = fault.happen().await
        {
            return Err(error);
        }
        self.0.register_document_set(submission).await
    }

    async fn stored_query(&self, query: &StoredQuery) -> Result<FoundObjects, PortError> {
        match of_registry() {
            Some(fault) => fault.happen().await.map_or(Ok(FoundObjects::default()), Err),
            None => self.0.stored_query(query).await,
        }
    }

    async fn stored_query_for(
        &self,
        query: &StoredQuery,
        whom: &dyn OnBehalf,
    ) -> Result<FoundObjects, PortError> {
        match of_registry() {
            Some(fault) => fault.happen().await.map_or(Ok(FoundObjects::default()), Err),
            None => self.0.stored_query_for(query, whom).await,
        }
    }

    async fn last_changes(&self, patient: NhsNumber) -> Result<Vec<LastChange>, PortError> {
        match of_registry() {
            Some(fault) => fault.happen().await.map_or(Ok(Vec::new()), Err),
            None => self.0.last_changes(patient).await,
        }
    }

    async fn remove_metadata(&self, ids: Vec<EntryUuid>) -> Result<(), PortError> {
        if let Some(fault) = of_registry()
            && let Some(error) = fault.happen().await
        {
            return Err(error);
        }
        self.0.remove_metadata(ids).await
    }
}

#[async_trait]
impl PatientDirectory for ScenarioPatients {
    async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, PortError> {
        is_about(number);
        match of_registry() {
            Some(fault) => fault.happen().await.map_or(Ok(None), Err),
            None => self.0.patient(number).await,
        }
    }

    async fn cross_reference(&self, id: &PatientId) -> Result<CrossReference, PortError> {
        match of_registry() {
            Some(fault) => fault.happen().await.map_or(Ok(CrossReference::default()), Err),
            None => self.0.cross_reference(id).await,
        }
    }

    async fn find_patients(&self, search: &PatientSearch) -> Result<FoundPatients, PortError> {
        match of_registry() {
            Some(fault) => fault.happen().await.map_or(Ok(FoundPatients::default()), Err),
            None => self.0.find_patients(search).await,
        }
    }
}

#[async_trait]
impl DocumentRepository for ScenarioNode {
    async fn retrieve(
        &self,
        request: &DocumentRequest,
        range: Option<ByteRange>,
        whom: &dyn OnBehalf,
    ) -> Result<RetrievedDocument, PortError> {
        self.goes_wrong().await?;
        self.1.retrieve(request, range, whom).await
    }

    async fn probe(&self) -> Result<(), PortError> {
        self.goes_wrong().await?;
        self.1.probe().await
    }

    async fn search(
        &self,
        question: &ContentQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ContentAnswer>, PortError> {
        self.goes_wrong().await?;
        self.1.search(question, whom).await
    }

    async fn elements(
        &self,
        question: &ElementQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ElementAnswer>, PortError> {
        self.goes_wrong().await?;
        self.1.elements(question, whom).await
    }
}

impl ScenarioNode {
    async fn goes_wrong(&self) -> Result<(), PortError> {
        // Nodes are asked while the record is opened, which tells whom the request is about.
        tokio::task::yield_now().await;
        match of_node(&self.0) {
            Some(fault) => fault.happen().await.map_or(Ok(()), Err),
            None => Ok(()),
        }
    }
}
