//! Y18 and Y42: the least that a correct transaction must do. Own tables, no model: a query is
//! found in the message, one range is read, 32 rules are looked at for each entry, and text is
//! written; a registration is tokenised and four rows are made durable.

#![allow(clippy::wildcard_enum_match_arm, reason = "a yardstick looks at few events")]

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use carerecord_storage::{Database, Value, insert, sql};
use quick_xml::NsReader;
use quick_xml::events::Event;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::measure::Target;

pub struct Yardstick {
    url: String,
}

#[derive(Clone)]
struct Tables {
    database: Database,
    /// PostgreSQL groups commits itself, over as many connections.
    pool: Option<PgPool>,
    rules: Arc<[u64; 32]>,
}

/// Makes the tables and serves both yardsticks on a free port of loopback.
pub async fn start(folder: &Path, url: Option<&str>, entries: u32) -> anyhow::Result<Yardstick> {
    let (database, pool) = match url {
        Some(url) => (
            Database::connect(url).await?,
            Some(PgPoolOptions::new().max_connections(16).connect(url).await?),
        ),
        None => (Database::open(&folder.join("yardstick.db")).await?, None),
    };
    let statements: &[&'static str] = if url.is_some() { &POSTGRES } else { &SQLITE };
    database
        .write(move |c| {
            Box::pin(async move {
                for statement in statements {
                    sql(statement).run(&mut *c).await?;
                }
                for patient in 0..i64::from(entries.div_ceil(100)) {
                    let rows = (0..100i64)
                        .map(|n| vec![patient.into(), n.into(), Value::from(vec![b'x'; 1000])])
                        .collect();
                    insert("INSERT INTO y_entry (patient_no, sort_key, metadata) VALUES", rows, "")
                        .run(&mut *c)
                        .await?;
                }
                Ok::<(), carerecord_storage::StoreError>(())
            })
        })
        .await?;
    let tables = Tables { database, pool, rules: Arc::new([0x5555; 32]) };
    let router = Router::new()
        .route("/y18/20", post(|s, b| y18(s, b, 20)))
        .route("/y18/100", post(|s, b| y18(s, b, 100)))
        .route("/y42", post(y42))
        .with_state(tables);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A connection that is gone already needs nothing.
        let _ = stream.set_nodelay(true);
    });
    #[expect(clippy::disallowed_methods, reason = "it serves as long as the benchmark runs")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Yardstick { url })
}

impl Yardstick {
    pub fn query(&self, count: u32) -> Target {
        Target {
            url: format!("{}/y18/{count}", self.url),
            body: Box::new(|n| {
                format!("<q patient=\"{}\">{}</q>", n % 97, "x".repeat(2000)).into()
            }),
            right: "ExtrinsicObject",
        }
    }

    pub fn registration(&self) -> Target {
        let text = carerecord_xml::encode(&carerecord_codec::SubmitObjectsRequest::new(
            &crate::product::submission(0),
        ))
        .expect("a built submission can be written");
        let text = String::from_utf8(text).expect("XML is UTF-8");
        Target {
            url: format!("{}/y42", self.url),
            body: Box::new(move |n| format!("{text}<!--{n}-->").into()),
            right: "Success",
        }
    }
}

async fn y18(State(tables): State<Tables>, body: Bytes, count: i64) -> String {
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let mut reader = NsReader::from_str(text);
    let mut patient = 0i64;
    while let Ok((_, event)) = reader.read_resolved_event() {
        match event {
            Event::Start(e) => {
                let found = e.try_get_attribute("patient").ok().flatten();
                let value = found.map(|a| a.value.into_owned());
                patient = value.and_then(|v| v.parse().ok()).unwrap_or(0);
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
    let mut out = String::with_capacity(6000 * 100);
    for (n, metadata) in rows.unwrap_or_default() {
        let permitted = tables.rules.iter().all(|rule| rule & (1 << (n % 2)) != 2);
        if permitted {
            out.push_str("<rim:ExtrinsicObject id=\"");
            for _ in 0..5 {
                out.push_str(std::str::from_utf8(&metadata).unwrap_or_default());
                out.push_str("</rim:Slot><rim:Slot name=\"x\"><rim:ValueList><rim:Value>");
            }
            out.push_str("</rim:ExtrinsicObject>");
        }
    }
    out
}

async fn y42(State(tables): State<Tables>, body: Bytes) -> &'static str {
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let mut reader = NsReader::from_str(text);
    let mut elements = 0i64;
    while let Ok((_, event)) = reader.read_resolved_event() {
        match event {
            Event::Start(e) => elements += 1 + e.attributes().flatten().count() as i64,
            Event::Eof => break,
            _ => {}
        }
    }
    let row = || {
        [
            uuid::Builder::from_random_bytes(random()).into_uuid().as_bytes().to_vec(),
            vec![b'x'; 1500],
        ]
    };
    let rows: Vec<[Vec<u8>; 2]> = (0..4).map(|_| row()).collect();
    let done = match &tables.pool {
        Some(pool) => {
            let mut query =
                sqlx::query("INSERT INTO y_object VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8)");
            for [id, metadata] in rows {
                query = query.bind(id).bind(metadata);
            }
            query.execute(pool).await.is_ok()
        }
        None => {
            let rows = rows.into_iter().map(|r| r.map(Value::from).to_vec()).collect();
            let statement = insert("INSERT INTO y_object (id, metadata) VALUES", rows, "");
            tables
                .database
                .write(move |c| Box::pin(async move { statement.run(c).await }))
                .await
                .is_ok()
        }
    };
    if done && elements > 0 { "Success" } else { "Failure" }
}

fn random() -> [u8; 16] {
    use carerecord_model::IdSource;
    *carerecord_model::RandomIds.random().as_bytes()
}

const SQLITE: [&str; 2] = [
    "CREATE TABLE y_entry (patient_no INTEGER, sort_key INTEGER, metadata BLOB,
        PRIMARY KEY (patient_no, sort_key)) WITHOUT ROWID",
    "CREATE TABLE y_object (id BLOB PRIMARY KEY, metadata BLOB) WITHOUT ROWID",
];

const POSTGRES: [&str; 3] = [
    "CREATE TABLE y_entry (patient_no BIGINT, sort_key BIGINT, metadata BYTEA)",
    "CREATE UNIQUE INDEX ON y_entry (patient_no, sort_key) INCLUDE (metadata)",
    "CREATE TABLE y_object (id BYTEA PRIMARY KEY, metadata BYTEA)",
];
