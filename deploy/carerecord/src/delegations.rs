//! For whom the portal asks nodes: the keys of the `[delegations]` section. `docs/run.md`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use carerecord_model::{Clock, IdSource, RandomIds, SystemClock};
use carerecord_service::signing::make_key;
use carerecord_service::{Delegations, Delegator};
use clap::Args;

use crate::config::Config;

/// Where a key goes.
#[derive(Args)]
pub struct SigningKeyOptions {
    /// The file of the key, which must not be there yet
    #[arg(long)]
    key: PathBuf,
    /// The file of public keys (a JWK set) for those who verify; what is in it stays
    #[arg(long)]
    keys: PathBuf,
}

/// Makes a key that delegations or access tokens are signed with.
pub fn signing_key(options: &SigningKeyOptions) -> anyhow::Result<ExitCode> {
    let id = make_key(&options.key, &options.keys)?;
    println!("The key {id} is in {}.", options.key.display());
    println!("Its public half has been added to {}.", options.keys.display());
    Ok(ExitCode::SUCCESS)
}

/// The keys of a deployment that makes them itself; those that are there stay.
pub fn make_missing(key: &Path, keys: &Path) -> anyhow::Result<()> {
    if !key.exists() {
        make_key(key, keys).with_context(|| format!("cannot make {}", key.display()))?;
    }
    Ok(())
}

/// Who says for whom the portal asks; `None` where the configuration has no key.
pub fn delegator(config: &Config) -> anyhow::Result<Option<Arc<Delegator>>> {
    let key = config.delegations.as_ref().and_then(|section| section.key.as_ref());
    let Some((key, portal)) = key.zip(config.portal.as_ref()) else { return Ok(None) };
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdSource>) =
        (Arc::new(SystemClock), Arc::new(RandomIds));
    let made = Delegator::new(&portal.api.base_url, &config.base.join(key), clock, ids);
    Ok(Some(Arc::new(made.context("delegations.key cannot be used")?)))
}

/// Who judges what nodes here are told; `None` where the configuration has no public keys.
pub fn judge(config: &Config) -> anyhow::Result<Option<Arc<Delegations>>> {
    let keys = config.delegations.as_ref().and_then(|section| section.keys.as_ref());
    let Some(keys) = keys else { return Ok(None) };
    let judge = Delegations::new(&config.base.join(keys), Arc::new(SystemClock));
    Ok(Some(Arc::new(judge.context("delegations.keys cannot be used")?)))
}

/// What the doctor finds, where there is such a section.
pub fn finding(config: &Config) -> Option<anyhow::Result<String>> {
    config.delegations.as_ref()?;
    Some(fits(config))
}

fn fits(config: &Config) -> anyhow::Result<String> {
    let (delegator, judge) = (delegator(config)?, judge(config)?);
    if let (Some(delegator), Some(judge)) = (delegator, judge) {
        let id = delegator.key_id();
        anyhow::ensure!(
            judge.knows(&id),
            "delegations.key is the key {id}, which is not among delegations.keys: nodes here \
             refuse what this portal asks"
        );
    }
    Ok("read".to_owned())
}
