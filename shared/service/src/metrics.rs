use std::fmt;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// The metrics of this process. Labels are routes, statuses and names of listeners: never a value
/// that a caller can choose, so their number stays small and they carry nothing of a patient.
///
/// | name | labels |
/// |---|---|
/// | `http_requests_total` | `listener`, `method`, `route`, `status` |
/// | `http_request_duration_seconds` | `listener`, `route`: to the end of the answer's body |
/// | `http_requests_in_flight` | `listener` |
/// | `http_response_bytes_total` | `listener`, `route` |
/// | `http_connections` | `listener` |
/// | `http_requests_limited_total` | `listener`: refused because their client has asked too much |
/// | `connections_refused_total` | `listener`: of MLLP, because their client has too many |
/// | `messages_delayed_total` | `listener`: of MLLP, because their client sends too fast |
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// Another recorder is there already, or the buckets are wrong.
    #[error("metrics could not be set up")]
    Build(#[from] BuildError),
}

impl Metrics {
    /// Sets up the recorder of this process. A second call returns the same one.
    ///
    /// # Errors
    /// When something other than this function has set up a recorder.
    pub fn install() -> Result<Self, MetricsError> {
        static INSTALLING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _one_at_a_time = INSTALLING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(metrics) = INSTALLED.get() {
            return Ok(metrics.clone());
        }
        let duration = Matcher::Full(REQUEST_DURATION.to_owned());
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(duration, &DURATION_BUCKETS)?
            .install_recorder()?;
        describe();
        Ok(INSTALLED.get_or_init(|| Self(handle)).clone())
    }

    /// The metrics in the Prometheus text format.
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests answered, by route and status.");
    metrics::describe_histogram!(
        REQUEST_DURATION,
        metrics::Unit::Seconds,
        "Time from the head of a request to the end of its answer."
    );
    metrics::describe_gauge!(IN_FLIGHT, "Requests whose answer has not ended.");
    metrics::describe_counter!(
        RESPONSE_BYTES,
        metrics::Unit::Bytes,
        "Bytes of answer bodies handed to connections."
    );
    metrics::describe_gauge!(CONNECTIONS, "Open connections.");
    metrics::describe_counter!(LIMITED, "Requests of clients that have asked too much.");
}

static INSTALLED: OnceLock<Metrics> = OnceLock::new();

pub(crate) const REQUESTS: &str = "http_requests_total";
pub(crate) const REQUEST_DURATION: &str = "http_request_duration_seconds";
pub(crate) const IN_FLIGHT: &str = "http_requests_in_flight";
pub(crate) const RESPONSE_BYTES: &str = "http_response_bytes_total";
pub(crate) const CONNECTIONS: &str = "http_connections";
pub(crate) const LIMITED: &str = "http_requests_limited_total";
const DURATION_BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
