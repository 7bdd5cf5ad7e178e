//! What a document's own resource tells beside its metadata: the documents that it relates to, and
//! when it came. Each of them passes the decision as the document does.

use carerecord_model::{
    Association, AssociationType, ContentFilter, DocumentEntryType, EntryRef, EntryUuid,
    FoundObjects, Get, MetadataLevel, Scope, StoredQuery,
};
use carerecord_service::{AuditDraft, Even};

use crate::Portal;
use crate::error::FhirError;
use crate::fhir::Session;
use crate::service::Document;

/// A document with what stands beside it, as far as the caller may see that.
pub(crate) struct InContext {
    pub document: Document,
    /// The document itself, those that it relates to, the sets that brought it, and what ties them.
    pub found: FoundObjects,
    /// When the registry last changed it, when it says so.
    pub modified: Option<jiff::Timestamp>,
}

impl Portal {
    /// One document that the caller may see, with what its resource tells of others.
    pub(crate) async fn document_in_context(
        &self,
        session: &Session,
        id: EntryUuid,
    ) -> Result<InContext, FhirError> {
        let even = Even::new();
        let found = self.find_in_context(session, id, &session.draft).await;
        if found.as_ref().is_err_and(FhirError::is_nothing) {
            even.wait().await;
        }
        found
    }

    async fn find_in_context(
        &self,
        session: &Session,
        id: EntryUuid,
        draft: &AuditDraft,
    ) -> Result<InContext, FhirError> {
        let (caller, purpose) = (&session.caller, session.purpose);
        let (document, opened, entry) = self.opened_document(caller, purpose, id, draft).await?;
        let (related, sets) = (related(id), sets(id));
        let (related, sets, changes) = tokio::join!(
            self.find(&related),
            self.find(&sets),
            self.changes(opened.number, true, false),
        );
        let (mut all, sets) = (related?, sets?);
        all.document_entries.retain(|entry| entry.uuid() != Some(id));
        all.document_entries.push(entry);
        all.submission_sets = sets.submission_sets;
        let is_member = |a: &Association| a.association_type == AssociationType::HasMember;
        all.associations.retain(|a| !is_member(a));
        all.associations.extend(sets.associations.into_iter().filter(is_member));
        let (released, _) = opened.view.release_found(all);
        let modified = changes.unwrap_or_default().of(id);
        Ok(InContext { document, found: released.into_value(), modified })
    }
}

fn get(id: EntryUuid, association_types: Vec<AssociationType>) -> Box<Get> {
    Box::new(Get {
        objects: EntryRef::Uuids(vec![id]),
        content: ContentFilter {
            entry_types: vec![DocumentEntryType::Stable, DocumentEntryType::OnDemand],
            ..ContentFilter::default()
        },
        association_types,
        scope: Scope { level: MetadataLevel::Two, ..Scope::default() },
        home_community_id: None,
    })
}

fn related(id: EntryUuid) -> StoredQuery {
    StoredQuery::GetRelatedDocuments(get(id, RELATIONS.to_vec()))
}

fn sets(id: EntryUuid) -> StoredQuery {
    StoredQuery::GetSubmissionSets(get(id, Vec::new()))
}

const RELATIONS: [AssociationType; 6] = [
    AssociationType::Replace,
    AssociationType::Append,
    AssociationType::Transform,
    AssociationType::TransformAndReplace,
    AssociationType::Signs,
    AssociationType::IsSnapshotOf,
];
