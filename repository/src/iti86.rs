//! ITI-86: documents are removed, all that are named or none. What the registry knows of them stays
//! until it is told by ITI-62. ITI TF-2: 3.86.

use carerecord_access::Caller;
use carerecord_audit::AuditOutcome;
use carerecord_codec::RemoveDocumentsRequest;
use carerecord_model::{ErrorCode, RegistryError, TransactionError};
use carerecord_service::AuditDraft;

use crate::Repository;
use crate::retention::Disposal;
use crate::service::index_failure;
use crate::status::sender;

impl Repository {
    /// Removes documents: from the answer on nobody is given them.
    ///
    /// # Errors
    /// For each that is not here; then nothing is removed.
    pub(crate) async fn remove_documents(
        &self,
        caller: &Caller,
        request: RemoveDocumentsRequest,
        draft: &AuditDraft,
    ) -> Result<(), TransactionError> {
        // Whose the documents are is not known from their ids.
        let may = self.access.may_administer(caller);
        if let Err(refused) = may.and_then(|()| self.access.may_concern(caller, None)) {
            draft.decision(&refused.decision);
            draft.outcome(AuditOutcome::Refused);
            let what = refused.decision.rule.explanation();
            return Err(TransactionError::one(ErrorCode::XDSRepositoryError, what));
        }
        let mut errors = Vec::new();
        let mut disposals: Vec<Disposal> = Vec::new();
        for document in request.documents {
            let id = document.document_unique_id;
            if document.repository_unique_id != self.config.repository_unique_id {
                let what = "this is another repository";
                errors.push(
                    RegistryError::error(ErrorCode::XDSUnknownRepositoryId, what).at(id.as_str()),
                );
                continue;
            }
            let held = self.index.find(&id).await.map_err(|e| index_failure(&e))?;
            let Some(held) = held.filter(|h| h.registered) else {
                let what = format!("{id} is not here");
                let error = RegistryError::error(ErrorCode::XDSDocumentUniqueIdError, what);
                errors.push(error.at(id.as_str()));
                continue;
            };
            disposals.push(Disposal {
                unique_id: id,
                type_code: held.entry.type_code.code,
                rule: "ITI-86".to_owned(),
                reason: "asked for by ITI-86".to_owned(),
                approved_by: sender(caller).to_owned(),
                // Whoever removes documents has their entries removed too. ITI TF-2: 3.86.
                registry_owed: false,
            });
        }
        if !errors.is_empty() {
            return Err(TransactionError(errors));
        }
        draft.fill(|event| event.listed = named(&disposals));
        let audit = draft.to_commit(AuditOutcome::Success);
        let done = self.index.remove(disposals, self.clock.now(), audit).await;
        done.map_err(|e| index_failure(&e))?;
        self.search.wake();
        draft.committed();
        Ok(())
    }
}

fn named(disposals: &[Disposal]) -> Vec<String> {
    disposals.iter().map(|d| d.unique_id.to_string()).collect()
}
