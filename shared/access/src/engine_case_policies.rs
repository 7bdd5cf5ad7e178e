//! Invented programmes: agreements, consent models, and the rules of access.

use serde_json::json;

use crate::engine_cases::Dice;
use crate::*;

impl Dice<'_> {
    pub(crate) fn policy(&mut self) -> Policy {
        let agreements: Vec<(String, String)> = (0..self.of(&[1, 2, 3, 2, 0]))
            .map(|n| (format!("{n}.json"), self.agreement(n).to_string()))
            .collect();
        let policy = Policy::parse(&self.access(), &self.models(), &agreements).unwrap();
        let policy = policy.with_sensitivity(SENSITIVITY).unwrap();
        if self.rarely() { policy } else { policy.with_citizens(CITIZENS).unwrap() }
    }

    /// One under which everything flows, but for what patients say.
    pub(crate) fn open_policy(&mut self) -> Policy {
        let rules: Vec<&str> = OVERRIDABLE.iter().filter(|_| !self.half()).copied().collect();
        let access = format!(
            "minimum_assurance = \"AAL1\"\n[role.R2]\nname = \"R2\"\npurposes = [\"direct-care\"]\n\
             max_label = \"V\"\n[break_glass]\nrules = {rules:?}\nmax_label = \"V\"\n{ORGANISATIONS}"
        );
        let basis = self.of(&["implied", "implied", "explicit"]);
        let model = format!(
            "[[model]]\nname = \"m\"\napplies_to = {{}}\nbasis = \"{basis}\"\nfrom = \"2026-01-01\"\n"
        );
        let party = |ods| json!({ "ods": ods, "role": "processor" });
        let parties = ["ZEX01", "ZEX02"].map(party);
        let agreement = json!({
            "id": "dsa", "version": 1, "status": "in-force",
            "parties": parties, "purpose": [{ "code": "TREAT" }],
            "provides": [{ "from": ["ZEX01"], "to": ["ZEX02"], "sensitivity_max": "V" }],
            "effective": { "from": "2026-01-01", "to": "2027-01-01" },
        });
        let agreements = [("dsa.json".to_owned(), agreement.to_string())];
        Policy::parse(&access, &model, &agreements).unwrap()
    }

    fn access(&mut self) -> String {
        let mut text = format!("minimum_assurance = \"{}\"\n", self.of(&["AAL2", "AAL1", "AAL3"]));
        text += &format!("system_max_label = \"{}\"\n", self.of(&["N", "R"]));
        for role in ["R1", "R2"] {
            let care = ["\"direct-care\"", "\"direct-care\", \"legal\""];
            let purposes = if self.of(&[false, false, false, false, true]) {
                "\"audit\""
            } else {
                self.of(&care)
            };
            let max = self.of(&["N", "R", "V", "L"]);
            text += &format!(
                "[role.{role}]\nname = \"{role}\"\npurposes = [{purposes}]\nmax_label = \"{max}\"\n"
            );
        }
        if self.of(&[true, true, true, false]) {
            let rules: Vec<&str> = OVERRIDABLE.iter().filter(|_| !self.rarely()).copied().collect();
            let max = self.of(&["R", "V", "N"]);
            text += &format!("[break_glass]\nrules = {rules:?}\nmax_label = \"{max}\"\n");
        }
        text += "[relationships]\ngrace_days = 2\n";
        for n in 0..self.of(&[0, 0, 1, 2]) {
            text += &self.relationship_rule(n);
        }
        text + ORGANISATIONS
    }

    fn relationship_rule(&mut self, n: usize) -> String {
        let (group, required, days) = (self.group(), !self.half(), self.days());
        let kinds = self.some(&["encounter", "claim", "registration"]);
        let purposes = self.of(&["direct-care", "direct-care", "patient-access"]);
        format!(
            "[[relationships.rule]]\nname = \"r{n}\"\napplies_to = {group}\nrequired = {required}\n\
             kinds = {kinds:?}\npurposes = [\"{purposes}\"]\n{days}\n"
        )
    }

    fn models(&mut self) -> String {
        let many = self.of(&[1, 2, 3, 3, 2, 3, 0]);
        (0..many).fold(String::new(), |text, n| {
            let (group, days) = (self.group(), self.days());
            let basis = self.of(&["implied", "implied", "implied", "explicit"]);
            text + &format!(
                "[[model]]\nname = \"m{n}\"\napplies_to = {group}\nbasis = \"{basis}\"\n{days}\n"
            )
        })
    }

    fn group(&mut self) -> String {
        let organisation = if self.rarely() { vec![self.organisation()] } else { Vec::new() };
        let org_role = if self.rarely() { vec![self.of(&["RO1", "RO2"])] } else { Vec::new() };
        let user_role = if self.rarely() { vec![self.of(&["R1", "R2"])] } else { Vec::new() };
        format!(
            "{{ organisation = {organisation:?}, org_role = {org_role:?}, user_role = {user_role:?} }}"
        )
    }

    fn days(&mut self) -> String {
        let from = self.of(&["2026-01-01", "2026-11-25", "2026-01-01", "2026-11-26", "2026-01-01"]);
        let until = self.of(&["", "until = \"2026-11-26\"", "", "until = \"2026-11-25\""]);
        let until = if self.rarely() { "until = \"2026-11-24\"" } else { until };
        if from == "2026-11-26" || from == "2026-11-25" && until.ends_with("24\"") {
            return format!("from = \"{from}\"");
        }
        format!("from = \"{from}\"\n{until}")
    }

    fn agreement(&mut self, n: usize) -> serde_json::Value {
        let (wrong, unsigned) = (self.rarely().then(|| self.organisation()), self.half());
        let parties: Vec<_> = ["ZEX01", "ZEX02", "ZEX03"]
            .iter()
            .map(|ods| {
                let is_wrong = wrong.as_deref() == Some(*ods);
                let role = if is_wrong && !unsigned { "processor" } else { "controller" };
                let signed = if is_wrong && unsigned { "" } else { "A" };
                json!({ "ods": ods, "role": role, "signed_by": signed, "signed_on": "2026-01-01" })
            })
            .collect();
        let flows: Vec<_> = (0..self.of(&[1, 2, 2])).map(|_| self.flow()).collect();
        let status = if self.rarely() { self.of(&["suspended", "signed"]) } else { "in-force" };
        let from = self.of(&["2026-01-01", "2026-11-25", "2026-01-01", "2026-11-26", "2026-01-01"]);
        let to = self.of(&["2027-01-01", "2026-11-26", "2027-01-01"]);
        let purpose = self.of(&["directcare", "TREAT", "legal", "directcare"]);
        json!({
            "id": format!("dsa-{n}"), "version": 1, "status": status, "parties": parties,
            "purpose": [{ "code": purpose }], "provides": flows,
            "effective": { "from": from, "to": to },
        })
    }

    fn flow(&mut self) -> serde_json::Value {
        let (mut from, mut to) = (vec![self.organisation()], vec![self.organisation()]);
        from.push("ZEX01".to_owned());
        to.push("ZEX02".to_owned());
        json!({
            "from": from,
            "to": to,
            "classes": if self.rarely() { self.some(&["C1", "C2"]) } else { Vec::new() },
            "types_excluded": self.some(&["T2"]),
            "sensitivity_max": self.of(&["N", "R", "V"]),
            "tags_excluded": self.some(&["TAG2"]),
            "recipient_roles": if self.rarely() { self.some(&["R1", "R2"]) } else { Vec::new() },
        })
    }
}

