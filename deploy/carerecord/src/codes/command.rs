use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use carerecord_model::CodeSet;
use carerecord_registry::{Store, UnmappedCode};
use clap::{Args, Subcommand};

use super::file::{self, Codes};
use crate::database::RegistryDatabase;

/// The codes of the affinity domain.
#[derive(Subcommand)]
pub enum CodesCommand {
    /// Print the codes that sources use and the affinity domain has not
    Report(RegistryDatabase),
    /// Check codes.xml files and FHIR ValueSets
    Check(CheckOptions),
}

#[derive(Args)]
pub struct CheckOptions {
    /// The files
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub async fn run(command: CodesCommand) -> anyhow::Result<ExitCode> {
    match command {
        CodesCommand::Report(options) => report(&options).await,
        CodesCommand::Check(options) => Ok(check(&options.files)),
    }
}

/// One line a code, with tabs between: source, attribute, code, scheme, uses, last use.
async fn report(options: &RegistryDatabase) -> anyhow::Result<ExitCode> {
    let database = options.open().await?;
    let codes = Store::new(database.clone()).unmapped_codes().await;
    database.close().await;
    let codes = codes.context("the report cannot be made")?;
    println!("source\tattribute\tcode\tscheme\tuses\tlast used");
    codes.iter().for_each(|code| println!("{}", line(code)));
    Ok(ExitCode::SUCCESS)
}

fn line(c: &UnmappedCode) -> String {
    let shown = [&c.source_id, &c.attribute, &c.code, &c.scheme].map(|text| visible(text));
    format!("{}\t{}\t{}", shown.join("\t"), c.uses, c.last_used.strftime("%Y-%m-%d %H:%M:%S"))
}

/// The text with its control characters, which would move the cursor, written out.
fn visible(text: &str) -> String {
    let show = |c: char| {
        if c.is_control() { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(show).collect()
}

fn check(files: &[PathBuf]) -> ExitCode {
    let mut all_good = true;
    for path in files {
        match file::read(path) {
            Ok(codes) => println!("{}: {}", path.display(), describe(&codes)),
            Err(error) => {
                all_good = false;
                println!("{}: cannot be used: {error:#}", name(path));
            }
        }
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn describe(codes: &Codes) -> String {
    match codes {
        Codes::Xml(file) => {
            let count = |set: &CodeSet| format!("{} {}", set.attribute, set.codes.len());
            let counts: Vec<String> = file.sets.iter().map(count).collect();
            let mut text = format!("codes.xml: {}", counts.join(", "));
            for what in &file.ignored {
                text += &format!("\n  ignored: {}", visible(what));
            }
            text
        }
        Codes::ValueSet(set) => {
            let mut distinct: Vec<&str> = set.codes.iter().map(|c| c.code.as_str()).collect();
            distinct.sort_unstable();
            distinct.dedup();
            let mut text = format!("ValueSet {}: {} codes", set.name, distinct.len());
            if !set.whole_schemes.is_empty() {
                text += &format!(", all of {}", set.whole_schemes.join(", "));
            }
            text
        }
    }
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_report_stays_one_line() {
        let code = UnmappedCode {
            source_id: "2.999.1".into(),
            attribute: "typeCode".into(),
            code: "a\tb\u{1b}[2J".into(),
            scheme: "Connect-a-thon types".into(),
            uses: 3,
            last_used: "2026-11-26T12:00:00Z".parse().unwrap(),
        };

        let line = line(&code);

        let expected = "2.999.1\ttypeCode\ta\\tb\\u{1b}[2J\tConnect-a-thon types\t3\t\
                        2026-11-26 12:00:00";
        assert_eq!(line, expected);
    }
}
