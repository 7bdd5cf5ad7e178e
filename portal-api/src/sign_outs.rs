//! Which sign-ins have ended, in the portal's database.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use carerecord_audit::{AuditActor, AuditLog, AuditOutcome};
use carerecord_model::Clock;
use carerecord_service::{
    AuditDraft, Ended, EndedSignIns, LONGEST_SIGN_IN, SignIn, SignInProvider, SignOuts,
    SignOutsUnavailable, SignedOut,
};
use carerecord_storage::{Connection, Database, Statement, StoreError, sql};

/// Sign-ins that have ended, in the portal's database.
#[derive(Clone)]
pub struct SignOutStore {
    database: Database,
    clock: Arc<dyn Clock>,
    /// Providers whose people's ids are made nobody else's, by their issuers.
    providers: Arc<[SignInProvider]>,
}

impl SignOutStore {
    /// Over this database.
    pub fn new(database: Database, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock, providers: Arc::default() }
    }

    /// The same with more sign-in providers.
    #[must_use]
    pub fn with_providers(self, providers: &[SignInProvider]) -> Self {
        Self { providers: providers.into(), ..self }
    }

    /// An id of a provider's as overrides have it.
    fn own(&self, issuer: &str, id: &str) -> String {
        let provider = self.providers.iter().find(|provider| provider.issuer() == issuer);
        provider.map_or_else(|| id.to_owned(), |provider| provider.own(id))
    }

    /// Nobody can use them any more; those who review them see that they have ended.
    fn end_overrides(&self, what: &SignedOut, now: i64) -> Statement {
        match what {
            SignedOut::Session { issuer, session_id } => {
                sql(END_OF_SESSION).bind(self.own(issuer, session_id)).bind(now)
            }
            SignedOut::Person { issuer, subject, until } => {
                // The provider tells whole seconds.
                let until = until.as_millisecond() + 999;
                sql(END_OF_PERSON).bind(self.own(issuer, subject)).bind(now).bind(until)
            }
        }
    }
}

impl fmt::Debug for SignOutStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOutStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl EndedSignIns for SignOutStore {
    async fn has_ended(&self, sign_in: &SignIn) -> Result<bool, SignOutsUnavailable> {
        let found = sql(FIND)
            .bind(&sign_in.issuer)
            .bind(sign_in.session_id.as_deref())
            .bind(&sign_in.subject)
            .bind(sign_in.since.as_millisecond())
            .number(&self.database);
        Ok(found.await.map_err(unavailable)? > 0)
    }
}

#[async_trait]
impl SignOuts for SignOutStore {
    async fn end(
        &self,
        what: SignedOut,
        message_id: Option<String>,
        draft: &AuditDraft,
    ) -> Result<Ended, SignOutsUnavailable> {
        note(draft, &what);
        let now = self.clock.now();
        // Twice as long as anything of that sign-in is taken, so that clocks may differ.
        let kept_until = (now + LONGEST_SIGN_IN * 2).as_millisecond();
        let now = now.as_millisecond();
        let issuer = issuer(&what).to_owned();
        let once = message_id.map(|jti| sql(ONCE).bind(issuer).bind(jti).bind(kept_until));
        let statements = [
            sql(SWEEP).bind(now),
            sql(SWEEP_TOKENS).bind(now),
            end(&what, kept_until),
            self.end_overrides(&what, now),
        ];
        let audit = draft.to_commit(AuditOutcome::Success);
        let ended = self.database.write(move |c: &mut Connection| {
            Box::pin(async move {
                if let Some(once) = once
                    && once.run(&mut *c).await? == 0
                {
                    return Ok::<_, StoreError>(Ended::Replayed);
                }
                for statement in statements {
                    statement.run(&mut *c).await?;
                }
                AuditLog::append_in(c, &[&audit]).await?;
                Ok(Ended::Now)
            })
        });
        let ended = ended.await.map_err(unavailable)?;
        if ended == Ended::Now {
            draft.committed();
        }
        Ok(ended)
    }
}

fn issuer(what: &SignedOut) -> &str {
    match what {
        SignedOut::Session { issuer, .. } | SignedOut::Person { issuer, .. } => issuer,
    }
}

/// Who ended what, for the record.
fn note(draft: &AuditDraft, what: &SignedOut) {
    draft.fill(|event| {
        event.listed = match what {
            SignedOut::Session { session_id, .. } => vec![format!("session {session_id}")],
            SignedOut::Person { subject, .. } => vec![format!("every session of {subject}")],
        };
        event.actor.get_or_insert_with(|| AuditActor {
            id: issuer(what).to_owned(),
            name: None,
            organisation: String::new(),
            role: None,
            role_profile: None,
            known_by: "logout token".to_owned(),
            client: None,
            user_name: None,
            assertion: None,
        });
    });
}

fn end(what: &SignedOut, kept_until: i64) -> Statement {
    let (kind, value, until) = match what {
        SignedOut::Session { session_id, .. } => ("session", session_id, i64::MAX),
        SignedOut::Person { subject, until, .. } => ("person", subject, until.as_millisecond()),
    };
    sql(END).bind(issuer(what)).bind(kind).bind(value).bind(until).bind(kept_until)
}