const OVERRIDABLE: [&str; 14] = [
    "objection-whole-record",
    "objection-recipient",
    "objection-source",
    "objection-document",
    "objection-class",
    "objection-label",
    "objection-period",
    "objection-related",
    "objection-terms",
    "consent-limits",
    "no-consent-model",
    "consent-missing",
    "no-relationship",
    "label",
];
const ORGANISATIONS: &str = r#"
[organisation.ZEX01]
name = "One"
org_roles = ["RO1"]
[organisation.ZEX02]
name = "Two"
org_roles = ["RO1", "RO2"]
[node]
"2.999.1" = "ZEX01"
"2.999.2" = "ZEX02"
"#;
const SENSITIVITY: &str = r#"
[[rule]]
id = "S-R"
any_practice_setting = ["S-R"]
set = "R"
[[rule]]
id = "S-TAG"
any_practice_setting = ["S-TAG"]
tags = ["TAG2"]
[[rule]]
id = "S-OUT"
any_practice_setting = ["S-OUT"]
exclude = true
"#;
const CITIZENS: &str = r#"
max_label = "N"
tags_hidden = ["TAG1"]
proxies_end_at = [11, 16]
[[band]]
from_age = 0
own = "no"
proxies = ["parental"]
[[band]]
from_age = 11
own = "granted"
proxies = ["parental", "consent"]
[[band]]
from_age = 16
own = "yes"
proxies = ["power-of-attorney", "deputy", "best-interests", "consent"]
"#;
