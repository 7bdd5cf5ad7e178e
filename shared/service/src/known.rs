//! Systems that are known by their certificates.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use carerecord_access::Caller;
use http::request::Parts;
use serde::Deserialize;

use crate::tls::CertificateFacts;
use crate::xua::{Callers, Xua, XuaMode};
use crate::{AuditDraft, DELEGATION, DelegationMode, Delegations, Refusal, RequestId};

/// How a system's certificate is recognised: everything that is given must hold. That it comes from
/// an authority of the listener has been verified before.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CertificateMatch {
    /// The subject as RFC 4514 writes it: `CN=epr,O=Example`.
    pub subject: Option<String>,
    /// One of its DNS names.
    pub dns: Option<String>,
    /// One of its URIs.
    pub uri: Option<String>,
    /// The issuer, as RFC 4514 writes it.
    pub issuer: Option<String>,
    /// It is one of these: SHA-256 in hex, with or without colons.
    #[serde(default)]
    pub sha256: Vec<String>,
}

impl CertificateMatch {
    /// Whether it names anybody, and names them in a form that can be.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> Result<(), String> {
        let named = [&self.subject, &self.dns, &self.uri];
        if named.iter().all(|name| name.is_none()) && self.sha256.is_empty() {
            return Err("needs subject, dns, uri or sha256".to_owned());
        }
        if named.into_iter().chain([&self.issuer]).flatten().any(|name| name.trim().is_empty()) {
            return Err("has an empty name".to_owned());
        }
        let is_hash = |hash: &String| {
            let hash = plain(hash);
            hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())
        };
        match self.sha256.iter().find(|hash| !is_hash(hash)) {
            Some(hash) => Err(format!("sha256 has {hash:?}, which is no SHA-256")),
            None => Ok(()),
        }
    }

    fn is_met(&self, facts: &CertificateFacts) -> bool {
        let is = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|w| w == has);
        let dns = |wanted: &String| facts.dns.contains(&wanted.to_ascii_lowercase());
        is(&self.subject, &facts.subject)
            && is(&self.issuer, &facts.issuer)
            && self.dns.as_ref().is_none_or(dns)
            && self.uri.as_ref().is_none_or(|wanted| facts.uris.contains(wanted))
            && (self.sha256.is_empty() || self.sha256.iter().any(|h| plain(h) == facts.sha256))
    }
}

fn plain(hash: &str) -> String {
    hash.replace(':', "").to_ascii_lowercase()
}

/// The systems of a process by their certificates.
#[derive(Clone, Debug, Default)]
pub struct KnownSystems(Vec<(CertificateMatch, Caller)>);

impl KnownSystems {
    /// These systems.
    pub fn new(systems: Vec<(CertificateMatch, Caller)>) -> Self {
        Self(systems)
    }

    /// Whose certificate it is.
    ///
    /// # Errors
    /// When it is nobody's, or several could have it: nobody can say then who it is.
    pub fn find(&self, facts: &CertificateFacts) -> Result<&Caller, String> {
        let mut found = self.0.iter().filter(|(wanted, _)| wanted.is_met(facts));
        let told =
            || format!("\"{}\" of \"{}\", SHA-256 {}", facts.subject, facts.issuer, facts.sha256);
        match (found.next(), found.next()) {
            (Some((_, caller)), None) => Ok(caller),
            (Some(_), Some(_)) => Err(format!("several systems have the certificate {}", told())),
            (None, _) => Err(format!("no system has the certificate {}", told())),
        }
    }
}

/// How those who come in by a listener are known.
#[derive(Clone)]
pub enum Entrance {
    /// Whoever comes in is this system.
    Listener(Callers),
    /// By their certificates; messages can carry assertions as `Callers` of the listener say.
    Certificates(Arc<KnownSystems>, Callers),
}

/// The answer to somebody who is not let in.
#[derive(Debug)]
pub struct NotAdmitted(Box<Response>);

impl IntoResponse for NotAdmitted {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl<C: Into<Callers>> From<C> for Entrance {
    fn from(callers: C) -> Self {
        Self::Listener(callers.into())
    }
}

impl Entrance {
    /// The same where messages can carry assertions.
    #[must_use]
    pub fn with_xua(self, xua: &Arc<Xua>, mode: XuaMode) -> Self {
        match self {
            Self::Listener(callers) => Self::Listener(callers.with_xua(xua.clone(), mode)),
            Self::Certificates(known, callers) => {
                Self::Certificates(known, callers.with_xua(xua.clone(), mode))
            }
        }
    }

