//! What operators see of asking the nodes. Labels are of the directory, never of a request.

use std::time::Duration;

use carerecord_fhir::SourceState;

use super::Member;

/// Counts one question to a node.
pub(super) fn count(member: &Member, what: &'static str, state: SourceState, took: Duration) {
    let node = member.id.to_string();
    let labels = [("node", node.clone()), ("what", what.into()), ("state", state.code().into())];
    metrics::counter!(REQUESTS, &labels).increment(1);
    metrics::histogram!(DURATION, &labels[..2]).record(took.as_secs_f64());
    if let Some(time) = member.last_good() {
        metrics::gauge!(LAST_GOOD, "node" => node).set(time.as_millisecond() as f64 / 1000.0);
    }
}

/// Shows whether an endpoint is left alone.
pub(super) fn show_breaker(member: &Member, line: usize) {
    let line = &member.lines[line];
    let labels = [("node", member.id.to_string()), ("endpoint", line.address().to_owned())];
    metrics::gauge!(PAUSED, &labels).set(f64::from(u8::from(line.breaker.is_open())));
}

const REQUESTS: &str = "node_requests_total";
const DURATION: &str = "node_request_duration_seconds";
const LAST_GOOD: &str = "node_last_good_timestamp_seconds";
const PAUSED: &str = "node_endpoint_paused";
