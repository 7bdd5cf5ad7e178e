//! What each person has seen of a patient's list of documents, so that the next time what is new
//! can be told; and the filter that each has last used, which tells of no patient.
//!
//! That somebody looked at somebody's record is personal data of both. So of a look only its time
//! and a short digest of each document of the list are kept, for half a year, in a row whose key
//! and content are of no use without the portal's own secret: not even who or whose it is can be
//! told from it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use carerecord_model::NhsNumber;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::pages::filter::Filter;
use crate::session::{Person, open, seal};

/// Where looks are kept. The binary gives an implementation.
#[async_trait]
pub trait LookRows: fmt::Debug + Send + Sync + 'static {
    /// Inserts or replaces a row, and deletes those that have expired by then.
    async fn save(&self, row: LookRow, now: Timestamp) -> Result<(), LookRowsError>;

    /// Gives the content of a row; nothing if it has expired by then.
    async fn load(
        &self,
        id_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, LookRowsError>;
}

/// A look at rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LookRow {
    /// A keyed digest of who looked, as what, and at whose record; of who filters, as what.
    pub id_hash: [u8; 32],
    /// The day after which it goes: it tells no time of day.
    pub expires_at: Timestamp,
    /// The encrypted content, at most 80 KiB.
    pub data: Vec<u8>,
}

/// The store of looks failed.
#[derive(Debug, thiserror::Error)]
#[error("store of looks failed: {0}")]
pub struct LookRowsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What tells rows and keys of one purpose from all others.
#[derive(Clone, Copy)]
struct Labels {
    row: &'static str,
    key: &'static str,
}

/// What people have seen, and the filters that they use.
#[derive(Clone)]
pub struct Looks {
    rows: Arc<dyn LookRows>,
    secret: [u8; 32],
}

impl Looks {
    /// Over these rows. All copies of a portal need the same secret; with another one everything is
    /// as if nobody had looked before.
    pub fn new(rows: Arc<dyn LookRows>, secret: [u8; 32]) -> Self {
        Self { rows, secret }
    }

    /// What a person saw last of a record; nothing if that is not known.
    pub(crate) async fn last(
        &self,
        person: &Person,
        whose: &NhsNumber,
        now: Timestamp,
    ) -> Result<Option<Look>, LookRowsError> {
        let data = self.load(LOOK, person, Some(whose), now).await?;
        Ok(data.and_then(|data| Look::decode(&data)))
    }

    /// Keeps what a person sees of a record now.
    pub(crate) async fn keep(
        &self,
        person: &Person,
        whose: &NhsNumber,
        look: &Look,
        now: Timestamp,
    ) -> Result<(), LookRowsError> {
        self.save(LOOK, person, Some(whose), look.encode(), now).await
    }

    /// The filter that a person last used, as far as it is kept.
    pub(crate) async fn filter(
        &self,
        person: &Person,
        now: Timestamp,
    ) -> Result<Option<Filter>, LookRowsError> {
        let data = self.load(FILTER, person, None, now).await?;
        Ok(data.and_then(|data| serde_json::from_slice(&data).ok()))
    }

    /// Keeps of the filter that a person uses now what tells of no patient.
    pub(crate) async fn keep_filter(
        &self,
        person: &Person,
        filter: &Filter,
        now: Timestamp,
    ) -> Result<(), LookRowsError> {
        let Ok(data) = serde_json::to_vec(&filter.of_no_patient()) else { return Ok(()) };
        self.save(FILTER, person, None, data, now).await
    }

