//! Y41, Y43, Y43a and Y43-5M: the least that a node must do. A publication is scanned for its parts,
//! its envelope tokenised, its document hashed twice and made durable under another name, then
//! registered as Y42 does; a retrieval finds the file in a table and sends it, in one piece or in
//! pieces of 256 KiB; Y43a makes an audit record durable first. Nothing is decided, and no hash is
//! compared.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use carerecord_model::{IdSource as _, RandomIds};
use carerecord_storage::{StoreError, sql};
use carerecord_testkit::{CONTENT_TYPE, Letter};
use memchr::memmem;

use super::{LARGE, LARGE_ONES, SMALL, SMALL_ONES, text};
use crate::measure::Target;
use crate::yardstick::{Tables, serve, tables, tokenise};

pub struct Yardstick {
    url: String,
}

#[derive(Clone)]
struct Shelf {
    tables: Tables,
    folder: PathBuf,
}

/// Writes the files and serves the yardsticks.
pub async fn start(folder: &Path) -> anyhow::Result<Yardstick> {
    let tables = tables(folder, None, 1000).await?;
    let folder = folder.join("yardstick");
    std::fs::create_dir_all(&folder)?;
    let mut files = Vec::new();
    for (kind, count, bytes) in [("small", SMALL_ONES, SMALL), ("large", LARGE_ONES, LARGE)] {
        for n in 0..count {
            let name = if n == 0 { kind.to_owned() } else { format!("{kind}{n}") };
            std::fs::write(folder.join(&name), text(bytes, n))?;
            files.push((format!("{kind}{n}"), name));
        }
    }
    let write = tables.database.write(move |c| {
        Box::pin(async move {
            let make = "CREATE TABLE y_file (id TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID";
            sql(make).run(&mut *c).await?;
            for (id, name) in files {
                sql("INSERT INTO y_file VALUES ($1, $2)").bind(id).bind(name).run(&mut *c).await?;
            }
            Ok::<_, StoreError>(())
        })
    });
    write.await?;
    let router = Router::new()
        .route("/y43", post(|s, b| y43(s, b, false)))
        .route("/y43a", post(|s, b| y43(s, b, true)))
        .route("/y41", post(y41))
        .layer(DefaultBodyLimit::max(1 << 20))
        .with_state(Shelf { tables, folder });
    Ok(Yardstick { url: serve(router).await? })
}

impl Yardstick {
    pub fn small(&self, audited: bool) -> Target {
        let path = if audited { "y43a" } else { "y43" };
        self.retrieval(path, "small", SMALL_ONES, SMALL)
    }

    pub fn large(&self) -> Target {
        self.retrieval("y43", "large", LARGE_ONES, LARGE)
    }

    fn retrieval(&self, path: &str, kind: &'static str, count: u64, least: usize) -> Target {
        let body = move |n: u64| Bytes::from(format!("{kind}{}", n % count));
        Target { least, ..Target::soap(format!("{}/{path}", self.url), "", body) }
    }

    pub fn publication(&self) -> Target {
        let letter = Letter { bytes: text(SMALL, 77).into(), ..Letter::text("9990001006", 1) };
        let message = letter.message();
        let target = Target::soap(format!("{}/y41", self.url), "Success", move |_| message.clone());
        Target { content_type: CONTENT_TYPE, ..target }
    }
}

async fn y43(State(shelf): State<Shelf>, body: Bytes, audited: bool) -> Response {
    let id = std::str::from_utf8(&body).unwrap_or_default();
    let found: Result<Option<(String,)>, _> =
        sql("SELECT name FROM y_file WHERE id = $1").bind(id).first(&shelf.tables.database).await;
    let Ok(Some((name,))) = found else { return axum::http::StatusCode::NOT_FOUND.into_response() };
    if audited && shelf.tables.audit.write(vec![b'a'; 600]).await.is_err() {
        return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let file = shelf.folder.join(name);
    if id.starts_with("small") {
        let read = tokio::task::spawn_blocking(move || std::fs::read(file)).await;
        return read.ok().and_then(Result::ok).unwrap_or_default().into_response();
    }
    match tokio::fs::File::open(file).await {
        Ok(file) => {
            let pieces = tokio_util::io::ReaderStream::with_capacity(file, 256 << 10);
            Body::from_stream(pieces).into_response()
        }
        Err(_) => axum::http::StatusCode::NOT_FOUND.into_response(),
    }
}

async fn y41(State(shelf): State<Shelf>, body: Bytes) -> &'static str {
    let done = store(&shelf, body).await;
    match done {
        Ok(elements) if elements > 0 && shelf.tables.register(elements).await => "Success",
        Ok(_) | Err(_) => "Failure",
    }
}

async fn store(shelf: &Shelf, body: Bytes) -> anyhow::Result<i64> {
    let places: Vec<usize> = memmem::find_iter(&body, b"--B").collect();
    let [first, second, end] = places.as_slice() else { anyhow::bail!("three boundaries") };
    let content = |from: usize, to: usize| {
        let part = &body[from..to];
        let head = memmem::find(part, b"\r\n\r\n").context("headers")?;
        anyhow::Ok(body.slice(from + head + 4..to - 2))
    };
    let elements = tokenise(&content(*first, *second)?).count;
    let document = content(*second, *end)?;
    let (folder, id) = (shelf.folder.clone(), RandomIds.random());
    tokio::task::spawn_blocking(move || {
        let hashes = (digest(&SHA1_FOR_LEGACY_USE_ONLY, &document), digest(&SHA256, &document));
        let place = folder.join(format!("{:02x}", hashes.1.as_ref()[0] ^ id.as_bytes()[0]));
        std::fs::create_dir_all(&place)?;
        let passing = place.join(format!("{id}#1"));
        let mut file = std::fs::File::create(&passing)?;
        file.write_all(&document)?;
        file.sync_data()?;
        std::fs::rename(&passing, place.join(id.to_string()))?;
        std::fs::File::open(&place)?.sync_all()
    })
    .await??;
    Ok(elements)
}
