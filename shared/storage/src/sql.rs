use sqlx::postgres::PgRow;
use sqlx::query::{Query, QueryAs};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use crate::{Connection, Database, StoreError};

/// A value for a statement. The schema knows three types only, so that one statement text serves
/// both databases.
#[derive(Clone, Debug)]
pub enum Value {
    /// A whole number, or its absence.
    Int(Option<i64>),
    /// Text, or its absence.
    Text(Option<String>),
    /// Bytes, or their absence.
    Bytes(Option<Vec<u8>>),
}

macro_rules! into_value {
    ($($from:ty => $variant:ident($value:ident) $made:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$variant($made)
            }
        }
    )*};
}

into_value! {
    i64 => Int(v) Some(v);
    Option<i64> => Int(v) v;
    i32 => Int(v) Some(v.into());
    u32 => Int(v) Some(v.into());
    bool => Int(v) Some(v.into());
    &str => Text(v) Some(v.to_owned());
    String => Text(v) Some(v);
    &String => Text(v) Some(v.clone());
    Option<String> => Text(v) v;
    Option<&str> => Text(v) v.map(str::to_owned);
    Vec<u8> => Bytes(v) Some(v);
    &[u8] => Bytes(v) Some(v.to_vec());
    Option<Vec<u8>> => Bytes(v) v;
    uuid::Uuid => Bytes(v) Some(v.as_bytes().to_vec());
}

/// A row that either database can give: any tuple of `i64`, `String`, `Vec<u8>` and their options.
pub trait Row:
    for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where
    T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin
{
}

/// A statement with its values.
#[derive(Clone, Debug)]
pub struct Statement {
    text: Text,
    values: Vec<Value>,
}

#[derive(Clone, Debug)]
enum Text {
    Fixed(&'static str),
    /// Fixed pieces repeated, and quoted names out of a database's own catalogue; never a value.
    Repeated(String),
}

/// A statement; both databases number their parameters `$1`, `$2`, ….
pub fn sql(text: &'static str) -> Statement {
    Statement { text: Text::Fixed(text), values: Vec::new() }
}

/// An insert of many rows at once: `head` up to `VALUES`, and `tail` behind it.
pub fn insert(head: &'static str, rows: Vec<Vec<Value>>, tail: &'static str) -> Statement {
    insert_text(head, rows, tail)
}

/// A statement put together from fixed pieces and `quoted` names.
pub(crate) fn composed(text: String) -> Statement {
    Statement { text: Text::Repeated(text), values: Vec::new() }
}

/// A name as an identifier of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// As `insert`, by a head made as for `composed`.
pub(crate) fn insert_text(head: &str, rows: Vec<Vec<Value>>, tail: &str) -> Statement {
    let mut text = String::from(head);
    let mut n = 0;
    for (i, row) in rows.iter().enumerate() {
        text.push_str(if i == 0 { " (" } else { ", (" });
        for column in 0..row.len() {
            n += 1;
            text.push_str(if column == 0 { "$" } else { ", $" });
            text.push_str(&n.to_string());
        }
        text.push(')');
    }
    text.push(' ');
    text.push_str(tail);
    Statement { text: Text::Repeated(text), values: rows.into_iter().flatten().collect() }
}

/// A statement over a list of keys: `head` ends with `IN`.
pub fn with_keys(
    head: &'static str,
    keys: impl IntoIterator<Item = Value>,
    tail: &'static str,
) -> Statement {
    with_values_and_keys(head, Vec::new(), keys, tail)
}

/// As `with_keys`, with values for the parameters of `head` itself.
pub fn with_values_and_keys(
    head: &'static str,
    first: Vec<Value>,
    keys: impl IntoIterator<Item = Value>,
    tail: &'static str,
) -> Statement {
    let mut values = first;
    let before = values.len();
    values.extend(keys);
    // Few shapes of statement, so that all stay prepared: a key may stand there twice.
    if let Some(last) = values.last().cloned().filter(|_| values.len() > before) {
        let count = (values.len() - before).next_power_of_two();
        values.resize(before + count, last);
    }
    let mut text = String::from(head);
    text.push_str(" (");
    for n in before + 1..=values.len() {
        text.push_str(if n == before + 1 { "$" } else { ", $" });
        text.push_str(&n.to_string());
    }
    text.push_str(") ");
    text.push_str(tail);
    Statement { text: Text::Repeated(text), values }
}

/// Where a statement runs.
pub enum On<'a> {
    /// On a connection of the pool for reading.
    Readers(&'a Database),
    /// On this connection, within its transaction.
    Connection(&'a mut Connection),
}

impl<'a> From<&'a Database> for On<'a> {
    fn from(database: &'a Database) -> Self {
        Self::Readers(database)
    }
}

impl<'a> From<&'a mut Connection> for On<'a> {
    fn from(connection: &'a mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl Statement {
    /// The next parameter.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; returns how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn run(self, connection: &mut Connection) -> Result<u64, StoreError> {
        connection.note_write();
        let done = match connection.inner() {
            Inner::Sqlite(c) => self.sqlite().execute(c).await.map(|d| d.rows_affected()),
            Inner::Postgres(c) => self.postgres().execute(c).await.map(|d| d.rows_affected()),
        };
        connection.note(done)
    }

