//! `carerecord policy check`: one line for each example that the rules decide otherwise.

use std::process::ExitCode;
use std::sync::Arc;

use carerecord_access::{Example, Policy, PolicyEngine};
use carerecord_portal_api::DetectionRules;

use super::Folder;

pub fn run(folder: &Folder) -> anyhow::Result<ExitCode> {
    let policy = Arc::new(folder.policy()?);
    let day = folder.day();
    let engine = PolicyEngine::load()?;
    let detection = DetectionRules::load(&folder.dir)?;
    println!("{}", describe(&policy, detection.as_ref()));
    for agreement in policy.agreements() {
        for warning in agreement.warnings(day) {
            println!("warning: {warning}");
        }
    }
    let mut wrong = 0;
    let mut count = 0;
    for (file, examples) in Example::load(&folder.dir)? {
        for (n, example) in examples.iter().enumerate() {
            count += 1;
            if let Err(what) = judge(&policy, &engine, example) {
                wrong += 1;
                println!("{file}, example {}: {}: {what}", n + 1, example.says);
            }
        }
    }
    println!("{count} examples, {wrong} of them decided otherwise");
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(policy: &Policy, detection: Option<&DetectionRules>) -> String {
    format!(
        "{} agreements, {} sensitivity rules, {} detection rules: read",
        policy.agreements().len(),
        policy.sensitivity_rules().len(),
        detection.map_or(0, DetectionRules::len)
    )
}

/// Whether the rules decide as the example expects, by the policy engine as well.
fn judge(policy: &Arc<Policy>, engine: &PolicyEngine, example: &Example) -> Result<(), String> {
    example.compare(policy, engine)?;
    let judged = example.judge(policy)?;
    let rule = judged.decision.rule.id();
    if rule != example.expect {
        let basis = judged.decision.basis.join(", ");
        return Err(format!("expected {}, decided by {rule} ({basis})", example.expect));
    }
    match (&example.label, &judged.label) {
        (Some(expected), shown) if Some(expected) != shown.as_ref() => {
            let shown = shown.as_deref().unwrap_or("none");
            Err(format!("expected label {expected}, shown with {shown}"))
        }
        _ => Ok(()),
    }
}
