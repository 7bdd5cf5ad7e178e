//! `carerecord retention`: what the rules say, approvals, legal holds, destruction, certificates.

mod print;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use carerecord_model::{Clock as _, NhsNumber, NodeId, RandomIds, SystemClock, UniqueId};
use carerecord_repository::{
    Approval, Assessment, HoldScope, Retention, RetentionParts, RetentionRules,
};
use carerecord_storage::Database;
use clap::{Args, Subcommand};
use jiff::civil::Date;

use crate::audit::record_reading;
use crate::config::{Config, RepositorySection};
use crate::progress::bar;
use crate::roles::AskedRegistry;

/// What to do.
#[derive(Subcommand)]
pub enum RetentionCommand {
    /// Say what is due, by which rule, and what is held
    Report(ReportOptions),
    /// Remove what is due and not held; the node has the registry take the entries out
    Approve(ApproveOptions),
    /// Destroy the bytes of removed documents whose grace is over, now
    Purge(NodeOptions),
    /// Print what was removed and destroyed, why, and who approved it
    Certificates(ListOptions),
    /// Forbid destruction: everything, a document, a person, or a type
    Hold(HoldOptions),
    /// Lift a legal hold
    Lift(LiftOptions),
    /// Print the legal holds
    Holds(ListOptions),
}

/// Which node.
#[derive(Args)]
pub struct NodeOptions {
    /// The configuration file of the node
    #[arg(long)]
    config: PathBuf,
    /// The node's repositoryUniqueId, where the configuration has several
    #[arg(long)]
    node: Option<NodeId>,
}

/// What to report.
#[derive(Args)]
pub struct ReportOptions {
    #[command(flatten)]
    node: NodeOptions,
    /// As if it were this day; today unless given
    #[arg(long)]
    on: Option<Date>,
    /// A line of JSON for each document, also those that are not due
    #[arg(long)]
    json: bool,
}

/// What to approve.
#[derive(Args)]
pub struct ApproveOptions {
    #[command(flatten)]
    node: NodeOptions,
    /// What was due on this day; not after today
    #[arg(long)]
    on: Option<Date>,
    /// Only what is due by this rule
    #[arg(long)]
    rule: Option<String>,
    /// Who approves, for the certificates
    #[arg(long)]
    by: String,
    /// Why, for the certificates
    #[arg(long)]
    reason: String,
    /// Without this it only says what would be removed
    #[arg(long)]
    remove: bool,
}

/// How to print.
#[derive(Args)]
pub struct ListOptions {
    #[command(flatten)]
    node: NodeOptions,
    /// A line of JSON for each
    #[arg(long)]
    json: bool,
}

