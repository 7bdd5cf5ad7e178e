//! Many rows at once, by the way that is fastest for each database.

use sqlx::{AssertSqlSafe, PgConnection, query};

use crate::sql::{Inner, Value, insert_text};
use crate::{Connection, StoreError, Trouble};

/// Writes rows into `target`, a table with its columns in brackets.
///
/// # Errors
/// When the database refuses one; then none is written.
pub async fn insert_many(
    connection: &mut Connection,
    target: &str,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    connection.note_write();
    if rows.is_empty() {
        return Ok(());
    }
    let done = match connection.inner() {
        Inner::Postgres(c) if rows.len() > COPIED_FROM => copy(c, target, &rows).await,
        Inner::Postgres(c) => unnest(c, vec![(target, rows)]).await,
        Inner::Sqlite(_) => return in_parts(connection, target, rows).await,
    };
    connection.note(done)
}

/// Few shapes of statement, so that all stay prepared.
async fn in_parts(
    connection: &mut Connection,
    target: &str,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let head = format!("INSERT INTO {target} VALUES");
    let (mut left, mut rows) = (rows.len(), rows.into_iter());
    for size in [64, 16, 4, 1] {
        while left >= size {
            let part = rows.by_ref().take(size).collect();
            insert_text(&head, part, "").run(connection).await?;
            left -= size;
        }
    }
    Ok(())
}

/// Writes rows into several tables that do not refer to each other, on PostgreSQL in one statement
/// where they are few.
///
/// # Errors
/// When the database refuses one; then none is written.
pub async fn insert_into_all(
    connection: &mut Connection,
    tables: Vec<(&str, Vec<Vec<Value>>)>,
) -> Result<(), StoreError> {
    let tables: Vec<_> = tables.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
    if tables.iter().all(|(_, rows)| rows.len() <= COPIED_FROM)
        && let Inner::Postgres(c) = connection.inner()
    {
        let done = unnest(c, tables).await;
        connection.note_write();
        return connection.note(done);
    }
    for (target, rows) in tables {
        insert_many(connection, target, rows).await?;
    }
    Ok(())
}

/// One statement whatever the number of rows and tables: each column is one array.
async fn unnest(
    c: &mut PgConnection,
    tables: Vec<(&str, Vec<Vec<Value>>)>,
) -> Result<(), StoreError> {
    let mut all: Vec<Column> = Vec::new();
    let mut inserts = Vec::new();
    for (target, rows) in tables {
        let mut columns: Vec<Column> =
            rows.first().into_iter().flatten().map(Column::like).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value)?;
            }
        }
        let array = |(n, c): (usize, &Column)| format!("${}::{}[]", n + 1, c.sql_type());
        let arrays: Vec<String> =
            columns.iter().enumerate().map(|(n, c)| array((all.len() + n, c))).collect();
        let arrays = arrays.join(", ");
        inserts.push(format!("INSERT INTO {target} SELECT * FROM unnest({arrays})"));
        all.extend(columns);
    }
    let Some(last) = inserts.pop() else { return Ok(()) };
    let others: Vec<String> =
        inserts.iter().enumerate().map(|(n, insert)| format!("t{n} AS ({insert})")).collect();
    let with = if others.is_empty() { "" } else { "WITH " };
    let mut statement = query(AssertSqlSafe(format!("{with}{} {last}", others.join(", "))));
    for column in all {
        statement = match column {
            Column::Int(values) => statement.bind(values),
            Column::Text(values) => statement.bind(values),
            Column::Bytes(values) => statement.bind(values),
        };
    }
    statement.execute(c).await?;
    Ok(())
}

enum Column {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    fn like(value: &Value) -> Self {
        match value {
            Value::Int(_) => Self::Int(Vec::new()),
            Value::Text(_) => Self::Text(Vec::new()),
            Value::Bytes(_) => Self::Bytes(Vec::new()),
        }
    }

    fn sql_type(&self) -> &'static str {
        match self {
            Self::Int(_) => "BIGINT",
            Self::Text(_) => "TEXT",
            Self::Bytes(_) => "BYTEA",
        }
    }

    fn push(&mut self, value: Value) -> Result<(), StoreError> {
        match (self, value) {
            (Self::Int(all), Value::Int(v)) => all.push(v),
            (Self::Text(all), Value::Text(v)) => all.push(v),
            (Self::Bytes(all), Value::Bytes(v)) => all.push(v),
            _ => {
                return Err(StoreError::Commit(
                    "the rows of a table differ in type".into(),
                    Trouble::Other,
                ));
            }
        }
        Ok(())
    }
}

/// PostgreSQL's COPY in its binary format.
async fn copy(c: &mut PgConnection, target: &str, rows: &[Vec<Value>]) -> Result<(), StoreError> {
    let mut copy = c.copy_in_raw(&format!("COPY {target} FROM STDIN (FORMAT binary)")).await?;
    let mut buffer = COPY_HEADER.to_vec();
    for row in rows {
        encode(row, &mut buffer)?;
        if buffer.len() > PART {
            copy.send(std::mem::take(&mut buffer)).await?;
        }
    }
    buffer.extend((-1i16).to_be_bytes());
    copy.send(buffer).await?;
    copy.finish().await?;
    Ok(())
}

/// One row. PostgreSQL 15, COPY, "Tuples".
fn encode(row: &[Value], out: &mut Vec<u8>) -> Result<(), StoreError> {
    out.extend(i16::try_from(row.len()).map_err(|_| too_long())?.to_be_bytes());
    for value in row {
        let number;
        let bytes = match value {
            Value::Int(Some(n)) => {
                number = n.to_be_bytes();
                Some(number.as_slice())
            }
            Value::Text(Some(text)) => Some(text.as_bytes()),
            Value::Bytes(Some(bytes)) => Some(bytes.as_slice()),
            Value::Int(None) | Value::Text(None) | Value::Bytes(None) => None,
        };
        match bytes {
            Some(bytes) => {
                out.extend(i32::try_from(bytes.len()).map_err(|_| too_long())?.to_be_bytes());
                out.extend(bytes);
            }
            None => out.extend((-1i32).to_be_bytes()),
        }
    }
    Ok(())
}

fn too_long() -> StoreError {
    StoreError::Commit("a row is too long to be copied".into(), Trouble::Other)
}

/// COPY's signature, no flags, no extension.
const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// More rows are copied.
const COPIED_FROM: usize = 500;
/// Bytes sent at once.
const PART: usize = 256 << 10;
