//! The memory of a run: what each step sent, got and reported.

use std::collections::{HashMap, HashSet};

/// What a step left behind.
#[derive(Clone, Debug, Default)]
pub struct StepLog {
    /// The name of its transaction element.
    pub transaction: String,
    /// uniqueIds given, by the object's id in the file.
    pub assigned_uids: HashMap<String, String>,
    /// UUIDs given, by the object's id in the file.
    pub assigned_uuids: HashMap<String, String>,
    /// Patients given, by the object's id in the file.
    pub assigned_patients: HashMap<String, String>,
    /// What it reported.
    pub reports: HashMap<String, String>,
    /// The body sent.
    pub input: Option<String>,
    /// The body that came back.
    pub result: Option<String>,
    /// Documents sent, by uniqueId.
    pub documents: HashMap<String, Vec<u8>>,
}

impl StepLog {
    /// One of the parts that `UseId` names.
    pub fn part(&self, name: &str) -> Option<&HashMap<String, String>> {
        match name {
            "AssignedUids" => Some(&self.assigned_uids),
            "AssignedUuids" => Some(&self.assigned_uuids),
            "AssignedPatientId" => Some(&self.assigned_patients),
            _ => None,
        }
    }
}

/// Everything so far.
#[derive(Default)]
pub struct Memory {
    steps: HashMap<(String, String, String), StepLog>,
    order: HashMap<(String, String), Vec<String>>,
    /// Tests of which a step failed or did not run.
    pub broken: HashSet<String>,
}

impl Memory {
    /// Keeps the log of a step.
    pub fn keep(&mut self, test: &str, section: &str, step: &str, log: StepLog) {
        let key = (test.to_owned(), section.to_owned());
        self.order.entry(key).or_default().push(step.to_owned());
        self.steps.insert((test.to_owned(), section.to_owned(), step.to_owned()), log);
    }

    /// The log of a step. An unnamed step is the only one of its section.
    pub fn step(&self, test: &str, section: &str, step: &str) -> Option<&StepLog> {
        let found = self.steps.get(&(test.to_owned(), section.to_owned(), step.to_owned()));
        found.or_else(|| {
            let only = self.order.get(&(test.to_owned(), section.to_owned()))?;
            let only = only.first().filter(|_| step.is_empty())?;
            self.steps.get(&(test.to_owned(), section.to_owned(), only.clone()))
        })
    }

    /// The steps of a section that have run, in order.
    pub fn section(&self, test: &str, section: &str) -> Vec<(&str, &StepLog)> {
        let steps = self.order.get(&(test.to_owned(), section.to_owned()));
        let steps = steps.map(Vec::as_slice).unwrap_or_default().iter();
        steps.filter_map(|s| Some((s.as_str(), self.step(test, section, s)?))).collect()
    }

    /// A document that any step has sent.
    pub fn document(&self, unique_id: &str) -> Option<&Vec<u8>> {
        self.steps.values().find_map(|s| s.documents.get(unique_id))
    }
}
