use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use carerecord_model::{Dtm, NhsNumber, OrganisationCode, UniqueId};
use carerecord_service::ClientTlsConfig;
use clap::Args;

use super::{CodeMaps, Given, Manifest, Rows, Walk};

/// What to publish, and what the headers lack.
#[derive(Args)]
pub struct PublishOptions {
    /// Files, or folders to walk
    #[arg(required_unless_present = "manifest", conflicts_with = "manifest")]
    pub paths: Vec<PathBuf>,
    /// A CSV file with a row for each document; its columns are told in docs/publish.md
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["replaces", "unique_id"])]
    pub manifest: Option<PathBuf>,
    /// The outcome of each document as a line of JSON; the same command with the same file goes on
    /// where it was broken off. Beside a manifest there is always one
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// The node's ITI-41 address
    #[arg(long, default_value = "http://127.0.0.1:8082/xds/repository")]
    pub node: String,
    /// The patient's NHS Number, for documents whose header has none
    #[arg(long)]
    pub patient: Option<NhsNumber>,
    /// The organisation that publishes (ODS code)
    #[arg(long, default_value = "ZEX01")]
    pub organisation: OrganisationCode,
    /// The name of that organisation
    #[arg(long, default_value = "Royal Example Hospital")]
    pub organisation_name: String,
    /// The type of document (a code of the code maps), whatever the header says
    #[arg(long = "type", value_name = "CODE")]
    pub type_code: Option<String>,
    /// When it was made (YYYY to YYYYMMDDhhmmss, UTC), for documents whose header does not say;
    /// otherwise their file's last change
    #[arg(long, value_name = "TIME")]
    pub created: Option<Dtm>,
    /// The title, for documents whose header has none
    #[arg(long)]
    pub title: Option<String>,
    /// The document's uniqueId, whatever the header says
    #[arg(long, value_name = "UNIQUE_ID")]
    pub unique_id: Option<UniqueId>,
    /// The uniqueId of a registered document that this one replaces
    #[arg(long, value_name = "UNIQUE_ID")]
    pub replaces: Option<UniqueId>,
    /// The registry, asked for documents that are to be replaced or are there already
    #[arg(long, default_value = "http://127.0.0.1:8081")]
    pub registry: String,
    /// Certificates (PEM) of the authorities that node's and registry's must come from; those of the
    /// machine unless given
    #[arg(long, value_name = "FILE")]
    pub authority: Vec<PathBuf>,
    /// Our certificate with its chain (PEM), where node and registry ask for one
    #[arg(long, value_name = "FILE", requires_all = ["key", "authority"])]
    pub certificate: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// The code maps of the affinity domain; the built-in UK default unless given
    #[arg(long)]
    pub codes: Option<PathBuf>,
    /// A codes.xml file: documents with other codes are invalid, and not sent
    #[arg(long, value_name = "FILE")]
    pub affinity_domain: Vec<PathBuf>,
    /// At most so many documents are sent at once; as many as the node can take
    #[arg(long, value_name = "MAX", default_value_t = 16,
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub parallel: u16,
    /// At most so many documents a second
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,
    /// At most so many bytes of documents a second: 500k, 2M
    #[arg(long, value_name = "BYTES", value_parser = rate)]
    pub bandwidth: Option<f64>,
    /// How often a document is sent again while others are taken
    #[arg(long, default_value_t = 8)]
    pub retries: u32,
    /// After so many seconds of silence a node has not answered
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// After so many seconds in which the node takes nothing the run ends [default: 300 with an
    /// outcome file, else 10]
    #[arg(long, value_name = "SECONDS")]
    pub give_up: Option<u64>,
    /// Read and check everything, and publish nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl PublishOptions {
    /// How we speak TLS, where that is not as the machine does.
    pub fn tls(&self) -> Option<ClientTlsConfig> {
        (!self.authority.is_empty()).then(|| ClientTlsConfig {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            authorities: self.authority.clone(),
            crls: Vec::new(),
        })
    }

    /// # Errors
    /// When options are for one file, and there may be more.
    pub fn check(&self) -> anyhow::Result<()> {
        let one = self.paths.len() == 1 && !self.paths.iter().any(|path| path.is_dir());
        for (name, given) in [("--replaces", &self.replaces), ("--unique-id", &self.unique_id)] {
            ensure!(given.is_none() || one, "{name} is for one file");
        }
        Ok(())
    }

    /// What the options say of documents.
    ///
    /// # Errors
    /// When the type is not in the code maps.
    pub fn given(&self, codes: &CodeMaps) -> anyhow::Result<Given> {
        Ok(Given {
            patient: self.patient,
            organisation: self.organisation.clone(),
            organisation_name: self.organisation_name.clone(),
            type_code: self.type_code.as_deref().map(|c| codes.type_of(c)).transpose()?,
            created: self.created.clone(),
            title: self.title.clone(),
            replaces: self.replaces.clone(),
            unique_id: self.unique_id.clone(),
            author: None,
        })
    }

    /// The documents.
    ///
    /// # Errors
    /// When the manifest cannot be used.
    pub fn rows(&self) -> anyhow::Result<Rows> {
        Ok(match &self.manifest {
            Some(file) => Rows::Manifest(Box::new(Manifest::open(file)?)),
            None => Rows::Walk(Walk::new(&self.paths)),
        })
    }

    /// Where outcomes are written. Those of a dry run are no checkpoint, so they have a file of
    /// their own.
    pub fn outcome_file(&self) -> Option<PathBuf> {
        let beside = || self.manifest.as_ref().map(|m| m.with_extension("outcomes.jsonl"));
        let file = self.checkpoint.clone().or_else(beside)?;
        if !self.dry_run {
            return Some(file);
        }
        let mut name: OsString = file.into();
        name.push(".dry-run");
        Some(name.into())
    }

    /// How long a node may take nothing.
    pub fn give_up(&self) -> Duration {
        let default = if self.outcome_file().is_some() { 300 } else { 10 };
        Duration::from_secs(self.give_up.unwrap_or(default))
    }
}

