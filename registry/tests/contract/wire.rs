//! Submissions as they go over the wire.

use carerecord_codec::{SubmitObjectsRequest, ebrim};
use carerecord_model::{DocumentEntryType, ErrorCode, RegistryErrors, Submission};
use carerecord_registry::RegistryError;

use crate::support::World;

impl World {
    /// Registers a submission whose wire form was changed; what is said of it.
    pub async fn register_objects(
        &self,
        s: &Submission,
        change: impl FnOnce(&mut Vec<ebrim::RegistryObject>),
    ) -> Result<RegistryErrors, RegistryErrors> {
        let mut request = SubmitObjectsRequest::new(s);
        change(&mut request.objects);
        let bytes = carerecord_xml::encode(&request).unwrap();
        let read: SubmitObjectsRequest = carerecord_xml::decode(&bytes).unwrap();
        let s = ebrim::submission(read.objects).map_err(|e| e.0)?;
        let stable = DocumentEntryType::Stable;
        let done =
            self.registry.register_document_set(&self.caller, s, stable, &self.draft()).await;
        done.map(|r| r.warnings).map_err(|e| e.into_transaction_error().0)
    }
}

/// What a peer would send; the codes of what its reader refuses.
pub fn over_the_wire(s: &Submission) -> Result<Submission, Vec<ErrorCode>> {
    let bytes = carerecord_xml::encode(&SubmitObjectsRequest::new(s)).unwrap();
    let request: SubmitObjectsRequest = carerecord_xml::decode(&bytes).unwrap();
    ebrim::submission(request.objects).map_err(|e| e.0.into_iter().map(|e| e.code).collect())
}

pub fn codes(error: RegistryError) -> Vec<ErrorCode> {
    if let RegistryError::Store(e) = &error {
        panic!("the store failed: {e:?}");
    }
    error.into_transaction_error().0.into_iter().map(|e| e.code).collect()
}
