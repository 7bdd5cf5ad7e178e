//! What lies on the disk, and how much of it one list reads.

use std::path::Path;

use carerecord_storage::{Database, sql};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, Row as _};

use crate::population::{Population, number};

/// Lets the database do what it does by itself when there is time: without it the first queries
/// after a load are slower.
///
/// # Errors
/// When the database refuses.
pub async fn settle(database: &Database, url: Option<&str>) -> anyhow::Result<()> {
    match url {
        Some(url) => {
            let pool = pool(url).await?;
            sqlx::query("VACUUM (ANALYZE)").execute(&pool).await?;
            sqlx::query("CHECKPOINT").execute(&pool).await?;
        }
        None => {
            database
                .write(|c| Box::pin(async move { sql("PRAGMA optimize").run(c).await }))
                .await?;
        }
    }
    Ok(())
}

/// Bytes on the disk for each entry, with everything that belongs to it.
///
/// # Errors
/// When the database refuses.
pub async fn size(folder: &Path, url: Option<&str>, entries: u64) -> anyhow::Result<String> {
    let bytes = match url {
        Some(url) => {
            let row = sqlx::query("SELECT pg_database_size(current_database())");
            row.fetch_one(&pool(url).await?).await?.try_get::<i64, _>(0)?.unsigned_abs()
        }
        None => std::fs::metadata(folder.join("registry.db"))?.len(),
    };
    Ok(format!("{} bytes on disk for each entry", bytes / entries.max(1)))
}

/// Pages that the list of a patient with a hundred entries reads: on PostgreSQL as it counts them,
/// on SQLite all that a new connection reads.
///
/// # Errors
/// When the database refuses.
pub async fn touched(
    folder: &Path,
    url: Option<&str>,
    population: Population,
) -> anyhow::Result<String> {
    let patient = number(population.ordinary(11)).as_i64();
    let text = match url {
        Some(url) => {
            let statement = format!(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) {LIST} (SELECT patient_no FROM patient
                     WHERE nhs_number = {patient})
                 ORDER BY sort_key, entry_uuid"
            );
            let pool = pool(url).await?;
            let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_all(&pool).await?;
            let lines: Vec<String> =
                rows.iter().filter_map(|row| row.try_get::<String, _>(0).ok()).collect();
            let plan = lines.iter().find(|l| l.contains("registry_object")).cloned();
            let buffers = lines.iter().find(|l| l.contains("Buffers:")).cloned();
            format!(
                "newest 100 on PostgreSQL, with the look-up of the patient: {} ({})",
                buffers.unwrap_or_default().trim(),
                plan.unwrap_or_default().trim()
            )
        }
        None => {
            let options = sqlx::sqlite::SqliteConnectOptions::new()
                .filename(folder.join("registry.db"))
                .read_only(true);
            let pool =
                sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect_with(options);
            let pool = pool.await?;
            let no: i64 =
                sqlx::query_scalar("SELECT patient_no FROM patient WHERE nhs_number = $1")
                    .bind(patient)
                    .fetch_one(&pool)
                    .await?;
            let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&pool).await?;
            let before = bytes_read();
            let statement = format!("{LIST} $1 ORDER BY sort_key, entry_uuid");
            let rows =
                sqlx::query(sqlx::AssertSqlSafe(statement)).bind(no).fetch_all(&pool).await?.len();
            let pages = bytes_read().saturating_sub(before) / size.unsigned_abs();
            format!("newest 100 on SQLite: {pages} pages of {size} bytes read for {rows} entries")
        }
    };
    Ok(text)
}

/// Bytes that this process has read from files.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|l| l.strip_prefix("rchar: "));
    line.and_then(|n| n.parse().ok()).unwrap_or(0)
}

async fn pool(url: &str) -> anyhow::Result<PgPool> {
    Ok(PgPoolOptions::new().max_connections(1).connect(url).await?)
}

const LIST: &str = "
    SELECT patient_no, kind, sort_key, entry_uuid, state, version, metadata FROM registry_object
    WHERE kind = 1 AND patient_no =";
