//! What must not overtake what: a document waits for the one that it replaces, when that is on its
//! way, and for another one that replaces the same.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use carerecord_model::UniqueId;
use tokio_util::sync::CancellationToken;

/// The documents that are on their way, by their ids and by those that they replace.
#[derive(Default)]
pub struct Order {
    next: u64,
    under_way: HashMap<UniqueId, (u64, Arc<End>)>,
    /// Ids of documents that should be there, and nobody knows whether they are.
    failed: HashSet<UniqueId>,
}

/// A document's place in the order.
pub struct Turn {
    number: u64,
    ids: Vec<UniqueId>,
    /// Those that go first; the second is about what is replaced.
    before: [Option<Arc<End>>; 2],
    end: Arc<End>,
}

/// The end of a document's way.
#[derive(Default)]
struct End {
    come: CancellationToken,
    failed: AtomicBool,
}

impl Order {
    /// Puts a document behind all that it must not overtake.
    pub fn enter(&mut self, id: &UniqueId, replaces: Option<&UniqueId>) -> Turn {
        self.next += 1;
        let (number, end) = (self.next, Arc::new(End::default()));
        let mut last = |id: &UniqueId| {
            let last = self.under_way.insert(id.clone(), (number, end.clone()));
            last.map(|(_, end)| end).filter(|last| !Arc::ptr_eq(last, &end))
        };
        let before = [last(id), replaces.and_then(&mut last)];
        let ids = [Some(id), replaces].into_iter().flatten().cloned().collect();
        Turn { number, ids, before, end }
    }

    /// Lets those go that wait for it.
    pub fn leave(&mut self, turn: &Turn, failed: bool) {
        turn.end.failed.store(failed, Ordering::Relaxed);
        turn.end.come.cancel();
        for id in &turn.ids {
            if self.under_way.get(id).is_some_and(|(number, _)| *number == turn.number) {
                self.under_way.remove(id);
            }
        }
        // The first one is the document's own.
        if let Some(id) = turn.ids.first() {
            if failed {
                self.failed.insert(id.clone());
            } else {
                self.failed.remove(id);
            }
        }
    }

    /// Whether it is not known that a document of this run is there.
    pub fn has_failed(&self, id: &UniqueId) -> bool {
        self.failed.contains(id)
    }
}

impl Turn {
    /// Waits until nothing is overtaken. `false`: it is not known whether the document that it
    /// replaces is there, or has been replaced.
    pub async fn come(&self) -> bool {
        for end in self.before.iter().flatten() {
            end.come.cancelled().await;
        }
        self.before[1].as_ref().is_none_or(|end| !end.failed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn what_replaces_goes_behind_what_it_replaces_and_nothing_else() {
        let id = |n: u32| format!("2.999.{n}").parse::<UniqueId>().unwrap();
        let has_come = |turn: &Turn| turn.come().now_or_never();
        let mut order = Order::default();
        let first = order.enter(&id(1), None);
        let second = order.enter(&id(2), Some(&id(1)));
        let third = order.enter(&id(3), Some(&id(2)));
        let rival = order.enter(&id(4), Some(&id(1)));
        let other = order.enter(&id(5), Some(&id(99)));
        assert_eq!(
            [&first, &second, &third, &rival, &other].map(has_come),
            [Some(true), None, None, None, Some(true)]
        );

        order.leave(&first, false);
        assert_eq!([&second, &third, &rival].map(has_come), [Some(true), None, None]);
        order.leave(&second, false);
        assert_eq!(has_come(&rival), Some(true));
        order.leave(&second, true);
        assert_eq!([&third, &rival].map(has_come), [Some(false), Some(false)]);

        assert!(order.has_failed(&id(2)) && !order.has_failed(&id(1)));
        [third, rival, other].iter().for_each(|turn| order.leave(turn, false));
        assert!(order.under_way.is_empty());
    }
}
