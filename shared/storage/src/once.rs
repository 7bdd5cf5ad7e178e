use crate::{Connection, Database, StoreError, sql};

impl Database {
    /// Notes the first use of what may be used once, in all copies of a role over this database;
    /// `false` when it was used before. It is remembered until then (milliseconds since 1970, UTC).
    ///
    /// Only PostgreSQL is shared: over a SQLite file, which has one process, everything is the first
    /// use, and the process remembers by itself.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub async fn first_use(
        &self,
        issuer: &str,
        id: &str,
        until_ms: i64,
        now_ms: i64,
    ) -> Result<bool, StoreError> {
        if !self.readers.is_postgres() {
            return Ok(true);
        }
        let sweep = sql(SWEEP).bind(now_ms);
        let note = sql(ONCE).bind(issuer).bind(id).bind(until_ms);
        let noted = self.write(move |c: &mut Connection| {
            Box::pin(async move {
                sweep.run(&mut *c).await?;
                Ok::<_, StoreError>(note.run(c).await? == 1)
            })
        });
        noted.await
    }
}

const SWEEP: &str = "DELETE FROM used_statement WHERE kept_until < $1";
const ONCE: &str = "
    INSERT INTO used_statement (issuer, id, kept_until) VALUES ($1, $2, $3)
    ON CONFLICT (issuer, id) DO NOTHING";