fn unavailable(error: StoreError) -> SignOutsUnavailable {
    tracing::error!(%error, "the portal's database failed");
    SignOutsUnavailable(error.to_string())
}

const ONCE: &str = "
    INSERT INTO logout_token (issuer, jti, kept_until) VALUES ($1, $2, $3)
    ON CONFLICT (issuer, jti) DO NOTHING";

const END: &str = "
    INSERT INTO signed_out (issuer, kind, value, until, kept_until) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (issuer, kind, value) DO UPDATE SET
        until = CASE WHEN excluded.until > signed_out.until
            THEN excluded.until ELSE signed_out.until END,
        kept_until = excluded.kept_until";

const END_OF_SESSION: &str =
    "UPDATE override_grant SET until = $2 WHERE session_id = $1 AND until > $2";

const END_OF_PERSON: &str = "
    UPDATE override_grant SET until = $2
    WHERE user_id = $1 AND until > $2 AND granted_at <= $3";

const FIND: &str = "
    SELECT count(*) FROM signed_out WHERE issuer = $1
      AND (kind = 'session' AND value = $2 OR kind = 'person' AND value = $3 AND until >= $4)";

const SWEEP: &str = "DELETE FROM signed_out WHERE kept_until < $1";
const SWEEP_TOKENS: &str = "DELETE FROM logout_token WHERE kept_until < $1";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use carerecord_audit::AuditEvent;
    use carerecord_model::{IdSource, RandomIds};
    use jiff::Timestamp;

    use super::*;

    struct TestClock(AtomicI64);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
        }
    }

    const NOW: i64 = 1_790_000_000;

    fn sign_in(issuer: &str, subject: &str, session: Option<&str>, since: i64) -> SignIn {
        SignIn {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            session_id: session.map(str::to_owned),
            since: Timestamp::from_second(since).unwrap(),
        }
    }

    async fn store() -> (SignOutStore, Arc<TestClock>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("portal.db")).await.unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        (SignOutStore::new(database, clock.clone()), clock, folder)
    }

    fn draft() -> AuditDraft {
        let at = Timestamp::from_second(NOW).unwrap();
        AuditDraft::detached(AuditEvent::incoming(RandomIds.ordered(), at, "test", "web"))
    }

    fn session(issuer: &str, id: &str) -> SignedOut {
        SignedOut::Session { issuer: issuer.to_owned(), session_id: id.to_owned() }
    }

    #[tokio::test]
    async fn a_session_ends_alone_and_a_person_with_all_up_to_then() {
        let (store, _, _folder) = store().await;
        store.end(session("https://a", "s1"), None, &draft()).await.unwrap();
        let until = Timestamp::from_second(NOW).unwrap();
        let person = SignedOut::Person { issuer: "https://a".into(), subject: "u2".into(), until };
        store.end(person, None, &draft()).await.unwrap();

        for (issuer, subject, session, since, ended) in [
            ("https://a", "u1", Some("s1"), NOW - 60, true),
            ("https://a", "u1", Some("s1"), NOW + 60, true),
            ("https://a", "u1", Some("s2"), NOW - 60, false),
            ("https://b", "u1", Some("s1"), NOW - 60, false),
            ("https://a", "u1", None, NOW - 60, false),
            ("https://a", "u2", Some("s3"), NOW - 60, true),
            ("https://a", "u2", None, NOW, true),
            ("https://a", "u2", Some("s4"), NOW + 1, false),
            ("https://b", "u2", Some("s3"), NOW - 60, false),
        ] {
            let asked = sign_in(issuer, subject, session, since);
            assert_eq!(store.has_ended(&asked).await.unwrap(), ended, "{asked:?}");
        }
    }

    #[tokio::test]
    async fn a_message_is_good_once_and_what_is_over_is_swept() {
        let (store, clock, _folder) = store().await;
        let end = |id: &str, jti: &str| {
            let (store, what, jti) = (store.clone(), session("https://a", id), jti.to_owned());
            async move { store.end(what, Some(jti), &draft()).await.unwrap() }
        };
        assert_eq!(end("s1", "j1").await, Ended::Now);
        assert_eq!(end("s2", "j1").await, Ended::Replayed);
        let other = sign_in("https://a", "u", Some("s2"), NOW);
        assert!(!store.has_ended(&other).await.unwrap(), "a replay changes nothing");

        clock.0.fetch_add(49 * 3600, Ordering::SeqCst);
        assert_eq!(end("s3", "j3").await, Ended::Now);
        let rows = sql("SELECT count(*) FROM signed_out").number(&store.database).await.unwrap();
        assert_eq!(rows, 1);
    }

    #[tokio::test]
    async fn what_cannot_be_asked_is_no_answer() {
        let (store, _, _folder) = store().await;
        store.database.close().await;

        assert!(store.has_ended(&sign_in("https://a", "u", None, NOW)).await.is_err());
        assert!(store.end(session("https://a", "s1"), None, &draft()).await.is_err());
    }
}