/// What to hold.
#[derive(Args)]
pub struct HoldOptions {
    #[command(flatten)]
    node: NodeOptions,
    /// A name for the hold
    id: String,
    #[command(flatten)]
    scope: ScopeOptions,
    /// Why, e.g. which inquiry
    #[arg(long)]
    reason: String,
    /// Who sets it
    #[arg(long)]
    by: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct ScopeOptions {
    /// Every document of the node
    #[arg(long)]
    all: bool,
    /// A document, by its uniqueId
    #[arg(long)]
    document: Option<UniqueId>,
    /// A file that holds a person's NHS Number (so that it stands in no list of processes)
    #[arg(long, value_name = "FILE")]
    patient_file: Option<PathBuf>,
    /// Documents of a type, by its code
    #[arg(long = "type")]
    type_code: Option<String>,
}

/// Which hold to lift.
#[derive(Args)]
pub struct LiftOptions {
    #[command(flatten)]
    node: NodeOptions,
    /// Its name
    id: String,
    /// Who lifts it
    #[arg(long)]
    by: String,
}

/// Runs one of the commands, while the node serves or without it.
pub async fn run(command: RetentionCommand) -> anyhow::Result<ExitCode> {
    match command {
        RetentionCommand::Report(options) => report(options).await,
        RetentionCommand::Approve(options) => approve(options).await,
        RetentionCommand::Purge(options) => purge(&options).await,
        RetentionCommand::Certificates(options) => {
            let node = NodeRetention::open(&options.node).await?;
            node.record_reading("certificates").await?;
            print::certificates(&node.retention, options.json).await
        }
        RetentionCommand::Hold(options) => hold(options).await,
        RetentionCommand::Lift(options) => {
            let node = NodeRetention::open(&options.node).await?;
            let lifted = node.retention.lift_hold(&options.id, &options.by).await?;
            ensure!(lifted, "no hold in force is called {}", options.id);
            println!("Hold {} is lifted.", options.id);
            Ok(ExitCode::SUCCESS)
        }
        RetentionCommand::Holds(options) => {
            let node = NodeRetention::open(&options.node).await?;
            node.record_reading("holds").await?;
            print::holds(&node.retention.holds().await?, options.json)
        }
    }
}

async fn report(options: ReportOptions) -> anyhow::Result<ExitCode> {
    let node = NodeRetention::open(&options.node).await?;
    node.record_reading("report").await?;
    let on = options.on.unwrap_or_else(today);
    let mut summary = print::Summary::new(on);
    let mut failed = None;
    node.assess(&mut |assessment| {
        if options.json && failed.is_none() {
            failed = print::json(&assessment).err();
        }
        summary.add(&assessment);
    })
    .await?;
    if let Some(error) = failed {
        return Err(error);
    }
    if !options.json {
        summary.print(&node.rules);
    }
    Ok(ExitCode::SUCCESS)
}

async fn approve(options: ApproveOptions) -> anyhow::Result<ExitCode> {
    let node = NodeRetention::open(&options.node).await?;
    let on = options.on.unwrap_or_else(today);
    ensure!(on <= today(), "{on} is yet to come: nothing is removed before it is due");
    ensure!(!options.by.trim().is_empty(), "--by is empty");
    ensure!(!options.reason.trim().is_empty(), "--reason is empty");
    let mut due = Vec::new();
    let mut summary = print::Summary::new(on);
    node.assess(&mut |assessment: Assessment| {
        let wanted = options.rule.is_none() || options.rule == assessment.rule;
        if wanted && assessment.hold.is_none() && assessment.due.is_some_and(|day| day <= on) {
            summary.add(&assessment);
            due.push(assessment);
        }
    })
    .await?;
    if !options.remove {
        summary.print(&node.rules);
        println!("Nothing was removed: give --remove to do it.");
        return Ok(ExitCode::SUCCESS);
    }
    let approval = Approval { by: options.by, reason: options.reason };
    let removed = node.retention.approve(&due, &approval).await?;
    println!("{removed} documents removed. Their bytes are destroyed {} days on.", node.grace_days);
    Ok(ExitCode::SUCCESS)
}

async fn purge(options: &NodeOptions) -> anyhow::Result<ExitCode> {
    let node = NodeRetention::open(options).await?;
    let grace = jiff::SignedDuration::from_hours(24 * i64::from(node.grace_days));
    let before = SystemClock.now() - grace;
    let bar = bar(DESTROYING, Some(node.retention.count_waiting(before).await?))?;
    let mut tell = |n| bar.set_position(n);
    let purged = node.retention.purge(before, "carerecord retention purge", &mut tell).await?;
    bar.finish_and_clear();
    println!("{} documents destroyed, {} held.", purged.destroyed, purged.held);
    Ok(ExitCode::SUCCESS)
}

async fn hold(options: HoldOptions) -> anyhow::Result<ExitCode> {
    let scope = match options.scope {
        ScopeOptions { document: Some(id), .. } => HoldScope::Document(id),
        ScopeOptions { type_code: Some(code), .. } => HoldScope::Type(code),
        ScopeOptions { patient_file: Some(file), .. } => {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let number: Result<NhsNumber, _> = text.trim().parse();
            HoldScope::Patient(number.with_context(|| format!("in {}", file.display()))?)
        }
        ScopeOptions { all: true, .. } => HoldScope::All,
        ScopeOptions { .. } => bail!("say what to hold"),
    };
    let node = NodeRetention::open(&options.node).await?;
    let set = node.retention.set_hold(&options.id, scope, &options.reason, &options.by).await?;
    ensure!(set, "there is or was a hold with the name {}", options.id);
    println!("Hold {} is in force.", options.id);
    Ok(ExitCode::SUCCESS)
}

/// The retention of one node of a configuration.
struct NodeRetention {
    retention: Retention,
    database: Database,
    rules: RetentionRules,
    grace_days: u16,
}

impl NodeRetention {
    async fn open(options: &NodeOptions) -> anyhow::Result<Self> {
        let config = Config::read(&options.config)?;
        let sections: Vec<&RepositorySection> = config.nodes(options.node.as_ref()).collect();
        let [section] = sections.as_slice() else {
            ensure!(!sections.is_empty(), "the configuration has no such [[repository]]");
            bail!("the configuration has several [[repository]]: say which with --node");
        };
        let registry = AskedRegistry::of(&config).await?;
        let database = config.open_node_database(section).await?;
        let retention = Retention::new(RetentionParts {
            database: database.clone(),
            objects: crate::storage::objects(&config, section)?,
            patients: registry.ports.patients.clone(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            recorder: format!("node {}", section.node.repository_unique_id),
        });
        let rules = rules(&config, section)?;
        Ok(Self { retention, database, rules, grace_days: section.node.grace_days })
    }

    async fn record_reading(&self, what: &str) -> anyhow::Result<()> {
        record_reading(&self.database, "retention", what, None).await
    }

    async fn assess(&self, each: &mut dyn FnMut(Assessment)) -> anyhow::Result<()> {
        let bar = bar(READING, Some(self.retention.count().await?))?;
        self.retention.assess(&self.rules, each, &mut |n| bar.set_position(n)).await?;
        bar.finish_and_clear();
        Ok(())
    }
}

/// The rules of a node.
pub fn rules(config: &Config, section: &RepositorySection) -> anyhow::Result<RetentionRules> {
    let Some(file) = &section.retention.rules else { return Ok(RetentionRules::built_in()) };
    let file = config.base.join(file);
    RetentionRules::load(&file).with_context(|| format!("{} cannot be used", file.display()))
}

fn today() -> Date {
    SystemClock.now().to_zoned(jiff::tz::TimeZone::system()).date()
}

const READING: &str = "Reading {wide_bar} {human_pos} of {human_len} documents, {eta} left";
const DESTROYING: &str = "Destroying {wide_bar} {human_pos} of {human_len} documents, {eta} left";