/// A number above nothing, with `k`, `M` or `G` for thousands.
fn rate(text: &str) -> Result<f64, String> {
    let (number, times) = match text.strip_suffix(['k', 'M', 'G']) {
        Some(number) if text.ends_with('k') => (number, 1e3),
        Some(number) if text.ends_with('M') => (number, 1e6),
        Some(number) => (number, 1e9),
        None => (text, 1.0),
    };
    match number.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number * times),
        Ok(_) | Err(_) => Err("it must be a number above 0; k, M and G stand for thousands".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: PublishOptions,
    }

    fn options(arguments: &[&str]) -> Result<PublishOptions, String> {
        let all = ["publish"].iter().chain(arguments);
        Cli::try_parse_from(all).map(|cli| cli.options).map_err(|e| e.to_string())
    }

    #[test]
    fn outcomes_have_a_place_and_a_dry_run_its_own() {
        let file = |arguments: &[&str]| options(arguments).unwrap().outcome_file();

        assert_eq!(file(&["a.txt"]), None);
        assert_eq!(file(&["--manifest", "x/a.csv"]), Some("x/a.outcomes.jsonl".into()));
        assert_eq!(file(&["--manifest", "a.csv", "--checkpoint", "c"]), Some("c".into()));
        assert_eq!(file(&["d", "--checkpoint", "c", "--dry-run"]), Some("c.dry-run".into()));
    }

    #[test]
    fn limits_are_numbers_with_thousands() {
        for (text, number) in [("0.5", 0.5), ("500k", 5e5), ("2M", 2e6), ("1.5G", 1.5e9)] {
            assert_eq!(rate(text), Ok(number));
        }
        for wrong in ["0", "-1", "k", "NaN", "inf", "5m", ""] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_goes_not_together_is_refused() {
        for wrong in [
            &["a.txt", "--manifest", "m.csv"][..],
            &[],
            &["--manifest", "m.csv", "--replaces", "2.999.1"],
            &["a", "--parallel", "0"],
            &["a", "--certificate", "c.pem", "--key", "k.pem"],
            &["a", "--certificate", "c.pem", "--authority", "ca.pem"],
        ] {
            assert!(options(wrong).is_err(), "{wrong:?}");
        }
        assert!(options(&["a", "b", "--replaces", "2.999.1"]).unwrap().check().is_err());
        assert!(options(&["a", "--replaces", "2.999.1"]).unwrap().check().is_ok());
    }
}
