//! What is due, and the approval of its removal.

use std::collections::HashMap;

use carerecord_audit::AuditLog;
use carerecord_model::{DocumentEntry, NhsNumber, UniqueId};
use carerecord_storage::{Database, StoreError, sql};
use jiff::civil::Date;
use serde::Serialize;

use super::facts::{LastContacts, People};
use super::hold::Holds;
use super::{Disposal, Due, Retention, RetentionError, RetentionRules, remove_in};

/// What the rules say of one document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    /// The document.
    pub unique_id: UniqueId,
    /// The code of its type.
    pub type_code: String,
    /// How many bytes.
    pub size: u64,
    /// The rule that keeps it longest.
    pub rule: Option<String>,
    /// The day from which it may be reviewed.
    pub due: Option<Date>,
    /// Why there is no such day.
    pub kept_because: Option<&'static str>,
    /// The legal hold that covers it.
    pub hold: Option<String>,
}

/// Who lets documents be removed, and why.
#[derive(Clone, Debug)]
pub struct Approval {
    /// The person.
    pub by: String,
    /// The reason, for the certificates.
    pub reason: String,
}

/// How far a walk over documents has come.
type OnProgress<'a> = &'a mut dyn FnMut(u64);

impl Retention {
    /// How many documents there are to be assessed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count(&self) -> Result<u64, RetentionError> {
        Ok(sql(COUNT).number(&self.database).await?.unsigned_abs())
    }

    /// What the rules say of every document, in the order of their ids. The node serves meanwhile.
    ///
    /// # Errors
    /// When the database fails or the registry cannot be asked about people; then what was said so
    /// far holds.
    pub async fn assess(
        &self,
        rules: &RetentionRules,
        each: &mut dyn FnMut(Assessment),
        on_progress: OnProgress<'_>,
    ) -> Result<(), RetentionError> {
        let mut contacts = LastContacts::default();
        self.walk(&mut |entry, _| contacts.seen(entry), on_progress).await?;
        let people = contacts.people(self.patients.as_ref()).await?;
        let mut longest: HashMap<NhsNumber, Due> = HashMap::new();
        if rules.integrated {
            let mut keep = |entry: &DocumentEntry, _| {
                let Some(number) = people.number(entry) else { return };
                let (due, _) = due(rules, entry, &people);
                let so_far = longest.entry(number).or_insert(due);
                *so_far = (*so_far).max_by_length(due);
            };
            self.walk(&mut keep, &mut |_| {}).await?;
        }
        let holds = Holds::in_force(&self.database, self.patients.as_ref()).await?;
        let mut assess = |entry: &DocumentEntry, size| {
            let own = people.number(entry);
            let (mut due, rule) = due(rules, entry, &people);
            if let Some(all) = own.and_then(|number| longest.get(&number)) {
                due = due.max_by_length(*all);
            }
            each(Assessment {
                unique_id: entry.unique_id.clone(),
                type_code: entry.type_code.code.clone(),
                size,
                rule: rule.map(str::to_owned),
                due: due.day(),
                kept_because: due.kept_because(),
                hold: holds.over(entry, own).map(|h| h.id.clone()),
            });
        };
        self.walk(&mut assess, &mut |_| {}).await
    }

    /// Removes documents that were assessed: from now on nobody is given them, and the node has the
    /// registry take their entries out. What is held or gone meanwhile is left; returns how many
    /// were removed.
    ///
    /// # Errors
    /// When the database fails or the registry cannot be asked about people.
    pub async fn approve(
        &self,
        assessed: &[Assessment],
        approval: &Approval,
    ) -> Result<u64, RetentionError> {
        let holds = Holds::in_force(&self.database, self.patients.as_ref()).await?;
        let mut removed = 0;
        for some in assessed.chunks(AT_ONCE) {
            let mut disposals = Vec::new();
            for assessment in some {
                let Some(entry) = self.entry(&assessment.unique_id).await? else { continue };
                if self.is_held(&holds, &entry).await? {
                    continue;
                }
                disposals.push(Disposal {
                    unique_id: assessment.unique_id.clone(),
                    type_code: assessment.type_code.clone(),
                    rule: assessment.rule.clone().unwrap_or_default(),
                    reason: approval.reason.clone(),
                    approved_by: approval.by.clone(),
                    registry_owed: true,
                });
            }
            removed += self.remove(disposals, &approval.by).await?;
        }
        Ok(removed)
    }

    async fn remove(&self, disposals: Vec<Disposal>, by: &str) -> Result<u64, RetentionError> {
        let now = self.clock.now();
        let mut audit = self.audit("removal at the end of retention", by);
        let done = self.database.write(move |c| {
            Box::pin(async move {
                for disposal in &disposals {
                    if remove_in(c, disposal, now).await? {
                        audit.listed.push(disposal.unique_id.to_string());
                    }
                }
                if !audit.listed.is_empty() {
                    AuditLog::append_in(c, &[&audit]).await?;
                }
                Ok::<_, StoreError>(audit.listed.len() as u64)
            })
        });
        Ok(done.await?)
    }

    async fn entry(&self, id: &UniqueId) -> Result<Option<DocumentEntry>, RetentionError> {
        let row: Option<(Vec<u8>,)> = sql(ENTRY).bind(id.as_str()).first(&self.database).await?;
        Ok(row.map(|(metadata,)| read(&metadata)).transpose()?)
    }

    pub(super) async fn is_held(
        &self,
        holds: &Holds,
        entry: &DocumentEntry,
    ) -> Result<bool, RetentionError> {
        let own = match entry.patient_id.nhs_number() {
            Some(number) if holds.name_people() => {
                Some(super::hold::own_number(self.patients.as_ref(), number).await?)
            }
            _ => None,
        };
        Ok(holds.over(entry, own).is_some())
    }

    /// Goes through every registered document.
    async fn walk(
        &self,
        each: &mut dyn FnMut(&DocumentEntry, u64),
        on_progress: OnProgress<'_>,
    ) -> Result<(), RetentionError> {
        let (mut after, mut done) = (String::new(), 0);
        loop {
            let rows = page(&self.database, &after).await?;
            let Some((last, ..)) = rows.last() else { return Ok(()) };
            last.clone_into(&mut after);
            for (_, size, metadata) in &rows {
                each(&read(metadata)?, size.unsigned_abs());
            }
            done += rows.len() as u64;
            on_progress(done);
        }
    }
}

fn due<'r>(
    rules: &'r RetentionRules,
    entry: &DocumentEntry,
    people: &People,
) -> (Due, Option<&'r str>) {
    match people.facts(entry) {
        Some(facts) => rules.due(entry, facts),
        None => (Due::Unknown("whose it is, or when the person was last seen"), None),
    }
}

async fn page(database: &Database, after: &str) -> Result<Vec<(String, i64, Vec<u8>)>, StoreError> {
    sql(PAGE).bind(after).all(database).await
}

fn read(metadata: &[u8]) -> Result<DocumentEntry, StoreError> {
    serde_json::from_slice(metadata)
        .map_err(|e| StoreError::Row("stored_document", "metadata", e.to_string()))
}

const COUNT: &str = "SELECT count(*) FROM stored_document WHERE registered = 1";

const PAGE: &str = "
    SELECT unique_id, size_bytes, metadata FROM stored_document
    WHERE registered = 1 AND unique_id > $1 ORDER BY unique_id LIMIT 500";

const ENTRY: &str = "SELECT metadata FROM stored_document WHERE unique_id = $1 AND registered = 1";

/// Documents of one transaction, and of one audit record.
const AT_ONCE: usize = 200;
