//! Bytes on their way out, checked against hash and size.
//!
//! A document of up to `CHECK_FIRST` is read and checked before its first byte leaves, as long as
//! there is room to hold it. Any other is read when its turn comes, and its last piece waits until
//! the whole has been checked: when it is wrong the connection is broken off, and nobody has all of
//! it. So an answer of very many documents holds little of them. A range of a small document is cut
//! out of the checked whole; of a large one there is nothing to check it against, unless it is
//! encrypted.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use carerecord_model::{
    ByteRange, DocumentBody, ErrorCode, PortError, RetrievedDocument, TransactionError, UniqueId,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Repository;
use crate::index::Holding;
use crate::integrity::{Alarm, Fault};
use crate::objects::{ObjectBytes, ObjectError, StoredObject};
use crate::service::{failed, located};

impl Repository {
    /// A document that may be given, or the range of it that is asked for.
    pub(crate) async fn open(
        &self,
        holding: &Holding,
        range: Option<ByteRange>,
    ) -> Result<RetrievedDocument, TransactionError> {
        let (id, object) = (&holding.unique_id, &holding.object);
        let alarm = self.alarm(holding);
        if holding.quarantined {
            tracing::error!(object = object.key, "a damaged document was asked for");
            return Err(damaged(id));
        }
        let last = object.size.saturating_sub(1);
        let range = range
            .filter(|r| r.start <= r.end && r.start <= last)
            .map(|r| ByteRange { start: r.start, end: r.end.min(last) });
        let body = match self.body(object, range, &alarm).await {
            Ok(body) => body,
            Err(error) => {
                let Some(fault) = error.fault() else { return Err(failed(&error, id)) };
                tracing::error!(%error, object = object.key, "a document cannot be given");
                alarm.raise(fault, "retrieval").await;
                return Err(if fault == Fault::NoKey { locked(id) } else { damaged(id) });
            }
        };
        Ok(RetrievedDocument {
            mime_type: holding.mime_type.clone(),
            size: Some(object.size),
            hash: Some(object.sha1.clone()),
            body,
            range,
        })
    }

    async fn body(
        &self,
        object: &StoredObject,
        range: Option<ByteRange>,
        alarm: &Alarm,
    ) -> Result<DocumentBody, ObjectError> {
        let small = object.size <= CHECK_FIRST;
        if let Some(place) = self.room.take(object.size).filter(|_| small) {
            let all = whole(self.objects.checked(object).await?, object.size).await?;
            let wanted = match range {
                // A small document fits into memory, and so do the places in it.
                Some(range) => all.slice(range.start as usize..range.end as usize + 1),
                None => all,
            };
            return Ok(ready(wanted, place));
        }
        let Some(range) = range else {
            self.objects.must_have(object).await?;
            return Ok(passing(self.later(object), alarm.clone()));
        };
        if small {
            let mut all = self.objects.checked(object).await?;
            while all.next().await.transpose()?.is_some() {}
        }
        Ok(part(self.objects.read(object, Some(range)).await?, range, alarm.clone()))
    }

    /// All of a document, of which nothing is read before it is asked for.
    fn later(&self, object: &StoredObject) -> ObjectBytes {
        let (objects, object) = (self.objects.clone(), object.clone());
        let opened = async move { objects.checked(&object).await };
        Box::pin(stream::once(opened).try_flatten().fuse())
    }
}

/// Room for small documents that are held whole until they leave: one answer can have many.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_KIB)))
    }
}

impl Room {
    /// `None`: others have it all.
    fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        self.0.clone().try_acquire_many_owned(kib).ok()
    }
}

/// The same words for whatever is wrong with it: the operator has been told more.
fn damaged(id: &UniqueId) -> TransactionError {
    let what = "the document is damaged in the repository, and is not given";
    located(ErrorCode::XDSRepositoryError, what, id)
}

fn locked(id: &UniqueId) -> TransactionError {
    let what = "the repository does not have the key that the document is encrypted with";
    located(ErrorCode::XDSRepositoryError, what, id)
}

/// The whole of a small document that has been checked on its way.
pub(crate) async fn whole(mut bytes: ObjectBytes, size: u64) -> Result<Bytes, ObjectError> {
    let first = bytes.next().await.unwrap_or_else(|| Ok(Bytes::new()))?;
    if first.len() as u64 == size {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity(size as usize);
    all.extend_from_slice(&first);
    while let Some(chunk) = bytes.next().await {
        all.extend_from_slice(&chunk?);
    }
    Ok(all.freeze())
}

/// One piece, all of it there. Its place is free when it has left.
fn ready(bytes: Bytes, place: OwnedSemaphorePermit) -> DocumentBody {
    Box::pin(stream::once(async move {
        drop(place);
        Ok(bytes)
    }))
}

/// A large document, which the store checks while it passes.
fn passing(bytes: ObjectBytes, alarm: Alarm) -> DocumentBody {
    Box::pin(stream::unfold(Some((bytes, alarm)), |state| async {
        let (mut bytes, alarm) = state?;
        match bytes.next().await? {
            Ok(chunk) => Some((Ok(chunk), Some((bytes, alarm)))),
            Err(error) => Some((Err(alarm.broken_off(&error).await), None)),
        }
    }))
}

/// A range of a large document.
fn part(bytes: ObjectBytes, range: ByteRange, alarm: Alarm) -> DocumentBody {
    let left = range.end - range.start + 1;
    Box::pin(stream::unfold(Some((bytes, left, alarm)), |state| async {
        let (mut bytes, left, alarm) = state?;
        let error = match bytes.next().await {
            Some(Ok(chunk)) if chunk.len() as u64 <= left => {
                let left = left - chunk.len() as u64;
                return Some((Ok(chunk), Some((bytes, left, alarm))));
            }
            None if left == 0 => return None,
            Some(Err(error)) => error,
            Some(Ok(_)) | None => ObjectError::Fault(Fault::Differs),
        };
        Some((Err(alarm.broken_off(&error).await), None))
    }))
}

impl Alarm {
    /// What ends a body that has begun.
    async fn broken_off(&self, error: &ObjectError) -> PortError {
        if let Some(fault) = error.fault() {
            self.raise(fault, "retrieval").await;
            return PortError::Protocol(fault.words().to_owned());
        }
        tracing::error!(%error, "a document broke off on its way out of the store");
        PortError::Unavailable(error.to_string())
    }
}

/// The longest document that is checked before its first byte leaves.
const CHECK_FIRST: u64 = 1 << 20;
/// What such documents may hold together.
const ROOM_KIB: usize = 32 << 10;
