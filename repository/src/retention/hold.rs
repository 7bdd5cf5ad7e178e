//! Legal holds: while one is in force, nothing that it covers is destroyed.

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{DocumentEntry, NhsNumber, PatientDirectory, UniqueId};
use carerecord_storage::{Database, StoreError, sql};
use jiff::Timestamp;
use serde::Serialize;

use super::RetentionError;

/// A hold, in force or lifted.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegalHold {
    /// Its name, as whoever set it wrote it.
    pub id: String,
    /// What it covers.
    #[serde(flatten)]
    pub scope: HoldScope,
    /// Why, e.g. which inquiry.
    pub reason: String,
    /// Who set it.
    pub set_by: String,
    /// Since when.
    pub set_at: Timestamp,
    /// Who lifted it, and when.
    pub lifted: Option<(String, Timestamp)>,
}

/// What a hold covers.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "scope", content = "value")]
pub enum HoldScope {
    /// Every document of the node.
    All,
    /// One document, by its uniqueId.
    Document(UniqueId),
    /// Every document of a person.
    Patient(NhsNumber),
    /// Every document of a type, by the code of its typeCode.
    Type(String),
}

impl std::fmt::Display for HoldScope {
    /// Names no person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("every document"),
            Self::Document(id) => write!(f, "document {id}"),
            Self::Patient(_) => f.write_str("documents of one person"),
            Self::Type(code) => write!(f, "documents of type {code}"),
        }
    }
}

impl HoldScope {
    fn columns(&self) -> (&'static str, String) {
        match self {
            Self::All => ("all", String::new()),
            Self::Document(id) => ("document", id.to_string()),
            Self::Patient(number) => ("patient", number.digits()),
            Self::Type(code) => ("type", code.clone()),
        }
    }

    fn from_columns(scope: &str, value: String) -> Option<Self> {
        match scope {
            "all" => Some(Self::All),
            "document" => value.parse().ok().map(Self::Document),
            "patient" => value.parse().ok().map(Self::Patient),
            "type" => Some(Self::Type(value)),
            _ => None,
        }
    }
}

/// The holds in force, each with the number that everything of its person is kept under: a hold on
/// one number of a person covers what is filed under the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(Vec<(LegalHold, Option<NhsNumber>)>);

impl Holds {
    pub(crate) async fn in_force(
        database: &Database,
        directory: &dyn PatientDirectory,
    ) -> Result<Self, RetentionError> {
        let mut holds = Vec::new();
        for hold in list(database).await?.into_iter().filter(|h| h.lifted.is_none()) {
            let own = match &hold.scope {
                HoldScope::Patient(number) => Some(own_number(directory, *number).await?),
                HoldScope::All | HoldScope::Document(_) | HoldScope::Type(_) => None,
            };
            holds.push((hold, own));
        }
        Ok(Self(holds))
    }

    /// Whether one is about a person, so that it matters whose a document is.
    pub(crate) fn name_people(&self) -> bool {
        self.0.iter().any(|(_, own)| own.is_some())
    }

    /// The hold that covers a document of the person with the number `own`.
    pub(crate) fn over(&self, entry: &DocumentEntry, own: Option<NhsNumber>) -> Option<&LegalHold> {
        let covers = |(hold, person): &&(LegalHold, Option<NhsNumber>)| match &hold.scope {
            HoldScope::All => true,
            HoldScope::Document(id) => *id == entry.unique_id,
            HoldScope::Patient(number) => {
                entry.patient_id.nhs_number() == Some(*number) || own.is_some() && own == *person
            }
            HoldScope::Type(code) => *code == entry.type_code.code,
        };
        self.0.iter().find(covers).map(|(hold, _)| hold)
    }
}

/// The number that everything of a person is kept under.
pub(crate) async fn own_number(
    directory: &dyn PatientDirectory,
    number: NhsNumber,
) -> Result<NhsNumber, RetentionError> {
    Ok(directory.patient(number).await?.map_or(number, |person| person.nhs_number))
}

/// Every hold that ever was, the oldest first.
pub(crate) async fn list(database: &Database) -> Result<Vec<LegalHold>, StoreError> {
    type Row = (String, String, String, String, String, i64, Option<String>, Option<i64>);
    let rows: Vec<Row> = sql(LIST).all(database).await?;
    rows.into_iter()
        .map(|(id, scope, value, reason, set_by, set_at, lifted_by, lifted_at)| {
            let wrong = |column| StoreError::Row("legal_hold", column, "cannot be read".to_owned());
            let time = |ms| Timestamp::from_millisecond(ms).map_err(|_| wrong("set_at"));
            Ok(LegalHold {
                id,
                scope: HoldScope::from_columns(&scope, value).ok_or_else(|| wrong("scope"))?,
                reason,
                set_by,
                set_at: time(set_at)?,
                lifted: match (lifted_by, lifted_at) {
                    (Some(by), Some(at)) => Some((by, time(at)?)),
                    _ => None,
                },
            })
        })
        .collect()
}

/// Sets a hold. `false`: another has its id.
pub(crate) async fn set(
    database: &Database,
    hold: LegalHold,
    audit: AuditEvent,
) -> Result<bool, StoreError> {
    let (scope, value) = hold.scope.columns();
    let statement = sql(SET)
        .bind(hold.id)
        .bind(scope)
        .bind(value)
        .bind(hold.reason)
        .bind(hold.set_by)
        .bind(hold.set_at.as_millisecond());
    change(database, statement, audit).await
}

/// Lifts a hold. `false`: none in force has the id.
pub(crate) async fn lift(
    database: &Database,
    id: String,
    by: String,
    now: Timestamp,
    audit: AuditEvent,
) -> Result<bool, StoreError> {
    let statement = sql(LIFT).bind(id).bind(by).bind(now.as_millisecond());
    change(database, statement, audit).await
}

async fn change(
    database: &Database,
    statement: carerecord_storage::Statement,
    audit: AuditEvent,
) -> Result<bool, StoreError> {
    database
        .write(move |c| {
            Box::pin(async move {
                let changed = statement.run(&mut *c).await? == 1;
                if changed {
                    AuditLog::append_in(c, &[&audit]).await?;
                }
                Ok(changed)
            })
        })
        .await
}

const LIST: &str = "
    SELECT hold_id, scope, value, reason, set_by, set_at, lifted_by, lifted_at
    FROM legal_hold ORDER BY set_at, hold_id";

const SET: &str = "
    INSERT INTO legal_hold (hold_id, scope, value, reason, set_by, set_at)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (hold_id) DO NOTHING";

const LIFT: &str = "
    UPDATE legal_hold SET lifted_by = $2, lifted_at = $3
    WHERE hold_id = $1 AND lifted_at IS NULL";
