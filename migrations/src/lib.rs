//! The schema of every role, embedded. One numbered set for each database engine; a role's database
//! gets all of it and uses its own tables, so that one database can serve several roles.
//!
//! Forward only: a migration that has been released is never edited.

#![warn(missing_docs)]

use sqlx::migrate::Migrator;

/// The migrations for PostgreSQL.
pub static POSTGRES: Migrator = sqlx::migrate!("./postgres");

/// The migrations for SQLite.
pub static SQLITE: Migrator = sqlx::migrate!("./sqlite");
