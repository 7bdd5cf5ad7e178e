//! `carerecord demo`: every role in one process, on the fixed ports, with invented people.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use carerecord_access::ConsentStore;
use carerecord_model::{Clock, RandomIds, SystemClock};
use carerecord_service::{Lifecycle, LogFormat, Secret, telemetry};
use clap::Args;

use crate::config::Config;
use crate::publish::{CodeMaps, Given, prepare, progress, reasons, send};
use crate::roles::{self, Roles};
use crate::serve::exit_code;
use crate::signin::{Client, ClientKind, SignInConfig, demo_accounts};
use crate::{peer, samples, signin};

#[derive(Args)]
pub struct DemoOptions {
    /// Where databases and documents are kept
    #[arg(long, default_value = "carerecord-data")]
    data: PathBuf,
    /// Without sample people and documents
    #[arg(long)]
    empty: bool,
    /// What to log, e.g. info or debug
    #[arg(long, default_value = "warn")]
    log: String,
}

pub async fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    telemetry::init(LogFormat::Text, &options.log)?;
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make {}", options.data.display()))?;
    let config = configuration(&options.data)?;
    let lifecycle = Lifecycle::new();
    signin::start(sign_in(&options.data)?, Arc::new(SystemClock), Arc::new(RandomIds), &lifecycle)
        .await
        .context("the sign-in provider cannot be started")?;
    let roles = roles::start(&config, &lifecycle).await?;
    let marker = options.data.join("samples-published");
    if !options.empty && !marker.exists() {
        publish_samples(&roles).await?;
        std::fs::write(&marker, "The sample people and documents have been published.\n")?;
    }
    print_welcome(options.empty);
    let stopped = lifecycle.run().await?;
    roles.close().await;
    println!("Stopped.");
    Ok(exit_code(&stopped))
}

/// The configuration of the demo, as a file would say it.
fn configuration(data: &Path) -> anyhow::Result<Config> {
    let policy = data.join("policy");
    write_policy(&policy)?;
    let mut config: Config = toml::from_str(include_str!("../config/demo.toml"))?;
    config.data = data.to_owned();
    config.policy = policy;
    Ok(config)
}

/// The rules are files that can be read and changed; what is there already is left.
fn write_policy(folder: &Path) -> anyhow::Result<()> {
    let agreements = folder.join("agreements");
    std::fs::create_dir_all(&agreements)?;
    let files = [
        (folder.join("access.toml"), include_str!("../config/policy/access.toml")),
        (folder.join("consent-models.toml"), include_str!("../config/policy/consent-models.toml")),
        (
            agreements.join("dsa-ev-0001.json"),
            include_str!("../config/policy/agreements/dsa-ev-0001.json"),
        ),
    ];
    for (path, text) in files {
        if !path.exists() {
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

fn sign_in(data: &Path) -> anyhow::Result<SignInConfig> {
    let web = |path: &str| format!("http://127.0.0.1:8080{path}");
    Ok(SignInConfig {
        issuer: "http://127.0.0.1:8085".parse()?,
        listen: carerecord_service::ListenerConfig::loopback(8085),
        clients: vec![
            Client {
                client_id: "carerecord-web".to_owned(),
                secret: None,
                redirect_uris: vec![web("/sign-in/callback")],
                post_logout_redirect_uris: vec![web("/signed-out")],
                kind: ClientKind::Portal,
            },
            Client {
                client_id: "demo-system".to_owned(),
                secret: Some(Secret::new("demo-secret")),
                redirect_uris: Vec::new(),
                post_logout_redirect_uris: Vec::new(),
                kind: ClientKind::System {
                    organisation: "ZEX09".to_owned(),
                    scopes: vec!["system/*.read".to_owned()],
                },
            },
        ],
        accounts: demo_accounts(),
        api_audience: "carerecord-api".to_owned(),
        key_path: data.join("signin-key.pem"),
        access_token_seconds: 900,
    })
}

/// Publishes the samples through the nodes' own ITI-41 doors.
async fn publish_samples(roles: &Roles) -> anyhow::Result<()> {
    let registry = roles.registry.as_ref().context("the demo has no registry")?;
    for person in samples::people() {
        registry.put_patient(person).await?;
    }
    for record in samples::consents(SystemClock.now()) {
        // Already there after a first start that was cut off: what is stored stays.
        if let Err(error) = registry.put_consent(record).await {
            tracing::debug!(%error, "a sample consent was not stored");
        }
    }
    let codes = CodeMaps::load(None)?;
    let http = peer::http_client()?;
    let all = samples::documents();
    let bar = progress(all.len() as u64);
    for sample in all {
        let (name, ods) = NODES[sample.node];
        let given = Given {
            patient: Some(sample.patient),
            organisation: ods.parse()?,
            organisation_name: name.to_owned(),
        };
        let bytes = Bytes::from(sample.bytes);
        let prepared = prepare(&bytes, &given, &codes).map_err(anyhow::Error::msg)?;
        let node = format!("http://127.0.0.1:{}/xds/repository", 8082 + sample.node);
        let done = send(&http, &node, &prepared.submission, &bytes).await;
        let done = done.map_err(anyhow::Error::msg)?;
        done.map_err(|e| anyhow::anyhow!("a sample was refused: {}", reasons(&e)))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn print_welcome(empty: bool) {
    println!("Care Record is running. Everything in it is invented.\n");
    println!("  Web portal   http://127.0.0.1:8080");
    println!("  FHIR API     http://127.0.0.1:8080/fhir/metadata");
    println!("  Registry     http://127.0.0.1:8081/xds/registry");
    println!("  Nodes        http://127.0.0.1:8082-8084/xds/repository");
    println!("  Health       http://127.0.0.1:8089/health/ready\n");
    println!("XDS callers on this machine are trusted: publish, query and retrieve for ZEX09.");
    println!("Sign in with any account of the sign-in page; there are no passwords.");
    if !empty {
        println!("\nThree things to try:");
        println!("  1. Sign in as the GP, find 999 000 1006, open a document.");
        println!("  2. Find 999 000 1049: the patient has objected, and the page says so.");
        println!("  3. carerecord publish FILE --patient 9990001146, then find 999 000 1146.");
    }
    println!("\nCtrl-C stops.");
}

const NODES: [(&str, &str); 3] = [
    ("Royal Example Hospital", "ZEX01"),
    ("Example Community Trust", "ZEX02"),
    ("Example Council", "ZEX05"),
];
