//! What tables and columns there are, as the databases themselves say.

use super::TransferError;
use crate::sql::{composed, quoted};
use crate::{Connection, StoreError, sql};

/// A table of the source.
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Columns of the primary key, in its order.
    pub key: Vec<Column>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// The three types of the schema.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Int,
    Text,
    Bytes,
}

impl Kind {
    fn of(declared: &str) -> Option<Self> {
        match declared.to_ascii_lowercase().as_str() {
            "integer" | "bigint" => Some(Self::Int),
            "text" => Some(Self::Text),
            "blob" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }
}

/// Every table of the source that holds data, by name.
pub(super) async fn tables(from: &mut Connection) -> Result<Vec<Table>, TransferError> {
    let names: Vec<(String,)> = sql(SOURCE_TABLES).all(&mut *from).await?;
    let mut tables = Vec::new();
    for (name,) in names {
        let rows: Vec<(String, String, i64)> =
            sql(SOURCE_COLUMNS).bind(&name).all(&mut *from).await?;
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for (column, declared, place) in rows {
            let kind = Kind::of(&declared).ok_or_else(|| TransferError::Shape(name.clone()))?;
            let column = Column { name: column, kind };
            if place > 0 {
                key.push((place, column.clone()));
            }
            columns.push(column);
        }
        key.sort_by_key(|(place, _)| *place);
        if key.is_empty() {
            return Err(TransferError::Shape(name));
        }
        let key = key.into_iter().map(|(_, column)| column).collect();
        tables.push(Table { name, columns, key });
    }
    Ok(tables)
}

/// The target has the same columns with the same types, in whatever order.
pub(super) async fn check_shape(table: &Table, to: &mut Connection) -> Result<(), TransferError> {
    let rows: Vec<(String, String)> = sql(TARGET_COLUMNS).bind(&table.name).all(&mut *to).await?;
    let same = rows.len() == table.columns.len()
        && rows.iter().all(|(name, declared)| {
            table.columns.iter().any(|c| c.name == *name && Kind::of(declared) == Some(c.kind))
        });
    if same { Ok(()) } else { Err(TransferError::Shape(table.name.clone())) }
}

pub(super) async fn target_tables(to: &mut Connection) -> Result<Vec<String>, StoreError> {
    let names: Vec<(String,)> = sql(TARGET_TABLES).all(to).await?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

pub(super) async fn has_rows(to: &mut Connection, table: &str) -> Result<bool, StoreError> {
    let first = format!("SELECT 1 FROM {} LIMIT 1", quoted(table));
    let text = format!("SELECT CAST(count(*) AS BIGINT) FROM ({first}) AS found");
    Ok(composed(text).number(to).await? > 0)
}

/// The last number that the source gave out, when it does so for this table.
pub(super) async fn last_number(from: &mut Connection, table: &Table) -> Result<i64, StoreError> {
    let given: Option<(i64,)> = sql(SOURCE_NUMBER).bind(&table.name).first(&mut *from).await?;
    let given = given.map_or(0, |(n,)| n);
    match table.key.as_slice() {
        [Column { name, kind: Kind::Int }] => {
            let (column, table) = (quoted(name), quoted(&table.name));
            let text = format!("SELECT COALESCE(max({column}), 0) FROM {table}");
            Ok(composed(text).number(from).await?.max(given))
        }
        _ => Ok(given),
    }
}

/// Makes the target give out numbers after this one.
pub(super) async fn continue_after(
    to: &mut Connection,
    table: &Table,
    last: i64,
) -> Result<(), StoreError> {
    let columns: Vec<(String,)> = sql(TARGET_IDENTITY).bind(&table.name).all(&mut *to).await?;
    for (column,) in columns.into_iter().filter(|_| last > 0) {
        let statement = sql("SELECT setval(pg_get_serial_sequence($1, $2), $3)");
        let statement = statement.bind(quoted(&table.name)).bind(column).bind(last);
        statement.number(&mut *to).await?;
    }
    Ok(())
}

const SOURCE_TABLES: &str = "
    SELECT name FROM sqlite_master WHERE type = 'table'
    AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT IN ('_sqlx_migrations', 'transfer')
    ORDER BY name";

const SOURCE_COLUMNS: &str = "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid";

const SOURCE_NUMBER: &str = "SELECT seq FROM sqlite_sequence WHERE name = $1";

const TARGET_TABLES: &str = "
    SELECT CAST(table_name AS TEXT) FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'
    AND table_name NOT IN ('_sqlx_migrations', 'transfer') ORDER BY 1";

const TARGET_COLUMNS: &str = "
    SELECT CAST(column_name AS TEXT), CAST(data_type AS TEXT) FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = $1";

const TARGET_IDENTITY: &str = "
    SELECT CAST(column_name AS TEXT) FROM information_schema.columns
    WHERE table_schema = current_schema() AND table_name = $1 AND is_identity = 'YES'";
