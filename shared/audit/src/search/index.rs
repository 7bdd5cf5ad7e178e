//! What records are looked for by: derived from them in groups, soon after they are there, so that an
//! append writes nothing for it. Whoever searches first brings it up to date.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use carerecord_storage::{Connection, Database, StoreError, insert_many, sql};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{AuditEvent, store};

/// What a reference is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The organisation that the actor acted for.
    Organisation,
    /// A document that was listed, opened, published or asked about.
    Document,
    /// The request that the record was made in.
    Request,
}

/// The key under which records with this value stand.
pub(crate) fn reference(kind: Kind, value: &str) -> i64 {
    let kind = match kind {
        Kind::Organisation => "organisation",
        Kind::Document => "document",
        Kind::Request => "request",
    };
    let hash = digest(&SHA256, format!("{kind} {value}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    i64::from_be_bytes(first)
}

/// A document's id in the one form in which ids are compared: without `urn:uuid:` and `urn:oid:`, a
/// UUID in small letters.
pub fn document_key(id: &str) -> String {
    let bare = id.strip_prefix("urn:uuid:").or_else(|| id.strip_prefix("urn:oid:")).unwrap_or(id);
    Uuid::try_parse(bare).map_or_else(|_| bare.to_owned(), |uuid| uuid.to_string())
}

impl AuditEvent {
    /// The documents that the record names, in the form of `document_key`: listed, opened, published,
    /// or asked about.
    pub fn document_keys(&self) -> impl Iterator<Item = String> {
        let listed = self.listed.iter().flat_map(|said| said.split([' ', ',', ':', ';']));
        // Of a sentence only what can be an id; of an id that is alone, whatever it is.
        let alone = self.listed.iter().filter(|said| !said.contains(' ')).map(String::as_str);
        let words = listed.filter(|word| Uuid::try_parse(word).is_ok());
        let opened = self.documents.iter().map(|document| document.id.as_str());
        words.chain(alone).chain(opened).map(document_key)
    }
}

fn references(event: &AuditEvent) -> BTreeSet<i64> {
    let organisation = event.actor.iter().map(|actor| actor.organisation.as_str());
    let organisation = organisation.filter(|code| !code.is_empty());
    organisation
        .map(|code| reference(Kind::Organisation, code))
        .chain(event.document_keys().map(|id| reference(Kind::Document, &id)))
        .chain(event.request_id.iter().map(|id| reference(Kind::Request, id)))
        .collect()
}

/// Keeps the index of a log up to date until `draining`.
pub async fn keep_indexed(database: Database, draining: CancellationToken) {
    let mut failed = false;
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        match catch_up(&database, GROUPS_AT_ONCE).await {
            Ok(_) => failed = false,
            // Told once, and not each time that it is tried again.
            Err(error) if !std::mem::replace(&mut failed, true) => {
                tracing::warn!(%error, "the index of the audit log is behind");
            }
            Err(_) => {}
        }
    }
}

/// How far the index goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// The newest record in it.
    pub indexed: i64,
    /// How many records are not in it.
    pub behind: u64,
}

/// Takes what is new into the index, at most so many groups.
pub(crate) async fn catch_up(database: &Database, most: u32) -> Result<Reach, StoreError> {
    let mut groups = 0;
    loop {
        let (last_group, last) = {
            let mut c = database.reader().await?;
            (last_group(&mut c).await?, store::last_seq(&mut c).await?)
        };
        let indexed = last_group.map_or(0, |group| group.last_seq);
        if indexed >= last || groups == most {
            let behind = u64::try_from(last - indexed).unwrap_or_default();
            return Ok(Reach { indexed, behind });
        }
        take(database, last_group, indexed).await?;
        groups += 1;
    }
}

/// Records that were taken together, or one after the other until they were enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Group {
    first_seq: i64,
    last_seq: i64,
    earliest: i64,
    latest: i64,
}

async fn last_group(c: &mut Connection) -> Result<Option<Group>, StoreError> {
    let row: Option<(i64, i64, i64, i64)> = sql(LAST_GROUP).first(c).await?;
    Ok(row.map(|(first_seq, last_seq, earliest, latest)| Group {
        first_seq,
        last_seq,
        earliest,
        latest,
    }))
}

