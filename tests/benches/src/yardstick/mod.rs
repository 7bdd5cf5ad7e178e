//! Y18, Y18a and Y42: the least that a correct transaction must do. Own tables, no model: a message
//! is tokenised and its patient found, one range is read, 32 rules are looked at for each entry, and
//! its values are escaped and written as ebRIM; Y18a makes an audit record durable first. A
//! registration is tokenised, and four rows in a table with two more indexes are made durable.

mod query;
mod tokens;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use carerecord_storage::{Database, StoreError, Together, insert_many, sql};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::measure::Target;
pub use tokens::tokenise;

pub struct Yardstick {
    url: String,
    people: u64,
}

#[derive(Clone)]
pub struct Tables {
    pub database: Database,
    /// PostgreSQL groups commits itself, over as many connections.
    pool: Option<PgPool>,
    rules: Arc<[u64; 32]>,
    pub audit: Together<Vec<u8>, (), StoreError>,
    people: u32,
}

/// Makes the tables and serves the yardsticks of the registry on a free port of loopback.
pub async fn start(folder: &Path, url: Option<&str>, entries: u32) -> anyhow::Result<Yardstick> {
    let tables = tables(folder, url, entries).await?;
    let people = u64::from(tables.people);
    let router = Router::new()
        .route("/y18/20", post(|s, b| y18(s, b, 20, false)))
        .route("/y18/100", post(|s, b| y18(s, b, 100, false)))
        .route("/y18a/20", post(|s, b| y18(s, b, 20, true)))
        .route("/y18a/100", post(|s, b| y18(s, b, 100, true)))
        .route("/y42", post(y42))
        .with_state(tables);
    Ok(Yardstick { url: serve(router).await?, people })
}

/// The tables of the yardsticks.
pub async fn tables(folder: &Path, url: Option<&str>, entries: u32) -> anyhow::Result<Tables> {
    let (database, pool) = match url {
        Some(url) => (
            Database::connect(url).await?,
            Some(PgPoolOptions::new().max_connections(16).connect(url).await?),
        ),
        None => (Database::open(&folder.join("yardstick.db")).await?, None),
    };
    let people = entries.min(MOST_ENTRIES).div_ceil(100);
    let statements: &[&'static str] = if url.is_some() { &POSTGRES } else { &SQLITE };
    database
        .write(move |c| {
            Box::pin(async move {
                for statement in statements {
                    sql(statement).run(&mut *c).await?;
                }
                for patient in 0..i64::from(people) {
                    let rows = (0..100i64)
                        .map(|n| {
                            vec![patient.into(), n.into(), query::row(100 * patient + n).into()]
                        })
                        .collect();
                    insert_many(c, "y_entry (patient_no, sort_key, metadata)", rows).await?;
                }
                Ok::<(), StoreError>(())
            })
        })
        .await?;
    if let Some(pool) = &pool {
        sqlx::query("VACUUM ANALYZE y_entry").execute(pool).await?;
    }
    let audit = Together::new(database.clone(), |c, records: Vec<Vec<u8>>| {
        Box::pin(async move {
            let answers = records.iter().map(|_| Ok(())).collect();
            let rows = records.into_iter().map(|r| vec![r.into()]).collect();
            insert_many(c, "y_audit (record)", rows).await?;
            Ok(answers)
        })
    });
    Ok(Tables { database, pool, rules: Arc::new([0x5555; 32]), audit, people })
}

/// Serves on a free port of loopback; the address.
pub async fn serve(router: Router) -> anyhow::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A connection that is gone already needs nothing.
        let _ = stream.set_nodelay(true);
    });
    #[expect(clippy::disallowed_methods, reason = "it serves as long as the benchmark runs")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

impl Yardstick {
    pub fn query(&self, count: u32, audited: bool) -> Target {
        let (name, people) = (if audited { "y18a" } else { "y18" }, self.people);
        let body = move |n: u64| Bytes::from(query::message(n.wrapping_mul(7_919) % people));
        Target {
            times: Some(count),
            ..Target::soap(format!("{}/{name}/{count}", self.url), "ExtrinsicObject", body)
        }
    }

