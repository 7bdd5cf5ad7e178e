use carerecord_codec::mtom::MtomError;

use crate::integrity::Fault;

/// Why bytes were not stored or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("the object store failed")]
    Store(#[from] object_store::Error),
    #[error("the object store cannot be read: {0}")]
    Open(#[from] std::io::Error),
    #[error("the document did not arrive whole")]
    Source(#[from] MtomError),
    #[error("the document is longer than {0} bytes")]
    TooLong(u64),
    #[error("{}", .0.words())]
    Fault(Fault),
}

impl From<Fault> for ObjectError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl ObjectError {
    /// What is wrong with the object itself; `None` when the store or somebody else failed.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Store(object_store::Error::NotFound { .. }) => Some(Fault::Missing),
            Self::Open(e) if e.kind() == std::io::ErrorKind::NotFound => Some(Fault::Missing),
            Self::Fault(fault) => Some(*fault),
            Self::Store(_) | Self::Open(_) | Self::Source(_) | Self::TooLong(_) => None,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        let mut source: Option<&dyn std::error::Error> = Some(self);
        while let Some(error) = source {
            let io = error.downcast_ref::<std::io::Error>();
            if io.is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull) {
                return true;
            }
            source = error.source();
        }
        self.is_full_over_http()
    }

    /// The store's type of an HTTP failure is not public: its text is what there is.
    fn is_full_over_http(&self) -> bool {
        let Self::Store(object_store::Error::Generic { source, .. }) = self else { return false };
        let text = source.to_string();
        FULL.iter().any(|word| text.contains(word))
    }
}

/// How S3 servers say that they take no more: HTTP's own status, and the codes of MinIO and Ceph.
const FULL: [&str; 3] = ["507 Insufficient Storage", "XMinioStorageFull", "QuotaExceeded"];
