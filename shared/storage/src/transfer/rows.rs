//! Reading and writing whole rows of any table.

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Database, Decode, Row, Type};

use super::TransferError;
use super::catalogue::{Column, Kind, Table};
use crate::many::insert_many;
use crate::sql::{Inner, composed, quoted};
use crate::{Connection, StoreError, Value};

/// Calls `each` with every row but the first `skip`, in the order of the key, which is the same in
/// both databases: numbers by value, text and bytes by bytes.
pub(super) async fn each_row(
    connection: &mut Connection,
    table: &Table,
    skip: u64,
    mut each: impl AsyncFnMut(Vec<Value>) -> Result<(), TransferError>,
) -> Result<(), TransferError> {
    let text = select(table, skip, connection.is_postgres());
    match connection.inner() {
        Inner::Sqlite(c) => {
            let mut rows = composed(text).sqlite().fetch(c);
            while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                each(from_sqlite(&row, &table.columns)?).await?;
            }
        }
        Inner::Postgres(c) => {
            let mut rows = composed(text).postgres().fetch(c);
            while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
                each(from_postgres(&row, &table.columns)?).await?;
            }
        }
    }
    Ok(connection.note(Ok::<(), StoreError>(()))?)
}

/// Inserts rows as `each_row` gives them.
pub(super) async fn insert_rows(
    connection: &mut Connection,
    table: &Table,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let target = format!("{} ({})", quoted(&table.name), names(&table.columns));
    insert_many(connection, &target, rows).await
}

/// A hash over rows, with how many there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Digest {
    pub rows: u64,
    /// SHA-256.
    pub hash: Vec<u8>,
}

impl Digest {
    pub(super) fn begin() -> Hashing {
        Hashing { rows: 0, context: Context::new(&SHA256) }
    }
}

pub(super) struct Hashing {
    rows: u64,
    context: Context,
}

impl Hashing {
    /// Each value with its type and length, so that no two lists of rows read the same.
    pub(super) fn add(&mut self, row: &[Value]) {
        self.rows += 1;
        for value in row {
            match value {
                Value::Int(Some(n)) => self.piece(1, &n.to_be_bytes()),
                Value::Text(Some(text)) => self.piece(2, text.as_bytes()),
                Value::Bytes(Some(bytes)) => self.piece(3, bytes),
                Value::Int(None) | Value::Text(None) | Value::Bytes(None) => self.piece(0, &[]),
            }
        }
    }

    fn piece(&mut self, kind: u8, bytes: &[u8]) {
        self.context.update(&[kind]);
        self.context.update(&(bytes.len() as u64).to_be_bytes());
        self.context.update(bytes);
    }

    pub(super) fn finish(self) -> Digest {
        Digest { rows: self.rows, hash: self.context.finish().as_ref().to_vec() }
    }
}

fn select(table: &Table, skip: u64, postgres: bool) -> String {
    let order: Vec<String> = table
        .key
        .iter()
        .map(|column| match column.kind {
            // SQLite compares text by bytes unless told otherwise.
            Kind::Text if postgres => format!("{} COLLATE \"C\"", quoted(&column.name)),
            Kind::Int | Kind::Text | Kind::Bytes => quoted(&column.name),
        })
        .collect();
    let (columns, table, order) = (names(&table.columns), quoted(&table.name), order.join(", "));
    let all = if postgres { "ALL" } else { "-1" };
    format!("SELECT {columns} FROM {table} ORDER BY {order} LIMIT {all} OFFSET {skip}")
}

fn names(columns: &[Column]) -> String {
    let quoted: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    quoted.join(", ")
}

fn from_sqlite(row: &SqliteRow, columns: &[Column]) -> Result<Vec<Value>, StoreError> {
    values(row, columns)
}

fn from_postgres(row: &PgRow, columns: &[Column]) -> Result<Vec<Value>, StoreError> {
    values(row, columns)
}

fn values<R>(row: &R, columns: &[Column]) -> Result<Vec<Value>, StoreError>
where
    R: Row,
    usize: ColumnIndex<R>,
    for<'r> Option<i64>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<String>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> Option<Vec<u8>>: Decode<'r, R::Database> + Type<R::Database>,
    R::Database: Database,
{
    let mut all = Vec::with_capacity(columns.len());
    for (n, column) in columns.iter().enumerate() {
        all.push(match column.kind {
            Kind::Int => Value::Int(row.try_get(n)?),
            Kind::Text => Value::Text(row.try_get(n)?),
            Kind::Bytes => Value::Bytes(row.try_get(n)?),
        });
    }
    Ok(all)
}
