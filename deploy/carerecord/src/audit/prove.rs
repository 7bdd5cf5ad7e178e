use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use carerecord_audit::{
    ConsistencyProof, InclusionProof, KeyRing, prove_consistency, prove_inclusion, seq_of_id,
};
use clap::Args;
use serde::Deserialize;
use uuid::Uuid;

use super::keys::public_keys;
use super::sources::{Databases, record_reading};

/// Which record.
#[derive(Args)]
pub struct ProveOptions {
    /// The record's id, or its number in the log that --log names
    record: String,
    #[command(flatten)]
    databases: Databases,
    /// Only in the log of this name: registry, portal, node-…
    #[arg(long)]
    log: Option<String>,
}

/// From which head to which.
#[derive(Args)]
pub struct ConsistencyOptions {
    /// Over how many records the older head is
    old: u64,
    /// Over how many records the newer head is
    new: u64,
    #[command(flatten)]
    databases: Databases,
    /// The log, where there are several: registry, portal, node-…
    #[arg(long)]
    log: Option<String>,
}

/// Which proof, by which keys.
#[derive(Args)]
pub struct CheckOptions {
    /// What `prove` or `consistency` printed
    file: PathBuf,
    /// A file of public keys (audit.pub)
    #[arg(long, required = true)]
    key: Vec<PathBuf>,
}

/// Prints a proof that a record is in its log. The proof holds the record.
pub async fn run(options: ProveOptions) -> anyhow::Result<ExitCode> {
    let number: Option<u64> = options.record.parse().ok();
    let id: Option<Uuid> = options.record.parse().ok();
    let logs = match number {
        Some(_) => vec![options.databases.one(options.log.as_deref())?],
        None => options.databases.some(options.log.as_deref())?,
    };
    for log in logs {
        let database = log.open().await?;
        let seq = match (number, id) {
            (Some(number), _) => Some(number),
            (None, Some(id)) => seq_of_id(&database, id).await?,
            (None, None) => bail!("{} is neither an id nor a number", options.record),
        };
        if let Some(seq) = seq {
            let proof = prove_inclusion(&database, seq).await?;
            record_reading(&database, "audit", "prove", None).await?;
            println!("{}", serde_json::to_string_pretty(&proof)?);
            return Ok(ExitCode::SUCCESS);
        }
        database.close().await;
    }
    bail!("no log has a record of the id {}", options.record)
}

/// Prints a proof that the log has only grown from one head to another.
pub async fn consistency(options: ConsistencyOptions) -> anyhow::Result<ExitCode> {
    let database = options.databases.one(options.log.as_deref())?.open().await?;
    let proof = prove_consistency(&database, options.old, options.new).await?;
    println!("{}", serde_json::to_string_pretty(&proof)?);
    Ok(ExitCode::SUCCESS)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Proof {
    Inclusion(Box<InclusionProof>),
    Consistency(Box<ConsistencyProof>),
}

/// Checks a proof with nothing but public keys.
pub fn check(options: &CheckOptions) -> anyhow::Result<ExitCode> {
    let name = options.file.display();
    let text = std::fs::read(&options.file).with_context(|| format!("cannot read {name}"))?;
    let proof: Proof =
        serde_json::from_slice(&text).map_err(|_| anyhow::anyhow!("{name} is not a proof"))?;
    let mut keys = Vec::new();
    for file in &options.key {
        keys.extend(public_keys(file)?);
    }
    let ring = KeyRing::trusting(keys);
    let (verified, says) = match proof {
        Proof::Inclusion(proof) => {
            let head = &proof.head.head;
            let says = format!(
                "record {} was in the log {} when its head over {} records was signed",
                proof.seq, head.log, head.tree_size
            );
            (proof.verify(ring), says)
        }
        Proof::Consistency(proof) => {
            let (old, new) = (&proof.old.head, &proof.new.head);
            let says = format!(
                "the log {} of {} records begins with the {} that were signed before, unchanged",
                new.log, new.tree_size, old.tree_size
            );
            (proof.verify(ring), says)
        }
    };
    match verified {
        Ok(()) => {
            println!("proven: {says}");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("NOT PROVEN: {error}");
            Ok(ExitCode::from(super::NOT_WHOLE))
        }
    }
}
