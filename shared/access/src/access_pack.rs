//! Who may have a subject access pack made about a person, and what may stand in it. NHS: 5.8.
//!
//! Privacy officers may whose role has `may_make_access_packs`: the record of accesses as far as they
//! may search it, and what is known of documents that their organisation keeps, or, for officers of an
//! organisation that watches over the region, of all. What a document holds is not decided here: that
//! is read by the same decision as everywhere, which its keeper's node takes again. Citizens may where
//! `citizens.toml` says so, about a record that they may see, with what they may see of it.

use std::sync::Arc;

use carerecord_model::DocumentEntry;

use crate::decide::above;
use crate::record_view::RecordView;
use crate::{AccessDecisions, AuditReach, Caller, Decision, Refused, Released, Rule};

impl AccessDecisions {
    /// Whether somebody who is no citizen may have packs made, and how much of the record of accesses
    /// they may read. A role of which the rules do not say so may not.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_make_access_packs(&self, caller: &Caller) -> Result<AuditReach, Refused> {
        let reach = self.may_search_audit(caller)?;
        let role = caller.role().and_then(|role| self.policy.role(role));
        if role.is_some_and(|role| role.may_make_access_packs) && !reach.is_one_request() {
            return Ok(reach);
        }
        Err(not_allowed())
    }

    /// Whether citizens may have packs made at all; where `citizens.toml` does not say so they may not.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_citizens_make_access_packs(&self) -> Result<(), Refused> {
        let rules = self.policy.citizens.as_ref();
        match rules.is_some_and(|rules| rules.may_make_access_packs) {
            true => Ok(()),
            false => Err(not_allowed()),
        }
    }
}

fn not_allowed() -> Refused {
    Refused { decision: Decision::deny(Rule::PurposeNotAllowed), may_be_told: true }
}

impl RecordView {
    /// Releases what is known of a document, to stand in a pack that its reader may have made.
    ///
    /// # Errors
    /// `Refused` with the rule.
    pub fn release_to_pack(
        &self,
        reach: &AuditReach,
        mut entry: Arc<DocumentEntry>,
    ) -> Result<Released<Arc<DocumentEntry>>, Refused> {
        if self.is_for_citizen() {
            return self.release(entry);
        }
        if entry.patient_id.nhs_number() != Some(self.patient) {
            return Err(self.refused(Decision::deny(Rule::SubjectUnknown)));
        }
        let handling = self.policy.handling(&entry);
        if let Some(decision) = above(&self.policy, &self.caller, &handling) {
            return Err(self.refused(decision));
        }
        let Some(keeper) = self.policy.keeper(&entry) else {
            let decision = Decision::deny(Rule::NoAgreement);
            return Err(self.refused(decision.on("the document's source is not known")));
        };
        if reach.only_organisation().is_some_and(|own| *own != keeper) {
            let decision = Decision::deny(Rule::NoAgreement).on("another organisation keeps it");
            return Err(Refused { decision, may_be_told: false });
        }
        self.policy.relabel(&mut entry, &handling);
        if self.masks_locations() {
            crate::location::mask_entry(Arc::make_mut(&mut entry));
        }
        let decision = reach.decision().owing(self.masks_locations());
        Ok(Released { value: entry, decision })
    }
}

#[cfg(test)]
#[path = "access_pack_tests.rs"]
mod tests;