    /// Every row.
    ///
    /// # Errors
    /// When the database refuses, or a column is not of its type.
    pub async fn all<'a, T: Row>(self, on: impl Into<On<'a>>) -> Result<Vec<T>, StoreError> {
        match on.into() {
            On::Connection(connection) => self.all_on(connection).await,
            On::Readers(database) => self.all_on(&mut database.reader().await?).await,
        }
    }

    /// The first row, when there is one.
    ///
    /// # Errors
    /// As `all`.
    pub async fn first<'a, T: Row>(self, on: impl Into<On<'a>>) -> Result<Option<T>, StoreError> {
        Ok(self.all(on).await?.into_iter().next())
    }

    /// The one value of a statement that always has one.
    ///
    /// # Errors
    /// As `all`; and when there is no row.
    pub async fn number<'a>(self, on: impl Into<On<'a>>) -> Result<i64, StoreError> {
        let row: Option<(i64,)> = self.first(on).await?;
        row.map(|(n,)| n).ok_or(StoreError::Sql(sqlx::Error::RowNotFound))
    }

    async fn all_on<T: Row>(self, connection: &mut Connection) -> Result<Vec<T>, StoreError> {
        let done = match connection.inner() {
            Inner::Sqlite(c) => self.sqlite_as().fetch_all(c).await,
            Inner::Postgres(c) => self.postgres_as().fetch_all(c).await,
        };
        connection.note(done)
    }
}

pub(crate) use crate::connection::Inner;

// One binding loop for each kind of query of the driver.
macro_rules! bound {
    ($name:ident, $database:ty, $make:path, $type:ty $(, $generic:ident)?) => {
        pub(crate) fn $name<'q $(, $generic: Row)?>(self) -> $type {
            let mut query = match self.text {
                Text::Fixed(text) => $make(text),
                Text::Repeated(text) => $make(AssertSqlSafe(text)),
            };
            for value in self.values {
                query = match value {
                    Value::Int(v) => query.bind(v),
                    Value::Text(v) => query.bind(v),
                    Value::Bytes(v) => query.bind(v),
                };
            }
            query
        }
    };
}

impl Statement {
    bound!(sqlite, Sqlite, sqlx::query, Query<'q, Sqlite, sqlx::sqlite::SqliteArguments>);
    bound!(postgres, Postgres, sqlx::query, Query<'q, Postgres, sqlx::postgres::PgArguments>);
    bound!(
        sqlite_as,
        Sqlite,
        sqlx::query_as,
        QueryAs<'q, Sqlite, T, sqlx::sqlite::SqliteArguments>,
        T
    );
    bound!(
        postgres_as,
        Postgres,
        sqlx::query_as,
        QueryAs<'q, Postgres, T, sqlx::postgres::PgArguments>,
        T
    );
}
