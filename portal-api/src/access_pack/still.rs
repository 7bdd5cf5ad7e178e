//! Whether a pack that was made may still be given out: the decisions of its making, taken again. What
//! was said about sharing, a label, an agreement or a merge may have changed since.

use std::collections::BTreeMap;

use carerecord_access::{AuditReach, Purpose};

use super::state::Given;
use crate::Portal;
use crate::error::FhirError;
use crate::opened::Opened;

impl Portal {
    /// Whether all that a pack has may still be given to its asker. A refusal is that of the first part
    /// that may not.
    pub(crate) async fn may_still_have(
        &self,
        purpose: Purpose,
        opened: &Opened,
        reach: &AuditReach,
        given: &Given,
    ) -> Result<bool, FhirError> {
        let view = &opened.view;
        if given.extent != reach.extent() || (view.masks_locations() && !given.masked) {
            return Ok(false);
        }
        if given.choices {
            self.may_have_choices(view)?;
        }
        let (numbers, _) = self.numbers_of(opened.number).await?;
        if !given.numbers.iter().all(|number| numbers.contains(number)) {
            return Ok(false);
        }
        let documents = given.documents.iter().map(|(id, has_bytes)| (id.as_str(), *has_bytes));
        let mut left: BTreeMap<&str, bool> = documents.collect();
        let found = self.everything_for(view, purpose, opened.number).await?;
        for entry in found.document_entries {
            let Some(has_bytes) = left.remove(entry.entry_uuid.to_string().as_str()) else {
                continue;
            };
            if has_bytes {
                view.release(entry.clone())?;
            }
            view.release_to_pack(reach, entry)?;
        }
        Ok(left.is_empty())
    }
}
