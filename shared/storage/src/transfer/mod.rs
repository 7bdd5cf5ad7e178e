//! Moves a whole database from a SQLite file to PostgreSQL, every row of every table as it is.
//!
//! The source is locked for writing, and only read. The target keeps how far each table has come,
//! in the transaction that brings the rows, so that a move that breaks off goes on where it was. A
//! hash over all rows of a table in the order of its key is taken of the source before and of the
//! target after: of the first it is told that a resumed move has the same source, of the second
//! that all of it arrived.

mod catalogue;
mod rows;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::pools::Pools;
use crate::{Connection, StoreError, sql};
use catalogue::Table;
use rows::{Digest, each_row, insert_rows};

/// Why a database was not moved. Texts name tables, never values.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is nothing to move.
    #[error("there is no database {}", .0.display())]
    NoSource(PathBuf),
    /// Somebody else's data is in the target.
    #[error("the target is not empty: table {0} has rows that no move has brought")]
    NotEmpty(String),
    /// A move into this target was begun from other data.
    #[error(
        "a move to this target was begun from other data, or the source was written to since; \
         begin again with an empty target"
    )]
    OtherSource,
    /// Source and target do not have the same columns.
    #[error("table {0} is not of the same shape in source and target")]
    Shape(String),
    /// What arrived is not what was sent.
    #[error("table {0} differs between source and target after the move")]
    Differs(String),
    /// The caller said so; nothing is lost.
    #[error("the move was broken off; the same command goes on with it")]
    Interrupted,
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is being done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Reading the source to tell what it has.
    Reading,
    /// Copying rows.
    Copying,
    /// Reading the target to compare.
    Verifying,
}

/// How far a move has come.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// What is being done.
    pub stage: Stage,
    /// With which table.
    pub table: &'a str,
    /// Rows done in this stage, of all tables.
    pub done: u64,
    /// Rows to be done in this stage; 0 while that is not known.
    pub total: u64,
}

/// A table that was moved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MovedTable {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
}

/// Told of progress; `Break` breaks the move off.
pub type OnProgress<'a> = &'a mut (dyn FnMut(&Progress<'_>) -> ControlFlow<()> + Send);

/// Moves every table of a SQLite database to an empty PostgreSQL database, or goes on with such a
/// move. Both get this program's schema. Numbers that a database gives out go on after the last one.
///
/// Returns the tables, each with its rows, once all of them were read back and compared.
///
/// # Errors
/// As `TransferError` says; what was brought so far stays for the next try.
pub async fn transfer(
    source: &Path,
    target: &str,
    on_progress: OnProgress<'_>,
) -> Result<Vec<MovedTable>, TransferError> {
    if !source.is_file() {
        return Err(TransferError::NoSource(source.to_owned()));
    }
    let (source_readers, source_writers) = Pools::sqlite(source).await?;
    let (target_readers, target_writers) = Pools::postgres(target).await?;
    let mut transfer = Transfer {
        // Nobody writes to the source as long as this is held.
        from: source_writers.begin_write().await?,
        readers: &target_readers,
        writers: &target_writers,
        on_progress,
        done: 0,
        total: 0,
    };
    let moved = transfer.run().await;
    drop(transfer);
    for pools in [source_readers, source_writers, target_readers, target_writers] {
        pools.close().await;
    }
    moved
}

struct Transfer<'a> {
    from: Connection,
    readers: &'a Pools,
    writers: &'a Pools,
    on_progress: OnProgress<'a>,
    done: u64,
    total: u64,
}

/// A table with what the source has of it, and how much of that is in the target.
struct Planned {
    table: Table,
    digest: Digest,
    copied: u64,
    verified: bool,
}

impl Transfer<'_> {
    async fn run(&mut self) -> Result<Vec<MovedTable>, TransferError> {
        let mut plan = self.plan().await?;
        self.total = plan.iter().map(|p| p.digest.rows).sum();
        self.done = plan.iter().map(|p| p.copied).sum();
        for planned in &mut plan {
            self.copy(planned).await?;
        }
        self.done = 0;
        for planned in plan.iter_mut().filter(|p| !p.verified) {
            self.verify(planned).await?;
        }
        let moved = |p: &Planned| MovedTable { name: p.table.name.clone(), rows: p.digest.rows };
        Ok(plan.iter().map(moved).collect())
    }

    /// What is to be moved: from the source, compared with what the target has of an earlier try.
    async fn plan(&mut self) -> Result<Vec<Planned>, TransferError> {
        let mut plan = Vec::new();
        for table in catalogue::tables(&mut self.from).await? {
            catalogue::check_shape(&table, &mut self.readers.acquire().await?).await?;
            let digest = self.digest_of_source(&table).await?;
            plan.push(Planned { table, digest, copied: 0, verified: false });
        }
        type Row = (String, i64, Vec<u8>, i64, i64);
        let mut to = self.writers.begin_write().await?;
        let begun: Vec<Row> = sql(BEGUN).all(&mut to).await?;
        if begun.is_empty() {
            check_empty(&mut to).await?;
            for p in &plan {
                let statement = sql(BEGIN).bind(&p.table.name).bind(number(p.digest.rows));
                statement.bind(p.digest.hash.clone()).run(&mut to).await?;
            }
            to.commit().await?;
            return Ok(plan);
        }
        if begun.len() != plan.len() {
            return Err(TransferError::OtherSource);
        }
        for (planned, (name, rows, hash, copied, verified)) in plan.iter_mut().zip(begun) {
            let same = planned.table.name == name
                && number(planned.digest.rows) == rows
                && planned.digest.hash == hash;
            if !same {
                return Err(TransferError::OtherSource);
            }
            planned.copied = copied.unsigned_abs();
            planned.verified = verified != 0;
        }
        Ok(plan)
    }

    async fn digest_of_source(&mut self, table: &Table) -> Result<Digest, TransferError> {
        let (done, on_progress) = (&mut self.done, &mut self.on_progress);
        let mut digest = Digest::begin();
        each_row(&mut self.from, table, 0, async |row| {
            digest.add(&row);
            tell(on_progress, Stage::Reading, &table.name, done, 0)
        })
        .await?;
        Ok(digest.finish())
    }

    /// Brings the rows that are not there yet.
    async fn copy(&mut self, planned: &mut Planned) -> Result<(), TransferError> {
        let Planned { table, digest, copied, .. } = planned;
        if *copied < digest.rows {
            let (done, total, writers) = (&mut self.done, self.total, self.writers);
            let on_progress = &mut self.on_progress;
            let skip = *copied;
            let mut waiting = Vec::new();
            each_row(&mut self.from, table, skip, async |row| {
                waiting.push(row);
                if waiting.len() >= BATCH {
                    *copied += bring(writers, table, *copied, &mut waiting).await?;
                }
                tell(on_progress, Stage::Copying, &table.name, done, total)
            })
            .await?;
            *copied += bring(writers, table, *copied, &mut waiting).await?;
        }
        if !planned.verified {
            self.continue_numbers(&planned.table).await?;
        }
        Ok(())
    }

    /// Numbers that the target gives out follow those that the source has given.
    async fn continue_numbers(&mut self, table: &Table) -> Result<(), TransferError> {
        let given = catalogue::last_number(&mut self.from, table).await?;
        let mut to = self.writers.begin_write().await?;
        catalogue::continue_after(&mut to, table, given).await?;
        Ok(to.commit().await?)
    }

    async fn verify(&mut self, planned: &mut Planned) -> Result<(), TransferError> {
        let (done, total, on_progress) = (&mut self.done, self.total, &mut self.on_progress);
        let name = &planned.table.name;
        let mut digest = Digest::begin();
        let mut to = self.readers.acquire().await?;
        each_row(&mut to, &planned.table, 0, async |row| {
            digest.add(&row);
            tell(on_progress, Stage::Verifying, name, done, total)
        })
        .await?;
        if digest.finish() != planned.digest {
            return Err(TransferError::Differs(name.clone()));
        }
        let mut to = self.writers.begin_write().await?;
        sql(VERIFIED).bind(name).run(&mut to).await?;
        to.commit().await?;
        planned.verified = true;
        Ok(())
    }
}

