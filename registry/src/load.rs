//! Loading many submissions at once, e.g. all of another registry: the rules of ITI-42, many
//! submissions in each transaction. How far a load has come is committed with what it brings.

use std::sync::Arc;

use carerecord_access::Caller;
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_codec::{SubmitObjectsRequest, ebrim};
use carerecord_model::{
    DocumentEntryType, ErrorCode, RegistryError as Problem, RegistryErrors, Submission,
    TransactionError,
};
use carerecord_storage::{Connection, StoreError, Value, insert_many, sql};

use crate::submit::{Prepared, SubmitError, register_all, validate};
use crate::{Registry, RegistryError};

/// One line of a file, with its number, counted from 1.
#[derive(Clone, Debug)]
pub struct LoadLine {
    /// Its number.
    pub number: u64,
    /// A submission, as JSON or as a `SubmitObjectsRequest`.
    pub text: String,
}

/// How far the load of a file has come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoadPlace {
    /// What tells the file from others.
    pub source: Vec<u8>,
    /// Bytes of the file that are done with.
    pub bytes: u64,
    /// Lines that are done with.
    pub lines: u64,
    /// DocumentEntries that were taken.
    pub entries: u64,
    /// Lines that were refused.
    pub refused: u64,
}

/// Lines that have been read and checked as far as they can be without the registry's content.
pub struct CheckedLines(Vec<(u64, Result<Arc<Prepared>, RegistryErrors>)>);

impl Registry {
    /// Reads and checks lines. It takes the processor and nothing else.
    ///
    /// # Errors
    /// When a submission cannot be encoded; what is wrong with a line is no error here.
    pub fn check_lines(&self, lines: &[LoadLine]) -> Result<CheckedLines, RegistryError> {
        let mut checked = Vec::with_capacity(lines.len());
        for line in lines {
            let outcome = match read(&line.text) {
                Ok(submission) => self.check_one(submission)?,
                Err(errors) => Err(errors),
            };
            checked.push((line.number, outcome));
        }
        Ok(CheckedLines(checked))
    }

    fn check_one(
        &self,
        submission: Submission,
    ) -> Result<Result<Arc<Prepared>, RegistryErrors>, RegistryError> {
        let mut types = submission.document_entries.iter().map(|e| e.entry_type);
        let on_demand = types.any(|t| t == DocumentEntryType::OnDemand);
        let kind = if on_demand { DocumentEntryType::OnDemand } else { DocumentEntryType::Stable };
        let errors = validate::submission(&submission, kind, self.number_policy());
        match self.request(submission, errors, None) {
            Ok(request) => Ok(Ok(Arc::new(Prepared::of(request)?))),
            Err(TransactionError(errors)) => Ok(Err(errors)),
        }
    }

    /// How far the load of a file has come, when it was begun.
    ///
    /// # Errors
    /// When the caller may not publish, or the store fails.
    pub async fn load_place(
        &self,
        caller: &Caller,
        source: &[u8],
    ) -> Result<Option<LoadPlace>, RegistryError> {
        self.access.may_publish(caller)?;
        let row: Option<(i64, i64, i64, i64)> =
            sql(PLACE).bind(source).first(self.store.database()).await?;
        Ok(row.map(|(bytes, lines, entries, refused)| LoadPlace {
            source: source.to_vec(),
            bytes: bytes.unsigned_abs(),
            lines: lines.unsigned_abs(),
            entries: entries.unsigned_abs(),
            refused: refused.unsigned_abs(),
        }))
    }

    /// Registers what can be registered of lines, in one transaction with the place behind them and
    /// one audit record. `place` is where these end, with the counts of the lines before them.
    ///
    /// # Errors
    /// When the caller may not publish, or the store fails; then nothing of it is kept.
    pub async fn load(
        &self,
        caller: &Caller,
        lines: CheckedLines,
        place: LoadPlace,
        audit: AuditEvent,
    ) -> Result<LoadPlace, RegistryError> {
        self.access.may_publish(caller)?;
        let place = self
            .store
            .database()
            .write(move |c| Box::pin(async move { load_in(c, &lines, place, audit).await }))
            .await?;
        Ok(place)
    }

