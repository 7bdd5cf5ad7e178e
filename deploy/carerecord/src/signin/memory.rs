use std::collections::{HashMap, VecDeque};

/// What the provider remembers between requests. Each part is bounded and forgets by time.
#[derive(Debug)]
pub(super) struct Memory {
    /// Sign-in pages that wait for a choice, by the id in their form.
    pub(super) transactions: Expiring<Transaction>,
    /// Codes that were handed out, also after their use, to notice a second one.
    pub(super) codes: Expiring<Code>,
    /// Refresh tokens, also after their use.
    pub(super) refresh_tokens: Expiring<RefreshToken>,
    /// Who is signed in, by `sid`.
    pub(super) sessions: Expiring<String>,
    /// Sign-ins that have ended before their tokens did.
    pub(super) ended: Expiring<()>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            transactions: Expiring::new(10 * 60),
            codes: Expiring::new(60),
            refresh_tokens: Expiring::new(REFRESH_SECONDS),
            sessions: Expiring::new(REFRESH_SECONDS),
            ended: Expiring::new(REFRESH_SECONDS),
        }
    }
}

impl Memory {
    /// Ends a sign-in: its refresh tokens and its use of `userinfo`.
    pub(super) fn end_session(&mut self, sid: &str, now: i64) {
        self.ended.insert(sid.to_owned(), (), now);
        self.refresh_tokens.retain(|token| token.grant.sid != sid);
        self.sessions.take(sid, now);
    }

    /// Ends every sign-in of a person.
    pub(super) fn end_sessions_of(&mut self, user_id: &str, now: i64) {
        let entries = self.sessions.entries.iter();
        let theirs = entries.filter(|(_, (_, of))| of == user_id).map(|(sid, _)| sid.clone());
        for sid in theirs.collect::<Vec<_>>() {
            self.end_session(&sid, now);
        }
        // Codes that nobody has redeemed yet, too.
        self.codes.retain(|code| code.grant.user_id != user_id);
    }
}

/// An authorization request that has been checked.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) state: String,
    pub(super) nonce: Option<String>,
    pub(super) challenge: String,
    pub(super) scope: String,
}

/// Who signed in to what.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) user_id: String,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    pub(super) sid: String,
    pub(super) auth_time: i64,
}

/// An authorization code, bound to client, address and challenge.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    pub(super) used: bool,
}

/// A refresh token, good for one use.
#[derive(Clone, Debug)]
pub(super) struct RefreshToken {
    pub(super) grant: Grant,
    pub(super) used: bool,
}

/// A map that forgets each entry after a time, and the oldest when there are too many.
#[derive(Debug)]
pub(super) struct Expiring<T> {
    seconds: i64,
    entries: HashMap<String, (i64, T)>,
    /// Keys in the order they came; those removed since are skipped.
    order: VecDeque<String>,
}

impl<T> Expiring<T> {
    fn new(seconds: i64) -> Self {
        Self { seconds, entries: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn insert(&mut self, key: String, value: T, now: i64) {
        while let Some(oldest) = self.order.front() {
            let over = self.order.len() >= MAX_ENTRIES;
            let gone = self.entries.get(oldest).is_none_or(|(until, _)| *until <= now);
            if !over && !gone {
                break;
            }
            self.entries.remove(oldest);
            self.order.pop_front();
        }
        if self.entries.insert(key.clone(), (now + self.seconds, value)).is_none() {
            self.order.push_back(key);
        }
    }

    pub(super) fn get_mut(&mut self, key: &str, now: i64) -> Option<&mut T> {
        self.entries.get_mut(key).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }

    pub(super) fn contains(&self, key: &str, now: i64) -> bool {
        self.entries.get(key).is_some_and(|(until, _)| *until > now)
    }

    pub(super) fn take(&mut self, key: &str, now: i64) -> Option<T> {
        self.entries.remove(key).filter(|(until, _)| *until > now).map(|(_, value)| value)
    }

    fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.entries.retain(|_, (_, value)| keep(value));
    }
}

/// As long as a working day.
const REFRESH_SECONDS: i64 = 10 * 60 * 60;
const MAX_ENTRIES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_forgotten_in_time() {
        let mut entries = Expiring::new(60);
        entries.insert("a".to_owned(), 1, 1000);

        assert!(entries.contains("a", 1059));
        assert!(!entries.contains("a", 1060));
        assert_eq!(entries.take("a", 1060), None);
    }

    #[test]
    fn the_oldest_give_way_when_there_are_too_many() {
        let mut entries = Expiring::new(60);
        for n in 0..MAX_ENTRIES + 10 {
            entries.insert(n.to_string(), n, 1000);
        }

        assert_eq!(entries.entries.len(), MAX_ENTRIES);
        assert!(!entries.contains("9", 1000) && entries.contains("10", 1000));
    }

    #[test]
    fn entries_taken_do_not_pile_up() {
        let mut entries = Expiring::new(60);
        for n in 0..MAX_ENTRIES * 3 {
            entries.insert(n.to_string(), n, 1000);
            entries.take(&n.to_string(), 1000);
        }

        assert!(entries.order.len() <= MAX_ENTRIES && entries.entries.is_empty());
    }
}
