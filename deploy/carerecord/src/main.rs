//! Care Record in one binary: the demo, the server, and the tools around it.

mod audit;
mod codes;
mod config;
mod database;
mod delegations;
mod demo;
mod docs;
mod doctor;
mod encryption;
mod key_file;
mod load;
mod looks;
mod migrate;
mod mock;
mod nodes;
mod peer;
mod policy;
mod progress;
mod publish;
mod records;
mod reindex;
mod retention;
mod rewrap;
mod roles;
mod samples;
mod scrub;
mod serve;
mod sessions;
mod signin;
mod storage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A shared care record: XDS registry, repository nodes, portal API and web portal.
#[derive(Parser)]
#[command(name = "carerecord", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every role in one process, with sample people and documents
    Demo(demo::DemoOptions),
    /// Run the roles that a configuration file names
    Serve {
        /// The configuration file (TOML)
        #[arg(long)]
        config: PathBuf,
    },
    /// Run what developers of other systems try their programs against, with scenarios to ask for
    Mock(mock::MockOptions),
    /// Write the documentation as a site, with the description of the API
    Docs(docs::DocsOptions),
    /// Publish documents to a repository node
    Publish(Box<publish::PublishOptions>),
    /// Ask everything that a configuration relies on, and say what is wrong
    Doctor(doctor::DoctorOptions),
    /// Make a key that delegations or access tokens are signed with
    SigningKey(delegations::SigningKeyOptions),
    /// Print and filter the record of accesses
    Audit(audit::AuditOptions),
    /// Move a role's SQLite database to PostgreSQL; the role must be stopped
    Migrate(migrate::MigrateOptions),
    /// Register many submissions out of a file, under the rules of the registry
    Load(load::LoadOptions),
    /// Build the search index of nodes again, while they serve or without them
    Reindex(reindex::ReindexOptions),
    /// See what a node's retention rules say, approve removals, set legal holds, destroy what is removed
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// Put the keys of a node's encrypted documents under the current key, while it serves or not
    Rewrap(rewrap::RewrapOptions),
    /// Read everything that nodes hold, compare it with hashes and registry, and say what differs
    Scrub(scrub::ScrubArguments),
    /// Check the rules of access with their examples, and ask about the sharing agreements
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Check the codes of the affinity domain, and print those that sources use besides
    #[command(subcommand)]
    Codes(codes::CodesCommand),
}

fn main() -> ExitCode {
    // The one crypto provider, before anything can want one.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: the crypto provider is set already");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(Cli::parse())) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Demo(options) => demo::run(options).await,
        Command::Serve { config } => serve::run(&config).await,
        Command::Mock(options) => mock::run(options).await,
        Command::Docs(options) => docs::run(&options),
        Command::Publish(options) => publish::run(*options).await,
        Command::Doctor(options) => doctor::run(options).await,
        Command::SigningKey(options) => delegations::signing_key(&options),
        Command::Audit(options) => audit::run(options).await,
        Command::Migrate(options) => migrate::run(options).await,
        Command::Load(options) => load::run(options).await,
        Command::Reindex(options) => reindex::run(options).await,
        Command::Retention(command) => retention::run(command).await,
        Command::Rewrap(options) => rewrap::run(options).await,
        Command::Scrub(options) => scrub::run(options).await,
        Command::Codes(command) => codes::run(command).await,
        Command::Policy(command) => policy::run(&command),
    }
}
