use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, header};
use rustls::pki_types::{CertificateDer, UnixTime};

use super::ServerTls;
use crate::Refusal;

/// Whether the client of an open connection is still whom it may be: its certificate can end or be
/// revoked, and authorities can change.
#[derive(Debug)]
pub struct Recheck {
    tls: ServerTls,
    chain: Vec<CertificateDer<'static>>,
    /// By which generation of the files it was verified, and when.
    verified: Mutex<(u64, Instant)>,
}

impl Recheck {
    pub(super) fn new(
        tls: ServerTls,
        chain: Vec<CertificateDer<'static>>,
        generation: u64,
    ) -> Self {
        Self { tls, chain, verified: Mutex::new((generation, Instant::now())) }
    }

    /// Looks again, when it may be otherwise than it was.
    ///
    /// # Errors
    /// Why it is not.
    pub fn still_good(&self) -> Result<(), rustls::Error> {
        let loaded = self.tls.current();
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.0 == loaded.generation && verified.1.elapsed() < EVERY {
            return Ok(());
        }
        loaded.verify(&self.chain, UnixTime::now())?;
        *verified = (loaded.generation, Instant::now());
        Ok(())
    }
}

/// The layer of a connection: a client whose certificate is not good any more is told so, and the
/// connection ends.
pub(crate) async fn recheck(
    State(check): State<Arc<Recheck>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Err(error) = check.still_good() else { return next.run(request).await };
    request.extensions_mut().insert(Refusal::certificate(error.to_string()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

const EVERY: Duration = Duration::from_secs(60);
