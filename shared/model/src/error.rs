use std::fmt;

/// How bad a registry error is. ITI TF-3: 4.2.4.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The request succeeded all the same.
    Warning,
    /// The request failed, or a part of it did.
    Error,
}

/// What the answer says of the whole request. ITI TF-3: 4.2.4.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ResponseStatus {
    /// Done; there may be warnings.
    Success,
    /// Something was given and something failed.
    PartialSuccess,
    /// Nothing was done or given.
    Failure,
}

impl ResponseStatus {
    /// The URN on the wire. Note that PartialSuccess lives in IHE's namespace.
    pub fn urn(self) -> &'static str {
        match self {
            Self::Success => "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success",
            Self::PartialSuccess => "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess",
            Self::Failure => "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure",
        }
    }

    /// Reads the URN; `None` for any other.
    pub fn from_urn(urn: &str) -> Option<Self> {
        [Self::Success, Self::PartialSuccess, Self::Failure].into_iter().find(|s| s.urn() == urn)
    }
}

/// Declares the error codes with their wire spelling, once.
macro_rules! error_codes {
    ($($(#[doc = $doc:literal])* $name:ident),* $(,)?) => {
        /// The `errorCode` a peer sees. ITI TF-3: Table 4.2.4.1-2.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* $name,)*
            /// A code that a peer sent and this list does not know; relayed unchanged.
            Foreign(String),
        }

        impl ErrorCode {
            /// Every code that this product may send, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// What the code means, in a sentence; nothing of a foreign one.
            pub fn meaning(&self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),*).trim_ascii(),)*
                    Self::Foreign(_) => "",
                }
            }

            /// The code on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => stringify!($name),)*
                    Self::Foreign(code) => code,
                }
            }

            /// Reads a code; an unknown one is kept as it is.
            pub fn from_wire(code: &str) -> Self {
                match code {
                    $(stringify!($name) => Self::$name,)*
                    other => Self::Foreign(other.to_owned()),
                }
            }
        }
    };
}

error_codes! {
    /// A referenced id cannot be resolved.
    UnresolvedReferenceException,
    /// No such document at this repository.
    XDSDocumentUniqueIdError,
    /// The uniqueId of a SubmissionSet or Folder is in use.
    XDSDuplicateUniqueIdInRegistry,
    /// Extra metadata was dropped. A warning.
    XDSExtraMetadataNotSaved,
    /// An entry without its document.
    XDSMissingDocument,
    /// A document without its entry.
    XDSMissingDocumentMetadata,
    /// The homeCommunityId is required but absent.
    XDSMissingHomeCommunityId,
    /// The uniqueId is registered with another hash.
    XDSNonIdenticalHash,
    /// The uniqueId is registered with another size.
    XDSNonIdenticalSize,
    /// Patient ids differ where they must agree.
    XDSPatientIdDoesNotMatch,
    /// The registry is overloaded.
    XDSRegistryBusy,
    /// The repository is overloaded.
    XDSRepositoryBusy,
    /// An association refers to a deprecated entry.
    XDSRegistryDeprecatedDocumentError,
    /// A uniqueId stands on two objects of the request.
    XDSRegistryDuplicateUniqueIdInMessage,
    /// A uniqueId stands on two objects of the request, as the repository saw it.
    XDSRepositoryDuplicateUniqueIdInMessage,
    /// No more specific code fits.
    XDSRegistryError,
    /// No more specific code fits.
    XDSRepositoryError,
    /// Missing or malformed metadata.
    XDSRegistryMetadataError,
    /// Missing or malformed metadata, or hash or size do not match the bytes.
    XDSRepositoryMetadataError,
    /// The repository cannot reach the registry.
    XDSRegistryNotAvailable,
    /// Disk or memory is exhausted.
    XDSRegistryOutOfResources,
    /// Disk or memory is exhausted.
    XDSRepositoryOutOfResources,
    /// The result of an id query spans patients.
    XDSResultNotSinglePatient,
    /// A metadata update is not possible.
    XDSMetadataUpdateError,
    /// It cannot be told which update is asked for.
    XDSMetadataUpdateOperationError,
    /// The version to be updated is not the newest one, or there is none.
    XDSMetadataVersionError,
    /// An update would relate objects of different patients.
    XDSPatientIDReconciliationError,
    /// What is to be removed is still referred to.
    ReferencesExistException,
    /// A removal would leave an object that nothing refers to.
    XDSUnreferencedObjectException,
    /// A document could not be removed.
    XDSRemoveDocumentsError,
    /// An update would change an identifier.
    XDSMetadataIdentifierError,
    /// An update would change what may not change.
    UnmodifiableMetadataError,
    /// An association of an update has wrong slots.
    XDSMetadataAnnotationError,
    /// An update of something that is no DocumentEntry.
    XDSObjectTypeError,
    /// The request is not what the transaction takes.
    XDSInvalidRequestException,
    /// Refused by the rules of this deployment.
    LocalPolicyRestrictionError,
    /// A required query parameter is absent.
    XDSStoredQueryMissingParam,
    /// Too many values, or parameters that exclude each other.
    XDSStoredQueryParamNumber,
    /// The result is larger than the service returns.
    XDSTooManyResults,
    /// The community is not known.
    XDSUnknownCommunity,
    /// The patient is not known.
    XDSUnknownPatientId,
    /// The repository is not this one.
    XDSUnknownRepositoryId,
    /// The query is not supported.
    XDSUnknownStoredQuery,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry of a RegistryErrorList. ITI TF-3: 4.2.4.
///
/// `context` is for the peer, who sent the request; it is not for logs, since some codes oblige us
/// to name ids in it. `Debug` leaves it out.
#[derive(Clone, Eq, PartialEq)]
pub struct RegistryError {
    /// What kind of failure.
    pub code: ErrorCode,
    /// The detail for a person.
    pub context: String,
    /// Error or warning.
    pub severity: Severity,
    /// Free, except in ITI-43: the DocumentUniqueId concerned.
    pub location: Option<String>,
}

impl RegistryError {
    /// An error.
    pub fn error(code: ErrorCode, context: impl Into<String>) -> Self {
        Self { code, context: context.into(), severity: Severity::Error, location: None }
    }

    /// A warning.
    pub fn warning(code: ErrorCode, context: impl Into<String>) -> Self {
        Self { code, context: context.into(), severity: Severity::Warning, location: None }
    }

    /// The same with a location.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }
}

impl fmt::Debug for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegistryError({} {:?})", self.code, self.severity)
    }
}

/// A list of errors and warnings in the order found; can be empty.
pub type RegistryErrors = Vec<RegistryError>;

/// Why a transaction failed: at least one error, perhaps with warnings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the transaction failed with {} registry errors", .0.len())]
pub struct TransactionError(pub RegistryErrors);

impl From<RegistryError> for TransactionError {
    fn from(error: RegistryError) -> Self {
        Self(vec![error])
    }
}

impl TransactionError {
    /// A single error.
    pub fn one(code: ErrorCode, context: impl Into<String>) -> Self {
        Self(vec![RegistryError::error(code, context)])
    }

    /// Whether an error of this kind is among them.
    pub fn has(&self, code: &ErrorCode) -> bool {
        self.0.iter().any(|e| e.code == *code && e.severity == Severity::Error)
    }
}
