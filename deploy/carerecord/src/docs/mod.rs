//! The documentation: what is written, and what the code says of itself, as a site and as OpenAPI. The
//! portal serves it at `/docs`, and `carerecord docs` writes it into a folder.

mod codes;
mod endpoints;
mod errors;
mod examples;
mod markdown;
mod messages;
mod openapi;
mod operations;
mod router;
mod scenarios;
mod site;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

pub use router::router;
use site::Site;

/// `carerecord docs`.
#[derive(Args)]
pub struct DocsOptions {
    /// The folder that the site is written into
    #[arg(long, default_value = "site")]
    out: PathBuf,
    /// The FHIR API's address, as the description of the API has it
    #[arg(long, default_value = "http://127.0.0.1:8080/fhir")]
    base_url: String,
}

/// Writes the site.
pub fn run(options: &DocsOptions) -> anyhow::Result<ExitCode> {
    Site::new(&options.base_url).write(&options.out)?;
    println!("{}", options.out.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}
