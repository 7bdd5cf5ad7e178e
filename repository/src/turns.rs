use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use carerecord_model::UniqueId;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Lets submissions of one document register one after the other, so that neither takes over what
/// the other has noted. Documents share a few locks, which are taken in order.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Vec<Arc<Mutex<()>>>>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new((0..LOCKS).map(|_| Arc::default()).collect()))
    }
}

impl Turns {
    /// Waits until nobody else registers any of these; the turn ends with what is returned.
    pub(crate) async fn take<'i>(
        &self,
        ids: impl Iterator<Item = &'i UniqueId>,
    ) -> Vec<OwnedMutexGuard<()>> {
        let places: BTreeSet<usize> = ids.map(place).collect();
        let mut held = Vec::with_capacity(places.len());
        for place in places {
            held.push(self.0[place].clone().lock_owned().await);
        }
        held
    }
}

fn place(id: &UniqueId) -> usize {
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    (hasher.finish() % LOCKS) as usize
}

const LOCKS: u64 = 256;
