use carerecord_codec::mtom::MtomError;
use carerecord_sealing::{KeyError, SealingError};
use object_store::client::{HttpError, HttpErrorKind};

use crate::integrity::Fault;

/// Why bytes were not stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("{}", in_words(.0))]
    Store(#[from] object_store::Error),
    #[error("the object store cannot be read: {0}")]
    Open(#[from] std::io::Error),
    #[error("the document did not arrive whole")]
    Source(#[from] MtomError),
    #[error("the document is longer than {0} bytes")]
    TooLong(u64),
    #[error("{}", .0.words())]
    Fault(Fault),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

impl From<Fault> for ObjectError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<SealingError> for ObjectError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Differs => Self::Fault(Fault::Differs),
            SealingError::TooLong(most) => Self::TooLong(most),
            SealingError::Failed => Self::Keys(KeyError::Unavailable(error.to_string())),
        }
    }
}

impl ObjectError {
    /// What is wrong with the object itself; `None` when the store or somebody else failed.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Store(object_store::Error::NotFound { .. }) => Some(Fault::Missing),
            Self::Open(e) if e.kind() == std::io::ErrorKind::NotFound => Some(Fault::Missing),
            Self::Fault(fault) => Some(*fault),
            Self::Keys(KeyError::Unknown(_) | KeyError::Wrong(_)) => Some(Fault::NoKey),
            Self::Keys(KeyError::NoCurrent | KeyError::Unavailable(_))
            | Self::Store(_)
            | Self::Open(_)
            | Self::Source(_)
            | Self::TooLong(_) => None,
        }
    }

    /// Whether it is for want of space.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Store(error) if is_full(error))
    }
}

/// What the store's failure means, without its addresses: senders and operators read it.
fn in_words(error: &object_store::Error) -> &'static str {
    use object_store::Error;
    if is_full(error) {
        return "the object store is full";
    }
    match transport(error) {
        Some(HttpErrorKind::Timeout) => return "the object store does not answer in time",
        Some(HttpErrorKind::Connect) => return "the object store cannot be reached",
        Some(_) => return "the object store broke off",
        None => {}
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other crate's list may grow")]
    match error {
        Error::NotFound { .. } if says(error, &["NoSuchBucket"]) => NO_BUCKET,
        Error::NotFound { .. } => "the object store does not have it",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => REFUSED,
        // What a list failed with is told by its text only.
        Error::Generic { .. } if says(error, &["NoSuchBucket", "404 Not Found"]) => NO_BUCKET,
        Error::Generic { .. } if says(error, &["401 Unauthorized", "403 Forbidden"]) => REFUSED,
        Error::AlreadyExists { .. } => "the object store has another object of the name",
        _ => "the object store failed",
    }
}

/// How a request failed that got no answer.
pub(super) fn transport(error: &object_store::Error) -> Option<HttpErrorKind> {
    causes(error).find_map(|e| e.downcast_ref::<HttpError>().map(HttpError::kind))
}

fn is_full(error: &object_store::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let full = |e: &(dyn std::error::Error + 'static)| {
        let kind = e.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        matches!(kind, Some(StorageFull | QuotaExceeded))
    };
    causes(error).any(full)
        || matches!(error, object_store::Error::Generic { .. }) && says(error, &FULL)
}

/// Whether one of these is in the text of an answer: the client's type of it is not public.
fn says(error: &object_store::Error, words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().any(|word| text.contains(word))
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &(dyn std::error::Error + 'static)), |e| e.source())
}

const NO_BUCKET: &str = "the object store has no such bucket or container";
const REFUSED: &str = "the object store refuses the credentials";
/// How S3 servers say that they take no more: HTTP's own status, and the codes of MinIO and Ceph.
const FULL: [&str; 3] = ["507 Insufficient Storage", "XMinioStorageFull", "QuotaExceeded"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let of = |kind| {
            let source = Box::new(std::io::Error::from(kind));
            ObjectError::Store(object_store::Error::Generic { store: "LocalFileSystem", source })
        };

        let full = of(std::io::ErrorKind::StorageFull);
        assert!(full.is_full() && full.to_string() == "the object store is full");
        let broken = of(std::io::ErrorKind::PermissionDenied);
        assert!(!broken.is_full() && broken.to_string() == "the object store failed");
    }
}