    pub fn registration(&self) -> Target {
        let text = carerecord_xml::encode(&carerecord_codec::SubmittedObjects(
            &crate::population::submission_for(0, 0),
        ))
        .expect("a built submission can be written");
        let text = String::from_utf8(text).expect("XML is UTF-8");
        let body = move |n: u64| Bytes::from(format!("{text}<!--{n}-->"));
        Target::soap(format!("{}/y42", self.url), "Success", body)
    }
}

async fn y18(State(tables): State<Tables>, body: Bytes, count: i64, audited: bool) -> String {
    let rows: Result<Vec<(i64, Vec<u8>)>, _> = sql(
        "SELECT sort_key, metadata FROM y_entry WHERE patient_no = $1 ORDER BY sort_key LIMIT $2",
    )
    .bind(tokenise(&body).patient.unwrap_or(-1))
    .bind(count)
    .all(&tables.database)
    .await;
    if audited && tables.audit.write(vec![b'a'; 600]).await.is_err() {
        return "not recorded".to_owned();
    }
    let rows = rows.unwrap_or_default();
    let permitted = |n: i64| tables.rules.iter().all(|rule| rule & (1 << (n % 2)) != 2);
    query::answer(rows.iter().filter(|(n, _)| permitted(*n)).map(|(_, row)| row.as_slice()))
}

async fn y42(State(tables): State<Tables>, body: Bytes) -> &'static str {
    let elements = tokenise(&body).count;
    if elements > 0 && tables.register(elements).await { "Success" } else { "Failure" }
}

impl Tables {
    /// Four rows in one commit.
    pub async fn register(&self, elements: i64) -> bool {
        let random = || uuid::Builder::from_random_bytes(random()).into_uuid().as_bytes().to_vec();
        let row = || (random(), elements % 1000, random(), vec![b'x'; 1500]);
        let rows = [row(), row(), row(), row()];
        match &self.pool {
            Some(pool) => {
                let mut query = sqlx::query(
                    "INSERT INTO y_object VALUES ($1, $2, $3, $4), ($5, $6, $7, $8),
                     ($9, $10, $11, $12), ($13, $14, $15, $16)",
                );
                for (id, patient, unique_id, metadata) in rows {
                    query = query.bind(id).bind(patient).bind(unique_id).bind(metadata);
                }
                query.execute(pool).await.is_ok()
            }
            None => {
                let rows = rows
                    .into_iter()
                    .map(|(id, patient, unique, m)| {
                        vec![id.into(), patient.into(), unique.into(), m.into()]
                    })
                    .collect();
                self.database
                    .write(move |c| Box::pin(async move { insert_many(c, OBJECT, rows).await }))
                    .await
                    .is_ok()
            }
        }
    }
}

fn random() -> [u8; 16] {
    use carerecord_model::IdSource;
    *carerecord_model::RandomIds.random().as_bytes()
}

const SQLITE: [&str; 5] = [
    "CREATE TABLE y_entry (patient_no INTEGER, sort_key INTEGER, metadata BLOB,
        PRIMARY KEY (patient_no, sort_key)) WITHOUT ROWID",
    "CREATE TABLE y_object (id BLOB PRIMARY KEY, patient_no INTEGER, unique_id BLOB, metadata BLOB)
        WITHOUT ROWID",
    "CREATE INDEX y_object_patient ON y_object (patient_no)",
    "CREATE INDEX y_object_unique_id ON y_object (unique_id)",
    "CREATE TABLE y_audit (seq INTEGER PRIMARY KEY, record BLOB)",
];

const POSTGRES: [&str; 6] = [
    "CREATE TABLE y_entry (patient_no BIGINT, sort_key BIGINT, metadata BYTEA)",
    "CREATE UNIQUE INDEX ON y_entry (patient_no, sort_key) INCLUDE (metadata)",
    "CREATE TABLE y_object
        (id BYTEA PRIMARY KEY, patient_no BIGINT, unique_id BYTEA, metadata BYTEA)",
    "CREATE INDEX ON y_object (patient_no)",
    "CREATE INDEX ON y_object (unique_id)",
    "CREATE TABLE y_audit (seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, record BYTEA)",
];

const OBJECT: &str = "y_object (id, patient_no, unique_id, metadata)";
/// More would only take space: what a yardstick does does not grow with its table.
const MOST_ENTRIES: u32 = 1_000_000;
