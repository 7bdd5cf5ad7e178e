use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use carerecord_audit::AuditEvent;
use carerecord_model::{Clock, IdSource, RandomIds};
use carerecord_service::AuditDraft;
use http::{HeaderMap, Method, StatusCode, header};
use tower::ServiceExt;
use url::Url;

use super::TestClock;
use super::fake::Fake;
use super::rows::MemoryLooks;
use super::rows::MemoryRows;
use super::sign_outs::MemorySignOuts;
use crate::{EhrConfig, LauncherConfig, Looks, WebConfig, router};

/// A browser with one cookie, in front of the portal's routes.
pub(super) struct Browser {
    pub(super) fake: Arc<Fake>,
    /// A second provider, where there is one.
    council: Option<Arc<Fake>>,
    pub(super) rows: Arc<MemoryRows>,
    pub(super) looks: Arc<MemoryLooks>,
    pub(super) sign_outs: Arc<MemorySignOuts>,
    pub(super) clock: TestClock,
    router: Router,
    pub(super) cookie: Option<String>,
    /// The cookie as it was last set, with its attributes.
    pub(super) set_cookie: String,
    /// Every address asked for.
    pub(super) visited: Vec<String>,
}

/// What a browser got.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Browser {
    pub(super) async fn open() -> Self {
        Self::open_beside(None, None).await
    }

    /// In front of a portal with a second sign-in provider.
    pub(super) async fn with_council() -> Self {
        let council = Fake::start().await;
        council.state.lock().unwrap().council = true;
        Self::open_beside(Some(council), None).await
    }

    /// In front of a portal that the system `epr` opens records at, which signs with these keys.
    pub(super) async fn launched_by(keys: &Path) -> Self {
        let epr = serde_json::json!({
            "id": "epr", "name": "Example EPR", "keys": keys,
            "organisations": ["ZEX01", "A20047"], "return_origins": ["https://epr.example"],
        });
        Self::open_beside(None, serde_json::from_value(epr).ok()).await
    }

    /// In front of a portal that a record system opens records at, by SMART App Launch.
    pub(super) async fn launched_by_ehr(ehr: EhrConfig) -> Self {
        Self::open_with(None, |config| config.ehrs.push(ehr)).await
    }

    pub(super) fn council(&self) -> Arc<Fake> {
        self.council.clone().unwrap()
    }

    async fn open_beside(council: Option<Arc<Fake>>, launcher: Option<LauncherConfig>) -> Self {
        Self::open_with(council, |config| config.launchers.extend(launcher)).await
    }

    pub(super) async fn open_with(
        council: Option<Arc<Fake>>,
        more: impl FnOnce(&mut WebConfig),
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let fake = Fake::start().await;
        let url = |text: &str| Url::parse(text).unwrap();
        let mut config = WebConfig::new(
            url("http://127.0.0.1:8080"),
            url(&format!("{}/fhir", fake.base)),
            url(&format!("{}/oidc", fake.base)),
            "portal",
        );
        config.demo = true;
        more(&mut config);
        if let Some(council) = &council {
            let provider = serde_json::from_value(serde_json::json!({
                "id": "council", "name": "Example Council account",
                "issuer": format!("{}/oidc", council.base), "client_id": "portal",
                "scopes": ["groups"], "organisations": ["ZEX05"],
                "claims": {"role": "groups", "roles": [
                    {"value": "sw", "code": "R8014", "name": "Social worker"},
                    {"value": "po", "code": "R0001", "name": "Privacy officer"}]},
            }));
            config.more_providers.push((provider.unwrap(), None));
        }
        let (rows, clock) = (Arc::new(MemoryRows::default()), TestClock::default());
        let sign_outs = Arc::new(MemorySignOuts::default());
        let now = Arc::new(clock.clone());
        let looks = Arc::new(MemoryLooks::default());
        let kept = Looks::new(looks.clone(), [7; 32]);
        let ids = Arc::new(RandomIds);
        let router = router(config, rows.clone(), kept, sign_outs.clone(), now, ids).unwrap();
        let (cookie, set_cookie, visited) = (None, String::new(), Vec::new());
        Self { fake, council, rows, looks, sign_outs, clock, router, cookie, set_cookie, visited }
    }

    /// Opens the portal and signs in.
    pub(super) async fn signed_in() -> Self {
        let mut browser = Self::open().await;
        browser.sign_in().await;
        browser
    }

    /// A second tab: the same session, and requests of its own at the same time.
    pub(super) fn second_tab(&self) -> Self {
        Self {
            fake: self.fake.clone(),
            council: self.council.clone(),
            rows: self.rows.clone(),
            looks: self.looks.clone(),
            sign_outs: self.sign_outs.clone(),
            clock: self.clock.clone(),
            router: self.router.clone(),
            cookie: self.cookie.clone(),
            set_cookie: String::new(),
            visited: Vec::new(),
        }
    }

    pub(super) async fn sign_in(&mut self) -> Page {
        let back = self.begin().await;
        self.get(&back).await
    }

    /// Goes to the provider and gives the path it sends the browser back to.
    pub(super) async fn begin(&mut self) -> String {
        self.begin_at("/sign-in").await
    }

    pub(super) async fn begin_at(&mut self, path: &str) -> String {
        let begun = self.get(path).await;
        self.sent_back(begun.location()).await
    }

    /// The path that somebody else sends the browser back to.
    pub(super) async fn sent_back(&self, address: &str) -> String {
        let asks = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let answer = asks.build().unwrap().get(address).send().await.unwrap();
        let back = answer.headers()[header::LOCATION].to_str().unwrap();
        back.strip_prefix("http://127.0.0.1:8080").unwrap().to_owned()
    }

    /// Searches for a number and gives the patient's address.
    pub(super) async fn find(&mut self, number: &str) -> String {
        let found = self.submit("/search", "/patient/find", &[("nhs_number", number)]).await;
        assert_eq!(found.status, StatusCode::SEE_OTHER, "{}", found.body);
        found.location().to_owned()
    }

    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Sends a form with the token of the page it is on.
    pub(super) async fn submit(&mut self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get(page).await;
        let token = page.token();
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", token.as_str())]).collect();
        self.post(path, &fields, &[("sec-fetch-site", "same-origin"), ("origin", "null")]).await
    }

    pub(super) async fn post(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = Request::builder().method(Method::POST).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, Body::from(body)).await
    }

    async fn send(&mut self, mut request: http::request::Builder, body: Body) -> Page {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let mut request = request.body(body).unwrap();
        // As the layer of records does.
        let event = AuditEvent::incoming(RandomIds.ordered(), self.clock.now(), "test", "web");
        request.extensions_mut().insert(AuditDraft::detached(event));
        self.visited.push(request.uri().to_string());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        if let Some(cookie) = parts.headers.get(header::SET_COOKIE) {
            self.set_cookie = cookie.to_str().unwrap().to_owned();
            self.cookie = self.set_cookie.split(';').next().map(str::to_owned);
        }
        let bytes = to_bytes(body, 1 << 26).await;
        let body = bytes.map_or_else(
            |_| "the body broke off".to_owned(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        );
        Page { status: parts.status, headers: parts.headers, body }
    }
}

impl Page {
    pub(super) fn location(&self) -> &str {
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// The token of its forms.
    pub(super) fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    pub(super) fn title(&self) -> &str {
        let (_, rest) = self.body.split_once("<title>").unwrap();
        rest.split("</title>").next().unwrap()
    }

    #[track_caller]
    pub(super) fn shows(&self, words: &str) {
        let dense = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(dense.contains(words), "no {words:?} in {dense}");
    }

    #[track_caller]
    pub(super) fn hides(&self, words: &str) {
        assert!(!self.body.contains(words), "{words:?} in {}", self.body);
    }
}
