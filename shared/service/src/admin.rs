//! The routes of the admin listener, one per process: `/health/live`, `/health/ready`, `/metrics`.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::join_all;
use http::{StatusCode, header};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;

type Check =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// What must be well for this process to take requests. Clones share the same list.
#[derive(Clone, Default)]
pub struct ReadinessChecks {
    checks: Arc<RwLock<Vec<(String, Weight, Check)>>>,
    well: Arc<Mutex<Option<Well>>>,
}

/// When all checks were begun that were well then, and what they said.
struct Well(Instant, Vec<CheckResult>);

/// What a check that fails means.
#[derive(Clone, Copy)]
enum Weight {
    /// The process is not ready.
    Fatal,
    /// The process is ready, and somebody has something to mend.
    Notice,
}

impl ReadinessChecks {
    /// No checks: always ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check, named for the one thing it looks at, e.g. `repository 2.999.1`: of two parts of
    /// a kind each has a name of its own. It is asked at a request for readiness, unless all were well
    /// a quarter of a second ago: a portal asks for each search. It has 2 s to answer, and says in a
    /// few words what is wrong: anyone who reaches the admin listener reads them.
    pub fn register<C, F>(&self, name: impl Into<String>, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name.into(), Weight::Fatal, check);
    }

    /// Adds a check whose failure is shown as `problem` and leaves the process ready: of what it
    /// can work without for as long as it takes to mend it.
    pub fn register_notice<C, F>(&self, name: impl Into<String>, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name.into(), Weight::Notice, check);
    }

    fn add<C, F>(&self, name: String, weight: Weight, check: C)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks.write().unwrap_or_else(PoisonError::into_inner).push((name, weight, check));
    }

    /// What they say, or said a moment ago when all were well.
    async fn ask(&self) -> Vec<CheckResult> {
        let well = || self.well.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        if let Some(Well(at, results)) = &*well()
            && begun.duration_since(*at) < WELL_FOR
        {
            return results.clone();
        }
        let results = self.ask_now().await;
        let all = results.iter().all(|result| result.problem.is_none());
        *well() = all.then(|| Well(begun, results.clone()));
        results
    }

    async fn ask_now(&self) -> Vec<CheckResult> {
        let checks = self.checks.read().unwrap_or_else(PoisonError::into_inner).clone();
        join_all(checks.into_iter().map(|(name, weight, check)| async move {
            let outcome = match tokio::time::timeout(CHECK_LIMIT, check()).await {
                Ok(outcome) => outcome,
                Err(_elapsed) => Err("no answer in time".to_owned()),
            };
            let ok = outcome.is_ok() || matches!(weight, Weight::Notice);
            CheckResult { name, ok, problem: outcome.err() }
        }))
        .await
    }
}

impl fmt::Debug for ReadinessChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadinessChecks")
    }
}

/// The routes of the admin listener.
///
/// `/health/live` answers 200 while the process runs. `/health/ready` answers 200, or 503 when a
/// check fails or the process drains, and lists the checks as JSON. `/metrics` is Prometheus text.
pub fn router(checks: ReadinessChecks, metrics: Metrics, lifecycle: &Lifecycle) -> Router {
    let state = Admin { checks, metrics, draining: lifecycle.draining() };
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(prometheus))
        .with_state(state)
        .layer(axum::middleware::from_fn(crate::refuse))
}

#[derive(Clone)]
struct Admin {
    checks: ReadinessChecks,
    metrics: Metrics,
    draining: CancellationToken,
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: Vec<CheckResult>,
}

#[derive(Clone, Serialize)]
struct CheckResult {
    name: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "live" }))
}

async fn ready(State(admin): State<Admin>) -> Response {
    let checks = admin.checks.ask().await;
    let status = if admin.draining.is_cancelled() {
        "draining"
    } else if checks.iter().all(|check| check.ok) {
        "ready"
    } else {
        "not-ready"
    };
    let code = if status == "ready" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, [(header::CACHE_CONTROL, "no-store")], Json(Readiness { status, checks }))
        .into_response()
}

async fn prometheus(State(admin): State<Admin>) -> Response {
    ([(header::CONTENT_TYPE, PROMETHEUS_TEXT)], admin.metrics.render()).into_response()
}