    async fn load(
        &self,
        labels: Labels,
        person: &Person,
        whose: Option<&NhsNumber>,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, LookRowsError> {
        let Some(row) = self.key(labels.row, person, whose) else { return Ok(None) };
        let data = self.rows.load(&row, now).await?;
        let key = self.key(labels.key, person, whose);
        Ok(data.zip(key).and_then(|(data, key)| open(&key, data)))
    }

    async fn save(
        &self,
        labels: Labels,
        person: &Person,
        whose: Option<&NhsNumber>,
        data: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), LookRowsError> {
        let key = self.key(labels.key, person, whose);
        let keys = self.key(labels.row, person, whose).zip(key);
        let Some((id_hash, key)) = keys else { return Ok(()) };
        let Some(data) = seal(&key, data) else { return Ok(()) };
        let day = SignedDuration::from_hours(24).as_secs();
        let days = now.as_second().div_euclid(day) + KEPT_DAYS + 1;
        let Ok(expires_at) = Timestamp::from_second(days * day) else { return Ok(()) };
        self.rows.save(LookRow { id_hash, expires_at, data }, now).await
    }

    /// Another role sees another list.
    fn key(&self, label: &str, person: &Person, whose: Option<&NhsNumber>) -> Option<[u8; 32]> {
        let sign_in = person.data.sign_in.as_ref()?;
        let role = person.data.acting_as.as_deref().unwrap_or_default();
        let mut tag = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret));
        let whose = whose.map(NhsNumber::digits).unwrap_or_default();
        for part in [label, &sign_in.issuer, &sign_in.subject, role, &whose] {
            tag.update(&(part.len() as u64).to_be_bytes());
            tag.update(part.as_bytes());
        }
        tag.sign().as_ref().try_into().ok()
    }
}

impl fmt::Debug for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looks").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// What a person saw of a record. No formatter prints it.
#[derive(Clone, Default)]
pub(crate) struct Look {
    /// Seconds.
    pub(crate) at: i64,
    /// Of each document that was listed.
    seen: HashSet<u32>,
    /// Whether there were more documents than are kept.
    cut: bool,
}

impl Look {
    /// A look at these documents, of which the first 20,000 are kept.
    pub(crate) fn new(at: i64, documents: impl ExactSizeIterator<Item = Uuid>) -> Self {
        let cut = documents.len() > MAX_SEEN;
        Self { at, seen: documents.take(MAX_SEEN).map(short).collect(), cut }
    }

    /// Whether a document was listed; also if that is not known.
    pub(crate) fn has(&self, document: Uuid) -> bool {
        self.cut || self.seen.contains(&short(document))
    }

    /// Whether another look would be kept in the same way, but for its time.
    pub(crate) fn is_of_the_same(&self, other: &Self) -> bool {
        self.cut == other.cut && self.seen == other.seen
    }

    fn encode(&self) -> Vec<u8> {
        let mut seen: Vec<u32> = self.seen.iter().copied().collect();
        // As a set has it, the order would tell of the memory of this process.
        seen.sort_unstable();
        let head = self.at.to_be_bytes().into_iter().chain([u8::from(self.cut)]);
        head.chain(seen.into_iter().flat_map(u32::to_be_bytes)).collect()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (at, rest) = bytes.split_first_chunk()?;
        let (cut, rest) = rest.split_first()?;
        let seen = rest.chunks_exact(4).filter_map(|four| four.try_into().ok());
        let seen = seen.map(u32::from_be_bytes).collect();
        Some(Self { at: i64::from_be_bytes(*at), seen, cut: *cut != 0 })
    }
}

/// 32 bits of a digest: of two lists of 5,000 documents, one in a million new documents is taken
/// for one that is known.
fn short(document: Uuid) -> u32 {
    let hash = digest(&SHA256, document.as_bytes());
    hash.as_ref().first_chunk().map_or(0, |four| u32::from_be_bytes(*four))
}

const LOOK: Labels = Labels { row: "carerecord web look row", key: "carerecord web look key" };
const FILTER: Labels =
    Labels { row: "carerecord web filter row", key: "carerecord web filter key" };
const MAX_SEEN: usize = 20_000;
const KEPT_DAYS: i64 = 180;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_comes_back_as_it_was_kept() {
        let ids: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
        let look = Look::new(1_700_000_000, ids.iter().copied());

        let back = Look::decode(&look.encode()).unwrap();

        assert_eq!(back.at, 1_700_000_000);
        assert!(back.is_of_the_same(&look));
        assert!(ids.iter().all(|id| back.has(*id)));
        assert!(!back.has(Uuid::from_u128(4)));
        assert_eq!(look.encode().len(), 9 + 3 * 4, "nothing else is kept");
        assert!(Look::decode(b"short").is_none());
    }

    #[test]
    fn of_what_is_too_much_to_keep_nothing_is_called_new() {
        let many = (0..20_001).map(Uuid::from_u128).collect::<Vec<_>>();

        let look = Look::new(0, many.into_iter());

        assert!(look.has(Uuid::from_u128(99_999)));
    }
}
