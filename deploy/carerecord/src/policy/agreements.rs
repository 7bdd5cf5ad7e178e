//! `carerecord policy agreements`: the register of agreements, asked.

use std::process::ExitCode;

use anyhow::bail;
use carerecord_access::{FlowQuestion, Policy, Purpose};
use carerecord_model::OrganisationCode;
use clap::Args;
use jiff::civil::Date;

use super::Folder;

#[derive(Args)]
pub struct AgreementOptions {
    #[command(flatten)]
    folder: Folder,
    /// Print every pair of organisations and under what they share
    #[arg(long)]
    matrix: bool,
    /// Print the agreements in force that end before a day
    #[arg(long, value_name = "DATE")]
    stops_before: Option<Date>,
    /// Ask for the clause under which documents of this organisation flow
    #[arg(long, requires = "to")]
    from: Option<OrganisationCode>,
    /// To this organisation
    #[arg(long, requires = "from")]
    to: Option<OrganisationCode>,
    /// The class of the documents
    #[arg(long)]
    class: Option<String>,
    /// The type of the documents
    #[arg(long)]
    r#type: Option<String>,
    /// Their confidentiality code
    #[arg(long, default_value = "N")]
    label: String,
    /// The job role of whoever would see them
    #[arg(long)]
    role: Option<String>,
    /// What for
    #[arg(long, default_value = "direct-care")]
    purpose: String,
}

pub fn run(options: &AgreementOptions) -> anyhow::Result<ExitCode> {
    let policy = options.folder.policy()?;
    let day = options.folder.day();
    let Some(purpose) = Purpose::from_code(&options.purpose) else {
        bail!("{} is not a purpose that is known", options.purpose);
    };
    if let (Some(from), Some(to)) = (&options.from, &options.to) {
        return Ok(clause(&policy, options, (from, to), purpose, day));
    }
    if options.matrix {
        matrix(&policy, purpose, day);
    }
    if let Some(before) = options.stops_before {
        for agreement in policy.stops_before(day, before) {
            println!("{}\tends {}\t{}", agreement.name(), agreement.effective.to, agreement.title);
        }
    }
    if !options.matrix && options.stops_before.is_none() {
        for agreement in policy.agreements() {
            let in_force = if agreement.in_force(day) { "in force" } else { "not in force" };
            let (from, to) = (agreement.effective.from, agreement.effective.to);
            println!("{}\t{in_force}\t{from} to {to}\t{}", agreement.name(), agreement.title);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line a pair, with tabs between: from, to, agreements with clauses.
fn matrix(policy: &Policy, purpose: Purpose, day: Date) {
    for pair in policy.sharing(day, purpose) {
        let under = pair.under.iter().map(|(a, n)| format!("{} clause {n}", a.name()));
        let under: Vec<String> = under.collect();
        let under = if under.is_empty() { "nothing".to_owned() } else { under.join(", ") };
        println!("{}\t{}\t{under}", pair.from, pair.to);
    }
}

fn clause(
    policy: &Policy,
    options: &AgreementOptions,
    (from, to): (&OrganisationCode, &OrganisationCode),
    purpose: Purpose,
    on: Date,
) -> ExitCode {
    let asked = FlowQuestion {
        from: from.clone(),
        to: to.clone(),
        class: options.class.clone(),
        r#type: options.r#type.clone(),
        label: options.label.clone(),
        role: options.role.clone(),
        purpose,
        on,
    };
    if let Some((agreement, n)) = policy.clause(&asked) {
        println!("yes\t{}\tclause {n}", agreement.name());
        return ExitCode::SUCCESS;
    }
    println!("no\tno clause in force covers it");
    ExitCode::FAILURE
}
