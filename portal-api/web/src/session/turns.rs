use std::array;

use tokio::sync::{Mutex, MutexGuard};
use tower_sessions::session::Id;

/// Lets the requests of one session act one after the other. Few sessions share a lock, so nobody
/// waits for long on what others do.
pub(crate) struct Turns([Mutex<()>; LOCKS]);

impl Turns {
    /// Waits for the turn, which lasts as long as the guard.
    pub(crate) async fn of(&self, id: Id) -> MutexGuard<'_, ()> {
        // Ids are random in all their bits.
        let at = usize::from(id.0.to_le_bytes()[0]) % LOCKS;
        self.0[at].lock().await
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self(array::from_fn(|_| Mutex::default()))
    }
}

const LOCKS: usize = 256;
