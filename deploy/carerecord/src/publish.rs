//! `carerecord publish`: the source system's tool. Metadata comes from the document's header, the
//! code maps and the options; the documents go to a node by ITI-41.
//!
//! Ids are derived from the document, so that a repeat is the same submission, and a run that broke
//! off is simply started again.

mod codes;
mod metadata;
mod source;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use carerecord_codec::SubmitObjectsRequest;
use carerecord_codec::mtom::Attachment;
use carerecord_model::{
    AvailabilityStatus, DocumentEntry, DocumentRegistry, Dtm, EntryRef, ErrorCode, GetDocuments,
    NhsNumber, OrganisationCode, StoredQuery, Submission, TransactionError, UniqueId,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::peer::{RegistryClient, http_client, provide_and_register};

pub use codes::CodeMaps;
pub use metadata::{Given, Prepared, prepare};
pub use source::Source;

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
    /// The type of document (a code of the code maps), whatever the header says
    #[arg(long = "type", value_name = "CODE")]
    type_code: Option<String>,
    /// When it was made (YYYY to YYYYMMDDhhmmss, UTC), for documents whose header does not say;
    /// otherwise their file's last change
    #[arg(long, value_name = "TIME")]
    created: Option<Dtm>,
    /// The title, for documents whose header has none
    #[arg(long)]
    title: Option<String>,
    /// The uniqueId of a registered document that this one replaces
    #[arg(long, value_name = "UNIQUE_ID")]
    replaces: Option<UniqueId>,
    /// The registry, asked for documents that are to be replaced
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    registry: String,
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
    if options.replaces.is_some() && files.len() != 1 {
        bail!("--replaces is for one file, and there are {}", files.len());
    }
    let given = Given {
        patient: options.patient,
        organisation: options.organisation.clone(),
        organisation_name: options.organisation_name.clone(),
        type_code: options.type_code.as_deref().map(|c| codes.type_of(c)).transpose()?,
        created: options.created.clone(),
        title: options.title.clone(),
        replaces: options.replaces.clone(),
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
    let source = Source::open(file).await?;
    let mut prepared = prepare(&source, given, codes)?;
    let mut notes: Vec<String> = prepared.notes.iter().map(|n| (*n).to_owned()).collect();
    if let Some(replaced) = prepared.replaces.clone() {
        if options.dry_run {
            notes.push(format!("would replace {replaced}"));
        } else {
            notes.push(replace(http, options, &mut prepared, &replaced).await?);
        }
    }
    if options.dry_run {
        let line = line(&prepared.unique_id(), &notes);
        return Ok(format!("would be {line} [{}]", prepared.kind));
    }
    match send(http, &options.node, &prepared.submission, &source).await? {
        Ok(()) => Ok(line(&prepared.unique_id(), &notes)),
        Err(error) if error.has(&ErrorCode::XDSNonIdenticalHash) => {
            let own = prepared.with_content_id(&source);
            notes.push(
                "the id in its header belongs to other bytes, so it goes by its content".into(),
            );
            let id = own.document_entries.first().map(|e| e.unique_id.to_string());
            match send(http, &options.node, &own, &source).await? {
                Ok(()) => Ok(line(&id.unwrap_or_default(), &notes)),
                Err(error) => Err(reasons(&error)),
            }
        }
        Err(error) => Err(reasons(&error)),
    }
}

/// An id, and in brackets what there is to say.
fn line(id: &str, notes: &[String]) -> String {
    if notes.is_empty() { id.to_owned() } else { format!("{id} ({})", notes.join("; ")) }
}

/// Looks up the document that is to be replaced; says what came of it.
async fn replace(
    http: &reqwest::Client,
    options: &PublishOptions,
    prepared: &mut Prepared,
    replaced: &UniqueId,
) -> Result<String, String> {
    let ids = EntryRef::UniqueIds(vec![replaced.clone()]);
    let query = StoredQuery::GetDocuments(GetDocuments::of(ids));
    let registry = RegistryClient::new(http.clone(), &options.registry);
    let found = registry.stored_query(&query).await;
    let found = found
        .map_err(|e| format!("the registry (--registry) could not be asked for {replaced}: {e}"))?;
    let current = |e: &&DocumentEntry| e.availability_status == AvailabilityStatus::Approved;
    let entries = &found.document_entries;
    // One that is replaced already is named all the same: a repeat gets the same answer, and
    // anything else is for the registry to refuse.
    let entry = entries.iter().find(current).or(entries.first());
    match entry.and_then(DocumentEntry::uuid) {
        Some(uuid) => {
            prepared.replace(uuid);
            Ok(format!("replaces {replaced}"))
        }
        None if options.replaces.is_some() => Err(format!("{replaced} is not registered")),
        None => Ok(format!("{replaced}, which it replaces, is not registered")),
    }
}

/// Sends one submission with one document.
pub async fn send(
    http: &reqwest::Client,
    node: &str,
    submission: &Submission,
    source: &Source,
) -> Result<Result<(), TransactionError>, String> {
    let entry = submission.document_entries.first();
    let attachment = Attachment {
        content_id: "document@carerecord".to_owned(),
        content_type: entry.map(|e| e.mime_type.to_string()).unwrap_or_default(),
        size: Some(source.size()),
        body: source.body().await?,
    };
    let id = entry.map(|e| e.entry_uuid.to_string()).unwrap_or_default();
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