const CHECK_LIMIT: Duration = Duration::from_secs(2);
const WELL_FOR: Duration = Duration::from_millis(250);
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use axum::body::Body;
    use axum::extract::Request;
    use carerecord_model::RandomIds;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::listener::ListenerConfig;

    #[tokio::test]
    async fn a_process_without_checks_is_live_and_ready() {
        let router = admin(&ReadinessChecks::new(), &Lifecycle::new());

        assert_eq!(ask(&router, "/health/live").await, (200, json!({ "status": "live" })));
        let ready = json!({ "status": "ready", "checks": [] });
        assert_eq!(ask(&router, "/health/ready").await, (200, ready));
    }

    #[tokio::test]
    async fn a_check_that_fails_is_named() {
        let checks = ReadinessChecks::new();
        checks.register("registry.store", || async { Ok(()) });
        checks
            .register(format!("repository {}", 7), || async { Err("the disk is full".to_owned()) });
        let router = admin(&checks, &Lifecycle::new());

        let (status, body) = ask(&router, "/health/ready").await;

        assert_eq!(status, 503);
        assert_eq!(body["status"], "not-ready");
        assert_eq!(body["checks"][0], json!({ "name": "registry.store", "ok": true }));
        assert_eq!(body["checks"][1]["name"], "repository 7");
        assert_eq!(body["checks"][1]["problem"], "the disk is full");
    }

    #[tokio::test]
    async fn a_notice_is_shown_and_the_process_stays_ready() {
        let checks = ReadinessChecks::new();
        checks.register_notice("directory", || async { Err("line 3 is wrong".to_owned()) });
        let router = admin(&checks, &Lifecycle::new());

        let (status, body) = ask(&router, "/health/ready").await;

        assert_eq!((status, &body["status"]), (200, &json!("ready")));
        let shown = json!({ "name": "directory", "ok": true, "problem": "line 3 is wrong" });
        assert_eq!(body["checks"][0], shown);
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_a_failure() {
        let checks = ReadinessChecks::new();
        checks.register("stuck", std::future::pending);
        let router = admin(&checks, &Lifecycle::new());

        let (status, body) = ask(&router, "/health/ready").await;

        assert_eq!((status, &body["checks"][0]["problem"]), (503, &json!("no answer in time")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_well_is_asked_about_again_a_moment_later_and_what_fails_at_once() {
        let checks = ReadinessChecks::new();
        let (asked, full) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let check = (asked.clone(), full.clone());
        checks.register("disk", move || {
            check.0.fetch_add(1, Ordering::Relaxed);
            let full = check.1.load(Ordering::Relaxed);
            async move { if full { Err("full".to_owned()) } else { Ok(()) } }
        });
        let router = admin(&checks, &Lifecycle::new());
        let status = async || ask(&router, "/health/ready").await.0;

        assert_eq!((status().await, status().await), (200, 200));
        assert_eq!(asked.load(Ordering::Relaxed), 1);

        full.store(true, Ordering::Relaxed);
        tokio::time::advance(WELL_FOR).await;
        assert_eq!((status().await, status().await), (503, 503));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_process_that_drains_is_live_but_not_ready() {
        let lifecycle = Lifecycle::new();
        let router = admin(&ReadinessChecks::new(), &lifecycle);
        lifecycle.shutdown();

        assert_eq!(ask(&router, "/health/live").await.0, 200);
        assert_eq!(ask(&router, "/health/ready").await.1["status"], "draining");
    }

    #[tokio::test]
    async fn requests_are_counted_by_route_and_status() {
        let router = admin(&ReadinessChecks::new(), &Lifecycle::new());
        let config = ListenerConfig::loopback(0);
        let router = crate::layers::standard(router, "metrics-test", &config, Arc::new(RandomIds));
        ask(&router, "/health/live").await;
        ask(&router, "/nowhere/9990001006").await;

        let request = Request::get("/metrics").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();

        let line = |route: &str, status: u16| {
            text.lines().any(|line| {
                line.starts_with("http_requests_total{")
                    && line.contains("listener=\"metrics-test\"")
                    && line.contains(&format!("route=\"{route}\""))
                    && line.contains(&format!("status=\"{status}\""))
            })
        };
        assert!(line("/health/live", 200) && line("unmatched", 404), "{text}");
        assert!(text.contains("http_request_duration_seconds_bucket"), "{text}");
        assert!(!text.contains("9990001006"), "{text}");
    }

    fn admin(checks: &ReadinessChecks, lifecycle: &Lifecycle) -> Router {
        router(checks.clone(), Metrics::install().unwrap(), lifecycle)
    }

    async fn ask(router: &Router, path: &str) -> (u16, Value) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}