    /// The same where requests can carry delegations.
    #[must_use]
    pub fn with_delegations(self, delegations: &Arc<Delegations>, mode: DelegationMode) -> Self {
        let with = |callers: Callers| callers.with_delegations(delegations.clone(), mode);
        match self {
            Self::Listener(callers) => Self::Listener(with(callers)),
            Self::Certificates(known, callers) => Self::Certificates(known, with(callers)),
        }
    }

    /// Who is at the other end of a connection, for what is no HTTP.
    ///
    /// # Errors
    /// Why nobody is known, for the record.
    pub fn of_connection(&self, facts: Option<&CertificateFacts>) -> Result<Callers, String> {
        match self {
            Self::Listener(callers) => Ok(callers.clone()),
            Self::Certificates(known, callers) => {
                let facts = facts.ok_or("there is no certificate")?;
                Ok(callers.of(known.find(facts)?.clone()))
            }
        }
    }

    /// Who sends a request.
    ///
    /// # Errors
    /// The answer, where nobody is known by the certificate; the record has been told.
    pub fn enter(&self, parts: &Parts) -> Result<Callers, NotAdmitted> {
        let facts = parts.extensions.get::<Arc<CertificateFacts>>();
        let statement = parts.headers.get(DELEGATION).and_then(|value| value.to_str().ok());
        let callers = self.of_connection(facts.map(|facts| &**facts));
        callers.map(|callers| callers.with_statement(statement)).map_err(|why| {
            let draft = parts.extensions.get::<AuditDraft>();
            let id = parts.extensions.get::<RequestId>().copied();
            let answer = Refusal::certificate(why).answer(parts.uri.path(), id, draft);
            NotAdmitted(Box::new(answer))
        })
    }
}

#[cfg(test)]
mod tests {
    use carerecord_access::SystemCaller;

    use super::*;

    fn facts() -> CertificateFacts {
        CertificateFacts {
            subject: "CN=epr,O=Example".to_owned(),
            issuer: "CN=Authority".to_owned(),
            dns: vec!["epr.example".to_owned()],
            uris: vec!["urn:x:epr".to_owned()],
            sha256: "ab".repeat(32),
        }
    }

    fn read(text: &str) -> CertificateMatch {
        toml::from_str(text).unwrap()
    }

    fn system(name: &str) -> Caller {
        Caller::System(SystemCaller {
            name: name.to_owned(),
            organisation: "ZEX01".parse().unwrap(),
            rights: Vec::new(),
            known_by: "certificate",
        })
    }

    #[test]
    fn everything_that_is_given_must_hold() {
        let colons = vec!["AB"; 32].join(":");
        let good = [
            "subject = 'CN=epr,O=Example'".to_owned(),
            "dns = 'EPR.example'".to_owned(),
            "uri = 'urn:x:epr'\nissuer = 'CN=Authority'".to_owned(),
            format!("sha256 = ['{}', '{colons}']", "00".repeat(32)),
        ];
        let bad = [
            "subject = 'CN=epr'".to_owned(),
            "dns = 'example'".to_owned(),
            "dns = 'epr.example'\nissuer = 'CN=Other'".to_owned(),
            "dns = 'epr.example'\nuri = 'urn:x:other'".to_owned(),
            format!("subject = 'CN=epr,O=Example'\nsha256 = ['{}']", "00".repeat(32)),
        ];

        for text in good {
            assert!(read(&text).validate().is_ok() && read(&text).is_met(&facts()), "{text}");
        }
        for text in bad {
            assert!(!read(&text).is_met(&facts()), "{text}");
        }
    }

    #[test]
    fn who_could_be_two_is_nobody() {
        let (dns, subject) = (read("dns = 'epr.example'"), read("subject = 'CN=epr,O=Example'"));
        let one = KnownSystems::new(vec![(dns.clone(), system("a"))]);
        let two = KnownSystems::new(vec![(dns, system("a")), (subject, system("b"))]);

        assert_eq!(one.find(&facts()).map(Caller::id), Ok("a"));
        assert!(two.find(&facts()).unwrap_err().contains("several"));
        assert!(one.find(&CertificateFacts::default()).is_err());
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for text in ["", "issuer = 'CN=Authority'", "dns = ' '", "sha256 = ['abc']"] {
            assert!(read(text).validate().is_err(), "{text}");
        }
    }
}
