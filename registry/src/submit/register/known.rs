use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use carerecord_model::PatientId;
use carerecord_storage::{Connection, StoreError};
use uuid::Uuid;

use super::Prepared;
use crate::store::{
    Person, StoredObject, UsedId, fetch, people, registered, submission_digests, used_unique_ids,
};

/// What the registry knows that a group of submissions touches.
pub(super) struct Known {
    people: HashMap<PatientId, Person>,
    described: HashSet<i64>,
    pub objects: HashMap<Uuid, StoredObject>,
    used: HashMap<String, Vec<UsedId>>,
    digests: HashMap<String, Vec<u8>>,
}

impl Known {
    /// Reads it in a handful of statements, however many submissions there are.
    pub(super) async fn read(
        c: &mut Connection,
        group: &[Arc<Prepared>],
    ) -> Result<Self, StoreError> {
        let patients: HashSet<&PatientId> = group.iter().map(|p| p.patient_id()).collect();
        let (people, described) = people(c, &patients.into_iter().collect::<Vec<_>>()).await?;
        let named: Vec<Uuid> = group.iter().flat_map(|p| p.named.iter().copied()).collect();
        let sets: Vec<&str> =
            group.iter().map(|p| p.registered.submission_set.unique_id.as_str()).collect();
        let unique_ids: Vec<&str> = group.iter().flat_map(|p| p.unique_ids()).collect();
        let mut used: HashMap<String, Vec<UsedId>> = HashMap::new();
        for one in used_unique_ids(c, &unique_ids).await? {
            used.entry(one.unique_id.clone()).or_default().push(one);
        }
        // Nearly always none of them is.
        let there = registered(c, &named).await?;
        let objects = fetch(c, &there).await?;
        Ok(Self { people, described, objects, used, digests: submission_digests(c, &sets).await? })
    }

    /// Whether this very submission is registered already.
    pub(super) fn has(&self, p: &Prepared) -> bool {
        let set = &p.registered.submission_set;
        self.digests.get(set.unique_id.as_str()) == Some(&p.digest)
    }

    pub(super) fn person(&self, p: &Prepared) -> Option<&Person> {
        self.people.get(p.patient_id())
    }

    /// Whether the index knows more of a person than identifiers.
    pub(super) fn is_described(&self, patient_no: i64) -> bool {
        self.described.contains(&patient_no)
    }

    /// The objects that have a uniqueId.
    pub(super) fn used(&self, unique_id: &str) -> &[UsedId] {
        self.used.get(unique_id).map_or(&[], Vec::as_slice)
    }
}
