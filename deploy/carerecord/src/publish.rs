//! `carerecord publish`: the source system's tool. Metadata comes from the document's header, the
//! code maps and the options; the documents go to a node by ITI-41.
//!
//! Ids are derived from the document, so that a repeat is the same submission, and a run that broke
//! off is simply started again.

mod codes;
mod metadata;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use carerecord_codec::SubmitObjectsRequest;
use carerecord_codec::mtom::Attachment;
use carerecord_model::{ErrorCode, NhsNumber, OrganisationCode, Submission, TransactionError};
use clap::Args;
use futures_util::stream;
use indicatif::{ProgressBar, ProgressStyle};

use crate::peer::{http_client, provide_and_register};

pub use codes::CodeMaps;
pub use metadata::{Given, prepare};

/// What to publish, and what the headers lack.
#[derive(Args)]
pub struct PublishOptions {
    /// Files, or folders to walk
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The node's ITI-41 address
    #[arg(long, default_value = "http://127.0.0.1:8082/xds/repository")]
    node: String,
    /// The patient's NHS Number, for documents whose header has none
    #[arg(long)]
    patient: Option<NhsNumber>,
    /// The organisation that publishes (ODS code)
    #[arg(long, default_value = "ZEX01")]
    organisation: OrganisationCode,
    /// The name of that organisation
    #[arg(long, default_value = "Royal Example Hospital")]
    organisation_name: String,
    /// The code maps of the affinity domain; the built-in UK default unless given
    #[arg(long)]
    codes: Option<PathBuf>,
    /// Show what would be published, and publish nothing
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(options: PublishOptions) -> anyhow::Result<ExitCode> {
    let codes = CodeMaps::load(options.codes.as_deref())?;
    let mut files = Vec::new();
    for path in &options.paths {
        walk(path, &mut files)?;
    }
    files.sort();
    let given = Given {
        patient: options.patient,
        organisation: options.organisation.clone(),
        organisation_name: options.organisation_name.clone(),
    };
    let http = http_client()?;
    let bar = progress(files.len() as u64);
    let mut refused = 0usize;
    for file in &files {
        let outcome = publish_file(&http, &options, &given, &codes, file).await;
        let (mark, text) = match outcome {
            Ok(text) => ("accepted", text),
            Err(reason) => {
                refused += 1;
                ("refused", reason)
            }
        };
        bar.suspend(|| println!("{mark}\t{}\t{text}", file.display()));
        bar.inc(1);
    }
    bar.finish_and_clear();
    eprintln!("{} accepted, {refused} refused", files.len() - refused);
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

async fn publish_file(
    http: &reqwest::Client,
    options: &PublishOptions,
    given: &Given,
    codes: &CodeMaps,
    file: &Path,
) -> Result<String, String> {
    let bytes = tokio::fs::read(file).await.map_err(|e| format!("cannot be read: {e}"))?;
    let bytes = Bytes::from(bytes);
    let prepared = prepare(&bytes, given, codes)?;
    if options.dry_run {
        return Ok(format!("would be {} ({})", prepared.unique_id(), prepared.kind));
    }
    match send(http, &options.node, &prepared.submission, &bytes).await? {
        Ok(()) => Ok(prepared.unique_id()),
        Err(error) if error.has(&ErrorCode::XDSNonIdenticalHash) => {
            let own = prepared.with_content_id(&bytes);
            match send(http, &options.node, &own.submission, &bytes).await? {
                Ok(()) => Ok(format!(
                    "{} (the id in its header belongs to other bytes, so it goes by its content)",
                    own.unique_id()
                )),
                Err(error) => Err(reasons(&error)),
            }
        }
        Err(error) => Err(reasons(&error)),
    }
}

/// Sends one submission with one document.
pub async fn send(
    http: &reqwest::Client,
    node: &str,
    submission: &Submission,
    bytes: &Bytes,
) -> Result<Result<(), TransactionError>, String> {
    let attachment = Attachment {
        content_id: "document@carerecord".to_owned(),
        content_type: submission
            .document_entries
            .first()
            .map(|e| e.mime_type.to_string())
            .unwrap_or_default(),
        size: Some(bytes.len() as u64),
        body: Box::pin(stream::once(std::future::ready(Ok(bytes.clone())))),
    };
    let id =
        submission.document_entries.first().map(|e| e.entry_uuid.to_string()).unwrap_or_default();
    let request = SubmitObjectsRequest::new(submission);
    let answer = provide_and_register(http, node, &request, vec![(id, attachment)]).await;
    let answer = answer.map_err(|e| format!("the node could not be asked: {e}"))?;
    Ok(answer.into_result().map(|_| ()))
}

pub fn progress(length: u64) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} documents") {
        bar.set_style(style);
    }
    bar
}

pub fn reasons(error: &TransactionError) -> String {
    let each = |e: &carerecord_model::RegistryError| format!("{}: {}", e.code, e.context);
    error.0.iter().map(each).collect::<Vec<_>>().join("; ")
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let metadata =
        std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        walk(&entry?.path(), files)?;
    }
    Ok(())
}
