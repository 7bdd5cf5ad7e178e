//! The end: bytes of removed documents are destroyed after a grace, unless they are held.

use std::collections::HashMap;

use carerecord_audit::DocumentRef;
use carerecord_model::NhsNumber;
use jiff::Timestamp;

use super::hold::{Holds, own_number};
use super::{Retention, RetentionError, disposal};

/// What a purge did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Purged {
    /// Documents whose bytes were destroyed.
    pub destroyed: u64,
    /// Documents that are held.
    pub held: u64,
}

impl Retention {
    /// How many documents that were removed before `before` still have their bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_waiting(&self, before: Timestamp) -> Result<u64, RetentionError> {
        Ok(disposal::count_waiting(&self.database, before).await?)
    }

    /// Destroys the bytes of documents that were removed before `before`. It may be broken off
    /// anywhere and done again.
    ///
    /// # Errors
    /// When a store fails, or the registry cannot be asked whose documents are held.
    pub async fn purge(
        &self,
        before: Timestamp,
        by: &str,
        on_progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Purged, RetentionError> {
        let holds = Holds::in_force(&self.database, self.patients.as_ref()).await?;
        let mut own: HashMap<NhsNumber, NhsNumber> = HashMap::new();
        let (mut purged, mut place) = (Purged::default(), (i64::MIN, String::new()));
        loop {
            let some = disposal::waiting(&self.database, before, (place.0, &place.1)).await?;
            let Some(last) = some.last() else { return Ok(purged) };
            place = (last.removed_at, last.unique_id.clone());
            for waiting in some {
                let filed = waiting.entry.patient_id.nhs_number();
                let person = match filed.filter(|_| holds.name_people()) {
                    Some(number) => match own.get(&number) {
                        Some(own) => Some(*own),
                        None => {
                            let found = own_number(self.patients.as_ref(), number).await?;
                            own.insert(number, found);
                            Some(found)
                        }
                    },
                    None => None,
                };
                if holds.over(&waiting.entry, person).is_some() {
                    purged.held += 1;
                } else {
                    self.destroy(waiting, by).await?;
                    purged.destroyed += 1;
                }
                on_progress(purged.destroyed + purged.held);
            }
        }
    }

    async fn destroy(&self, waiting: disposal::Waiting, by: &str) -> Result<(), RetentionError> {
        // The certificate comes after the bytes are gone: a crash between leaves both to be done
        // again, which finds nothing to remove.
        let (key, id) = (&waiting.object_key, &waiting.unique_id);
        if !disposal::shared(&self.database, key, id).await? {
            self.objects.delete(key).await?;
        }
        let mut audit = self.audit("destruction", by);
        audit.subject = waiting.entry.patient_id.nhs_number();
        audit.documents = vec![DocumentRef { id: id.clone(), hash: waiting.entry.hash.clone() }];
        disposal::destroyed(&self.database, waiting, self.clock.now(), audit).await?;
        Ok(())
    }
}
