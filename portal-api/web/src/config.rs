use std::path::PathBuf;

use carerecord_service::{LONGEST_SIGN_IN, Secret, SignInProvider};
use url::{Host, Url};

use crate::launch::{EhrConfig, LauncherConfig};
use crate::pages::patient::ViewConfig;

/// How the web portal is set up.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Where browsers reach it, e.g. `http://127.0.0.1:8080`. The sign-in provider must know
    /// `{public_url}/sign-in/callback` as redirect address and `{public_url}/signed-out` as the
    /// address after signing out.
    pub public_url: Url,
    /// The base of the FHIR API, e.g. `http://127.0.0.1:8080/fhir`.
    pub api_url: Url,
    /// The HTTP client for the API, where that speaks TLS by an authority of its own.
    pub api_client: Option<reqwest::Client>,
    /// The sign-in provider, as its tokens name it in `iss`.
    pub issuer_url: Url,
    /// The name under which the provider knows the portal.
    pub client_id: String,
    /// The secret that goes with it; none for a public client.
    pub client_secret: Option<Secret>,
    /// Its name on the sign-in page, where there are several providers.
    pub sign_in_name: String,
    /// More providers, with their secrets.
    pub more_providers: Vec<(SignInProvider, Option<Secret>)>,
    /// What the service is called on every page, e.g. `Care Record`.
    pub service_name: String,
    /// How long a session lasts without a request; 15 by default.
    pub session_idle_minutes: u32,
    /// How long a session lasts at most; 10 by default.
    pub session_hours: u32,
    /// How long to wait for an answer of the API or the provider. Documents may take longer, as
    /// long as their bytes flow.
    pub deadline_ms: u64,
    /// Whether to say on the start page that the people and documents are invented.
    pub demo: bool,
    /// Codes of the job roles that review overrides: who has one finds the alerts in the menu. What
    /// they may see is the API's to say.
    pub review_roles: Vec<String>,
    /// Codes of the job roles that follow single requests for the service desk.
    pub trace_roles: Vec<String>,
    /// Systems that open records in context.
    pub launchers: Vec<LauncherConfig>,
    /// Electronic patient records that open records by SMART App Launch.
    pub ehrs: Vec<EhrConfig>,
    /// The folder that paths are taken from.
    pub base: PathBuf,
    /// Codes of the job roles that run the programme.
    pub programme_roles: Vec<String>,
    /// Who gets which view of a record; the first that fits.
    pub views: Vec<ViewConfig>,
}

/// Why the web portal cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// An address is not an absolute http or https URL.
    #[error("{0} must be an absolute http or https address")]
    Address(&'static str),
    /// Session cookies go over https only; browsers make an exception for the machine itself.
    #[error("public_url must begin with https, unless it names this machine")]
    PlainText,
    /// The portal's addresses begin at the root of its host.
    #[error("public_url must not have a path")]
    Path,
    /// A duration is zero.
    #[error("{0} must be more than 0")]
    Zero(&'static str),
    /// It is not kept for longer which sign-ins have ended.
    #[error("session_hours must be 24 at most")]
    TooLong,
    /// A system that opens records in context.
    #[error("launcher {0}: {1}")]
    Launcher(String, String),
    /// An electronic patient record that opens records by SMART App Launch.
    #[error("ehr {0}: {1}")]
    Ehr(String, String),
    /// A view of a record for those with a role.
    #[error("view {0} {1}")]
    View(String, String),
    /// The HTTP client.
    #[error("the HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

impl WebConfig {
    /// A configuration with the default times.
    pub fn new(public_url: Url, api_url: Url, issuer_url: Url, client_id: &str) -> Self {
        Self {
            public_url,
            api_url,
            api_client: None,
            issuer_url,
            client_id: client_id.to_owned(),
            client_secret: None,
            sign_in_name: "NHS staff account".to_owned(),
            more_providers: Vec::new(),
            service_name: "Care Record".to_owned(),
            session_idle_minutes: 15,
            session_hours: 10,
            deadline_ms: 10_000,
            demo: false,
            review_roles: vec!["R0001".to_owned()],
            trace_roles: vec!["R8015".to_owned()],
            launchers: Vec::new(),
            ehrs: Vec::new(),
            base: PathBuf::new(),
            programme_roles: vec!["R8013".to_owned()],
            views: Vec::new(),
        }
    }

    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// Names the value that is wrong.
    pub fn validate(&self) -> Result<(), WebError> {
        let addresses = [
            ("public_url", &self.public_url),
            ("api_url", &self.api_url),
            ("issuer_url", &self.issuer_url),
        ];
        for (name, url) in addresses {
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                return Err(WebError::Address(name));
            }
        }
        if self.public_url.path() != "/" {
            return Err(WebError::Path);
        }
        if self.public_url.scheme() == "http" && !is_this_machine(&self.public_url) {
            return Err(WebError::PlainText);
        }
        for (name, value) in [
            ("session_idle_minutes", u64::from(self.session_idle_minutes)),
            ("session_hours", u64::from(self.session_hours)),
            ("deadline_ms", self.deadline_ms),
        ] {
            if value == 0 {
                return Err(WebError::Zero(name));
            }
        }
        if i64::from(self.session_hours) > LONGEST_SIGN_IN.as_hours() {
            return Err(WebError::TooLong);
        }
        for view in &self.views {
            view.check().map_err(|what| WebError::View(view.view.clone(), what))?;
        }
        Ok(())
    }
}

/// Whether requests may be sent to an address of the configuration: by TLS, or on this machine, and with
/// nothing in it but where that is.
pub(crate) fn check_outgoing(url: &Url) -> Result<(), &'static str> {
    let safe = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_this_machine(url),
        _ => false,
    };
    if !safe {
        return Err("is neither https nor on this machine");
    }
    let plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if plain { Ok(()) } else { Err("has more than a host and a path") }
}

pub(crate) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        let config = |public: &str| {
            let url = |s: &str| Url::parse(s).unwrap();
            let api = url("http://127.0.0.1:8080/fhir");
            WebConfig::new(url(public), api, url("http://127.0.0.1:8090"), "portal").validate()
        };

        assert!(config("http://127.0.0.1:8080").is_ok());
        assert!(config("http://localhost:8080").is_ok());
        assert!(config("https://record.example.nhs.uk").is_ok());
        assert!(matches!(config("http://record.example.nhs.uk"), Err(WebError::PlainText)));
        assert!(matches!(config("https://record.example.nhs.uk/x"), Err(WebError::Path)));
        assert!(matches!(config("ftp://record.example"), Err(WebError::Address("public_url"))));
    }
}
