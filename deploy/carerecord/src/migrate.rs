//! `carerecord migrate`: moves a role's SQLite database to PostgreSQL.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use carerecord_storage::{Progress, Stage, transfer};
use clap::Args;

use crate::database::{DatabaseSection, DatabaseUrl};

/// From where, to where.
#[derive(Args)]
pub struct MigrateOptions {
    /// The SQLite file, e.g. carerecord-data/registry.db
    #[arg(long)]
    from: PathBuf,
    /// The address of an empty PostgreSQL database: postgres://USER@HOST/NAME
    #[arg(long)]
    to: DatabaseUrl,
    /// A file that holds the password
    #[arg(long, conflicts_with = "password_env")]
    password_file: Option<PathBuf>,
    /// An environment variable that holds it
    #[arg(long)]
    password_env: Option<String>,
}

/// Moves, or goes on with a move that was broken off.
pub async fn run(options: MigrateOptions) -> anyhow::Result<ExitCode> {
    let section = DatabaseSection::new(options.to, options.password_file, options.password_env);
    let address = section.address(Path::new("."))?;
    let bar = crate::progress::bar(BAR, None)?;
    let mut stage = None;
    let mut on_progress = |p: &Progress<'_>| {
        if stage != Some(p.stage) {
            stage = Some(p.stage);
            bar.set_message(words(p.stage));
        }
        bar.set_length(p.total.max(p.done));
        bar.set_position(p.done);
        ControlFlow::Continue(())
    };
    let moved = transfer(&options.from, address.expose(), &mut on_progress).await;
    bar.finish_and_clear();
    let moved = moved.with_context(|| format!("{} was not moved", options.from.display()))?;
    for table in &moved {
        println!("{:10} rows  {}", table.rows, table.name);
    }
    println!("All rows are in the new database, and are equal to those of the file.");
    Ok(ExitCode::SUCCESS)
}

fn words(stage: Stage) -> &'static str {
    match stage {
        Stage::Reading => "Reading",
        Stage::Copying => "Copying",
        Stage::Verifying => "Comparing",
    }
}

const BAR: &str = "{msg} {wide_bar} {human_pos} of {human_len} rows, {eta} left";
