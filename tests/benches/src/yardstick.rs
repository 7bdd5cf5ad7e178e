//! Y18, Y18a and Y42: the least that a correct transaction must do. Own tables, no model: a query is
//! found in the message, one range is read, 32 rules are looked at for each entry, and its forty
//! values are escaped and written; Y18a makes an audit record durable first. A registration is
//! tokenised, and four rows in a table with two more indexes are made durable.

#![allow(clippy::wildcard_enum_match_arm, reason = "a yardstick looks at few events")]

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use carerecord_storage::{Database, StoreError, Together, insert_many, sql};
use quick_xml::NsReader;
use quick_xml::events::Event;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::measure::{SOAP, Target};

pub struct Yardstick {
    url: String,
}

#[derive(Clone)]
pub struct Tables {
    pub database: Database,
    /// PostgreSQL groups commits itself, over as many connections.
    pool: Option<PgPool>,
    rules: Arc<[u64; 32]>,
    pub audit: Together<Vec<u8>, (), StoreError>,
    people: i64,
}

/// Makes the tables and serves the yardsticks of the registry on a free port of loopback.
pub async fn start(folder: &Path, url: Option<&str>, entries: u32) -> anyhow::Result<Yardstick> {
    let router = Router::new()
        .route("/y18/20", post(|s, b| y18(s, b, 20, false)))
        .route("/y18/100", post(|s, b| y18(s, b, 100, false)))
        .route("/y18a/20", post(|s, b| y18(s, b, 20, true)))
        .route("/y18a/100", post(|s, b| y18(s, b, 100, true)))
        .route("/y42", post(y42))
        .with_state(tables(folder, url, entries).await?);
    Ok(Yardstick { url: serve(router).await? })
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
    let people = i64::from(entries.min(MOST_ENTRIES).div_ceil(100));
    let statements: &[&'static str] = if url.is_some() { &POSTGRES } else { &SQLITE };
    database
        .write(move |c| {
            Box::pin(async move {
                for statement in statements {
                    sql(statement).run(&mut *c).await?;
                }
                let metadata = entry();
                for patient in 0..people {
                    let rows = (0..100i64)
                        .map(|n| vec![patient.into(), n.into(), metadata.clone().into()])
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
        let name = if audited { "y18a" } else { "y18" };
        Target {
            url: format!("{}/{name}/{count}", self.url),
            body: Box::new(|n| {
                let patient = n.wrapping_mul(7_919);
                format!("<q patient=\"{patient}\">{}</q>", "x".repeat(2000)).into()
            }),
            right: "ExtrinsicObject",
            times: Some(count),
            content_type: SOAP,
            least: 0,
        }
    }

    pub fn registration(&self) -> Target {
        let text = carerecord_xml::encode(&carerecord_codec::SubmitObjectsRequest::new(
            &crate::population::submission_for(0, 0),
        ))
        .expect("a built submission can be written");
        let text = String::from_utf8(text).expect("XML is UTF-8");
        Target {
            url: format!("{}/y42", self.url),
            body: Box::new(move |n| format!("{text}<!--{n}-->").into()),
            right: "Success",
            times: None,
            content_type: SOAP,
            least: 0,
        }
    }
}

async fn y18(State(tables): State<Tables>, body: Bytes, count: i64, audited: bool) -> String {
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let mut reader = NsReader::from_str(text);
    let mut patient = 0i64;
    while let Ok((_, event)) = reader.read_resolved_event() {
        match event {
            Event::Start(e) => {
                let found = e.try_get_attribute("patient").ok().flatten();
                let value = found.map(|a| a.value.into_owned());
                let value: u64 = value.and_then(|v| v.parse().ok()).unwrap_or(0);
                patient = i64::try_from(value % tables.people.unsigned_abs()).unwrap_or(0);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let rows: Result<Vec<(i64, Vec<u8>)>, _> = sql(
        "SELECT sort_key, metadata FROM y_entry WHERE patient_no = $1 ORDER BY sort_key LIMIT $2",
    )
    .bind(patient)
    .bind(count)
    .all(&tables.database)
    .await;
    if audited && tables.audit.write(vec![b'a'; 600]).await.is_err() {
        return "not recorded".to_owned();
    }
    let mut out = String::with_capacity(6000 * 100);
    for (n, metadata) in rows.unwrap_or_default() {
        let permitted = tables.rules.iter().all(|rule| rule & (1 << (n % 2)) != 2);
        if permitted {
            write_entry(&metadata, &mut out);
        }
    }
    out
}

/// Forty values of about 25 bytes, as a row of a list has them.
fn entry() -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0..VALUES {
        let value = format!("value number {n} of the entry");
        bytes.push(value.len() as u8);
        bytes.extend(value.bytes());
    }
    bytes
}

fn write_entry(mut metadata: &[u8], out: &mut String) {
    out.push_str(
        "<rim:ExtrinsicObject objectType=\"urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1\">",
    );
    while let Some((length, rest)) = metadata.split_first() {
        let (value, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        metadata = rest;
        out.push_str("<rim:Slot name=\"aNameOfALength\"><rim:ValueList><rim:Value>");
        let value = std::str::from_utf8(value).unwrap_or_default();
        out.push_str(&quick_xml::escape::escape(value));
        out.push_str("</rim:Value></rim:ValueList></rim:Slot>");
    }
    out.push_str("</rim:ExtrinsicObject>");
}

async fn y42(State(tables): State<Tables>, body: Bytes) -> &'static str {
    let elements = tokenise(&body);
    if elements > 0 && tables.register(elements).await { "Success" } else { "Failure" }
}

/// Elements and attributes of a message.
pub fn tokenise(body: &[u8]) -> i64 {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let mut reader = NsReader::from_str(text);
    let mut elements = 0i64;
    while let Ok((_, event)) = reader.read_resolved_event() {
        match event {
            Event::Start(e) => elements += 1 + e.attributes().flatten().count() as i64,
            Event::Eof => break,
            _ => {}
        }
    }
    elements
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
const VALUES: u32 = 40;
/// More would only take space: what a yardstick does does not grow with its table.
const MOST_ENTRIES: u32 = 1_000_000;
