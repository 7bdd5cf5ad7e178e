//! How long it takes to decide about a list, on one core. Targets: 100 entries with 32 rules in
//! 250 µs, 1,000 entries with 128 rules in 3 ms.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use carerecord_access::{
    AccessDecisions, Assurance, Caller, ConsentRecord, ConsentRecords, FactsUnavailable, Policy,
    PolicyEngine, Purpose, Right, Rule, UserCaller,
};
use carerecord_model::{Code, DocumentEntry, LocalizedString, NhsNumber, PatientId, SystemClock};
use carerecord_testkit::submission::Builder;

/// Decides about lists, for a second each.
///
/// # Errors
/// When the invented rules are none.
pub async fn run() -> anyhow::Result<()> {
    let engine = PolicyEngine::load()?;
    for (entries, rules) in [(100, 32), (1_000, 128)] {
        let policy = Arc::new(policy(rules)?);
        let access = AccessDecisions::new(policy, Arc::new(Nothing), Arc::new(SystemClock));
        let number: NhsNumber = "9990001006".parse()?;
        let view = access.open(&nurse()?, Purpose::DirectCare, Right::Query, number).await?;
        let list: Vec<Arc<DocumentEntry>> = (0..entries).map(|n| entry(number, n).into()).collect();
        let (released, withheld) = view.release_all(list.clone());
        anyhow::ensure!(released.len() == entries && withheld.count == 0, "not all may be seen");
        let mut best = Duration::MAX;
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {
            let list = list.clone();
            let start = Instant::now();
            black_box(view.release_all(black_box(list)));
            best = best.min(start.elapsed());
        }
        println!("{entries} entries, {rules} rules: {:.0} µs", best.as_secs_f64() * 1e6);
        // What the doors do not use: informational.
        let start = Instant::now();
        for entry in &list {
            let ruling = view.ruling(&engine, Right::Query, entry)?;
            anyhow::ensure!(ruling.rule == Rule::Agreement, "the policy engine differs");
        }
        let took = start.elapsed().as_secs_f64() * 1e6;
        println!("{entries} entries, {rules} rules, by the policy engine: {took:.0} µs");
    }
    Ok(())
}

/// Of the rules half are of sensitivity, a quarter agreements and a quarter consent models.
fn policy(rules: usize) -> anyhow::Result<Policy> {
    let mut access = "[role.R8001]\nname = \"Nurse\"\npurposes = [\"direct-care\"]\n\
                      max_label = \"N\"\n[node]\n\"2.999.30.1\" = \"ZEX01\"\n[organisation]\n"
        .to_owned();
    for code in ["ZEX01", "ZEX02"] {
        writeln!(access, "{code} = {{ name = \"{code}\", org_roles = [\"RO197\"] }}")?;
    }
    let mut models = String::new();
    for n in 0..rules / 4 {
        let role = if n == 0 { "RO197".to_owned() } else { format!("RO{n}") };
        writeln!(
            models,
            "[[model]]\nname = \"m{n}\"\napplies_to = {{ org_role = [\"{role}\"] }}\n\
             basis = \"implied\"\nfrom = \"2020-01-01\""
        )?;
    }
    let agreements: Vec<(String, String)> = (0..rules / 4)
        .map(|n| {
            // The last one covers.
            let class = if n + 1 == rules / 4 { "covered".to_owned() } else { format!("class{n}") };
            let party = |ods: &str| {
                serde_json::json!({"ods": ods, "role": "controller", "signed_by": "A",
                    "signed_on": "2020-01-01"})
            };
            let agreement = serde_json::json!({
                "id": format!("dsa-{n}"), "version": 1, "status": "in-force",
                "parties": [party("ZEX01"), party("ZEX02")], "purpose": [{"code": "directcare"}],
                "provides": [{"from": ["ZEX01"], "to": ["ZEX02"], "classes": [class]}],
                "effective": {"from": "2020-01-01", "to": "2099-12-31"},
            });
            (format!("dsa-{n}.json"), agreement.to_string())
        })
        .collect();
    let mut sensitivity = String::new();
    for n in 0..rules / 2 {
        writeln!(
            sensitivity,
            "[[rule]]\nid = \"S-{n}\"\nany_practice_setting = [\"setting{n}\"]\n\
             any_title = [\"clinic {n}\"]\nset = \"R\""
        )?;
    }
    Ok(Policy::parse(&access, &models, &agreements)?.with_sensitivity(&sensitivity)?)
}

fn entry(number: NhsNumber, n: usize) -> DocumentEntry {
    let mut entry = Builder::default().entry();
    entry.patient_id = PatientId::from_nhs_number(number);
    entry.repository_unique_id = Some("2.999.30.1".parse().expect("an OID"));
    entry.class_code = Code::new("covered", "2.16.840.1.113883.6.96", "");
    entry.title = vec![LocalizedString::new(format!("Letter {n} from the heart clinic"))];
    entry.confidentiality_codes = vec![Code::new("N", "2.16.840.1.113883.5.25", "normal")];
    entry
}

fn nurse() -> anyhow::Result<Caller> {
    Ok(Caller::User(Box::new(UserCaller {
        user_id: "555021935107".into(),
        name: "Nurse".into(),
        organisation: "ZEX02".parse()?,
        role: "R8001".into(),
        role_profile_id: "1".into(),
        activities: Vec::new(),
        assurance: Assurance::Aal3,
        client_id: "bench".into(),
        session_id: None,
        asserted: None,
    })))
}

/// Nobody has said anything.
struct Nothing;

#[async_trait]
impl ConsentRecords for Nothing {
    async fn consent_records(&self, _: NhsNumber) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        Ok(Vec::new())
    }
}
