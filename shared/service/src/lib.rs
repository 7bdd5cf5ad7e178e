//! What every role's process needs around its routes: configuration files, listeners with limits,
//! the layers each request passes, telemetry, health and metrics, and an orderly stop.
//!
//! A process makes one [`Lifecycle`], calls [`telemetry::init`] and [`Metrics::install`] once, binds
//! a [`Listener`] for each door and one [`admin`] listener, and ends with [`Lifecycle::run`].
#![warn(missing_docs)]

pub mod admin;
pub mod config;
pub mod layers;
pub mod telemetry;

pub mod audit_trail;
pub mod delegation;

mod client_limit;
mod connection_limit;
mod even;
mod known;
mod lifecycle;
mod listener;
mod metrics;
mod outgoing;
mod refusal;
mod request_log;
mod sign_in_provider;
mod sign_outs;
pub mod signing;
mod stall;
pub mod tls;
pub mod xua;

pub use carerecord_model::{Clock, IdSource, RandomIds, SystemClock};

pub use crate::admin::ReadinessChecks;
pub use crate::audit_trail::{AuditDraft, AuditTrail};
pub use crate::client_limit::{ClientLimit, ClientLimits, TooMany};
pub use crate::config::{ConfigError, Secret, SecretFile};
pub use crate::connection_limit::{ConnectionLimits, Place};
pub use crate::delegation::{
    Asker, DELEGATION, Delegate, Delegation, DelegationError, DelegationMode, Delegations,
    DelegationsConfig, Delegator, Statement,
};
pub use crate::even::Even;
pub use crate::known::{CertificateMatch, Entrance, KnownSystems, NotAdmitted};
pub use crate::layers::X_REQUEST_ID;
pub use crate::lifecycle::{Lifecycle, Stopped};
pub use crate::listener::{Listener, ListenerConfig, ListenerError};
pub use crate::metrics::{Metrics, MetricsError};
pub use crate::outgoing::{Outgoing, send};
pub use crate::refusal::{Refusal, refuse};
pub use crate::request_log::RequestId;
pub use crate::sign_in_provider::{ClaimsMapping, FIRST, MappedRole, ProviderKind, SignInProvider};
pub use crate::sign_outs::{
    Ended, EndedSignIns, LONGEST_SIGN_IN, SignIn, SignOuts, SignOutsUnavailable, SignedOut,
};
pub use crate::telemetry::LogFormat;
pub use crate::tls::{
    ClientTls, ClientTlsConfig, Handshakes, Recheck, ServerTls, TlsConfig, TlsConnection, TlsError,
};
pub use crate::xua::{Callers, Peer, Xua, XuaConfig, XuaMode};
