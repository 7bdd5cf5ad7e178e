//! Retention for people and for programs.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;

use carerecord_repository::{Assessment, LegalHold, Retention, RetentionRules};
use jiff::civil::Date;
use serde::Serialize;

/// A line of JSON on standard output.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(value)?)?;
    Ok(())
}

/// Documents and bytes by rule.
pub struct Summary {
    on: Date,
    due: BTreeMap<String, (u64, u64)>,
    held: u64,
    later: u64,
    kept: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Of what is due on a day.
    pub fn new(on: Date) -> Self {
        Self { on, due: BTreeMap::new(), held: 0, later: 0, kept: BTreeMap::new() }
    }

    /// Counts a document.
    pub fn add(&mut self, assessment: &Assessment) {
        match (assessment.due, assessment.kept_because) {
            (Some(day), _) if day > self.on => self.later += 1,
            (Some(_), _) if assessment.hold.is_some() => self.held += 1,
            (Some(_), _) => {
                let rule = assessment.rule.clone().unwrap_or_default();
                let (count, bytes) = self.due.entry(rule).or_default();
                *count += 1;
                *bytes += assessment.size;
            }
            (None, why) => *self.kept.entry(why.unwrap_or("no date")).or_default() += 1,
        }
    }

    /// Prints it.
    pub fn print(&self, rules: &RetentionRules) {
        println!("Rules {}, on {}:", rules.version, self.on);
        for (rule, (count, bytes)) in &self.due {
            let title = rules.title(rule).unwrap_or_default();
            println!("{count:>9} due, {bytes} bytes  {rule}: {title}");
        }
        if self.due.is_empty() {
            println!("{:>9} due", 0);
        }
        println!("{:>9} due, but held", self.held);
        println!("{:>9} later", self.later);
        for (why, count) in &self.kept {
            println!("{count:>9} kept without a date: {why}");
        }
    }
}

/// Prints every certificate.
pub async fn certificates(retention: &Retention, as_json: bool) -> anyhow::Result<ExitCode> {
    let mut last = None;
    loop {
        let some = retention.certificates(last.as_ref()).await?;
        for c in &some {
            if as_json {
                json(c)?;
                continue;
            }
            let end = match c.destroyed_at {
                Some(at) => format!("destroyed {at}"),
                None => "waiting".to_owned(),
            };
            let owed = if c.registry_owed { "; the registry is to be told" } else { "" };
            println!(
                "{} removed {} ({}), {end}{owed}; approved by {}: {}; {} bytes, SHA-256 {}",
                c.unique_id, c.removed_at, c.rule, c.approved_by, c.reason, c.size, c.sha256
            );
        }
        match some.into_iter().next_back() {
            Some(certificate) => last = Some(certificate),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// Prints holds. Whose documents they cover is in the JSON only.
pub fn holds(holds: &[LegalHold], as_json: bool) -> anyhow::Result<ExitCode> {
    for hold in holds {
        if as_json {
            json(hold)?;
            continue;
        }
        let lifted = match &hold.lifted {
            Some((by, at)) => format!("; lifted {at} by {by}"),
            None => String::new(),
        };
        let (id, reason, by, at) = (&hold.id, &hold.reason, &hold.set_by, hold.set_at);
        println!("{id}: {}; set {at} by {by}: {reason}{lifted}", hold.scope);
    }
    Ok(ExitCode::SUCCESS)
}