/// Puts rows into the target, and in the same transaction notes that they are there.
async fn bring(
    writers: &Pools,
    table: &Table,
    copied: u64,
    rows: &mut Vec<Vec<crate::Value>>,
) -> Result<u64, TransferError> {
    let rows = std::mem::take(rows);
    if rows.is_empty() {
        return Ok(0);
    }
    let count = rows.len() as u64;
    let mut to = writers.begin_write().await?;
    insert_rows(&mut to, table, rows).await?;
    let after = sql(COPIED).bind(number(copied + count)).bind(&table.name).bind(number(copied));
    if after.run(&mut to).await? != 1 {
        // Another process moves into the same target.
        return Err(TransferError::OtherSource);
    }
    to.commit().await?;
    Ok(count)
}

/// Every table of the target is empty, whoever made it.
async fn check_empty(to: &mut Connection) -> Result<(), TransferError> {
    for name in catalogue::target_tables(to).await? {
        if catalogue::has_rows(to, &name).await? {
            return Err(TransferError::NotEmpty(name));
        }
    }
    Ok(())
}

fn tell(
    on_progress: &mut OnProgress<'_>,
    stage: Stage,
    table: &str,
    done: &mut u64,
    total: u64,
) -> Result<(), TransferError> {
    *done += 1;
    match on_progress(&Progress { stage, table, done: *done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(TransferError::Interrupted),
    }
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

const BATCH: usize = 500;

const BEGUN: &str = "
    SELECT table_name, source_rows, source_hash, copied_rows, verified FROM transfer
    ORDER BY table_name COLLATE \"C\"";

const BEGIN: &str = "
    INSERT INTO transfer (table_name, source_rows, source_hash, copied_rows, verified)
    VALUES ($1, $2, $3, 0, 0)";

const COPIED: &str = "
    UPDATE transfer SET copied_rows = $1 WHERE table_name = $2 AND copied_rows = $3";

const VERIFIED: &str = "UPDATE transfer SET verified = 1 WHERE table_name = $1";