    /// The lines that were refused, with what is wrong, in their order, after a line.
    ///
    /// # Errors
    /// When the caller may not publish, or the store fails.
    pub async fn load_refusals(
        &self,
        caller: &Caller,
        source: &[u8],
        after: u64,
    ) -> Result<Vec<(u64, String)>, RegistryError> {
        self.access.may_publish(caller)?;
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows: Vec<(i64, String)> =
            sql(REFUSALS).bind(source).bind(after).all(self.store.database()).await?;
        Ok(rows.into_iter().map(|(line, errors)| (line.unsigned_abs(), errors)).collect())
    }
}

fn read(text: &str) -> Result<Submission, RegistryErrors> {
    let problem = |what: String| {
        vec![Problem::error(
            ErrorCode::XDSRegistryMetadataError,
            format!("it is no submission: {what}"),
        )]
    };
    if text.starts_with('<') {
        let request: SubmitObjectsRequest =
            carerecord_xml::decode(text.as_bytes()).map_err(|e| problem(e.to_string()))?;
        return ebrim::submission(request.objects).map_err(|e| e.0);
    }
    serde_json::from_str(text).map_err(|e| problem(e.to_string()))
}

async fn load_in(
    c: &mut Connection,
    lines: &CheckedLines,
    mut place: LoadPlace,
    mut audit: AuditEvent,
) -> Result<LoadPlace, StoreError> {
    let ready: Vec<Arc<Prepared>> =
        lines.0.iter().filter_map(|(_, line)| line.as_ref().ok().cloned()).collect();
    let mut outcomes = register_all(c, &ready).await?.into_iter().zip(&ready);
    let mut refusals = Vec::new();
    for (number, line) in &lines.0 {
        let errors = match line {
            Err(errors) => errors.clone(),
            Ok(_) => match outcomes.next() {
                Some((Ok(done), prepared)) => {
                    let new = if done.repeated { 0 } else { prepared.entries() };
                    place.entries += new as u64;
                    continue;
                }
                Some((Err(SubmitError::Refused(errors)), _)) => errors,
                Some((Err(SubmitError::Store(error)), _)) => return Err(error),
                None => continue,
            },
        };
        refusals.push(vec![
            place.source.as_slice().into(),
            i64::try_from(*number).unwrap_or(i64::MAX).into(),
            words(&errors).into(),
        ]);
    }
    place.refused += refusals.len() as u64;
    insert_many(c, REFUSAL, refusals).await?;
    let number = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
    sql(SET_PLACE)
        .bind(place.source.as_slice())
        .bind(number(place.bytes))
        .bind(number(place.lines))
        .bind(number(place.entries))
        .bind(number(place.refused))
        .run(&mut *c)
        .await?;
    audit.error = (place.refused > 0).then(|| format!("{} lines refused so far", place.refused));
    AuditLog::append_in(c, &[&audit]).await?;
    Ok(place)
}

fn words(errors: &RegistryErrors) -> String {
    let each = errors.iter().map(|e| format!("{}: {}", e.code.as_str(), e.context));
    each.collect::<Vec<_>>().join("; ")
}

const PLACE: &str = "SELECT bytes, lines, entries, refused FROM bulk_load WHERE source = $1";

const SET_PLACE: &str = "
    INSERT INTO bulk_load (source, bytes, lines, entries, refused) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (source) DO UPDATE SET bytes = excluded.bytes, lines = excluded.lines,
        entries = excluded.entries, refused = excluded.refused";

const REFUSAL: &str = "bulk_load_refusal (source, line, errors)";

const REFUSALS: &str = "
    SELECT line, errors FROM bulk_load_refusal WHERE source = $1 AND line > $2
    ORDER BY line LIMIT 1000";