/// Takes the next records. What another process took meanwhile is not taken twice.
async fn take(database: &Database, before: Option<Group>, after: i64) -> Result<(), StoreError> {
    let rows: Vec<(i64, i64, String)> = sql(NEXT).bind(after).bind(RECORDS).all(database).await?;
    let mut group: Option<Group> = None;
    let mut all = Vec::new();
    for (seq, at, record) in rows {
        // One that somebody has changed has nothing to be found by; `verify` tells of it.
        if let Ok(event) = serde_json::from_str::<AuditEvent>(&record) {
            all.extend(references(&event).into_iter().map(|key| vec![key.into(), seq.into()]));
        }
        group = Some(match group {
            None => Group { first_seq: seq, last_seq: seq, earliest: at, latest: at },
            Some(g) => {
                Group { last_seq: seq, earliest: g.earliest.min(at), latest: g.latest.max(at), ..g }
            }
        });
        if all.len() >= REFERENCES {
            break;
        }
    }
    let Some(group) = group else { return Ok(()) };
    // Few rows, however small the groups are that come one after the other.
    let joined = before.filter(|b| b.last_seq - b.first_seq < RECORDS_IN_A_ROW).map(|b| Group {
        first_seq: b.first_seq,
        last_seq: group.last_seq,
        earliest: b.earliest.min(group.earliest),
        latest: b.latest.max(group.latest),
    });
    let group = joined.unwrap_or(group);
    database
        .write(move |c| {
            Box::pin(async move {
                if last_group(&mut *c).await? != before {
                    return Ok(());
                }
                sql(KEEP_GROUP)
                    .bind(group.first_seq)
                    .bind(group.last_seq)
                    .bind(group.earliest)
                    .bind(group.latest)
                    .run(&mut *c)
                    .await?;
                insert_many(c, "audit_reference (reference, seq)", all).await
            })
        })
        .await
}

/// Between which records those of a time can lie, both included. Numbers follow the clock, but not
/// to the millisecond, and clocks are put back.
pub(crate) async fn bounds(
    c: &mut Connection,
    (since, until): (Timestamp, Timestamp),
    last: i64,
) -> Result<(i64, i64), StoreError> {
    let of = |row: Option<(i64,)>| row.map(|(seq,)| seq);
    let low = of(sql(FIRST_SINCE).bind(since.as_millisecond()).first(&mut *c).await?);
    let high = of(sql(LAST_UNTIL).bind(until.as_millisecond()).first(&mut *c).await?);
    let indexed = last_group(c).await?.map_or(0, |group| group.last_seq);
    // What is not in the index yet can be from any time.
    let low = low.unwrap_or(indexed + 1);
    let high = if indexed < last { last } else { high.unwrap_or(0).min(last) };
    Ok((low, high))
}

const EVERY: Duration = Duration::from_secs(2);
/// Groups between two looks at whether to stop.
const GROUPS_AT_ONCE: u32 = 100;
/// Records that are read at once, and references that are written at once: others write between.
const RECORDS: i64 = 256;
const REFERENCES: usize = 2_000;
const RECORDS_IN_A_ROW: i64 = 1_000;

const LAST_GROUP: &str = "
    SELECT first_seq, last_seq, earliest, latest FROM audit_indexed
    ORDER BY first_seq DESC LIMIT 1";

const NEXT: &str = "
    SELECT seq, recorded_at, record FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT $2";

const KEEP_GROUP: &str = "
    INSERT INTO audit_indexed (first_seq, last_seq, earliest, latest) VALUES ($1, $2, $3, $4)
    ON CONFLICT (first_seq) DO UPDATE
    SET last_seq = excluded.last_seq, earliest = excluded.earliest, latest = excluded.latest";

const FIRST_SINCE: &str = "
    SELECT first_seq FROM audit_indexed WHERE latest >= $1 ORDER BY first_seq LIMIT 1";

const LAST_UNTIL: &str = "
    SELECT last_seq FROM audit_indexed WHERE earliest < $1 ORDER BY first_seq DESC LIMIT 1";
