use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;

/// Which assertions of clients were used, in the portal's database: for every copy of the portal.
pub(super) struct Assertions(Database);

impl Assertions {
    pub fn new(database: Database) -> Self {
        Self(database)
    }

    /// Notes that an assertion is used; `false` when it was before.
    pub async fn note(
        &self,
        client: &str,
        jti: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sweep = sql(SWEEP).bind(now.as_millisecond());
        let note = sql(ONCE).bind(client).bind(jti).bind(until.as_millisecond());
        let noted = self.0.write(move |c: &mut Connection| {
            Box::pin(async move {
                sweep.run(&mut *c).await?;
                Ok::<_, StoreError>(note.run(c).await? == 1)
            })
        });
        noted.await
    }
}

const SWEEP: &str = "DELETE FROM client_assertion WHERE kept_until < $1";
const ONCE: &str = "
    INSERT INTO client_assertion (client_id, jti, kept_until) VALUES ($1, $2, $3)
    ON CONFLICT (client_id, jti) DO NOTHING";
